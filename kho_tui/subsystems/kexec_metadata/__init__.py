"""kexec-metadata: who wrote the handover, and after how many (kernel/liveupdate/kexec_handover.c, 7.1 on)."""

from __future__ import annotations

from kho_tui.abi.metadata import METADATA, METADATA_FORMATS
from kho_tui.model.registry import Declaration

DECLARATION = Declaration(family=METADATA, formats=METADATA_FORMATS, package=__name__)
