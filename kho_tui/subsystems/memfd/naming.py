"""What the file handler of memfds says in the kernel's log (mm/memfd_luo.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.capture.facet import FileNaming, LogText

NAMING = FileNaming(
    words=(b"memfd_luo",),
    texts=(
        LogText("file-failed", "in", rb"memfd_luo: (?:failed to (?:setup file|add seals)|shmem: failed)"),
        LogText("folio-failed", "in", rb"memfd_luo: Unable to restore folio at physical address: (?:0x)?([0-9a-fA-F]{1,16})\b"),
    ),
    functions=(b"memfd_luo_",),
    restoring=(b"memfd_luo_retrieve", b"memfd_luo_discard"),
)
