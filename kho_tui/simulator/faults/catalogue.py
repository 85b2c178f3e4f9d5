"""The faults of a registry by their names, and the invariants that none can break."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from kho_tui.errors import InputError
from kho_tui.model.registry import Registry
from kho_tui.simulator.faults.blocks import BLOCK_FAULTS
from kho_tui.simulator.faults.boots import BOOT_FAULTS
from kho_tui.simulator.faults.facet import Breaking, FileBreaking, FlbBreaking
from kho_tui.simulator.faults.fault import Fault
from kho_tui.simulator.faults.root import ROOT_FAULTS
from kho_tui.simulator.faults.scratch import SCRATCH_FAULTS
from kho_tui.simulator.faults.tracker import TRACKER_FAULTS
from kho_tui.simulator.faults.vmalloc import VMALLOC_FAULTS
from kho_tui.text import visible

_OF_KHO: tuple[Fault, ...] = (
    *ROOT_FAULTS,
    *TRACKER_FAULTS,
    *BLOCK_FAULTS,
    *SCRATCH_FAULTS,
    *VMALLOC_FAULTS,
    *BOOT_FAULTS,
)

UNBREAKABLE: Mapping[int, str] = {
    19: "a block is naturally aligned by the way both trackers encode it: no bit stands for another one",
}
"""Rules KHO001 to KHO050 that no state can break, with the reason."""


def faults_of(registry: Registry) -> tuple[Fault, ...]:
    """KHO's own, and those of what is declared."""
    declared = [facet.faults for facet in registry.facets(Breaking).values()]
    declared += [facet.faults for facet in registry.facets(FileBreaking).values()]
    declared += [facet.faults for facet in registry.facets(FlbBreaking).values()]
    return (*_OF_KHO, *(fault for faults in declared for fault in faults))


def fault_named(name: str, registry: Registry) -> Fault:
    """The fault. Raises InputError that names the nearest ones."""
    faults = faults_of(registry)
    for fault in faults:
        if fault.name == name:
            return fault
    near = get_close_matches(name, [fault.name for fault in faults], 3)
    raise InputError(f"no fault {visible(name)}; {'like it: ' + ', '.join(near) if near else 'sim fault --list names them all'}")
