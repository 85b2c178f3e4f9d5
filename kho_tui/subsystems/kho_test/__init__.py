"""The test module: folios and their checksum (lib/test_kho.c, all releases)."""

from __future__ import annotations

from kho_tui.abi.test_kho import KHO_TEST, KHO_TEST_FORMATS
from kho_tui.model.registry import Declaration

DECLARATION = Declaration(family=KHO_TEST, formats=KHO_TEST_FORMATS, package=__name__)
