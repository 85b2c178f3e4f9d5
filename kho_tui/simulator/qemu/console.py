"""What a booting kernel says on its serial console, and what that means for the handover."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from kho_tui.text import NO_TEXT, SafeText, visible

_LONGEST_LINE = 4096
_LINES_KEPT = 20_000
_TIME = re.compile(rb"\[ *\d+\.\d{6}\] ")
_SPEAKS = re.compile(rb"KHO|luo:|liveupdate|test_kho|Revived memory|RIG |[Pp]anic|PANIC|memblock|reserve_mem|BUG:|Oops|WARNING:")
_NOISE = re.compile(rb"[Cc]ommand line:|\]  \? ")
_FOUND = re.compile(rb"KHO: found kexec handover data")
_DISABLED = re.compile(rb"KHO: disabling KHO revival")
_PANIC = re.compile(rb"Kernel panic - not syncing|PANIC: early exception")
_END_OF_BOOT = re.compile(rb"No working init found|Unable to mount root fs")
"""The kernel is through and finds no program to run, because no initrd was given."""
_BOOTED = re.compile(rb"Run \S+ as init process|Freeing unused kernel image|RIG ")
_BUFFERED = re.compile(rb"(?<![\x00-\x08][0-9c])(?:KHO: [a-z]|Kernel panic - not syncing: |BUG: unable )[^\x00\n%]{4,150}")
"""A message in the kernel's log buffer; format strings have their level in front, or hold a percent sign."""
_FILE = re.compile(rb"RIG file (\S+) ([0-9a-f]{1,16}) size=(\d{1,19}) pos=(-?\d{1,19}) seals=(-?\d{1,9}) crc32=([0-9a-f]{8})")


class BootOutcome(Enum):
    """What the kernel did with the handover; the value is the word shown."""

    TAKEN = "taken"
    PART = "in part"
    """Taken, but some of what was asked for did not come back: the console alone does not tell (``losses``)."""
    IGNORED = "ignored"
    PANIC = "panic"
    NONE = "no verdict"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedFile:
    """A file that user space got back (``khostage=9 luo=NAME:TOKEN``). ``size`` and ``pos`` in bytes, ``crc32`` over the whole content."""

    session: SafeText
    token: int
    size: int
    pos: int
    seals: int
    crc32: int


@dataclass(slots=True, kw_only=True)
class Console:
    """Takes the console's bytes as they come; gives lines and the verdict so far.

    A kernel message that breaks into a line of user space gets a line of its own, and the broken line is put together again.
    """

    outcome: BootOutcome = BootOutcome.NONE
    deciding: SafeText = NO_TEXT
    files: list[RetrievedFile] = field(default_factory=list)
    lines: deque[SafeText] = field(default_factory=lambda: deque(maxlen=_LINES_KEPT))
    booted: bool = False
    """The kernel came as far as user space."""
    _rest: bytes = b""
    _broken: bytes = b""
    _last_kho: SafeText = NO_TEXT

    def feed(self, data: bytes) -> list[SafeText]:
        """The lines that ``data`` completes and that speak of the handover."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        return [line for raw in whole for line in self._line(raw[:_LONGEST_LINE].rstrip(b"\r"))]

    def finish(self, ended: bool) -> list[SafeText]:
        """What a last line without an end speaks of; then the verdict where no line decides. ``ended``: by itself, not at the limit."""
        said = self.feed(b"\n") if self._rest else []
        if self.outcome is BootOutcome.NONE and self.booted:
            self.outcome, self.deciding = BootOutcome.IGNORED, SafeText("the kernel booted and said nothing of a handover")
        elif self.outcome is BootOutcome.TAKEN and ended and not self.booted:
            self.outcome, self.deciding = BootOutcome.PANIC, SafeText(f"the guest reset itself after: {self.lines[-1]}")
        return said

    def recover(self, image: bytes, ended: bool) -> list[SafeText]:
        """Judge by the log buffer in the kernel's own image what came before the console: what dies or hangs early never prints.

        Ends of lines may be garbled: the buffer does not end them. A guest that still ran gets no verdict but for a panic.
        """
        found = [match[0] for match in _BUFFERED.finditer(image)]
        for raw in found:
            self.lines.append(visible(raw))
            self._judge(raw, self.lines[-1])
        if self.outcome is BootOutcome.TAKEN:
            self.outcome, self.deciding = BootOutcome.NONE, NO_TEXT
            if ended:
                self.outcome, self.deciding = BootOutcome.PANIC, SafeText(f"the guest reset itself after: {self.lines[-1]}")
        return list(self.lines)[-len(found) :] if found else []

    def _line(self, raw: bytes) -> list[SafeText]:
        stamp = _TIME.search(raw)
        if stamp is None:
            raw, self._broken = self._broken + raw, b""
        elif stamp.start():
            self._broken, raw = (self._broken + raw[: stamp.start()])[-_LONGEST_LINE:], raw[stamp.start() :]
        said = visible(raw)
        self.lines.append(said)
        self._judge(_TIME.sub(b"", raw, count=1), said)
        return [said] if _SPEAKS.search(raw) and not _NOISE.search(raw) else []

    def _judge(self, message: bytes, said: SafeText) -> None:
        if _BOOTED.search(message):
            self.booted = True
        match = _FILE.search(message)
        if match is not None:
            size, pos, seals = (int(match[n]) for n in (3, 4, 5))
            self.files.append(
                RetrievedFile(session=visible(match[1]), token=int(match[2], 16), size=size, pos=pos, seals=seals, crc32=int(match[6], 16))
            )
        if self.outcome is BootOutcome.PANIC:
            return
        if _PANIC.search(message):
            if _END_OF_BOOT.search(message):
                self.booted = True
            else:
                self.outcome, self.deciding = BootOutcome.PANIC, said
        elif _DISABLED.search(message):
            # The reason stands in the line before.
            self.outcome, self.deciding = BootOutcome.IGNORED, self._last_kho or said
        elif _FOUND.search(message) and self.outcome is BootOutcome.NONE:
            self.outcome, self.deciding = BootOutcome.TAKEN, said
        if message.startswith(b"KHO:"):
            self._last_kho = said
