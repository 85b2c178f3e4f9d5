"""FDTs for the tests: the reference bytes typed in by hand, those of real kernels where the captures are beside the checkout, and what
libfdt reads of one."""

from __future__ import annotations

from typing import Any

import libfdt
from captures import SHARED

ROOT_7_3 = (
    bytes.fromhex("""
    d00dfeed 000000e9 00000038 000000b0 00000028 00000011 00000010 00000000 00000039 00000078
    00000000 00000000 00000000 00000000
    00000001 00000000
    00000003 00000007 00000015 6b686f2d 76340000
    00000003 00000008 00000000 00402301 00000000
    00000001 6b657865 632d6d65 74616461 74610000
    00000003 00000008 0000002f 49000000 00000000
    00000003 00000008 00000020 00100000 00000000
    00000002 00000002 00000009
    """)
    + b"preserved-memory-map\0compatible\0preserved-data\0blob-size\0"
)

ROOT_6_18 = (
    bytes.fromhex("""
    d00dfeed 000000ec 00000040 000000c8 00000030 00000011 00000010 00000000 00000024 00000088
    00000000 00000000
    00000000 00000000 00000000 00000000
    00000001 00000000
    00000003 00000007 00000019 6b686f2d 76310000
    00000003 00000008 00000004 0040be16 01000000
    00000001 6b686f5f 74657374 00000000
    00000003 00000008 00000000 00100000 00000000
    00000002
    00000001 6d656d62 6c6f636b 00000000
    00000003 00000008 00000000 00200000 00000000
    00000002 00000002 00000009
    """)
    + b"fdt\0preserved-memory-map\0compatible\0"
)

ROOT_6_19 = (
    bytes.fromhex("""
    d00dfeed 000000b4 00000038 00000090 00000028 00000011 00000010 00000000 00000024 00000058
    00000000 00000000 00000000 00000000
    00000001 00000000
    00000003 00000007 00000015 6b686f2d 76310000
    00000003 00000008 00000000 00000000 00000000
    00000001 4c554f00
    00000003 00000008 00000020 00100000 00000000
    00000002 00000002 00000009
    """)
    + b"preserved-memory-map\0compatible\0fdt\0"
)

TYPED = (ROOT_7_3, ROOT_6_18, ROOT_6_19)

NAMES_6_19 = {0: b"preserved-memory-map", 21: b"compatible", 32: b"fdt"}
NAMES_7_1 = {0: b"preserved-memory-map", 21: b"compatible", 32: b"preserved-data", 47: b"blob-size"}


def capture(path: str) -> bytes:
    """A file of the real captures."""
    return (SHARED / path).read_bytes()


def captured_fdts() -> dict[str, bytes]:
    """Every file of the captures that starts as an FDT, by its path."""
    files = sorted([*SHARED.glob("**/kho/*/fdt"), *SHARED.glob("**/kho/*/sub_fdts/*")])
    blobs = {str(file.relative_to(SHARED)): file.read_bytes() for file in files}
    return {path: blob for path, blob in blobs.items() if blob.startswith(b"\xd0\x0d\xfe\xed")}


Shape = tuple[str, list[tuple[str, bytes]], list[Any]]


def libfdt_shape(fdt: libfdt.Fdt, node: int) -> Shape:
    """A node by libfdt: its name, its properties, and its children likewise. Raises libfdt.FdtException."""
    properties = []
    at = fdt.first_property_offset(node, libfdt.QUIET_NOTFOUND)
    while at >= 0:
        one = fdt.get_property_by_offset(at)
        properties.append((one.name, bytes(one)))
        at = fdt.next_property_offset(at, libfdt.QUIET_NOTFOUND)
    children = []
    child = fdt.first_subnode(node, libfdt.QUIET_NOTFOUND)
    while child >= 0:
        children.append(libfdt_shape(fdt, child))
        child = fdt.next_subnode(child, libfdt.QUIET_NOTFOUND)
    return fdt.get_name(node), properties, children
