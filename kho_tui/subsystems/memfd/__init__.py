"""The file handler of memfds (mm/memfd_luo.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.abi.memfd import MEMFD, MEMFD_FORMATS
from kho_tui.model.registry import Declaration

DECLARATION = Declaration(family=MEMFD, formats=MEMFD_FORMATS, package=__name__)
