"""Which calls of the kernel's own interface each release has (kho-abi.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.releases.table import RELEASES, Release

CALLS: Mapping[str, tuple[str, str]] = {
    "kho_preserve_folio": ("6.16", "7.3"),
    "kho_preserve_phys": ("6.16", "6.17"),
    "kho_preserve_pages": ("6.18", "7.3"),
    "kho_preserve_vmalloc": ("6.18", "7.3"),
    "kho_unpreserve_folio": ("6.19", "7.3"),
    "kho_unpreserve_pages": ("6.19", "7.3"),
    "kho_unpreserve_vmalloc": ("6.19", "7.3"),
    "kho_alloc_preserve": ("6.19", "7.3"),
    "kho_unpreserve_free": ("6.19", "7.3"),
    "kho_add_subtree": ("6.16", "7.3"),
    "kho_remove_subtree": ("6.19", "7.3"),
    "register_kho_notifier": ("6.16", "6.18"),
    "kho_finalize": ("6.16", "7.0"),
    "kho_abort": ("6.16", "6.18"),
    "liveupdate_register_flb": ("7.0", "7.3"),
}
"""Name to first and last release that has it."""


def has_call(release: Release, call: str) -> bool:
    """Whether kernels of this release have ``call``."""
    names = [known.name for known in RELEASES]
    since, until = CALLS[call]
    return names.index(since) <= names.index(release.name) <= names.index(until)
