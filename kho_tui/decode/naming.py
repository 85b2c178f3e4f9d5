"""Which subtree a blob is, by what stands in it."""

from __future__ import annotations

import re

from kho_tui.abi.luo import LUO_NAME, STRUCT_PREFIX
from kho_tui.abi.memblock import MEMBLOCK_COMPATIBLE, MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, METADATA_VERSION
from kho_tui.abi.properties import compatible_of
from kho_tui.abi.test_kho import KHO_TEST_COMPATIBLE, KHO_TEST_NAME
from kho_tui.fdt.header import FDT_MAGIC, FDT_SW_MAGIC
from kho_tui.fdt.tree import looks_like_fdt, parse_fdt

_BY_COMPATIBLE = {MEMBLOCK_COMPATIBLE: MEMBLOCK_NAME, KHO_TEST_COMPATIBLE: KHO_TEST_NAME}
"""Names of subtrees by the compatible string of their FDT; LUO's has its version behind it."""
_RELEASE = re.compile(rb"[0-9]{1,3}\.[0-9]{1,3}[!-~]*\0")
_VERSIONS = (METADATA_VERSION.to_bytes(4, "little"), METADATA_VERSION.to_bytes(4, "big"))
FIRST_WORDS = (FDT_MAGIC.to_bytes(4, "big"), FDT_SW_MAGIC.to_bytes(4, "big"), STRUCT_PREFIX[:4], *_VERSIONS)
"""The first four bytes of every blob that ``name_by_format`` knows."""


def name_by_format(data: bytes) -> bytes | None:
    """The name of the subtree whose blob begins with ``data``; None where that says nothing."""
    if looks_like_fdt(data):
        root = parse_fdt(data).root
        compatible = (None if root is None else compatible_of(root)) or b""
        return LUO_NAME if compatible.startswith(STRUCT_PREFIX) else _BY_COMPATIBLE.get(compatible)
    if data.startswith(STRUCT_PREFIX):
        return LUO_NAME
    is_metadata = data[:4] in _VERSIONS and _RELEASE.match(data[4:69]) is not None
    return KEXEC_METADATA_NAME if is_metadata else None
