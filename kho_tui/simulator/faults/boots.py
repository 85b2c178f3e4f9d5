"""Faults that only the state before the kexec shows, in the one that took it over: KHO050; the counts of what is declared are with it."""

from __future__ import annotations

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.fault import Fault, later_fault


def _fdt_changed(case: Case) -> None:
    """A word of the header that no reader looks at: boot_cpuid_phys."""

    name = case.fdt_file
    offset, size = FDT_HEADER.span("boot_cpuid_phys")
    data = (1).to_bytes(size, "big")
    if isinstance(case.root.phys, int) and case.image.available(case.root.phys, FDT_HEADER.size) == FDT_HEADER.size:
        case.write(case.root.phys + offset, data)
    elif name in case.files:
        case.files[name] = case.files[name][:offset] + data + case.files[name][offset + size :]
    else:
        raise DoesNotApply("the incoming root FDT is not in this capture")


BOOT_FAULTS: tuple[Fault, ...] = (
    later_fault("fdt-changed", "KHO050", "in/fdt is not the root FDT of the state before", _fdt_changed, before=True),
)
