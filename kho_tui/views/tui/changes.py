"""What became another between two reads of one state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kho_tui.errors import Cancelled
from kho_tui.model.entity import Entity, walk
from kho_tui.model.facts import Status, known
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import Runs
from kho_tui.model.sides import outgoing_or_none
from kho_tui.model.state import State
from kho_tui.text import human_size
from kho_tui.views.tui.reading import read_detail

NO_MEMORY = intervals([], [])


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths of the later state. ``changed``: words or values are others; ``new``: was not there; ``above``: something below is either.

    ``gone`` counts what is there no more. ``preserved`` and ``unpreserved``: memory that the outgoing tracker lists now and did not, and
    the other way round.
    """

    changed: frozenset[EntityPath] = frozenset()
    new: frozenset[EntityPath] = frozenset()
    above: frozenset[EntityPath] = frozenset()
    gone: int = 0
    preserved: Intervals = NO_MEMORY
    unpreserved: Intervals = NO_MEMORY

    def __str__(self) -> str:
        counts = ((len(self.changed), "changed"), (len(self.new), "new"), (self.gone, "gone"))
        sizes = ((self.preserved.bytes, "preserved"), (self.unpreserved.bytes, "unpreserved"))
        said = [f"{human_size(size)} {word}" for size, word in sizes if size] + [f"{count} {word}" for count, word in counts if count]
        return ", ".join(said) or "nothing changed"


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


def changed_memory(before: State, after: State) -> tuple[Intervals, Intervals]:
    """What of memory the outgoing tracker lists only in the later state, and only in the earlier one; nothing where either is not whole."""
    sides = outgoing_or_none(before), outgoing_or_none(after)
    maps = [None if side is None else known(side.preserved) for side in sides]
    old, new = (None if one is None or one.status is not Status.DECODED else _memory(one.runs) for one in maps)
    return (NO_MEMORY, NO_MEMORY) if old is None or new is None else (new - old, old - new)


def _memory(runs: Runs) -> Intervals:
    return intervals(runs.start, runs.ends)


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
