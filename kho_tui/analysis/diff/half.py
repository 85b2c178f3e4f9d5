"""One side of one state as it is compared, with what its subtrees and files are declared to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from kho_tui.analysis.diff.facet import Contents, Diffing, FileDiffing
from kho_tui.analysis.diff.rows import LongList
from kho_tui.model.content import SubtreeContent
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.sessions import File
from kho_tui.model.state import Side, Subtree
from kho_tui.text import NO_TEXT, SafeText

_UNDECLARED, _UNDECLARED_FILE = Diffing(), FileDiffing()


@dataclass(frozen=True, eq=False, kw_only=True)
class Half:
    """A side with its entity, and the parts of the model that the walk shows as long lists or does not show."""

    registry: Registry
    side: Side
    entity: Entity

    @cached_property
    def subtrees(self) -> Mapping[EntityPath, Subtree]:
        """The subtrees by the path of their entity."""
        return {subtree.path: subtree for subtree in self.side.subtrees}

    @cached_property
    def files(self) -> Mapping[EntityPath, File]:
        """The files of all subtrees by the path of their entity."""
        return {file.path: file for _, content in self._read() for file in content.files}

    @cached_property
    def lists(self) -> Mapping[EntityPath, LongList]:
        """All long lists by the path of their entity."""
        lists: dict[EntityPath, LongList] = {}
        for diffing, content in self._read():
            lists |= diffing.lists(content)
        for file in self.files.values():
            if not isinstance(file.content, Missing):
                lists |= self._handler(file).lists(file.content)
        return lists

    def diffing(self, entity: Entity) -> Diffing:
        """What is declared of the subtree that an entity is or is in."""
        subtree = self.subtrees.get(EntityPath(entity.path.parts[:2]))
        return _UNDECLARED if subtree is None else self.diffing_of(subtree)

    def diffing_of(self, subtree: Subtree) -> Diffing:
        """What is declared of a subtree."""
        return self.registry.facets(Diffing).get(subtree.lookup_name, _UNDECLARED)

    def unread(self, entity: Entity) -> SafeText:
        """Why a subtree may have more than is shown; empty for any other entity."""
        subtree = self.subtrees.get(entity.path)
        if subtree is None or not isinstance(subtree.content, SubtreeContent):
            return NO_TEXT
        return self.diffing_of(subtree).unread(subtree.content)

    def contents(self, path: EntityPath) -> Contents | None:
        """The memory that a file or another thing holds; None: none, or not all of it is told."""
        file = self.files.get(path)
        if file is None:
            return self._held.get(path)
        return None if isinstance(file.content, Missing) else self._handler(file).holds(file.content)

    def follows(self, entity: Entity) -> str:
        """A pattern of the fields of an entity that say how much is below it."""
        file = self.files.get(entity.path)
        return self.diffing(entity).follows.get(entity.kind, "") if file is None else self._handler(file).follows

    @cached_property
    def _held(self) -> Mapping[EntityPath, Contents]:
        held: dict[EntityPath, Contents] = {}
        for diffing, content in self._read():
            held |= diffing.holds(content)
        return held

    def _read(self) -> Iterator[tuple[Diffing, SubtreeContent]]:
        """Each content that is told, with what is declared of its subtree."""
        for subtree in self.side.subtrees:
            if isinstance(subtree.content, SubtreeContent):
                yield self.diffing_of(subtree), subtree.content

    def _handler(self, file: File) -> FileDiffing:
        return self.registry.handler_facet(file.compatible, FileDiffing) or _UNDECLARED_FILE
