"""The test module: folios and their checksum (lib/test_kho.c, all releases)."""

from __future__ import annotations

from kho_tui.abi.test_kho import KHO_TEST, KHO_TEST_FORMATS
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
    family=KHO_TEST,
    formats=KHO_TEST_FORMATS,
    facets={
        Naming: facet_in("kho_tui.subsystems.kho_test.naming", "NAMING"),
        Decoding: facet_in("kho_tui.subsystems.kho_test.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.kho_test.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.kho_test.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.kho_test.judge", "JUDGING"),
        Simulating: facet_in("kho_tui.subsystems.kho_test.simulate", "SIMULATING"),
        Breaking: facet_in("kho_tui.subsystems.kho_test.faults", "BREAKING"),
        Diffing: facet_in("kho_tui.subsystems.kho_test.diff", "DIFFING"),
    },
)
