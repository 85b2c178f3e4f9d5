"""Why preserved memory has no owner that could be decoded: what was not captured comes first, then the likeliest reason."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.model.facts import Damaged, Missing, NotWritten, Stale, Status, Unavailable, Unknown
from kho_tui.model.gaps import gaps
from kho_tui.model.state import RawContent, Side, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import NO_TEXT, SafeText

NOT_WRITTEN = SafeText("sessions not written yet: LUO does it inside the reboot call, so their pages have no owner before")
AMBIGUOUS = SafeText("the tracker can be read in another way too, and this reading may count memory that is not preserved")
OPAQUE = SafeText("an opaque owner: {names} may keep memory that nothing here can decode")
LEAK = SafeText("no decoded path leads to it: possibly a leak")

_MISSING: Mapping[Status, type[Missing]] = {Status.STALE: Stale, Status.DAMAGED: Damaged, Status.UNKNOWN: Unknown}


def unowned_reason(side: Side, gap: Missing | None) -> SafeText:
    """The reason for the side's unowned memory, if it has any; ``gap`` is its ``owner_gap``."""
    return SafeText(f"the owner cannot be told: {gap.reason}") if gap is not None else unseen_owner(side) or LEAK


def unseen_owner(side: Side) -> SafeText:
    """Who may own preserved memory though all that can be decoded was; empty for nobody."""
    if any(isinstance(subtree.sessions, NotWritten) for subtree in side.handed_over):
        return NOT_WRITTEN
    if isinstance(side.preserved, PreservedMap) and side.preserved.others:
        return AMBIGUOUS
    opaque = [*_opaque_subtrees(side.handed_over), *(name for content in side.contents for name in content.opaque())]
    if opaque:
        return SafeText(OPAQUE.replace("{names}", ", ".join(opaque[:3])))
    return NO_TEXT


def owner_gap(side: Side) -> Missing | None:
    """Which structures that name owners are not here, or not whole; None: all are, so that what has no owner is nobody's."""
    hiding = [gap for gap in gaps(side) if gap.hides_owners]
    if not hiding:
        return None
    more = len(hiding) - 1
    others = f" (and {more} more structures)" if more > 1 else " (and one more structure)" if more else ""
    return _MISSING.get(hiding[0].status, Unavailable)(SafeText(f"{hiding[0].words}{others}"))


def _opaque_subtrees(subtrees: tuple[Subtree, ...]) -> list[str]:
    return [f"subtree {s.path.parts[-1]}" for s in subtrees if isinstance(s.content, RawContent | Unknown)]
