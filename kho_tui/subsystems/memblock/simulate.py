"""Regions of ``reserve_mem=`` in a simulated kernel (mm/memblock.c)."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.model.content import Content
from kho_tui.model.facts import known
from kho_tui.model.path import EntityPath
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.releases.calls import CALLS
from kho_tui.releases.cmdline import ReserveMem
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Finalize
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.debugfs import Files
from kho_tui.simulator.facet import NO_STEPS, Simulating, idle_task_killed
from kho_tui.simulator.incoming import Stretch
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import LogLine, Producer
from kho_tui.simulator.ranges import Ranges
from kho_tui.subsystems.memblock.content import Memblock
from kho_tui.subsystems.memblock.plain import PlainMemblock, Region
from kho_tui.subsystems.memblock.receive import readable_regions
from kho_tui.text import SafeText

_HAS_RESERVE_MEM_PARAM = Range("7.1")
"""Releases whose debugfs of memblock has reserve_mem_param."""

Revivable = tuple[Region, ...]
"""Regions that the handover holds, and that are revived if they are asked for."""


class ReservedMemory(Producer[Revivable]):
    """``regions``: those that this kernel has."""

    def __init__(self, kernel: Kernel, arrived: Revivable | None) -> None:
        super().__init__(kernel, arrived)
        self.regions: tuple[Region, ...] = ()

    def reserve(self, free: Ranges) -> tuple[Stretch, ...]:
        """Each region: revived where the handover holds it in the same size and alignment, else taken from the top."""
        kernel = self.kernel
        regions: list[Region] = []
        for asked in kernel.options.regions:
            revived = self._revived(asked)
            if revived is not None:
                regions.append(revived)
                continue
            # On a KHO boot early memory comes from scratch alone, so a later kexec preserves memory inside scratch (mm/memblock.c).
            source = Ranges((area.start, area.start + area.size) for area in kernel.scratch) if kernel.incoming else free
            for region in regions:
                source.remove(region.start, region.start + region.size)
            start = source.top(asked.size, asked.align)
            if start is None:
                kernel.log.append(f"reserve_mem: no {asked.size} bytes for {asked.name.decode('utf-8', 'backslashreplace')}")
                continue
            source.remove(start, start + asked.size)
            regions.append(Region(asked.name, start, asked.size))
        self.regions = tuple(regions)
        return tuple((region.start, region.size) for region in regions)

    def start(self, kho: Kho) -> None:
        """Register the regions: with 6.16-6.18 at finalize, else at once. 6.16 and 6.17: -EINVAL unless whole pages."""
        if not self.regions:
            return
        content = PlainMemblock(self.regions)
        size = len(subtree_blob(content, kho.encoder))
        phys = kho.allocator.alloc(0, "memblock")

        def preserve() -> None:
            kept: list[tuple[int, int]] = []
            try:
                kho.kho_preserve_folio(phys, 0)
                for region in self.regions:
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

        kho.when_handed_over(preserve)

    def files(self) -> Files:
        """debugfs of memblock."""
        if not self.regions or not _HAS_RESERVE_MEM_PARAM.covers(self.kernel.release.version):
            return {}
        lines = (f"{region.name.decode('utf-8', 'surrogateescape')}\t\t({_human(region.size)})\n" for region in self.regions)
        return {"memblock/reserve_mem_param": "".join(lines).encode("utf-8", "surrogateescape")}

    def taken_lines(self) -> Iterator[LogLine]:
        """Which regions were revived."""
        for region in self.regions:
            if region not in self._new:
                yield 6, f"Revived memory reservation '{region.name.decode('utf-8', 'backslashreplace')}' from KHO"

    def addresses(self) -> Iterator[Spot]:
        """Where regions start that the kernel found a place for."""
        aligned = {asked.name: asked.align for asked in self.kernel.options.regions}
        for region in self._new:
            yield Spot(EntityPath(("out",)).named(MEMBLOCK_NAME).named(region.name).text, "start", aligned[region.name])

    def unpredictable(self) -> Iterator[Unpredictable]:
        """Where a release that extends scratch early takes regions from."""
        release = self.kernel.release
        if self.kernel.incoming is not None and self._new and release.extends_scratch:
            told = f"reserve_mem: regions that were not revived lie in scratch; {release.name} may take them from memory that it adds early"
            yield Unpredictable(SafeText(told), tuple(self.addresses()))

    @property
    def _new(self) -> list[Region]:
        return [region for region in self.regions if region not in (self.arrived or ())]

    def _revived(self, asked: ReserveMem) -> Region | None:
        fitting = (region for region in self.arrived or () if region.name == asked.name and region.size == asked.size)
        return next((region for region in fitting if asked.is_aligned(region.start)), None)


def _human(size: int) -> str:
    """string_get_size with binary units and three digits."""
    unit, value = 0, float(size)
    while value >= 1024:
        value, unit = value / 1024, unit + 1
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB')[unit]}"


def _receive(handed: Handed, _built: object) -> Revivable | None:
    """Those that mm/memblock.c would revive if they are asked for."""
    if handed.content(MEMBLOCK_NAME) is None:
        return None
    regions = [region for region, known_version in readable_regions(handed.reception.boot.handed) or () if known_version]
    extents = [(region.name, known(region.start), known(region.size)) for region in regions]
    return tuple(Region(name, start, size) for name, start, size in extents if start is not None and size is not None)


def _early_bytes(content: Content) -> int:
    return sum(known(region.size) or 0 for region in content.regions) if isinstance(content, Memblock) else 0


SIMULATING = Simulating(
    turn=3,
    log_prefix="memblock",
    producer=ReservedMemory,
    receive=_receive,
    module=None,
    steps=NO_STEPS,
    early_bytes=_early_bytes,
    panic_line=idle_task_killed,
)
