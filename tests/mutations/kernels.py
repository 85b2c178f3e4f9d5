"""Kernel images broken at random: containers, headers, and what is in them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
from collections.abc import Callable
from functools import cache

from captures import SHARED
from kernel_images import arm64_image, bzimage

from mutations.edits import EXTREMES, GENERAL
from mutations.workers import FileMutant

_BODY = b"".join(
    (
        bytes(64),
        b"kho-v4\0luo-v5\0luo-session-v5\0memfd-v2\0memblock-v1\0vendor-handler-v7\0",
        b"Linux version 7.3.4 (builder@host) (gcc 14) #1 SMP\n",
        b"IKCFG_ST" + gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\n# CONFIG_MODULES is not set\nCONFIG_LIVEUPDATE=y\n", mtime=0) + b"IKCFG_ED",
    )
)
_PACKERS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: gzip.compress(data, 1, mtime=0),
    lambda data: lzma.compress(data, preset=0),
    lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    lambda data: bz2.compress(data, 1),
    lambda data: data,
)
_HEADER_FIELDS = ((0x1F1, 1), (0x206, 2), (0x238, 4), (0x248, 4), (0x24C, 4), (0x258, 8), (0x260, 4))
"""Offsets and sizes in a bzImage (Documentation/arch/x86/boot.rst)."""


@cache
def _real() -> tuple[tuple[str, bytes], ...]:
    return tuple((path.name, path.read_bytes()) for path in sorted((SHARED.parent / "kernels").glob("*mage-*")))


def make_kernel(seed: int, number: int) -> FileMutant:
    """The image of this seed and number; the same at every call where the same kernels are at hand."""
    rng = random.Random(f"kernel {seed}:{number}")
    mutant = FileMutant("kernel image", "vmlinuz", seed, number)
    if _real() and rng.random() < 0.3:
        name, mutant.data = rng.choice(_real())
        mutant.steps.append(name)
    else:
        body = _BODY + (rng.randbytes(5000) if rng.random() < 0.5 else bytes(1 << 21))
        for _ in range(rng.choice((0, 0, 1, 3))):
            body, said = rng.choice(GENERAL)(rng, body)
            mutant.steps.append(f"body: {said}")
        mutant.data = _wrapped(rng, body, mutant.steps, rng.choice((1, 1, 1, 2, 4)))
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        edit = rng.choice((*GENERAL, _header_field, _header_field, _repeat))
        mutant.data, said = edit(rng, mutant.data)
        mutant.steps.append(said)
    return mutant


def _wrapped(rng: random.Random, body: bytes, steps: list[str], layers: int) -> bytes:
    for _ in range(layers):
        form = rng.choice(("bzImage", "zboot", "arm64", "vmlinux", "packed"))
        payload = rng.choice(_PACKERS)(body)
        if form == "bzImage":
            body = bzimage(payload)
        elif form == "zboot":
            sizes = struct.pack("<II", rng.choice((64, 64, 64, *EXTREMES[:6])), rng.choice((len(payload),) * 5 + (0, (1 << 32) - 1)))
            body = b"MZ\0\0zimg" + sizes + bytes(8) + b"gzip".ljust(40, b"\0") + payload
        elif form == "arm64":
            body = arm64_image(body, rng.choice((0, 2, 4, 6, (1 << 64) - 1)))
        elif form == "vmlinux":
            kinds = struct.pack("<HH", rng.choice((1, 2, 3, 4)), rng.choice((62, 183, 0xFFFF)))
            body = b"\x7fELF" + bytes((2, rng.choice((1, 2)), 1)) + bytes(9) + kinds + bytes(44) + body
        else:
            body = payload
        steps.append(f"as {form}")
    return body


def _header_field(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    at, size = rng.choice(_HEADER_FIELDS)
    value = rng.choice((*EXTREMES, rng.randrange(1 << 8 * size))) & (1 << 8 * size) - 1
    return data[:at] + value.to_bytes(size, "little") + data[at + size :], f"header field at {at:#x} set to {value:#x}"


def _repeat(rng: random.Random, data: bytes) -> tuple[bytes, str]:
    """What an image holds, over and over: strings, banners, streams."""
    word = rng.choice((b"kho-v4\0", b"Linux version ", b"IKCFG_ST\x1f\x8b\x08", b"\x1f\x8b\x08\0" * 3, b"a" * 999 + b"-v1\0", b"\0-v9\0"))
    at, times = rng.randrange(len(data) + 1), rng.choice((10, 1000, 200_000))
    return data[:at] + word * times + data[at:], f"{word[:16]!r} {times} times at {at}"
