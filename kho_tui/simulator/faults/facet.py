"""What breaks on purpose in a subtree, a file or an FLB: the facets that stand beside the faults of KHO itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kho_tui.abi.format import Place
    from kho_tui.simulator.faults.fault import Fault


@dataclass(frozen=True, kw_only=True)
class Breaking:
    """The faults of a subtree: one at least for each rule on it."""

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("faults", "BREAKING")

    faults: tuple[Fault, ...]


@dataclass(frozen=True, kw_only=True)
class FileBreaking(Breaking):
    """The faults of what a file handler keeps: one at least for each rule on it."""

    place: ClassVar[Place] = "file"


@dataclass(frozen=True, kw_only=True)
class FlbBreaking(Breaking):
    """The faults of file-lifecycle-bound data: one at least for each rule on it."""

    place: ClassVar[Place] = "flb"
