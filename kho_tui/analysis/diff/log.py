"""What the kernel log after a handover says of each thing that was handed over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kho_tui.model.state import LogLine
from kho_tui.text import SafeText, visible

_FAILED = "-failed"
_OF_LUO = (b"luo: ", b"memfd_luo: ")
_ADDRESS = re.compile(rb"\(0x([0-9a-f]{1,16})\)")


@dataclass(frozen=True, slots=True)
class Failure:
    """A line by which the kernel says that it did not take something.

    ``what``: tracker, subtree, luo, session, session-list, handler, file, folio, flb, region, test or
    restore. ``subject`` is its name, for a
    handler the compatible string, for a folio the physical address in hexadecimal; empty where the line names none.
    """

    what: str
    subject: bytes
    said: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverLog:
    """Lines that speak of the incoming side. ``revived`` and ``flbs`` by name, ``number`` the liveupdate number that LUO found.

    ``writer``: release and count of "exec from". ``restored``: that the test module got its folios back. ``not_found``: regions that were
    asked for and are not in memblock's FDT. ``refusals`` are all lines of a handover that was not taken, ``found`` is the line of one that
    was offered. ``kho_off`` and ``luo_off``: that KHO, or LUO alone, does not run; ``luo``: a line of LUO, so that it is built in.
    """

    revived: Mapping[bytes, SafeText]
    flbs: Mapping[bytes, SafeText]
    number: tuple[int, SafeText] | None
    writer: tuple[bytes, int | None, SafeText] | None
    restored: SafeText | None
    not_found: Mapping[bytes, SafeText]
    failures: tuple[Failure, ...]
    refusals: tuple[SafeText, ...]
    refused_at: int | None
    """Physical address of the root FDT that was refused, where the log tells it."""
    found: SafeText | None
    kho_off: SafeText | None
    luo_off: SafeText | None
    luo: SafeText | None

    def failures_of(self, what: str, subject: bytes | None = None) -> Iterator[Failure]:
        """All lines of a kind; None: whatever they name."""
        return (one for one in self.failures if one.what == what and subject in (None, one.subject))


def read_log(lines: tuple[LogLine, ...]) -> HandoverLog:
    """The evidence in the log of the kernel that was handed a state."""
    revived: dict[bytes, SafeText] = {}
    flbs: dict[bytes, SafeText] = {}
    not_found: dict[bytes, SafeText] = {}
    number: tuple[int, SafeText] | None = None
    writer: tuple[bytes, int | None, SafeText] | None = None
    restored: SafeText | None = None
    failures: list[Failure] = []
    refusals: list[SafeText] = []
    refused_at: int | None = None
    found: SafeText | None = None
    kho_off: SafeText | None = None
    luo_off: SafeText | None = None
    luo: SafeText | None = None
    for line in lines:
        said = SafeText(f'log: "{visible(line.text)}"')
        subject = line.subject or b""
        if line.kind == "revived":
            revived.setdefault(subject, said)
        elif line.kind == "region-not-found":
            not_found.setdefault(subject, said)
        elif line.kind == "flb" and line.text.endswith(b"found flb data from the previous boot"):
            flbs.setdefault(subject, said)
        elif line.kind == "liveupdate" and number is None:
            number = int(subject), said
        elif line.kind == "exec-from" and writer is None:
            writer = subject, line.counted, said
        elif line.kind == "test-restore" and line.text.endswith(b"succeeded"):
            restored = restored or said
        elif line.kind == "test-restore":
            failures.append(Failure("test", b"", said))
        elif line.kind.endswith(_FAILED):
            failures.append(Failure(line.kind.removesuffix(_FAILED), subject, said))
        elif line.kind == "disabled" and line.side == "in":
            refusals.append(said)
            match = _ADDRESS.search(line.text)
            refused_at = int(match[1], 16) if match and refused_at is None else refused_at
        elif line.kind == "disabled" and (line.side == "out" or line.text.endswith(b"KHO is disabled")):
            kho_off = kho_off or said
        elif line.kind == "disabled":
            luo_off = luo_off or said
        elif line.kind == "found":
            found = found or said
        if line.text.startswith(_OF_LUO):
            luo = luo or said
    return HandoverLog(
        revived=revived,
        flbs=flbs,
        number=number,
        writer=writer,
        restored=restored,
        not_found=not_found,
        failures=tuple(failures),
        refusals=tuple(refusals),
        refused_at=refused_at,
        found=found,
        kho_off=kho_off,
        luo_off=luo_off,
        luo=luo,
    )
