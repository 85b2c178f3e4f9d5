"""What the test module says in the kernel's log (lib/test_kho.c, all releases)."""

from __future__ import annotations

from kho_tui.capture.facet import LogText, Naming

NAMING = Naming(
    words=(b"test_kho",),
    texts=(
        LogText("subtree-failed", "in", rb"test_kho: failed to retrieve (kho_test) FDT"),
        LogText("test-restore", "in", rb"test_kho: KHO restore (?:succeeded|failed)"),
    ),
)
