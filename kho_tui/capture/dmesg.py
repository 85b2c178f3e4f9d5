"""What the kernel's log says about KHO, LUO and crashes: evidence, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kho_tui.capture.facet import Side
from kho_tui.capture.log_texts import texts_of
from kho_tui.model.registry import Registry
from kho_tui.releases.cmdline import CommandLine

MAX_EVIDENCE = 2000
_BOOT_LINES = 4096
"""Bytes in which the kernel's banner stands in a log that begins at boot."""
_LONGEST = 512
"""Bytes of a message that are kept; the kernel's own limit for a line is 1024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A line of the log that speaks of a state.

    ``kind`` is that of its ``LogText``, ``side`` what it speaks of: "in" what this boot received, "out" what is being handed over,
    None where it does not say. ``time`` is the time stamp as written,
    ``text`` the message without its prefix, ``subject`` the name, release or number in it, ``line`` counts from 1.
    """

    kind: str
    side: Side | None
    time: str | None
    text: bytes
    line: int
    subject: bytes | None = None


_COLOUR = re.compile(rb"\x1b\[[\d;]*m")
"""What dmesg --color writes around the parts of a line."""
_LINE = re.compile(
    rb"(?:\[?(?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]? (?=\[ *\d{1,12}\.\d{1,9}\]|<\d))?"
    rb"(?:<(?P<priority>\d{1,6})>|(?P<record>\d{1,6}),\d{1,18},(?P<micros>\d{1,18}),[^;\n]{1,64};)?"
    rb"(?:(?P<facility>[a-z]{2,8}\d?) *:[a-z]{3,6} *: )?"
    rb"(?:\[ *(?P<stamp>\d{1,12}\.\d{1,9})\](?:\[ *[TC]\d+\])? ?"
    rb"|(?P<date>\S{3} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?|\d{4}-\d\d-\d\dT\S{1,32}|\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
    rb"|(?:\w{3} )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [A-Z]{2,5})?) "
    rb")?"
    rb"(?:\S{1,255} kernel: )?(?:\[ *\d{1,12}\.\d{1,9}\] )?"
)
"""Prefixes of dmesg (raw, decoded or dated), of records of /dev/kmsg, journalctl and syslog. Syslog names the kernel behind the host; a
log of a serial console may have the time of the one who wrote it down in front."""

_BANNER = re.compile(rb"Linux version ([!-~]{1,128})(?= \(|\s*$)", re.MULTILINE)
_BOOT_MESSAGES = 100
"""A log with fewer lines before its kernel starts init is taken for an excerpt (``dmesg | grep``): kernels write more."""
_INIT_STARTS = re.compile(rb"Freeing unused kernel |Run \S+ as init process")
_COMMAND_LINE = re.compile(rb"(?:Kernel c|C)ommand line: ([^\n]{0,4096})")
_LOCKED_DOWN = re.compile(rb"Kernel is locked down from ")
_LONGEST_COMMAND_LINE = 900
"""Bytes of a command line that a line of the log surely holds whole (kernel/printk/printk.c cuts a line at 1024)."""


def releases_of(data: bytes) -> frozenset[str]:
    """The kernels whose banners the log has: none, if its first lines are gone; several, if it goes on over a kexec."""
    return frozenset(match[1].decode() for match in _BANNER.finditer(data))


def starts_at_boot(data: bytes, *, simulated: bool = False) -> bool:
    """Whether the log is there from its first line on, and no excerpt: only then does it mean something that a line is not there.

    A ``simulated`` one has what concerns KHO and no more.
    """
    if b"Linux version " not in data[:_BOOT_LINES]:
        return False
    init = _INIT_STARTS.search(data)
    return simulated or (init is not None and data.count(b"\n", 0, init.start()) >= _BOOT_MESSAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLog:
    """What a log that somebody gave says of its last boot. ``messages`` as ``parse_dmesg`` finds them.

    ``release``, ``cmdline`` and ``lockdown`` (the level) are None where the log does not say it. ``boots``: how many begin in it.
    ``whole``: the last one is there from its first line on. ``from_log``: there was a log, not a line alone. ``cut``: there is more of it.
    """

    messages: tuple[Evidence, ...] = ()
    release: str | None = None
    cmdline: CommandLine | None = None
    lockdown: str | None = None
    boots: int = 0
    whole: bool = False
    from_log: bool = False
    cut: bool = False


NO_LOG = KernelLog()


def read_log(data: bytes, registry: Registry, limit: int) -> KernelLog:
    """A log as dmesg, journalctl or a serial console gives it, of which ``limit`` bytes are read.

    >>> from kho_tui.subsystems.registry import builtin
    >>> read_log(b"Linux version 7.3.4 (gcc)\nCommand line: kho=on\n", builtin(), 1000).cmdline.kho
    True
    """
    cut, data = len(data) > limit, data[:limit]
    boots = list(_BANNER.finditer(data))
    if len(boots) > 1:
        data = data[data.rfind(b"\n", 0, boots[-1].start()) + 1 :]
    messages = parse_dmesg(data, registry)
    cut |= len(messages) >= MAX_EVIDENCE
    text = match[1].strip() if (match := _COMMAND_LINE.search(data)) else None
    cmdline = None if text is None else CommandLine(text, whole=len(text) < _LONGEST_COMMAND_LINE)
    whole, lockdown = starts_at_boot(data) and not cut, None
    if _LOCKED_DOWN.search(data) or not whole:
        # The message does not name the level (security/lockdown/lockdown.c): it is the one that was asked for.
        asked = cmdline.values("lockdown")[-1:] if cmdline is not None else ()
        lockdown = next((level for level in asked if level in ("integrity", "confidentiality")), None)
        lockdown = lockdown or ("integrity" if _LOCKED_DOWN.search(data) else None)
    return KernelLog(
        messages=messages,
        release=boots[-1][1].decode() if boots else None,
        cmdline=cmdline,
        lockdown=lockdown,
        boots=len(boots),
        whole=whole,
        from_log=True,
        cut=cut,
    )


def parse_dmesg(data: bytes, registry: Registry) -> tuple[Evidence, ...]:
    """Evidence in the log's order, at most MAX_EVIDENCE of it, behind prefixes of dmesg, /dev/kmsg, journalctl, syslog and serial consoles.

    Only what the kernel said: a message has to begin with a text of it, and must not be of another facility, where the prefix names one.
    """
    known = texts_of(registry)
    found: list[Evidence] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if known.words.search(line) is None:
            continue
        if b"\x1b" in line:
            line = _COLOUR.sub(b"", line)
        prefix = _LINE.match(line)
        assert prefix is not None
        if not _is_the_kernels(prefix):
            continue
        text = line[prefix.end() :].rstrip()[:_LONGEST]
        for log_text, pattern in known.texts:
            match = pattern.match(text)
            if match is None:
                continue
            stamp = prefix["stamp"] or prefix["date"]
            if prefix["micros"] is not None:
                stamp = b"%d.%06d" % divmod(int(prefix["micros"]), 1_000_000)
            subject = match[1] if match.re.groups else None
            found.append(
                Evidence(
                    kind=log_text.kind,
                    side=log_text.side,
                    time=stamp.decode("latin-1") if stamp else None,
                    text=text,
                    line=number,
                    subject=subject,
                )
            )
            break
        if len(found) >= MAX_EVIDENCE:
            break
    return tuple(found)


def _is_the_kernels(prefix: re.Match[bytes]) -> bool:
    """False for what user space wrote into the log: its facility, in the bits from 3 on of a raw line's priority, is not 0 (syslog(2))."""
    priority = prefix["priority"] or prefix["record"]
    if priority is not None and int(priority) >> 3:
        return False
    return prefix["facility"] in (None, b"kern")
