"""Compressed files: recognised by their first bytes, unpacked under a budget into temporary files that have no name."""

from __future__ import annotations

import bz2
import io
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from kho_tui.capture.files import Notes, why
from kho_tui.context import Context
from kho_tui.errors import InputError, ReadError
from kho_tui.memory.source import ByteSource, FileSource
from kho_tui.text import visible

_CHUNK = 1 << 20
_LZMA_MEMORY = 256 << 20
"""Bytes an xz stream may ask for its dictionary; `xz -9` needs 65 MiB."""
_ZSTD_WINDOW = 128 << 20
"""Bytes a zstd stream may look back: what ``zstd --ultra -22`` needs."""
_ZSTD_INPUT = 256
"""Bytes given to zstd at once: a block of 4 bytes may stand for 128 KiB."""
_LARGEST_READ = 16 << 20
"""Bytes tarfile and zipfile may ask for at once: they take sizes from the archive at their word."""


class Decompressor(Protocol):
    """What zlib, lzma and bz2 have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether it gives nothing more without more input."""

    @property
    def unused_data(self) -> bytes:
        """What stood behind the end of the stream in the last input."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """What ``data`` and what came before it give, at most ``max_length`` bytes where that is not negative."""


class Gzip:
    """zlib with the interface of the other two. Checks the stream's own checksum."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """See Decompressor."""
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        """See Decompressor."""
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        """See Decompressor."""
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """See Decompressor."""
        return self._stream.decompress(self._stream.unconsumed_tail + data, max(max_length, 0))


class Zstd:
    """The package zstandard with the same interface. Raises InputError where it is not installed, ValueError for damage."""

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError:
            raise InputError("compressed by zstd: pip install 'kho-tui[images]' (or zstandard) to read it") from None
        self._error: type[Exception] = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self._pending = b""

    @property
    def eof(self) -> bool:
        """See Decompressor."""
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        """See Decompressor."""
        return self._stream.unused_data + self._pending

    @property
    def needs_input(self) -> bool:
        """See Decompressor."""
        return not self._pending

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """See Decompressor. The package knows no limit: as little goes in at once as gives some MiB at most."""
        given = self._pending + data
        self._pending = given[_ZSTD_INPUT:]
        try:
            return self._stream.decompress(given[:_ZSTD_INPUT])
        except self._error as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Compression:
    """A kind of compressed file. ``make`` is None where it is recognised only to say how to unpack it."""

    name: str
    magic: bytes
    make: Callable[[], Decompressor] | None


_COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b", Gzip),
    Compression("bzip2", b"BZh", bz2.BZ2Decompressor),
    Compression("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
    Compression("zstd", b"\x28\xb5\x2f\xfd", Zstd),
    Compression("lz4", b"\x04\x22\x4d\x18", None),
    Compression("7z", b"7z\xbc\xaf\x27\x1c", None),
)


def compression_of(head: bytes) -> Compression | None:
    """How a file that begins with ``head`` is compressed."""
    return next((one for one in _COMPRESSIONS if head.startswith(one.magic)), None)


def unpack(source: ByteSource, how: Compression, context: Context, notes: Notes, closer: ExitStack) -> FileSource:
    """What a compressed file holds, in a temporary file without a name that ``closer`` closes.

    A file damaged in the middle gives what came before, with a note. Raises InputError where nothing can be unpacked,
    BudgetError where it is too much.
    """
    shown = visible(source.name)
    if how.make is None:
        raise InputError(f"{shown}: compressed by {how.name}, which is not read here; unpack it first")
    out = closer.enter_context(temporary_file())
    size = 0
    try:
        for part in _decompressed(source, how.make, context):
            context.spend_temporary(len(part))
            write_out(out, part)
            size += len(part)
    except (EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        reason = "it ends in the middle" if isinstance(error, EOFError) else str(error)
        if not size:
            raise InputError(f"{shown}: damaged {how.name} file: {reason}") from None
        notes.add(source.name, f"damaged {how.name} file ({reason}): only the first {size} bytes of its content can be read")
    return FileSource(out.fileno(), source.name, 0, size)


def temporary_file() -> io.FileIO:
    """A new file that has no name and goes away when closed. Raises ReadError."""
    try:
        return tempfile.TemporaryFile(buffering=0, prefix="kho-tui-")
    except OSError as error:
        raise ReadError(f"no temporary file can be made: {why(error)} (TMPDIR says where)") from None


def write_out(out: io.FileIO, data: bytes) -> None:
    """All of ``data`` to a temporary file. Raises ReadError, so that a full disk is never taken for a damaged archive."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[out.write(rest) or 0 :]
    except OSError as error:
        raise ReadError(f"no room to unpack: {why(error)} (TMPDIR says where)") from None


def unpack_bytes(data: bytes, limit: int) -> bytes | None:
    """A small gzip file's content; None where it is damaged or longer than ``limit`` bytes."""
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(data, limit)
    except zlib.error:
        return None
    return content if stream.eof else None


def _decompressed(source: ByteSource, make: Callable[[], Decompressor], context: Context) -> Iterator[bytes]:
    """The content in pieces of at most _CHUNK bytes. Several streams in a row are one content; zeros after the last are padding."""
    stream = make()
    offset = 0
    pending = b""
    what = f"unpacking {visible(source.name)}"
    while True:
        context.step(what, offset, source.size, "bytes")
        if stream.eof:
            pending = (stream.unused_data + pending).lstrip(b"\0")
            while not pending:
                pending = source.read_at(offset, _CHUNK)
                offset += len(pending)
                if not pending:
                    return
                pending = pending.lstrip(b"\0")
            stream = make()
        elif stream.needs_input and not pending:
            pending = source.read_at(offset, _CHUNK)
            offset += len(pending)
            if not pending:
                raise EOFError
        given, pending = pending, b""
        part = stream.decompress(given, _CHUNK)
        if part:
            yield part


class SourceFile(io.RawIOBase):
    """A byte source as a file object, for the libraries that read archives."""

    def __init__(self, source: ByteSource) -> None:
        super().__init__()
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The offset of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.IOBase."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        if self._at < 0:
            raise OSError(0, "a place before the start of the file")
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes. Raises OSError where more than _LARGEST_READ would come at once."""
        left = max(self._source.size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > _LARGEST_READ:
            raise OSError(0, f"a table of {wanted} bytes")
        data = self._source.read_at(self._at, wanted)
        self._at += len(data)
        return data
