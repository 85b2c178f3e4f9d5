"""Trees of files by relative name, whatever holds them: a directory, an archive, a part of either."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from kho_tui.errors import ReadError
from kho_tui.memory.source import ByteSource, BytesSource, NamedSource, open_file
from kho_tui.text import SafeText, visible

TreeKind = Literal["directory", "tar", "zip", "file"]

MAX_ENTRIES = 100_000
"""Files and directories looked at in one tree."""
MAX_DEPTH = 32
"""Directories below the top of a tree."""
MAX_NOTES = 1000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Note:
    """Something that went wrong, or was left out, while reading. ``path`` is the file's name inside the capture ("" for the whole)."""

    path: SafeText
    message: SafeText


class Notes:
    """Notes as they come up, at most MAX_NOTES of them, none twice."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add(self, path: str, message: str) -> None:
        """Note a message of ours (captured text in it already visible) about a file."""
        if len(self._notes) < MAX_NOTES:
            self._notes[Note(visible(path), SafeText(message))] = None
        elif len(self._notes) == MAX_NOTES:
            self._notes[Note(SafeText(""), SafeText(f"more than {MAX_NOTES} problems; the rest is not listed"))] = None

    def __iter__(self) -> Iterator[Note]:
        return iter(tuple(self._notes))


class FileTree(Protocol):
    """Regular files by relative posix path. Nothing is ever written or extracted."""

    @property
    def name(self) -> str:
        """The tree's own name, for messages."""

    @property
    def kind(self) -> TreeKind:
        """What holds the files."""

    @property
    def notes(self) -> Notes:
        """What was left out or cut, and why."""

    def paths(self) -> Sequence[str]:
        """Relative paths of all regular files, sorted; at most MAX_ENTRIES entries, MAX_DEPTH deep (a note where there are more)."""

    def open(self, path: str) -> ByteSource:
        """A file for reading by offset, open as long as the tree. Raises KhoError."""

    def read(self, path: str, limit: int) -> bytes:
        """The file up to its end, whatever size stat claims; cut to ``limit`` bytes with a note. Raises KhoError."""

    def head(self, path: str, size: int) -> bytes:
        """The first ``size`` bytes, fewer where the file is shorter; without a note. Raises KhoError."""

    def close(self) -> None:
        """Close whatever is open."""


def why(error: OSError) -> str:
    """The system's reason in lower case, without the file name."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def read_until_eof(path: str | Path, limit: int) -> tuple[bytes, bool]:
    """(bytes, cut): a file read to its end, at most ``limit`` bytes; ``cut`` where it goes on after them.

    debugfs, procfs and sysfs say size 0, so only the end counts. Regular files only: a fifo or device is not opened. Raises OSError.
    """
    data = b"".join(chunks_until_eof(path, limit))
    return data[:limit], len(data) > limit


def chunks_until_eof(path: str | Path, limit: int) -> Iterator[bytes]:
    """A file to its end in pieces, one byte more than ``limit`` where it goes on after them. As ``read_until_eof``, which see."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - names may be bytes that are no UTF-8
        raise OSError(0, "not a regular file")
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "not a regular file")
        have = 0
        while have <= limit:
            # Not pread: seq files are read from start to end.
            part = os.read(fd, min(limit + 1 - have, _CHUNK))
            if not part:
                break
            have += len(part)
            yield part
    finally:
        os.close(fd)


def read_source(source: ByteSource, limit: int, notes: Notes, path: str) -> bytes:
    """A byte source up to ``limit`` bytes, with a note where it is cut."""
    data = source.read_at(0, limit)
    if source.size > limit:
        notes.add(path, f"{source.size} bytes, cut to {limit}")
    elif len(data) < source.size:
        notes.add(path, f"ends after {len(data)} of {source.size} bytes")
    return data


class MappedTree:
    """Files of the file system under names of our choice: name -> absolute path; ``contents`` are files that exist only here."""

    kind: TreeKind = "directory"

    def __init__(self, name: str, files: Mapping[str, str], notes: Notes, contents: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self.name = name
        self.notes = notes
        self._files = dict(files)
        self._contents = dict(contents)
        self._open = ExitStack()

    def paths(self) -> Sequence[str]:
        """See FileTree."""
        return tuple(sorted((*self._files, *self._contents)))

    def source(self, path: str) -> str | None:
        """The absolute path of a file; None for one that exists only here."""
        return self._files.get(path)

    def open(self, path: str) -> ByteSource:
        """See FileTree."""
        if path in self._contents:
            return BytesSource(self._contents[path], path)
        source = open_file(Path(self._where(path)), name=path)
        self._open.callback(source.close)
        return source

    def read(self, path: str, limit: int) -> bytes:
        """See FileTree."""
        data, cut = self._begin(path, limit)
        if cut:
            self.notes.add(path, f"longer than {limit} bytes, cut")
        return data

    def head(self, path: str, size: int) -> bytes:
        """See FileTree."""
        return self._begin(path, size)[0]

    def close(self) -> None:
        """See FileTree."""
        self._open.close()

    def _begin(self, path: str, limit: int) -> tuple[bytes, bool]:
        if path in self._contents:
            return self._contents[path][:limit], len(self._contents[path]) > limit
        try:
            return read_until_eof(self._where(path), limit)
        except OSError as error:
            raise ReadError(f"{visible(path)}: {why(error)}") from None

    def _where(self, path: str) -> str:
        try:
            return self._files[path]
        except KeyError:
            raise ReadError(f"{visible(path)}: no such file in {visible(self.name)}") from None


def directory_tree(path: Path) -> MappedTree:
    """A directory's regular files. Symlinks are followed to files inside the directory only; directories behind symlinks not at all.

    What cannot be read or is left out becomes a note. Never raises for what is below ``path``.
    """
    notes = Notes()
    root = str(path)
    files: dict[str, str] = {}
    real_root = os.path.realpath(root)
    pending = [("", root, 0)]
    entries = 0
    while pending:
        prefix, where, depth = pending.pop()
        try:
            with os.scandir(where) as listing:
                for entry in listing:
                    entries += 1
                    if entries > MAX_ENTRIES:
                        notes.add("", f"more than {MAX_ENTRIES} entries: the rest is not looked at")
                        return MappedTree(root, files, notes)
                    name = prefix + entry.name
                    if _is_directory(entry):
                        if depth < MAX_DEPTH:
                            pending.append((name + "/", entry.path, depth + 1))
                        else:
                            notes.add(name, f"more than {MAX_DEPTH} directories deep: not looked at")
                    elif problem := _unusable(entry, real_root):
                        notes.add(name, problem)
                    else:
                        files[name] = entry.path
        except OSError as error:
            notes.add(prefix.rstrip("/"), why(error))
    return MappedTree(root, files, notes)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _unusable(entry: os.DirEntry[str], real_root: str) -> str:
    """Why an entry that is no directory is not read; "" for a usable file."""
    try:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if os.path.commonpath([real_root, target]) != real_root:
                return "a symlink out of the capture: not followed"
            if not entry.is_file():
                return "a symlink to something else than a file: not followed"
        elif not entry.is_file(follow_symlinks=False):
            return "a device, fifo or socket: not read"
    except (OSError, ValueError) as error:
        return why(error) if isinstance(error, OSError) else "a broken symlink"
    return ""


class PartOfTree:
    """The files of a tree below ``prefix`` (which ends in ``/``, or is empty), under the names that ``rename`` makes of their paths."""

    def __init__(self, tree: FileTree, prefix: str, rename: Callable[[str], str]) -> None:
        self._tree = tree
        self._files = {rename(path): path for path in tree.paths() if path.startswith(prefix)}
        self.kind = tree.kind
        self.name = f"{tree.name}/{prefix.rstrip('/')}" if prefix else tree.name
        self.notes = tree.notes

    def paths(self) -> Sequence[str]:
        """See FileTree."""
        return tuple(sorted(self._files))

    def open(self, path: str) -> ByteSource:
        """See FileTree."""
        return NamedSource(self._tree.open(self._where(path)), path)

    def read(self, path: str, limit: int) -> bytes:
        """See FileTree."""
        return self._tree.read(self._where(path), limit)

    def head(self, path: str, size: int) -> bytes:
        """See FileTree."""
        return self._tree.head(self._where(path), size)

    def close(self) -> None:
        """See FileTree."""
        self._tree.close()

    def _where(self, path: str) -> str:
        try:
            return self._files[path]
        except KeyError:
            raise ReadError(f"{visible(path)}: no such file in {visible(self.name)}") from None
