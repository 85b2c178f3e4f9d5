"""Which side is meant, one answer for all who ask."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from kho_tui.errors import InputError
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.model.sides import no_side, outgoing_or_none, outgoing_side, side_meant, sides_meant, sides_shown
from kho_tui.model.state import Side, State
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.tui.loaded import Loaded

NOT_READ = Unavailable(SafeText("not read"))


def state_with(*names: str) -> State:
    empty = Loaded.__dataclass_fields__["state"].default
    assert isinstance(empty, State)
    sides = {
        name: Side(name=name, root=NOT_READ, finalized=NOT_READ, preserved=NOT_READ, subtrees=(), subtrees_told=False, writer=None)
        for name in names
    }
    return replace(empty, sides=MappingProxyType(sides))


@pytest.mark.parametrize(
    ("there", "shown", "meant", "outgoing"),
    [
        (("in", "out"), ("out", "in"), ("out", "in"), "out"),
        (("in",), ("in",), ("in",), None),
        (("unsided",), ("unsided",), ("unsided",), "unsided"),
        (("in", "unsided"), ("in", "unsided"), ("unsided", "in"), "unsided"),
        (("unsided", "out", "in"), ("out", "in", "unsided"), ("out", "unsided", "in"), "out"),
    ],
)
def test_which_side_is_meant(there: tuple[str, ...], shown: tuple[str, ...], meant: tuple[str, ...], outgoing: str | None) -> None:
    state = state_with(*there)
    assert (sides_shown(state), sides_meant(state), side_meant(state).name) == (shown, meant, meant[0])
    side = outgoing_or_none(state)
    assert (None if side is None else side.name) == outgoing


def test_a_state_without_a_side_says_why() -> None:
    state = replace(state_with(), absent=SafeText("KHO is off"))
    side = side_meant(state)
    assert isinstance(side.root, Missing) and side.root.reason == "KHO is off" and not side.subtrees
    assert no_side(replace(state, absent=NO_TEXT)) == "no handover in this capture"
    with pytest.raises(InputError, match=r"no outgoing side.*there is: KHO is off"):
        outgoing_side(state)
    with pytest.raises(InputError, match=r"no outgoing side.*there is: in"):
        outgoing_side(state_with("in"))
