"""What the comparison of two states asks of the module of a subtree or a file handler: the facets that stand beside this engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kho_tui.text import NO_TEXT, SafeText

if TYPE_CHECKING:
    from kho_tui.abi.format import Place
    from kho_tui.analysis.diff.rows import LongList
    from kho_tui.analysis.diff.teller import Teller
    from kho_tui.layout.platform import Platform
    from kho_tui.model.change import FieldChange
    from kho_tui.model.path import EntityPath
    from kho_tui.model.unpredictable import Spot


@dataclass(frozen=True, slots=True)
class Contents:
    """Which memory something holds, and in which order: equal for two things that hold the same.

    ``words``: what of it is the same then. ``telling``: too much for chance, which gives freed pages out again.
    """

    key: tuple[int | bytes, ...]
    words: str
    telling: bool


@dataclass(frozen=True, kw_only=True)
class Diffing:
    """How two states of one subtree are compared, and who tells what became of it. Without arguments: as a subtree that nobody declares.

    ``teller`` of a handover, None: Teller itself. All else is about its content: its long ``lists`` by the path of their entity; ``holds``:
    the memory of things in it by their path, less that of the files. ``unread``: why fields or children may be more than those that are
    shown, empty: they are not. ``written_late``: why a copy that debugfs gives may hold other bytes than the blob at the jump, empty: it
    may not. ``placeholders``: kinds of entities that stand for a list that could not be read. ``unlisted``: kinds that go without saying
    with what holds them. ``follows``: by kind of entity, a pattern of the fields that say how much is below it, or where that begins.
    ``possible``: whether both values of a field are such as any kernel may have at a spot that a simulation declares, None: by the number
    alone.
    """

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("diff", "DIFFING")

    teller: type[Teller] | None = None
    lists: Callable[[Any], Mapping[EntityPath, LongList]] = lambda _content: {}
    holds: Callable[[Any], Mapping[EntityPath, Contents]] = lambda _content: {}
    unread: Callable[[Any], SafeText] = lambda _content: NO_TEXT
    written_late: SafeText = NO_TEXT
    placeholders: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    follows: Mapping[str, str] = field(default_factory=dict)
    possible: Callable[[FieldChange, Spot, Platform], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class FileDiffing:
    """How two states of one file are compared. Without arguments: field by field.

    ``lists``: the long lists of its content by the path of their entity. ``holds``: the memory that is the file's contents, by which it is
    known under another name; None: none, or not all of it is told. ``follows``: a pattern of the fields that say how much is below it.
    """

    place: ClassVar[Place] = "file"
    stands_in: ClassVar[tuple[str, str]] = ("diff", "DIFFING")

    lists: Callable[[Any], Mapping[EntityPath, LongList]] = lambda _content: {}
    holds: Callable[[Any], Contents | None] = lambda _content: None
    follows: str = ""
