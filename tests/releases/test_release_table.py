"""The table of releases against a matrix written here by hand."""

from __future__ import annotations

import pytest

from kho_tui.abi.luo import FLB_FORMATS, LUO_FORMATS, SESSION_ARRAYS
from kho_tui.abi.memfd import MEMFD_FORMATS
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
    luo = release.luo
    assert MATRIX[release.name] == (
        ROOT_FORMATS.version_of(release),
        release.bitmap_bytes,
        release.has_finalize_file,
        luo.compatible if luo else b"",
        luo.memfd_compatible if luo else b"",
        luo.flbs if luo else False,
        release.metadata,
        release.cold_fdt_bytes,
        release.scratch.aligned_to_max_order,
        release.scratch.rounds_explicit,
    )


def test_only_7_0_is_inferred() -> None:
    assert [release.name for release in RELEASES if release.inferred] == ["7.0"]


def test_every_string_is_one_that_a_format_has() -> None:
    for release in RELEASES:
        assert ROOT_FORMATS.written_by(release).released
        if release.luo is not None:
            assert release.luo.compatible in LUO_FORMATS
            assert release.luo.memfd_compatible in MEMFD_FORMATS
            assert release.luo.session_compatible in (*SESSION_ARRAYS, b"")
            assert release.luo.flb_compatible in (*FLB_FORMATS, b"")
            assert bool(release.luo.session_compatible) == (not LUO_FORMATS[release.luo.compatible].is_struct)


def test_a_release_string_names_its_series() -> None:
    found = RELEASES.of("7.3.4-1-amd64")
    assert found is not None and found.name == "7.3"
    assert RELEASES.of("7.30") is None
    assert RELEASES.of(None) is None
