"""The test module: folios and their checksum (lib/test_kho.c, all releases)."""

from __future__ import annotations

from kho_tui.abi.test_kho import KHO_TEST, KHO_TEST_FORMATS
from kho_tui.analysis.checks.facet import Judging
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.decode.facet import Decoding
from kho_tui.encode.facet import Encoding
from kho_tui.model.registry import Declaration, facet_in

DECLARATION = Declaration(
    family=KHO_TEST,
    formats=KHO_TEST_FORMATS,
    facets={
        Decoding: facet_in("kho_tui.subsystems.kho_test.decode", "DECODING"),
        Encoding: facet_in("kho_tui.subsystems.kho_test.encode", "ENCODING"),
        Receiving: facet_in("kho_tui.subsystems.kho_test.receive", "RECEIVING"),
        Judging: facet_in("kho_tui.subsystems.kho_test.judge", "JUDGING"),
        Diffing: facet_in("kho_tui.subsystems.kho_test.diff", "DIFFING"),
    },
)
