"""The map is made in steps that are told and that a cancel ends."""

from __future__ import annotations

import pytest
from captures import sample

from kho_tui.analysis.memory_map import memory_map
from kho_tui.context import Context
from kho_tui.errors import Cancelled
from kho_tui.operations.open_state import open_state


def test_every_step_of_the_map_can_be_the_last() -> None:
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        state, side = opened.state, opened.state.sides["out"]
        told: list[str] = []
        memory_map(state, side, Context(progress=lambda what, *_counted: told.append(what)))
        for step in range(len(told)):
            context = Context()
            left = [step]

            def report(_what: str, _done: int, _total: int | None, _unit: str, context: Context = context, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] <= 0:
                    context.cancelled.set()

            context.progress = report
            if step < len(told) - 1:
                with pytest.raises(Cancelled):
                    memory_map(state, side, context)
    assert {"collecting owners", "finding the blocks of folios", "arranging folio", "joining preserved blocks"} <= set(told)
