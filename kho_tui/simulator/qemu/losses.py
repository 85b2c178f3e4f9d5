"""What of a handover did not come back from a kernel that took it: told by its log and by what the initrd's user space prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kho_tui.capture.dmesg import Evidence, parse_dmesg
from kho_tui.capture.log_texts import RESTORE_FAILED
from kho_tui.model.registry import Registry
from kho_tui.text import SafeText, visible

_REFUSED = re.compile(
    r"RIG (?:retrieve (?P<session>.+)|rfd (?P<token>[0-9a-f]{1,16})|(?P<device>no /dev/liveupdate)): (?P<why>[^:]+)$"
    r"|RIG session (?P<open>.+) retrieved$"
)
_FAILED = frozenset({RESTORE_FAILED, "folio-failed"})
_FAILED_TEST = b"test_kho: KHO restore failed"


@dataclass(frozen=True, slots=True)
class Held:
    """What of a state can be missed. ``regions`` that the guest asks for, ``sessions``: their files' tokens, where they are known.

    ``whole``: every preserved page was captured, so that the guest got the contents too.
    """

    regions: tuple[bytes, ...]
    sessions: Mapping[bytes, frozenset[int]]
    whole: bool


def losses(lines: Sequence[SafeText], held: Held, registry: Registry, *, booted: bool) -> tuple[SafeText, ...]:
    """A line for each thing that is known not to have come back. ``booted``: the kernel came as far as user space."""
    evidence = parse_dmesg("\n".join(lines).encode(), registry)
    failed: dict[tuple[str, bytes | None], SafeText] = {}
    for one in evidence:
        if _is_failure(one, held):
            # A WARNING is followed by a line with the same function.
            failed.setdefault((one.kind, one.subject), lines[one.line - 1])
    return (*(_not_revived(evidence, held) if booted else ()), *_not_retrieved(lines, held), *failed.values())


def _is_failure(one: Evidence, held: Held) -> bool:
    return one.kind in _FAILED or (held.whole and one.text.startswith(_FAILED_TEST))


def _not_revived(evidence: Sequence[Evidence], held: Held) -> Iterator[SafeText]:
    """mm/memblock.c, reserve_mem_kho_revive, 6.16-7.3, says so of each region that it revives, early: a long log may have lost it."""
    if any(one.kind == "found" for one in evidence):
        revived = {one.subject for one in evidence if one.kind == "revived"}
        yield from (SafeText(f"region {visible(region)} was not revived") for region in held.regions if region not in revived)


def _not_retrieved(lines: Sequence[SafeText], held: Held) -> Iterator[SafeText]:
    names = {visible(name): name for name in held.sessions}
    at: bytes | None = None
    for match in filter(None, map(_REFUSED.search, lines)):
        why = match["why"]
        if match["open"] is not None:
            at = names.get(SafeText(match["open"]))
        elif match["device"] is not None and held.sessions:
            yield SafeText(f"no session came back: {match['device']}: {why}")
        elif match["session"] is not None and match["session"] in names:
            yield SafeText(f"session {match['session']} was not retrieved: {why}")
        elif match["token"] is not None and at is not None and int(match["token"], 16) in held.sessions[at]:
            yield SafeText(f"file {int(match['token'], 16):#x} of {visible(at)} was not retrieved: {why}")
