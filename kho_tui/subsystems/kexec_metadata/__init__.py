"""kexec-metadata: who wrote the handover, and after how many (kernel/liveupdate/kexec_handover.c, 7.1 on)."""

from __future__ import annotations

from kho_tui.abi.metadata import METADATA, METADATA_FORMATS
from kho_tui.analysis.checks.facet import Judging
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.capture.facet import Naming
from kho_tui.decode.facet import Decoding
from kho_tui.encode.facet import Encoding
from kho_tui.model.registry import Declaration, facet_in
from kho_tui.simulator.facet import Simulating
from kho_tui.simulator.faults.facet import Breaking

DECLARATION = Declaration(
    family=METADATA,
    formats=METADATA_FORMATS,
    facets={
        Naming: facet_in("kho_tui.subsystems.kexec_metadata.naming", "NAMING"),
        Decoding: facet_in("kho_tui.subsystems.kexec_metadata.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.kexec_metadata.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.kexec_metadata.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.kexec_metadata.judge", "JUDGING"),
        Simulating: facet_in("kho_tui.subsystems.kexec_metadata.simulate", "SIMULATING"),
        Breaking: facet_in("kho_tui.subsystems.kexec_metadata.faults", "BREAKING"),
        Diffing: facet_in("kho_tui.subsystems.kexec_metadata.diff", "DIFFING"),
    },
)
