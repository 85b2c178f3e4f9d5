"""The one door to the built-in tables: everything else is handed a registry."""

from __future__ import annotations

from functools import cache

from kho_tui.abi.luo import LUO, LUO_FORMATS
from kho_tui.abi.memfd import MEMFD, MEMFD_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.model.registry import Declaration, Registry
from kho_tui.releases.table import RELEASES


@cache
def builtin() -> Registry:
    """What this version of the program knows."""
    return Registry(
        releases=RELEASES,
        roots=ROOT_FORMATS,
        declared=(
            Declaration(family=LUO, formats=LUO_FORMATS),
            Declaration(family=MEMFD, formats=MEMFD_FORMATS),
        ),
    )
