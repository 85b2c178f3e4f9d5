"""Draw an alteration of a state: other bytes in a field, other words on the command line, another kernel."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from verdicts import Patch

from campaign.bases import Base
from campaign.sites import KINDS, Site

KERNELS = ("6.18", "6.19", "7.1", "7.3", "7.3-server")
WEIGHTS = {
    "tracker word": 3,
    "count": 2,
    "pointer": 3,
    "name": 2,
    "version": 2,
    "folio entry": 3,
    "header field": 2,
    "flag or id": 2,
    "page list": 2,
    "FDT structure": 1,
    "command line": 2,
    "release": 1,
}
"""How often a kind of field is drawn."""
_PAGE = 4096
_VERSIONS: Sequence[bytes] = (
    *(b"kho-v%d" % number for number in range(1, 6)),
    *(b"luo-v%d" % number for number in range(1, 7)),
    *(b"memfd-v%d" % number for number in range(1, 4)),
    *(b"luo-session-v1", b"luo-session-v2", b"luo-flb-v1", b"luo-flb-v2", b"memblock-v1", b"memblock-v2", b"reserve-mem-v1"),
    *(b"reserve-mem-v2", b"kho-test-v1", b"kho-test-v2"),
)


@dataclass(frozen=True, slots=True)
class Alteration:
    """What is different from the base. ``how``: in words. ``dropped`` and ``appended`` are words of the command line."""

    kind: str
    field: str
    how: str
    kernel: str
    patches: tuple[Patch, ...] = ()
    dropped: tuple[str, ...] = ()
    appended: tuple[str, ...] = ()


def draw(base: Base, rng: random.Random) -> Alteration:
    """An alteration of ``base``, by kind of field first, then by field."""
    kernel = rng.choice(base.kernels)
    while True:
        kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind == "command line":
            return _words(base, kernel, rng)
        if kind == "release":
            return _other_release(base, rng)
        if base.by_kind.get(kind):
            return _field(base, kernel, kind, rng)


def draw_field(base: Base, rng: random.Random) -> Alteration:
    """An alteration of one field of ``base``, by kind first, for a kernel of its own release."""
    kinds = [kind for kind in KINDS if base.by_kind.get(kind)]
    kind = rng.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
    return _field(base, rng.choice(base.kernels), kind, rng)


def _other_release(base: Base, rng: random.Random) -> Alteration:
    kernel = rng.choice([name for name in KERNELS if name not in base.kernels])
    renamed = [site for site in base.by_kind["version"] if site.text and rng.random() < 0.5]
    if not renamed:
        return Alteration("release", "kernel", f"booted on {kernel}", kernel)
    site = renamed[0]
    new, how = _text(site, base.memory.read(site.address, site.size), base, rng)
    return Alteration("release", f"kernel, and {site.name}", f"booted on {kernel}, {how}", kernel, (Patch(site.address, new, False),))


def _field(base: Base, kernel: str, kind: str, rng: random.Random) -> Alteration:
    names = sorted({site.name for site in base.by_kind[kind]})
    name = rng.choice(names)
    site = rng.choice([one for one in base.by_kind[kind] if one.name == name])
    old = base.memory.read(site.address, site.size)
    for _ in range(20):
        filler: tuple[Patch, ...] = ()
        if site.text:
            new, how = _text(site, old, base, rng)
        else:
            value, how, filler = _number(site, int.from_bytes(old, site.order), base, rng)
            new = value.to_bytes(site.size, site.order)
        if new != old:
            patch = Patch(site.address, new, False)
            return Alteration(kind, site.name, f"{how}: {_short(old)} becomes {_short(new)}", kernel, (*filler, patch))
    raise AssertionError(f"{site} cannot be altered")


def _short(data: bytes) -> str:
    return data.hex() if len(data) <= _PAGE // 512 else f"{data[:24].rstrip(bytes(1))!r}"


def _number(site: Site, old: int, base: Base, rng: random.Random) -> tuple[int, str, tuple[Patch, ...]]:
    """Another value of an integer field; with it the page that it points to, where that is free memory with filler in it."""
    bits = 8 * site.size
    mask, low = (1 << bits) - 1, (1 << (site.bits or bits)) - 1
    others = [one for one in base.by_kind[site.kind] if one.size == site.size and one.order == site.order and not one.text]
    how = rng.choice(("bit", "bit", "one more", "one less", "zero", "ones", "copy", "page", *(("point",) * 4 if _points(site) else ())))
    filler: tuple[Patch, ...] = ()
    match how:
        case "bit":
            bit = rng.randrange(min(bits, site.bits or bits) if rng.random() < 0.3 else min(bits, 34))
            return old ^ 1 << bit, f"bit {bit} flipped", filler
        case "one more" | "one less":
            return old & ~low & mask | (old & low) + (1 if how == "one more" else -1) & low, how, filler
        case "zero" | "ones":
            return old & ~low & mask | (0 if how == "zero" else low), how, filler
        case "copy":
            other = rng.choice(others)
            return int.from_bytes(base.memory.read(other.address, other.size), other.order), f"copy of {other.name}", filler
        case "page":
            step = 1 if site.bits else _PAGE
            return old & ~low & mask | (old & low) + rng.choice((step, -step)) & low, "its neighbour", filler
    where = rng.choice(("free", "free", "preserved", "reserved", "scratch", "nowhere"))
    page, data = base.page(where, rng)
    if data is not None:
        filler = (Patch(page, data, True),)
    return old & ~low & mask | (page >> (12 if site.bits else 0)) & low, f"pointed to {where} memory", filler


def _points(site: Site) -> bool:
    return site.pointer or site.bits == 52


def _text(site: Site, old: bytes, base: Base, rng: random.Random) -> tuple[bytes, str]:
    """Other characters in a field of ``site.size`` bytes, its NULs included."""
    how = rng.choice(("version", "version", "version", "bit") if site.kind == "version" else ("letter", "bit", "empty", "endless", "copy"))
    match how:
        case "version":
            known = [one for one in _VERSIONS if len(one) < site.size]
            told = old.rstrip(b"\0")
            near = [one for one in known if one.rstrip(b"0123456789") == told.rstrip(b"0123456789")]
            return rng.choice(near or known).ljust(site.size, b"\0"), "another version"
        case "letter":
            at = rng.randrange(max(len(old.split(b"\0")[0]), 1))
            return old[:at] + rng.choice(b"abcxyz019-").to_bytes() + old[at + 1 :], f"letter {at} changed"
        case "empty":
            return b"\0" + old[1:], "made empty"
        case "endless":
            return old.split(b"\0")[0].ljust(site.size, b"A"), "without its NUL"
        case "copy":
            same = [one for one in base.by_kind[site.kind] if one.size == site.size and one.text]
            other = rng.choice(same)
            return base.memory.read(other.address, other.size), f"copy of {other.name}"
    bit = rng.randrange(8 * max(len(old.split(b"\0")[0]), 1))
    flipped = bytearray(old)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped), f"bit {bit} flipped"


def _words(base: Base, kernel: str, rng: random.Random) -> Alteration:
    """Words behind those of the base, or instead of one of its reserve_mem=."""
    regions = [word for word in base.words if word.startswith("reserve_mem=")]
    region = rng.choice(regions)
    size, align, name = region.removeprefix("reserve_mem=").split(":")
    instead = {
        "the region left out": (),
        "the size halved": (f"reserve_mem={int(size) // 2}:{align}:{name}",),
        "the size doubled": (f"reserve_mem={int(size) * 2}:{align}:{name}",),
        "the size in hex": (f"reserve_mem={int(size):#x}:{align}:{name}",),
        "a larger alignment": (f"reserve_mem={size}:{rng.choice((1 << 20, 1 << 22, 1 << 23, 1 << 24))}:{name}",),
        "an odd alignment": (f"reserve_mem={size}:{rng.choice((3, 12288, 0))}:{name}",),
        "another name": (f"reserve_mem={size}:{align}:{name}x",),
        "no name": (f"reserve_mem={size}:{align}",),
        "the region twice": (region, f"reserve_mem={size}:{align}:{name}"),
        "the region with a dash": (region.replace("_", "-", 1),),
        "nine regions before it": (*(f"reserve_mem=4K:4096:extra{number}" for number in range(8)), region),
    }
    behind = (
        *("kho=off", "kho=0", "kho=n", "kho=disable", "kho=banana", "kho=on", "kho", "liveupdate=off", "liveupdate=0", "liveupdate=n"),
        *("liveupdate=no", "liveupdate=banana", "liveupdate", "kho_scratch=200%", "kho_scratch=512M,8G,1G", "kho_scratch=0%"),
        *("kho_scratch=banana", "kho=off kho=on", "kho=on kho=off", "-- kho=off", "-- liveupdate=off", "KHO=off", "liveupdate=on,off"),
        *("elfcorehdr=0x1000000", "initcall_blacklist=liveupdate_ioctl_init", "initcall_blacklist=acpi_cpufreq_init"),
        *("sysctl.kernel.panic_on_warn=1", "sysctl.kernel.panic_on_oops=1", "panic_on_warn=1 sysctl.kernel.panic_on_warn=0"),
        *("mem=512M", "numa=off", "panic_on_warn=1", "oops=panic", 'kho="off"', "kho=off,on", "hugepages=8"),
    )
    if regions and rng.random() < 0.5:
        how = rng.choice(list(instead))
        return Alteration("command line", name, how, kernel, dropped=(region,), appended=instead[how])
    word = rng.choice(behind)
    return Alteration("command line", re.split("[= ]", word)[0], f"{word} appended", kernel, appended=(word,))
