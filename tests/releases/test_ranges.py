"""Kernel versions, ranges over them, and fixes inside a series."""

from __future__ import annotations

import pytest

from kho_tui.abi.luo import IGNORES_FILE_ERRORS, LUO_FORMATS, ONE_SESSION_A_FILE
from kho_tui.releases.calls import CALLS
from kho_tui.releases.fixes import (
    BITMAPS_IN_SCRATCH,
    EMPTY_BLOCK,
    FILE_ERRORS_IGNORED,
    FIXES,
    FOLIO_FLAGS,
    KDUMP_KEEPS_KHO,
    KEXEC_UNFINALIZED,
    MEMFD_TWICE,
    MEMORYLESS_NODES,
    NARROW_BLOCK_SIZES,
    NARROW_PAGE_COUNT,
    RETRIEVE_AGAIN,
    Fix,
)
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import RELEASES, Release
from kho_tui.releases.version import Version

HOSTILE = "9" * 5000


def version(uname: str) -> Version:
    found = Version.parse(uname)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("uname", "series", "patch", "rc", "is_mainline"),
    [
        ("7.3.4", (7, 3), 4, None, True),
        ("7.3.0", (7, 3), 0, None, True),
        ("7.3.4+deb14-amd64", (7, 3), 4, None, True),
        ("6.16.12+deb14+1-rt-amd64", (6, 16), 12, None, True),
        ("7.3", (7, 3), None, None, False),
        ("7.0-rc3", (7, 0), None, 3, False),
        ("7.0.0-rc3-next-20260301", (7, 0), 0, 3, False),
        ("7.2.0-15-generic", (7, 2), 0, None, False),
        ("6.12.0-55.el10.x86_64", (6, 12), 0, None, False),
        ("7.3.4-1-amd64", (7, 3), 4, None, False),
        (f"7.3.{HOSTILE}", (7, 3), None, None, False),
    ],
)
def test_a_version_is_what_uname_says(uname: str, series: tuple[int, int], patch: int | None, rc: int | None, is_mainline: bool) -> None:
    parsed = version(uname)
    assert (parsed.series, parsed.patch, parsed.rc, parsed.is_mainline) == (series, patch, rc, is_mainline)


@pytest.mark.parametrize("uname", [None, "", "7", "next", HOSTILE, f"{HOSTILE}.1", f"7.{HOSTILE}", "٧.٣", "-7.3"])
def test_what_names_no_series_is_no_version(uname: str | None) -> None:
    assert Version.parse(uname) is None
    assert RELEASES.of(uname) is None
    assert not RELEASES.is_newer(uname)


@pytest.mark.parametrize(
    ("span", "uname", "covers"),
    [
        (Range("6.19", "7.1"), "6.18.15", False),
        (Range("6.19", "7.1"), "6.19.11", True),
        (Range("6.19", "7.1"), "7.1", True),
        (Range("6.19", "7.1"), "7.2.0", False),
        (Range("7.2"), "7.3.4", True),
        (Range("7.2"), "7.1.13", False),
        # Nobody knows what a newer kernel changed, nor what one below 6.16 has: KHO there is a backport.
        (Range("7.2"), "7.4.0", None),
        (Range("6.19", "7.1"), "7.4.0", False),
        (Range("6.16"), "6.12.48", None),
        (Range("6.16", "7.0"), "6.12.0-55.el10.x86_64", None),
        # A series alone is unknown where a bound cuts it, and so is the patch level of a vendor.
        (Range("7.2.6"), "7.2", None),
        (Range("7.2.6"), "7.2.5", False),
        (Range("7.2.6"), "7.2.6+deb14-amd64", True),
        (Range("7.2.6"), "7.2.6-15-generic", None),
        (Range("7.2.6"), "7.3", True),
        (Range("7.2.6"), "7.1", False),
        (Range("7.2", "7.2.13"), "7.2.13", True),
        (Range("7.2", "7.2.13"), "7.2.14", False),
        (Range("7.2", "7.2.13"), "7.2", None),
        # What came or went between two releases came or went at some release candidate.
        (Range("6.19", "7.0"), "6.19.0-rc8", None),
        (Range("6.19", "7.0"), "7.0.0-rc1", True),
        (Range("6.19", "7.0"), "7.1.0-rc1", None),
        (Range("6.19", "7.0"), "7.2.0-rc1", False),
        (Range("7.0-rc3", "7.0"), "7.0-rc2", False),
        (Range("7.0-rc3", "7.0"), "7.0-rc3", True),
    ],
)
def test_a_range_covers_a_version_or_not_or_it_is_unknown(span: Range, uname: str, covers: bool | None) -> None:
    assert RELEASES.covers(span, version(uname)) is covers


def test_no_version_is_unknown() -> None:
    assert RELEASES.covers(Range("6.16"), None) is None


def test_a_range_in_words() -> None:
    assert [str(span) for span in (Range("6.16", "7.0"), Range("7.1", "7.1"), Range("7.2"))] == ["6.16 to 7.0", "7.1", "7.2 on"]


@pytest.mark.parametrize("bounds", [("7", None), ("6.16", "next"), ("7.1", "7.0")])
def test_a_range_that_is_none_fails_when_it_is_declared(bounds: tuple[str, str | None]) -> None:
    with pytest.raises(ValueError, match=r"7|next"):
        Range(*bounds)


def test_every_call_is_in_each_release_or_not() -> None:
    for release in RELEASES:
        assert {span.covers(release.version) for span in CALLS.values()} <= {True, False}
    names = {release.name: {call for call, span in CALLS.items() if span.covers(release.version)} for release in RELEASES}
    assert "kho_preserve_phys" in names["6.17"] and "kho_preserve_phys" not in names["6.18"]
    assert "kho_finalize" in names["7.0"] and "kho_finalize" not in names["7.1"]


@pytest.mark.parametrize(("uname", "newer"), [("7.4.0", True), ("7.4.0-rc1", True), ("8.0", True), ("7.3.99", False), ("6.15.0", False)])
def test_newer_than_the_table(uname: str, newer: bool) -> None:
    assert RELEASES.is_newer(uname) is newer


@pytest.mark.parametrize(
    ("fix", "uname", "affects"),
    [
        (KEXEC_UNFINALIZED, "6.16.12", True),
        (KEXEC_UNFINALIZED, "6.17.0", True),
        (KEXEC_UNFINALIZED, "6.17.3", None),
        (KEXEC_UNFINALIZED, "6.17.8", False),
        (BITMAPS_IN_SCRATCH, "6.17.8", True),
        (BITMAPS_IN_SCRATCH, "6.17.13", None),
        (BITMAPS_IN_SCRATCH, "6.18.0-rc3", None),
        (BITMAPS_IN_SCRATCH, "6.18.2", False),
        (MEMORYLESS_NODES, "6.18.15", True),
        (MEMORYLESS_NODES, "6.19.0", False),
        (FOLIO_FLAGS, "6.19.0", True),
        (FOLIO_FLAGS, "6.19.11", False),
        (FOLIO_FLAGS, "7.0.0-rc1", None),
        (FOLIO_FLAGS, "7.0.0", False),
        (RETRIEVE_AGAIN, "6.19.0", True),
        (RETRIEVE_AGAIN, "7.0.9", False),
        (FILE_ERRORS_IGNORED, "6.19.11", True),
        (FILE_ERRORS_IGNORED, "7.1.0", False),
        (MEMFD_TWICE, "7.0.9", True),
        (MEMFD_TWICE, "7.1.0", False),
        (NARROW_PAGE_COUNT, "6.19.11", True),
        (NARROW_PAGE_COUNT, "7.1.0", False),
        (NARROW_BLOCK_SIZES, "7.1.13", True),
        (NARROW_BLOCK_SIZES, "7.2.0", None),
        (NARROW_BLOCK_SIZES, "7.2", None),
        (NARROW_BLOCK_SIZES, "7.2.6", False),
        (NARROW_BLOCK_SIZES, "7.2.6-15-generic", None),
        (NARROW_BLOCK_SIZES, "7.1.0-15-generic", True),
        (NARROW_BLOCK_SIZES, "6.12.0-55.el10.x86_64", None),
        (NARROW_BLOCK_SIZES, "7.3.4", False),
        (EMPTY_BLOCK, "7.1.13", False),
        (EMPTY_BLOCK, "7.2.12", True),
        (EMPTY_BLOCK, "7.3.4", True),
        (EMPTY_BLOCK, "7.4.0", None),
        (KDUMP_KEEPS_KHO, "7.2.13", True),
        (KDUMP_KEEPS_KHO, "7.2.14", None),
        (KDUMP_KEEPS_KHO, "7.3.3", True),
        (KDUMP_KEEPS_KHO, "7.3.4+deb14-amd64", False),
        (KDUMP_KEEPS_KHO, "7.3.4-1-generic", None),
    ],
)
def test_a_fix_is_in_a_kernel_or_not_or_it_is_unknown(fix: Fix, uname: str, affects: bool | None) -> None:
    assert fix.affects(version(uname), RELEASES) is affects


def test_every_fix_says_what_it_does_and_where_it_can_be_read() -> None:
    assert len({fix.name for fix in FIXES}) == len(FIXES) == 13
    for fix in FIXES:
        assert fix.effect and (fix.source.startswith("CVE-") or ".c" in fix.source)
        assert fix.affects(None, RELEASES) is None and fix.affects(version("6.12.48"), RELEASES) is None


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_the_table_says_nothing_that_a_fix_denies(release: Release) -> None:
    has_luo = LUO_FORMATS.of(release) is not None
    columns = {
        MEMORYLESS_NODES: release.scratch.memoryless_nodes,
        BITMAPS_IN_SCRATCH: release.bitmap_bytes is not None,
        MEMFD_TWICE: has_luo and not ONE_SESSION_A_FILE.covers(release.version),
        FILE_ERRORS_IGNORED: bool(IGNORES_FILE_ERRORS.covers(release.version)),
    }
    for fix, affected in columns.items():
        assert fix.affects(release.version, RELEASES) in (affected, None), fix.name
