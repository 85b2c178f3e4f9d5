"""Each declaration taken out in turn: nothing falls over, what it was is shown raw and unknown, and every other answer stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from captures import sample

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.registry import Declaration
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import check_releases
from kho_tui.operations.diff_states import diff_states
from kho_tui.operations.fault_capture import list_faults
from kho_tui.operations.kexec_capture import jump_of, next_kernel
from kho_tui.operations.map_state import map_state, whois
from kho_tui.operations.memory_cost import memory_cost
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.replay import compare, replay
from kho_tui.simulator.captured import files_of
from kho_tui.simulator.kexec import kexec
from kho_tui.simulator.scenario_steps import steps_known
from kho_tui.subsystems.registry import builtin
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.map_json import map_json
from kho_tui.views.export.state_json import state_json

STATES = ("x86_64-7.3/1-pre", "x86_64-7.3/1-post", "x86_64-7.1/1-pre", "x86_64-6.19/1-pre", "x86_64-6.18/1-pre", "arm64-64k-7.3/1-pre")
DECLARED = builtin().declared


def _subtrees(state: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    sides = {name: side for name, side in state["sides"].items() if side is not None}
    return {(name, one["name"]): one for name, side in sides.items() for one in side["subtrees"] or ()}


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.family.name.decode())
@pytest.mark.parametrize("name", STATES)
def test_the_rest_stands(name: str, declared: Declaration[Any]) -> None:
    path, removed = sample(name), declared.family.name.decode()
    with open_state(path, Context()) as opened:
        before = _subtrees(json.loads("".join(json_pieces(state_json(opened.state, blocks=True)))))
    with open_state(path, Context(), registry=builtin().without(declared.family)) as opened:
        after = _subtrees(json.loads("".join(json_pieces(state_json(opened.state, blocks=True)))))
        assert after.keys() == before.keys()
        for key, shown in after.items():
            if key[1] == removed:
                # What a running kernel keeps of a subtree that nobody declares cannot be told either.
                assert shown["state"] in ("unknown", "unavailable", "stale"), key
                assert shown["content"] is None or set(shown["content"]) == {"hexdump"}
            elif declared.family.place == "subtree" or key[1] != "LUO":
                assert shown == before[key], key
        _everything(opened)


def _everything(opened: Opened) -> None:
    """Every question that a command puts."""
    check_state(opened, Context())
    mapped = map_state(opened.state)
    memory_cost(mapped)
    assert "".join(json_pieces(map_json(mapped, None, ())))
    whois(mapped, opened.memory, 0x1000)
    check_releases(opened, Context())
    assert diff_states(opened.state, opened.state, "plain", Context()).diff is not None
    known, _ = list_faults(opened.state.registry)
    assert known and steps_known(opened.state.registry)
    if "out" in opened.state.sides:
        with suppress(InputError):
            done = kexec(jump_of(opened), next_kernel(opened, None, None, 0), Context())
            assert done.running is None or files_of(done.running).files
    try:
        again = replay(opened, Context())
    except InputError:
        return
    if opened.memory is not None:
        compare(again, opened.memory, Context())
