"""A kernel image as a file: what release it is, whether KHO is built into it, and the versions that it knows.

Read are bzImage (a signed one too: the signature stands behind), vmlinux, arm64 Image, EFI zboot, and any of them compressed as a whole.
Formats: Documentation/arch/x86/boot.rst, Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot-header.S.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from kho_tui.capture.archives import archive_kind
from kho_tui.capture.kernel_payload import payload_head, payload_kind, unpack_payload
from kho_tui.errors import InputError
from kho_tui.memory.source import open_file
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import RELEASES, Release, release_of
from kho_tui.releases.version import Version
from kho_tui.text import SafeText, visible

_LARGEST_FILE = 1 << 30
_LAYERS = 3
"""Containers in one another: a gzip of a zboot of a compressed Image."""

_ELF_KINDS = (2, 3)
"""ET_EXEC and ET_DYN: a core, which is a memory dump, has a kernel's banner in it too."""
_PAGE_SIZES = {1: 4096, 2: 16384, 3: 65536}
_STRING = re.compile(
    rb"(?<![a-z0-9_-])(kho-v\d{1,3}|luo-v\d{1,3}|luo-session-v\d{1,3}|luo-flb-v\d{1,3}|memfd-v\d{1,3}|memblock-v\d{1,3}|reserve-mem-v\d{1,3}|kho-test-v\d{1,3})\0"
)
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
    body: bytes = field(default=b"", repr=False)
    """The code itself, unpacked."""

    def has_string(self, text: bytes) -> bool:
        """Whether a string of C stands in it."""
        return text + b"\0" in self.body

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


def read_kernel_image(path: Path) -> KernelImage:
    """What the file is. Raises NotAKernelError for one that is something else, InputError for a kernel that cannot be unpacked."""
    with open_file(path) as source:
        if source.size > _LARGEST_FILE:
            raise InputError(f"{visible(str(path))}: {source.size} bytes are too many for a kernel image")
        data = source.read_at(0, source.size)
    shown = visible(str(path))
    try:
        return _image(data, shown)
    except InputError as error:
        raise type(error)(f"{shown}: {error}") from None


@dataclass(slots=True)
class _Told:
    form: list[str]
    arch: str | None = None
    page_size: int | None = None
    init_size: int | None = None
    alignment: int = 0
    preferred: int = 0
    cmdline_size: int | None = None


def _image(data: bytes, shown: SafeText) -> KernelImage:
    told = _Told([])
    body = _unwrapped(data, told)
    banner = _BANNER.search(body)
    if banner is None:
        raise NotAKernelError('no kernel: there is no "Linux version" in it')
    versions = frozenset(found[1] for found in _STRING.finditer(body))
    return KernelImage(
        shown,
        " in ".join(reversed(told.form)),
        told.arch,
        visible(banner[1]),
        versions,
        _config(body),
        told.page_size,
        told.init_size,
        told.alignment,
        told.preferred,
        told.cmdline_size,
        body,
    )


def _unwrapped(data: bytes, told: _Told) -> bytes:
    """The code itself, out of its containers."""
    for _ in range(_LAYERS):
        if data[0x202:0x206] == b"HdrS":
            return unpack_payload(_bzimage_payload(data, told))
        if data[:2] == b"MZ" and data[4:8] == b"zimg":
            offset, size = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12))
            if not 0 < size <= len(data) - offset:
                raise InputError("EFI zboot image whose payload lies outside of the file")
            told.form.append("EFI zboot")
            data = _maybe_unpacked(data[offset : offset + size])
        elif data[0x38:0x3C] == b"ARM\x64":
            flags = int.from_bytes(data[0x18:0x20], "little")
            told.form.append("arm64 Image")
            told.arch, told.page_size = "arm64", _PAGE_SIZES.get(flags >> 1 & 3)
            told.init_size = int.from_bytes(data[0x10:0x18], "little") or None
            return data
        elif data[:4] == b"\x7fELF":
            kind, machine = (int.from_bytes(data[at : at + 2], "little" if data[5:6] == b"\1" else "big") for at in (16, 18))
            if kind not in _ELF_KINDS:
                raise NotAKernelError("no kernel: an ELF file of another kind")
            told.form.append("vmlinux")
            told.arch = {62: "x86_64", 183: "arm64"}.get(machine)
            told.page_size = 4096 if machine == 62 else None
            return data
        elif payload_kind(data[:16]) is not None:
            if archive_kind(payload_head(data)) is not None:
                raise NotAKernelError("no kernel image: an archive")
            told.form.append(f"{payload_kind(data[:16])} file")
            data = unpack_payload(data)
        else:
            break
    raise NotAKernelError("no kernel image: neither bzImage, vmlinux, arm64 Image nor EFI zboot")


def _maybe_unpacked(data: bytes) -> bytes:
    return data if payload_kind(data[:16]) is None else unpack_payload(data)


def _bzimage_payload(data: bytes, told: _Told) -> bytes:
    version = int.from_bytes(data[0x206:0x208], "little")
    if version < 0x208:
        raise InputError(f"bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, which does not say where its payload lies")
    told.form.append("bzImage")
    told.arch, told.page_size = "x86_64", 4096
    told.cmdline_size = int.from_bytes(data[0x238:0x23C], "little") or None
    if version >= 0x20A:
        told.init_size, told.alignment = (int.from_bytes(data[at : at + 4], "little") for at in (0x260, 0x230))
        told.preferred = int.from_bytes(data[0x258:0x260], "little")
    setup = ((data[0x1F1] or 4) + 1) * 512
    offset, size = (int.from_bytes(data[at : at + 4], "little") for at in (0x248, 0x24C))
    payload = data[setup + offset : setup + offset + size]
    if not size or len(payload) < size:
        raise InputError("bzImage that is cut short: its payload lies beyond the end of the file")
    return payload


def _config(body: bytes) -> Mapping[str, str] | None:
    """The configuration of CONFIG_IKCONFIG (kernel/configs.c): a gzip file between two marks."""
    start = body.find(b"IKCFG_ST")
    if start < 0:
        return None
    try:
        text = zlib.decompressobj(wbits=31).decompress(body[start + 8 :], 16 << 20).decode("ascii", "replace")
    except zlib.error:
        return None
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in pairs}
