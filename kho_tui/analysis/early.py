"""What a kernel that boots on a handover cannot reserve early: until it has taken over memory, all of that comes out of scratch.

memblock gives flagged memory only (mm/memblock.c, MEMBLOCK_KHO_SCRATCH); crash_reserve.c, contiguous.c and hugetlb.c ask before that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.analysis.loading import Loading
from kho_tui.model.facts import Missing
from kho_tui.model.intervals import Intervals, intervals, spans
from kho_tui.model.state import State
from kho_tui.releases.cmdline import CommandLine
from kho_tui.releases.table import Release
from kho_tui.text import SafeText, human_size

_CRASH_ALIGN = {"x86_64": 16 << 20, "arm64": 2 << 20}
_CMA_ALIGN = 4 << 20
_GIGANTIC = 1 << 30


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A reservation that fails: which word asks for it, and what is missing then. ``kdump``: no crash kernel can be loaded."""

    word: SafeText
    consequence: SafeText
    kdump: bool = False


def without_room(state: State, release: Release, cmdline: CommandLine, loading: Loading | None) -> Iterator[NoRoom]:
    """What ``cmdline`` makes a kernel of ``release`` ask for and scratch has no room for, beside what kexec loads there.

    Only what certainly does not fit: how much of scratch the boot itself takes by then is not known. Nothing where scratch or RAM is not
    known whole.
    """
    scratch, ram = state.scratch, state.host.whole_ram
    if isinstance(scratch, Missing) or not scratch.whole or isinstance(ram, Missing):
        return
    placed = [(one.address, one.size) for one in (() if loading is None else loading.segments) if one.address is not None]
    room = spans(scratch.areas) - intervals([start for start, _ in placed], [start + size for start, size in placed])
    crash = cmdline.crashkernel(release, sum(area.size for area in ram))
    if crash is not None and not _fits(room, crash.size, _CRASH_ALIGN.get(state.machine.arch or "", 1 << 20), crash.base):
        where = "" if crash.base is None else f" at {crash.base:#x}"
        word = SafeText(f"crashkernel= ({human_size(crash.size)}{where})")
        yield NoRoom(word, SafeText("kdump will not be armed"), kdump=True)
    cma = cmdline.cma(release)
    if cma is not None and cma.size and not _fits(room, cma.size, _CMA_ALIGN, None):
        yield NoRoom(SafeText(f"cma= ({human_size(cma.size)})"), SafeText("there is no default CMA area"))
    wanted = sum(pages.count for pages in cmdline.huge_pages(release) if pages.size is not None and pages.size >= _GIGANTIC)
    if wanted and not _fits(room, _GIGANTIC, _GIGANTIC, None):
        yield NoRoom(SafeText(f"hugepages= ({wanted} of 1 GiB)"), SafeText("fewer of them are there, or none"))


def _fits(room: Intervals, size: int, alignment: int, base: int | None) -> bool:
    """Whether some stretch holds it; none that it fills to the last byte, for the boot itself needs some of it."""
    for low, high in zip(room.start.tolist(), room.end.tolist(), strict=True):
        start = (high - size) // alignment * alignment if base is None else base
        if low <= start and start + size <= high and size < high - low:
            return True
    return False
