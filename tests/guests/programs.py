"""The programs of a guest: built from C by the host's gcc, PID 1 packed into an initrd, and kho-tui itself as the guest runs it."""

from __future__ import annotations

import compileall
import gzip
import shutil
import subprocess
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

SOURCES: Final = Path(__file__).resolve().parent
CHECKOUT: Final = SOURCES.parents[1]
_GCC_SECONDS: Final = 60


class BuildError(Exception):
    """The host cannot build what a guest needs; says what gcc said."""


def compiled(source: Path, to: Path) -> Path:
    """A static program of one C file at ``to``, which is returned. Raises BuildError."""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise BuildError("gcc is not installed")
    words = [gcc, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-s", "-static", "-o", str(to), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_GCC_SECONDS, check=False)
    if done.returncode:
        raise BuildError(f"{source.name}: {done.stderr.strip()}")
    return to


def initrd(init: bytes) -> bytes:
    """A gzip-compressed cpio whose only file is /init."""

    def member(name: str, mode: int, data: bytes) -> bytes:
        encoded = name.encode() + b"\0"
        # Documentation/driver-api/early-userspace/buffer-format.rst: inode, mode, uid, gid, links, mtime, size, devices, name size, check.
        fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        return _padded(head) + _padded(data)

    archive = member("init", 0o100755, init) + member("TRAILER!!!", 0, b"")
    return gzip.compress(archive, compresslevel=6, mtime=0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def put_project(share: Path, *, compiles: bool) -> None:
    """kho-tui at ``share``/project, compiled where this interpreter can: a slow guest should not have to. Takes the host some seconds."""
    target = share / "project"
    shutil.copytree(CHECKOUT / "kho_tui", target / "kho_tui", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    if compiles:
        compileall.compile_dir(target, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
