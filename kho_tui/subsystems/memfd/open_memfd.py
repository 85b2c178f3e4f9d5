"""memfds that programs of a simulated kernel hold open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.layout.arrays import U64s
from kho_tui.simulator.contents import Contents, FileContents
from kho_tui.simulator.incoming import Stretch
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.producer import OpenFile
from kho_tui.simulator.split import greedy_blocks


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenMemfd(OpenFile):
    """A memfd; sizes in bytes. Folio i is ``orders[i]`` at address ``addresses[i]`` and holds the pages from ``indexes[i]`` on.

    Arrays are u64 of shape (n,), indexes in pages, ascending.
    """

    size: int
    pos: int
    seals: int
    addresses: U64s
    orders: U64s
    indexes: U64s
    contents: Contents
    hugetlb: bool = False

    @property
    def kind(self) -> str:
        """See OpenFile."""
        return "a hugetlb memfd" if self.hugetlb else "a memfd"

    def stretches(self, page_size: int) -> list[Stretch]:
        """See OpenFile."""
        return list(zip(self.addresses.tolist(), (np.uint64(page_size) << self.orders).tolist(), strict=True))


def memfd_create(
    kernel: Kernel,
    what: str,
    contents: FileContents,
    *,
    order: int = 0,
    pos: int = 0,
    seals: int = 0,
    hugetlb: bool = False,
    node: int | None = None,
) -> OpenMemfd:
    """A file in folios of 2^order pages, smaller ones where its end needs them; holes have folios too. Raises KernelError -ENOMEM."""
    machine, allocator = kernel.machine, kernel.allocator
    pages = -(-contents.size // machine.page_size)
    whole = pages >> order
    rest = list(greedy_blocks(whole << order, pages - (whole << order)))
    addresses = allocator.alloc_many(whole, order, what, node)
    tail = [allocator.alloc(small, what, node) for _, small in rest]
    starts = np.concatenate([addresses, np.array(tail, np.uint64)])
    orders = np.array([order] * whole + [small for _, small in rest], np.uint64)
    indexes = np.concatenate([np.arange(whole, dtype=np.uint64) << np.uint64(order), np.array([at for at, _ in rest], np.uint64)])
    for array in (starts, orders, indexes):
        array.flags.writeable = False
    shift = np.uint64(machine.page_shift)
    kernel.memory.fill(starts, np.uint64(1) << (orders + shift), indexes << shift, contents)
    return OpenMemfd(
        size=contents.size, pos=pos, seals=seals, addresses=starts, orders=orders, indexes=indexes, contents=contents, hugetlb=hugetlb
    )


def memfd_close(kernel: Kernel, file: OpenMemfd) -> None:
    """Give a file's memory back: nobody holds it open, and no session keeps it."""
    for address, order in zip(file.addresses.tolist(), file.orders.tolist(), strict=True):
        kernel.allocator.free(address, kernel.machine.page_size << order)
    kernel.memory.empty(file.contents)
