"""The file handler of memfds (mm/memfd_luo.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.abi.memfd import MEMFD, MEMFD_FORMATS
from kho_tui.analysis.checks.facet import FileJudging
from kho_tui.analysis.diff.facet import FileDiffing
from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.decode.facet import FileDecoding
from kho_tui.encode.facet import FileEncoding
from kho_tui.model.registry import Declaration, facet_in

DECLARATION = Declaration(
    family=MEMFD,
    formats=MEMFD_FORMATS,
    facets={
        FileDecoding: facet_in("kho_tui.subsystems.memfd.decode", "DECODING"),
        FileEncoding: facet_in("kho_tui.subsystems.memfd.encode", "ENCODING"),
        FileReceiving: facet_in("kho_tui.subsystems.memfd.receive", "RECEIVING"),
        FileJudging: facet_in("kho_tui.subsystems.memfd.judge", "JUDGING"),
        FileDiffing: facet_in("kho_tui.subsystems.memfd.diff", "DIFFING"),
    },
)
