"""memfds: files in memory, and what LUO's handler keeps of one (mm/memfd_luo.c)."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import numpy as np

from kho_tui.abi.memfd import ALL_SEALS, FOLIO_FLAGS_WRITTEN, LIMITED, MEMFD, MEMFD_LUO_FOLIO_SER, MemfdFormat
from kho_tui.layout.arrays import U64s
from kho_tui.model.contents.memfd import PlainMemfd
from kho_tui.model.vmalloc import PlainVmalloc
from kho_tui.simulator.allocator import PageAllocator
from kho_tui.simulator.contents import Contents, FileContents, FilledMemory
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.split import greedy_blocks

_UINT_MAX = (1 << 32) - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Memfd:
    """A memfd; sizes in bytes. Folio i is ``orders[i]`` at address ``addresses[i]`` and holds the pages from ``indexes[i]`` on.

    Arrays are u64 of shape (n,), indexes in pages, ascending. Two memfds are the same file only if they are the same object.
    """

    size: int
    pos: int
    seals: int
    addresses: U64s
    orders: U64s
    indexes: U64s
    contents: Contents
    hugetlb: bool = False

    def stretches(self, page_size: int) -> list[tuple[int, int]]:
        """(start, size) in bytes of each folio."""
        return list(zip(self.addresses.tolist(), (np.uint64(page_size) << self.orders).tolist(), strict=True))


def memfd_create(
    machine: Machine,
    allocator: PageAllocator,
    memory: FilledMemory,
    what: str,
    contents: FileContents,
    *,
    order: int = 0,
    pos: int = 0,
    seals: int = 0,
    hugetlb: bool = False,
    node: int | None = None,
) -> Memfd:
    """A file in folios of 2^order pages, smaller ones where its end needs them; holes have folios too. Raises KernelError -ENOMEM."""
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
    memory.fill(starts, np.uint64(1) << (orders + shift), indexes << shift, contents)
    return Memfd(
        size=contents.size, pos=pos, seals=seals, addresses=starts, orders=orders, indexes=indexes, contents=contents, hugetlb=hugetlb
    )


@dataclass(frozen=True, eq=False)
class PreservedMemfd:
    """What the handler keeps: the address of its struct, the area that lists the folios, and the file itself."""

    file: Memfd
    struct: int
    area: PlainVmalloc | None
    form: MemfdFormat

    def content(self, page_shift: int) -> PlainMemfd:
        """As it is written to the struct."""
        flags = np.full(len(self.file.addresses), FOLIO_FLAGS_WRITTEN, np.uint64)
        folios = np.column_stack([self.file.addresses >> np.uint64(page_shift), flags, self.file.indexes])
        folios.flags.writeable = False
        return PlainMemfd(
            form=self.form,
            pos=self.file.pos,
            size=self.file.size,
            seals=self.file.seals if self.form.has_seals else None,
            flags=0,
            folios=folios,
            area=self.area,
        )


def preserve_memfd(kho: Kho, file: Memfd, what: str) -> PreservedMemfd:
    """memfd_luo_preserve. -EOPNOTSUPP for unknown seals, -EFBIG (7.1 on), -ENOMEM, or what preserving a folio gives."""
    call = "memfd_luo_preserve"
    form = kho.registry.of(kho.release, MEMFD)
    assert form is not None  # every release with LUO has a handler
    if form.has_seals and file.seals & ~ALL_SEALS:
        raise KernelError(errno.EOPNOTSUPP, call, f"seals {file.seals:#x} hold a bit that the format does not know")
    if LIMITED.covers(kho.release.version) and -(-file.size // kho.machine.page_size) > _UINT_MAX:
        raise KernelError(errno.EFBIG, call, f"{file.size} bytes are more than {_UINT_MAX} pages")
    struct = kho.kho_alloc_preserve(form.layout.size, what)
    done: list[int] = []
    area: PlainVmalloc | None = None
    try:
        for order in np.unique(file.orders).tolist():
            kho.kho_preserve_folios(file.addresses[file.orders == order], order)
            done.append(order)
        if len(file.addresses):
            listed = kho.vmalloc(len(file.addresses) * MEMFD_LUO_FOLIO_SER.size, f"{what} list")
            area = kho.kho_preserve_vmalloc(listed, f"{what} list")
    except KernelError:
        for order in done:
            unpreserve_folios(kho, file, order)
        kho.kho_unpreserve_free(struct, form.layout.size)
        raise
    return PreservedMemfd(file, struct, area, form)


def unpreserve_memfd(kho: Kho, kept: PreservedMemfd) -> None:
    """memfd_luo_unpreserve: the file goes on as it was."""
    for order in np.unique(kept.file.orders).tolist():
        unpreserve_folios(kho, kept.file, order)
    if kept.area is not None:
        kho.kho_unpreserve_vmalloc(kept.area)
        for page in kept.area.entries.tolist():
            kho.allocator.free(page, kho.machine.page_size)
    kho.kho_unpreserve_free(kept.struct, kho.machine.page_size)


def unpreserve_folios(kho: Kho, file: Memfd, order: int) -> None:
    """Undo for the folios of one order."""
    for address in file.addresses[file.orders == order].tolist():
        kho.kho_unpreserve_folio(address, order)
