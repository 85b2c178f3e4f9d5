"""What each kernel release writes (kho-abi.md section 1: sources of 6.17.8, 6.18.15, 6.19.11, 7.1.13, 7.2.12, 7.3.4 read in full)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Finalize(Enum):
    """When the outgoing side becomes complete."""

    STATEFUL = "by writing 1 to out/finalize, before kexec-load"
    SERIALIZE = "by writing 1 to out/finalize, or by LUO inside the reboot call"
    NONE = "always complete"


@dataclass(frozen=True, slots=True)
class Release:
    """One release series. ``bitmap_bytes`` is None where a bitmap is one page, or where there are no bitmaps."""

    name: str
    root: bytes
    bitmap_bytes: int | None
    finalize: Finalize
    inferred: bool = False


RELEASES: tuple[Release, ...] = (
    Release("6.16", b"kho-v1", 512, Finalize.STATEFUL),
    Release("6.17", b"kho-v1", 512, Finalize.STATEFUL),
    Release("6.18", b"kho-v1", None, Finalize.STATEFUL),
    Release("6.19", b"kho-v1", None, Finalize.SERIALIZE),
    Release("7.0", b"kho-v1", None, Finalize.SERIALIZE, inferred=True),
    Release("7.1", b"kho-v3", None, Finalize.NONE),
    Release("7.2", b"kho-v4", None, Finalize.NONE),
    Release("7.3", b"kho-v4", None, Finalize.NONE),
)


def release_of(uname: str | None) -> Release | None:
    """The series of a ``uname -r``; None for one that the table does not hold."""
    match = re.match(r"(\d+)\.(\d+)", uname or "")
    if match is None:
        return None
    name = f"{match[1]}.{match[2]}"
    return next((r for r in RELEASES if r.name == name), None)
