"""Words that change which memory a kernel has, and what it reserves of it early."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from kho_tui.releases.cmdline.handover import Memparse
from kho_tui.releases.cmdline.numbers import memparse
from kho_tui.releases.cmdline.words import Word

_CRASHKERNEL = "crashkernel="
_HIGH, _LOW, _CMA = ",high", ",low", ",cma"
_RAM_STEP = 128 << 20


class MapEffect(Enum):
    """What a word does to the firmware's map (arch/x86/kernel/e820.c). Where parts overlap in the end, RAM gives way to the rest."""

    CUT = "RAM from start on is removed"
    CLEAR = "the whole map is removed"
    RAM = "RAM is added"
    ACPI = "ACPI tables are added"
    RESERVED = "reserved memory is added"
    PERSISTENT = "persistent memory is added"
    RETYPE = "parts of the type ``old`` become ``new``; new 0: removed, old 0: added (all types removed where both are)"


@dataclass(frozen=True, slots=True)
class MapEdit:
    """One change of the map: bytes from physical address ``start``. ``old`` and ``new`` are E820 types (1 is RAM)."""

    effect: MapEffect
    start: int = 0
    size: int = 0
    old: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class Crashkernel:
    """Memory for a crash kernel, sizes in bytes (kernel/crash_reserve.c).

    ``base``: where it has to be, None for anywhere. ``high``: above 4 GiB if possible, then with ``low`` bytes below (None: the
    kernel's default). ``cma``: bytes of CMA that it may use too.
    """

    size: int
    base: int | None = None
    high: bool = False
    low: int | None = None
    cma: int = 0


@dataclass(frozen=True, slots=True)
class CmaArea:
    """``cma=``: the size of the default CMA area in bytes, and the physical addresses between which it has to be (None: anywhere)."""

    size: int
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class HugePages:
    """``count`` huge pages of ``size`` bytes (None: the default size). ``nodes``: (node, count) where they are asked for by node."""

    size: int | None
    count: int
    nodes: tuple[tuple[int, int], ...] = ()


def x86_map_edits(words: Iterable[Word], parse: Memparse) -> Iterator[MapEdit]:
    """``mem=`` and ``memmap=`` in their order (arch/x86/kernel/e820.c; booted on 7.1 and 7.3)."""
    for word in words:
        if word.is_named("mem") and word.value not in (None, "nopentium"):
            size = parse(word.value or "")[0]
            # 0 is refused: it would remove all memory.
            if size:
                yield MapEdit(MapEffect.CUT, size)
        elif word.is_named("memmap") and word.value is not None:
            for part in word.value.split(","):
                yield from _map_edit(part, parse)


_ADDED = {"@": MapEffect.RAM, "#": MapEffect.ACPI, "$": MapEffect.RESERVED, "!": MapEffect.PERSISTENT}
_RETYPED = re.compile(r"(?:-(?P<old>0[xX][0-9a-fA-F]+|[0-9]*))?(?:\+(?P<new>0[xX][0-9a-fA-F]+|[0-9]*))?")


def _map_edit(part: str, parse: Memparse) -> Iterator[MapEdit]:
    if part.startswith("exactmap"):
        yield MapEdit(MapEffect.CLEAR)
        return
    size, rest = parse(part)
    if rest == part:
        return
    kind, (start, behind) = rest[:1], parse(rest[1:])
    if kind in _ADDED:
        yield MapEdit(_ADDED[kind], start, size)
    elif kind == "%":
        types = _RETYPED.fullmatch(behind)
        # Of all forms only this one does nothing where something follows it.
        if types is not None:
            old, new = (parse(types[name] or "")[0] for name in ("old", "new"))
            yield MapEdit(MapEffect.RETYPE, start, size, old, new)
    else:
        yield MapEdit(MapEffect.CUT, size)


def find_crashkernel(text: str, ram: int, parse: Memparse, *, knows_cma: bool) -> Crashkernel | None:
    """What ``crashkernel=`` reserves on a machine with ``ram`` bytes; None: nothing, or a value that is refused.

    The kernel looks for it in the whole text: also behind ``--``, within another word, and without regard to quotes.
    """
    suffixes = (_HIGH, _LOW, _CMA) if knows_cma else (_HIGH, _LOW)
    values = [part.rpartition(_CRASHKERNEL)[2] for part in text.split(" ") if _CRASHKERNEL in part]

    def last(suffix: str) -> str | None:
        return next((value for value in reversed(values) if value.endswith(suffix)), None)

    plain = next((value for value in reversed(values) if not value.endswith(suffixes)), None)
    high = last(_HIGH)
    if plain is not None:
        found = _ranges(plain, ram, parse) if ":" in plain else _simple(plain, parse)
    elif high is not None and (size := _suffixed(high, _HIGH, parse)):
        below = last(_LOW)
        low = None if below is None else _suffixed(below, _LOW, parse)
        found = None if below is not None and low is None else Crashkernel(size, high=True, low=low)
    else:
        found = None
    # As much as there is, or nothing, cannot be reserved.
    if found is None or not 0 < found.size < ram:
        return None
    shared = last(_CMA) if knows_cma else None
    return found if shared is None else replace(found, cma=parse(shared)[0])


def _simple(value: str, parse: Memparse) -> Crashkernel | None:
    size, rest = parse(value)
    if rest == value:
        return None
    if rest.startswith("@"):
        return Crashkernel(size, parse(rest[1:])[0] or None)
    return None if rest else Crashkernel(size)


def _suffixed(value: str, suffix: str, parse: Memparse) -> int | None:
    size, rest = parse(value)
    return size if rest == suffix and rest != value else None


def _ranges(value: str, ram: int, parse: Memparse) -> Crashkernel | None:
    """``start-[end]:size[,...][@base]``: the size of the range that holds the RAM, which is rounded up to 128 MiB first."""
    ram = -(-ram // _RAM_STEP) * _RAM_STEP
    for entry in value.split(","):
        start, rest = parse(entry)
        if rest == entry or not rest.startswith("-"):
            return None
        bound, colon, amount = rest[1:].partition(":")
        end, left = parse(bound)
        size, behind = parse(amount)
        if not colon or left or (bound and end <= start) or behind == amount or size >= ram:
            return None
        if start <= ram and (not bound or ram < end):
            _, at, place = value.partition("@")
            base, left = parse(place)
            return None if at and left == place else Crashkernel(size, base or None)
        if behind:
            return None
    return None


def cma_area(words: Iterable[Word], parse: Memparse) -> CmaArea | None:
    """``cma=SIZE[@START[-END]]``, the last one; its place stays that of one before it that named one (kernel/dma/contiguous.c)."""
    area = None
    for word in words:
        if not word.is_named("cma") or word.value is None:
            continue
        size, rest = parse(word.value)
        area = CmaArea(size) if area is None else replace(area, size=size)
        if rest.startswith("@"):
            start, rest = parse(rest[1:])
            area = CmaArea(size, start, parse(rest[1:])[0] if rest.startswith("-") else start + size)
    return area


_PAGES = re.compile(r"[0-9]+")


def huge_pages(words: Iterable[Word], parse: Memparse) -> tuple[HugePages, ...]:
    """``hugepages=`` with the ``hugepagesz=`` or ``default_hugepagesz=`` before it (mm/hugetlb.c; booted on 7.3).

    Whether the processor has pages of a size, and which nodes are there, is for the caller to know: a list with a node that is not
    there counts for nothing.
    """
    asked: dict[int | None, HugePages] = {}
    sizes: set[int] = set()
    current: int | None = None
    previous: tuple[int | None] | None = None
    default: int | None = None
    valid = True
    for word in words:
        value = word.value
        if value is None:
            continue
        if word.is_named("default_hugepagesz") or word.is_named("hugepagesz"):
            is_default = word.is_named("default_hugepagesz")
            size = parse(value)[0]
            again = default is not None if is_default else size in sizes and (size != default or size in asked)
            valid = bool(size) and not size & (size - 1) and not again
            if not valid:
                continue
            # The kernel's default_hugepagesz= does not turn back to a size that it knows already.
            if not (is_default and size in sizes):
                current = size
            sizes.add(size)
            if is_default:
                default = size
                if None in asked:
                    asked[size] = replace(asked.pop(None), size=size)
        elif word.is_named("hugepages"):
            # Twice for one size: the first one counts.
            if valid and previous != (current,):
                pages = _pages(value)
                asked[current] = HugePages(current, 0) if pages is None else replace(pages, size=current)
                previous = previous if pages is None else (current,)
            valid = True
    return tuple(pages for pages in asked.values() if pages.count)


def _pages(value: str) -> HugePages | None:
    """``N`` or ``node:N,...``, read as far as it makes sense; None where it makes none."""
    nodes: list[tuple[int, int]] = []
    at = 0
    while at < len(value):
        first = _PAGES.match(value, at)
        if first is None:
            return None
        if not value.startswith(":", first.end()):
            return HugePages(None, _count(first[0])) if not nodes else None
        second = _PAGES.match(value, first.end() + 1)
        if second is None:
            return None
        nodes.append((_count(first[0]), _count(second[0])))
        if not value.startswith(",", second.end()):
            break
        at = second.end() + 1
    return HugePages(None, sum(count for _, count in nodes), tuple(nodes))


def _count(digits: str) -> int:
    return memparse(digits.lstrip("0"))[0]


_UNMODELLED = frozenset(
    {
        "add_efi_memmap",
        "cma_pernode",
        "disable_mtrr_cleanup",
        "disable_mtrr_trim",
        "efi_fake_mem",
        "enable_mtrr_cleanup",
        "hugetlb_cma",
        "hugetlb_cma_only",
        "initrdmem",
        "bootconfig",
        "kernelcore",
        "memory_corruption_check",
        "memory_corruption_check_size",
        "memtest",
        "movable_node",
        "movablecore",
        "mtrr_chunk_size",
        "mtrr_gran_size",
        "mtrr_spare_reg_nr",
        "numa_cma",
    }
)
_UNMODELLED_VALUES = {
    "initcall_blacklist": re.compile(r"(?:.*,)?(?:kho|luo|liveupdate|memfd_luo|test_kho)_.*", re.DOTALL),
    "efi": re.compile(r"(?:.*,)?nosoftreserve(?:,.*)?", re.DOTALL),
    "mem_encrypt": re.compile(r"on"),
    "numa": re.compile(r"fake=.*", re.DOTALL),
    "swiotlb": re.compile(r"[0-9].*", re.DOTALL),
    "trace_instance": re.compile(r"[^@]*@[0-9].*", re.DOTALL),
}
"""Words that matter with some values only."""


def unmodelled(words: Iterable[Word]) -> tuple[str, ...]:
    """Parameters whose effect is not known here: on which memory the kernel has or reserves early, or on whether KHO and LUO start."""
    names: dict[str, None] = {}
    for word in words:
        name = word.name.replace("-", "_")
        value = _UNMODELLED_VALUES.get(name)
        if name in _UNMODELLED or (value is not None and value.fullmatch(word.value or "")):
            names[name] = None
    return tuple(names)
