"""The Live Update Orchestrator: sessions, files and file-lifecycle-bound data (kernel/liveupdate/luo_core.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.abi.luo import LUO, LUO_FORMATS
from kho_tui.model.registry import Declaration

DECLARATION = Declaration(family=LUO, formats=LUO_FORMATS, package=__name__)
