"""The one door to the built-in tables: everything else is handed a registry."""

from __future__ import annotations

from functools import cache

from kho_tui.abi.luo import LUO, LUO_FORMATS
from kho_tui.abi.memblock import MEMBLOCK, MEMBLOCK_FORMATS
from kho_tui.abi.memfd import MEMFD, MEMFD_FORMATS
from kho_tui.abi.metadata import METADATA, METADATA_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.abi.test_kho import KHO_TEST, KHO_TEST_FORMATS
from kho_tui.decode.facet import Decoding
from kho_tui.model.registry import Declaration, Registry
from kho_tui.releases.table import RELEASES


def _memblock_decoding() -> Decoding:
    from kho_tui.decode.producers import MEMBLOCK_DECODING

    return MEMBLOCK_DECODING


def _metadata_decoding() -> Decoding:
    from kho_tui.decode.producers import METADATA_DECODING

    return METADATA_DECODING


def _test_decoding() -> Decoding:
    from kho_tui.decode.producers import KHO_TEST_DECODING

    return KHO_TEST_DECODING


def _luo_decoding() -> Decoding:
    from kho_tui.decode.luo import LUO_DECODING

    return LUO_DECODING


@cache
def builtin() -> Registry:
    """What this version of the program knows."""
    return Registry(
        releases=RELEASES,
        roots=ROOT_FORMATS,
        declared=(
            Declaration(family=METADATA, formats=METADATA_FORMATS, facets={Decoding: _metadata_decoding}),
            Declaration(family=MEMBLOCK, formats=MEMBLOCK_FORMATS, facets={Decoding: _memblock_decoding}),
            Declaration(family=KHO_TEST, formats=KHO_TEST_FORMATS, facets={Decoding: _test_decoding}),
            Declaration(family=LUO, formats=LUO_FORMATS, facets={Decoding: _luo_decoding}),
            Declaration(family=MEMFD, formats=MEMFD_FORMATS, facets={}),
        ),
    )
