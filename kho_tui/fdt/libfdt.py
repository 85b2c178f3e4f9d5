"""The one door to pylibfdt: libfdt is the code the kernel runs, so its verdict stands beside ours.

Imported inside functions: start-up does not pay for it, and reading works without it.
"""

from __future__ import annotations

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.place import Origin, Place

UNAVAILABLE = "libfdt verdict unavailable"

_MOST_WORK = 1 << 33
"""Bytes that fdt_check_full may search for NULs: it reads up to the whole string block for every property."""

_WORDS = {
    "FDT_ERR_TRUNCATED": "the FDT or a block of it is cut off",
    "FDT_ERR_BADMAGIC": "the magic is not that of an FDT",
    "FDT_ERR_BADVERSION": "a version libfdt does not read",
    "FDT_ERR_BADSTATE": "the FDT is half-built",
    "FDT_ERR_BADSTRUCTURE": "nodes or tags that do not form a tree",
    "FDT_ERR_BADOFFSET": "an offset that leads out of its block",
    "FDT_ERR_BADLAYOUT": "blocks in an order libfdt does not read",
    "FDT_ERR_ALIGNMENT": "the FDT is not aligned",
}


def verdict(blob: bytes) -> str:
    """What ``fdt_check_full`` says: "ok", or the name of libfdt's error and what it means.

    Starts with UNAVAILABLE where pylibfdt is missing or the check would take too long. Takes any bytes, never raises.
    """
    try:
        import libfdt
    except ImportError:
        return f"{UNAVAILABLE} (pylibfdt not installed)"
    if _work(blob) > _MOST_WORK:
        return f"{UNAVAILABLE} (the string block is too large to check)"
    # Only the plain function, on a bytearray: Fdt() on a corrupt blob crashes the interpreter.
    error: int = libfdt.fdt_check_full(bytearray(blob), len(blob))
    if error == 0:
        return "ok"
    name: str = libfdt.fdt_strerror(error)
    return f"{name}: {_WORDS[name]}" if name in _WORDS else name


def _work(blob: bytes) -> int:
    """Upper bound of the bytes that fdt_check_full searches for the ends of property names."""
    if len(blob) < FDT_HEADER.size:
        return 0
    header = FDT_HEADER.record(blob, "big", Place(Origin.FILE, "fdt"))
    sized = header.integer("version") >= 17
    structure, strings = (min(header.integer(name), len(blob)) if sized else len(blob) for name in ("size_dt_struct", "size_dt_strings"))
    return structure // 12 * strings
