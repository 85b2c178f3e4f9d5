"""The one door to the built-in tables: everything else is handed a registry."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from kho_tui.abi.luo import LUO, LUO_FORMATS
from kho_tui.abi.memblock import MEMBLOCK, MEMBLOCK_FORMATS
from kho_tui.abi.memfd import MEMFD, MEMFD_FORMATS
from kho_tui.abi.metadata import METADATA, METADATA_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.abi.test_kho import KHO_TEST, KHO_TEST_FORMATS
from kho_tui.decode.facet import Decoding, FileDecoding
from kho_tui.encode.facet import Encoding, FileEncoding
from kho_tui.model.registry import Declaration, Registry
from kho_tui.releases.table import RELEASES


def _in(module: str, name: str) -> Callable[[], object]:
    """A facet by the module that has it, which is loaded when the facet is first asked for."""
    return lambda: getattr(import_module(f"kho_tui.{module}"), name)


@cache
def builtin() -> Registry:
    """What this version of the program knows."""
    return Registry(
        releases=RELEASES,
        roots=ROOT_FORMATS,
        declared=(
            Declaration(
                family=METADATA,
                formats=METADATA_FORMATS,
                facets={
                    Decoding: _in("decode.producers", "METADATA_DECODING"),
                    Encoding: _in("encode.producers", "METADATA_ENCODING"),
                },
            ),
            Declaration(
                family=MEMBLOCK,
                formats=MEMBLOCK_FORMATS,
                facets={
                    Decoding: _in("decode.producers", "MEMBLOCK_DECODING"),
                    Encoding: _in("encode.producers", "MEMBLOCK_ENCODING"),
                },
            ),
            Declaration(
                family=KHO_TEST,
                formats=KHO_TEST_FORMATS,
                facets={
                    Decoding: _in("decode.producers", "KHO_TEST_DECODING"),
                    Encoding: _in("encode.producers", "KHO_TEST_ENCODING"),
                },
            ),
            Declaration(
                family=LUO,
                formats=LUO_FORMATS,
                facets={
                    Decoding: _in("decode.luo", "LUO_DECODING"),
                    Encoding: _in("encode.luo", "LUO_ENCODING"),
                },
            ),
            Declaration(
                family=MEMFD,
                formats=MEMFD_FORMATS,
                facets={
                    FileDecoding: _in("decode.memfd", "MEMFD_DECODING"),
                    FileEncoding: _in("encode.memfd", "MEMFD_ENCODING"),
                },
            ),
        ),
    )
