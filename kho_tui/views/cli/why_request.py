"""What the arguments of ``why`` mean: words, a capture or a log."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

from kho_tui.capture import probe
from kho_tui.capture.live.debugfs import is_live
from kho_tui.errors import InputError, ReadError
from kho_tui.operations.why import MAX_LOG
from kho_tui.text import visible
from kho_tui.views.cli.request import split_side

STANDARD_INPUT = "-"
_OF_THE_MACHINE = ("/dev/", "/sys/", "/proc/")
_FILE = re.compile(r"\.(?:tar|tgz|gz|zst|xz|elf|core|dump|vmcore|dtb|fdt|img|bin|txt|log)$", re.IGNORECASE)
_ALIKE = 0.8
_HEAD = 4096
"""Bytes of a file in which a kernel's log is known by its text."""


@dataclass(frozen=True, slots=True)
class WhyRequest:
    """What the user said: ``words``, a capture (None: this machine), where a log comes from (``-``: standard input), kernels' directory."""

    words: str
    path: str | None
    log: str | None
    images: Path | None


def read_arguments(arguments: Sequence[str], images: Path | None) -> WhyRequest:
    """Words, then a capture or a log: the last argument that is a path, else the first one. Raises InputError for a path that is none."""
    rest = [argument for argument in arguments if argument != STANDARD_INPUT]
    files = [argument for argument in rest if _is_capture(argument)]
    if len(files) > 1 and _FILE.search(files[0]) is not None:
        raise InputError(f"{visible(files[0])}, {visible(files[1])}: one capture or log at a time")
    log = STANDARD_INPUT if len(rest) < len(arguments) else None
    at = next((number for number in (len(rest) - 1, 0) if rest and _is_capture(rest[number])), None)
    # A side of it says nothing less than all of it: the whole is looked at.
    path = None if at is None else split_side(rest.pop(at), None)[0]
    missing = next((argument for argument in rest if _looks_like_a_path(argument)), None)
    if missing is not None:
        raise InputError(f"{visible(missing[:200])}: no such file or directory")
    if path is not None and _is_log(Path(path)):
        if log is not None:
            raise InputError(f"a log on standard input, and {visible(path)}: one log at a time")
        path, log = None, path
    if path is None and log is None and rest and (meant := _misspelt(rest[-1])):
        raise InputError(f"{visible(rest[-1][:200])}: no such file or directory; there is {visible(meant)}")
    return WhyRequest(" ".join(rest).strip(), path, log, images)


def read_log(source: str) -> bytes:
    """The log at ``source``, a file or ``-``: as much of it as is looked at. Raises ReadError."""
    if source == STANDARD_INPUT:
        return _bounded(sys.stdin.buffer)
    try:
        with Path(source).open("rb") as file:
            return _bounded(file)
    except OSError as error:
        raise ReadError(f"{visible(source)}: {error.strerror or 'cannot be read'}") from None


def _is_capture(text: str) -> bool:
    """Whether it is a path that can be opened: never a device, of which an open may change the state."""
    if not text:
        return False
    try:
        where = Path(split_side(text, None)[0])
        # A place of the machine that is not there is what the user complains about.
        return where.is_dir() or where.is_file() or (where.exists() and is_live(where, probe.LIVE_ROOT))
    except (OSError, ValueError):
        return False


def _looks_like_a_path(text: str) -> bool:
    """Whether the argument is meant as a path, so that a missing file is reported and not taken for a word."""
    if " " in text or text.startswith(_OF_THE_MACHINE):
        return False
    return text.startswith(("/", "./", "../", "~")) or _FILE.search(text) is not None


def _misspelt(text: str) -> str | None:
    """The file in this directory that a word misspells; only words with a digit, dot, dash or underscore are looked at."""
    if not re.search(r"[-_.\d]", text) or " " in text or text.startswith("-") or "/" in text:
        return None
    try:
        names = [path.name for path in Path().iterdir()]
    except OSError:
        return None
    return next(iter(get_close_matches(text, names, 1, _ALIKE)), None)


def _is_log(path: Path) -> bool:
    """Whether it is a text file of a kernel's log, as ``dmesg > FILE`` writes it."""
    if not path.is_file() or str(path).startswith(_OF_THE_MACHINE):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return b"\0" not in head and (b"Linux version " in head or re.match(rb"(?:<\d{1,6}>)?\[ *\d+\.\d+\]", head) is not None)


def _bounded(file: BinaryIO) -> bytes:
    data = file.read(MAX_LOG + 1)
    if len(data) > MAX_LOG:
        print(f"kho-tui: only the first {MAX_LOG} bytes of the log are read", file=sys.stderr)
    return data
