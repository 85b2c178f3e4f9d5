"""The one door to the built-in tables: everything else is handed a registry."""

from __future__ import annotations

from functools import cache

from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.model.registry import Registry
from kho_tui.releases.table import RELEASES
from kho_tui.subsystems import kexec_metadata, kho_test, luo, memblock, memfd


@cache
def builtin() -> Registry:
    """What this version of the program knows."""
    modules = (kexec_metadata, memblock, kho_test, luo, memfd)
    return Registry(releases=RELEASES, roots=ROOT_FORMATS, declared=tuple(module.DECLARATION for module in modules))
