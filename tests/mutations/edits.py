"""Changes to bytes. Each takes the random source and the bytes and gives the changed bytes and what was done."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from mutations.originals import FDT_MAGIC, Core

Edited = tuple[bytes, str]
Edit = Callable[[random.Random, bytes], Edited]

HOSTILE_NAMES: tuple[bytes, ...] = (
    b"\x1b[2J\x1b[31mred",
    b"\x1b]0;title\x07",
    b"\x1b]52;c;b3du\x07",
    b"\x9b31mc1",
    "\u009b31m\u0085".encode(),
    "abc\u202etxt.exe".encode(),
    "\u2066iso\u2069\u200f\u061c".encode(),
    "zero\u200bwidth\ufeff\u2028\u2029".encode(),
    "\U000e0041\U000e0042\ufff9".encode(),
    b"two\nlines\r\x0b\x0c",
    b"tab\tback\x08\x7fdel",
    b"\xff\xfe\xc0\x80\xf8",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"[bold red]x[/bold red][/]",
    b"[@click=app.quit]x[/]",
    b"[link=file:///]x[/",
    b"%s%n{0}{name!r}${HOME}",
    b"..\\..\\x2f\\x1b",
    b"~",
    b"\x00",
    b"A" * 64,
    "e\u0301\u0301\u0301".encode(),
    "\U0001f600\u4e2d\u6587".encode(),
)
EXTREMES = (0, 1, 7, 0xFFF, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 47, 1 << 52, 1 << 63, (1 << 64) - 4096, (1 << 64) - 1)


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new[: max(0, len(data) - at)] + data[at + len(new) :]


def _u64(value: int) -> bytes:
    return struct.pack("<Q", value & (1 << 64) - 1)


def flip_bits(rng: random.Random, data: bytes) -> Edited:
    changed = bytearray(data)
    bits = [rng.randrange(len(data) * 8) for _ in range(rng.choice((1, 1, 1, 2, 8)))] if data else []
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed), f"bits {bits} flipped"


def byte_run(rng: random.Random, data: bytes) -> Edited:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8, 16, 64, 500))
    new = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size), b"\x80" * size))
    return _put(data, at, new), f"{size} bytes at {at} set to {new[:4].hex()}.."


def truncate(rng: random.Random, data: bytes) -> Edited:
    size = rng.choice((0, 1, rng.randrange(len(data) + 1), max(0, len(data) - 1), min(len(data), rng.randrange(128))))
    return data[:size], f"cut to {size}"


def insert(rng: random.Random, data: bytes) -> Edited:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 3, 4, 8, 100, 4096))
    return data[:at] + rng.randbytes(size) + data[at:], f"{size} bytes inserted at {at}"


def delete(rng: random.Random, data: bytes) -> Edited:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 4, 8, 100))
    return data[:at] + data[at + size :], f"{size} bytes taken out at {at}"


def duplicate(rng: random.Random, data: bytes) -> Edited:
    at, size, times = rng.randrange(len(data) + 1), rng.randrange(1, 200), rng.choice((1, 2, 300))
    return data[:at] + data[at : at + size] * times + data[at:], f"{size} bytes at {at} repeated {times} times"


def hostile_text(rng: random.Random, data: bytes) -> Edited:
    at, name = rng.randrange(len(data) + 1), rng.choice(HOSTILE_NAMES)
    return data[:at] + name + data[at:], f"{name!r} inserted at {at}"


def extreme_word(rng: random.Random, data: bytes) -> Edited:
    at, size = rng.randrange(0, max(1, len(data)), 4), rng.choice((4, 8))
    value, order = rng.choice(EXTREMES), rng.choice((">", "<"))
    word = struct.pack(order + ("Q" if size == 8 else "I"), value & (1 << 8 * size) - 1)
    return _put(data, at, word), f"word at {at} set to {word.hex()}"


def extreme_number(rng: random.Random, data: bytes) -> Edited:
    """One of the numbers that the text holds."""
    words = data.split(b" ")
    numbers = [n for n, word in enumerate(words) if any(48 <= c <= 57 for c in word)]
    if not numbers:
        return data, "no number to change"
    number = rng.choice(numbers)
    new = rng.choice((b"-1", b"0", b"99999999999999999999999", b"0x" + b"f" * 40, b"9" * 5000, "\u0665\u00b2".encode(), b"1e999", b"nan"))
    words[number] = new + (b"\n" if words[number].endswith(b"\n") else b"")
    return b" ".join(words), f"number {number} set to {new[:20]!r}"


def fdt_header(rng: random.Random, data: bytes, at: int = 0) -> Edited:
    """One of the ten words of an FDT header."""
    word, value = rng.randrange(10), rng.choice((*EXTREMES[:7], rng.randrange(0, 400), rng.randrange(0, 400, 4)))
    return _put(data, at + 4 * word, struct.pack(">I", value & 0xFFFFFFFF)), f"FDT header word {word} at {at} set to {value:#x}"


def fdt_token(rng: random.Random, data: bytes, at: int = 0) -> Edited:
    """One word of the structure block."""
    where = at + 56 + 4 * rng.randrange(64)
    value = rng.choice((0, 1, 2, 3, 4, 5, 9, 0xFFFFFFFF, 0x7FFFFFFF, rng.randrange(64)))
    return _put(data, where, struct.pack(">I", value)), f"FDT word at {where} set to {value:#x}"


def hostile_name(rng: random.Random, data: bytes, core: Core | None = None) -> Edited:
    """A string that the bytes hold becomes hostile, in place."""
    names = (core or Core(data)).names if core is not None else Core(b"\0" * 64 + data).names
    shift = 0 if core is not None else 64
    if not names:
        return hostile_text(rng, data)
    at, size = rng.choice(names)
    new = rng.choice(HOSTILE_NAMES)
    new = rng.choice((new[:size].ljust(size, b"x"), new, new[:size] + b"\0"))
    return _put(data, at - shift, new), f"name at {at - shift} set to {new!r}"


GENERAL: tuple[Edit, ...] = (flip_bits, byte_run, truncate, insert, delete, duplicate, extreme_word)
TEXT: tuple[Edit, ...] = (hostile_text, hostile_text, extreme_number, extreme_number, flip_bits, byte_run, truncate, duplicate, delete)


def edit_blob(rng: random.Random, data: bytes) -> Edited:
    """A file of debugfs or firmware."""
    if data.startswith(FDT_MAGIC):
        return rng.choice((*GENERAL, fdt_header, fdt_header, fdt_token, fdt_token, fdt_token, hostile_name, hostile_name))(rng, data)
    return rng.choice((*GENERAL, hostile_name))(rng, data)


def edit_text(rng: random.Random, data: bytes) -> Edited:
    """A file of /proc or /sys."""
    return rng.choice(TEXT)(rng, data)


def edit_core(rng: random.Random, data: bytes, core: Core) -> Edited:
    """The memory of a capture; ``core`` tells where things lie in the bytes as they were before any edit."""
    kind = rng.choices(_CORE_EDITS, _CORE_WEIGHTS)[0]
    return kind(rng, data, core)


def _hot(rng: random.Random, core: Core) -> int:
    """A file offset in a page that holds metadata: where a pointer, a name, a count or an FDT is."""
    spots = rng.choice([s for s in (core.pointers, [at for at, _ in core.names], core.counts, core.fdts) if s] or [[64]])
    return rng.choice(spots)


def _page(rng: random.Random, core: Core) -> tuple[int, int]:
    return rng.choice(core.pages)


def _flip_near(rng: random.Random, data: bytes, core: Core) -> Edited:
    at = _hot(rng, core)
    part, said = flip_bits(rng, data[at : at + 16])
    return _put(data, at, part), f"from {at}: {said}"


def _run_near(rng: random.Random, data: bytes, core: Core) -> Edited:
    at = _hot(rng, core) + rng.randrange(-8, 16)
    part, said = byte_run(rng, data[at : at + 512])
    return _put(data, at, part), f"from {at}: {said}"


def _fill_page(rng: random.Random, data: bytes, core: Core) -> Edited:
    at = _hot(rng, core) & ~0xFFF
    fill = rng.choice((bytes(4096), b"\xff" * 4096, b"\xaa" * 4096, b"\x01" + bytes(4095), rng.randbytes(4096)))
    return _put(data, at, fill), f"page at {at} filled with {fill[:2].hex()}"


def _copy_page(rng: random.Random, data: bytes, core: Core) -> Edited:
    _, source = _page(rng, core)
    at = _hot(rng, core) & ~0xFFF
    return _put(data, at, data[source : source + 4096]), f"page at {source} copied over that at {at}"


def _swap_pointers(rng: random.Random, data: bytes, core: Core) -> Edited:
    if not core.pointers:
        return flip_bits(rng, data)
    a, b = rng.choice(core.pointers), rng.choice(core.pointers)
    one, other = data[a : a + 8], data[b : b + 8]
    return _put(_put(data, a, other), b, one), f"pointers at {a} and {b} swapped"


def _redirect(rng: random.Random, data: bytes, core: Core) -> Edited:
    if not core.pointers:
        return flip_bits(rng, data)
    at = rng.choice(core.pointers)
    own = next((address for address, offset in core.pages if offset <= at < offset + 4096), 0)
    target = rng.choice((own, own, _page(rng, core)[0], _page(rng, core)[0], _page(rng, core)[0] + rng.choice((1, 8, 4095)), *EXTREMES))
    return _put(data, at, _u64(target)), f"pointer at {at} set to {target:#x}"


def _fan(rng: random.Random, data: bytes, core: Core) -> Edited:
    """Every slot of a page leads to one page, maybe itself."""
    if not core.pointers:
        return flip_bits(rng, data)
    at = rng.choice(core.pointers) & ~0xFFF
    own = next((address for address, offset in core.pages if offset == at), 0)
    target = rng.choice((own, _page(rng, core)[0]))
    first = rng.choice((0, 8, 16))
    return _put(data, at + first, _u64(target) * ((4096 - first) // 8)), f"all of page at {at} from {first} on set to {target:#x}"


def _count(rng: random.Random, data: bytes, core: Core) -> Edited:
    if not core.counts:
        return flip_bits(rng, data)
    at, value = rng.choice(core.counts), rng.choice((*EXTREMES, 2, 51, 52, 63, 64, 255, 256, 512, 100_000, 10_000_000))
    return _put(data, at, _u64(value)), f"count at {at} set to {value:#x}"


def _small_count(rng: random.Random, data: bytes, core: Core) -> Edited:
    at, value = _hot(rng, core) & ~3, rng.choice((*EXTREMES, 2, 20, 64))
    return _put(data, at, struct.pack("<I", value & 0xFFFFFFFF)), f"u32 at {at} set to {value & 0xFFFFFFFF:#x}"


def _fdt(rng: random.Random, data: bytes, core: Core) -> Edited:
    if not core.fdts:
        return flip_bits(rng, data)
    return rng.choice((fdt_header, fdt_token, fdt_token))(rng, data, rng.choice(core.fdts))


def _elf_header(rng: random.Random, data: bytes, _core: Core) -> Edited:
    at, size = rng.choice(((4, 1), (5, 1), (16, 2), (18, 2), (32, 8), (40, 8), (52, 2), (54, 2), (56, 2), (58, 2), (60, 2)))
    value = rng.choice((*EXTREMES, 2, 3, 56, 64, 0x7FFF, 0xFFFF)) & (1 << 8 * size) - 1
    return _put(data, at, value.to_bytes(size, "little")), f"ELF header at {at} set to {value:#x}"


def _program_header(rng: random.Random, data: bytes, core: Core) -> Edited:
    if not core.segments:
        return flip_bits(rng, data)
    one, other = rng.choice(core.segments), rng.choice(core.segments)
    at, size = rng.choice(((0, 4), (8, 8), (24, 8), (32, 8), (40, 8)))
    value = rng.choice((*EXTREMES, 4, other.address, other.offset, other.address + 1, len(data) - 100)) & (1 << 8 * size) - 1
    return _put(data, one.header + at, value.to_bytes(size, "little")), f"program header at {one.header}+{at} set to {value:#x}"


def _anywhere(rng: random.Random, data: bytes, _core: Core) -> Edited:
    return rng.choice(GENERAL)(rng, data)


_CORE_EDITS: tuple[Callable[[random.Random, bytes, Core], Edited], ...] = (
    _flip_near, _run_near, _fill_page, _copy_page, _swap_pointers, _redirect, _fan, _count, _small_count, _fdt, hostile_name,
    _elf_header, _program_header, _anywhere,
)  # fmt: skip
_CORE_WEIGHTS = (6, 4, 3, 3, 6, 8, 2, 8, 4, 5, 6, 1, 2, 3)
