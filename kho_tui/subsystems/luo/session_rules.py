"""Rules on sessions, their files, and the FLBs that files depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kho_tui.abi.flb import FLB_PAGE, LUO_FLB_SER
from kho_tui.abi.luo import (
    CHECKS_NAMES,
    LUO_NAME,
)
from kho_tui.analysis.checks.answer import FLBS, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.model.facts import Status
from kho_tui.model.flbs import FlbList
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import Session
from kho_tui.releases.version import Version
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.root_rules import has_flb_node
from kho_tui.text import plural, visible

_CUT = "; a name without an end is cut, so that nobody finds the session by it"
_TOKEN_TWICE = "the token leads to the first of the two files, nobody can ask for the other one: it is lost"
_FREED_FLBS = "the page is freed memory when a driver asks for its FLB: an Oops, at boot (7.3), or data of somebody else"
_NO_OPEN = "every open of /dev/liveupdate fails with -EIO in the next kernel: all sessions are lost"


@rule(
    "KHO042",
    "sessions have names of their own, and the files that they claim",
    error("6.19"),
    explanation="Names are unique, not empty (a warning in 6.19 and 7.0, which take them) and end within 64 bytes; a list of files is there"
    " exactly where files are claimed; from 7.2 on the blocks of the list hold as many as claimed.",
    consequence=_NO_OPEN + _CUT + "; where files are claimed and only the address of their list is 0, the kernel warns and the session "
    "arrives without its files",
    source="kernel/liveupdate/luo_session.c, luo_session_insert and luo_session_deserialize (6.19 to 7.3)",
)
def sessions(evidence: Evidence, found: Found) -> None:
    """Invariant 42."""
    listed = evidence.sessions(found)
    checks_names = any(CHECKS_NAMES.covers(release.version) for release in evidence.releases)
    for session in listed:
        at = session.record.place.phys
        if b"\0" not in session.record.raw("name"):
            found.broken("its name has no NUL within 64 bytes: the next kernel cuts it", session.path, at)
        if not session.name:
            found.broken("a session without a name", session.path, at, severity=None if checks_names else "warning")
        if session.files_at == 0 and session.count:
            said = f"{plural(session.count, 'file')} claimed and no list of them: it arrives without files"
            found.broken(said, session.path, at)
        elif session.files_at and not session.count:
            found.broken(f"no file is claimed, yet there is a list at {session.files_at:#x}", session.path, at)
        _count(session, found)
    for name, (path, count) in _repeated((session.name, session.path) for session in listed).items():
        found.broken(f"{count} sessions are named {visible(name)}", path)


def _count(session: Session, found: Found) -> None:
    if not session.blocks or session.count is None or session.count == 0:
        return
    held = sum(header.integer("count") for header in session.blocks)
    if session.blocks[-1].integer("next"):
        found.lack(f"files of session {visible(session.name)}", session.reason)
    elif held != session.count:
        found.broken(f"{session.count} files are claimed, its blocks hold {held}", session.path, session.record.place.phys)


def _repeated(named: Iterable[tuple[bytes, EntityPath]]) -> dict[bytes, tuple[EntityPath, int]]:
    """What comes more than once: where first, and how often."""
    first: dict[bytes, EntityPath] = {}
    counts: Counter[bytes] = Counter()
    for name, path in named:
        first.setdefault(name, path)
        counts[name] += 1
    return {name: (first[name], count) for name, count in counts.items() if count > 1}


def _is_vendors(writer: str | None) -> bool:
    version = Version.parse(writer)
    return version is not None and version.is_vendors


@rule(
    "KHO043",
    "files have tokens of their own and a handler of the writer's release",
    error("6.19"),
    explanation="Tokens are unique in a session; handler names end within 48 bytes and are those of the release (memfd-v1 in 6.19 and 7.0, "
    "memfd-v2 from 7.1 on). A name that no kernel of kernel.org has is a warning: a module may bring it; none where it is known to be a "
    "vendor's and a vendor's kernel wrote it.",
    consequence="a file without a handler is lost (-ENOENT), and from 7.1 on every session with it",
    source="kernel/liveupdate/luo_file.c, luo_file_deserialize (6.19 to 7.3)",
)
def files(evidence: Evidence, found: Found) -> None:
    """Invariant 43."""
    tokens: Counter[tuple[EntityPath, int]] = Counter()
    registry = evidence.state.registry
    own: frozenset[bytes] = frozenset().union(*map(registry.handlers, evidence.releases))
    for session, file in evidence.files(found):
        at = file.record.place.phys
        tokens[session.path, file.token] += 1
        if tokens[session.path, file.token] == 2:
            found.broken(f"token {file.token:#x} comes twice in its session", file.path, at, consequence=_TOKEN_TWICE)
        if b"\0" not in file.record.raw("compatible"):
            found.broken("its handler's name has no NUL within 48 bytes", file.path, at)
        elif file.compatible not in own and evidence.newer:
            found.lack(f"handler of {file.path}", evidence.newer)
        elif file.compatible not in own:
            declared = registry.handler(file.compatible)
            vendors = declared is not None and declared.formats[file.compatible].written is None
            if vendors and _is_vendors(evidence.writer):
                continue
            known = (declared is not None and not vendors) or not file.compatible
            wanted = ", ".join(visible(one) for one in sorted(own))
            said = f"its handler is {visible(file.compatible) or 'nobody'}, the kernel's own is {wanted}"
            found.broken(said, file.path, at, severity=None if known else "warning")
            if declared is None and not known:
                found.lack(f"handler {visible(file.compatible)}", "not known here: a module may bring it")


@rule(
    "KHO044",
    "the FLB page is whole: one page, preserved, with entries that files depend on",
    warning("7.0"),
    explanation=f"pgcnt is 1, count at most (P-{FLB_PAGE.header_size})/{FLB_PAGE.element.size}, the page is preserved as a block of order "
    f"0; names are unique and end within {LUO_FLB_SER.span('name')[1]} bytes; each count is above 0 and at most the number of files. A "
    "page that is not preserved is an error.",
    consequence="a driver does not find its shared state (-ENODATA, -ENOENT), or frees it too early or never",
    source="kernel/liveupdate/luo_flb.c, luo_flb_serialize and luo_flb_retrieve_one (7.0 to 7.3)",
)
def flbs(evidence: Evidence, found: Found) -> None:
    """Invariant 44."""
    luo = evidence.content(LUO_NAME, Luo, found)
    if luo is None:
        return
    where = evidence.path.named(LUO_NAME).child("FLBs")
    at = found.need(luo.flbs_at, "address of the FLB page")
    if at is None:
        return
    if at == 0:
        if luo.format.is_struct:
            found.broken("flbs_pa is 0, yet it is set whenever LUO is on", where)
        else:
            found.not_here(
                "luo-flb-header is 0 (KHO145)" if has_flb_node(evidence.named(LUO_NAME)) else "no luo-flb node, as 6.19 writes it"
            )
        return
    if not evidence.is_block(found, at, luo.format.flbs.order):
        found.broken(
            f"no preserved block of order {luo.format.flbs.order} begins at {at:#x}", where, at, severity="error", consequence=_FREED_FLBS
        )
    listed = found.need(luo.flbs, FLBS)
    if not isinstance(listed, FlbList) or listed.header is None:
        return
    if listed.header.integer("pgcnt") != 1:
        found.broken(f"pgcnt is {listed.header.integer('pgcnt')}", where, at)
    capacity = luo.format.flbs.capacity(evidence.page_size)
    if listed.header.integer("count") > capacity:
        found.broken(f"{listed.header.integer('count')} FLBs are claimed, {capacity} fit", where, at)
    elif listed.status is not Status.DECODED:
        found.lack(FLBS, listed.reason)
    counted = Found()
    number = sum(1 for _ in evidence.files(counted))
    for flb in listed.flbs:
        at = flb.record.place.phys
        if b"\0" not in flb.record.raw("name"):
            found.broken("a name without NUL within 48 bytes", where, at)
        if not flb.count:
            found.broken(f"no file depends on {visible(flb.name)}", where, at)
        elif not counted.lacks and flb.count > number:
            found.broken(f"{flb.count} files depend on {visible(flb.name)}, {plural(number, 'file')} are preserved", where, at)
    for name, (path, count) in _repeated((flb.name, where) for flb in listed.flbs).items():
        found.broken(f"{count} FLBs are named {visible(name)}", path)


RULES = (sessions, files, flbs)
