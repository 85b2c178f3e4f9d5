"""The checks that decide on the whole handover: finding it, accepting it, taking over memory (kho-abi.md section 9, stages 0 to 2)."""

from __future__ import annotations

from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.fdt.header import FDT_HEADER, FDT_MAGIC
from kho_tui.layout.place import Origin, Place
from kho_tui.releases.check import FIRST, LAST, Check, Outcome, Stage, Target, Verdict, key
from kho_tui.releases.offered import Offered
from kho_tui.text import plural

_INT_MAX = 2**31 - 1
_NO_TRACKER = True, "there is no tracker to walk"
_LOST = "the next kernel boots cold: everything handed over is lost and overwritten"


def _is_built(_offered: Offered, target: Target) -> Verdict:
    return target.built, "KHO is built in" if target.built else "KHO is not built into this kernel"


def _is_attached(offered: Offered, _target: Target) -> Verdict:
    return offered.attached, offered.not_attached


def _same_page_size(offered: Offered, target: Target) -> Verdict:
    there = target.page_size
    return there in (None, offered.page_size), f"pages of {offered.page_size} bytes" + (
        "" if there is None else f", the kernel has {there}"
    )


def _header(offered: Offered, target: Target) -> Verdict:
    if offered.fdt is None:
        return None, "the root FDT was not found in memory, where it is read"
    fault = header_fault(offered.fdt, offered.fdt_phys, strict=key(target.release.name) >= (7, 1))
    return not fault, fault or "the header is sound"


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


def _root_version(offered: Offered, target: Target) -> Verdict:
    if offered.compatibles is None:
        return None, "the root's compatible string is not at hand"
    wanted = target.release.root
    told = ", ".join(one.decode("latin-1") for one in offered.compatibles) or "none"
    return wanted in offered.compatibles, f"handed over: {told}; this kernel takes only {wanted.decode()}"


def _map(offered: Offered, target: Target) -> Verdict:
    if offered.map_length is None or (offered.map_length == 8 and offered.map_address is None):
        return None, "the root's memory map property is not at hand"
    if offered.map_length != 8:
        return False, f"preserved-memory-map has {offered.map_length} bytes instead of 8"
    return bool(offered.map_address), "preserved-memory-map is 0: never finalized" if not offered.map_address else "there is a memory map"


def _scratch(offered: Offered, _target: Target) -> Verdict:
    if offered.scratch is None:
        return None, "the scratch table is not at hand"
    return offered.scratch, "the scratch table can be read" if offered.scratch else "the scratch table cannot be read"


def _blocks(offered: Offered, _target: Target) -> Verdict:
    if offered.blocks_fault is None:
        return None, "not all preserved blocks and scratch areas are at hand"
    return not offered.blocks_fault, offered.blocks_fault or "the blocks lie apart, and outside scratch"


def _bitmaps(offered: Offered, target: Target) -> Verdict:
    known = ROOT_FORMATS.get(target.release.root)
    if offered.names_no_map:
        return _NO_TRACKER
    if known is None or known.tracker is not Tracker.CHUNKS:
        return True, "a radix tree"
    if offered.bitmap_bytes is None:
        return None, "the size of the bitmaps is not at hand"
    own = target.release.bitmap_bytes or offered.page_size
    if offered.bitmap_bytes == own:
        return True, f"bitmaps of {own} bytes"
    read = f"bitmaps of {offered.bitmap_bytes} bytes are read as {own}"
    if own > offered.bitmap_bytes:
        return False, f"{read}: memory beyond the real blocks is reserved too"
    if offered.blocks_beyond is None:
        return None, f"{read}, and not all blocks are at hand"
    lost = plural(offered.blocks_beyond, "block")
    return not offered.blocks_beyond, f"{read}: {lost} beyond the first {8 * own} bits {'is' if offered.blocks_beyond == 1 else 'are'} lost"


def _tracker(offered: Offered, _target: Target) -> Verdict:
    if offered.names_no_map:
        return _NO_TRACKER
    if offered.tracker_fault is None:
        return None, "not all of the tracker is at hand"
    fault = offered.tracker_fault
    return not fault, f"the tracker is damaged: {fault}" if fault else "the tracker is sound"


def _shift(offered: Offered, target: Target) -> Verdict:
    if offered.names_no_map:
        return _NO_TRACKER
    if offered.highest_order is None:
        return None, "the preserved blocks are not at hand"
    limit = 31 - (offered.page_size.bit_length() - 1)
    high = offered.highest_order
    return high < limit, f"highest order {high}" + ("" if high < limit else f"; from order {limit} on this kernel's 32-bit shift overflows")


ACCEPTANCE: tuple[Check, ...] = (
    Check("built", Stage.FIND, "is KHO built into the kernel", Outcome.IGNORED, _LOST, FIRST, LAST, _is_built),
    Check("attached", Stage.FIND, "is the handover given to the next kernel at all", Outcome.IGNORED, _LOST, FIRST, LAST, _is_attached),
    Check(
        "page-size",
        Stage.FIND,
        "have both kernels the same page size",
        Outcome.MISREAD,
        "every structure is misread",
        FIRST,
        LAST,
        _same_page_size,
    ),
    Check("fdt-header", Stage.ACCEPT, "is the root an FDT", Outcome.IGNORED, _LOST, FIRST, LAST, _header),
    Check(
        "root-version", Stage.ACCEPT, "does the kernel know this version of the root", Outcome.IGNORED, _LOST, FIRST, LAST, _root_version
    ),
    Check("memory-map", Stage.ACCEPT, "does the root name a memory map", Outcome.IGNORED, _LOST, "6.19", LAST, _map),
    Check("scratch", Stage.ACCEPT, "can the scratch table be read", Outcome.IGNORED, _LOST, FIRST, LAST, _scratch),
    Check(
        "memory-map",
        Stage.MEMORY,
        "does the root name a memory map",
        Outcome.PART,
        "nothing is reserved: the subtrees are looked for in memory that is overwritten",
        FIRST,
        "6.18",
        _map,
    ),
    Check(
        "tracker",
        Stage.MEMORY,
        "can the tracker be walked",
        Outcome.MISREAD,
        "the walk checks nothing: wrong memory is kept, or the boot never ends",
        FIRST,
        LAST,
        _tracker,
        source="kernel/liveupdate/kexec_handover.c, kho_mem_init",
    ),
    Check(
        "blocks",
        Stage.MEMORY,
        "do blocks lie apart, and outside scratch",
        Outcome.MISREAD,
        "nothing of it is checked: what was preserved there is overwritten, or restored twice",
        FIRST,
        LAST,
        _blocks,
        source="kernel/liveupdate/kexec_handover.c, kho_mem_init",
    ),
    Check(
        "bitmaps",
        Stage.MEMORY,
        "are bitmaps of the size that the kernel reads",
        Outcome.MISREAD,
        "wrong memory is kept",
        FIRST,
        "7.0",
        _bitmaps,
    ),
    Check(
        "shift",
        Stage.MEMORY,
        "do all orders fit a 32-bit shift",
        Outcome.MISREAD,
        "of large blocks too much or next to nothing is reserved",
        FIRST,
        "7.1",
        _shift,
    ),
)
"""In the order in which a kernel meets them."""
