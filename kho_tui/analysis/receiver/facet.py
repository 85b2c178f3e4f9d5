"""What the model of a booting kernel asks of the module of a subtree or a file handler: the facets that stand beside this engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kho_tui.model.registry import Registry

if TYPE_CHECKING:
    from kho_tui.abi.format import Place
    from kho_tui.analysis.receiver.arrivals import Arrival
    from kho_tui.analysis.receiver.boot import Boot
    from kho_tui.analysis.receiver.check import Check
    from kho_tui.analysis.receiver.handed import Handed
    from kho_tui.analysis.receiver.ledger import Owner
    from kho_tui.analysis.receiver.reception import Reception
    from kho_tui.analysis.receiver.reserved import Reserved
    from kho_tui.analysis.receiver.sections import Sections
    from kho_tui.analysis.receiver.sessions import Restored
    from kho_tui.analysis.receiver.target import Target
    from kho_tui.analysis.receiver.verdict import Fails
    from kho_tui.layout.arrays import U64s
    from kho_tui.model.facts import Missing
    from kho_tui.model.sessions import File


@dataclass(frozen=True, slots=True)
class BuildOption:
    """What a kernel is configured with so that a consumer is in it, and whether it may be a module."""

    name: str
    tristate: bool


@dataclass(frozen=True, kw_only=True)
class Receiving:
    """What the consumer of a subtree looks at, in the order in which it does. ``turn``: consumers go by it, the lowest first.

    ``option``: None where it is there in every kernel that has KHO. ``restores``: what it restores while the kernel boots, before anybody
    can ask for a file. ``sessions``: what comes back of the sessions that it keeps, behind what consumers restore before; None: it keeps
    none. ``arrivals``: what becomes of each thing in it, by what they are called.
    """

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("receive", "RECEIVING")

    turn: int
    option: BuildOption | None
    checks: tuple[Check, ...]
    restores: Callable[[Handed, Target], Owner | None]
    sessions: Callable[[Boot, Mapping[bytes, Owner]], Restored] | None
    arrivals: Callable[[Reception], Mapping[str, tuple[Arrival, ...]]]


def restores_nothing(_handed: Handed, _target: Target) -> None:
    """Of a consumer that only reads."""


def no_arrivals(_reception: Reception) -> Mapping[str, tuple[Arrival, ...]]:
    """Of a subtree that holds nothing that has a name of its own."""
    return {}


def in_turn(registry: Registry) -> Mapping[bytes, Receiving]:
    """The consumers of subtrees by name, in the order in which a kernel runs them."""
    facets = registry.facets(Receiving)
    return {name: facets[name] for name in sorted(facets, key=lambda name: facets[name].turn)}


def optional_consumers(registry: Registry) -> Mapping[bytes, BuildOption]:
    """The consumers of subtrees that a kernel with KHO need not have, by name."""
    return {name: facet.option for name, facet in registry.facets(Receiving).items() if facet.option is not None}


@dataclass(frozen=True, kw_only=True)
class FileReceiving:
    """What a file handler makes of a file that is asked for.

    ``retrieve_fault``: what goes wrong, None: it comes back as it was; without an outcome of its own the file is lost. ``restores``:
    physical addresses of all that a retrieve restores, in its order, from the content and log2 of the page size. ``frees``: pages that a
    retrieve frees in the end.
    """

    place: ClassVar[Place] = "file"
    stands_in: ClassVar[tuple[str, str]] = ("receive", "RECEIVING")

    retrieve_fault: Callable[[File, Any, Reserved, Sections | Missing, Target], Fails | Missing | None]
    restores: Callable[[Any, int], U64s]
    frees: Callable[[File], U64s]
