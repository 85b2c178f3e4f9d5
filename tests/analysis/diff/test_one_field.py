"""One field differs: one root of change, and it is that field."""

from __future__ import annotations

from functools import cache

from analysis.diff.one_field import Spot, spots
from captures import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_tui.analysis.diff.states import diff_states
from kho_tui.context import Context
from kho_tui.model.change import ChangeKind, Diff
from kho_tui.model.state import State
from kho_tui.operations.open_state import open_state


@cache
def before() -> State:
    with open_state(sample("x86_64-7.1/1-pre"), Context()) as opened:
        return opened.state


@cache
def every_spot() -> tuple[Spot, ...]:
    return tuple(spots(before()))


def mirrored(diff: Diff) -> set[tuple[object, ...]]:
    """The roots of a comparison as they look from the other side."""
    swapped = {ChangeKind.ADDED: ChangeKind.REMOVED, ChangeKind.REMOVED: ChangeKind.ADDED}
    return {
        (swapped.get(one.kind, one.kind), one.other, one.path, tuple((f.name, f.new, f.old) for f in one.fields)) for one in diff.changes
    }


def roots(diff: Diff) -> set[tuple[object, ...]]:
    return {(one.kind, one.path, one.other, tuple((f.name, f.old, f.new) for f in one.fields)) for one in diff.changes}


def test_a_state_has_fields_of_every_kind_to_change() -> None:
    kinds = {(spot.path.parts[-1], spot.name) for spot in every_spot()}
    assert {("oops_trace", "start"), ("0x1", "pos"), ("vm-beta", "files"), ("kexec-metadata", "kexec_count"), ("out", "totalsize")} <= kinds


@settings(max_examples=500)
@given(st.data())
def test_the_root_of_change_is_exactly_the_changed_field(data: st.DataObject) -> None:
    spot = data.draw(st.sampled_from(every_spot()))
    after = spot.flipped(data.draw(st.integers(1, 2**64 - 1)))
    diff = diff_states(before(), after)
    assert [(one.path, one.other, [f.name for f in one.fields]) for one in diff.changes] == [(spot.path, spot.path, [spot.name])]
    assert not diff.memory and not diff.changes[0].memory and not diff.changes[0].consequences
    assert roots(diff_states(after, before())) == mirrored(diff)


def test_a_state_does_not_differ_from_itself() -> None:
    assert diff_states(before(), before()).same
