"""The sides of a state: in which order they are shown, and which of them is meant where none is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kho_tui.errors import InputError
from kho_tui.model.content import KEXEC_COUNT, LIVE_UPDATE_NUMBER, SubtreeContent
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.state import COUNTING, LogLine, Side, State
from kho_tui.text import NO_TEXT, SafeText

_SHOWN = ("out", "in", "unsided")
_MEANT = ("out", "unsided", "in")
"""What would be handed over now comes first; of what was handed to this kernel most is given back."""

_TELL_THEIR_SIDES = frozenset({"capture", "debugfs", "live"})
"""Kinds of sources that show a side where there is one, so that none shown means none there."""


def sides_shown(state: State) -> tuple[str, ...]:
    """The sides that a state has, in the order in which they are shown."""
    return tuple(name for name in _SHOWN if name in state.sides)


def sides_meant(state: State) -> tuple[str, ...]:
    """The sides that a state has. The first is shown where the user names none, the others on going to the next side."""
    return tuple(name for name in _MEANT if name in state.sides)


def side_meant(state: State) -> Side:
    """The side that is shown where the user names none. A state without sides gives one of which everything says why it is missing."""
    name = next(iter(sides_meant(state)), None)
    if name is not None:
        return state.sides[name]
    nothing = Unavailable(no_side(state))
    return Side(name="out", root=nothing, finalized=nothing, preserved=nothing, subtrees=(), subtrees_told=False, writer=None)


def outgoing_or_none(state: State) -> Side | None:
    """The side that a kexec would hand over: the outgoing one, or that of a bare core, which does not tell; None: there is none."""
    return state.sides.get("out") or state.sides.get("unsided")


def outgoing_side(state: State) -> Side:
    """As ``outgoing_or_none``. Raises InputError where there is none."""
    side = outgoing_or_none(state)
    if side is None:
        there = ", ".join(state.sides) or state.absent or "none"
        raise InputError(f"{state.machine.path}: no outgoing side, and only that can be handed to a next kernel (there is: {there})")
    return side


def nothing_preserved(side: Side) -> bool:
    """Whether a side is known to preserve nothing, so that a boot without it loses nothing."""
    preserved = side.preserved
    return not isinstance(preserved, Missing) and preserved.status is Status.DECODED and not preserved.runs.blocks


def side_untold(state: State, name: str) -> SafeText:
    """Why a side that a state does not show may be there all the same; empty where it is not there, or shown."""
    if name in state.sides:
        return NO_TEXT
    if name in state.left_out:
        return SafeText(f"its side {name} is there and was not asked for")
    if "unsided" in state.sides:
        return SafeText("nothing in it says which side its root FDT is of")
    if name == "in" and (handed := handed_over_before(state)):
        return SafeText(f"{handed}, so that its side in is there and not in this capture")
    return NO_TEXT if state.machine.kind in _TELL_THEIR_SIDES else SafeText(f"a {state.machine.kind} alone does not tell its sides")


def handover_counts(side: Side | None) -> Mapping[str, int]:
    """What a kernel counts one higher than the one before it, as far as a side tells it: 1 is handed out after a cold boot."""
    counts: dict[str, int] = {}
    for subtree in () if side is None else side.subtrees:
        counted = subtree.content.counted() if isinstance(subtree.content, SubtreeContent) else None
        if counted is not None:
            counts.setdefault(*counted)
    return counts


_COUNTED = dict(zip(COUNTING, (KEXEC_COUNT, LIVE_UPDATE_NUMBER), strict=True))


def log_of_another_boot(sides: Mapping[str, Side], log: Sequence[LogLine]) -> SafeText:
    """Why a kernel log is not of the boot whose sides these are, by what it says that it was handed; empty where nothing shows that.

    One number that differs alone may be damage, or a live update that went wrong: all that both say has to differ, and be more than one.
    """
    said: dict[str, int] = {}
    for line in log:
        if line.counted is not None:
            said.setdefault(_COUNTED[line.kind], line.counted)
    handed = [(name, count - more) for side, more in (("in", 0), ("out", 1)) for name, count in handover_counts(sides.get(side)).items()]
    differing = {name: count for name, count in reversed(handed) if name in said and said[name] != count}
    agreeing = {name for name, count in handed if name in said and said[name] == count}
    if agreeing or len(differing) < len(COUNTING):
        return NO_TEXT
    name, count = next(iter(differing.items()))
    return SafeText(f"it says {name} {said[name]}, here it is {count}")


def handed_over_before(state: State) -> SafeText:
    """What of its outgoing side shows that the kernel was booted with a handover; empty for nothing."""
    counts = handover_counts(outgoing_or_none(state))
    if not counts or min(counts.values()) <= 1:
        return NO_TEXT
    return SafeText(f"its outgoing {' and '.join(f'{name} is {count}' for name, count in counts.items())}")


def no_side(state: State) -> SafeText:
    """Why a state has no side."""
    return state.absent or SafeText("no handover in this capture")
