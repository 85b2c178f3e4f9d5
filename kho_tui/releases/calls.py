"""Which calls of the kernel's own interface each release has."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.releases.ranges import Range

CALLS: Mapping[str, Range] = {
    "kho_preserve_folio": Range("6.16"),
    "kho_preserve_phys": Range("6.16", "6.17"),
    "kho_preserve_pages": Range("6.18"),
    "kho_preserve_vmalloc": Range("6.18"),
    "kho_unpreserve_folio": Range("6.19"),
    "kho_unpreserve_pages": Range("6.19"),
    "kho_unpreserve_vmalloc": Range("6.19"),
    "kho_alloc_preserve": Range("6.19"),
    "kho_unpreserve_free": Range("6.19"),
    "kho_add_subtree": Range("6.16"),
    "kho_remove_subtree": Range("6.19"),
    "register_kho_notifier": Range("6.16", "6.18"),
    "kho_finalize": Range("6.16", "7.0"),
    "kho_abort": Range("6.16", "6.18"),
    "liveupdate_register_flb": Range("7.0"),
}
"""Name to the releases that have it (include/linux/kexec_handover.h, include/linux/liveupdate.h)."""
