"""The compressed payload of a kernel image, unpacked under a limit. What the kernel's build appends to the stream is ignored."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator

from kho_tui.errors import InputError

_CHUNK = 1 << 20
_SMALL_CHUNK = 4 << 10
_LARGEST = 1 << 30
"""Bytes that a payload may unpack to: a debug vmlinux without its symbols has some 100 MiB."""
_LZMA_MEMORY = 256 << 20
_LZ4_BLOCK = 8 << 20
"""Bytes that one block of the legacy LZ4 format unpacks to at most (lib/decompress_unlz4.c)."""

Pieces = Iterator[bytes]


def payload_kind(head: bytes) -> str | None:
    """How a payload that begins with ``head`` is compressed: gzip, xz, bzip2, lzma, lz4, zstd, lzo; None for none of them."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def unpack_payload(data: bytes) -> bytes:
    """What the payload holds. Raises InputError that says what is missing or damaged."""
    parts: list[bytes] = []
    size = 0
    for part in _pieces(data):
        parts.append(part)
        size += len(part)
        if size > _LARGEST:
            raise InputError(f"the payload unpacks to more than {_LARGEST >> 20} MiB")
    return b"".join(parts)


def payload_head(data: bytes) -> bytes:
    """The first bytes of what the payload holds, to see what it is; empty where there are none. Raises like ``unpack_payload``."""
    return next(filter(None, _pieces(data)), b"")


def _pieces(data: bytes) -> Pieces:
    kind = payload_kind(data[:16])
    if kind is None:
        raise InputError("the payload's compression is not known")
    unpack = _UNPACKERS.get(kind)
    if unpack is None:
        raise InputError(f"the payload is compressed by {kind}, which is not read here: give the unpacked vmlinux")
    try:
        yield from unpack(data)
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise InputError(f"the payload is damaged ({kind}: {error})") from None


def _gzip(data: bytes) -> Pieces:
    stream = zlib.decompressobj(wbits=31)
    rest = data
    while not stream.eof:
        part = stream.decompress(rest, _CHUNK)
        rest = stream.unconsumed_tail
        if not part and not rest and not stream.eof:
            raise EOFError("it ends in the middle")
        yield part


def _python(make: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]) -> Callable[[bytes], Pieces]:
    def pieces(data: bytes) -> Pieces:
        stream = make()
        rest = data
        while not stream.eof:
            part = stream.decompress(rest, _CHUNK)
            rest = b""
            if not part and stream.needs_input and not stream.eof:
                raise EOFError("it ends in the middle")
            yield part

    return pieces


def _zstd(data: bytes) -> Pieces:
    try:
        import zstandard
    except ImportError:
        raise InputError("the payload is compressed by zstd: pip install 'kho-tui[images]' (or zstandard) to read it") from None
    stream = zstandard.ZstdDecompressor().decompressobj()
    try:
        # In small steps: a frame may unpack to ten thousand times its size.
        for at in range(0, len(data), _SMALL_CHUNK):
            yield stream.decompress(data[at : at + _SMALL_CHUNK])
            if stream.eof:
                return
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    raise EOFError("it ends in the middle")


def _lz4(data: bytes) -> Pieces:
    """The legacy format: blocks of a 32-bit size each, until the size is none."""
    try:
        import lz4.block
    except ImportError:
        raise InputError("the payload is compressed by lz4: pip install 'kho-tui[images]' (or lz4) to read it") from None
    at = 4
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        # Behind the last block stands the size of the whole, which is no block.
        if size == 0 or at + 4 + size > len(data):
            break
        try:
            yield lz4.block.decompress(data[at + 4 : at + 4 + size], uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise ValueError(str(error)) from None
        at += 4 + size


_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89LZO\0", "lzo"),
)

_UNPACKERS: dict[str, Callable[[bytes], Pieces]] = {
    "gzip": _gzip,
    "xz": _python(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
    "lzma": _python(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY)),
    "bzip2": _python(bz2.BZ2Decompressor),
    "zstd": _zstd,
    "lz4": _lz4,
}
