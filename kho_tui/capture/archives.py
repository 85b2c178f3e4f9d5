"""Archives as file trees, read in place: members are found once and read at their offset, never extracted."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Literal, TypeVar

from kho_tui.capture.files import MAX_DEPTH, MAX_ENTRIES, Notes, TreeKind, read_source
from kho_tui.capture.unpack import SourceFile, temporary_file, write_out
from kho_tui.context import Context
from kho_tui.errors import InputError, ReadError
from kho_tui.memory.source import ByteSource, FileSource
from kho_tui.text import visible

_Member = TypeVar("_Member")

_CHUNK = 1 << 20
_ZIP_LOCAL_HEADER = 30
"""Bytes of a member's local header before its name and extra field, whose u16 lengths lie at 26 and 28 (PKWARE APPNOTE 4.3.7)."""
_ENCRYPTED = 1
_UTF8_NAME = 0x800
_LONGEST_LINK = 4096
"""PATH_MAX."""
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error, NotImplementedError)
_ZIP_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})


def archive_kind(head: bytes) -> Literal["tar", "zip"] | None:
    """The kind of archive that begins with ``head`` (512 bytes or more for a tar)."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    return "tar" if _is_tar_header(head[:512]) else None


def _is_tar_header(block: bytes) -> bool:
    """True where the checksum of the block is that of a tar header: old tars have no magic."""
    if len(block) < 512 or not any(block):
        return False
    try:
        stored = int(block[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return stored == sum(block) - sum(block[148:156]) + 8 * 0x20


def member_name(name: str) -> str | None:
    """A member's name as a relative path: ``.`` and empty parts dropped, ``..`` kept as a mere name. None for no file or one too deep."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts) if parts and len(parts) <= MAX_DEPTH + 1 and not name.endswith("/") else None


def _link_target(name: str, link: str) -> str:
    """The member that a relative link of ``name`` leads to; "" for none."""
    return member_name(os.path.normpath(f"{name.rpartition('/')[0]}/{link}".lstrip("/"))) or ""


def _follow(links: Mapping[str, str], members: dict[str, _Member], notes: Notes) -> None:
    """Give the names of links to the members that they lead to."""
    for name, target in links.items():
        member = members.get(target)
        if member is None:
            notes.add(name, "a link that leads to no file of the archive: not followed")
        else:
            members.setdefault(name, member)


@dataclass(frozen=True, slots=True)
class _TarMember:
    offset: int
    size: int
    runs: tuple[tuple[int, int], ...] | None
    """(offset in the file, bytes) of what a sparse member stores; None where it is stored whole."""


def _runs(info: tarfile.TarInfo) -> tuple[tuple[int, int], ...]:
    stored: Iterable[tuple[int, int]] = info.sparse or ()  # type: ignore[assignment]
    return tuple(stored)


class TarTree:
    """An uncompressed tar. A tar that ends in the middle gives the members before the end, with a note."""

    kind: TreeKind = "tar"

    def __init__(self, source: FileSource, context: Context, notes: Notes, closer: ExitStack) -> None:
        self.name = source.name
        self.notes = notes
        self._source = source
        self._context = context
        self._closer = closer
        self._members = dict(sorted(self._find().items()))

    def paths(self) -> Sequence[str]:
        """See FileTree."""
        return tuple(self._members)

    def open(self, path: str) -> ByteSource:
        """See FileTree."""
        member = self._member(path)
        if member.runs is not None:
            return self._unpack_sparse(path, member)
        view = self._source.view(member.offset, member.size, path)
        if view.size < member.size:
            self.notes.add(path, f"the archive ends after {view.size} of {member.size} bytes")
        return view

    def read(self, path: str, limit: int) -> bytes:
        """See FileTree."""
        return read_source(self.open(path), limit, self.notes, path)

    def head(self, path: str, size: int) -> bytes:
        """See FileTree."""
        member = self._member(path)
        if member.runs is not None:
            return self.open(path).read_at(0, size)
        return self._source.read_at(member.offset, min(size, member.size))

    def close(self) -> None:
        """See FileTree."""
        self._closer.close()

    def _member(self, path: str) -> _TarMember:
        try:
            return self._members[path]
        except KeyError:
            raise ReadError(f"{visible(path)}: no such file in {visible(self.name)}") from None

    def _find(self) -> dict[str, _TarMember]:
        """The members of the tar, and of those that were put behind it (cat a.tar b.tar): of one name the last counts, as for tar -i."""
        found: dict[str, _TarMember] = {}
        links: dict[str, str] = {}
        start: int | None = 0
        try:
            while start is not None:
                start = self._read_from(start, found, links)
        # tarfile lets errors of the number parsers, of zlib and of its own pass, depending on what is damaged.
        except (tarfile.TarError, OSError, ValueError, EOFError, IndexError, KeyError, OverflowError, MemoryError) as error:
            if not found:
                raise InputError(f"{visible(self.name)}: damaged tar: {visible(str(error))}") from None
            self.notes.add("", f"the tar is damaged after {len(found)} files: {visible(str(error))}")
        _follow(links, found, self.notes)
        return found

    def _read_from(self, start: int, found: dict[str, _TarMember], links: dict[str, str]) -> int | None:
        """Read one tar of the file; where the next one begins, None where there is none."""
        stream = SourceFile(self._source)
        stream.seek(start)
        with tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape") as tar:
            while (info := tar.next()) is not None:
                # tarfile keeps every header it has seen; names are all that is needed here.
                tar.members.clear()  # type: ignore[attr-defined]
                self._context.step(f"reading {visible(self.name)}", info.offset, self._source.size, "bytes")
                if len(found) + len(links) >= MAX_ENTRIES:
                    self.notes.add("", f"more than {MAX_ENTRIES} members: the rest is not looked at")
                    return None
                self._add(found, links, info)
            if self._source.read_at(tar.offset, 512) != bytes(512):
                self.notes.add("", f"the tar has no end mark after {len(found)} files: it is cut off or damaged there")
                return None
            return self._next_tar(tar.offset)

    def _next_tar(self, end: int) -> int | None:
        """Where the first block behind an end mark lies that is not zero, where a tar begins there; anything else is said."""
        for at in range(end, self._source.size, _CHUNK):
            self._context.step(f"reading {visible(self.name)}", at, self._source.size, "bytes")
            data = self._source.read_at(at, _CHUNK)
            rest = data.lstrip(b"\0")
            if rest:
                start = at + (len(data) - len(rest)) // 512 * 512
                if _is_tar_header(self._source.read_at(start, 512)):
                    return start
                self.notes.add("", f"{self._source.size - start} bytes behind the end of the tar are no tar: not read")
                return None
        return None

    def _add(self, found: dict[str, _TarMember], links: dict[str, str], info: tarfile.TarInfo) -> None:
        name = member_name(info.name)
        if info.isdir() or name is None:
            return
        if info.issym() and not info.linkname.startswith("/"):
            links[name] = _link_target(name, info.linkname)
        elif info.islnk() and (target := found.get(member_name(info.linkname) or "")) is not None:
            found[name] = target
        elif info.size < 0 or info.offset_data < 0:
            self.notes.add(name, "a negative size in the archive: not read")
        elif info.issparse():
            found[name] = _TarMember(info.offset_data, info.size, _runs(info))
        elif info.isreg():
            found[name] = _TarMember(info.offset_data, info.size, None)
        else:
            self.notes.add(name, "a link or device in the archive: not followed")

    def _unpack_sparse(self, path: str, member: _TarMember) -> FileSource:
        """A member with holes in a temporary file with the same holes; a hole of a file holds zeros."""
        out = self._closer.enter_context(temporary_file())
        at = member.offset
        try:
            for start, size in member.runs or ():
                out.seek(start)
                for done in range(0, size, _CHUNK):
                    part = self._source.read_at(at + done, min(_CHUNK, size - done))
                    self._context.spend_temporary(len(part))
                    self._context.step(f"unpacking {visible(path)}", start + done, member.size, "bytes")
                    write_out(out, part)
                    if len(part) < min(_CHUNK, size - done):
                        raise ReadError(f"{visible(path)}: the archive ends in the middle of it")
                at += size
            os.ftruncate(out.fileno(), member.size)
        except (OSError, ValueError, OverflowError) as error:
            raise ReadError(f"{visible(path)}: a sparse member that cannot be unpacked: {visible(str(error))}") from None
        return FileSource(out.fileno(), path, 0, member.size)


class ZipTree:
    """A zip. Stored members are read in place, compressed ones through a temporary file when they are asked for."""

    kind: TreeKind = "zip"

    def __init__(self, source: FileSource, context: Context, notes: Notes, closer: ExitStack) -> None:
        self.name = source.name
        self.notes = notes
        self._source = source
        self._context = context
        self._closer = closer
        try:
            self._zip = closer.enter_context(zipfile.ZipFile(SourceFile(source)))
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, OverflowError, NotImplementedError, MemoryError) as error:
            raise InputError(f"{visible(self.name)}: damaged zip (or cut off, its table is at the end): {visible(str(error))}") from None
        if len(infos) > MAX_ENTRIES:
            self.notes.add("", f"more than {MAX_ENTRIES} members: the rest is not looked at")
        self._members: dict[str, zipfile.ZipInfo] = {}
        links: dict[str, str] = {}
        for info in infos[:MAX_ENTRIES]:
            name = member_name(self._with_folders(_zip_name(info)))
            if name is None:
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind == stat.S_IFLNK:
                links[name] = self._target_of(name, info)
            elif kind in (0, stat.S_IFREG):
                self._members[name] = info
            elif kind != stat.S_IFDIR:
                self.notes.add(name, "a device, fifo or socket in the archive: not read")
        _follow(links, self._members, self.notes)
        self._members = dict(sorted(self._members.items()))
        if self._members and all(info.flag_bits & _ENCRYPTED for info in self._members.values()):
            raise InputError(f"{visible(self.name)}: an encrypted zip; unpack it with its password first")

    def _target_of(self, name: str, info: zipfile.ZipInfo) -> str:
        """The member that a link leads to: its content is the path. "" where that cannot be read, or leads out of the archive."""
        try:
            with self._stream(info) as stream:
                link = os.fsdecode(stream.read(_LONGEST_LINK))
        except (*_ZIP_ERRORS, RuntimeError):
            return ""
        return "" if link.startswith("/") else _link_target(name, link)

    def _with_folders(self, name: str) -> str:
        r"""A name with ``/`` where Windows' own tools write ``\``."""
        if "/" in name or "\\" not in name:
            return name
        self.notes.add("", "its names have backslashes, as Windows writes them: taken for folders")
        return name.replace("\\", "/")

    def paths(self) -> Sequence[str]:
        """See FileTree."""
        return tuple(self._members)

    def open(self, path: str) -> ByteSource:
        """See FileTree."""
        info = self._member(path)
        if info.compress_type == zipfile.ZIP_STORED:
            return self._view(path, info)
        out = self._closer.enter_context(temporary_file())
        size = 0
        try:
            with self._stream(info) as stream:
                while part := stream.read(_CHUNK):
                    self._spend(path, part, size, info)
                    write_out(out, part)
                    size += len(part)
        except (*_ZIP_ERRORS, RuntimeError) as error:
            if not size:
                raise ReadError(f"{visible(path)}: damaged in the zip: {visible(str(error))}") from None
            self.notes.add(path, f"damaged in the zip ({visible(str(error))}): only its first {size} bytes can be read")
        return FileSource(out.fileno(), path, 0, size)

    def read(self, path: str, limit: int) -> bytes:
        """See FileTree."""
        info = self._member(path)
        if info.compress_type == zipfile.ZIP_STORED:
            return read_source(self._view(path, info), limit, self.notes, path)
        data = self._inflate(path, info, limit + 1)
        if len(data) > limit:
            self.notes.add(path, f"longer than {limit} bytes, cut")
        return data[:limit]

    def head(self, path: str, size: int) -> bytes:
        """See FileTree."""
        info = self._member(path)
        if info.compress_type == zipfile.ZIP_STORED:
            return self._view(path, info).read_at(0, size)
        return self._inflate(path, info, size)

    def close(self) -> None:
        """See FileTree."""
        self._closer.close()

    def _inflate(self, path: str, info: zipfile.ZipInfo, limit: int) -> bytes:
        data = bytearray()
        try:
            with self._stream(info) as stream:
                while len(data) < limit and (part := stream.read(min(_CHUNK, limit - len(data)))):
                    self._spend(path, part, len(data), info)
                    data += part
        except (*_ZIP_ERRORS, RuntimeError) as error:
            raise ReadError(f"{visible(path)}: damaged in the zip: {visible(str(error))}") from None
        return bytes(data)

    def _member(self, path: str) -> zipfile.ZipInfo:
        try:
            info = self._members[path]
        except KeyError:
            raise ReadError(f"{visible(path)}: no such file in {visible(self.name)}") from None
        if info.flag_bits & _ENCRYPTED:
            raise ReadError(f"{visible(path)}: encrypted in the zip")
        if info.compress_type not in _ZIP_METHODS:
            raise ReadError(f"{visible(path)}: compressed in the zip by method {info.compress_type}, which is not read")
        return info

    def _stream(self, info: zipfile.ZipInfo) -> IO[bytes]:
        return self._zip.open(info)

    def _spend(self, path: str, part: bytes, done: int, info: zipfile.ZipInfo) -> None:
        self._context.spend_temporary(len(part))
        self._context.step(f"unpacking {visible(path)}", done, info.file_size, "bytes")

    def _view(self, path: str, info: zipfile.ZipInfo) -> FileSource:
        header = self._source.read_at(info.header_offset, _ZIP_LOCAL_HEADER) if info.header_offset >= 0 else b""
        if len(header) < _ZIP_LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
            raise ReadError(f"{visible(path)}: the zip has no member where its table says")
        skip = _ZIP_LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        view = self._source.view(info.header_offset + skip, info.file_size, path)
        if view.size < info.file_size:
            self.notes.add(path, f"the zip ends after {view.size} of {info.file_size} bytes")
        return view


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name's own bytes as a file name: zipfile reads names without the UTF-8 flag as cp437."""
    if info.flag_bits & _UTF8_NAME:
        return info.filename
    try:
        return os.fsdecode(info.filename.encode("cp437"))
    except UnicodeEncodeError:
        return info.filename
