"""What the kernel's log says about KHO, LUO and crashes: evidence, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Side = Literal["in", "out"]

MAX_EVIDENCE = 2000
_BOOT_LINES = 4096
"""Bytes in which the kernel's banner stands in a log that begins at boot."""
_LONGEST = 512
"""Bytes of a message that are kept; the kernel's own limit for a line is 1024."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of the log that speaks of a state.

    ``kind``: found, disabled, revived, liveupdate, exec-from, test-restore, flb, scratch, crash, kho or luo. ``side`` is what it speaks of:
    "in" what this boot received, "out" what is being handed over, None where it does not say. ``time`` is the time stamp as written,
    ``text`` the message without its prefix, ``subject`` the name, release or number in it, ``line`` counts from 1.
    """

    kind: str
    side: Side | None
    time: str | None
    text: bytes
    line: int
    subject: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: str
    side: Side | None
    pattern: re.Pattern[bytes]


def _p(kind: str, side: Side | None, pattern: bytes) -> _Pattern:
    return _Pattern(kind, side, re.compile(pattern))


# In order: the first that matches names the line. Texts are those of 6.16 to 7.3 (kernel/liveupdate/*, mm/memblock.c, lib/test_kho.c).
_PATTERNS = (
    _p("found", "in", rb"KHO: (?:setup: )?[Ff]ound kexec handover data"),
    _p("disabled", "in", rb"KHO: .*(?:isabling KHO revival|incompatible with|handover FDT .* is invalid)"),
    _p("disabled", "in", rb"KHO: .*failed to (?:memremap|mark the scratch)"),
    _p("disabled", "out", rb"KHO: .*disabl"),
    _p("disabled", None, rb"luo: .*[Dd]isabl"),
    _p("revived", "in", rb"Revived memory reservation '(.{1,64}?)' from KHO"),
    _p("revived", "in", rb"(?:reserve_mem|memblock).*KHO"),
    _p("liveupdate", "in", rb"luo: Retrieved live update data, liveupdate number: (-?\d+)"),
    _p("exec-from", "in", rb"KHO: exec from: (.{1,96}?) \(count (?:\d+)\)"),
    _p("test-restore", "in", rb"KHO restore (?:succeeded|failed)"),
    _p("flb", "in", rb"liveupdate test: (\S+): (?:found flb data|finish was triggered)"),
    _p("flb", "out", rb"liveupdate test: (\S+): (?:preserve|unpreserve|freeze) was triggered"),
    _p("flb", None, rb"liveupdate test: "),
    _p("scratch", "out", rb"KHO: .*scratch"),
    _p("crash", None, rb"Kernel panic|\bOops\b|\bBUG: |kernel BUG at|Unable to handle kernel|general protection fault"),
    _p("kho", None, rb"\bKHO: |\bkho: "),
    _p("luo", None, rb"\bluo(?:_\w+)?: |\bliveupdate: "),
)

_PREFIX = re.compile(
    rb"(?:<\d{1,3}>)?"
    rb"(?:\[ *(?P<stamp>\d{1,12}\.\d{1,9})\](?:\[ *[TC]\d+\])? ?"
    rb"|(?P<date>\S{3} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S{1,32}|\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\])"
    rb"(?: \S{1,255} kernel:)? (?:\[ *\d{1,12}\.\d{1,9}\] )?"
    rb")?"
)
_INTERESTING = re.compile(rb"KHO|kho|luo|liveupdate|panic|Oops|BUG|Unable to handle|general protection")


def starts_at_boot(data: bytes) -> bool:
    """Whether the log still has its first lines: only then does it mean something that a line is not there."""
    return b"Linux version " in data[:_BOOT_LINES]


def parse_dmesg(data: bytes) -> tuple[Evidence, ...]:
    """Evidence in the log's order, at most MAX_EVIDENCE of it. Understands dmesg (raw or not), journalctl and syslog prefixes."""
    found: list[Evidence] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if _INTERESTING.search(line) is None:
            continue
        prefix = _PREFIX.match(line)
        text = line[prefix.end() if prefix else 0 :].rstrip()[:_LONGEST]
        if text.startswith((b"Command line:", b"Kernel command line:", b"Unknown kernel command line")):
            continue
        for one in _PATTERNS:
            match = one.pattern.search(text)
            if match is None:
                continue
            stamp = (prefix["stamp"] or prefix["date"]) if prefix else None
            subject = match[1] if match.re.groups else None
            found.append(Evidence(one.kind, one.side, stamp.decode("latin-1") if stamp else None, text, number, subject))
            break
        if len(found) >= MAX_EVIDENCE:
            break
    return tuple(found)
