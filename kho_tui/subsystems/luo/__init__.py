"""The Live Update Orchestrator: sessions, files and file-lifecycle-bound data (kernel/liveupdate/luo_core.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.abi.luo import LUO, LUO_FORMATS
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
    family=LUO,
    formats=LUO_FORMATS,
    facets={
        Naming: facet_in("kho_tui.subsystems.luo.naming", "NAMING"),
        Decoding: facet_in("kho_tui.subsystems.luo.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.luo.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.luo.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.luo.judge", "JUDGING"),
        Simulating: facet_in("kho_tui.subsystems.luo.simulate", "SIMULATING"),
        Breaking: facet_in("kho_tui.subsystems.luo.faults", "BREAKING"),
        Diffing: facet_in("kho_tui.subsystems.luo.diff", "DIFFING"),
    },
)
