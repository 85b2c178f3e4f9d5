"""Tracker of kho-v2 to kho-v4: a radix tree of keys, one page a node (include/linux/kho/abi/kexec_handover.h, 7.1+).

A key is a block: ``(1 << (O0 - order)) | (phys >> (S + order))``, so a block's order is where its highest bit stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.layout.struct import Layout, Unit, u64
from kho_tui.layout.table import PageArray

SOURCE = "include/linux/kho/abi/kexec_handover.h 7.1-7.3"

KHO_RADIX_ENTRY = Layout(
    "KhoRadixEntry",
    (u64("table", Unit.PHYS, "node one level down, 0 for none; wrong: preserved pages are forgotten"),),
    SOURCE,
    "one slot of an inner node",
)

KHO_RADIX_NODE = PageArray(None, KHO_RADIX_ENTRY)


@dataclass(frozen=True, slots=True)
class RadixShape:
    """The arithmetic of a tree for one page size. ``marker_counted``: depth counts the order-0 marker bit (kho-v3 on)."""

    page_shift: int
    marker_counted: bool

    @property
    def order0_bit(self) -> int:
        """Bit of a key that marks order 0."""
        return 64 - self.page_shift

    @property
    def index_bits(self) -> int:
        """Index bits of an inner level."""
        return self.page_shift - 3

    @property
    def leaf_bits(self) -> int:
        """Index bits of a leaf bitmap."""
        return self.page_shift + 3

    @property
    def depth(self) -> int:
        """Levels of nodes, leaves included."""
        bits = self.order0_bit - self.leaf_bits + int(self.marker_counted)
        return -(-bits // self.index_bits) + 1

    @property
    def holds_order0(self) -> bool:
        """Whether the levels hold the marker bit of order 0: not so in kho-v2 on 16K pages, which is why v3 changed the formula."""
        return (self.depth - 1) * self.index_bits + self.leaf_bits > self.order0_bit

    def level_shift(self, level: int) -> int:
        """Bits of the key below the index of an inner level (1 is just above the leaves)."""
        return (level - 1) * self.index_bits + self.leaf_bits

    def key(self, address: int, order: int) -> int:
        """The key of a block."""
        return (1 << (self.order0_bit - order)) | (address >> (self.page_shift + order))

    def block(self, key: int) -> tuple[int, int] | None:
        """(address, order) of a key, None for a key that no block has."""
        top = key.bit_length() - 1
        if not 0 <= top <= self.order0_bit:
            return None
        order = self.order0_bit - top
        return (key << (self.page_shift + order)) & (2**64 - 1), order

    def indexes(self, key: int) -> tuple[int, ...]:
        """Slot at each inner level from the root down, then the bit in the leaf."""
        mask = (1 << self.index_bits) - 1
        inner = tuple((key >> self.level_shift(level)) & mask for level in range(self.depth - 1, 0, -1))
        return (*inner, key & ((1 << self.leaf_bits) - 1))
