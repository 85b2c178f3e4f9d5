"""A machine's own device tree, which is no root FDT of KHO: its /chosen says where a boot was told to find one."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.abi.properties import compatible_of
from kho_tui.decode.fdts import is_fdt
from kho_tui.fdt.tree import Node, parse_fdt
from kho_tui.layout.place import Blob
from kho_tui.releases.names import Names
from kho_tui.text import SafeText, visible

_CELLS = 16
"""Bytes of an address and a size of two cells each, as KHO writes them (drivers/of/kexec.c)."""


def device_tree_words(blob: Blob | None, names: Sequence[Names]) -> SafeText:
    """That a single file is a device tree, and what it says of KHO; empty where it is none. ``names``: those its properties may have."""
    root = parse_fdt(blob.data).root if blob is not None and is_fdt(blob) else None
    chosen = None if root is None else root.child(b"chosen")
    if root is None or chosen is None:
        return SafeText("")
    board = compatible_of(root)
    name = "" if board is None else f" of {visible(board)}"
    said = [_words(chosen, name, "the root FDT was handed in") for name in dict.fromkeys(one.chosen_fdt for one in names)]
    said += [_words(chosen, name, "the scratch table lies") for name in dict.fromkeys(one.chosen_scratch for one in names)]
    told = "; ".join(words for words in said if words) or "its /chosen names neither a root FDT nor a scratch table"
    return SafeText(f"a device tree{name}, no root FDT of KHO; {told}")


def _words(chosen: Node, name: str, what: str) -> str:
    found = chosen.property(name.encode())
    if found is None:
        return ""
    if len(found.data) != _CELLS:
        return f"{name} of /chosen has {len(found.data)} bytes, not {_CELLS}"
    address, size = (int.from_bytes(found.data[at : at + 8], "big") for at in (0, 8))
    return f"{name} of /chosen: {what} at {address:#x}, {size} bytes"
