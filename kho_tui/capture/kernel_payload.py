"""Bytes of a kernel image as they come: looked at, cut and unpacked in chunks, so that an image takes no more memory than a chunk and the
window of its compression. Several compressed streams in a row are one; what else stands behind the last one is ignored.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator

from kho_tui.capture.unpack import Decompressor, Gzip
from kho_tui.errors import InputError

_CHUNK = 1 << 20
_SMALL_CHUNK = 128
LARGEST = 256 << 20
"""Bytes that a payload may unpack to: the largest vmlinux of a distribution, without its symbols, has some 100 MiB."""
_WINDOW = 128 << 20
"""Bytes that a decompressor may look back: what ``zstd --ultra -22`` and ``xz --lzma2=dict=128MiB`` of the kernel's build need."""
_LZMA_MEMORY = _WINDOW + (16 << 20)
_LZ4_BLOCK = 8 << 20
"""Bytes that one block of the legacy LZ4 format unpacks to at most (lib/decompress_unlz4.c)."""

Chunks = Iterator[bytes]


class Stream:
    """Bytes that are read once, in chunks; ``peek`` looks ahead."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._ahead = memoryview(b"")

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end; they come again."""
        if len(self._ahead) < size:
            parts, have = [bytes(self._ahead)], len(self._ahead)
            while have < size and (chunk := next(self._chunks, None)) is not None:
                parts.append(chunk)
                have += len(chunk)
            self._ahead = memoryview(b"".join(parts))
        return bytes(self._ahead[:size])

    def push(self, data: bytes) -> None:
        """Give back what was read too much: it comes next."""
        self._ahead = memoryview(data + bytes(self._ahead)) if data else self._ahead

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, none at the end only."""
        chunk = self._ahead or memoryview(next(self, b""))
        self._ahead = chunk[size:] if size >= 0 else memoryview(b"")
        return bytes(chunk[:size] if size >= 0 else chunk)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk, self._ahead = bytes(self._ahead), memoryview(b"")
        while not chunk:
            chunk = next(self._chunks)
        return chunk

    def part(self, offset: int, size: int, cut: str) -> Chunks:
        """``size`` bytes after ``offset`` more. Raises InputError with ``cut`` where the stream ends before they do."""
        while offset or size:
            chunk = self.read(offset or min(size, _CHUNK))
            if not chunk:
                raise InputError(cut)
            if offset:
                offset -= len(chunk)
            else:
                size -= len(chunk)
                yield chunk


def payload_kind(head: bytes) -> str | None:
    """How a payload that begins with ``head`` is compressed: gzip, xz, bzip2, lzma, lz4, zstd, lzo; None for none of them."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def unpacked(stream: Stream) -> Chunks:
    """What a payload holds, at most LARGEST bytes. Raises InputError that says what is missing or damaged, or that it is too much."""
    kind = payload_kind(stream.peek(16))
    if kind is None:
        raise InputError("the payload's compression is not known")
    unpack = _UNPACKERS.get(kind)
    if unpack is None:
        raise InputError(f"the payload is compressed by {kind}, which is not read here: give the unpacked vmlinux")
    size = 0
    try:
        for chunk in unpack(stream):
            size += len(chunk)
            if size > LARGEST:
                raise InputError(f"the payload unpacks to more than {LARGEST >> 20} MiB")
            yield chunk
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, RuntimeError) as error:
        raise InputError(f"the payload is damaged ({kind}: {error})") from None
    # That the payload is there to its end is known at its end only.
    for _ in stream:
        pass


def _streams(make: Callable[[], Decompressor], magic: bytes) -> Callable[[Stream], Chunks]:
    """Streams that begin with ``magic``, one behind the other."""

    def chunks(stream: Stream) -> Chunks:
        while True:
            unpack = make()
            while not unpack.eof:
                more = next(stream, None) if unpack.needs_input else b""
                if more is None:
                    raise EOFError("it ends in the middle")
                yield unpack.decompress(more, _CHUNK)
            stream.push(unpack.unused_data)
            if stream.peek(len(magic)) != magic:
                return

    return chunks


def _zstd(stream: Stream) -> Chunks:
    try:
        import zstandard
    except ImportError:
        raise InputError("the payload is compressed by zstd: pip install 'kho-tui[images]' (or zstandard) to read it") from None
    try:
        while True:
            unpack = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
            while not unpack.eof:
                # In small steps: a block of 4 bytes may unpack to 128 KiB.
                more = stream.read(_SMALL_CHUNK)
                if not more:
                    raise EOFError("it ends in the middle")
                yield unpack.decompress(more)
            stream.push(unpack.unused_data)
            if payload_kind(stream.peek(4)) != "zstd":
                return
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None


def _lz4(stream: Stream) -> Chunks:
    """The legacy format: blocks of a 32-bit size each. Behind the last one may stand the size of the whole, which is no block."""
    try:
        import lz4.block
    except ImportError:
        raise InputError("the payload is compressed by lz4: pip install 'kho-tui[images]' (or lz4) to read it") from None
    while True:
        head = stream.peek(5)
        size = int.from_bytes(head[:4], "little")
        if len(head) <= 4 or not size:
            return
        b"".join(stream.part(4, 0, ""))
        if head.startswith(_LZ4_MAGIC):
            continue
        if size > _LARGEST_BLOCK:
            raise EOFError(f"a block of {size} bytes")
        block = b"".join(stream.part(0, size, "the payload is damaged (lz4: it ends in the middle)"))
        try:
            yield lz4.block.decompress(block, uncompressed_size=_LZ4_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise ValueError(str(error)) from None


_LZ4_MAGIC = b"\x02\x21\x4c\x18"
_LARGEST_BLOCK = _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16
"""Bytes of a block that does not get shorter (LZ4_compressBound)."""

_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (_LZ4_MAGIC, "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89LZO\0", "lzo"),
)
_MAGIC = {name: magic for magic, name in _MAGICS}

_UNPACKERS: dict[str, Callable[[Stream], Chunks]] = {
    "gzip": _streams(Gzip, _MAGIC["gzip"]),
    "xz": _streams(lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), _MAGIC["xz"]),
    "lzma": _streams(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY), _MAGIC["lzma"]),
    "bzip2": _streams(bz2.BZ2Decompressor, _MAGIC["bzip2"]),
    "zstd": _zstd,
    "lz4": _lz4,
}
