"""The kernel's command line: taken apart once, then asked by all who need to know what a kernel makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from kho_tui.releases.cmdline.handover import BootOptions, Explicit, Memparse, ReserveMem, Scaled, parse_region, parse_scratch
from kho_tui.releases.cmdline.memory import (
    CmaArea,
    Crashkernel,
    HugePages,
    MapEdit,
    MapEffect,
    cma_area,
    find_crashkernel,
    huge_pages,
    unmodelled,
    x86_map_edits,
)
from kho_tui.releases.cmdline.numbers import kstrtobool, memparse
from kho_tui.releases.cmdline.panics import PanicOptions, panics_at_boot, panics_in_user_space
from kho_tui.releases.cmdline.words import Word, split_words
from kho_tui.releases.fixes import KDUMP_KEEPS_KHO
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Release, Releases
from kho_tui.releases.version import Version

__all__ = [
    "BootOptions",
    "CmaArea",
    "CommandLine",
    "Crashkernel",
    "Explicit",
    "HugePages",
    "MapEdit",
    "MapEffect",
    "PanicOptions",
    "ReserveMem",
    "Scaled",
    "Word",
    "memparse",
    "read_cmdline",
]

_LIVEUPDATE = Range("6.19")
"""Kernels that read ``liveupdate=`` (kernel/liveupdate/luo_core.c)."""
_DEFAULT_KHO = Range("6.19")
"""Kernels that KHO may be on in without ``kho=`` (CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT)."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A kernel's command line. ``words`` are the kernel's own, without those for init.

    ``whole``: nothing of ``text`` is known to be missing. What only some releases do is asked with the release.
    """

    text: bytes
    whole: bool = True
    words: tuple[Word, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", split_words(self.text))

    def values(self, parameter: str) -> tuple[str | None, ...]:
        """The values of a parameter in their order, None for a bare one."""
        return tuple(word.value for word in self.words if word.is_named(parameter))

    @property
    def kho(self) -> bool | None:
        """The last ``kho=`` that has a truth value; None: there is none, and the kernel's own default stays."""
        return self._switch("kho")

    @property
    def liveupdate(self) -> bool | None:
        """The last ``liveupdate=`` that has a truth value; None: there is none."""
        return self._switch("liveupdate")

    @property
    def says_kho(self) -> bool:
        """Whether it decides on KHO, so that the kernel's default does not count."""
        return self.kho is not None

    @property
    def kho_value(self) -> str | None:
        """The value of the ``kho=`` that decides."""
        return next((value for value in reversed(self.values("kho")) if kstrtobool(value) is not None), None)

    def _switch(self, parameter: str) -> bool | None:
        switches = (kstrtobool(value) for value in reversed(self.values(parameter)))
        return next((switch for switch in switches if switch is not None), None)

    def options(self, release: Release, known: Releases, *, version: Version | None = None, on_by_default: bool = False) -> BootOptions:
        """What KHO and its producers take from it. ``known``: the releases that are known.

        ``on_by_default``: CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT, 6.19 on.

        ``version`` None: any of the release. A kernel that surely leaves KHO off in a kdump kernel does so, one that may does not.
        """
        parse = _memparse(release)
        scratch: Scaled | Explicit = Scaled()
        regions: list[ReserveMem] = []
        refused: list[str] = []
        for word in self.words:
            shown = word.name if word.value is None else f"{word.name}={word.value}"
            if word.is_named("kho") or word.is_named("liveupdate"):
                if kstrtobool(word.value) is None:
                    refused.append(f"{shown}: no truth value, the default stays")
            elif word.is_named(release.names.kho_scratch):
                asked = parse_scratch(word.value or "", release, parse)
                scratch = asked or scratch
                if asked is None:
                    refused.append(f"{shown}: refused by {release.name}, the default stays")
            elif word.is_named("reserve_mem") and word.value is not None:
                region = parse_region(word.value, regions, parse)
                if isinstance(region, str):
                    refused.append(f"{shown}: {region}")
                else:
                    regions.append(region)
        kho = (on_by_default and bool(_DEFAULT_KHO.covers(release.version))) if self.kho is None else self.kho
        if self.is_kdump and KDUMP_KEEPS_KHO.affects(version or release.version, known) is False:
            kho = False
        return BootOptions(
            kho, scratch, tuple(regions), bool(self.liveupdate) and bool(_LIVEUPDATE.covers(release.version)), tuple(refused)
        )

    @property
    def is_kdump(self) -> bool:
        """Whether it boots a crash kernel: ``elfcorehdr=`` names the memory of the one that crashed."""
        return any(value is not None for value in self.values("elfcorehdr"))

    @property
    def panics_at_boot(self) -> PanicOptions:
        """What ends in a panic until init runs."""
        return panics_at_boot(self.words)

    @property
    def panics_in_user_space(self) -> PanicOptions:
        """What ends in a panic from init on, as long as nobody changes it."""
        return panics_in_user_space(self.words)

    def x86_map_edits(self, release: Release) -> tuple[MapEdit, ...]:
        """What ``mem=`` and ``memmap=`` change, in this order, of the firmware's memory map."""
        return tuple(x86_map_edits(self.words, _memparse(release)))

    def arm64_memory(self, release: Release) -> int | None:
        """Bytes of RAM, from the lowest on, that the last ``mem=`` leaves (arch/arm64/mm/init.c, early_mem); None: all of it."""
        sizes = [_memparse(release)(value)[0] for value in self.values("mem") if value is not None]
        return sizes[-1] if sizes else None

    def crashkernel(self, release: Release, ram: int) -> Crashkernel | None:
        """What is reserved for a crash kernel on a machine with ``ram`` bytes; None: nothing. ``,cma`` since 6.17."""
        text = self.text.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        return find_crashkernel(text, ram, _memparse(release), knows_cma=_series(release) >= (6, 17))

    def cma(self, release: Release) -> CmaArea | None:
        """The default CMA area; None: as the kernel was built."""
        return cma_area(self.words, _memparse(release))

    def huge_pages(self, release: Release) -> tuple[HugePages, ...]:
        """Huge pages to be taken at boot; the gigantic ones (above the largest order) before there is a page allocator."""
        return huge_pages(self.words, _memparse(release))

    @property
    def unmodelled(self) -> tuple[str, ...]:
        """Parameters whose effect is not known here: on which memory the kernel has or reserves early, or on whether KHO and LUO start."""
        return unmodelled(self.words)


def read_cmdline(text: bytes | str, *, whole: bool = True) -> CommandLine:
    """Take a command line apart. Never raises: any bytes are a command line, up to the first NUL."""
    return CommandLine(_bytes(text) if isinstance(text, str) else text, whole)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _series(release: Release) -> tuple[int, ...]:
    return tuple(int(number) for number in release.name.split("."))


def _memparse(release: Release) -> Memparse:
    return partial(memparse, saturates=_series(release) >= (7, 2))
