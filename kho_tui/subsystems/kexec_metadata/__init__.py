"""kexec-metadata: who wrote the handover, and after how many (kernel/liveupdate/kexec_handover.c, 7.1 on)."""

from __future__ import annotations

from kho_tui.abi.metadata import METADATA, METADATA_FORMATS
from kho_tui.analysis.checks.facet import Judging
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.decode.facet import Decoding
from kho_tui.encode.facet import Encoding
from kho_tui.model.registry import Declaration, facet_in

DECLARATION = Declaration(
    family=METADATA,
    formats=METADATA_FORMATS,
    facets={
        Decoding: facet_in("kho_tui.subsystems.kexec_metadata.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.kexec_metadata.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.kexec_metadata.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.kexec_metadata.judge", "JUDGING"),
        Diffing: facet_in("kho_tui.subsystems.kexec_metadata.diff", "DIFFING"),
    },
)
