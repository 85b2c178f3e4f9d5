"""The Live Update Orchestrator: sessions, files and file-lifecycle-bound data (kernel/liveupdate/luo_core.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.abi.luo import LUO, LUO_FORMATS
from kho_tui.analysis.checks.facet import Judging
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.decode.facet import Decoding
from kho_tui.encode.facet import Encoding
from kho_tui.model.registry import Declaration, facet_in

DECLARATION = Declaration(
    family=LUO,
    formats=LUO_FORMATS,
    facets={
        Decoding: facet_in("kho_tui.subsystems.luo.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.luo.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.luo.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.luo.judge", "JUDGING"),
        Diffing: facet_in("kho_tui.subsystems.luo.diff", "DIFFING"),
    },
)
