"""A scenario: a machine, a kernel and what happens on it, read from TOML. Every error names file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kho_tui.abi.scratch import LOW_LIMIT
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.model.registry import Registry
from kho_tui.releases.table import Release
from kho_tui.simulator.allocator import PinError, Pins
from kho_tui.simulator.facet import built, modules
from kho_tui.simulator.kernel import Config, Kernel
from kho_tui.simulator.machine import BootMemory, Machine, MemoryNode
from kho_tui.simulator.scenario_steps import parse_step, steps_known
from kho_tui.simulator.scenario_table import Table
from kho_tui.simulator.scenario_values import (
    Convert,
    a_boolean,
    a_page_size,
    a_release,
    a_size,
    a_string,
    a_table,
    a_uname,
    an_order,
    one_of,
    some_pairs,
    some_tables,
    within,
)
from kho_tui.simulator.steps import (
    Kexec,
    Step,
    Userspace,
)
from kho_tui.text import SafeText, visible
from kho_tui.toml import TomlError, TomlLines, read_toml

_MOST_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens on one kernel, and the kexec that ends it (None: it goes on running)."""

    steps: tuple[Step, ...]
    kexec: Kexec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All that a run needs. ``pins`` are for the first kernel; ``pinned_at``: where the file says each of them."""

    registry: Registry
    machine: Machine
    release: Release
    cmdline: str
    seed: int
    config: Config
    pins: Pins
    stages: tuple[Stage, ...]
    pinned_at: Mapping[str, SafeText] = field(default_factory=dict)


def parse_scenario(text: str, name: str, registry: Registry) -> Scenario:
    """The scenario that ``text`` says, of kernels that ``registry`` knows. ``name`` of the file is for messages. Raises InputError."""
    try:
        document = read_toml(text)
    except TomlError as error:
        raise InputError(f"{visible(name)}: {visible(str(error))}") from error
    lines = TomlLines(text, visible(name))
    top = Table("", document, {"machine": a_table, "kernel": a_table, "pins": a_table, "step": some_tables}, lines)
    kernel = Table("kernel", top.need("kernel"), kernel_keys(registry), lines)
    release = kernel.need("release")
    steps = top.get("step", [])
    if len(steps) > _MOST_STEPS:
        raise top.error("step", f"{len(steps)} steps are more than {_MOST_STEPS}")
    uname = kernel.get("uname")
    pins = top.get("pins", {})
    pinned_at = {key: SafeText(f"{lines.where('pins', 0, key)}: pins: {visible(key)}") for key in pins}
    kinds = steps_known(registry)
    return Scenario(
        registry=registry,
        machine=_machine(Table("machine", top.need("machine"), _MACHINE, lines)),
        release=release,
        cmdline=kernel.get("cmdline", ""),
        seed=kernel.get("seed", 0),
        config=Config(
            uname,
            kernel.get("debug", True),
            kernel.get("on_by_default", False),
            built(registry, lambda module: module.asked(kernel)),
        ),
        pins={key: _pins(pinned_at[key], value) for key, value in pins.items()},
        stages=_stages([parse_step(values, number, lines, kinds) for number, values in enumerate(steps)]),
        pinned_at=pinned_at,
    )


def boot(scenario: Scenario, context: Context | None = None) -> Userspace:
    """The first kernel of a scenario, booted cold, and its user space. Raises InputError for a pin that the machine cannot give."""
    one = scenario
    try:
        kernel = Kernel(one.registry, one.machine, one.release, one.cmdline, seed=one.seed, config=one.config, pins=one.pins)
    except PinError as error:
        raise InputError(f"{one.pinned_at.get(error.what, visible(error.what))}: {error.why}") from error
    return Userspace(kernel, scenario.seed, context=context or Context())


def _machine(table: Table) -> Machine:
    nodes = []
    for number, values in enumerate(table.need("node")):
        node = Table("machine.node", values, _NODE, table.lines, number)
        nodes.append(
            MemoryNode(node.get("number", number), node.need("memory"), BootMemory(node.get("boot", 0), node.get("boot_hugetlb", 0)))
        )
    facts: dict[str, Any] = {
        "arch": table.get("arch", "x86_64"),
        "platform": Platform(table.get("byte_order", "little"), table.get("page_size", 4096)),
        "nodes": tuple(nodes),
        "reserved": table.get("reserved", ()),
        "early": table.get("early", ()),
        "boot_low": BootMemory(table.get("boot_low", 0), table.get("boot_low_hugetlb", 0)),
        "boot_total": BootMemory(table.get("boot_total", 0), table.get("boot_total_hugetlb", 0)),
        "low_limit": table.get("low_limit", LOW_LIMIT),
        "numa": table.get("numa", True),
    }
    try:
        return Machine(**facts)
    except InputError as error:
        raise table.error(None, str(error)) from error


def _stages(steps: list[Step | Kexec]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    some: list[Step] = []
    for step in steps:
        if isinstance(step, Kexec):
            stages.append(Stage(tuple(some), step))
            some = []
        else:
            some.append(step)
    if some or not stages:
        stages.append(Stage(tuple(some), None))
    return tuple(stages)


def _pins(where: SafeText, value: Any) -> list[tuple[int, int]]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError(f'{where}: not a list of "ADDRESS" or "ADDRESS/ORDER"')
    found = []
    for one in value:
        address, _, order = one.partition("/")
        try:
            found.append((a_size(address), an_order(order or "0")))
        except ValueError as problem:
            raise InputError(f"{where}: {problem}") from problem
    return found


def kernel_keys(registry: Registry) -> Mapping[str, Convert]:
    """The keys of ``[kernel]``: KHO's own, and those of the modules that are declared."""
    own = {key: convert for module in modules(registry).values() for key, convert in module.keys.items()}
    return {"release": a_release(registry.releases), "uname": a_uname(registry.releases), **_KERNEL, **own}


_KERNEL: Mapping[str, Convert] = {
    "cmdline": a_string,
    "seed": a_size,
    "debug": a_boolean,
    "on_by_default": a_boolean,
}
_MACHINE: Mapping[str, Convert] = {
    "arch": one_of("x86_64", "aarch64"),
    "page_size": a_page_size,
    "byte_order": one_of("little", "big"),
    "low_limit": a_size,
    "numa": a_boolean,
    "reserved": some_pairs,
    "early": some_pairs,
    "boot_low": a_size,
    "boot_low_hugetlb": a_size,
    "boot_total": a_size,
    "boot_total_hugetlb": a_size,
    "node": some_tables,
}
_NODE: Mapping[str, Convert] = {"number": within(0, 1023), "memory": some_pairs, "boot": a_size, "boot_hugetlb": a_size}
