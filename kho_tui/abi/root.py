"""The root FDT of a handover: versions kho-v1 to kho-v4.

Source: include/linux/kho/abi/kexec_handover.h, 7.0+; before that kernel/kexec_handover.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from itertools import accumulate

from kho_tui.abi.format import Format, Formats
from kho_tui.abi.properties import NodeLayout, compatible, joined
from kho_tui.fdt.tree import Node
from kho_tui.layout.struct import Field, Unit
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Release

ROOT_SOURCE = "kernel/liveupdate/kexec_handover.c 6.19-7.3 (kernel/kexec_handover.c 6.16-6.18)"


class Tracker(Enum):
    """How preserved pages are listed."""

    CHUNKS = "chunk list with bitmaps"
    RADIX = "radix tree"


class Payload(Enum):
    """What a subtree's pointer leads to."""

    FDT = "an FDT, which says its own size"
    BLOB = "any bytes"


@dataclass(frozen=True, kw_only=True)
class RootFormat(Format):
    """One version of the root.

    ``node``: the properties of its root node, in the kernel's order; ``subtree``: those of each subnode, of which one is an address and one
    may be a size in bytes. ``marker_counted``: the depth of a radix tree counts the bit that marks order 0 (kho-v3 on).
    """

    node: NodeLayout
    subtree: NodeLayout
    payload: Payload
    tracker: Tracker
    marker_counted: bool = False

    @property
    def pointer(self) -> str:
        """The property that says where a subtree's state is."""
        return next(field.name for field in self.subtree.properties if field.unit is Unit.PHYS)

    @property
    def size(self) -> str | None:
        """The property that says how many bytes of state there are; None where nothing does."""
        return next((field.name for field in self.subtree.properties if field.unit is Unit.BYTES), None)


_FDT = Field("fdt", 8, Unit.PHYS, "where the subsystem's FDT lies; wrong: its state is lost", source="kernel/kexec_handover.c 6.16-7.0")
_PRESERVED_DATA = Field(
    "preserved-data",
    8,
    Unit.PHYS,
    "where the subsystem's state lies; wrong: its state is lost",
    source="include/linux/kho/abi/kexec_handover.h 7.1-7.3",
)
_BLOB_SIZE = Field(
    "blob-size",
    8,
    Unit.BYTES,
    "size of that state; too short: the subsystem refuses it",
    source="include/linux/kho/abi/kexec_handover.h 7.1-7.3",
)

TRACKER_PROPERTY = "preserved-memory-map"

ROOT_NODE = NodeLayout(
    "root",
    (
        compatible("version of the whole handover; the next kernel drops it all if unknown"),
        Field(TRACKER_PROPERTY, 8, Unit.PHYS, "the tracker of preserved pages; 0: not finalized, refused from 6.19 on"),
    ),
    ROOT_SOURCE,
    "what one kernel hands to the next: the tracker of preserved memory and the subtrees",
)


def _subtree(*properties: Field) -> NodeLayout:
    return NodeLayout("subtree", properties, ROOT_SOURCE, "one subsystem's state, found by name by its code in the next kernel")


@dataclass(frozen=True)
class RootFormats(Formats[RootFormat]):
    """All versions of the root. Of one that is not known any property of the known ones may be there."""

    def written_by(self, release: Release) -> RootFormat:
        """The version that a release writes, and the only one that it accepts. Raises LookupError for a release without one."""
        form = self.of(release)
        if form is None:
            raise LookupError(f"no version of the root FDT is written by {release.name}")
        return form

    def version_of(self, release: Release) -> bytes:
        """The ``compatible`` string of that version."""
        return self.written_by(release).compatible

    @cached_property
    def node(self) -> NodeLayout:
        """The properties that a root node may have."""
        return joined(form.node for form in self.versions)

    @cached_property
    def subtree(self) -> NodeLayout:
        """The properties that the node of a subtree may have."""
        return joined(form.subtree for form in self.versions)

    @cached_property
    def pointers(self) -> tuple[str, ...]:
        """The properties that may say where a subtree's state is, the newest first."""
        return tuple(dict.fromkeys(form.pointer for form in reversed(self.versions)))

    def names_of_cut(self, root: Node) -> Mapping[int, bytes]:
        """Property names by name offset, for a root FDT that is cut before its string block; empty where the cut leaves no version.

        By the offset of the name of ``compatible``: libfdt writes names backwards while a tree is made in one go, as 6.16 to 6.18 do, and
        appends those of the subtrees that are added later, as 6.19 and later do. Source: scripts/dtc/libfdt/fdt_sw.c and fdt_rw.c;
        kernel/kexec_handover.c, __kho_finalize; kernel/liveupdate/kexec_handover.c, kho_out_fdt_setup and kho_add_subtree.
        """
        version = next((one for one in root.properties if one.data.startswith(ROOT_PREFIX)), None)
        if version is None:
            return {}
        form = self.get(version.strings[0])
        own = tuple(field.name.encode() for field in reversed((form or self).node.properties))
        below = () if form is None else tuple(field.name.encode() for field in form.subtree.properties)
        for names in ((*own, *below), (*below, *own)):
            offsets = dict(zip(accumulate((len(name) + 1 for name in names), initial=0), names, strict=False))
            if offsets.get(version.name_offset) == b"compatible":
                return offsets
        return {}


_V1 = RootFormat(
    compatible=b"kho-v1",
    written=Range("6.16", "7.0"),
    node=ROOT_NODE,
    subtree=_subtree(_FDT),
    payload=Payload.FDT,
    tracker=Tracker.CHUNKS,
)
_V2 = replace(
    _V1,
    compatible=b"kho-v2",
    written=Range("7.1-rc", "7.1-rc"),
    subtree=_subtree(_PRESERVED_DATA),
    payload=Payload.BLOB,
    tracker=Tracker.RADIX,
)
_V3 = replace(
    _V2,
    compatible=b"kho-v3",
    written=Range("7.1", "7.1"),
    subtree=_subtree(_PRESERVED_DATA, _BLOB_SIZE),
    marker_counted=True,
)
_V4 = replace(_V3, compatible=b"kho-v4", written=Range("7.2"))

ROOT_FORMATS = RootFormats((_V1, _V2, _V3, _V4))

ROOT_PREFIX = b"kho-v"
"""What the version of every root begins with, known or not."""

PACKED_STRUCT_OFFSET = 56
"""off_dt_struct of a root FDT that went through fdt_pack, as from 6.19 on with the first subtree (fdt_rw.c of libfdt); else it is 64."""
