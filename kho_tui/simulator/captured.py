"""A running simulated kernel as the files of a capture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.memory.physical import PhysicalMemory
from kho_tui.simulator.debugfs import Files, incoming_files, outgoing_files
from kho_tui.simulator.running import Running
from kho_tui.simulator.surroundings import surrounding_files

MOST_CONTENTS = 16 << 20
"""Bytes of a preserved file whose contents go to memory.elf."""
MOST_CONTENTS_IN_ALL = 256 << 20
"""Where all of them together take more, none does."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Files by path, and why some that a real capture would have are not among them."""

    files: Files
    unreadable: Mapping[str, str]


def files_of(running: Running) -> Shown:
    """Everything but memory, as it can be read now."""
    kernel, arrival = running.kernel, running.arrival
    files = surrounding_files(running)
    unreadable: Mapping[str, str] = {}
    if kernel.kho is not None:
        cold = arrival is None or arrival.received is None
        files |= outgoing_files(
            kernel.handover(), kernel.registry, kernel.scratch, kernel.release, finalized=kernel.kho.finalized, cold=cold
        )
        if arrival is not None and arrival.handed_in is not None:
            more, unreadable = incoming_files(arrival.handed_in, running.memory(0), kernel.release.names)
            files |= more
    return Shown(files, unreadable)


def memory_of(running: Running) -> PhysicalMemory:
    """Physical memory as it is now; contents of files only where they are small."""
    small = [size for _, size, _, _ in running.kernel.memory.blocks(MOST_CONTENTS)]
    return running.memory(MOST_CONTENTS if sum(small) <= MOST_CONTENTS_IN_ALL else 0)


def manifest_of(running: Running, shown: Shown) -> dict[str, object]:
    """What capture.json says of a simulated capture."""
    kernel = running.kernel
    told: dict[str, object] = {
        "simulated": True,
        "kernel": kernel.uname,
        "release": kernel.release.name,
        "seed": kernel.seed,
        "unreadable": [{"path": path, "reason": reason} for path, reason in shown.unreadable.items()],
    }
    return told | ({"said_by_the_simulator": kernel.log} if kernel.log else {})
