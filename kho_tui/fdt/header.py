"""The header of a flattened device tree: always big-endian, whatever the CPU."""

from __future__ import annotations

from kho_tui.layout.place import Origin, Place
from kho_tui.layout.struct import Layout, Unit, u32

_INT_MAX = 2**31 - 1
FDT_MAGIC = 0xD00DFEED
FDT_SW_MAGIC = 0x2FF20112
"""What libfdt writes until fdt_finish(): the bits of FDT_MAGIC inverted."""

FDT_HEADER = Layout(
    "FdtHeader",
    (
        u32("magic", Unit.ID, "d00dfeed (2ff20112: unfinished); anything else and the FDT is refused"),
        u32("totalsize", Unit.BYTES, "size of the whole FDT; blocks beyond it make the kernel refuse it"),
        u32("off_dt_struct", Unit.BYTES, "offset of the structure block: wrong, and no node is found"),
        u32("off_dt_strings", Unit.BYTES, "offset of the string block: wrong, and properties lose their names"),
        u32("off_mem_rsvmap", Unit.BYTES, "offset of the reservation map; 40 after fdt_pack, else 48"),
        u32("version", Unit.VERSION, "format version, 17; below 17 the size of the structure is not given"),
        u32("last_comp_version", Unit.VERSION, "oldest version a reader may know, 16; above 17 it is refused"),
        u32("boot_cpuid_phys", Unit.ID, "boot CPU of a real device tree; 0 and unused in KHO"),
        u32("size_dt_strings", Unit.BYTES, "length of the string block: a name must end inside it"),
        u32("size_dt_struct", Unit.BYTES, "length of the structure block: END must lie inside it"),
    ),
    source="scripts/dtc/libfdt/fdt.h, struct fdt_header (6.16-7.3)",
    meaning="where the blocks of a flattened device tree lie",
)


def probe_fault(fdt: bytes) -> str:
    """What ``fdt_ro_probe_`` refuses before anything of an FDT is read, empty for nothing (scripts/dtc/libfdt/fdt.c).

    Less than ``header_fault``: offsets and sizes of blocks are not looked at, and the reservation map is never read.
    """
    if len(fdt) < FDT_HEADER.size:
        return f"{len(fdt)} bytes are no FDT header"
    value = FDT_HEADER.record(fdt, "big", Place(Origin.MEMORY, "FDT", None)).integer
    if value("magic") != FDT_MAGIC:
        return f"magic {value('magic'):#x} instead of {FDT_MAGIC:#x}"
    if value("version") < 2 or value("last_comp_version") > 17:
        return f"version {value('version')}, compatible down to {value('last_comp_version')}"
    return f"total size {value('totalsize')}" if value("totalsize") >= _INT_MAX else ""


def header_fault(fdt: bytes, phys: int | None, *, strict: bool) -> str:
    """What ``fdt_check_header`` finds wrong, empty for nothing. ``strict``: with the alignments of 7.1 on (scripts/dtc/libfdt/fdt.c)."""
    if phys is not None and phys % 8:
        return f"the FDT lies at {phys:#x}, not 8-byte aligned"
    if len(fdt) < FDT_HEADER.size:
        return f"{len(fdt)} bytes are no FDT header"
    header = FDT_HEADER.record(fdt, "big", Place(Origin.MEMORY, "root FDT", None))
    value = header.integer
    size = value("totalsize")
    if value("magic") != FDT_MAGIC:
        return f"magic {value('magic'):#x} instead of {FDT_MAGIC:#x}"
    if value("version") < 2 or value("last_comp_version") > 17 or value("version") < value("last_comp_version"):
        return f"version {value('version')}, compatible down to {value('last_comp_version')}"
    if not FDT_HEADER.size <= size <= _INT_MAX:
        return f"total size {size}"
    for block, extent in (("off_mem_rsvmap", 0), ("off_dt_struct", value("size_dt_struct")), ("off_dt_strings", value("size_dt_strings"))):
        if not FDT_HEADER.size <= value(block) <= size or value(block) + extent > size:
            return f"{block} {value(block)} leads out of the {size} bytes"
    if strict and (value("off_mem_rsvmap") % 8 or value("off_dt_struct") % 4):
        return "blocks of the FDT are not aligned"
    return ""
