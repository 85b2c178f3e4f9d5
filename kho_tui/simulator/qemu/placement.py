"""Where a kernel and what belongs to it are loaded: into scratch, as kexec does, so that no preserved page is touched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kho_tui.abi.boot import KHO_DATA, SETUP_KEXEC_KHO
from kho_tui.abi.scratch import KHO_SCRATCH, TABLE_ALIGNMENT
from kho_tui.errors import InputError
from kho_tui.layout.struct import Layout, Unit, u32, u64
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.runs import Runs
from kho_tui.simulator.qemu.bzimage import BzImage
from kho_tui.simulator.qemu.ram import FOUR_GIB, RamLayout, Zone
from kho_tui.simulator.ranges import Ranges
from kho_tui.text import human_size

PAGE = 4096

SETUP_DATA = Layout(
    "SetupData",
    (
        u64("next", Unit.PHYS, "the next node of the list, 0 ends it"),
        u32("type", Unit.ID, "what the node carries; 10 is the handover"),
        u32("len", Unit.BYTES, "bytes that follow"),
    ),
    "arch/x86/include/uapi/asm/setup_data.h, struct setup_data, 6.16-7.3",
    "head of a node of the list that the boot loader hands to an x86 kernel",
)


@dataclass(frozen=True, eq=False)
class Handed:
    """What is handed over: address of the root FDT, the scratch table as (start, size), and what must not be touched.

    ``runs`` are the preserved blocks, ``structure`` the pages of FDT and tracker.
    """

    fdt_phys: int
    scratch: tuple[tuple[int, int], ...]
    runs: Runs
    structure: Intervals

    @cached_property
    def kept(self) -> Intervals:
        """Every address whose content counts."""
        return intervals(self.runs.start, self.runs.ends) | self.structure

    @cached_property
    def areas(self) -> Intervals:
        """The addresses of scratch."""
        starts = [start for start, _ in self.scratch]
        return intervals(starts, [min(start + size, ADDRESS_END - 1) for start, size in self.scratch])

    def described(self, address: int) -> str:
        """A kept address in words: the block or page that holds it."""
        block = self.runs.block_at(address)
        if block is None:
            return f"the page {address // PAGE * PAGE:#x} of the tracker or root FDT"
        start, order = self.runs.expand(block, 1)
        return f"the preserved block {int(start[0]):#x} of order {int(order[0])}"


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes to be in memory when the kernel starts."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """Segments, and the real-mode part that QEMU itself loads. ``image``: address and size of where the kernel unpacks to."""

    segments: tuple[Segment, ...]
    setup: bytes
    image: tuple[int, int]


def conflict(handed: Handed, layout: RamLayout) -> str | None:
    """What of a state cannot be where it is in this guest, in words; None where all of it can."""
    wrapped = np.flatnonzero(handed.runs.ends <= handed.runs.start)
    if len(wrapped):
        return f"{handed.described(int(handed.runs.start[wrapped[0]]))} reaches beyond the last address"
    areas = handed.areas
    for zone in layout.firmware:
        hit = handed.kept.clip(zone.start, zone.end)
        if len(hit):
            return f"{handed.described(int(hit.start[0]))} lies where {zone.owner} goes ({_span(zone)})"
    hit = areas.clip(layout.tables.start, layout.tables.end)
    if len(hit):
        return f"the scratch area up to {int(areas.end[-1]):#x} lies where {layout.tables.owner} are ({_span(layout.tables)})"
    return no_memory(handed, layout.ranges, f"a guest of {human_size(layout.size)}")


def no_memory(handed: Handed, memory: Intervals, who: str) -> str | None:
    """What of a state lies outside of ``memory``, which is what ``who`` has, in words; None where nothing does."""
    kept, areas = handed.kept - memory, handed.areas - memory
    if not len(kept) and not len(areas):
        return None
    what = handed.described(int(kept.start[0])) if len(kept) else f"scratch at {int(areas.start[0]):#x}"
    spans = ", ".join(f"{start:#x}-{end - 1:#x}" for start, end in zip(memory.start.tolist(), memory.end.tolist(), strict=True))
    return f"{what} lies where {who} has no memory (memory is {spans})"


def place(handed: Handed, layout: RamLayout, kernel: BzImage, initrd: bytes) -> Placed:
    """Everything a kexec would load, top down in free scratch of low memory; no initrd where it is empty. Raises InputError."""
    firmware = intervals([zone.start for zone in layout.firmware], [zone.end for zone in layout.firmware])
    room = handed.areas.clip(0, layout.low) - handed.kept - firmware
    free = Ranges(zip(room.start.tolist(), room.end.tolist(), strict=True))
    low, high = kernel.preferred, layout.low if kernel.relocatable else kernel.preferred + kernel.room
    load = _take(free, handed, kernel.room, kernel.alignment, "the kernel", low, high)
    initrd_at = _take(free, handed, len(initrd), PAGE, "the initrd", 0, kernel.initrd_max + 1) if initrd else 0
    table = b"".join(KHO_SCRATCH.encode({"addr": start, "size": size}, "little") for start, size in handed.scratch)
    table_at = _take(free, handed, len(table), TABLE_ALIGNMENT, "the scratch table")
    values = {"fdt_addr": handed.fdt_phys, "fdt_size": PAGE, "scratch_addr": table_at, "scratch_size": len(table)}
    payload = KHO_DATA.encode(values, "little")
    node_at = _take(free, handed, PAGE, PAGE, "the setup_data node")
    node = SETUP_DATA.encode({"next": kernel.setup_data, "type": SETUP_KEXEC_KHO, "len": len(payload)}, "little") + payload
    segments = [Segment(load, kernel.protected), Segment(table_at, table), Segment(node_at, node)]
    if initrd:
        segments.append(Segment(initrd_at, initrd))
    setup = kernel.started_at(load, node_at, (initrd_at, len(initrd)) if initrd else None)
    return Placed(tuple(segments), setup, (load, kernel.room))


def _take(free: Ranges, handed: Handed, size: int, alignment: int, what: str, low: int = 0, high: int = FOUR_GIB) -> int:
    """The highest place in [low, high) for ``size`` bytes, whole pages, taken out of ``free``."""
    size = -(-size // PAGE) * PAGE
    address = free.top(size, alignment, low, high)
    if address is None:
        bounds = f" aligned to {human_size(alignment)} in {low:#x}-{high - 1:#x}"
        taken = handed.areas & handed.kept
        why = f"; {handed.described(int(taken.start[0]))} lies in scratch" if len(taken) else ""
        raise InputError(f"{what} needs {human_size(size)} of free scratch{bounds}, and there is none (kexec: EADDRNOTAVAIL){why}")
    free.remove(address, address + size)
    return address


def _span(zone: Zone) -> str:
    return f"{zone.start:#x}-{zone.end - 1:#x}"
