"""What became another between two reads of one state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.errors import Cancelled
from kho_tui.model.entity import Entity, walk
from kho_tui.model.path import EntityPath
from kho_tui.views.tui.reading import read_detail


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths of the later state. ``changed``: words or values are others; ``new``: was not there; ``above``: something below is either.

    ``gone`` counts what is there no more.
    """

    changed: frozenset[EntityPath] = frozenset()
    new: frozenset[EntityPath] = frozenset()
    above: frozenset[EntityPath] = frozenset()
    gone: int = 0

    def __str__(self) -> str:
        counts = ((len(self.changed), "changed"), (len(self.new), "new"), (self.gone, "gone"))
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing changed"


NO_CHANGES = Changes()


def changed_paths(before: Entity, after: Entity, cancelled: Callable[[], bool]) -> Changes:
    """Compare two reads, entity by entity of the same path. Raises Cancelled.

    Of a long list its length and first and last rows are compared, not every row.
    """
    old = _fingerprints(before, cancelled)
    new = _fingerprints(after, cancelled)
    changed = frozenset(path for path, print_ in new.items() if path in old and old[path] != print_)
    added = frozenset(path for path in new if path not in old)
    above = frozenset(EntityPath(path.parts[:n]) for path in changed | added for n in range(1, len(path.parts)))
    return Changes(changed, added, above, sum(path not in new for path in old))


def _fingerprints(root: Entity, cancelled: Callable[[], bool]) -> dict[EntityPath, int]:
    found: dict[EntityPath, int] = {}
    for entity in walk(root):
        if cancelled():
            raise Cancelled("cancelled")
        if entity.path.parts:
            found[entity.path] = _fingerprint(entity)
    return found


def _fingerprint(entity: Entity) -> int:
    detail = read_detail(entity)
    values = tuple((value.name, value.value, value.status) for value in detail.values)
    words = (entity.title, entity.summary, entity.status, entity.reason, entity.address, entity.size)
    table = detail.table
    if table is None:
        return hash((words, values))
    try:
        ends = (len(table), tuple(table.rows(0, 1)), tuple(table.rows(max(len(table) - 1, 0), 1)))
    except Exception:  # a damaged table is said where it is shown
        ends = (-1, (), ())
    return hash((words, values, ends))
