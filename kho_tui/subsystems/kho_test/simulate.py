"""The test module in a simulated kernel (lib/test_kho.c)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from kho_tui.abi.test_kho import KHO_TEST_MAGIC, KHO_TEST_NAME, checksum_chunks, is_sum_of, list_is_inline
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.errors import GapError, ReadError
from kho_tui.model.facts import Missing, known
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import PlainVmalloc
from kho_tui.model.state import State
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.contents import Counting, tag_of
from kho_tui.simulator.facet import NO_STEPS, Module, Simulating, idle_task_killed, nothing_early
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import LogLine, Producer
from kho_tui.simulator.scenario_table import Table
from kho_tui.simulator.scenario_values import a_size, an_order
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.text import SafeText, human_size

_MOST_ORDERS = 100_000
_MOST_TEST_MEMORY = 64 << 30
"""Bytes that the random folios may have in all: about 10^5 folios. The module's own default is 8 MiB."""
_CSUM = (1 << 32) - 1
_CSUM16 = (1 << 16) - 1
_FDT_SIZES = ("totalsize", "off_dt_strings", "size_dt_struct", "blob-size")
"""What the length of an FDT's properties decides."""


@dataclass(frozen=True, slots=True)
class KhoTestModule:
    """How much it fills. ``memory`` in bytes, None: 2 * (page size << MAX_PAGE_ORDER); ``orders`` of the folios instead of random ones."""

    memory: int | None = None
    orders: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """That the module found something to restore, and whether it came back whole."""

    whole: bool


class _TestKho(Producer[Restored]):
    def start(self, kho: Kho) -> None:
        """Random folios with contents, and their sum, as the module makes them when it finds nothing to restore."""
        if self._module is None or self.arrived is not None:
            return
        machine, seed = kho.machine, self.kernel.seed
        orders = self._module.orders or _orders(self._module.memory or 2 * machine.page_size << machine.max_page_order, kho, seed)
        folios = []
        csum = 0
        for number, order in enumerate(orders):
            phys = kho.allocator.alloc(order, "kho_test folio")
            size = machine.page_size << order
            contents = Counting(tag_of(seed, "kho_test", number), machine.platform.byte_order)
            csum = _add(csum, contents.word_sum(0, size), machine.arch)
            folios.append((phys, order))
            self.kernel.memory.fill(np.array([phys], np.uint64), np.array([size], np.uint64), np.zeros(1, np.uint64), contents)
        buffer_size = 8 * len(folios) + machine.page_size
        fdt = kho.allocator.alloc(kho.order_of(buffer_size), "kho_test")
        kho.kho_preserve_folio(fdt, kho.order_of(buffer_size))
        area: PlainVmalloc | None = None
        if not list_is_inline(kho.release):
            area = kho.kho_preserve_vmalloc(kho.vmalloc(8 * len(folios), "kho_test list"), "kho_test list")
        for phys, order in folios:
            kho.kho_preserve_folio(phys, order)
        content = PlainTest(KHO_TEST_MAGIC, tuple(folios), csum, area)
        size = len(subtree_blob(content, kho.encoder))
        kho.when_handed_over(lambda: kho.kho_add_subtree(KHO_TEST_NAME, fdt, size, lambda: content))

    def taken_lines(self) -> Iterator[LogLine]:
        if self.arrived is not None:
            yield 6 if self.arrived.whole else 3, f"test_kho: KHO restore {'succeeded' if self.arrived.whole else 'failed'}"

    def unpredictable(self) -> Iterator[Unpredictable]:
        """The module's own folios, where it makes any."""
        if self._module is None or self.arrived is not None or self.kernel.kho is None:
            return
        told = SafeText("out/kho_test: the module fills folios of random orders with random bytes")
        path, page = EntityPath(("out",)).named(KHO_TEST_NAME), self.kernel.machine.page_size
        sizes = _FDT_SIZES if list_is_inline(self.kernel.release) else ()
        spots = (Spot(path.text, name) for name in ("nr_folios", "csum", *sizes))
        yield Unpredictable(told, (*spots, Spot(path.text, "folios_info", page), Spot(path.child("folios").text, "phys_order", page)))

    @property
    def _module(self) -> KhoTestModule | None:
        return self.kernel.config.built.get(KHO_TEST_NAME)


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


def _receive(handed: Handed, built: KhoTestModule | None) -> Restored | None:
    if built is None or not handed.reception.target.kho or handed.reception.boot.handed.content(KHO_TEST_NAME) is None:
        return None
    test = handed.content(KHO_TEST_NAME)
    return Restored(isinstance(test, KhoTest) and _restore(test, handed))


def _restore(test: KhoTest, handed: Handed) -> bool:
    """Free the list and every folio, and compare the sum."""
    blocks, csum = test.folio_blocks, known(test.csum)
    if isinstance(blocks, Missing) or csum is None:
        return False
    if isinstance(test.area, VmallocArea):
        handed.freed.extend(handed.area_pages(test.area))
    handed.freed.extend((start, handed.page_size << order) for start, order in blocks)
    try:
        return is_sum_of(csum, _folio_bytes(blocks, handed), handed.platform.byte_order)
    except (GapError, ReadError):
        handed.doubt("kho_test: the contents of its folios are not at hand; its sum is taken for right")
        return True


def _folio_bytes(blocks: Sequence[tuple[int, int]], handed: Handed) -> Iterator[bytes]:
    """The contents of (address, order) blocks in pieces: those that are known, else those that are captured."""
    for start, order in blocks:
        contents = handed.contents.contents_at(start)
        for at, size in checksum_chunks([(start, handed.page_size << order)]):
            yield contents.read(at - start, size) if contents is not None else handed.memory.read(at, size)


def _some_orders(value: Any) -> tuple[int, ...]:
    """Orders of blocks."""
    if not isinstance(value, list):
        raise ValueError("not a list of orders")
    if len(value) > _MOST_ORDERS:
        raise ValueError(f"{len(value)} orders are more than {_MOST_ORDERS}")
    return tuple(an_order(one) for one in value)


def _memory_or_switch(value: Any) -> int | bool:
    """true, false or a size of which random folios are made."""
    if isinstance(value, bool):
        return value
    if (size := a_size(value)) > _MOST_TEST_MEMORY:
        raise ValueError(f"{human_size(size)} of folios are more than {human_size(_MOST_TEST_MEMORY)}")
    return size


def _asked(kernel: Table) -> KhoTestModule | None:
    orders = kernel.get("test_orders", ())
    memory = kernel.get("test", False)
    if memory is False and not orders:
        return None
    return KhoTestModule(None if isinstance(memory, bool) else memory, orders)


def _seen(state: State, options: Mapping[str, str] | None) -> KhoTestModule | None:
    registered = any(subtree.name == KHO_TEST_NAME for side in state.sides.values() for subtree in side.subtrees)
    spoke = any(line.kind == "test-restore" for line in state.log)
    configured = options is not None and options.get("CONFIG_TEST_KEXEC_HANDOVER") == "y"
    return KhoTestModule() if registered or spoke or configured else None


SIMULATING = Simulating(
    turn=1,
    log_prefix="test_kho",
    producer=_TestKho,
    receive=_receive,
    module=Module(keys={"test": _memory_or_switch, "test_orders": _some_orders}, asked=_asked, seen=_seen),
    steps=NO_STEPS,
    early_bytes=nothing_early,
    panic_line=idle_task_killed,
)
