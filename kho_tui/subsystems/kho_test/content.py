"""The test module's folios and their checksum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kho_tui.abi.test_kho import KHO_TEST_FOLIO, list_is_inline
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.errors import InputError
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import FieldValue, Unit, field_named
from kho_tui.layout.table import Table
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import WHOLE, Standing, SubtreeContent
from kho_tui.model.entities.tables import PlainRows
from kho_tui.model.entities.values import derived, missing_entity, property_values
from kho_tui.model.entity import Column, Detail, Entity, Value
from kho_tui.model.facts import Count, Damaged, Fact, Missing, Stale, Status, Unavailable, known
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json, address_text, hex_text
from kho_tui.model.kinds import KIND_TEST_FOLIO
from kho_tui.model.path import EntityPath
from kho_tui.model.told import told
from kho_tui.model.vmalloc import DescribedArea, VmallocArea
from kho_tui.releases.table import Release
from kho_tui.text import NO_TEXT, SafeText, plural

if TYPE_CHECKING:
    from kho_tui.subsystems.kho_test.plain import PlainTest

_MAX_ORDER_SHOWN = 40
"""A shift that keeps any size within the address space."""


@dataclass(frozen=True, eq=False, kw_only=True)
class KhoTest(SubtreeContent):
    """The test module's data. ``folios``: rows of KhoTestFolio; ``csum``: native value; ``page_shift``: log2 of the page size.

    ``properties`` of the root node and of its data node.
    """

    path: EntityPath
    properties: tuple[FieldValue, ...]
    nr_folios: Fact[int]
    csum: Fact[int]
    folios: Table | Missing
    area: VmallocArea | Missing
    page_shift: int

    @property
    def folio_count(self) -> Count:
        """Folios that could be read, of those that the module claims."""
        of = known(self.nr_folios)
        read = 0 if isinstance(self.folios, Missing) else len(self.folios)
        inline = isinstance(self.area, Missing) and not isinstance(self.folios, Missing)
        return Count(read, read if inline else of)

    @property
    def folio_blocks(self) -> list[tuple[int, int]] | Missing:
        """(physical address, order) of each folio in the order of the list; Missing where not all of them could be read."""
        if isinstance(self.folios, Missing) or self.folio_count.whole:
            return self.read_blocks
        return Unavailable(SafeText(f"only {self.folio_count.words('folio')} could be read"))

    @property
    def read_blocks(self) -> list[tuple[int, int]] | Missing:
        """The same of the folios that could be read: the order stands in the low page-shift bits."""
        if isinstance(self.folios, Missing):
            return self.folios
        mask = (1 << self.page_shift) - 1
        return [(value & ~mask, value & mask) for value in self.folios.column("phys_order").tolist()]

    def not_as_written_by(self, release: Release) -> str | None:
        """The list stands in the FDT, or a descriptor of it does (lib/test_kho.c, kho_test_restore_data 6.17 against 6.18)."""
        info, is_inline = field_named(self.properties, "folios_info"), list_is_inline(release)
        if info is None or isinstance(self.area, Damaged):
            return None
        if isinstance(self.area, Unavailable) and len(info.raw) % 8 == 0:
            other = not is_inline and len(info.raw) != KHO_VMALLOC.size
            return f"its list stands in the FDT, {release.name} writes a descriptor" if other else None
        other = is_inline and not isinstance(self.area, Missing)
        return f"its list is a descriptor, {release.name} writes it inline" if other else None

    def summary(self) -> str:
        """How many folios."""
        count = self.nr_folios
        return f"folios {count.status.value}" if isinstance(count, Missing) else plural(count, "folio")

    def standing(self) -> Standing:
        """The folios have a line of their own."""
        return WHOLE

    def values(self) -> tuple[Value, ...]:
        """The properties of both nodes."""
        return property_values(self.properties)

    def blobs(self) -> tuple[Blob, ...]:
        """None but its own."""
        return ()

    @property
    def has_children(self) -> bool:
        """The folios."""
        return True

    def children(self, platform: Platform) -> Sequence[Entity]:
        """The folios."""
        return [self._folios()]

    def _folios(self) -> Entity:
        path, blocks, count = self.path.child("folios"), self.read_blocks, self.folio_count
        if isinstance(blocks, Missing):
            return missing_entity(path, "folios", blocks)
        cells = tuple((address, order, 1 << self.page_shift + min(order, _MAX_ORDER_SHOWN)) for address, order in blocks)
        columns = (Column("address", Unit.PHYS, 18), Column("order", Unit.ORDER, 5), Column("size", Unit.BYTES, 12))
        table = PlainRows(columns, cells, tuple(c[0] for c in cells), tuple(c[2] for c in cells))

        def detail() -> Detail:
            area = self.area
            values = () if isinstance(area, Missing) else area.values()
            list_at = derived("entry size", Unit.BYTES, KHO_TEST_FOLIO.size, "one u64 a folio: its address, with its order in the low bits")
            return Detail((*values, list_at), () if isinstance(area, Missing) else area.blobs(), table)

        status = Status.DECODED if count.whole or count.read > (count.of or 0) else Status.PARTIAL
        return Entity(
            path=path,
            kind="folios",
            title=SafeText("folios"),
            status=status,
            summary=count.words("folio"),
            reason=NO_TEXT if status is Status.DECODED else SafeText(f"{count.words('folio')} could be read"),
            detail=detail,
        )

    def claims(self, collector: ClaimCollector) -> None:
        """The folios, and the area that lists them."""
        path, blocks = self.path.child("folios"), self.read_blocks
        if not isinstance(blocks, Missing) and not isinstance(self.folios, Missing):
            first = np.array([address for address, _ in blocks], np.uint64)
            length = np.array([collector.page_size << min(order, _MAX_ORDER_SHOWN) for _, order in blocks], np.uint64)
            collector.add(KIND_TEST_FOLIO, path, first, first + length, self.folios)
        if not isinstance(self.area, Missing):
            self.area.claims(collector, path)

    def gaps(self) -> Iterator[Gap]:
        """Folios."""
        count = self.folio_count
        if isinstance(self.folios, Missing):
            yield Gap("folios", self.path, self.folios.status, self.folios.reason)
        elif not isinstance(self.area, Missing) and self.area.status is not Status.DECODED:
            # 6.16 and 6.17 have no area: the list lies in the FDT.
            yield Gap("folios", self.path, self.area.status, self.area.reason, count)
        elif not count.whole:
            yield Gap("folios", self.path, Status.PARTIAL, SafeText(f"{count.words('folio')} could be read"), count)

    def opaque(self) -> Iterator[str]:
        """Nothing of it."""
        return iter(())

    def always_kept(self) -> Iterator[tuple[int, bytes]]:
        """None."""
        return iter(())

    def counted(self) -> tuple[str, int] | None:
        """Nothing."""
        return None

    def written_by(self) -> bytes | None:
        """It does not say."""
        return None

    def areas(self) -> Iterator[DescribedArea | Missing]:
        """Where its list lies."""
        if not isinstance(self.area, Missing):
            info = field_named(self.properties, "folios_info")
            yield DescribedArea.of(self.area, self.path.child("folios"), None if info is None else info.place.phys)
        elif isinstance(self.area, Stale):
            yield self.area

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """Counts and checksum; with ``rows`` each folio."""
        shown: dict[str, Json] = {
            "folios": known(self.nr_folios),
            "folios_read": self.folio_count.read,
            "csum": address_text(self.csum),
        }
        if rows:
            blocks = self.read_blocks
            shown["folio_list"] = None if isinstance(blocks, Missing) else [[hex_text(address), order] for address, order in blocks]
        return shown

    def plain(self) -> PlainTest:
        """Its values."""
        from kho_tui.subsystems.kho_test.plain import PlainTest

        magic = field_named(self.properties, "magic")
        if magic is None or not isinstance(magic.value, int):
            raise InputError(f"{self.path}: it has no magic of 4 bytes")
        folios = told(self.folio_blocks, self.path)
        area = None if isinstance(self.area, Missing) else self.area.plain(self.path)
        return PlainTest(magic.value, tuple(folios), told(self.csum, self.path), area)
