"""Which memory sections have RAM: a struct page exists for every page of such a section, and for no page of another one.

SPARSEMEM_VMEMMAP (mm/sparse.c); SECTION_SIZE_BITS of arch/x86/include/asm/sparsemem.h and arch/arm64/include/asm/sparsemem.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kho_tui.analysis.intervals import Intervals, intervals
from kho_tui.analysis.receiver.verdict import unknown
from kho_tui.model.facts import Missing
from kho_tui.model.host import SYSTEM_RAM, MemoryRange
from kho_tui.model.runs import Runs, U64s
from kho_tui.model.state import State

_LAST = 2**64 - 1
_BITS = {("x86_64", 4096): 27, ("arm64", 4096): 27, ("arm64", 16384): 27, ("arm64", 65536): 29}


@dataclass(frozen=True, eq=False)
class Sections:
    """``ram``: memory that the next kernel gets at boot; ``present``: it, rounded out to sections; ``size`` of a section in bytes."""

    ram: Intervals
    present: Intervals
    size: int

    def head_outside(self, runs: Runs) -> int | None:
        """The first block that begins in a section without any RAM; None where none does."""
        shift = runs.order.astype(np.uint64) + np.uint64(runs.page_shift)
        small = shift <= np.uint64(self.size.bit_length() - 1)
        ends = np.where(runs.ends < runs.start, np.uint64(_LAST), runs.ends)
        # A block no larger than a section lies within one: any part outside is a head outside.
        outside = (intervals(runs.start[small], ends[small]) - self.present).start[:1].tolist()
        for row in np.flatnonzero(~small).tolist():
            start, bits, count = int(runs.start[row]), int(shift[row]), int(runs.count[row])
            beyond = int(self.present.end[-1]) if len(self.present) else 0
            heads = [start + (number << bits) for number in range(min(count, (max(beyond - start, 0) >> bits) + 2))]
            outside += [head for head in heads if not self.holds(head)][:1]
        return min(outside, default=None)

    def holds(self, address: int) -> bool:
        """Whether a struct page exists for the page at ``address``."""
        return bool(len(self.present.clip(address, address + 1))) if 0 <= address < _LAST else False

    def outside(self, addresses: U64s) -> U64s:
        """Those of some addresses that are in a section without any RAM, for which the kernel has no mapping either."""
        at = np.searchsorted(self.present.start, addresses, side="right")
        absent = at == 0
        if len(self.present):
            absent |= addresses >= self.present.end[np.maximum(at, 1) - 1]
        without: U64s = addresses[absent]
        return without


def sections_of(state: State) -> Sections | Missing:
    """Those of the machine as its kernel found it at boot: memory that a driver added later is not there when the next one boots."""
    ram = state.host.whole_ram
    if isinstance(ram, Missing):
        return ram
    arch, page_size = state.machine.arch, state.machine.platform.page_size
    bits = _BITS.get((arch or "", page_size))
    if bits is None:
        return unknown(f"how large memory sections are on {arch or 'this machine, whose architecture is not known,'} is not known")
    return sections([area for area in ram if area.name == SYSTEM_RAM], bits)


def sections(ram: list[MemoryRange], bits: int) -> Sections:
    """Sections of 2^bits bytes that hold any of ``ram``."""
    low = np.array([area.start for area in ram], np.uint64)
    high = np.array([min(area.start + area.size, _LAST) for area in ram], np.uint64)
    shift = np.uint64(bits)
    present = intervals((low >> shift) << shift, np.array([min(-(-end // (1 << bits)) << bits, _LAST) for end in high.tolist()], np.uint64))
    return Sections(intervals(low, high), present, 1 << bits)
