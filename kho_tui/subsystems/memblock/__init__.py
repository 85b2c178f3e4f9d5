"""memblock: the regions of ``reserve_mem=`` (mm/memblock.c, all releases)."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK, MEMBLOCK_FORMATS
from kho_tui.model.registry import Declaration

DECLARATION = Declaration(family=MEMBLOCK, formats=MEMBLOCK_FORMATS, package=__name__)
