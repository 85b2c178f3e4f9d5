"""The root FDT of a handover: versions kho-v1 to kho-v4.

Source: include/linux/kho/abi/kexec_handover.h, 7.0+; before that kernel/kexec_handover.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from kho_tui.abi.properties import NodeLayout, compatible
from kho_tui.fdt.tree import Node
from kho_tui.layout.struct import Field, Unit
from kho_tui.releases.ranges import Range

ROOT_SOURCE = "kernel/liveupdate/kexec_handover.c 6.19-7.3 (kernel/kexec_handover.c 6.16-6.18)"

ROOT_NODE = NodeLayout(
    "root",
    (
        compatible("version of the whole handover; the next kernel drops it all if unknown"),
        Field("preserved-memory-map", 8, Unit.PHYS, "the tracker of preserved pages; 0: not finalized, refused from 6.19 on"),
    ),
    ROOT_SOURCE,
    "what one kernel hands to the next: the tracker of preserved memory and the subtrees",
)

SUBTREE_NODE = NodeLayout(
    "subtree",
    (
        Field("fdt", 8, Unit.PHYS, "where the subsystem's FDT lies; wrong: its state is lost", "kernel/kexec_handover.c 6.16-7.0"),
        Field(
            "preserved-data",
            8,
            Unit.PHYS,
            "where the subsystem's state lies; wrong: its state is lost",
            "include/linux/kho/abi/kexec_handover.h 7.1-7.3",
        ),
        Field(
            "blob-size",
            8,
            Unit.BYTES,
            "size of that state; too short: the subsystem refuses it",
            "include/linux/kho/abi/kexec_handover.h 7.1-7.3",
        ),
    ),
    ROOT_SOURCE,
    "one subsystem's state, found by name by its code in the next kernel",
)


class Tracker(Enum):
    """How preserved pages are listed."""

    CHUNKS = "chunk list with bitmaps"
    RADIX = "radix tree"


@dataclass(frozen=True, slots=True)
class RootFormat:
    """One version of the root. ``extra_bit``: the radix depth formula counts the marker bit (v3 on)."""

    compatible: bytes
    tracker: Tracker
    pointer: str
    has_size: bool
    extra_bit: bool
    releases: Range
    released: bool = True


ROOT_FORMATS: Mapping[bytes, RootFormat] = {
    f.compatible: f
    for f in (
        RootFormat(b"kho-v1", Tracker.CHUNKS, "fdt", False, False, Range("6.16", "7.0")),
        RootFormat(b"kho-v2", Tracker.RADIX, "preserved-data", False, False, Range("7.1-rc", "7.1-rc"), released=False),
        RootFormat(b"kho-v3", Tracker.RADIX, "preserved-data", True, True, Range("7.1", "7.1")),
        RootFormat(b"kho-v4", Tracker.RADIX, "preserved-data", True, True, Range("7.2")),
    )
}

PACKED_STRUCT_OFFSET = 56
"""off_dt_struct of a root FDT that went through fdt_pack, as from 6.19 on with the first subtree (fdt_rw.c of libfdt); else it is 64."""

POINTER_PROPERTIES = ("preserved-data", "fdt")


def names_of_cut(root: Node) -> Mapping[int, bytes]:
    """Property names by name offset, for a root FDT that is cut before its string block; empty where the cut leaves no version.

    By the offset of the name of ``compatible``: libfdt writes names backwards while a tree is made in one go, as 6.16 to 6.18 do, and
    appends those of the subtrees that are added later, as 6.19 and later do. Source: scripts/dtc/libfdt/fdt_sw.c and fdt_rw.c;
    kernel/kexec_handover.c, __kho_finalize; kernel/liveupdate/kexec_handover.c, kho_out_fdt_setup and kho_add_subtree.
    """
    compatible = next((one for one in root.properties if one.data.startswith(b"kho-v")), None)
    if compatible is None:
        return {}
    form = ROOT_FORMATS.get(compatible.strings[0])
    own = (b"preserved-memory-map", b"compatible")
    below = () if form is None else (form.pointer.encode(), *((b"blob-size",) if form.has_size else ()))
    for names in ((*own, *below), (*below, *own)):
        offsets = dict(zip(accumulate((len(name) + 1 for name in names), initial=0), names, strict=False))
        if offsets.get(compatible.name_offset) == b"compatible":
            return offsets
    return {}
