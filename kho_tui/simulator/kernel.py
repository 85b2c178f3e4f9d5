"""One kernel from its boot to the reboot call: scratch, allocator, producers in their order of registration.

Source: kernel/liveupdate/kexec_handover.c.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kho_tui.abi.luo import HAS_FLBS, LUO, LuoFormat
from kho_tui.abi.metadata import METADATA_WRITTEN
from kho_tui.encode.handover import encode_handover
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.contents.memblock import Region
from kho_tui.model.handover import Handover
from kho_tui.model.intervals import intervals, spans
from kho_tui.model.registry import Registry
from kho_tui.model.state import ScratchArea
from kho_tui.releases.cmdline import ReserveMem, read_cmdline
from kho_tui.releases.table import Attach, Finalize, Release
from kho_tui.releases.version import Version
from kho_tui.simulator.allocator import PageAllocator, Pins
from kho_tui.simulator.contents import FileContents, FilledMemory
from kho_tui.simulator.incoming import Incoming
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.luo import Flb, Luo
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.memfd import Memfd, memfd_create
from kho_tui.simulator.producers import KhoTest, add_memblock, add_metadata, add_test
from kho_tui.simulator.ranges import Ranges
from kho_tui.simulator.scratch import RegionBytes, place_scratch, plan_scratch

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Config:
    """What was built into the kernel. ``uname`` is what ``uname -r`` says, None: the series with ``.0``."""

    uname: str | None = None
    debug: bool = True
    on_by_default: bool = False
    test: KhoTest | None = None
    flbs: tuple[Flb, ...] = ()


class Kernel:
    """A booted kernel. ``log`` says what it refused or could not do; ``kho`` and ``luo`` are None where they are off; ``why_no_kho``
    says why.

    ``given_back``: memory of the handover that it took and is done with.

    ``incoming`` is the handover that this boot took, None on a cold boot. ``memory`` tells what stands in preserved pages: give
    the one of the kernel before to carry contents through a kexec.
    """

    def __init__(
        self,
        registry: Registry,
        machine: Machine,
        release: Release,
        cmdline: str,
        *,
        seed: int = 0,
        config: Config = Config(),
        pins: Pins | None = None,
        incoming: Incoming | None = None,
        memory: FilledMemory | None = None,
    ) -> None:
        self.registry = registry
        self.machine, self.release, self.cmdline, self.config, self.incoming = machine, release, cmdline, config, incoming
        self.options = read_cmdline(cmdline).options(
            release, registry.releases, version=Version.parse(config.uname), on_by_default=config.on_by_default
        )
        self.memory = memory or FilledMemory(machine.page_size)
        self.log = list(self.options.refused)
        if release.caveat:
            self.log.append(release.caveat)
        self.loaded = False
        self.given_back = intervals([], [])
        self.seed = seed
        free = Ranges(machine.memory())
        for start, size in (*machine.reserved, *machine.early, *(incoming.reserved if incoming else ())):
            free.remove(start, start + size)
        self.scratch: tuple[ScratchArea, ...] = incoming.scratch if incoming else ()
        self.regions = self._reserve(free)
        self.why_no_kho = "" if self.options.kho else "KHO is off: it needs kho=on"
        if not self.why_no_kho and incoming is None:
            self._cold_scratch(free)
        self.allocator = PageAllocator(
            machine,
            (*machine.reserved, *(incoming.reserved if incoming else ()), *((region.start, region.size) for region in self.regions)),
            ((area.start, area.size) for area in self.scratch),
            seed=seed,
            pins=pins,
        )
        self.kho: Kho | None = None
        self.luo: Luo | None = None
        self._luo_fault = ""
        if not self.why_no_kho:
            self._start_kho()

    @property
    def uname(self) -> str:
        """``uname -r``."""
        return self.config.uname or f"{self.release.name}.0"

    def memfd_create(
        self,
        what: str,
        contents: FileContents,
        *,
        order: int = 0,
        pos: int = 0,
        seals: int = 0,
        hugetlb: bool = False,
        node: int | None = None,
    ) -> Memfd:
        """A file in memory; see ``memfd.memfd_create``."""
        return memfd_create(
            self.machine,
            self.allocator,
            self.memory,
            what,
            contents,
            order=order,
            pos=pos,
            seals=seals,
            hugetlb=hugetlb,
            node=node,
        )

    def memfd_close(self, file: Memfd) -> None:
        """Give a file's memory back: nobody holds it open, and no session keeps it."""
        for address, order in zip(file.addresses.tolist(), file.orders.tolist(), strict=True):
            self.allocator.free(address, self.machine.page_size << order)
        self.memory.empty(file.contents)

    def give_back(self, stretches: Sequence[tuple[int, int]]) -> None:
        """Give (start, size) of the handover back to the system, so far as it is the allocator's: neither scratch nor a hole."""
        if not stretches:
            return
        done = intervals([start for start, _ in stretches], [start + size for start, size in stretches])
        self.given_back |= done
        self.memory.forget(done)
        own = done & intervals([low for low, _ in self.machine.memory()], [high for _, high in self.machine.memory()])
        own -= spans(self.scratch)
        for low, high in zip(own.start.tolist(), own.end.tolist(), strict=True):
            self.allocator.free(low, high - low)

    def need_kho(self, call: str) -> Kho:
        """KHO, or the error of a call made while it is off."""
        if self.kho is None:
            code = errno.EINVAL if self.release.checks_init else errno.EOPNOTSUPP
            raise KernelError(code, call, self.why_no_kho)
        return self.kho

    def need_luo(self, call: str) -> Luo:
        """LUO, or the error of opening /dev/liveupdate while it is off."""
        if self.luo is None:
            raise KernelError(errno.ENODEV, call, self._why_no_luo())
        self.luo.open_device()
        return self.luo

    def _why_no_luo(self) -> str:
        if self.registry.of(self.release, LUO) is None:
            return f"{self.release.name} has no LUO"
        if self.kho is None:
            return self.why_no_kho
        return f"LUO is off: {self._luo_fault or 'it needs liveupdate=on'}"

    def write_finalize(self, value: int) -> None:
        """Write to out/finalize of debugfs. -ENOENT where the release has no such file."""
        if not self.release.has_finalize_file:
            raise KernelError(
                errno.ENOENT, "open out/finalize", f"{self.release.name} has no such file: its outgoing side is always complete"
            )
        kho = self.need_kho("open out/finalize")
        if value:
            kho.kho_finalize()
        else:
            kho.kho_abort()

    def kexec_file_load(self) -> None:
        """Load the next kernel: whether it gets the outgoing side is decided now, see ``loaded``."""
        self.loaded = self.kho is not None and (self.release.attach is Attach.ENABLED or self.kho.finalized)

    def reboot(self) -> Handover | None:
        """reboot(kexec): LUO freezes, 6.19 and 7.0 finalize where LUO is on. What the next kernel is given; None: nothing."""
        if self.luo is not None:
            self.luo.freeze()
            if self.release.finalize is Finalize.SERIALIZE and self.kho is not None:
                self.kho.kho_finalize()
        return self.handover() if self.loaded else None

    def handover(self) -> Handover | None:
        """The outgoing side as it is now; None where there is none: KHO off, or 6.16-6.18 and not finalized."""
        return self.kho.handover() if self.kho is not None else None

    def write(self, image: SparseImage, most_contents: int | None = None) -> None:
        """Write every structure of the outgoing side, and the contents of preserved files that take at most ``most_contents`` bytes."""
        handover = self.handover()
        if handover is not None:
            encode_handover(handover, self.registry, image)
        for address, size, offset, contents in self.memory.blocks(most_contents):
            for at in range(0, size, _PIECE):
                image.write(address + at, contents.read(offset + at, min(_PIECE, size - at)))

    def _reserve(self, free: Ranges) -> tuple[Region, ...]:
        """``reserve_mem=``: revived where the handover holds it in the same size and alignment, else taken from the top."""
        regions = []
        for asked in self.options.regions:
            revived = self._revived(asked)
            if revived is not None:
                regions.append(revived)
                continue
            # On a KHO boot early memory comes from scratch alone, so a later kexec preserves memory inside scratch (mm/memblock.c).
            source = Ranges((a.start, a.start + a.size) for a in self.scratch) if self.incoming else free
            for region in regions:
                source.remove(region.start, region.start + region.size)
            at = source.top(asked.size, asked.align)
            if at is None:
                self.log.append(f"reserve_mem: no {asked.size} bytes for {asked.name.decode('utf-8', 'backslashreplace')}")
                continue
            source.remove(at, at + asked.size)
            regions.append(Region(asked.name, at, asked.size))
        return tuple(regions)

    def _revived(self, asked: ReserveMem) -> Region | None:
        handed = self.incoming.regions if self.incoming else ()
        return next((one for one in handed if one.name == asked.name and one.size == asked.size and asked.is_aligned(one.start)), None)

    def _cold_scratch(self, free: Ranges) -> None:
        low = sum(region.size for region in self.regions if region.start < self.machine.low_limit)
        total = sum(region.size for region in self.regions)
        try:
            plan = plan_scratch(self.machine, self.release, self.options.scratch, RegionBytes(low, total))
            self.scratch = place_scratch(self.machine, plan, free)
        except KernelError as error:
            self._switch_kho_off(f"Failed to reserve scratch area: {error.why}")

    def _switch_kho_off(self, why: str) -> None:
        self.kho = None
        self.why_no_kho = f"KHO is off: {why}"
        self.log.append(self.why_no_kho)

    def _start_kho(self) -> None:
        try:
            self.kho = kho = Kho(self.registry, self.machine, self.release, self.allocator, self.scratch, debug=self.config.debug)
            kho.warnings = self.log
            if METADATA_WRITTEN.covers(self.release.version):
                add_metadata(kho, self.uname, (self.incoming.kexec_count if self.incoming else 0) + 1)
        except KernelError as error:
            self._switch_kho_off(str(error))
            return
        if self.config.test is not None and not (self.incoming and self.incoming.has_test):
            self._start("test_kho", lambda: add_test(kho, self.config.test or KhoTest(), self.memory, self.seed))
        luo = self.registry.of(self.release, LUO)
        if luo is not None and self.options.liveupdate:
            self._luo_fault = self._start("luo", lambda: self._start_luo(kho, luo))
        if self.regions:
            self._start("memblock", lambda: add_memblock(kho, self.regions))

    def _start_luo(self, kho: Kho, form: LuoFormat) -> None:
        self.luo = Luo(kho, form, self.incoming, self.give_back)
        if HAS_FLBS.covers(self.release.version):
            for flb in self.config.flbs:
                self.luo.liveupdate_register_flb(flb)

    def _start(self, who: str, start: Callable[[], None]) -> str:
        """Start a producer; why it does not start, empty where it does."""
        try:
            start()
        except KernelError as error:
            self.log.append(f"{who}: {error}")
            return str(error)
        return ""
