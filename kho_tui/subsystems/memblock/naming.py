"""What memblock says of ``reserve_mem=`` in the kernel's log (mm/memblock.c, all releases)."""

from __future__ import annotations

from kho_tui.capture.facet import LogText, Naming

NAMING = Naming(
    words=(b"memblock", b"reserve-mem", b"KHO"),
    texts=(
        LogText("subtree-failed", "in", rb"(?:failed to retrieve )?FDT '(memblock)' (?:from KHO|is incompatible)"),
        LogText("revived", "in", rb"Revived memory reservation '(.{1,64}?)' from KHO"),
        LogText("region-failed", "in", rb"KHO reserve-mem '(.{1,64}?)' has wrong "),
        LogText("region-failed", "in", rb"Node '(.{1,64}?)' is incompatible with 'reserve-mem"),
        LogText("region-not-found", "in", rb"FDT 'memblock' has no child '(.{1,64}?)'"),
        LogText("kho", None, rb"failed to prepare memblock FDT for KHO"),
    ),
)
