"""memblock: the regions of ``reserve_mem=`` (mm/memblock.c, all releases)."""

from __future__ import annotations

from kho_tui.abi.memblock import MEMBLOCK, MEMBLOCK_FORMATS
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
    family=MEMBLOCK,
    formats=MEMBLOCK_FORMATS,
    facets={
        Naming: facet_in("kho_tui.subsystems.memblock.naming", "NAMING"),
        Decoding: facet_in("kho_tui.subsystems.memblock.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.memblock.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.memblock.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.memblock.judge", "JUDGING"),
        Simulating: facet_in("kho_tui.subsystems.memblock.simulate", "SIMULATING"),
        Breaking: facet_in("kho_tui.subsystems.memblock.faults", "BREAKING"),
        Diffing: facet_in("kho_tui.subsystems.memblock.diff", "DIFFING"),
    },
)
