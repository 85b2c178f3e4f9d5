"""What a subtree's module does not say is told as of a subtree that nobody declares; what it says is asked."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from captures import sample

from kho_tui.abi.test_kho import KHO_TEST
from kho_tui.analysis.diff.ends import kept, made
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.log import Failure
from kho_tui.analysis.diff.teller import Teller
from kho_tui.context import Context
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.entity import Entity
from kho_tui.model.registry import Declaration
from kho_tui.operations.diff_states import diff_states
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.registry import builtin


class _Known(Teller):
    """What it keeps is always there."""

    def fate(self, entity: Entity) -> EntityFate:
        return kept(entity, "made up")


class _Failed(Teller):
    """A line of the log speaks of it and names nothing in it."""

    def failures(self) -> Iterable[Failure]:
        return [Failure("made-up", b"", kept(self.ends.before.entity, "a line").reason)]


class _Part(_Known):
    """All below it is told with it, and one fate more follows from all others."""

    @staticmethod
    def is_part(entity: Entity) -> bool:
        return entity.kind == "folios"

    def settled(self, fates: Iterable[EntityFate]) -> Iterable[EntityFate]:
        entity = self.ends.before.entity
        return [*fates, made(Fate.MAY, entity, "made up")]


def _fates(teller: type[Teller]) -> dict[str, tuple[Fate, str]]:
    """Of what a real 7.3 was handed, by path, where this is the teller of the test module."""
    registry = builtin().plus(Declaration(family=KHO_TEST, formats=KHO_TEST.none, facets={Diffing: lambda: Diffing(teller=teller)}))
    paths = [sample(f"x86_64-7.3/1-{end}") for end in ("pre", "post")]
    with open_state(paths[0], Context(), registry=registry) as old, open_state(paths[1], Context(), registry=registry) as new:
        fates = diff_states(old.state, new.state, "handover", Context()).fates
    assert fates is not None
    return {fate.path.text: (fate.fate, fate.reason) for fate in fates.fates}


def test_a_module_that_says_nothing_has_the_fates_of_an_unknown_subtree() -> None:
    assert _fates(Teller)["out/kho_test/folios"] == (Fate.UNTOLD, "nothing in B speaks of it")


@pytest.mark.parametrize(
    ("teller", "path", "fate"),
    [
        (_Known, "out/kho_test/folios", (Fate.KEPT, "made up")),
        (_Failed, "out/kho_test", (Fate.LOST, "not all of it was taken: a line")),
        (_Part, "out", (Fate.MAY, "made up")),
    ],
)
def test_what_a_module_says_is_told(teller: type[Teller], path: str, fate: tuple[Fate, str]) -> None:
    assert _fates(teller)[path] == fate


def test_a_part_has_no_fate_of_its_own() -> None:
    assert "out/kho_test/folios" not in _fates(_Part)
