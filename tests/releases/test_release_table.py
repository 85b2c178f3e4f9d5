"""The table of releases against a matrix written here by hand."""

from __future__ import annotations

import pytest

from kho_tui.abi.luo import HAS_FLBS, LUO_FORMATS
from kho_tui.abi.memfd import MEMFD_FORMATS
from kho_tui.abi.metadata import METADATA_WRITTEN
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.releases.table import RELEASES, Release

#         root, bitmap, finalize file, LUO, memfd, FLBs, metadata, out/fdt, aligned to max order, rounds explicit
MATRIX = {
    "6.16": (b"kho-v1", 512, True, b"", b"", False, False, None, False, False),
    "6.17": (b"kho-v1", 512, True, b"", b"", False, False, None, False, False),
    "6.18": (b"kho-v1", None, True, b"", b"", False, False, None, False, False),
    "6.19": (b"kho-v1", None, True, b"luo-v1", b"memfd-v1", False, False, 152, False, False),
    "7.0": (b"kho-v1", None, True, b"luo-v1", b"memfd-v1", True, False, 152, False, False),
    "7.1": (b"kho-v3", None, False, b"luo-v1", b"memfd-v2", True, True, 233, False, True),
    "7.2": (b"kho-v4", None, False, b"luo-v5", b"memfd-v2", True, True, 233, True, True),
    "7.3": (b"kho-v4", None, False, b"luo-v5", b"memfd-v2", True, True, 233, True, True),
}


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_each_release_is_as_the_matrix_says(release: Release) -> None:
    luo, memfd = LUO_FORMATS.of(release), MEMFD_FORMATS.of(release)
    assert MATRIX[release.name] == (
        ROOT_FORMATS.version_of(release),
        release.bitmap_bytes,
        release.has_finalize_file,
        luo.compatible if luo else b"",
        memfd.compatible if memfd else b"",
        bool(HAS_FLBS.covers(release.version)),
        bool(METADATA_WRITTEN.covers(release.version)),
        release.cold_fdt_bytes,
        release.scratch.aligned_to_max_order,
        release.scratch.rounds_explicit,
    )


def test_only_7_0_is_inferred() -> None:
    assert [release.name for release in RELEASES if release.inferred] == ["7.0"]


def test_a_release_writes_one_version_of_each_format_and_a_draft_is_written_by_none() -> None:
    for formats in (ROOT_FORMATS, LUO_FORMATS, MEMFD_FORMATS):
        for release in RELEASES:
            covering = [form.compatible for form in formats if form.written is not None and form.written.covers(release.version)]
            written = formats.of(release)
            assert covering == ([] if written is None else [written.compatible])
    drafts = [form.compatible for formats in (ROOT_FORMATS, LUO_FORMATS, MEMFD_FORMATS) for form in formats if not form.released]
    assert drafts == [b"kho-v2", b"luo-v2", b"luo-v3", b"luo-v4"]


def test_a_version_of_luo_stands_in_the_roots_of_the_releases_that_write_it() -> None:
    for release in RELEASES:
        luo = LUO_FORMATS.of(release)
        assert luo is None or ROOT_FORMATS.version_of(release) in luo.roots


def test_a_release_string_names_its_series() -> None:
    found = RELEASES.of("7.3.4-1-amd64")
    assert found is not None and found.name == "7.3"
    assert RELEASES.of("7.30") is None
    assert RELEASES.of(None) is None
