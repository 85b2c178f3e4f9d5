"""Which memory sections have RAM: a struct page exists for every page of such a section, and for no page of another one.

SPARSEMEM_VMEMMAP (mm/sparse.c); SECTION_SIZE_BITS of arch/x86/include/asm/sparsemem.h and arch/arm64/include/asm/sparsemem.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kho_tui.analysis.receiver.memory_words import edited_ram
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import unknown
from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Missing
from kho_tui.model.intervals import Intervals, intervals, spans
from kho_tui.model.runs import Runs
from kho_tui.model.state import State

_LAST = 2**64 - 1
_SEEN_TO_RETURN = 1 << 16
_BITS = {("x86_64", 4096): 27, ("arm64", 4096): 27, ("arm64", 16384): 27, ("arm64", 65536): 29}


@dataclass(frozen=True, eq=False)
class Sections:
    """``present``: memory that the next kernel gets at boot, rounded out to sections; ``size`` of a section in bytes.

    ``cut``: RAM of the machine that words of its command line take away, ``unmapped``: what they reserve, of which the kernel has no
    mapping. ``added``: what a driver added since the machine was booted, likewise rounded out: the next kernel has it only where the
    firmware names it.
    """

    present: Intervals
    size: int
    cut: Intervals
    unmapped: Intervals
    added: Intervals

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
        return self.present.holds(address)

    @cached_property
    def _mapped(self) -> Intervals:
        """What the kernel can read."""
        return self.present - self.unmapped

    def reads(self, address: int) -> bool:
        """Whether the kernel's direct map has the page at ``address``."""
        return self._mapped.holds(address)

    def outside(self, addresses: U64s) -> U64s:
        """Those of some addresses that the kernel's direct map has not."""
        mapped = self._mapped
        at = np.searchsorted(mapped.start, addresses, side="right")
        absent = at == 0
        if len(mapped):
            absent |= addresses >= mapped.end[np.maximum(at, 1) - 1]
        without: U64s = addresses[absent]
        return without


def known_outside(sections: Sections | Missing, address: int) -> bool:
    """Whether the kernel faults as it reads at ``address``; False also where that is not known."""
    return not isinstance(sections, Missing) and not sections.reads(address) and not sections.added.holds(address)


def trips_at(sections: Sections | Missing, address: int, fatal: Outcome) -> Outcome | None:
    """What comes of reading at ``address`` in the kernel's direct map: ``fatal`` where no memory is; None where some is, or nobody knows.

    Of the last addresses that 64 bits hold a kernel was seen to come back with an error (booted: 6.18, 6.19, 7.1): not certain.
    """
    if not known_outside(sections, address):
        return None
    return Outcome.WILD if address >= _LAST - _SEEN_TO_RETURN else fatal


def firmware_sections(state: State) -> Intervals | Missing:
    """The sections with RAM that is there at boot, whatever a command line makes of it."""
    bits, ram = section_bits(state), state.host.boot_ram
    if isinstance(ram, Missing):
        return ram
    return bits if isinstance(bits, Missing) else _rounded(spans(ram), bits)


def section_bits(state: State) -> int | Missing:
    """log2 of a section in bytes (SECTION_SIZE_BITS)."""
    arch = state.machine.arch
    bits = _BITS.get((arch or "", state.machine.platform.page_size))
    if bits is None:
        return unknown(f"how large memory sections are on {arch or 'this machine, whose architecture is not known,'} is not known")
    return bits


def sections_of(state: State, target: Target) -> Sections | Missing:
    """Those that ``target`` gets on the machine of a state."""
    bits, ram, boot_ram = section_bits(state), state.host.whole_ram, state.host.boot_ram
    if isinstance(boot_ram, Missing):
        return boot_ram
    if isinstance(bits, Missing):
        return bits
    firmware = spans(boot_ram)
    left, reserved = edited_ram(firmware, target, state.machine.arch or "")
    scratch = spans(() if isinstance(state.scratch, Missing) else state.scratch.areas)
    # kho_populate adds scratch as memory, whatever the firmware's map has become.
    present = _rounded(left | (scratch & reserved), bits)
    whole = firmware if isinstance(ram, Missing) else spans(ram)
    added = _rounded(whole - firmware, bits) - present
    return Sections(present, 1 << bits, firmware - left - reserved, reserved - scratch, added)


def _rounded(memory: Intervals, bits: int) -> Intervals:
    """Every section of 2^bits bytes that holds any of it."""
    shift = np.uint64(bits)
    ends = [min(-(-end // (1 << bits)) << bits, _LAST) for end in memory.end.tolist()]
    return intervals((memory.start >> shift) << shift, np.array(ends, np.uint64))
