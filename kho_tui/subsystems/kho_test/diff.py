"""The test module's folios in two states, and whether the next kernel got them back (lib/test_kho.c)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kho_tui.abi.test_kho import KHO_TEST_FOLIO
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.analysis.diff.ends import kept, made, unspoken
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.log import Failure
from kho_tui.analysis.diff.possible import possible_number
from kho_tui.analysis.diff.rows import MOST_ROWS, LongList, RowChanges, RowCounts, row_changes
from kho_tui.analysis.diff.teller import Teller
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, Fate, FieldChange
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.model.path import EntityPath
from kho_tui.model.unpredictable import Spot
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.text import plural

_FOLIOS = "folios"


@dataclass(frozen=True, slots=True)
class _FolioList(LongList):
    """The folios: address with the order in the low bits, known by their number in the list."""

    test: KhoTest

    def compare(self, other: _FolioList) -> RowChanges | None:
        """What a list that is not whole lacks may be in the rest."""
        old, new = self.test.folios, other.test.folios
        if isinstance(old, Missing) or isinstance(new, Missing):
            return None
        was, now = ({table.number(row): value for row, value in enumerate(table.column("phys_order").tolist())} for table in (old, new))
        moved = [number for number, value in was.items() if number in now and now[number] != value]
        gone = [number for number in was if number not in now] if other.test.folio_count.whole else []
        came = [number for number in now if number not in was] if self.test.folio_count.whole else []
        numbers = [*moved[:MOST_ROWS], *gone[:MOST_ROWS], *came[:MOST_ROWS]]
        fields = [FieldChange(f"{number}.phys_order", Unit.PHYS, was.get(number), now.get(number)) for number in numbers]
        counts = RowCounts(gone=len(gone), came=len(came), moved=len(moved))
        return row_changes(counts, fields, plural(len(old), "folio")) if fields else None


class KhoTestTeller(Teller):
    """By the line on what the module restored."""

    named_restores = frozenset({"test"})

    def failures(self) -> Iterable[Failure]:
        """That it did not get its folios back."""
        return self.ends.log.failures_of("test")

    def failures_of(self, entity: Entity) -> Iterable[Failure]:
        """Of the folios as a whole: the line names none."""
        return self.failures() if entity.kind == _FOLIOS else ()

    def fate(self, entity: Entity) -> EntityFate:
        """Of the folios: restored ones are ordinary memory again."""
        said = self.ends.log.restored.get("test")
        if entity.kind != _FOLIOS:
            return unspoken(entity)
        if said is not None:
            return kept(entity, said)
        return made(Fate.UNTOLD, entity, "stale: restored folios are ordinary memory again, and no log line speaks of them")


def _possible(field: FieldChange, spot: Spot, platform: Platform) -> bool:
    """A folio may lie anywhere, and so may the list."""
    values = [value for value in (field.old, field.new) if value is not None]
    if field.name.endswith(".phys_order"):
        return all(isinstance(value, int) and _is_folio(value, platform) for value in values)
    if len(values) == 2 and all(isinstance(value, bytes) for value in values):
        return all(isinstance(value, bytes) and _is_list(value, spot, platform) for value in values)
    return possible_number(field, spot, platform)


def _is_folio(value: int, platform: Platform) -> bool:
    """An address that is a multiple of the size of its block, the order in the low bits."""
    order = value % platform.page_size
    return value > order and order < 64 and (value - order) % (platform.page_size << order) == 0


def _is_list(raw: bytes, spot: Spot, platform: Platform) -> bool:
    """A descriptor of the list, or up to 6.17 the folios themselves."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(raw[at : at + size], platform.byte_order)

    if len(raw) == KHO_VMALLOC.size:
        first, order = (number(*KHO_VMALLOC.span(name)) for name in ("first", "order"))
        if first and first % spot.align == 0 and order == 0:
            return True
    return len(raw) % KHO_TEST_FOLIO.size == 0 and all(_is_folio(number(at, 8), platform) for at in range(0, len(raw), KHO_TEST_FOLIO.size))


def _lists(test: KhoTest) -> Mapping[EntityPath, LongList]:
    return {test.path.child(_FOLIOS): _FolioList(test)}


DIFFING = Diffing(
    teller=KhoTestTeller,
    lists=_lists,
    follows={"subtree": r"nr_folios|folios_info|csum"},
    possible=_possible,
)
