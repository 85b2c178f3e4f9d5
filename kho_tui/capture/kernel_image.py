"""A kernel image as a file: what release it is, whether KHO is built into it, and the versions that it knows.

Read are bzImage (a signed one too: the signature stands behind), vmlinux, arm64 Image, EFI zboot, and any of them compressed as a whole.
Formats: Documentation/arch/x86/boot.rst, Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot-header.S.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

from kho_tui.abi.luo import LUO, LUO_VERSION
from kho_tui.abi.root import ROOT_PREFIX
from kho_tui.capture.archives import archive_kind
from kho_tui.capture.kernel_payload import Stream, payload_kind, unpacked
from kho_tui.capture.unpack import temporary_file, write_out
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.source import FileSource, open_file
from kho_tui.model.registry import Registry
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Release, Releases
from kho_tui.releases.version import Version
from kho_tui.text import SafeText, visible

_CHUNK = 1 << 20
_HEAD = 0x268
"""Bytes of a file that tell which kind of image it is, and all that its header says."""
_LAYERS = 3
"""Containers in one another: a gzip of a zboot of a compressed Image."""
_OVERLAP = 1024
"""Bytes of a chunk that are looked at again with the next one: more than any text that is looked for."""
_LARGEST_CONFIG = 16 << 20
_MOST_ASKED = 100
"""Strings that are looked for: a state names a few, a hostile one a million."""

_ELF_KINDS = (2, 3)
"""ET_EXEC and ET_DYN: a core, which is a memory dump, has a kernel's banner in it too."""
_PAGE_SIZES = {1: 4096, 2: 16384, 3: 65536}
_VERSION = re.compile(rb"-v\d{1,3}\0")
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


@dataclass(frozen=True, eq=False, kw_only=True)
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
    """The code itself, unpacked anew, in chunks. Raises InputError where the file is gone."""
    _asked: dict[bytes, bool] = field(default_factory=dict, repr=False)

    def may_hold(self, text: bytes) -> bool:
        """Whether a string of C stands in it; True too where too many were asked for. Raises InputError where the file is gone."""
        if text not in self._asked:
            if len(self._asked) >= _MOST_ASKED:
                return True
            self._asked[text] = any(text + b"\0" in window for window, _ in _windows(_read_through(self._code)))
        return self._asked[text]

    @cached_property
    def _code(self) -> io.FileIO:
        """The code in a temporary file: each string that is asked for is looked for in all of it."""
        out = temporary_file()
        for chunk in self.contents():
            write_out(out, chunk)
        return out

    def support(self, known: Releases) -> KhoSupport:
        """KHO in this image. That a string is absent means not built, never switched off."""
        return kho_support(self.release, bool(self.roots), self.config, known)

    @property
    def roots(self) -> frozenset[bytes]:
        """The versions of the root FDT that it knows."""
        return frozenset(one for one in self.versions if one.startswith(ROOT_PREFIX))

    def series(self, registry: Registry) -> Release | None:
        """The release whose formats it reads: the one of its banner, or, where its strings say otherwise, the newest one that fits them."""
        named = registry.releases.of(self.release)
        if named is not None and (not self.roots or registry.roots.version_of(named) in self.versions):
            return named
        luo = {one for one in self.versions if LUO_VERSION.fullmatch(one)}
        fitting = [row for row in reversed(registry.releases.rows) if registry.roots.version_of(row) in self.versions]
        for row in fitting:
            form = registry.of(row, LUO)
            if luo == (set() if form is None else {form.compatible}):
                return row
        return fitting[0] if fitting else None


def kho_support(release: str | None, built: bool, config: Mapping[str, str] | None, known: Releases) -> KhoSupport:
    """The answer for a kernel of ``release`` (``uname -r``) that has KHO in it or not."""
    version = Version.parse(release)
    if not built:
        is_older = version is not None and version.series < known.oldest.version.series
        return KhoSupport.NOT_IN_RELEASE if is_older else KhoSupport.NOT_BUILT
    if known.covers(_NEVER_ON_BY_DEFAULT, version):
        return KhoSupport.BUILT_OFF
    if config is None:
        return KhoSupport.BUILT
    return KhoSupport.BUILT_ON if config.get("CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT") == "y" else KhoSupport.BUILT_OFF


def read_kernel_image(path: Path, context: Context, registry: Registry) -> KernelImage:
    """What the file is; the versions in it are those of the words that ``registry`` has versions of.

    Raises NotAKernelError for one that is something else, InputError for a kernel that cannot be unpacked, ReadError, Cancelled.
    """
    shown = visible(str(path))

    def contents(header: _Header, reading: Context) -> Iterator[bytes]:
        with open_file(path) as source:
            try:
                yield from _unwrapped(Stream(_chunks(source, reading)), header)
            except InputError as error:
                raise type(error)(f"{shown}: {error}") from None

    header = _Header(form=[])
    strings = _search(contents(header, context), registry.version_words)
    if strings.release is None:
        raise NotAKernelError(f'{shown}: no kernel: there is no "Linux version" in it')
    return KernelImage(
        path=shown,
        form=" in ".join(reversed(header.form)),
        arch=header.arch,
        release=strings.release,
        versions=frozenset(strings.versions),
        config=strings.config,
        page_size=header.page_size,
        init_size=header.init_size,
        alignment=header.alignment,
        preferred=header.preferred,
        cmdline_size=header.cmdline_size,
        contents=lambda: contents(_Header(form=[]), Context()),
    )


def _chunks(source: FileSource, context: Context) -> Iterator[bytes]:
    what = f"reading {visible(source.name)}"
    for at in range(0, source.size, _CHUNK):
        context.step(what, at, source.size, "bytes")
        yield source.read_at(at, _CHUNK)


@dataclass(slots=True, kw_only=True)
class _Header:
    """What the headers say, gathered while a file is unwrapped."""

    form: list[str]
    arch: str | None = None
    page_size: int | None = None
    init_size: int | None = None
    alignment: int = 0
    preferred: int = 0
    cmdline_size: int | None = None


@dataclass(slots=True)
class _Strings:
    """What the code says, gathered while it is searched. ``config`` is the one of CONFIG_IKCONFIG (kernel/configs.c)."""

    release: SafeText | None = None
    versions: set[bytes] = field(default_factory=set)
    config: Mapping[str, str] | None = None


def _search(chunks: Iterator[bytes], words: frozenset[bytes]) -> _Strings:
    strings = _Strings()
    config = _ConfigReader()
    looked_at = 0
    for window, fresh in _windows(chunks):
        if strings.release is None and (banner := _BANNER.search(window)) is not None:
            strings.release = visible(banner[1])
        for match in _VERSION.finditer(window):
            if match.end() <= fresh:
                continue  # seen whole with the chunk before
            looked_at += 1
            word = _WORD.search(window[max(match.start() - _LONGEST_WORD, 0) : match.start()])
            if word is not None and word[0] in words:
                strings.versions.add(word[0] + match[0][:-1])
        if looked_at > _MOST_VERSIONS:
            raise NotAKernelError(f"no kernel: it holds more than {_MOST_VERSIONS} version strings")
        config.read(window, fresh)
    strings.config = config.parsed()
    return strings


def _read_through(file: io.FileIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk


def _windows(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """The chunks, each behind the end of the one before it, and where in that the new bytes begin: what lies across is seen whole once.

    Chunks come in a size that makes looking at some bytes twice cheap.
    """
    before, have = b"", 0
    waiting: list[bytes] = []

    def window() -> tuple[bytes, int]:
        return b"".join((before, *waiting)), len(before)

    for chunk in chunks:
        waiting.append(chunk)
        have += len(chunk)
        if have >= _CHUNK:
            whole, fresh = window()
            yield whole, fresh
            before, waiting, have = whole[-_OVERLAP:], [], 0
    if waiting:
        yield window()


class _ConfigReader:
    """A gzip file behind a mark, which may go on over many chunks."""

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
        self._is_done |= self._inflate.eof or len(self._text) >= _LARGEST_CONFIG

    def parsed(self) -> Mapping[str, str] | None:
        """The options by name; None where there are none, or not all of them: half a configuration says of the rest that it is off."""
        if not self._inflate.eof:
            return None
        pairs = (line.partition("=") for line in self._text.decode("ascii", "replace").splitlines() if line.startswith("CONFIG_"))
        return {name: value for name, _, value in pairs}


def _unwrapped(stream: Stream, header: _Header) -> Iterator[bytes]:
    """The code itself, out of its containers."""
    for _ in range(_LAYERS):
        head = stream.peek(_HEAD)
        if head[0x202:0x206] == b"HdrS":
            return unpacked(Stream(_bzimage_payload(stream, head, header)))
        if head[:2] == b"MZ" and head[4:8] == b"zimg":
            offset, size = (int.from_bytes(head[at : at + 4], "little") for at in (8, 12))
            header.form.append("EFI zboot")
            outside = "EFI zboot image whose payload lies outside of the file"
            if not size:
                raise InputError(outside)
            stream = Stream(stream.part(offset, size, outside))
            if payload_kind(stream.peek(16)) is not None:
                stream = Stream(unpacked(stream))
        elif head[0x38:0x3C] == b"ARM\x64":
            flags = int.from_bytes(head[0x18:0x20], "little")
            header.form.append("arm64 Image")
            header.arch, header.page_size = "arm64", _PAGE_SIZES.get(flags >> 1 & 3)
            header.init_size = int.from_bytes(head[0x10:0x18], "little") or None
            return _whole(stream, _end_of_sections(head), "arm64 Image", "its sections end")
        elif head[:4] == b"\x7fELF":
            kind, machine = (int.from_bytes(head[at : at + 2], "little" if head[5:6] == b"\1" else "big") for at in (16, 18))
            if kind not in _ELF_KINDS:
                raise NotAKernelError("no kernel: an ELF file of another kind")
            header.form.append("vmlinux")
            header.arch = {62: "x86_64", 183: "arm64"}.get(machine)
            header.page_size = 4096 if machine == 62 else None
            return _whole_elf(stream, head)
        elif (packed_by := payload_kind(head)) is not None:
            stream = Stream(unpacked(stream))
            if archive_kind(stream.peek(512)) is not None:
                raise NotAKernelError("no kernel image: an archive")
            header.form.append(f"{packed_by} file")
        else:
            break
    raise NotAKernelError("no kernel image: neither bzImage, vmlinux, arm64 Image nor EFI zboot")


def _whole_elf(stream: Stream, head: bytes) -> Iterator[bytes]:
    """A vmlinux: the linker puts the section headers last."""
    order: ByteOrder = "little" if head[5:6] == b"\1" else "big"
    at, size = (0x28, 8) if head[4:5] == b"\2" else (0x20, 4)
    return _whole(stream, int.from_bytes(head[at : at + size], order), "vmlinux", "its section headers lie")


def _end_of_sections(head: bytes) -> int:
    """Where the file of an arm64 Image ends by the PE header of its EFI stub (arch/arm64/kernel/efi-header.S); 0 where it has none."""
    at = int.from_bytes(head[0x3C:0x40], "little")
    if head[:2] != b"MZ" or head[at : at + 4] != b"PE\0\0":
        return 0
    count, optional = (int.from_bytes(head[at + field : at + field + 2], "little") for field in (6, 20))
    sections = (head[first + 16 : first + 24] for first in range(at + 24 + optional, at + 24 + optional + 40 * count, 40))
    return max((sum(struct.unpack("<II", section)) for section in sections if len(section) == 8), default=0)


def _whole(stream: Stream, end: int, form: str, ends: str) -> Iterator[bytes]:
    """All of a file. Raises InputError at its end where that comes before ``end``: what is absent from half a kernel says nothing."""
    total = 0
    for chunk in stream:
        total += len(chunk)
        yield chunk
    if total < end:
        raise InputError(f"{form} that is cut short: {ends} at {end}, and it ends after {total} bytes")


def _bzimage_payload(stream: Stream, head: bytes, header: _Header) -> Iterator[bytes]:
    version = int.from_bytes(head[0x206:0x208], "little")
    if version < 0x208:
        raise InputError(f"bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, which does not say where its payload lies")
    header.form.append("bzImage")
    header.arch, header.page_size = "x86_64", 4096
    header.cmdline_size = int.from_bytes(head[0x238:0x23C], "little") or None
    if version >= 0x20A:
        header.init_size, header.alignment = (int.from_bytes(head[at : at + 4], "little") for at in (0x260, 0x230))
        header.preferred = int.from_bytes(head[0x258:0x260], "little")
    setup = ((head[0x1F1] or 4) + 1) * 512
    offset, size = (int.from_bytes(head[at : at + 4], "little") for at in (0x248, 0x24C))
    cut = "bzImage that is cut short: its payload lies beyond the end of the file"
    if not size:
        raise InputError(cut)
    return stream.part(setup + offset, size, cut)
