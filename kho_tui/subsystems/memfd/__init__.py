"""The file handler of memfds (mm/memfd_luo.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.abi.memfd import MEMFD, MEMFD_FORMATS
from kho_tui.analysis.checks.facet import FileJudging
from kho_tui.analysis.diff.facet import FileDiffing
from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.capture.facet import FileNaming
from kho_tui.decode.facet import FileDecoding
from kho_tui.encode.facet import FileEncoding
from kho_tui.model.registry import Declaration, facet_in
from kho_tui.simulator.facet import FileSimulating
from kho_tui.simulator.faults.facet import FileBreaking

DECLARATION = Declaration(
    family=MEMFD,
    formats=MEMFD_FORMATS,
    facets={
        FileNaming: facet_in("kho_tui.subsystems.memfd.naming", "NAMING"),
        FileDecoding: facet_in("kho_tui.subsystems.memfd.decode", "DECODING"),
        FileEncoding: facet_in("kho_tui.subsystems.memfd.encode", "ENCODING"),
        FileReceiving: facet_in("kho_tui.subsystems.memfd.receive", "RECEIVING"),
        FileJudging: facet_in("kho_tui.subsystems.memfd.judge", "JUDGING"),
        FileSimulating: facet_in("kho_tui.subsystems.memfd.simulate", "SIMULATING"),
        FileBreaking: facet_in("kho_tui.subsystems.memfd.faults", "BREAKING"),
        FileDiffing: facet_in("kho_tui.subsystems.memfd.diff", "DIFFING"),
    },
)
