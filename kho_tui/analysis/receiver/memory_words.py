"""RAM as the words of a command line leave it: mem= and memmap= (arch/x86/kernel/e820.c; arch/arm64/mm/init.c)."""

from __future__ import annotations

from kho_tui.analysis.intervals import Intervals, intervals
from kho_tui.analysis.receiver.target import Target
from kho_tui.releases.cmdline import MapEdit, MapEffect

_RAM_TYPE = 1
_LAST = 2**64 - 1


def edited_ram(ram: Intervals, target: Target, arch: str) -> Intervals:
    """What is left of the firmware's RAM; the same object where no word changes it. A command line that is not known changes nothing."""
    if target.cmdline is None:
        return ram
    if arch == "arm64":
        size = target.cmdline.arm64_memory(target.release)
        return ram if size is None else _lowest(ram, size)
    edits = target.cmdline.x86_map_edits(target.release)
    return ram if not edits else _edited(ram, edits)


def _edited(ram: Intervals, edits: tuple[MapEdit, ...]) -> Intervals:
    others = intervals([], [])
    for edit in edits:
        part = intervals([edit.start], [min(edit.start + edit.size, _LAST)])
        match edit.effect:
            case MapEffect.CUT:
                ram = ram.clip(0, edit.start)
            case MapEffect.CLEAR:
                ram = others = intervals([], [])
            case MapEffect.RAM:
                ram |= part
            case MapEffect.ACPI | MapEffect.RESERVED | MapEffect.PERSISTENT:
                others |= part
            case MapEffect.RETYPE if edit.new == _RAM_TYPE:
                ram |= part
            case MapEffect.RETYPE if edit.old in (0, _RAM_TYPE):
                ram -= part
    return ram - others


def _lowest(ram: Intervals, size: int) -> Intervals:
    """The first ``size`` bytes of RAM."""
    for low, high in zip(ram.start.tolist(), ram.end.tolist(), strict=True):
        if size <= high - low:
            return ram.clip(0, low + size)
        size -= high - low
    return ram
