"""A kernel image as a file: what release it is, whether KHO is built into it, and the versions that it knows.

Read are bzImage (a signed one too: the signature stands behind), vmlinux, arm64 Image, EFI zboot, and any of them compressed as a whole.
Formats: Documentation/arch/x86/boot.rst, Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot-header.S.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from kho_tui.capture.archives import archive_kind
from kho_tui.capture.kernel_payload import Stream, payload_kind, unpacked
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.source import open_file
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import RELEASES, Release, release_of
from kho_tui.releases.version import Version
from kho_tui.text import SafeText, visible

_PIECE = 1 << 20
_HEAD = 0x268
"""Bytes of a file that tell which kind of image it is, and all that its header says."""
_LAYERS = 3
"""Containers in one another: a gzip of a zboot of a compressed Image."""
_OVERLAP = 1024
"""Bytes of a piece that are looked at again with the next one: more than any text that is looked for."""
_LARGEST_CONFIG = 16 << 20

_ELF_KINDS = (2, 3)
"""ET_EXEC and ET_DYN: a core, which is a memory dump, has a kernel's banner in it too."""
_PAGE_SIZES = {1: 4096, 2: 16384, 3: 65536}
_VERSION = re.compile(rb"-v\d{1,3}\0")
_VERSIONED = frozenset({b"kho", b"luo", b"luo-session", b"luo-flb", b"memfd", b"memblock", b"reserve-mem", b"kho-test"})
_WORD = re.compile(rb"[a-z0-9_-]*\Z")
_LONGEST_WORD = 16
_MOST_VERSIONS = 100_000
"""A kernel has some hundred; a file of nothing else would take minutes."""
_NEVER_ON_BY_DEFAULT = Range("6.16", "6.18")
"""Releases without CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT (kernel/Kconfig.kexec)."""
_BANNER = re.compile(rb"Linux version (\d[\x21-\x7e]{0,64}) [\x20-\x7e]{0,512}")


class NotAKernelError(InputError):
    """The file is something else."""


class KhoSupport(Enum):
    """What can be told of KHO in an image. The value is the sentence shown."""

    NOT_IN_RELEASE = "KHO is not in this release: it came with 6.16"
    NOT_BUILT = "KHO is not built into this kernel"
    BUILT = "KHO is built in; whether it is on by default cannot be told: put kho=on on its command line"
    BUILT_OFF = "KHO is built in and off unless kho=on stands on its command line"
    BUILT_ON = "KHO is built in and on by default"

    @property
    def built(self) -> bool:
        """Whether the code is there."""
        return self in (KhoSupport.BUILT, KhoSupport.BUILT_OFF, KhoSupport.BUILT_ON)


@dataclass(frozen=True, eq=False)
class KernelImage:
    """What an image says of itself. ``versions``: compatible strings found in it; ``config`` the embedded one, None where there is none.

    ``init_size``: bytes that an x86 kernel needs while it unpacks itself; for arm64 the size of its memory image. ``alignment`` of the
    load address, ``preferred``, the lowest one, and ``cmdline_size``, the most characters of a command line, are a bzImage's.
    ``page_size`` None: not told. ``release`` is the banner's.
    """

    path: SafeText
    form: str
    arch: str | None
    release: str | None
    versions: frozenset[bytes]
    config: Mapping[str, str] | None
    page_size: int | None
    init_size: int | None
    alignment: int = 0
    preferred: int = 0
    cmdline_size: int | None = None
    contents: Callable[[], Iterator[bytes]] = field(default=lambda: iter(()), repr=False)
    """The code itself, unpacked anew, in pieces. Raises InputError where the file is gone."""
    _asked: dict[bytes, bool] = field(default_factory=dict, repr=False)

    def has_string(self, text: bytes) -> bool:
        """Whether a string of C stands in it."""
        if text not in self._asked:
            self._asked[text] = any(text + b"\0" in window for window, _ in _windows(self.contents()))
        return self._asked[text]

    @property
    def support(self) -> KhoSupport:
        """KHO in this image. That a string is absent means not built, never switched off."""
        return kho_support(self.release, bool(self.roots), self.config)

    @property
    def roots(self) -> frozenset[bytes]:
        """The versions of the root FDT that it knows."""
        return frozenset(one for one in self.versions if one.startswith(b"kho-v"))

    @property
    def series(self) -> Release | None:
        """The release whose formats it reads: the one of its banner, or, where its strings say otherwise, the newest one that fits them."""
        named = release_of(self.release)
        if named is not None and (not self.roots or named.root in self.versions):
            return named
        luo = {one for one in self.versions if re.fullmatch(rb"luo-v\d+", one)}
        fitting = [one for one in reversed(RELEASES) if one.root in self.versions]
        return next((one for one in fitting if luo == ({one.luo.compatible} if one.luo else set())), fitting[0] if fitting else None)


def kho_support(release: str | None, built: bool, config: Mapping[str, str] | None) -> KhoSupport:
    """The answer for a kernel of ``release`` (``uname -r``) that has KHO in it or not."""
    version = Version.parse(release)
    if not built:
        is_older = version is not None and version.series < RELEASES[0].version.series
        return KhoSupport.NOT_IN_RELEASE if is_older else KhoSupport.NOT_BUILT
    if _NEVER_ON_BY_DEFAULT.covers(version):
        return KhoSupport.BUILT_OFF
    if config is None:
        return KhoSupport.BUILT
    return KhoSupport.BUILT_ON if config.get("CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT") == "y" else KhoSupport.BUILT_OFF


def read_kernel_image(path: Path, context: Context) -> KernelImage:
    """What the file is. Raises NotAKernelError for one that is something else, InputError for a kernel that cannot be unpacked."""
    shown = visible(str(path))

    def contents(told: _Told) -> Iterator[bytes]:
        try:
            yield from _unwrapped(Stream(_pieces(path, context)), told)
        except InputError as error:
            raise type(error)(f"{shown}: {error}") from None

    told = _Told([])
    found = _search(contents(told))
    if found.release is None:
        raise NotAKernelError(f'{shown}: no kernel: there is no "Linux version" in it')
    return KernelImage(
        shown,
        " in ".join(reversed(told.form)),
        told.arch,
        found.release,
        frozenset(found.versions),
        found.config,
        told.page_size,
        told.init_size,
        told.alignment,
        told.preferred,
        told.cmdline_size,
        lambda: contents(_Told([])),
    )


def _pieces(path: Path, context: Context) -> Iterator[bytes]:
    with open_file(path) as source:
        what = f"reading {visible(source.name)}"
        for at in range(0, source.size, _PIECE):
            context.step(what, at, source.size, "bytes")
            yield source.read_at(at, _PIECE)


@dataclass(slots=True)
class _Told:
    """What the headers say, gathered while a file is unwrapped."""

    form: list[str]
    arch: str | None = None
    page_size: int | None = None
    init_size: int | None = None
    alignment: int = 0
    preferred: int = 0
    cmdline_size: int | None = None


@dataclass(slots=True)
class _Found:
    """What the code says, gathered while it is searched. ``config`` is the one of CONFIG_IKCONFIG (kernel/configs.c)."""

    release: SafeText | None = None
    versions: set[bytes] = field(default_factory=set)
    config: Mapping[str, str] | None = None


def _search(pieces: Iterator[bytes]) -> _Found:
    found = _Found()
    config = _ConfigReader()
    looked_at = 0
    for window, fresh in _windows(pieces):
        if found.release is None and (banner := _BANNER.search(window)) is not None:
            found.release = visible(banner[1])
        for match in _VERSION.finditer(window):
            if match.end() <= fresh:
                continue  # seen whole with the piece before
            looked_at += 1
            word = _WORD.search(window[max(match.start() - _LONGEST_WORD, 0) : match.start()])
            if word is not None and word[0] in _VERSIONED:
                found.versions.add(word[0] + match[0][:-1])
        if looked_at > _MOST_VERSIONS:
            raise NotAKernelError(f"no kernel: it holds more than {_MOST_VERSIONS} version strings")
        config.read(window, fresh)
    found.config = config.parsed()
    return found


def _windows(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """The pieces, each behind the end of the one before it, and where in that the new bytes begin: what lies across is seen whole once.

    Pieces come in a size that makes looking at some bytes twice cheap.
    """
    before, have = b"", 0
    waiting: list[bytes] = []

    def window() -> tuple[bytes, int]:
        return b"".join((before, *waiting)), len(before)

    for piece in pieces:
        waiting.append(piece)
        have += len(piece)
        if have >= _PIECE:
            whole, fresh = window()
            yield whole, fresh
            before, waiting, have = whole[-_OVERLAP:], [], 0
    if waiting:
        yield window()


class _ConfigReader:
    """A gzip file behind a mark, which may go on over many pieces."""

    _MARK = b"IKCFG_ST"

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._is_open = self._is_done = False
        self._text = bytearray()

    def read(self, window: bytes, fresh: int) -> None:
        """Take what ``window`` holds of it; what lies before ``fresh`` was taken before."""
        if self._is_done:
            return
        start = fresh
        if not self._is_open:
            mark = window.find(self._MARK)
            if mark < 0:
                return
            self._is_open, start = True, mark + len(self._MARK)
        try:
            self._text += self._inflate.decompress(window[start:], _LARGEST_CONFIG - len(self._text))
        except zlib.error:
            self._text.clear()
            self._is_done = True
        # Nothing is left to do where the text is too long to be one.
        self._is_done |= self._inflate.eof or len(self._text) >= _LARGEST_CONFIG

    def parsed(self) -> Mapping[str, str] | None:
        """The options by name; None where there are none."""
        if not self._text:
            return None
        pairs = (line.partition("=") for line in self._text.decode("ascii", "replace").splitlines() if line.startswith("CONFIG_"))
        return {name: value for name, _, value in pairs}


def _unwrapped(stream: Stream, told: _Told) -> Iterator[bytes]:
    """The code itself, out of its containers."""
    for _ in range(_LAYERS):
        head = stream.peek(_HEAD)
        if head[0x202:0x206] == b"HdrS":
            return unpacked(Stream(_bzimage_payload(stream, head, told)))
        if head[:2] == b"MZ" and head[4:8] == b"zimg":
            offset, size = (int.from_bytes(head[at : at + 4], "little") for at in (8, 12))
            told.form.append("EFI zboot")
            outside = "EFI zboot image whose payload lies outside of the file"
            if not size:
                raise InputError(outside)
            stream = Stream(stream.part(offset, size, outside))
            if payload_kind(stream.peek(16)) is not None:
                stream = Stream(unpacked(stream))
        elif head[0x38:0x3C] == b"ARM\x64":
            flags = int.from_bytes(head[0x18:0x20], "little")
            told.form.append("arm64 Image")
            told.arch, told.page_size = "arm64", _PAGE_SIZES.get(flags >> 1 & 3)
            told.init_size = int.from_bytes(head[0x10:0x18], "little") or None
            return stream
        elif head[:4] == b"\x7fELF":
            kind, machine = (int.from_bytes(head[at : at + 2], "little" if head[5:6] == b"\1" else "big") for at in (16, 18))
            if kind not in _ELF_KINDS:
                raise NotAKernelError("no kernel: an ELF file of another kind")
            told.form.append("vmlinux")
            told.arch = {62: "x86_64", 183: "arm64"}.get(machine)
            told.page_size = 4096 if machine == 62 else None
            return stream
        elif (packed_by := payload_kind(head)) is not None:
            stream = Stream(unpacked(stream))
            if archive_kind(stream.peek(512)) is not None:
                raise NotAKernelError("no kernel image: an archive")
            told.form.append(f"{packed_by} file")
        else:
            break
    raise NotAKernelError("no kernel image: neither bzImage, vmlinux, arm64 Image nor EFI zboot")


def _bzimage_payload(stream: Stream, head: bytes, told: _Told) -> Iterator[bytes]:
    version = int.from_bytes(head[0x206:0x208], "little")
    if version < 0x208:
        raise InputError(f"bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, which does not say where its payload lies")
    told.form.append("bzImage")
    told.arch, told.page_size = "x86_64", 4096
    told.cmdline_size = int.from_bytes(head[0x238:0x23C], "little") or None
    if version >= 0x20A:
        told.init_size, told.alignment = (int.from_bytes(head[at : at + 4], "little") for at in (0x260, 0x230))
        told.preferred = int.from_bytes(head[0x258:0x260], "little")
    setup = ((head[0x1F1] or 4) + 1) * 512
    offset, size = (int.from_bytes(head[at : at + 4], "little") for at in (0x248, 0x24C))
    cut = "bzImage that is cut short: its payload lies beyond the end of the file"
    if not size:
        raise InputError(cut)
    return stream.part(setup + offset, size, cut)
