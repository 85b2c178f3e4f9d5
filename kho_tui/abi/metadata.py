"""kexec-metadata: who wrote this handover (7.1 on)."""

from __future__ import annotations

from kho_tui.abi.format import Family, SubtreeFormat, SubtreeFormats
from kho_tui.layout.struct import Layout, Unit, chars, u32
from kho_tui.releases.ranges import Range

KEXEC_METADATA_NAME = b"kexec-metadata"
METADATA_VERSION = 1
METADATA_WRITTEN = Range("7.1")
"""Releases that write it."""

KHO_KEXEC_METADATA = Layout(
    "KhoKexecMetadata",
    (
        u32("version", Unit.VERSION, "1; anything else is ignored with a warning"),
        chars("previous_release", 65, "uname -r of the kernel that wrote this handover"),
        u32("kexec_count", Unit.COUNT, "KHO kexecs in a row, 1 from a cold boot; a plain kexec resets it"),
    ),
    "include/linux/kho/abi/kexec_metadata.h 7.1-7.3",
    "which kernel wrote this handover, and after how many",
)

METADATA_FORMATS = SubtreeFormats((SubtreeFormat(compatible=b"", written=METADATA_WRITTEN, node=None, struct=KHO_KEXEC_METADATA),))
"""It has a number for a version, and no string."""
METADATA: Family[SubtreeFormats[SubtreeFormat]] = Family("subtree", KEXEC_METADATA_NAME, SubtreeFormats(()))
