"""docs/simulator.md lists what there is: keys of a scenario, faults, commands."""

from __future__ import annotations

from captures import CHECKOUT

from kho_tui.operations.fault_capture import list_faults
from kho_tui.simulator.new_scenario import new_scenario
from kho_tui.simulator.scenario import _MACHINE, _NODE, kernel_keys
from kho_tui.simulator.scenario_steps import steps_known
from kho_tui.subsystems.registry import builtin

DOC = (CHECKOUT / "docs" / "simulator.md").read_text()


def keys() -> str:
    """Tables and steps with the keys that they take."""
    tables = {"[machine]": _MACHINE, "[[machine.node]]": _NODE, "[kernel]": kernel_keys(builtin())}
    steps = {f'do = "{name}"': kind.keys for name, kind in steps_known(builtin()).items()}
    rows = [f"| `{where}` | {', '.join(f'`{key}`' for key in taken)} |" for where, taken in {**tables, **steps}.items()]
    return "\n".join(["| where | keys |", "|---|---|", *rows])


def faults() -> str:
    """Faults by the finding that names them, and what cannot be broken."""
    known, unbreakable = list_faults()
    codes: dict[str, list[str]] = {}
    for one in sorted(known, key=lambda one: one.primary):
        codes.setdefault(one.primary, []).append(f"`{one.name}`")
    rows = [f"| {code} | {', '.join(names)} |" for code, names in codes.items()]
    rows += [f"| {code} | none: {reason} |" for code, reason in unbreakable]
    return "\n".join(["| finding | faults |", "|---|---|", *sorted(rows)])


def test_the_keys_of_a_scenario_are_listed() -> None:
    assert keys() in DOC, f"docs/simulator.md needs:\n{keys()}"


def test_the_faults_are_listed() -> None:
    assert faults() in DOC, f"docs/simulator.md needs:\n{faults()}"


def test_the_new_scenario_names_every_table_key_and_step() -> None:
    text = new_scenario()
    rare = {"boot_low_hugetlb", "boot_total_hugetlb", "boot_hugetlb", "number", "on_by_default", "test_orders"}
    assert [
        key for key in (*_MACHINE, *_NODE, *kernel_keys(builtin()), *steps_known(builtin())) if key not in text and key not in rare
    ] == []
