"""The kernel's command line. Values marked booted are what kernels 6.18, 6.19, 7.1 and 7.3 in QEMU printed or did with that word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.releases.cmdline import (
    CmaArea,
    Crashkernel,
    Explicit,
    HugePages,
    MapEdit,
    MapEffect,
    PanicOptions,
    ReserveMem,
    Scaled,
    Word,
    read_cmdline,
)
from kho_tui.releases.table import RELEASES
from kho_tui.releases.version import Version

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
RELEASE = {release.name: release for release in RELEASES}
NEWEST = RELEASE["7.3"]
MOST = (1 << 64) - 1


def mib(lowmem: int, anywhere: int, per_node: int) -> Explicit:
    return Explicit(lowmem * MIB, anywhere * MIB, per_node * MIB)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a b=c  d=e=f\t=g=h", [("a", None), ("b", "c"), ("d", "e=f"), ("=g", "h")]),
        (b'"a b=c d" e="f g" "h"=i j=k"l m"n o', [("a b", "c d"), ("e", "f g"), ('h"', "i"), ("j", 'k"l m"n'), ("o", None)]),
        (b'a=b"c" d="e" "f" "g', [("a", 'b"c"'), ("d", "e"), ("f", None), ("g", None)]),
        (b'a="b c -- d', [("a", "b c -- d")]),
        (b"a\xa0b \xff=\xc3\xa9", [("a", None), ("b", None), ("\udcff", "é")]),
        (b'a --b ---- --=c "--" d', [("a", None), ("--b", None), ("----", None), ("--", "c")]),
        (b"a -- b", [("a", None)]),
        (b"a\0b c", [("a", None)]),
        (b" ", []),
        (b'"', [("", None)]),
        (b'a="', [("a", "")]),
    ],
)
def test_words(text: bytes, words: list[tuple[str, str | None]]) -> None:
    assert read_cmdline(text).words == tuple(Word(*word) for word in words)


@pytest.mark.parametrize("release", ["6.18", "7.1", "7.3"])
def test_quotes_blanks_and_dashes_as_booted(release: str) -> None:
    text = (
        b'"kho_scratch=1M,1M,1M" kho_scratch="2M,2M,2M" kho_scratch=3M,"3M",3M "kho_scratch"=4M,4M,4M kho-scratch=6M,6M,6M '
        b"KHO_SCRATCH=7M,7M,7M kho_scratch=8M,8M,8M\tkho_scratch=9M,9M,9M kho_scratch=10M,10M,10M\xa0kho_scratch=11M,11M,11M "
        b"kho_scratch kho_scratch= =kho_scratch=12M,12M,12M --=x kho_scratch=13M,13M,13M kho_scratch=15M,15M,15M"
        b'"x y" kho__scratch=17M,17M,17M "a b kho_scratch=19M,19M,19M"z kho_scratch=20M,20M,20M "--" kho_scratch=21M,21M,21M'
    )
    line = read_cmdline(text)
    taken = [read_cmdline(f"kho_scratch={value}").options(RELEASE[release], RELEASES).scratch for value in line.values("kho_scratch")]
    refused = Scaled()
    printed = [mib(size, size, size) for size in (1, 2)], [mib(size, size, size) for size in (6, 8, 9, 10, 11)]
    assert taken == [*printed[0], refused, *printed[1], refused, refused, mib(13, 13, 13), refused, mib(20, 20, 20)]
    assert line.options(RELEASE[release], RELEASES).scratch == mib(20, 20, 20)


@pytest.mark.parametrize(
    ("value", "switch"),
    [
        *((word, True) for word in ("on", "oN", "1", "y", "Yes", "true", "T", "enable", "Enabled", "e")),
        *((word, False) for word in ("off", "Of", "0", "n", "No", "false", "F", "disable", "Disabled", "d")),
        *((word, None) for word in ("", "o", "ok", "2", "perhaps", " on")),
    ],
)
@pytest.mark.parametrize("release", ["6.18", "6.19", "7.1", "7.3"])
def test_switches(value: str, switch: bool | None, release: str) -> None:
    """``e``, ``enable`` and ``disabled`` were booted on all of these."""
    line = read_cmdline(f'kho="{value}"')
    assert (line.kho, line.says_kho) == (switch, switch is not None)
    assert line.options(RELEASE[release], RELEASES).kho is (switch is True)
    assert bool(line.options(RELEASE[release], RELEASES).refused) is (switch is None)


def test_the_last_switch_decides_and_a_refused_one_changes_nothing() -> None:
    line = read_cmdline("kho=on kho=off kho=enable kho=perhaps kho liveupdate=enabled liveupdate=disabled -- kho=off")
    assert (line.kho, line.liveupdate) == (True, False)
    assert [entry.partition(":")[0] for entry in line.options(NEWEST, RELEASES).refused] == ["kho=perhaps", "kho"]


def test_only_releases_with_luo_know_liveupdate_and_the_default() -> None:
    line = read_cmdline("liveupdate=on")
    assert not line.options(RELEASE["6.18"], RELEASES).liveupdate
    assert line.options(RELEASE["6.19"], RELEASES).liveupdate
    assert line.options(RELEASE["6.19"], RELEASES, on_by_default=True).kho
    assert not line.options(RELEASE["6.18"], RELEASES, on_by_default=True).kho
    assert not read_cmdline("kho=disabled").options(NEWEST, RELEASES, on_by_default=True).kho


OLD, NEW = ("6.18", "6.19", "7.1"), ("7.3",)


@pytest.mark.parametrize(
    ("value", "scratch", "releases"),
    [
        ("+50%", Scaled(50), OLD + NEW),
        ("0%", Scaled(0), OLD + NEW),
        ("-0%", None, OLD + NEW),
        ("4294967295%", Scaled(4294967295), OLD + NEW),
        ("4294967296%", None, OLD + NEW),
        ("0x10%", None, OLD + NEW),
        ("010%", Scaled(10), OLD + NEW),
        ("%", None, OLD + NEW),
        ("5%x", None, OLD + NEW),
        ("00000000050%", None, OLD + NEW),
        ("0000000050%", Scaled(50), OLD + NEW),
        ("1M,2M,3M", mib(1, 2, 3), OLD + NEW),
        ("0,2M,3M", mib(0, 2, 3), OLD + NEW),
        ("0,0,0", None, OLD + NEW),
        ("1M,2M,3Mrest", None, OLD + NEW),
        ("1M,2M", None, OLD + NEW),
        ("1M,,3M", None, OLD + NEW),
        ("1M,2M,3M,", None, OLD + NEW),
        ("0x,2M,3M", None, OLD + NEW),
        ("08,2M,3M", None, OLD + NEW),
        ("-1,1M,1M", None, OLD + NEW),
        ("+1M,1M,1M", None, OLD + NEW),
        ("1m,2k,3g", Explicit(MIB, 2 * KIB, 3 * GIB), OLD + NEW),
        ("0x1e,1M,1M", Explicit(0x1E, MIB, MIB), OLD + NEW),
        ("010,1M,1M", Explicit(8, MIB, MIB), OLD + NEW),
        # Up to 7.1 a suffix alone is 0 and what is too large wraps around.
        ("M,2M,3M", mib(0, 2, 3), OLD),
        ("M,2M,3M", None, NEW),
        ("99999999999999999999999,1M,1M", Explicit(200376420520689663, MIB, MIB), OLD),
        ("99999999999999999999999,1M,1M", Explicit(MOST, MIB, MIB), NEW),
        ("16E,1M,1M", mib(0, 1, 1), OLD),
        ("16E,1M,1M", Explicit(MOST, MIB, MIB), NEW),
    ],
)
def test_kho_scratch_as_booted(value: str, scratch: Scaled | Explicit | None, releases: tuple[str, ...]) -> None:
    for release in releases:
        options = read_cmdline(f"kho_scratch=7% kho_scratch={value}").options(RELEASE[release], RELEASES)
        assert (options.scratch, len(options.refused)) == ((scratch, 0) if scratch is not None else (Scaled(7), 1)), release


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        ("0,2M,3M", Scaled(), mib(0, 2, 3)),
        ("1M,2M,3Mrest", mib(1, 2, 3), Scaled()),
        ("1M,2M,3M", mib(1, 2, 3), mib(1, 2, 3)),
    ],
)
def test_kho_scratch_is_stricter_from_6_18_on(value: str, old: Scaled | Explicit, new: Scaled | Explicit) -> None:
    line = read_cmdline(f"kho_scratch={value}")
    assert (line.options(RELEASE["6.17"], RELEASES).scratch, line.options(RELEASE["6.18"], RELEASES).scratch) == (old, new)


def test_kho_bootmem_is_no_word_of_these_releases() -> None:
    assert read_cmdline("kho_bootmem=1M,2M,3M").options(NEWEST, RELEASES).scratch == Scaled()


def test_regions_as_booted() -> None:
    options = read_cmdline(
        "reserve_mem=4M:3:aa reserve_mem=1M::aa reserve_mem=1M:1M:thisis16charslon reserve-mem=64K:12288:bb reserve_mem=1M:K:cc "
        'reserve_mem=0:1:dd "reserve_mem=64K:64:e e" reserve_mem reserve_mem=1M:4096:  reserve_mem=4M:4096:f,reserve_mem=1M:2M:g'
    )
    assert options.options(NEWEST, RELEASES).regions == (
        ReserveMem(b"aa", 4 * MIB, 64),
        ReserveMem(b"bb", 64 * KIB, 12288),
        ReserveMem(b"e e", 64 * KIB, 64),
    )
    assert len(options.options(NEWEST, RELEASES).refused) == 6
    # 7.1 takes an alignment of "K" for none.
    assert options.options(RELEASE["7.1"], RELEASES).regions[2] == ReserveMem(b"cc", MIB, 64)


def test_at_most_eight_regions_count() -> None:
    line = read_cmdline(" ".join(f"reserve_mem=64K:4096:region{number}" for number in range(9)))
    options = line.options(NEWEST, RELEASES)
    assert [region.name for region in options.regions] == [f"region{number}".encode() for number in range(8)]
    assert len(options.refused) == 1


@pytest.mark.parametrize(
    ("align", "start", "revives"), [(12288, 0x3F000000, True), (12288, 0x31001000, True), (12288, 0x31002000, False), (4096, 0x1000, True)]
)
def test_an_alignment_is_a_mask(align: int, start: int, revives: bool) -> None:
    """12288 - 1 is 0x2fff: 0x31001000 is no multiple of 12288 and revives all the same."""
    (region,) = read_cmdline(f"reserve_mem=4M:{align}:a").options(NEWEST, RELEASES).regions
    assert region.is_aligned(start) is revives


def test_the_memory_map_as_booted() -> None:
    """7.1 and 7.3 printed the map that these leave, and refused mem=0, mem= and a bare mem."""
    line = read_cmdline(
        "memmap=1M$300M,64K#0x14000000,1M!0x15000000 memmap=128K%0x16000000-1+2 mem=nopentium mem=400M memmap=450M mem=0 mem= mem "
        "memmap=exactmap,200M@1M memmap=1Mx memmap=x memmap memmap=1K%0-1x"
    )
    assert line.x86_map_edits(NEWEST) == (
        MapEdit(MapEffect.RESERVED, 300 * MIB, MIB),
        MapEdit(MapEffect.ACPI, 0x14000000, 64 * KIB),
        MapEdit(MapEffect.PERSISTENT, 0x15000000, MIB),
        MapEdit(MapEffect.RETYPE, 0x16000000, 128 * KIB, 1, 2),
        MapEdit(MapEffect.CUT, 400 * MIB),
        MapEdit(MapEffect.CUT, 450 * MIB),
        MapEdit(MapEffect.CLEAR),
        MapEdit(MapEffect.RAM, MIB, 200 * MIB),
        MapEdit(MapEffect.CUT, MIB),
    )
    assert read_cmdline("mem=512M mem=1G memmap=1M$2M").arm64_memory(NEWEST) == GIB
    assert read_cmdline("memmap=1M$2M mem").arm64_memory(NEWEST) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crashkernel=16M xcrashkernel=24M -- crashkernel=20M", Crashkernel(20 * MIB)),
        ("crashkernel=0-256M:8M,256M-:48M", Crashkernel(48 * MIB)),
        ("crashkernel=512M-2G:64M,2G-:128M@16M", Crashkernel(64 * MIB, 16 * MIB)),
        ("crashkernel=1G-2G:64M", None),
        ("crashkernel=32M,high", Crashkernel(32 * MIB, high=True)),
        ("crashkernel=32M,high crashkernel=16M,low", Crashkernel(32 * MIB, high=True, low=16 * MIB)),
        ("crashkernel=32M,high crashkernel=8M", Crashkernel(8 * MIB)),
        ("crashkernel=16M@200M", Crashkernel(16 * MIB, 200 * MIB)),
        ('crashkernel="16M"', None),
        ("crashkernel=16Mx", None),
        ("crash-kernel=16M", None),
        ("crashkernel=16M,cma", None),
        ("crashkernel=32M crashkernel=16M,cma", Crashkernel(32 * MIB, cma=16 * MIB)),
        ("crashkernel=600M", None),
        ("crashkernel=0", None),
        ("crashkernel", None),
    ],
)
def test_crashkernel_as_booted(text: str, expected: Crashkernel | None) -> None:
    """What 7.3 reserved, or tried to, on a machine of 512 MiB."""
    assert read_cmdline(text).crashkernel(NEWEST, 510 * MIB) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hugepages=3", [HugePages(None, 3)]),
        ("hugepages=3 hugepages=4", [HugePages(None, 3)]),
        ("hugepages=3x", [HugePages(None, 3)]),
        ("hugepages=0:2,1:3", [HugePages(None, 5, ((0, 2), (1, 3)))]),
        ("hugepages=5 default_hugepagesz=2M", [HugePages(2 * MIB, 5)]),
        ("hugepagesz=3M hugepages=4 hugepages=2", [HugePages(None, 2)]),
        ("hugepagesz=2M hugepages=2,3", [HugePages(2 * MIB, 2)]),
        ("hugepagesz=2M hugepages=+2", []),
        ("hugepagesz=2M hugepages=0x2", []),
        ("hugepagesz=2M hugepagesz=2M hugepages=4", []),
        ("hugepages hugepages=", []),
        (
            "default_hugepagesz=1G hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=0:4",
            [HugePages(GIB, 2), HugePages(2 * MIB, 4, ((0, 4),))],
        ),
    ],
)
def test_huge_pages_as_booted(text: str, expected: list[HugePages]) -> None:
    assert read_cmdline(text).huge_pages(NEWEST) == tuple(expected)


def test_cma() -> None:
    assert read_cmdline("cma=64M").cma(NEWEST) == CmaArea(64 * MIB)
    assert read_cmdline("cma=64M@1G").cma(NEWEST) == CmaArea(64 * MIB, GIB, GIB + 64 * MIB)
    assert read_cmdline("cma=64M@1G-0x80000000 cma=32M").cma(NEWEST) == CmaArea(32 * MIB, GIB, 2 * GIB)
    assert read_cmdline("cma").cma(NEWEST) is None


def test_what_ends_in_a_panic() -> None:
    line = read_cmdline(
        "panic_on_warn panic=-1 oops=panic panic_on_warn=0x1 sysctl.kernel.panic_on_warn=2 sysctl/kernel/panic_on_oops=0 panic=x"
    )
    assert line.panics_at_boot == PanicOptions(on_oops=True, on_warn=True)
    assert line.panics_in_user_space == PanicOptions(on_oops=False, on_warn=True)
    assert read_cmdline("panic_on_warn oops panic_on_oops=1 sysctl.kernel.panic-on-warn=1").panics_in_user_space == PanicOptions()


def test_what_else_a_receiver_asks() -> None:
    assert read_cmdline("elfcorehdr=0x1000 quiet").is_kdump
    assert not read_cmdline("elfcorehdr quiet").is_kdump


@pytest.mark.parametrize(
    ("release", "uname", "on"),
    [
        ("7.3", "7.3.4", False),
        ("7.3", "7.3.3", True),
        ("7.2", "7.2.14", True),
        ("7.3", "7.3.4-vendor", True),
        ("7.3", "7.3.4+deb14", False),
    ],
)
def test_a_kdump_kernel_has_kho_off_since_its_fix(release: str, uname: str, on: bool) -> None:
    """7.3.4 booted: "KHO: disabled in the kdump kernel"."""
    options = read_cmdline("kho=on elfcorehdr=0x1000000").options(RELEASE[release], RELEASES, version=Version.parse(uname))
    assert options.kho is on


def test_words_whose_effect_is_not_known_are_named() -> None:
    line = read_cmdline(
        "efi_fake-mem=1G@2G:0x1 numa=fake=2 numa=off movable_node kernelcore=1G efi=noruntime swiotlb=force quiet movable_node"
    )
    assert line.unmodelled == ("efi_fake_mem", "numa", "movable_node", "kernelcore")
    assert read_cmdline("efi=x,nosoftreserve swiotlb=65536 trace_instance=a@0x1000:12M").unmodelled == ("efi", "swiotlb", "trace_instance")
    blacklists = read_cmdline("initcall_blacklist=kho_init"), read_cmdline("initcall-blacklist=a_init,luo_late_startup,b")
    assert [line.unmodelled for line in blacklists] == [("initcall_blacklist",)] * 2
    assert read_cmdline("initcall_blacklist=acpi_cpufreq_init,sunluo_init mem_encrypt=off").unmodelled == ()
    assert read_cmdline("bootconfig mem_encrypt=on").unmodelled == ("bootconfig", "mem_encrypt")
    assert read_cmdline("mem=1G memmap=1M$2M crashkernel=1M quiet numa=off trace_instance=a@region -- memtest").unmodelled == ()


def ask_everything(text: bytes | str) -> None:
    line = read_cmdline(text)
    for release in (RELEASE["6.16"], NEWEST):
        line.options(release, RELEASES)
        line.x86_map_edits(release)
        line.arm64_memory(release)
        line.crashkernel(release, GIB)
        line.cma(release)
        line.huge_pages(release)
    assert all(isinstance(word.name, str) for word in line.words)
    _ = line.unmodelled, line.panics_at_boot, line.panics_in_user_space, line.is_kdump


NAMES = """kho liveupdate kho_scratch reserve_mem mem memmap crashkernel cma hugepages hugepagesz default_hugepagesz panic oops
sysctl.kernel.panic efi = = = " : , @ - % $ + # 0 08 0x 1M 2G 99999999999999999999 K -- exactmap ,high x"""
PIECES = st.sampled_from([*NAMES.split(), " ", "\xa0"])


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join)))
def test_no_text_makes_it_raise(text: bytes | str) -> None:
    ask_everything(text)


@given(st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.from_regex(r"[ -!#-~]{0,12}", fullmatch=True)), max_size=12))
def test_a_quoted_value_comes_back(words: list[tuple[str, str]]) -> None:
    text = " ".join(f'{name}="{value}"' for name, value in words)
    assert read_cmdline(text).words == tuple(Word(name, value) for name, value in words)


@pytest.mark.parametrize(
    "text",
    [
        b"a=b " * 250_000,
        b"reserve_mem=1M:4096:a " * 10_000,
        b'"' * 250_000,
        b'a"b ' * 50_000,
        b"crashkernel=" * 20_000,
        b"crashkernel=" + b"1-2:3," * 40_000,
        b"kho_scratch=" + b"9" * 1_000_000,
        b"hugepages=" + b"9" * 250_000,
        b"hugepages=" + b"0:1," * 50_000,
        b"memmap=" + b"0" * 250_000 + b"x",
        b"memmap=" + b"1M@1M," * 40_000,
        b"panic=0x" + b"f" * 250_000,
        b"efi=" + b"nosoftreserv," * 20_000,
        b"kho=on\0" + b"\xff" * 250_000,
    ],
    ids=range(14),
)
def test_hostile_text_is_read_to_its_end(text: bytes) -> None:
    ask_everything(text)
