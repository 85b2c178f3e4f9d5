"""The calls that preserve memory, under the kernel's names, with its errnos (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

import errno

import numpy as np

from kho_tui.abi.root import Tracker
from kho_tui.abi.vmalloc import VMALLOC_CHUNK
from kho_tui.layout.arrays import U64s
from kho_tui.model.plain import PlainVmalloc
from kho_tui.model.registry import Registry
from kho_tui.model.state import ScratchArea
from kho_tui.releases.calls import CALLS
from kho_tui.releases.table import Finalize, Release
from kho_tui.simulator.allocator import PageAllocator
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.ranges import Ranges
from kho_tui.simulator.split import greedy_blocks
from kho_tui.simulator.tracker import KernelChunks, KernelRadix

VM_ALLOC, VM_ALLOW_HUGE = 1, 2


class Preserving:
    """The tracker of one kernel and the calls that fill it. ``warnings`` collects what the kernel only warns of."""

    def __init__(
        self,
        registry: Registry,
        machine: Machine,
        release: Release,
        allocator: PageAllocator,
        scratch: tuple[ScratchArea, ...],
        *,
        debug: bool,
    ) -> None:
        self.registry, self.machine, self.release, self.allocator, self.scratch = registry, machine, release, allocator, scratch
        self.warnings: list[str] = []
        self.finalized = False
        self._debug = debug and release.checks_scratch
        self._scratch = Ranges((area.start, area.start + area.size) for area in scratch)
        size = machine.page_size
        if registry.roots.written_by(release).tracker is Tracker.RADIX:
            self.tracker: KernelChunks | KernelRadix = KernelRadix(
                size, self._page, marker_counted=registry.roots.written_by(release).marker_counted
            )
        else:
            self.tracker = KernelChunks(size, release.bitmap_bytes or size, self._page, lambda at: allocator.free(at, size))

    def kho_preserve_folio(self, phys: int, order: int) -> None:
        """One block of the folio's order. -EBUSY once finalized (6.16-6.18), -EINVAL in scratch (6.18 on, debug), -ENOMEM."""
        self._mark("kho_preserve_folio", phys, order)

    def kho_preserve_folios(self, addresses: U64s, order: int) -> None:
        """``kho_preserve_folio`` for many folios of one order, u64 of shape (n,): all, or none and the first error."""
        size = self.machine.page_size << order
        done: list[tuple[int, int]] = []
        try:
            for start, count in _stretches(addresses, size):
                self._mark("kho_preserve_folio", start, order, count)
                done.append((start, count))
        except KernelError:
            for start, count in done:
                self._clear(start, order, count)
            raise

    def kho_unpreserve_folio(self, phys: int, order: int) -> None:
        """Undo. Warns where this block is not preserved (6.19 on)."""
        self._need("kho_unpreserve_folio")
        self._clear(phys, order)

    def kho_preserve_phys(self, phys: int, size: int) -> None:
        """A range in bytes, split greedily (6.16, 6.17). -EINVAL unless whole pages."""
        self._need("kho_preserve_phys")
        if phys % self.machine.page_size or size % self.machine.page_size:
            raise KernelError(errno.EINVAL, "kho_preserve_phys", f"{size} bytes at {phys:#x} are not whole pages")
        self._mark_range("kho_preserve_phys", phys, size // self.machine.page_size)

    def kho_preserve_pages(self, phys: int, pages: int) -> None:
        """A range of pages, split greedily, from 7.1 on never across nodes (6.18 on). The count is cut to the width the release has."""
        self._need("kho_preserve_pages")
        self._mark_range("kho_preserve_pages", phys, pages % (1 << self.release.page_count_bits))

    def kho_unpreserve_pages(self, phys: int, pages: int) -> None:
        """Undo with the same range (6.19 on)."""
        self._need("kho_unpreserve_pages")
        for start, order in self._split(phys, pages % (1 << self.release.page_count_bits)):
            self._clear(start, order)

    def kho_alloc_preserve(self, size: int, what: str, node: int | None = None) -> int:
        """Address of a zeroed, preserved block that holds ``size`` bytes (6.19 on). -EINVAL for 0, -E2BIG, -ENOMEM."""
        self._need("kho_alloc_preserve")
        order = self.order_of(size)
        if not size:
            raise KernelError(errno.EINVAL, "kho_alloc_preserve", "size 0")
        if order > self.machine.max_page_order:
            raise KernelError(
                errno.E2BIG, "kho_alloc_preserve", f"{size} bytes are more than a block of order {self.machine.max_page_order}"
            )
        at = self.allocator.alloc(order, what, node)
        try:
            self._mark("kho_alloc_preserve", at, order)
        except KernelError:
            self.allocator.free(at, self.machine.page_size << order)
            raise
        return at

    def kho_unpreserve_free(self, phys: int, size: int) -> None:
        """Undo ``kho_alloc_preserve`` (6.19 on)."""
        self._need("kho_unpreserve_free")
        order = self.order_of(size)
        self._clear(phys, order)
        self.allocator.free(phys, self.machine.page_size << order)

    def vmalloc(self, size: int, what: str, order: int = 0) -> U64s:
        """Memory for a vmalloc area of ``size`` bytes in blocks of 2^order pages: their addresses, u64 of shape (n,)."""
        block = self.machine.page_size << order
        return self.allocator.alloc_many(-(-size // block), order, what)

    def kho_preserve_vmalloc(self, entries: U64s, what: str, order: int = 0, flags: int = VM_ALLOC) -> PlainVmalloc:
        """A vmalloc area of ``entries`` (6.18 on). -EOPNOTSUPP for other flags than plain and huge, -ENOMEM.

        6.18 gives no error for a failure behind the first chunk although all was undone: then the area of the answer has no chunks.
        """
        self._need("kho_preserve_vmalloc")
        if flags & ~(VM_ALLOC | VM_ALLOW_HUGE):
            raise KernelError(errno.EOPNOTSUPP, "kho_preserve_vmalloc", f"vm flags {flags:#x}")
        chunks: list[int] = []
        try:
            for number in range(len(entries) // VMALLOC_CHUNK.capacity(self.machine.page_size) + 1):
                chunks.append(self._page(f"{what} chunk"))
                self._mark("kho_preserve_vmalloc", chunks[-1], 0)
                if number == 0:
                    self.kho_preserve_folios(entries, order)
        except KernelError as error:
            self._undo_vmalloc(chunks, entries, order)
            if len(chunks) > 1 and not self.release.vmalloc_reports_failure:
                return PlainVmalloc((), _frozen(entries[:0]), 0, flags, order)
            raise KernelError(errno.ENOMEM, "kho_preserve_vmalloc", error.why) from error
        return PlainVmalloc(tuple(chunks), _frozen(entries), len(entries) << order, flags, order)

    def kho_unpreserve_vmalloc(self, area: PlainVmalloc) -> None:
        """Undo, chunks included; the area itself stays allocated (6.19 on)."""
        self._need("kho_unpreserve_vmalloc")
        self._undo_vmalloc(list(area.chunks), area.entries, area.order)

    def _undo_vmalloc(self, chunks: list[int], entries: U64s, order: int) -> None:
        for chunk in chunks:
            if self.tracker.marked(chunk >> self.machine.page_shift, 0):
                self._clear(chunk, 0)
            self.allocator.free(chunk, self.machine.page_size)
        for start, count in _stretches(entries, self.machine.page_size << order):
            if self.tracker.marked(start >> (self.machine.page_shift + order), order):
                self._clear(start, order, count)

    def order_of(self, size: int) -> int:
        """get_order: the order of the smallest block that holds ``size`` bytes."""
        return max((size - 1).bit_length() - self.machine.page_shift, 0)

    def _need(self, call: str) -> None:
        if not CALLS[call].covers(self.release.version):
            raise KernelError(errno.ENOSYS, call, f"{self.release.name} has no such call; releases that have it: {CALLS[call]}")

    def _page(self, what: str) -> int:
        return self.allocator.alloc(0, what)

    def _mark(self, call: str, phys: int, order: int, count: int = 1) -> None:
        shift = self.machine.page_shift + order
        if phys & ((1 << shift) - 1) or not 0 <= phys < phys + (count << shift) <= 1 << 64:
            raise KernelError(errno.EINVAL, call, f"{phys:#x} is not the address of a block of order {order}")
        if self.finalized and self.release.finalize is Finalize.STATEFUL:
            raise KernelError(errno.EBUSY, call, "finalized: nothing more can be preserved")
        if self._debug and self._scratch.touches(phys, phys + (count << shift)):
            raise KernelError(errno.EINVAL, call, f"{phys:#x} lies in scratch")
        self.tracker.preserve(phys >> shift, count, order)

    def _clear(self, phys: int, order: int, count: int = 1) -> None:
        first = phys >> (self.machine.page_shift + order)
        if not self.tracker.marked(first, order):
            self.warnings.append(f"unpreserve of {phys:#x}, order {order}: not preserved")
        self.tracker.forget(first, count, order)

    def _split(self, phys: int, pages: int) -> list[tuple[int, int]]:
        shift = self.machine.page_shift
        node_of = (lambda pfn: self.machine.node_of(pfn << shift)) if self.release.splits_at_nodes else None
        return [(pfn << shift, order) for pfn, order in greedy_blocks(phys >> shift, pages, node_of)]

    def _mark_range(self, call: str, phys: int, pages: int) -> None:
        end = phys + (pages << self.machine.page_shift)
        if self._debug and self._scratch.touches(phys, end):
            raise KernelError(errno.EINVAL, call, f"{phys:#x} to {end:#x} touches scratch")
        done: list[tuple[int, int]] = []
        try:
            for start, order in self._split(phys, pages):
                self._mark(call, start, order)
                done.append((start, order))
        except KernelError:
            for start, order in done:
                self._clear(start, order)
            raise


def _stretches(addresses: U64s, size: int) -> list[tuple[int, int]]:
    """(address, count) of neighbours that ascend, in the order given."""
    if not len(addresses):
        return []
    heads = np.flatnonzero(np.concatenate([[True], addresses[1:] != addresses[:-1] + np.uint64(size)]))
    counts = np.diff(np.append(heads, len(addresses)))
    return list(zip(addresses[heads].tolist(), counts.tolist(), strict=True))


def _frozen(values: U64s) -> U64s:
    array = values.astype(np.uint64)
    array.flags.writeable = False
    return array
