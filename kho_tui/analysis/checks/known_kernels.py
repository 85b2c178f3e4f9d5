"""What is known of a kernel by its ``uname -r`` beside the row of its series: the one place here that compares versions."""

from __future__ import annotations

import re

from kho_tui.releases.table import RELEASES

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")
_EMPTY_BLOCK = ("7.2", "7.3")
_EMPTY_BLOCK_UNTIL = (7, 3, 4)
"""Last release in which luo_session_insert (kernel/liveupdate/luo_session.c) was read with the fault; of later ones nothing is known."""


def _version(uname: str | None) -> tuple[int, int, int] | None:
    found = _VERSION.match(uname or "")
    return None if found is None else (int(found[1]), int(found[2]), int(found[3] or 0))


def newer_than_known(uname: str | None) -> bool:
    """Whether a kernel is of a series behind the last one of the release table."""
    version, last = _version(uname), _version(RELEASES[-1].name)
    return version is not None and last is not None and version[:2] > last[:2]


def leaves_empty_block(uname: str | None) -> bool | None:
    """Whether a refused session leaves an empty block behind (7.2, and 7.3 up to 7.3.4); None where nobody knows."""
    version = _version(uname)
    if version is None or version > _EMPTY_BLOCK_UNTIL:
        return None
    return f"{version[0]}.{version[1]}" in _EMPTY_BLOCK
