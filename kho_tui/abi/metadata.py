"""kexec-metadata: who wrote this handover (7.1 on)."""

from __future__ import annotations

from kho_tui.abi.format import Family, Format, Formats
from kho_tui.layout.struct import Layout, Unit, chars, u32
from kho_tui.releases.ranges import Range

KEXEC_METADATA_NAME = b"kexec-metadata"
METADATA_VERSION = 1
METADATA_WRITTEN = Range("7.1")
"""Releases that write it."""
METADATA_FORMATS = Formats((Format(compatible=b"", written=METADATA_WRITTEN),))
"""It has a number for a version, and no string."""
METADATA: Family[Formats[Format]] = Family("subtree", KEXEC_METADATA_NAME, Formats(()))

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
