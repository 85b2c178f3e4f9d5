"""Whatever the simulator breaks shows as a difference from what it was."""

from __future__ import annotations

from pathlib import Path

from captures import sample

from kho_tui.analysis.diff.states import diff_states
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.simulator.faults.catalogue import FAULTS


def test_no_fault_leaves_a_state_that_looks_the_same(tmp_path: Path) -> None:
    unseen, applied = [], 0
    with open_state(sample("x86_64-7.1/1-pre"), Context()) as before:
        for fault in (one for one in FAULTS if one.side == "out"):
            directory = tmp_path / fault.name
            try:
                fault_capture(sample("x86_64-7.1/1-pre"), fault.name, directory, Context())
            except InputError:
                continue
            applied += 1
            with open_state(directory, Context()) as after:
                if diff_states(before.state, after.state).same:
                    unseen.append(fault.name)
    assert applied > 50
    assert unseen == []
