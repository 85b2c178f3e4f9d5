"""Reads the files of one capture and keeps the account of what every file gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kho_tui.capture.files import FileTree
from kho_tui.capture.proc import Lines
from kho_tui.capture.sources import SourceFile
from kho_tui.context import Context
from kho_tui.errors import InputError, KhoError, ReadError
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.text import SafeText, human_size, plural, visible, where_shown

T = TypeVar("T")

BLOB_LIMIT = 16 << 20
MOST_BLOBS = 64 << 20
"""Bytes of all blobs of a capture. A kernel shows a few pages."""
LIVE_BLOB_LIMIT = 1 << 20
"""Bytes of one blob of a running machine, in debugfs or where a root FDT says: a size that is wrong must not make a copy of its memory."""
TEXT_LIMIT = 16 << 20
LOG_LIMIT = 64 << 20


class CaptureReader:
    """A tree, and for every file of it what was made of it. Problems become notes of the tree, never exceptions."""

    def __init__(self, tree: FileTree, context: Context, *, live: bool = False) -> None:
        self.tree = tree
        self.notes = tree.notes
        self.paths = tuple(tree.paths())
        self._present = frozenset(self.paths)
        self._context = context
        self._files: dict[str, SourceFile] = {}
        self._left = MOST_BLOBS
        self._not_here = Unavailable(SafeText(f"not {where_shown(live=live)}"))
        self._longest = LIVE_BLOB_LIMIT if live else BLOB_LIMIT

    def has(self, path: str) -> bool:
        """True where the capture holds such a file."""
        return path in self._present

    def called(self, *paths: str) -> str:
        """The first of these names of one file that the capture has; the first of all where it has none."""
        return next((path for path in paths if path in self._present), paths[0])

    def below(self, prefix: str) -> tuple[str, ...]:
        """Paths that begin with ``prefix``."""
        return tuple(path for path in self.paths if path.startswith(prefix))

    def record(self, path: str, size: int | None, gave: str, note: str = "") -> None:
        """Account for a file."""
        self._files[path] = SourceFile(visible(path), size, gave, SafeText(note))

    def failed(self, path: str, error: KhoError) -> SafeText:
        """Note that a file could not be read, and account for it. Returns the reason without the file's name."""
        reason = SafeText(str(error).removeprefix(f"{visible(path)}: "))
        self.notes.add(path, reason)
        self.record(path, None, "could not be read", reason)
        return reason

    def read(self, path: str, gave: str, limit: int = TEXT_LIMIT) -> bytes | Missing:
        """A file's bytes, or why there are none."""
        if path not in self._present:
            return self._not_here
        self._context.step("reading the capture")
        try:
            data = self.tree.read(path, limit)
        except (ReadError, InputError) as error:
            return Unavailable(self.failed(path, error))
        self.record(path, len(data), gave)
        return data

    def blob(self, path: str, gave: str) -> Blob | None:
        """A file of debugfs as a blob. An empty one is none: the kernel shows no empty blobs, but copies by stat size are empty."""
        if not self._left and self.has(path):
            self.failed(path, ReadError(f"not read: the files before it have {human_size(MOST_BLOBS)}"))
            return None
        data = self.read(path, gave, min(self._longest, self._left))
        if isinstance(data, Missing):
            return None
        self._left -= len(data)
        if not data:
            self.notes.add(path, "empty: copied by its stat size, which is 0 for every file of debugfs")
            self.record(path, 0, "nothing", "empty")
            return None
        return Blob(data, Place(Origin.DEBUGFS, path, 0, None))

    def parsed(self, path: str, gave: str, parse: Callable[[bytes], T | Missing]) -> T | Missing:
        """A text file through its parser; a file that is there and gives nothing is noted."""
        data = self.read(path, gave)
        if isinstance(data, Missing):
            return data
        if not data.strip():
            result: T | Missing = Unavailable(SafeText("the file is empty (files of /proc have size 0 for stat: copy with cat)"))
        else:
            result = parse(data)
        if isinstance(result, Missing):
            self.notes.add(path, result.reason)
            self.record(path, len(data), "nothing", result.reason)
        return result

    def rows(self, path: str, gave: str, parse: Callable[[bytes], Lines[T] | Missing]) -> tuple[T, ...] | Missing:
        """A file of lines; lines that could not be read are noted."""
        lines = self.parsed(path, gave, parse)
        if isinstance(lines, Missing):
            return lines
        if lines.skipped:
            self.notes.add(path, f"{plural(lines.skipped, 'line')} could not be read")
        return lines.rows

    def account(self) -> tuple[SourceFile, ...]:
        """One entry for every file of the capture, in the order of their paths."""
        return tuple(self._files.get(path) or SourceFile(visible(path), None, "not used") for path in self.paths)
