"""Faults that only the state before the kexec shows, in the one that took it over: KHO036, 039 and 050."""

from __future__ import annotations

from kho_tui.abi.luo import LUO_NAME, LUO_SER
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.place import Blob, Origin
from kho_tui.model.state import Subtree
from kho_tui.simulator.faults.case import Case, DoesNotApply, blob_file, memory_of, need
from kho_tui.simulator.faults.fault import Fault, later_fault


def _next_number(case: Case) -> None:
    """The new kernel's own number, one more than it should be."""
    subtree = _new(case, LUO_NAME)
    if subtree.fdt is None:
        offset = LUO_SER.span("liveupdate_num")[0]
    else:
        node = subtree.fdt.tree.root
        found = None if node is None else node.property(b"liveupdate-number")
        if found is None:
            raise DoesNotApply("LUO's FDT has no liveupdate-number")
        offset = found.data_offset
    _add(case, subtree, offset, 8)


def _next_count(case: Case) -> None:
    offset, size = KHO_KEXEC_METADATA.span("kexec_count")
    _add(case, _new(case, KEXEC_METADATA_NAME), offset, size)


def _new(case: Case, name: bytes) -> Subtree:
    """What the kernel that took the state has prepared in its turn."""
    side = case.state.sides.get("out")
    found = None if side is None else next((one for one in side.subtrees if one.name == name and isinstance(one.blob, Blob)), None)
    if found is None:
        raise DoesNotApply(f"this state has no out/{name.decode()}")
    return found


def _add(case: Case, subtree: Subtree, offset: int, size: int) -> None:
    """One to an integer of a blob, wherever the capture shows it."""
    blob, order = need(subtree.blob), case.state.machine.platform.byte_order
    before = blob.data[offset : offset + size]
    after = (int.from_bytes(before, order) + 1).to_bytes(size, order)
    if blob.place.origin is Origin.MEMORY:
        case.write(memory_of(blob)[0] + offset, after)
    file = blob_file(case.state.sides["out"], subtree.name)
    shown = case.files.get(file, b"")
    if shown[offset : offset + size] == before:
        case.files[file] = shown[:offset] + after + shown[offset + size :]


def _fdt_changed(case: Case) -> None:
    """A word of the header that no reader looks at: boot_cpuid_phys."""

    name = f"kho/{case.side.name}/fdt"
    offset, size = FDT_HEADER.span("boot_cpuid_phys")
    data = (1).to_bytes(size, "big")
    if isinstance(case.root.phys, int) and case.image.available(case.root.phys, FDT_HEADER.size) == FDT_HEADER.size:
        case.write(case.root.phys + offset, data)
    elif name in case.files:
        case.files[name] = case.files[name][:offset] + data + case.files[name][offset + size :]
    else:
        raise DoesNotApply("the incoming root FDT is not in this capture")


BOOT_FAULTS: tuple[Fault, ...] = (
    later_fault("luo-number", "KHO039", "the live update number grew by two", _next_number, before=True),
    later_fault("kexec-count", "KHO036", "the count in kexec-metadata grew by two", _next_count, before=True),
    later_fault("fdt-changed", "KHO050", "in/fdt is not the root FDT of the state before", _fdt_changed, before=True),
)
"""30 is with the scratch table."""
