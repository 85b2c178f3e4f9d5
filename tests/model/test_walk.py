"""The one walk over a state: every entity has a path of its own, by which it is found, and a detail that can be shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from states.catalogue import STATES, Machine, State
from states.luo import File, Session, luo
from states.producers import blob, kexec_metadata

from kho_tui.context import Budget, Context
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import Entity, find, walk
from kho_tui.operations.open_state import open_state

OUR_WORDS = (b"preserved", b"copies", b"root", b"FDT", b"FLBs", b"folios", b"findings")
"""Names that the walk gives to parts of its own."""


def names_of_ours() -> State:
    """Subtrees and sessions that are called as parts of the walk are."""
    machine = Machine()
    sessions = [Session(word, (File(1, memfd=machine.memfd([0])),)) for word in OUR_WORDS]
    subtrees = [blob(machine.preserved, word, b"raw") for word in OUR_WORDS]
    metadata = kexec_metadata(machine.preserved, b"7.3.4")
    return machine.finish("our-names", None, [*subtrees, luo(machine.preserved, 5, 1, sessions, ()), metadata], "7.3", b"kho-v4")


@pytest.mark.parametrize("name", [*(name for name in STATES if name != "vmalloc-exact-fit"), "our-names"])
def test_every_entity_is_found_by_its_own_path(name: str, tmp_path: Path) -> None:
    built = names_of_ours() if name == "our-names" else STATES[name]()
    built.to_elf(tmp_path / "core")
    with open_state(tmp_path / "core", Context()) as opened:
        root = state_entity(opened.state)
        entities = list(walk(root))
        assert [path for path, times in Counter(str(one.path) for one in entities).items() if times > 1] == []
        for one in entities:
            found = find(root, one.path)
            assert found is not None
            assert (found.path, found.kind, found.title) == (one.path, one.kind, one.title)
            assert_can_be_shown(one)


@pytest.mark.parametrize("budget", [Budget(entries=count) for count in (0, 3, 9, 15, 25, 100)], ids=lambda b: str(b.entries))
def test_a_state_read_in_part_is_walked_as_well(budget: Budget, tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    built.to_elf(tmp_path / "core")
    with open_state(tmp_path / "core", Context(replace(budget))) as opened:
        for one in walk(state_entity(opened.state)):
            assert_can_be_shown(one)


def assert_can_be_shown(one: Entity) -> None:
    for text in (one.title, one.summary, one.reason, str(one.path)):
        assert text.isprintable()
    detail = one.detail()
    for value in detail.values:
        assert value.name
        assert value.meaning or value.source or value.place is None
    if detail.table is not None:
        rows = detail.table.rows(0, 3)
        assert len(rows) == min(3, len(detail.table))
        assert all(len(row) == len(detail.table.columns) for row in rows)
