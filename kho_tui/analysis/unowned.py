"""Why preserved memory has no owner that could be decoded: what was not captured comes first, then the likeliest reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.model.facts import Damaged, Missing, Stale, Status, Unavailable, Unknown
from kho_tui.model.luo import File, FlbList, Luo, Memfd, NotWritten, Session
from kho_tui.model.state import KhoTest, Memblock, RawContent, Side, State, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText

NOT_WRITTEN = SafeText("sessions not written yet: LUO does it inside the reboot call, so their pages have no owner before")
AMBIGUOUS = SafeText("the tracker can be read in another way too, and this reading may count memory that is not preserved")
OPAQUE = SafeText("an opaque owner: {names} may keep memory that nothing here can decode")
LEAK = SafeText("no decoded path leads to it: possibly a leak")

_MISSING: Mapping[Status, type[Missing]] = {Status.STALE: Stale, Status.DAMAGED: Damaged, Status.UNKNOWN: Unknown}
_PART = SafeText("only part of it could be read")
_NOWHERE = SafeText("where it lies is not known")


def unowned_reason(state: State, side: Side) -> SafeText:
    """The reason for the side's unowned memory, if it has any."""
    gap = owner_gap(side)
    if gap is not None:
        return SafeText(f"the owner cannot be told: {gap.reason}")
    luo = [s.content for s in side.handed_over if isinstance(s.content, Luo)]
    if any(isinstance(one.sessions, NotWritten) for one in luo):
        return NOT_WRITTEN
    if isinstance(side.preserved, PreservedMap) and side.preserved.others:
        return AMBIGUOUS
    opaque = [*_opaque_subtrees(side.handed_over), *(name for one in luo for name in _opaque_in(one))]
    if opaque:
        return SafeText(OPAQUE.replace("{names}", ", ".join(opaque[:3])))
    return LEAK


def owner_gap(side: Side) -> Missing | None:
    """Which structures that name owners are not here, or not whole; None: all are, so that what has no owner is nobody's."""
    gaps = _gaps(side)
    first = next(gaps, None)
    if first is None:
        return None
    name, status, reason = first
    more = sum(1 for _ in gaps)
    others = f" (and {more} more structures)" if more > 1 else " (and one more structure)" if more else ""
    return _MISSING.get(status, Unavailable)(SafeText(f"{name}: {reason}{others}"))


def _gaps(side: Side) -> Iterator[tuple[str, Status, SafeText]]:
    root = side.root
    if isinstance(root, Missing):
        yield "root FDT", root.status, root.reason
    else:
        if root.view.tree.salvaged:
            yield "root FDT", Status.PARTIAL, _PART
        if isinstance(root.phys, Missing):
            yield "root FDT", root.phys.status, _NOWHERE
    for subtree in side.handed_over:
        yield from _gaps_of(subtree)


def _gaps_of(subtree: Subtree) -> Iterator[tuple[str, Status, SafeText]]:
    name, content = str(subtree.path), subtree.content
    if isinstance(subtree.phys, Missing):
        yield name, subtree.phys.status, _NOWHERE
    if subtree.lookup_name == KEXEC_METADATA_NAME:
        return
    if isinstance(content, Missing):
        # Of a version that nobody knows nothing is missing: it is there, and opaque.
        if not isinstance(content, Unknown):
            yield name, content.status, content.reason
        return
    if subtree.status not in (Status.DECODED, Status.UNKNOWN):
        yield name, subtree.status, subtree.reason
    if isinstance(content, KhoTest):
        # 6.16 and 6.17 have no area: the list lies in the FDT.
        if isinstance(content.folios, Missing):
            yield f"folios of {name}", content.folios.status, content.folios.reason
        elif not isinstance(content.area, Missing) and content.area.status is not Status.DECODED:
            yield f"folios of {name}", content.area.status, content.area.reason
    elif isinstance(content, Memblock):
        for region in content.regions:
            for fact in (region.start, region.size):
                if isinstance(fact, Missing):
                    yield str(region.path), fact.status, fact.reason
    elif isinstance(content, Luo):
        yield from _gaps_in_luo(content, name)


def _gaps_in_luo(luo: Luo, name: str) -> Iterator[tuple[str, Status, SafeText]]:
    sessions = luo.sessions
    if not isinstance(sessions, NotWritten) and sessions.status is not Status.DECODED:
        yield f"sessions of {name}", sessions.status, sessions.reason
    for session in () if isinstance(sessions, Missing) else sessions.sessions:
        yield from _gaps_in_session(session)
    flbs = luo.flbs
    if luo.flbs_at != 0 and not isinstance(flbs, NotWritten) and flbs.status is not Status.DECODED:
        yield f"FLBs of {name}", flbs.status, flbs.reason


def _gaps_in_session(session: Session) -> Iterator[tuple[str, Status, SafeText]]:
    if isinstance(session.files, Missing):
        yield f"files of {session.path}", session.files.status, session.files.reason
        return
    if session.status is not Status.DECODED:
        yield f"files of {session.path}", session.status, session.reason
    for file in session.files:
        told = file.content.folios if isinstance(file.content, Memfd) else file.content
        if told.status is not Status.DECODED and not isinstance(told, Unknown):
            yield f"folios of {file.path}", told.status, told.reason


def _opaque_subtrees(subtrees: tuple[Subtree, ...]) -> list[str]:
    return [f"subtree {s.path.parts[-1]}" for s in subtrees if isinstance(s.content, RawContent | Unknown)]


def _opaque_in(luo: Luo) -> list[str]:
    files: list[File] = [
        f for s in ([] if isinstance(luo.sessions, Missing) else luo.sessions.sessions) if not isinstance(s.files, Missing) for f in s.files
    ]
    names = [f"file {f.path}" for f in files if isinstance(f.content, Unknown)]
    if isinstance(luo.flbs, FlbList) and luo.flbs.flbs:
        names.append("the FLBs' data")
    return names
