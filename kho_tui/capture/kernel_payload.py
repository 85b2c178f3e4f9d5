"""Bytes of a kernel image as they come: looked at, cut and unpacked in pieces, so that no image takes more memory than a piece.

What the kernel's build appends to a compressed payload is ignored.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator

from kho_tui.errors import InputError

_CHUNK = 1 << 20
_SMALL_CHUNK = 4 << 10
LARGEST = 256 << 20
"""Bytes that a payload may unpack to: the largest vmlinux of a distribution, without its symbols, has some 100 MiB."""
_LZMA_MEMORY = 256 << 20
_LZ4_BLOCK = 8 << 20
"""Bytes that one block of the legacy LZ4 format unpacks to at most (lib/decompress_unlz4.c)."""

Pieces = Iterator[bytes]


class Stream:
    """Bytes that are read once, in pieces; ``peek`` looks ahead."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end; they come again."""
        parts, have = [self._ahead], len(self._ahead)
        while have < size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            have += len(piece)
        self._ahead = b"".join(parts)
        return self._ahead[:size]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece, self._ahead = self._ahead, b""
        while not piece:
            piece = next(self._pieces)
        return piece

    def part(self, offset: int, size: int, cut: str) -> Pieces:
        """``size`` bytes after ``offset`` more. Raises InputError with ``cut`` where the stream ends before they do."""
        while size:
            piece = next(self, None)
            if piece is None:
                raise InputError(cut)
            inside, self._ahead = piece[offset : offset + size], piece[offset + size :]
            offset = max(offset - len(piece), 0)
            size -= len(inside)
            if inside:
                yield inside


def payload_kind(head: bytes) -> str | None:
    """How a payload that begins with ``head`` is compressed: gzip, xz, bzip2, lzma, lz4, zstd, lzo; None for none of them."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def unpacked(stream: Stream) -> Pieces:
    """What a payload holds, at most LARGEST bytes. Raises InputError that says what is missing or damaged, or that it is too much."""
    kind = payload_kind(stream.peek(16))
    if kind is None:
        raise InputError("the payload's compression is not known")
    unpack = _UNPACKERS.get(kind)
    if unpack is None:
        raise InputError(f"the payload is compressed by {kind}, which is not read here: give the unpacked vmlinux")
    size = 0
    try:
        for piece in unpack(stream):
            size += len(piece)
            if size > LARGEST:
                raise InputError(f"the payload unpacks to more than {LARGEST >> 20} MiB: no kernel is as large")
            yield piece
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise InputError(f"the payload is damaged ({kind}: {error})") from None
    # That the payload is there to its end is known at its end only.
    for _ in stream:
        pass


def _gzip(stream: Stream) -> Pieces:
    inflate = zlib.decompressobj(wbits=31)
    for piece in stream:
        rest = piece
        while rest and not inflate.eof:
            yield inflate.decompress(rest, _CHUNK)
            rest = inflate.unconsumed_tail
        if inflate.eof:
            return
    # What is still inside, where the last piece unpacks to more than a chunk.
    yield inflate.flush()
    if not inflate.eof:
        raise EOFError("it ends in the middle")


def _python(make: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]) -> Callable[[Stream], Pieces]:
    def pieces(stream: Stream) -> Pieces:
        unpack = make()
        while not unpack.eof:
            more = next(stream, None) if unpack.needs_input else b""
            if more is None:
                raise EOFError("it ends in the middle")
            yield unpack.decompress(more, _CHUNK)

    return pieces


def _zstd(stream: Stream) -> Pieces:
    try:
        import zstandard
    except ImportError:
        raise InputError("the payload is compressed by zstd: pip install 'kho-tui[images]' (or zstandard) to read it") from None
    unpack = zstandard.ZstdDecompressor().decompressobj()
    try:
        for piece in stream:
            # In small steps: a frame may unpack to ten thousand times its size.
            for at in range(0, len(piece), _SMALL_CHUNK):
                yield unpack.decompress(piece[at : at + _SMALL_CHUNK])
                if unpack.eof:
                    return
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    raise EOFError("it ends in the middle")


def _lz4(stream: Stream) -> Pieces:
    """The legacy format: blocks of a 32-bit size each, until the size is none."""
    try:
        import lz4.block
    except ImportError:
        raise InputError("the payload is compressed by lz4: pip install 'kho-tui[images]' (or lz4) to read it") from None
    b"".join(stream.part(0, 4, "it ends in the middle"))
    while True:
        size = int.from_bytes(stream.peek(4), "little")
        # Behind the last block stands the size of the whole, which is no block.
        if not 0 < size <= _LARGEST_BLOCK or len(stream.peek(4 + size)) < 4 + size:
            return
        block = b"".join(stream.part(4, size, ""))
        try:
            yield lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise ValueError(str(error)) from None


_LARGEST_BLOCK = _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16
"""Bytes of a block that does not get shorter (LZ4_compressBound)."""

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89LZO\0", "lzo"),
)

_UNPACKERS: dict[str, Callable[[Stream], Pieces]] = {
    "gzip": _gzip,
    "xz": _python(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
    "lzma": _python(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY)),
    "bzip2": _python(bz2.BZ2Decompressor),
    "zstd": _zstd,
    "lz4": _lz4,
}
