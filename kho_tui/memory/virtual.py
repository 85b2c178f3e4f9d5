"""Kernel virtual addresses in a core of a whole kernel (/proc/kcore, /proc/vmcore): where in the file, and at which physical address."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.source import ByteSource


@dataclass(frozen=True, eq=False, slots=True)
class VirtualMap:
    """Two views of the segments of a core by p_vaddr: ``in_file`` has file offsets, ``physical`` physical addresses, where any."""

    source: ByteSource
    in_file: Extents
    physical: Extents

    def read(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes at a virtual address: fewer where its segment ends, none where there is no segment. Raises ReadError."""
        row = self.in_file.row_of(address)
        if row is None:
            return b""
        extent = self.in_file[row]
        inside = address - extent.start
        return self.source.read_at(extent.offset + inside, min(size, extent.size - inside))

    def physical_address(self, address: int) -> int | None:
        """The physical address of a virtual one; None where no segment says it."""
        row = self.physical.row_of(address)
        return None if row is None else int(self.physical.offsets[row]) + address - int(self.physical.starts[row])


def virtual_map(source: ByteSource, virtual: U64s, physical: U64s, offsets: U64s, sizes: U64s, *, no_address: int) -> VirtualMap:
    """The map of segments as the columns of a program header table give them; ``no_address``: p_paddr of those that have none."""
    sizes = np.where(virtual > 0, np.minimum(sizes, np.uint64(0) - virtual), sizes)
    placed = physical != no_address
    return VirtualMap(
        source=source,
        in_file=arrange(virtual, sizes, offsets)[0],
        physical=arrange(virtual[placed], sizes[placed], physical[placed])[0],
    )
