"""Numbers that grow by one with every handover: what the boot before this one had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.model.state import Side, State

_TAKEN = frozenset({"found", "exec-from", "liveupdate", "revived"})
"""Kinds of lines in which a kernel says that it was handed a state."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A number of this kind. ``subtree`` holds it, ``read`` takes it from a side (None: it is no fact there); the log's lines of ``kind``
    are where the kernel says the number that it was handed."""

    what: str
    subtree: bytes
    read: Callable[[Side], int | None]
    kind: str


def earlier(evidence: Evidence, counted: Counted, found: Found) -> int | None:
    """The number that the kernel of an outgoing side was handed, 0 where it was handed none; why it cannot be told is noted as a lack."""
    state = evidence.state
    name = f"{counted.what} of the boot before"
    if evidence.side.name != "out":
        found.lack(name, f"the state of that boot is not {evidence.here}")
        return None
    incoming = state.sides.get("in")
    number = None if incoming is None else counted.read(incoming)
    if number is not None:
        return number
    said = (line.counted for line in state.log if line.kind == counted.kind and line.counted is not None)
    if (first := next(said, None)) is not None:
        return first
    absent = incoming is not None and incoming.lists_all and all(one.name != counted.subtree for one in incoming.subtrees)
    if booted_cold(state) or absent:
        return 0
    lacking = (
        "its incoming copy is stale, and the kernel log does not say it" if incoming is not None else "nothing shows that it booted cold"
    )
    found.lack(name, lacking)
    return None


def booted_cold(state: State) -> bool:
    """Whether this boot certainly took nothing: its log is there from the first line, and speaks of no handover, or of a refused one."""
    if "in" in state.sides or "in" in state.left_out or not state.log_from_boot:
        return False
    incoming = [line.kind for line in state.log if line.side == "in"]
    return "disabled" in incoming or not (_TAKEN.intersection(incoming) or state.machine.boot)
