"""Writing a capture directory: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.text import visible


def require_unused(path: str | Path) -> None:
    """Raises InputError where ``path`` holds anything, or cannot be looked at."""
    final = Path(path)
    try:
        if final.is_symlink() or (final.exists() and (not final.is_dir() or any(final.iterdir()))):
            raise InputError(f"{visible(str(path))} exists and is not an empty directory: name another one")
    except OSError as error:
        raise InputError(f"{visible(str(path))}: {error.strerror}") from error


@contextmanager
def new_directory(path: str | Path) -> Iterator[Path]:
    """A directory beside ``path`` to write to, which becomes ``path`` at the end; after an error nothing is left.

    Raises InputError where ``path`` holds anything, or cannot be written.
    """
    require_unused(path)
    final = Path(path)
    made: Path | None = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        made.chmod(0o777 & ~_umask())
        yield made
        if final.exists():
            final.rmdir()
        made.rename(final)
    except OSError as error:
        raise InputError(f"{visible(str(path))}: {error.strerror}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
        path = directory.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if memory is not None and memory.total_bytes:
        context.step("writing memory.elf")
        with (directory / "memory.elf").open("wb") as stream:
            write_elf_core(stream, memory, machine, platform.byte_order)
    told = {"machine": machine, "page_size": platform.page_size, "byte_order": platform.byte_order, **manifest}
    (directory / "capture.json").write_text(json.dumps(told, indent=1, default=str) + "\n")
