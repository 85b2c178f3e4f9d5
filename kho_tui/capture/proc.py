"""Text files of /proc and /sys as data. Never raises: a file that cannot be understood gives a Missing that says why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from kho_tui.capture.unpack import unpack_bytes
from kho_tui.model.facts import Damaged, Missing, Unavailable
from kho_tui.releases.cmdline import CommandLine, read_cmdline
from kho_tui.text import SafeText

T = TypeVar("T")

MAX_LINES = 500_000
_CONFIG_LIMIT = 16 << 20
_NUMBER = 20
"""Digits of a decimal number that is read: 2^64 has 20. Longer ones make int() slow and mean nothing here."""


@dataclass(frozen=True, slots=True)
class Lines(Generic[T]):
    """The lines that could be read; ``skipped`` counts those that could not."""

    rows: tuple[T, ...]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class IomemEntry:
    """A line of /proc/iomem: ``size`` bytes from physical address ``start``; ``depth`` 0 for the outermost."""

    start: int
    size: int
    name: bytes
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A zone of /proc/zoneinfo, in pages. None: the file does not say (start_pfn of an empty zone)."""

    node: int
    name: bytes
    start_pfn: int | None
    spanned: int | None
    present: int | None
    managed: int | None
    free: int | None
    free_cma: int | None


@dataclass(frozen=True, slots=True)
class MemblockRange:
    """A line of /sys/kernel/debug/memblock/*. ``node`` is None where the line names none."""

    index: int
    start: int
    size: int
    node: int | None
    flags: bytes


@dataclass(frozen=True, slots=True)
class AddressLines:
    """A column of addresses or sizes. ``cut``: the file ends within a line."""

    values: tuple[int, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class NodeRange:
    """Physical memory of a NUMA node: ``size`` bytes from ``start``, of which ``present`` are the node's and no hole."""

    node: int
    start: int
    size: int
    present: int


def parse_iomem(data: bytes) -> Lines[IomemEntry] | Missing:
    """/proc/iomem, flattened in its order."""
    lines = _parse_lines(data, _iomem_line, "/proc/iomem")
    if isinstance(lines, Lines) and all(entry.start == 0 and entry.size <= 1 for entry in lines.rows):
        return Unavailable(SafeText("/proc/iomem was read without root: all addresses are 0"))
    return lines


_IOMEM = re.compile(rb"( *)([0-9a-fA-F]{1,16})-([0-9a-fA-F]{1,16}) : ?(.*)")


def _iomem_line(line: bytes) -> IomemEntry | None:
    match = _IOMEM.fullmatch(line)
    if match is None:
        return None
    start, end = int(match[2], 16), int(match[3], 16)
    return IomemEntry(start, end - start + 1, match[4], len(match[1]) // 2) if end >= start else None


_ZONE = re.compile(rb"Node (\d{1,9}), zone +(\S+)")
_ZONE_VALUES = {
    b"start_pfn:": "start_pfn",
    b"spanned": "spanned",
    b"present": "present",
    b"managed": "managed",
    b"nr_free_pages": "free",
    b"nr_free_cma": "free_cma",
}


def parse_zoneinfo(data: bytes) -> Lines[Zone] | Missing:
    """/proc/zoneinfo: every zone of every node."""
    zones: list[Zone] = []
    head: tuple[int, bytes] | None = None
    values: dict[str, int] = {}

    def finish() -> None:
        if head is not None:
            names = ("start_pfn", "spanned", "present", "managed", "free", "free_cma")
            zones.append(Zone(node=head[0], name=head[1], **{name: values.get(name) for name in names}))
        values.clear()

    for line in _lines(data):
        if (match := _ZONE.match(line)) is not None:
            finish()
            head = int(match[1]), match[2]
            continue
        words = line.split()
        if words[:2] == [b"pages", b"free"]:
            words = [b"nr_free_pages", *words[2:]]
        if len(words) == 2 and (name := _ZONE_VALUES.get(words[0])) is not None and _is_decimal(words[1]):
            values.setdefault(name, int(words[1]))
    finish()
    return Lines(tuple(zones)) if zones else _unreadable("/proc/zoneinfo")


_MEMINFO = re.compile(rb"(?:Node \d+ )?([A-Za-z0-9_]{1,64}(?:\([a-z]{1,16}\))?): +(\d{1,20}) kB *")


def parse_meminfo(data: bytes) -> Mapping[str, int] | Missing:
    """/proc/meminfo, or that of a node: name -> bytes. Lines that are counts (HugePages_*) are left out."""
    matches = (match for line in _lines(data) if (match := _MEMINFO.fullmatch(line)) is not None)
    found = {match[1].decode("ascii"): int(match[2]) << 10 for match in matches}
    return found or _unreadable("meminfo")


def parse_version(data: bytes) -> str | None:
    """The release in /proc/version ("7.3.4")."""
    match = re.match(rb"Linux version ([!-~]{1,128})\s", data)
    return match[1].decode("ascii") if match else None


def parse_cmdline(data: bytes) -> CommandLine:
    """/proc/cmdline. The kernel ends it by a newline: without one its end may be missing."""
    return read_cmdline(data.rstrip(b"\n\0"), whole=data.endswith(b"\n"))


_OPTION = re.compile(r"(CONFIG_[A-Za-z0-9_]+)=(.*)")
_NOT_SET = re.compile(r"# (CONFIG_[A-Za-z0-9_]+) is not set")


# Captures that are compared, or read again and again by the app, are mostly of one kernel.
@lru_cache(maxsize=2)
def parse_config(data: bytes) -> Mapping[str, str] | Missing:
    """A kernel's .config, plain or gzip: option -> value as written ("y", "m", "16", '"text"'), "n" for "is not set"."""
    plain: bytes | None = data
    if data.startswith(b"\x1f\x8b"):
        plain = unpack_bytes(data, _CONFIG_LIMIT)
    if plain is None:
        return Damaged(SafeText("the kernel's config is a damaged gzip file"))
    options: dict[str, str] = {}
    for line in plain.decode("latin-1").splitlines()[:MAX_LINES]:
        if (match := _OPTION.fullmatch(line)) is not None:
            options[match[1]] = match[2]
        elif (match := _NOT_SET.fullmatch(line)) is not None:
            options[match[1]] = "n"
    return options or _unreadable("the kernel's config")


_FIRMWARE_ADDRESS = re.compile(rb"0x([0-9a-fA-F]{1,16})\s*")


def parse_firmware_entry(start: bytes, end: bytes, kind: bytes) -> IomemEntry | None:
    """An entry of /sys/firmware/memmap by its files, ``end`` the last byte (drivers/firmware/memmap.c); None where one is not readable."""
    first, last = _FIRMWARE_ADDRESS.fullmatch(start), _FIRMWARE_ADDRESS.fullmatch(end)
    if first is None or last is None or int(last[1], 16) < int(first[1], 16):
        return None
    return IomemEntry(int(first[1], 16), int(last[1], 16) - int(first[1], 16) + 1, kind.strip(), 0)


_MEMBLOCK = re.compile(rb" *(\d{1,9}): 0x([0-9a-fA-F]{1,16})\.\.0x([0-9a-fA-F]{1,16})(?: +(\d{1,9}|x))?(?: +(\S+))?\s*")


def parse_memblock(data: bytes) -> Lines[MemblockRange] | Missing:
    """/sys/kernel/debug/memblock/memory or reserved (mm/memblock.c, memblock_debug_show; node and flags since 6.6)."""
    return _parse_lines(data, _memblock_line, "memblock")


def _memblock_line(line: bytes) -> MemblockRange | None:
    match = _MEMBLOCK.fullmatch(line)
    if match is None:
        return None
    start, end = int(match[2], 16), int(match[3], 16)
    node = int(match[4]) if match[4] and match[4] != b"x" else None
    return MemblockRange(int(match[1]), start, end - start + 1, node, match[5] or b"") if end >= start else None


def parse_addresses(data: bytes) -> AddressLines | Missing:
    """out/scratch_phys or out/scratch_len: one ``0x...`` a line. One bad line spoils the file, for the lines of the two belong together.

    A last line without its newline, which the kernel writes after each, is left out: digits of it may be missing.
    """
    values: list[int] = []
    cut = not data.endswith(b"\n")
    if cut:
        data = data[: data.rfind(b"\n") + 1]
    for line in _lines(data):
        if re.fullmatch(rb"0x[0-9a-fA-F]{1,16}", line.strip()) is None:
            return Damaged(SafeText(f"line {len(values) + 1} is no 0x... number"))
        values.append(int(line, 16))
    return AddressLines(tuple(values), cut) if values else Damaged(SafeText("its only line is cut short" if cut else "the file is empty"))


def parse_finalize(data: bytes) -> bool | Missing:
    """out/finalize: 0 or 1."""
    word = data.strip()
    return word == b"1" if word in (b"0", b"1") else Damaged(SafeText("out/finalize is neither 0 nor 1"))


def node_ranges(memory: tuple[MemblockRange, ...], zones: tuple[Zone, ...], page_size: int) -> tuple[NodeRange, ...]:
    """Which memory belongs to which node: exact from memblock/memory where its lines name nodes, else what the zones span.

    A zone may span memory of other nodes: where it is present without that, it is split there; other holes stay in it.
    """
    exact = tuple(NodeRange(one.node, one.start, one.size, one.size) for one in memory if one.node is not None)
    return exact or tuple(one for zone in zones for one in _of_zone(zone, zones, page_size))


def _of_zone(zone: Zone, zones: tuple[Zone, ...], page_size: int) -> Iterator[NodeRange]:
    if zone.start_pfn is None or not zone.spanned:
        return
    present = zone.spanned if zone.present is None else zone.present
    pieces = [(zone.start_pfn, zone.start_pfn + zone.spanned)]
    for other in zones if present < zone.spanned else ():
        if other.node != zone.node and other.start_pfn is not None and other.spanned:
            pieces = [part for piece in pieces for part in _without(piece, other.start_pfn, other.start_pfn + other.spanned)]
    if sum(end - start for start, end in pieces) == present:
        yield from (NodeRange(zone.node, start * page_size, (end - start) * page_size, (end - start) * page_size) for start, end in pieces)
        return
    yield NodeRange(zone.node, zone.start_pfn * page_size, zone.spanned * page_size, present * page_size)


def _without(piece: tuple[int, int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """A stretch less [start, end)."""
    low, high = piece
    if low < min(start, high):
        yield low, min(start, high)
    if max(end, low) < high:
        yield max(end, low), high


def _lines(data: bytes) -> Iterator[bytes]:
    """Lines that are not blank, at most MAX_LINES."""
    return (line for line in data.split(b"\n", MAX_LINES)[:MAX_LINES] if line.strip())


def _parse_lines(data: bytes, parse: Callable[[bytes], T | None], what: str) -> Lines[T] | Missing:
    rows: list[T] = []
    # The kernel ends every line. What stands in one that was cut off may read well and say something else.
    skipped = 0 if data.endswith(b"\n") else 1
    for line in _lines(data[: data.rfind(b"\n") + 1]):
        row = parse(line)
        if row is None:
            skipped += 1
        else:
            rows.append(row)
    return Lines(tuple(rows), skipped) if rows else _unreadable(what)


def _unreadable(what: str) -> Damaged:
    return Damaged(SafeText(f"{what}: no line of it can be read"))


def _is_decimal(word: bytes) -> bool:
    return word.isdigit() and len(word) <= _NUMBER
