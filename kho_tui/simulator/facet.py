"""What the simulator asks of the module of a subtree or a file handler: the facets that stand beside this engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from kho_tui.abi.format import Place
    from kho_tui.analysis.receiver.check import Answer
    from kho_tui.analysis.receiver.sessions import RestoredFile
    from kho_tui.model.content import Content
    from kho_tui.model.registry import Registry
    from kho_tui.model.state import State
    from kho_tui.simulator.consumers import Handed
    from kho_tui.simulator.incoming import Stretch
    from kho_tui.simulator.kernel import Kernel
    from kho_tui.simulator.kho import Kho
    from kho_tui.simulator.producer import OpenFile, PreservedFile, Producer
    from kho_tui.simulator.scenario_table import Table
    from kho_tui.simulator.scenario_values import Convert
    from kho_tui.simulator.steps import StepKind


@dataclass(frozen=True, kw_only=True)
class Module:
    """How a producer may be built into a kernel; what it is then stands in ``Config.built``.

    ``keys`` of ``[kernel]`` in a scenario, and what ``asked`` makes of them; ``seen``: what a state and the configuration of its kernel
    show of it. Both give None where it is not built in.
    """

    keys: Mapping[str, Convert]
    asked: Callable[[Table], object | None]
    seen: Callable[[State, Mapping[str, str] | None], object | None]


@dataclass(frozen=True, kw_only=True)
class Simulating:
    """A subtree in a simulated kernel.

    ``turn``: producers start by it, the lowest first. ``log_prefix``: what its lines in the log begin with. ``producer``: of a kernel and
    what ``receive`` made of the handover. ``receive``: from the consumer's subtree and how the kernel is built, None where nothing came.
    ``module``: None where it is always there. ``steps`` of a scenario by name. ``early_bytes``: what of a captured content was reserved
    before scratch was sized. ``panic_line``: the last line of the log where its consumer ends the boot.
    """

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("simulate", "SIMULATING")

    turn: int
    log_prefix: str
    producer: Callable[[Kernel, Any], Producer[Any]]
    receive: Callable[[Handed, Any], object | None]
    module: Module | None
    steps: Mapping[str, StepKind]
    early_bytes: Callable[[Content], int]
    panic_line: Callable[[Answer], str]


@dataclass(frozen=True, kw_only=True)
class FileSimulating:
    """A file handler in a simulated kernel.

    ``can_preserve``: whether the handler of a kernel takes a file. ``preserve``: keep it, or raise KernelError; the text says whose memory
    it is. ``retrieve``: the file that a retrieve gives back, and the memory that describes it until then; None where it does not come back.
    ``steps`` of a scenario by name.
    """

    place: ClassVar[Place] = "file"
    stands_in: ClassVar[tuple[str, str]] = ("simulate", "SIMULATING")

    can_preserve: Callable[[Kho, OpenFile], bool]
    preserve: Callable[[Kho, Any, str], PreservedFile]
    retrieve: Callable[[RestoredFile, Handed], tuple[OpenFile, tuple[Stretch, ...]] | None]
    steps: Mapping[str, StepKind]


NO_STEPS: Mapping[str, StepKind] = {}
"""Of what a scenario cannot do anything with."""


def nothing_early(_content: object) -> int:
    """Of a producer that takes no memory before scratch is sized."""
    return 0


def idle_task_killed(_answer: object) -> str:
    """The last line of a boot that died in the kernel's own code."""
    return "Kernel panic - not syncing: Attempted to kill the idle task!"


def by_turn(registry: Registry) -> Mapping[bytes, Simulating]:
    """The subtrees that are simulated, in the order in which a kernel starts their producers."""
    facets = registry.facets(Simulating)
    return {name: facets[name] for name in sorted(facets, key=lambda name: facets[name].turn)}


def modules(registry: Registry) -> Mapping[bytes, Module]:
    """How the producers may be built that need not be there, by the name of their subtree."""
    return {name: facet.module for name, facet in registry.facets(Simulating).items() if facet.module is not None}


def built(registry: Registry, how: Callable[[Module], object | None]) -> Mapping[bytes, Any]:
    """What ``Config.built`` holds where this is how each of them is built."""
    return {name: answer for name, module in modules(registry).items() if (answer := how(module)) is not None}
