"""What KHO says of kexec-metadata in the kernel's log (kernel/liveupdate/kexec_handover.c, 7.1 on)."""

from __future__ import annotations

from kho_tui.capture.facet import LogText, Naming

NAMING = Naming(
    words=(b"KHO",),
    texts=(
        LogText("subtree-failed", "in", rb"KHO: (kexec-metadata) (?:blob too small|version \d+ not supported)"),
        LogText("exec-from", "in", rb"KHO: exec from: (.{1,96}?) \(count \d+\)"),
    ),
)
