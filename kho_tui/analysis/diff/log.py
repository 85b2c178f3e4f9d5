"""What the kernel log after a handover says of each thing that was handed over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kho_tui.model.state import LogLine
from kho_tui.text import SafeText, visible

_FAILED, _RESTORE = "-failed", "-restore"
_ADDRESS = re.compile(rb"\(0x([0-9a-f]{1,16})\)")


@dataclass(frozen=True, slots=True)
class Failure:
    """A line by which the kernel says that it did not take something.

    ``what``: the kind of the line less its ending: tracker, subtree, restore, or a word of the subtree that it belongs to. ``subject`` is
    what it names, a name or an address in hexadecimal; empty where the line names nothing.
    """

    what: str
    subject: bytes
    said: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverLog:
    """Lines that speak of the incoming side.

    ``restored``: by whom, that it got back what it had handed over. ``refusals`` are all lines of a handover that was not taken, ``found``
    is the line of one that was offered. ``kho_off``: that KHO does not run.
    """

    lines: tuple[LogLine, ...]
    restored: Mapping[str, SafeText]
    failures: tuple[Failure, ...]
    refusals: tuple[SafeText, ...]
    refused_at: int | None
    """Physical address of the root FDT that was refused, where the log tells it."""
    found: SafeText | None
    kho_off: SafeText | None

    def failures_of(self, what: str, subject: bytes | None = None) -> Iterator[Failure]:
        """All lines of a kind; None: whatever they name."""
        return (one for one in self.failures if one.what == what and subject in (None, one.subject))

    def of(self, kind: str) -> Iterator[LogLine]:
        """All lines of a kind (``capture.log_texts``)."""
        return (line for line in self.lines if line.kind == kind)

    def by_subject(self, kind: str) -> Mapping[bytes, SafeText]:
        """The first line of a kind for each thing that such lines name."""
        return {line.subject or b"": quoted(line) for line in reversed(tuple(self.of(kind)))}


def quoted(line: LogLine) -> SafeText:
    """A line as evidence is shown."""
    return SafeText(f'log: "{visible(line.text)}"')


def says_kho_is_off(line: LogLine) -> bool:
    """Whether a line that something is disabled speaks of KHO in the kernel that prints it, and not of a consumer alone."""
    return line.side == "out" or line.text.endswith(b"KHO is disabled")


def read_log(lines: tuple[LogLine, ...]) -> HandoverLog:
    """The evidence in the log of the kernel that was handed a state."""
    restored: dict[str, SafeText] = {}
    failures: list[Failure] = []
    refusals: list[SafeText] = []
    refused_at: int | None = None
    found: SafeText | None = None
    kho_off: SafeText | None = None
    for line in lines:
        if line.kind.endswith(_RESTORE) and line.text.endswith(b"succeeded"):
            restored.setdefault(line.kind.removesuffix(_RESTORE), quoted(line))
        elif line.kind.endswith(_RESTORE):
            failures.append(Failure(line.kind.removesuffix(_RESTORE), b"", quoted(line)))
        elif line.kind.endswith(_FAILED):
            failures.append(Failure(line.kind.removesuffix(_FAILED), line.subject or b"", quoted(line)))
        elif line.kind == "disabled" and line.side == "in":
            refusals.append(quoted(line))
            match = _ADDRESS.search(line.text)
            refused_at = int(match[1], 16) if match and refused_at is None else refused_at
        elif line.kind == "disabled" and says_kho_is_off(line):
            kho_off = kho_off or quoted(line)
        elif line.kind == "found":
            found = found or quoted(line)
    return HandoverLog(
        lines=lines,
        restored=restored,
        failures=tuple(failures),
        refusals=tuple(refusals),
        refused_at=refused_at,
        found=found,
        kho_off=kho_off,
    )
