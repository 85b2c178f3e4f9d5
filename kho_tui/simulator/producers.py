"""The kernel's own producers besides LUO: kexec-metadata, the test module, memblock.

Source: kernel/liveupdate/kexec_handover.c, lib/test_kho.c, mm/memblock.c.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from random import Random

import numpy as np

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, METADATA_VERSION
from kho_tui.abi.test_kho import KHO_TEST_MAGIC, KHO_TEST_NAME, list_is_inline
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.model.contents.kexec_metadata import PlainMetadata
from kho_tui.model.contents.kho_test import PlainTest
from kho_tui.model.contents.memblock import PlainMemblock, Region
from kho_tui.model.vmalloc import PlainVmalloc
from kho_tui.releases.calls import CALLS
from kho_tui.releases.table import Finalize
from kho_tui.simulator.contents import Counting, FilledMemory, tag_of
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho

_CSUM = (1 << 32) - 1
_CSUM16 = (1 << 16) - 1


def add_metadata(kho: Kho, release: str, count: int) -> None:
    """kexec-metadata of 7.1 on. ``release`` is ``uname -r``, ``count`` the KHO kexecs with this one."""
    content = PlainMetadata(METADATA_VERSION, release.encode(), count)
    size = len(subtree_blob(content, kho.encoder))
    phys = kho.kho_alloc_preserve(size, "kexec-metadata")
    kho.kho_add_subtree(KEXEC_METADATA_NAME, phys, size, lambda: content)


def add_memblock(kho: Kho, regions: tuple[Region, ...]) -> None:
    """The regions of ``reserve_mem=``: with 6.16-6.18 told to at finalize, else at once. 6.16 and 6.17: -EINVAL unless whole pages."""
    content = PlainMemblock(regions)
    size = len(subtree_blob(content, kho.encoder))
    phys = kho.allocator.alloc(0, "memblock")

    def preserve() -> None:
        kept: list[tuple[int, int]] = []
        try:
            kho.kho_preserve_folio(phys, 0)
            for region in regions:
                start, pages = region.start & -kho.machine.page_size, region.size >> kho.machine.page_shift
                if CALLS["kho_preserve_pages"].covers(kho.release.version):
                    kho.kho_preserve_pages(start, pages)
                else:
                    kho.kho_preserve_phys(region.start, region.size)
                kept.append((start, pages))
            kho.kho_add_subtree(MEMBLOCK_NAME, phys, size, lambda: content)
        except KernelError:
            # Until 6.18 the abort that follows drops the whole tracker.
            if kho.release.finalize is not Finalize.STATEFUL:
                for start, pages in kept:
                    kho.kho_unpreserve_pages(start, pages)
                kho.kho_unpreserve_folio(phys, 0)
            raise

    if kho.release.finalize is Finalize.STATEFUL:
        kho.register_kho_notifier(lambda finalize: preserve() if finalize else None)
    else:
        preserve()


@dataclass(frozen=True, slots=True)
class KhoTest:
    """lib/test_kho.c. ``memory`` in bytes, None: 2 * (page size << MAX_PAGE_ORDER); ``orders`` of the folios instead of random ones."""

    memory: int | None = None
    orders: tuple[int, ...] = ()


def add_test(kho: Kho, module: KhoTest, memory: FilledMemory, seed: int) -> None:
    """Random folios with contents, and their sum, as the module makes them when it finds nothing to restore."""
    machine, release = kho.machine, kho.release
    orders = module.orders or _orders(module.memory or 2 * machine.page_size << machine.max_page_order, kho, seed)
    folios = []
    csum = 0
    for number, order in enumerate(orders):
        phys = kho.allocator.alloc(order, "kho_test folio")
        size = machine.page_size << order
        contents = Counting(tag_of(seed, "kho_test", number), machine.platform.byte_order)
        csum = _add(csum, contents.word_sum(0, size), machine.arch)
        folios.append((phys, order))
        memory.fill(np.array([phys], np.uint64), np.array([size], np.uint64), np.zeros(1, np.uint64), contents)
    buffer_size = 8 * len(folios) + machine.page_size
    fdt = kho.allocator.alloc(kho.order_of(buffer_size), "kho_test")
    kho.kho_preserve_folio(fdt, kho.order_of(buffer_size))
    area: PlainVmalloc | None = None
    if not list_is_inline(release):
        area = kho.kho_preserve_vmalloc(kho.vmalloc(8 * len(folios), "kho_test list"), "kho_test list")
    for phys, order in folios:
        kho.kho_preserve_folio(phys, order)
    content = PlainTest(KHO_TEST_MAGIC, tuple(folios), csum, area)
    size = len(subtree_blob(content, kho.encoder))

    def add(finalize: bool = True) -> None:
        if finalize:
            kho.kho_add_subtree(KHO_TEST_NAME, fdt, size, lambda: content)

    if release.finalize is Finalize.STATEFUL:
        kho.register_kho_notifier(add)
    else:
        add()


def _orders(memory: int, kho: Kho, seed: int) -> tuple[int, ...]:
    if memory < kho.machine.page_size:
        raise KernelError(errno.EINVAL, "kho_test_init", f"{memory} bytes are less than a page")
    random = Random(f"kho_test {seed}")
    orders, done = [], 0
    memory = -(-memory // kho.machine.page_size) * kho.machine.page_size
    while done < memory:
        order = random.randrange(kho.machine.max_page_order + 1)
        if done + (kho.machine.page_size << order) > memory:
            order = max(kho.order_of(memory - done) - 1, 0)
        orders.append(order)
        done += kho.machine.page_size << order
    return tuple(orders)


def _add(before: int, words: int, arch: str) -> int:
    """csum_partial over one folio: x86 folds 64-bit sums to 32 bits, arm64 each buffer to 16 and adds. Never 0 unless all is."""
    if arch == "x86_64":
        return _folded(before + words, _CSUM)
    return _folded(before + _folded(words, _CSUM16), _CSUM)


def _folded(total: int, modulus: int) -> int:
    return (total - 1) % modulus + 1 if total else 0
