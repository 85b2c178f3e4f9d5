"""A kernel that runs on a simulated machine, and how it came to."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.scratch import KHO_SCRATCH
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.host import MemoryRange
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.state import ScratchArea
from kho_tui.simulator.aftermath import Aftermath
from kho_tui.simulator.consumers import Received
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.machine import Machine


@dataclass(frozen=True, slots=True)
class HandedIn:
    """The incoming side as debugfs shows it: ``fdt`` in whole, and (name, address, size) of each subtree."""

    fdt: bytes
    subtrees: tuple[tuple[bytes, int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Arrival:
    """How a kernel came to run: by kexec, in scratch. ``fdt`` and ``table`` (address, size) are what it was given, None: no handover.

    ``received`` None: nothing was taken; ``handed_in`` is None then too, and where the root FDT was not kept.
    ``kept`` of ``before`` is memory that was not written over.
    """

    fdt: int | None
    table: tuple[int, int] | None
    image: tuple[MemoryRange, ...]
    handed_in: HandedIn | None
    received: Received | None
    reception: Reception
    before: PhysicalMemory | None
    kept: Intervals


@dataclass(frozen=True, eq=False)
class Running:
    """A kernel that runs, and how it came to. ``arrival`` None: booted by firmware."""

    kernel: Kernel
    arrival: Arrival | None = None

    def memory(self, most_contents: int | None = None) -> Aftermath:
        """Physical memory as it is now, with contents of files of at most ``most_contents`` bytes that are known by rule."""
        kernel, arrival = self.kernel, self.arrival
        machine = kernel.machine
        image = SparseImage(machine.page_size, byte_order=machine.platform.byte_order, machine=machine.arch)
        if arrival is not None and arrival.table is not None and arrival.received is not None:
            image.write(arrival.table[0], table_bytes(kernel.scratch, machine))
        kernel.write(image, most_contents)
        if arrival is None:
            return Aftermath(None, intervals([], []), machine.page_size, 0, image)
        return Aftermath(arrival.before, arrival.kept - kernel.given_back, machine.page_size, kernel.seed, image)


def table_bytes(scratch: tuple[ScratchArea, ...], machine: Machine) -> bytes:
    """The scratch table as it lies in memory."""
    return b"".join(KHO_SCRATCH.encode({"addr": area.start, "size": area.size}, machine.platform.byte_order) for area in scratch)
