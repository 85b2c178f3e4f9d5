"""What the rules ask of the module of a subtree or a file handler: the facet that stands beside this engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from kho_tui.abi.format import Place
    from kho_tui.analysis.checks.answer import Found
    from kho_tui.analysis.checks.evidence import Evidence
    from kho_tui.analysis.checks.rule import Rule
    from kho_tui.layout.struct import Record
    from kho_tui.model.path import EntityPath


NameField: TypeAlias = "tuple[EntityPath, Record, str]"
"""Whose name it is, the record that holds it, and the field."""


@dataclass(frozen=True, kw_only=True)
class FileJudging:
    """The rules on what a file handler keeps."""

    place: ClassVar[Place] = "file"
    stands_in: ClassVar[tuple[str, str]] = ("judge", "JUDGING")

    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class FlbJudging(FileJudging):
    """The rules on file-lifecycle-bound data."""

    place: ClassVar[Place] = "flb"


@dataclass(frozen=True, kw_only=True)
class Judging:
    """The rules on one subtree.

    ``names``: each field of fixed length that holds a name; what of it is not there is noted as a lack. ``losses``: what is lost with a
    content that nobody finds, in words behind its name. ``taken_back``: whether a kernel may take the subtree back once it is there.
    """

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("judge", "JUDGING")

    rules: tuple[Rule, ...]
    names: Callable[[Evidence, Found], Iterator[NameField]]
    losses: Callable[[Any], str]
    taken_back: bool


def no_names(_evidence: Evidence, _found: Found) -> Iterator[NameField]:
    """Of a subtree without such fields."""
    return iter(())


def no_losses(_content: object) -> str:
    """Where nothing is to be said but that it is lost."""
    return ""
