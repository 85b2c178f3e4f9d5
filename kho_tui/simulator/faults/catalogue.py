"""Every fault by its name, and the invariants that none can break."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from kho_tui.errors import InputError
from kho_tui.simulator.faults.blocks import BLOCK_FAULTS
from kho_tui.simulator.faults.boots import BOOT_FAULTS
from kho_tui.simulator.faults.fault import Fault
from kho_tui.simulator.faults.luo import LUO_FAULTS
from kho_tui.simulator.faults.memfd import MEMFD_FAULTS
from kho_tui.simulator.faults.producers import PRODUCER_FAULTS
from kho_tui.simulator.faults.root import ROOT_FAULTS
from kho_tui.simulator.faults.scratch import SCRATCH_FAULTS
from kho_tui.simulator.faults.tracker import TRACKER_FAULTS
from kho_tui.simulator.faults.vmalloc import VMALLOC_FAULTS
from kho_tui.text import visible

FAULTS: tuple[Fault, ...] = (
    *ROOT_FAULTS,
    *TRACKER_FAULTS,
    *BLOCK_FAULTS,
    *SCRATCH_FAULTS,
    *VMALLOC_FAULTS,
    *PRODUCER_FAULTS,
    *LUO_FAULTS,
    *MEMFD_FAULTS,
    *BOOT_FAULTS,
)

UNBREAKABLE: Mapping[int, str] = {
    19: "a block is naturally aligned by the way both trackers encode it: no bit stands for another one",
}
"""Rules KHO001 to KHO050 that no state can break, with the reason."""


def fault_named(name: str) -> Fault:
    """The fault. Raises InputError that names the nearest ones."""
    for one in FAULTS:
        if one.name == name:
            return one
    near = get_close_matches(name, [one.name for one in FAULTS], 3)
    raise InputError(f"no fault {visible(name)}; {'like it: ' + ', '.join(near) if near else 'sim fault --list names them all'}")
