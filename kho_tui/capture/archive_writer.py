"""A capture directory as one file that only its owner may read."""

from __future__ import annotations

import errno
import gzip
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, cast

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.text import visible

ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar", ".tar.zst")


def is_archive_name(name: str) -> bool:
    """Whether a capture of this name is written as one file.

    >>> is_archive_name("srv1.tar.gz"), is_archive_name("srv1")
    (True, False)
    """
    return name.endswith(ARCHIVE_ENDINGS)


def require_place(archive: Path) -> None:
    """Raises InputError where ``archive`` cannot become a file: it exists, nothing can be made beside it, or a package is not there."""
    shown, folder = visible(str(archive)), archive.absolute().parent
    try:
        if archive.is_symlink() or archive.exists():
            raise InputError(f"{shown} exists: name another one")
        if not folder.is_dir():
            there = folder.exists() or folder.is_symlink()
            how = "name another place" if there else "make it first, or name another place"
            raise InputError(f"{shown}: {visible(str(folder))} {'is not a directory' if there else 'does not exist'}: {how}")
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{shown}: nothing can be written in {visible(str(folder))}: name another place")
    if archive.name in ARCHIVE_ENDINGS or archive.name.removesuffix(_ending(archive.name)) in (".", ".."):
        raise InputError(f"{shown}: a name is needed before its ending")
    if archive.name.endswith(".zst"):
        _zstandard(archive.name)


def _ending(name: str) -> str:
    return next(ending for ending in ARCHIVE_ENDINGS if name.endswith(ending))


def pack(directory: Path, archive: Path, context: Context) -> None:
    """Write all files below ``directory`` to ``archive``, in a folder that is called as the archive is, without its ending.

    The archive is 0600 from its first byte, and has its name only once it is whole. Raises InputError where it exists, cannot be
    written, or needs a package that is not installed; Cancelled.
    """
    shown = visible(str(archive))
    require_place(archive)
    top = archive.name.removesuffix(_ending(archive.name))
    unfinished = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as stream, _compressed(stream, archive.name) as out, tarfile.open(fileobj=out, mode="w|") as tar:
            for path in sorted(directory.rglob("*")):
                context.step("packing the capture")
                if path.is_file():
                    tar.add(path, f"{top}/{path.relative_to(directory)}", recursive=False)
        _take_name(unfinished, archive)
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _take_name(unfinished: Path, archive: Path) -> None:
    """Give a file its name, not over one that came meanwhile; a file system without hard links is asked first instead."""
    try:
        os.link(unfinished, archive)
    except FileExistsError:
        raise
    except OSError:
        if archive.exists() or archive.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        unfinished.rename(archive)


@contextmanager
def _compressed(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    if name.endswith(".tar"):
        yield stream
    elif name.endswith(".zst"):
        with _zstandard(name).open(stream, "wb") as packed:
            yield cast("BinaryIO", packed)
    else:
        with gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=6) as zipped:
            yield cast("BinaryIO", zipped)


def _zstandard(name: str) -> ModuleType:
    try:
        import zstandard
    except ImportError:
        raise InputError(f"{visible(name)}: writing .zst needs the package zstandard: pip install 'kho-tui[images]'") from None
    return zstandard
