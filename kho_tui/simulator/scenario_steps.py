"""The steps of a scenario file: which there are, and what each may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from kho_tui.model.registry import Registry
from kho_tui.simulator.facet import FileSimulating, Simulating
from kho_tui.simulator.kho_steps import KHO_STEPS
from kho_tui.simulator.scenario_table import Table
from kho_tui.simulator.scenario_values import a_release, a_string, a_uname, an_errno
from kho_tui.simulator.steps import Kexec, Step, StepKind
from kho_tui.toml import TomlLines


def steps_known(registry: Registry) -> Mapping[str, StepKind]:
    """The steps by name: KHO's own, those of what is declared, and the kexec to a release that is known."""
    known = registry.releases
    keys = {"release": lambda value: a_release(known)(value).name, "uname": a_uname(known), "cmdline": a_string}
    kexec = StepKind(keys, lambda t: Kexec(t.get("release"), t.get("uname"), t.get("cmdline")))
    declared = [facet.steps for facet in registry.facets(Simulating).values()]
    declared += [facet.steps for facet in registry.facets(FileSimulating).values()]
    return {**KHO_STEPS, **{name: kind for steps in declared for name, kind in steps.items()}, "kexec": kexec}


def parse_step(values: Mapping[str, Any], number: int, lines: TomlLines, steps: Mapping[str, StepKind]) -> Step | Kexec:
    """The step that the table ``number`` of ``[[step]]`` says. ``steps``: those that are known. Raises InputError."""
    do = values.get("do")
    if not isinstance(do, str) or do not in steps:
        near = get_close_matches(do, steps, 1) if isinstance(do, str) else []
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(sorted(steps))}"
        raise Table("step", {}, {}, lines, number).error("do" if "do" in values else None, f"no such step: {hint}")
    kind = steps[do]
    table = Table("step", values, {"do": a_string, "expect": an_errno, **kind.keys}, lines, number)
    action = kind.build(table)
    where = f"{lines.where('step', number, None)}: step {number + 1} ({do})"
    if isinstance(action, Kexec):
        if "expect" in values:
            raise table.error("expect", "a kexec does not fail with an errno")
        return replace(action, where=where)
    return Step(action, where, table.get("expect"))
