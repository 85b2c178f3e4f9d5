"""Which subtree a blob is, by what stands in it."""

from __future__ import annotations

from kho_tui.abi.properties import compatible_of
from kho_tui.decode.facet import Decoding
from kho_tui.fdt.header import FDT_MAGIC, FDT_SW_MAGIC
from kho_tui.fdt.tree import looks_like_fdt, parse_fdt
from kho_tui.model.registry import Registry

_FDT_WORDS = (FDT_MAGIC.to_bytes(4, "big"), FDT_SW_MAGIC.to_bytes(4, "big"))


def first_words(registry: Registry) -> tuple[bytes, ...]:
    """The first four bytes of every blob that ``name_by_format`` knows."""
    return (*_FDT_WORDS, *(word for decoding in registry.facets(Decoding).values() for word in decoding.first_words))


def name_by_format(registry: Registry, data: bytes) -> bytes | None:
    """The name of the subtree whose blob begins with ``data``; None where that says nothing."""
    root = parse_fdt(data).root if looks_like_fdt(data) else None
    compatible = None if root is None else compatible_of(root)
    if compatible is None and looks_like_fdt(data):
        return None
    return next((name for name, decoding in registry.facets(Decoding).items() if decoding.recognises(data, compatible)), None)
