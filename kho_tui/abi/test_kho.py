"""The test module's subtree (lib/test_kho.c, all releases): folios and their checksum.

The payload of 6.16 and 6.17 is an inline u64 array, from 6.18 on a vmalloc descriptor, under the same compatible string.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kho_tui.abi.format import Family, SubtreeFormat, SubtreeFormats
from kho_tui.abi.properties import NodeLayout, compatible
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.struct import Field, Layout, Unit, u64
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Release

SOURCE = "lib/test_kho.c 6.16-7.3"

KHO_TEST_NAME = b"kho_test"
KHO_TEST_COMPATIBLE = b"kho-test-v1"
KHO_TEST_MAGIC = 0x4B484F21
_INLINE = Range("6.16", "6.17")

KHO_TEST_NODE = NodeLayout(
    "kho_test",
    (
        compatible("if unknown, the test module leaves the data alone"),
        Field("magic", 4, Unit.ID, "0x4b484f21; anything else and the test module fails its restore"),
    ),
    SOURCE,
    "state of the KHO test module",
)

KHO_TEST_DATA_NODE = NodeLayout(
    "kho_test data",
    (
        Field("nr_folios", 4, Unit.COUNT, "folios in the list; wrong: the test fails"),
        Field("folios_info", None, Unit.OPAQUE, "6.16-6.17: the list itself; 6.18 on: a vmalloc descriptor of it"),
        Field("csum", 4, Unit.CHECKSUM, "ones-complement sum of all contents; compare folded to 16 bits"),
    ),
    SOURCE,
    "the folios of the test and their checksum",
)

KHO_TEST_FOLIO = Layout(
    "KhoTestFolio",
    (u64("phys_order", Unit.OPAQUE, "address of a folio with its order in the low page-shift bits"),),
    SOURCE,
    "one folio of the test",
)

KHO_TEST_FORMATS = SubtreeFormats((SubtreeFormat(compatible=KHO_TEST_COMPATIBLE, written=Range("6.16"), node=KHO_TEST_NODE, struct=None),))
KHO_TEST: Family[SubtreeFormats[SubtreeFormat]] = Family("subtree", KHO_TEST_NAME, SubtreeFormats(()))


def list_is_inline(release: Release) -> bool:
    """Whether the FDT of a release holds the list of folios itself, else a vmalloc descriptor of it: the string is the same."""
    return bool(_INLINE.covers(release.version))


def looks_like_descriptor(raw: bytes, nr_folios: int, byte_order: ByteOrder) -> bool:
    """Whether ``folios_info`` is a vmalloc descriptor and not an inline array.

    Both are 16 bytes where there are two folios: a descriptor of so short a list covers one entry, with flags that a kernel writes.
    """
    if len(raw) != KHO_VMALLOC.size:
        return False
    if nr_folios != 2:
        return True
    total_pages, flags, order = (
        int.from_bytes(raw[at : at + size], byte_order) for at, size in map(KHO_VMALLOC.span, ("total_pages", "flags", "order"))
    )
    return flags in (1, 2, 3) and order <= 10 and total_pages == 1 << order


_CHUNK = 1 << 20


def checksum_chunks(folios: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(address, bytes) of the chunks in which folios of (address, bytes) are added up: one may be half a GiB."""
    for start, size in folios:
        for at in range(start, start + size, _CHUNK):
            yield at, min(_CHUNK, start + size - at)


def folio_sum(chunks: Iterable[bytes], byte_order: ByteOrder) -> int:
    """The ones-complement sum of all 16-bit words of the folios' contents, modulo 65535 (lib/test_kho.c).

    ``chunks``: the contents, of even sizes, as ``checksum_chunks`` cuts them.
    """
    import numpy as np

    words = "<u2" if byte_order == "little" else ">u2"
    return sum(int(np.frombuffer(data, words).sum(dtype=np.uint64)) for data in chunks) % 0xFFFF


def is_sum_of(csum: int, chunks: Iterable[bytes], byte_order: ByteOrder) -> bool:
    """Whether ``csum`` is that of the folios' contents: it is folded, so 65535 stands for 0 too."""
    return folio_sum(chunks, byte_order) == csum % 0xFFFF
