"""Writing a capture directory: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.text import visible


def require_unused(path: str | Path, source: str | Path | None = None) -> None:
    """Raises InputError where ``path`` holds anything, lies in the ``source`` that is read for it, or where nothing can be written."""
    final = Path(path)
    try:
        if final.is_symlink() or (final.exists() and (not final.is_dir() or any(final.iterdir()))):
            raise InputError(f"{visible(str(path))} exists and is not an empty directory: name another one")
        there = next(one for one in (final.absolute(), *final.absolute().parents) if one.exists() or one.is_symlink())
        if not there.is_dir():
            raise InputError(f"{visible(str(path))}: {visible(str(there))} is not a directory: name another place")
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputError(f"{visible(str(path))}: nothing can be written in {visible(str(there))}: name another place")
        if source is not None and Path(source).is_dir() and final.resolve().is_relative_to(Path(source).resolve()):
            raise InputError(f"{visible(str(path))} lies in what is read, {visible(str(source))}: name another one")
    except (OSError, RuntimeError) as error:
        raise InputError(f"{visible(str(path))}: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def new_directory(path: str | Path) -> Iterator[Path]:
    """A directory beside ``path`` to write to, which becomes ``path`` at the end; after an error nothing is left.

    What is written is memory of a kernel: nobody else may read it, from the first byte on. A directory that is there already keeps its
    mode and owner. Raises InputError where ``path`` holds anything, or cannot be written.
    """
    require_unused(path)
    final = Path(path)
    before = _identity(final)
    made: Path | None = None
    parents = [parent for parent in final.absolute().parents if not parent.exists()]
    done = False
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        yield made
        if _identity(final) != before or (before is not None and any(final.iterdir())):
            raise InputError(f"{visible(str(path))} is not what it was when this began: name another one")
        if before is not None:
            _move_into(made, final)
        else:
            made.rename(final)
        done = True
    except OSError as error:
        raise InputError(f"{visible(str(path))}: {error.strerror}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        for parent in () if done else parents:
            with suppress(OSError):
                parent.rmdir()


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells whether a path still is what it was; None where nothing is there."""
    try:
        told = path.lstat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino


def _move_into(made: Path, final: Path) -> None:
    """All or nothing of a directory into an empty one."""
    moved: list[Path] = []
    try:
        moved.extend(one.rename(final / one.name) for one in sorted(made.iterdir()))
    except OSError:
        for one in moved:
            one.rename(made / one.name)
        raise


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file of a directory that ``new_directory`` made, for its owner only. Raises OSError where anything is there."""
    for parent in reversed([parent for parent in path.parents if not parent.exists()]):
        parent.mkdir(mode=0o700)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as stream:
        yield stream


def write_capture(
    directory: Path,
    files: Mapping[str, bytes],
    memory: PhysicalMemory | None,
    platform: Platform,
    machine: str,
    manifest: Mapping[str, object],
    context: Context,
) -> None:
    """``files`` by path, ``memory`` as memory.elf unless there is none, and capture.json. ``machine``: x86_64 or aarch64.

    Raises InputError for a path that leads out of the capture, EncodeError, Cancelled, and OSError of the file system.
    """
    for name, data in sorted(files.items()):
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or any(part in ("..", "") or "\0" in part for part in parts):
            raise InputError(f"{visible(name)} is no path inside a capture")
        with new_file(directory.joinpath(*parts)) as stream:
            stream.write(data)
    if memory is not None and memory.total_bytes:
        with new_file(directory / "memory.elf") as stream:
            write_elf_core(stream, memory, machine, platform.byte_order, context)
    told = {"machine": machine, "page_size": platform.page_size, "byte_order": platform.byte_order, **manifest}
    with new_file(directory / "capture.json") as stream:
        stream.write((json.dumps(told, indent=1, default=str) + "\n").encode())
