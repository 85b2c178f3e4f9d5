"""Bytes of one file by offset: an open file, a part of one, or bytes in memory."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from kho_tui.errors import InputError, ReadError
from kho_tui.text import visible

_PREAD_LIMIT = 1 << 30
"""Bytes asked of one pread. Linux gives at most 0x7ffff000 however many are asked for."""


class ByteSource(Protocol):
    """A file's bytes, or a stretch of them."""

    @property
    def name(self) -> str:
        """The file's name inside the capture, untrusted."""

    @property
    def size(self) -> int:
        """Bytes there were when the source was opened."""

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes from ``offset`` on: ``size`` of them, fewer only where the file ends. Raises ReadError where reading fails."""

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """(offset, bytes) of what is stored of ``size`` bytes from ``offset`` on, ascending: between are holes, which read as zeros.

        Raises ReadError where the source is closed.
        """


class BytesSource:
    """A source over bytes in memory."""

    def __init__(self, data: bytes, name: str = "memory") -> None:
        self.data = data
        self.name = name

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def read_at(self, offset: int, size: int) -> bytes:
        """See ByteSource."""
        _require_counts(offset, size)
        return self.data[offset : offset + size]

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """See ByteSource."""
        yield offset, size


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source under the name it has inside the capture; closed by whoever closes the source."""

    source: ByteSource
    name: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.source.size

    def read_at(self, offset: int, size: int) -> bytes:
        """See ByteSource."""
        return self.source.read_at(offset, size)

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """See ByteSource."""
        return self.source.data_ranges(offset, size)


@dataclass(slots=True)
class _Descriptor:
    """A file descriptor shared by views; None once closed, so that no view ever reads a reused number."""

    number: int | None


class FileSource:
    """``size`` bytes from ``base`` on of an open regular file, read with pread: the file may shrink or change meanwhile.

    The descriptor stays the caller's, except in what ``open_file`` returns. Without ``size`` it is all the file has from
    ``base`` on. Files of debugfs have size 0 by stat and cannot be read through this.
    """

    def __init__(self, fd: int, name: str, base: int = 0, size: int | None = None) -> None:
        self.name = name
        self.size = max(os.fstat(fd).st_size - base, 0) if size is None else size
        _require_counts(base, self.size)
        self._base = base
        self._descriptor = _Descriptor(fd)
        self._owner = False

    def read_at(self, offset: int, size: int) -> bytes:
        """See ByteSource."""
        _require_counts(offset, size)
        fd = self._descriptor.number
        if fd is None:
            raise ReadError(f"{visible(self.name)}: already closed")
        position = self._base + offset
        end = self._base + min(offset + size, self.size)
        parts: list[bytes] = []
        while position < end:
            try:
                part = os.pread(fd, min(end - position, _PREAD_LIMIT), position)
            except OSError as error:
                raise ReadError(f"{visible(self.name)}: reading at offset {position - self._base:#x} failed: {error.strerror}") from None
            if not part:
                break
            parts.append(part)
            position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def data_ranges(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        """See ByteSource. A file system that cannot tell has no holes. Moves the descriptor's own offset, which nothing here uses."""
        _require_counts(offset, size)
        at, end = self._base + offset, self._base + min(offset + size, self.size)
        while at < end:
            # Asked again each time: between two ranges the file may have been closed, and its number given to another.
            fd = self._descriptor.number
            if fd is None:
                raise ReadError(f"{visible(self.name)}: already closed")
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
                hole = min(os.lseek(fd, at, os.SEEK_HOLE), end)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return  # nothing but a hole, or the file got shorter
                hole = end
            if at < end:
                yield at - self._base, hole - at
            at = hole

    def view(self, base: int, size: int, name: str) -> FileSource:
        """``size`` bytes from ``base`` on of this source, fewer where it ends before; closed with this source."""
        if self._descriptor.number is None:
            raise ReadError(f"{visible(self.name)}: already closed")
        _require_counts(base, size)
        part = FileSource(self._descriptor.number, name, self._base + base, min(size, max(self.size - base, 0)))
        part._descriptor = self._descriptor
        return part

    def close(self) -> None:
        """Close the file if this source opened it. May be called twice."""
        if self._owner and self._descriptor.number is not None:
            number, self._descriptor.number = self._descriptor.number, None
            os.close(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_file(path: Path, name: str | None = None, size: int | None = None) -> FileSource:
    """The whole of a regular file; ``name`` is the file's own unless given. The caller closes it.

    ``size``: bytes to take it for, where stat says 0 though it can be read at any offset (/proc/kpageflags).

    Raises InputError where it cannot be opened or is no regular file: a device or a fifo is not even opened, because that
    may wait or change something.
    """
    shown = visible(str(path))
    try:
        _require_regular(path.stat().st_mode, shown)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{shown}: not a file name") from None
    try:
        # Again, because the name may have been given to something else since.
        _require_regular(os.fstat(fd).st_mode, shown)
        source = FileSource(fd, path.name if name is None else name, size=size)
    except BaseException:
        os.close(fd)
        raise
    source._owner = True
    return source


def _require_regular(mode: int, shown: str) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(f"{shown}: is a directory, not a file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{shown}: is a device, fifo or socket; only regular files are read")


def _require_counts(offset: int, size: int) -> None:
    if offset < 0 or size < 0:
        raise ValueError(f"negative offset or size: {offset}, {size}")
