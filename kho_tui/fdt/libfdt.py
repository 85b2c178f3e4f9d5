"""The one door to pylibfdt: libfdt is the code the kernel runs, so its verdict stands beside ours.

Imported inside functions: start-up does not pay for it, and reading works without it.
"""

from __future__ import annotations

from typing import Any

from kho_tui.errors import EncodeError
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.place import Origin, Place
from kho_tui.text import visible

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


def _library() -> Any | None:
    try:
        import libfdt
    except ImportError:
        return None
    return libfdt


def verdict(blob: bytes) -> str:
    """What ``fdt_check_full`` says: "ok", or the name of libfdt's error and what it means.

    Starts with UNAVAILABLE where pylibfdt is missing or the check would take too long. Takes any bytes, never raises.
    """
    library = _library()
    if library is None:
        return f"{UNAVAILABLE} (pylibfdt not installed)"
    if _work(blob) > _MOST_WORK:
        return f"{UNAVAILABLE} (the string block is too large to check)"
    # Only the plain function, on a bytearray: Fdt() on a corrupt blob crashes the interpreter.
    error: int = library.fdt_check_full(bytearray(blob), len(blob))
    if error == 0:
        return "ok"
    name: str = library.fdt_strerror(error)
    return f"{name}: {_WORDS[name]}" if name in _WORDS else name


def _work(blob: bytes) -> int:
    """Upper bound of the bytes that fdt_check_full searches for the ends of property names."""
    if len(blob) < FDT_HEADER.size:
        return 0
    header = FDT_HEADER.record(blob, "big", Place(Origin.FILE, "fdt"))
    sized = header.integer("version") >= 17
    structure, strings = (min(header.integer(name), len(blob)) if sized else len(blob) for name in ("size_dt_struct", "size_dt_strings"))
    return structure // 12 * strings


class FdtBuffer:
    """An FDT under construction in ``size`` bytes, by the very calls a kernel makes, so that every byte comes out the same.

    First the sequential calls (``begin``, ``property``, ``end``) up to ``finish``, then changes in place (fdt_sw.c and fdt_rw.c
    of libfdt). They raise EncodeError where libfdt refuses, above all for want of room; so does making one where pylibfdt is not installed.
    """

    def __init__(self, size: int) -> None:
        library = _library()
        if library is None:
            raise EncodeError("an FDT is written by libfdt, and pylibfdt is not installed")
        self._library = library
        self._buffer = bytearray(size)
        self._do("fdt_create", size)
        self._do("fdt_finish_reservemap")

    @property
    def data(self) -> bytes:
        """The whole buffer, what libfdt left behind the FDT included."""
        return bytes(self._buffer)

    def begin(self, name: bytes) -> None:
        """Open a node."""
        at: int = self._library.fdt_size_dt_struct(self._buffer)
        self._do("fdt_begin_node", _stand_in(name))
        self._name(at, name)

    def property(self, name: str, data: bytes) -> None:
        """A property of the open node; its data are raw bytes."""
        self._do("fdt_property_stub", name, data, len(data))

    def end(self) -> None:
        """Close the open node."""
        self._do("fdt_end_node")

    def finish(self) -> None:
        """End the sequential part."""
        self._do("fdt_finish")

    def open(self) -> None:
        """Make room for changes up to the size of the buffer."""
        self._do("fdt_open_into", self._buffer, len(self._buffer))

    def add_subnode(self, name: bytes) -> int:
        """A new node below the root, before all others. Returns its offset in the structure block."""
        offset = self._do("fdt_add_subnode", 0, _stand_in(name))
        self._name(offset, name)
        return offset

    def set_property(self, node: int, name: str, data: bytes) -> None:
        """A new property of the node at this offset, before its others."""
        self._do("fdt_setprop", node, name, data, len(data))

    def delete(self, node: int) -> None:
        """Take out the node at this offset; its strings stay."""
        self._do("fdt_del_node", node)

    def pack(self) -> None:
        """End the changes."""
        self._do("fdt_pack")

    def _name(self, node: int, name: bytes) -> None:
        """Put the true name where the stand-in is: SWIG takes only UTF-8, a kernel any bytes."""
        at: int = self._library.fdt_off_dt_struct(self._buffer) + node + 4
        self._buffer[at : at + len(name)] = name

    def _do(self, call: str, *arguments: Any) -> int:
        result: int = getattr(self._library, call)(self._buffer, *arguments)
        if result < 0:
            word: str = self._library.fdt_strerror(result)
            why = "the FDT does not fit its page" if word == "FDT_ERR_NOSPACE" else _WORDS.get(word, word)
            raise EncodeError(f"{call}: {why}")
        return result


def _stand_in(name: bytes) -> str:
    """A name that SWIG takes: the same where it is UTF-8, else one as long."""
    if b"\0" in name:
        raise EncodeError(f"a node name holds a NUL: {visible(name)}")
    try:
        return name.decode()
    except UnicodeDecodeError:
        return "\x01" * len(name)
