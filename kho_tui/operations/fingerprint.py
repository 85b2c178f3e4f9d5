"""What a path looks like at a moment, so that a later look can tell what changed. Never raises: a path that is gone looks like nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from kho_tui.capture.files import directory_tree, read_until_eof

_SMALL = 64 << 10
"""Bytes up to which a file is told by its contents: two writes within one tick of the file system's clock have one time stamp."""
_LONGEST = 16 << 20
"""Bytes that are looked at of a file of debugfs."""
_MOST_READ = 1000
"""Files of one path whose contents are read."""

Fingerprint: TypeAlias = Mapping[str, object]
"""A mark for each file by its name below the path ("" for the path itself where it is a file). Equal marks: nothing changed."""

NOTHING: Fingerprint = MappingProxyType({})


def fingerprint(path: str | Path) -> Fingerprint:
    """The marks of all regular files of a directory, or of a single file; empty where there is none.

    Small files, and those of debugfs, which have size 0 and never another time, are told by their contents; others by size, time and
    inode. Files that come, go or cannot be read meanwhile do not matter here.
    """
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - never raises
            return {"": _mark(os.fspath(path), read=True)}
        tree = directory_tree(Path(path))
        root = os.fspath(path)
        return {name: _mark(os.path.join(root, name), read=number < _MOST_READ) for number, name in enumerate(tree.paths())}  # noqa: PTH118
    except (OSError, ValueError):
        return NOTHING


def changed_names(before: Fingerprint, after: Fingerprint) -> tuple[str, ...]:
    """Files that are new, gone or different, sorted."""
    nothing = object()
    return tuple(sorted(n for n in before.keys() | after.keys() if before.get(n, nothing) != after.get(n, nothing)))


def _mark(path: str, *, read: bool) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116 - names may be any bytes
        if read and found.st_size <= _SMALL:
            data, cut = read_until_eof(path, _LONGEST if not found.st_size else _SMALL)
            return hash(data), len(data), cut
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
