"""What the kernel log after a handover says of each thing that was handed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.model.state import LogLine
from kho_tui.text import SafeText, visible

_REVIVED = re.compile(rb"Revived memory reservation '(.{1,64}?)' from KHO")
_NUMBER = re.compile(rb"liveupdate number: (-?\d{1,20})")
_FLB = re.compile(rb"liveupdate test: (\S+): found flb data")
_ADDRESS = re.compile(rb"\(0x([0-9a-f]{1,16})\)")
_FAILED = re.compile(rb"fail|invalid|corrupt|incompatible|disabl", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HandoverLog:
    """Lines that speak of the incoming side. ``revived`` and ``flbs`` by name, ``number`` the liveupdate number that LUO found.

    ``restored``: whether the test module got its folios back. ``refusals`` are all lines of a handover that was not taken.
    """

    revived: Mapping[bytes, SafeText]
    flbs: Mapping[bytes, SafeText]
    number: tuple[int, SafeText] | None
    restored: tuple[bool, SafeText] | None
    luo_failed: SafeText | None
    refusals: tuple[SafeText, ...]
    refused_at: int | None
    """Physical address of the root FDT that was refused, where the log tells it."""


def read_log(lines: tuple[LogLine, ...]) -> HandoverLog:
    """The evidence in the log of the kernel that was handed a state."""
    revived: dict[bytes, SafeText] = {}
    flbs: dict[bytes, SafeText] = {}
    number: tuple[int, SafeText] | None = None
    restored: tuple[bool, SafeText] | None = None
    luo_failed: SafeText | None = None
    refusals: list[SafeText] = []
    refused_at: int | None = None
    for line in lines:
        said = SafeText(f'log: "{visible(line.text)}"')
        if line.kind == "revived" and (match := _REVIVED.search(line.text)):
            revived.setdefault(match[1], said)
        elif line.kind == "flb" and (match := _FLB.search(line.text)):
            flbs.setdefault(match[1], said)
        elif line.kind == "liveupdate" and number is None and (match := _NUMBER.search(line.text)):
            number = int(match[1]), said
        elif line.kind == "test-restore" and restored is None:
            restored = b"succeeded" in line.text, said
        elif line.kind == "luo" and luo_failed is None and _FAILED.search(line.text):
            luo_failed = said
        elif line.kind == "disabled" and line.side == "in":
            refusals.append(said)
            match = _ADDRESS.search(line.text)
            refused_at = int(match[1], 16) if match and refused_at is None else refused_at
    return HandoverLog(revived, flbs, number, restored, luo_failed, tuple(refusals), refused_at)
