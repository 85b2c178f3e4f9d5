"""Kernel images: what release they are and whether KHO is in them, for every container a distribution ships."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from captures import SHARED
from hypothesis import given
from hypothesis import strategies as st
from kernel_images import arm64_efi_image, arm64_image, bzimage
from peak import MIB, peak_of

from kho_tui.capture.kernel_image import KernelImage, KhoSupport, NotAKernelError, read_kernel_image
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.releases.table import RELEASES
from kho_tui.subsystems.registry import builtin

KERNELS = SHARED.parent / "kernels"
BANNER = b"Linux version 7.3.4 (gcc) #1 SMP\n"
BODY = b"\0" * 64 + b"kho-v4\0luo-v5\0" + BANNER
CONFIG = b"IKCFG_ST" + gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\nCONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT=y\n") + b"IKCFG_ED"


def zboot(payload: bytes, kind: bytes) -> bytes:
    """drivers/firmware/efi/libstub/zboot-header.S."""
    return b"MZ\0\0zimg" + (64).to_bytes(4, "little") + len(payload).to_bytes(4, "little") + bytes(8) + kind.ljust(40, b"\0") + payload


def lz4_legacy(data: bytes) -> bytes:
    block = pytest.importorskip("lz4.block", reason="lz4 is not installed")
    packed: bytes = block.compress(data, store_size=False)
    return b"\x02\x21\x4c\x18" + len(packed).to_bytes(4, "little") + packed


def zstd(data: bytes) -> bytes:
    packed: bytes = pytest.importorskip("zstandard", reason="zstandard is not installed").compress(data)
    return packed


def read(tmp_path: Path, data: bytes) -> KernelImage:
    path = tmp_path / "vmlinuz"
    path.write_bytes(data)
    return read_kernel_image(path, Context(), builtin())


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(gzip.compress, id="gzip"),
        pytest.param(lzma.compress, id="xz"),
        pytest.param(lambda data: lzma.compress(data, lzma.FORMAT_ALONE), id="lzma"),
        pytest.param(bz2.compress, id="bzip2"),
        pytest.param(lz4_legacy, id="lz4"),
        pytest.param(zstd, id="zstd"),
    ],
)
def test_a_bzimage_of_any_compression_is_read_and_the_appended_size_ignored(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    image = read(tmp_path, bzimage(pack(BODY) + len(BODY).to_bytes(4, "little")))
    assert (image.form, image.arch, image.release, image.page_size, image.init_size) == ("bzImage", "x86_64", "7.3.4", 4096, 0x1234000)
    assert image.versions == {b"kho-v4", b"luo-v5"}
    series = image.series(builtin())
    assert series is not None and series.name == "7.3"


@pytest.mark.parametrize(("flags", "page_size"), [(0b010, 4096), (0b100, 16384), (0b110, 65536), (0, None)])
def test_an_arm64_image_tells_its_page_size(tmp_path: Path, flags: int, page_size: int | None) -> None:
    image = read(tmp_path, arm64_image(BODY, flags))
    assert (image.arch, image.page_size, image.init_size) == ("arm64", page_size, 0x2000000)


def test_an_efi_zboot_of_a_compressed_image_is_read(tmp_path: Path) -> None:
    image = read(tmp_path, zboot(gzip.compress(arm64_image(BODY, 0b110)), b"gzip"))
    assert (image.form, image.page_size) == ("arm64 Image in EFI zboot", 65536)


def test_four_answers_on_kho(tmp_path: Path) -> None:
    def support(body: bytes) -> KhoSupport:
        return read(tmp_path, bzimage(gzip.compress(body))).support(RELEASES)

    assert support(BODY.replace(b"7.3.4", b"6.1.0").replace(b"kho-v4", b"xxxxxx")) is KhoSupport.NOT_IN_RELEASE
    assert support(BODY.replace(b"kho-v4", b"xxxxxx")) is KhoSupport.NOT_BUILT
    assert support(BODY) is KhoSupport.BUILT
    assert support(BODY + CONFIG) is KhoSupport.BUILT_ON
    assert support(BODY + CONFIG.replace(CONFIG[8:-8], gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\n"))) is KhoSupport.BUILT_OFF


def test_a_longer_word_is_no_version(tmp_path: Path) -> None:
    assert read(tmp_path, bzimage(gzip.compress(BODY.replace(b"\0kho-v4", b"xkho-v4")))).support(RELEASES) is KhoSupport.NOT_BUILT


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "no kernel image", id="empty"),
        pytest.param(b"#!/bin/sh\n" * 99, "no kernel image", id="script"),
        pytest.param(b"\x7fELF" + bytes(100), "no kernel", id="elf"),
        pytest.param(bzimage(gzip.compress(BODY))[:1100], "cut short", id="cut"),
        pytest.param(bzimage(gzip.compress(BODY)[:-20]), "damaged", id="gzip-cut"),
        pytest.param(bzimage(b"\x89LZO\0\r\n\x1a\n" + bytes(50)), "lzo", id="lzo"),
        pytest.param(bzimage(b"?" * 50), "not known", id="unknown"),
        pytest.param(zboot(b"", b"gzip"), "outside", id="zboot"),
    ],
)
def test_what_is_no_readable_kernel_is_refused_with_its_reason(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, data)


@given(st.binary(max_size=2000), st.sampled_from([b"", b"MZ\0\0zimg", bytes(0x202) + b"HdrS\x0f\x02", b"\x1f\x8b\x08"]))
def test_no_file_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    path = tmp_path_factory.mktemp("image") / "vmlinuz"
    path.write_bytes(head + data)
    with pytest.raises(InputError):
        read_kernel_image(path, Context(), builtin())


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "root", "luo"),
    [("6.18", b"kho-v1", None), ("6.19", b"kho-v1", b"luo-v1"), ("7.1", b"kho-v3", b"luo-v1"), ("7.3", b"kho-v4", b"luo-v5")],
)
def test_the_real_kernels(name: str, root: bytes, luo: bytes | None) -> None:
    image = read_kernel_image(KERNELS / f"bzImage-{name}", Context(), builtin())
    assert image.release is not None and image.release.startswith(f"{name}.")
    assert root in image.versions and image.support(RELEASES) is KhoSupport.BUILT_OFF
    assert next((one for one in image.versions if one.startswith(b"luo-v")), None) == luo
    assert image.config is not None and image.config["CONFIG_KEXEC_HANDOVER"] == "y"


def elf(kind: int, body: bytes) -> bytes:
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    head[16:20] = kind.to_bytes(2, "little") + (62).to_bytes(2, "little")
    return bytes(head) + body


def test_a_vmlinux_is_a_kernel_and_a_core_that_holds_its_banner_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, elf(2, BODY)).form == "vmlinux"
    with pytest.raises(NotAKernelError, match="another kind"):
        read(tmp_path, elf(4, BODY))


def test_an_archive_is_told_by_its_head(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("kho/out/fdt"), io.BytesIO())
    with pytest.raises(NotAKernelError, match="archive"):
        read(tmp_path, packed.getvalue())


@pytest.mark.parametrize(
    ("banner", "versions", "series"),
    [
        (b"7.1.0", b"kho-v4\0luo-v5\0", "7.3"),
        (b"6.12.0-99.el10", b"kho-v1\0luo-v1\0", "7.0"),
        (b"6.12.0-99.el10", b"kho-v1\0", "6.18"),
        (b"7.3.4", b"kho-v9\0", None),
        (b"7.3.4", b"", "7.3"),
    ],
)
def test_its_strings_say_more_than_its_banner(tmp_path: Path, banner: bytes, versions: bytes, series: str | None) -> None:
    found = read(tmp_path, bzimage(gzip.compress(b"\0" * 64 + versions + BANNER.replace(b"7.3.4", banner)))).series(builtin())
    assert (None if found is None else found.name) == series


READ = """
from pathlib import Path
from kho_tui.capture.kernel_image import read_kernel_image
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.subsystems.registry import builtin
try:
    code = read_kernel_image(Path(sys.argv[1]), Context(), builtin()).may_hold(b"nothing of the kind")
except InputError as error:
    code = error
"""


def zeros(mib: int) -> bytes:
    """A gzip of a vmlinux that goes on with zeros."""
    stream = zlib.compressobj(9, wbits=31)
    return b"".join([stream.compress(elf(2, BODY)), *(stream.compress(bytes(MIB)) for _ in range(mib)), stream.flush()])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda: zeros(300), "more than 256 MiB", id="gzip"),
        pytest.param(lambda: bzimage(zeros(300)), "more than 256 MiB", id="bzimage"),
        pytest.param(lambda: zboot(gzip.compress(zboot(zeros(300), b"gzip")), b"gzip"), "more than 256 MiB", id="zboot-in-zboot"),
        pytest.param(lambda: bzimage(zeros(200)), "False", id="large-but-whole"),
    ],
)
def test_no_image_takes_more_memory_than_a_few_pieces(make: Callable[[], bytes], said: str, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(make())
    answer, peak = peak_of(READ, str(path))
    assert said in answer and peak < 100 * MIB


def test_a_vmlinux_with_its_symbols_may_be_as_large_as_it_likes(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(elf(2, BODY))
    os.truncate(path, 700 * MIB)
    answer, peak = peak_of(READ, str(path))
    assert answer == "False" and peak < 100 * MIB


@pytest.mark.parametrize("at", [MIB - 1, MIB - 3, MIB, MIB + 1, 2 * MIB - 40, 3 * MIB - 100])
def test_what_lies_across_two_pieces_is_seen_once(at: int, tmp_path: Path) -> None:
    body = bytes(at - 5) + b"xkho-v3\0kho-v4\0luo-session-v12\0" + BANNER + CONFIG + b"vendor-file-v7\0" + bytes(MIB)
    image = read(tmp_path, bzimage(gzip.compress(body)))
    assert image.release == "7.3.4" and image.versions == {b"kho-v4", b"luo-session-v12"}
    assert image.support(RELEASES) is KhoSupport.BUILT_ON
    assert image.may_hold(b"vendor-file-v7") and not image.may_hold(b"vendor-file-v")


@pytest.mark.parametrize(
    "filler",
    [
        pytest.param(b"-v1\0", id="versions"),
        pytest.param(b"a" * 600 + b"-v1\0", id="long-words"),
        pytest.param(b"Linux version ", id="banners"),
        pytest.param(b"IKCFG_ST\x1f\x8b\x08\0", id="configs"),
        pytest.param(b"kho-v4\0", id="roots"),
    ],
)
def test_nothing_in_an_image_makes_it_slow(filler: bytes, tmp_path: Path) -> None:
    body = (filler * (64 * MIB // len(filler))) + BODY
    try:
        read(tmp_path, bzimage(gzip.compress(body, 1)))
    except NotAKernelError as error:
        assert "version strings" in str(error)


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(gzip.compress, id="gzip"),
        pytest.param(lzma.compress, id="xz"),
        pytest.param(bz2.compress, id="bzip2"),
        pytest.param(lz4_legacy, id="lz4"),
        pytest.param(zstd, id="zstd"),
    ],
)
def test_streams_in_a_row_are_one(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """As pigz, pbzip2 and pzstd write them."""
    body = elf(2, bytes(5000) + BODY)
    image = read(tmp_path, pack(body[:4000]) + pack(body[4000:]))
    assert image.release == "7.3.4" and image.versions == {b"kho-v4", b"luo-v5"}


def test_a_block_that_the_end_cuts_is_not_the_end(tmp_path: Path) -> None:
    packed = lz4_legacy(elf(2, BODY + bytes(9 << 20)))
    with pytest.raises(InputError, match="ends in the middle"):
        read(tmp_path, packed[:-10])


def test_a_vmlinux_that_ends_before_its_sections_is_cut(tmp_path: Path) -> None:
    body = bytearray(elf(2, BODY))
    body[0x28:0x30] = (len(body) + 1).to_bytes(8, "little")
    with pytest.raises(InputError, match="vmlinux that is cut short"):
        read(tmp_path, bytes(body))


def test_an_arm64_image_that_ends_before_its_sections_is_cut(tmp_path: Path) -> None:
    whole = arm64_efi_image(BODY, 0b010)
    assert read(tmp_path, whole).support(RELEASES) is KhoSupport.BUILT
    assert read(tmp_path, gzip.compress(whole)).roots == {b"kho-v4"}
    for cut in (1, len(BODY) // 2):
        with pytest.raises(InputError, match="arm64 Image that is cut short: its sections end at"):
            read(tmp_path, whole[:-cut])


def test_half_a_configuration_is_none(tmp_path: Path) -> None:
    options = b"".join(b"CONFIG_OPTION_%d=y\n" % number for number in range(5000))
    config = b"IKCFG_ST" + gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\n" + options)[:4000]
    image = read(tmp_path, bzimage(gzip.compress(BODY + config)))
    assert image.config is None and image.support(RELEASES) is KhoSupport.BUILT


def test_more_strings_than_a_state_has_are_not_looked_for(tmp_path: Path) -> None:
    image = read(tmp_path, bzimage(gzip.compress(BODY)))
    assert not any(image.may_hold(b"vendor-%d" % number) for number in range(100))
    assert image.may_hold(b"one-more") and not image.may_hold(b"vendor-7")
