"""One kernel from its boot to the reboot call: scratch, allocator, producers in their order of registration.

Source: kernel/liveupdate/kexec_handover.c.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kho_tui.encode.handover import encode_handover
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover
from kho_tui.model.intervals import intervals, spans
from kho_tui.model.registry import Registry
from kho_tui.model.state import ScratchArea
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.releases.table import Attach, Release
from kho_tui.releases.version import Version
from kho_tui.simulator.allocator import PageAllocator, Pins
from kho_tui.simulator.contents import FilledMemory
from kho_tui.simulator.facet import by_turn
from kho_tui.simulator.incoming import Incoming, Stretch
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.producer import FileKeeper
from kho_tui.simulator.ranges import Ranges
from kho_tui.simulator.scratch import RegionBytes, place_scratch, plan_scratch

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Config:
    """What was built into the kernel. ``uname`` is what ``uname -r`` says, None: the series with ``.0``.

    ``built``: how the producers are built that need not be there, by the name of their subtree; those that are not, are not in it.
    """

    uname: str | None = None
    debug: bool = True
    on_by_default: bool = False
    built: Mapping[bytes, Any] = field(default_factory=dict)


class Kernel:
    """A booted kernel. ``log`` says what it refused or could not do; ``kho`` is None where it is off; ``why_no_kho`` says why.

    ``producers``: by the name of their subtree, in the order in which they start. ``given_back``: memory of the handover that it took and
    is done with.

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
        arrived = incoming.arrived if incoming else {}
        self.producers = {name: facet.producer(self, arrived.get(name)) for name, facet in by_turn(registry).items()}
        early = [stretch for producer in self.producers.values() for stretch in producer.reserve(free)]
        self.why_no_kho = "" if self.options.kho else "KHO is off: it needs kho=on"
        if not self.why_no_kho and incoming is None:
            self._cold_scratch(free, early)
        self.allocator = PageAllocator(
            machine,
            (*machine.reserved, *(incoming.reserved if incoming else ()), *early),
            ((area.start, area.size) for area in self.scratch),
            seed=seed,
            pins=pins,
        )
        self.kho: Kho | None = None
        if not self.why_no_kho:
            self._start_kho()

    @property
    def uname(self) -> str:
        """``uname -r``."""
        return self.config.uname or f"{self.release.name}.0"

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

    def file_keeper(self) -> FileKeeper[Any]:
        """The producer behind /dev/liveupdate, which is opened. Raises KernelError where it is not there."""
        keeper = next((one for one in self.producers.values() if isinstance(one, FileKeeper)), None)
        if keeper is None:
            raise KernelError(errno.ENODEV, "open /dev/liveupdate", "nothing that is declared keeps files in sessions")
        keeper.open_device()
        return keeper

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
        """reboot(kexec): the producers freeze. What the next kernel is given; None: nothing."""
        for producer in self.producers.values():
            producer.freeze()
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

    def _cold_scratch(self, free: Ranges, early: Sequence[Stretch]) -> None:
        low = sum(size for start, size in early if start < self.machine.low_limit)
        total = sum(size for _, size in early)
        try:
            plan = plan_scratch(self.machine, self.release, self.options.scratch, RegionBytes(low, total))
            self.scratch = place_scratch(self.machine, plan, free)
        except KernelError as error:
            self.switch_kho_off(f"Failed to reserve scratch area: {error.why}")

    def switch_kho_off(self, why: str) -> None:
        """KHO could not start, and is off for good."""
        self.kho = None
        self.why_no_kho = f"KHO is off: {why}"
        self.log.append(self.why_no_kho)

    def _start_kho(self) -> None:
        try:
            kho = Kho(self.registry, self.machine, self.release, self.allocator, self.scratch, debug=self.config.debug)
        except KernelError as error:
            self.switch_kho_off(str(error))
            return
        self.kho = kho
        kho.warnings = self.log
        for name, facet in by_turn(self.registry).items():
            if self.kho is None:
                return
            try:
                self.producers[name].start(kho)
            except KernelError as error:
                self.log.append(f"{facet.log_prefix}: {error}")
