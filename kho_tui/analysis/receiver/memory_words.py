"""RAM as the words of a command line leave it: mem= and memmap= (arch/x86/kernel/e820.c; arch/arm64/mm/init.c)."""

from __future__ import annotations

from kho_tui.analysis.receiver.target import Target
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.releases.cmdline import MapEdit, MapEffect

_RAM_TYPE = 1
_LAST = 2**64 - 1


def edited_ram(ram: Intervals, target: Target, arch: str) -> tuple[Intervals, Intervals]:
    """What is left of the firmware's RAM, and what of it is there and reserved. A command line that is not known changes nothing."""
    nothing = intervals([], [])
    if target.cmdline is None:
        return ram, nothing
    if arch == "arm64":
        size = target.cmdline.arm64_memory(target.release)
        return ram if size is None else _lowest(ram, size), nothing
    edits = target.cmdline.x86_map_edits(target.release)
    return _edited(ram, edits) if edits else (ram, nothing)


def _edited(ram: Intervals, edits: tuple[MapEdit, ...]) -> tuple[Intervals, Intervals]:
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
    return ram - others, ram & others


def _lowest(ram: Intervals, size: int) -> Intervals:
    """The first ``size`` bytes of RAM."""
    for low, high in zip(ram.start.tolist(), ram.end.tolist(), strict=True):
        if size <= high - low:
            return ram.clip(0, low + size)
        size -= high - low
    return ram
