"""Whether a kernel fits into scratch, against arithmetic by hand: kexec's own order and directions.

Source: kernel/kexec_file.c, arch/*/kernel/kexec_image.c.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kho_tui.analysis.loading import Image, Loading, load_arm64, load_x86

MIB = 1 << 20
PAGE = 4096


def bzimage(init_size: int, initrd: int = 0, preferred: int = 16 * MIB) -> Image:
    return Image(init_size, 2 * MIB, preferred, initrd)


def places(loading: Loading) -> dict[str, int | None]:
    return {one.name: one.address for one in loading.segments}


def test_segments_go_to_the_end_of_the_first_area_with_room() -> None:
    loading = load_x86(bzimage(20 * MIB, 3 * MIB), [(64 * MIB, 32 * MIB), (256 * MIB, 0), (512 * MIB, 64 * MIB)], PAGE)
    # The table at the last multiple of 64 KiB; the kernel's 20 MiB below it at a multiple of 2 MiB; the initrd in the gap between them is
    # too small (1.9 MiB), so it goes below the kernel.
    assert places(loading) == {"scratch table": 96 * MIB - 0x10000, "kernel": 74 * MIB, "initrd": 71 * MIB}
    assert loading.fits


def test_a_kernel_larger_than_every_area_ends_in_eaddrnotavail() -> None:
    loading = load_x86(bzimage(40 * MIB), [(64 * MIB, 32 * MIB), (128 * MIB, 32 * MIB)], PAGE)
    assert loading.fits is False
    assert "the kernel needs 40 MiB in one scratch area; the largest has 32 MiB" in loading.reason
    assert "EADDRNOTAVAIL" in loading.reason


def test_areas_that_touch_are_not_one() -> None:
    assert load_x86(bzimage(40 * MIB), [(64 * MIB, 32 * MIB), (96 * MIB, 32 * MIB)], PAGE).fits is False


def test_an_initrd_that_no_longer_fits_is_named() -> None:
    loading = load_x86(bzimage(20 * MIB, 20 * MIB), [(64 * MIB, 32 * MIB)], PAGE)
    assert loading.fits is False
    assert "the initrd needs 20 MiB" in loading.reason
    assert places(loading)["initrd"] is None


def test_a_kernel_is_not_loaded_below_where_it_wants_to_be() -> None:
    low = [(8 * MIB, 32 * MIB)]
    assert places(load_x86(bzimage(20 * MIB), low, PAGE))["kernel"] == 18 * MIB
    assert load_x86(bzimage(24 * MIB), low, PAGE).fits is False
    assert load_x86(bzimage(24 * MIB, preferred=0), low, PAGE).fits is True


def test_arm64_loads_from_the_bottom_and_its_initrd_behind_the_kernel() -> None:
    areas = [(1024 * MIB + 64 * 1024, 64 * MIB), (4096 * MIB, 128 * MIB)]
    loading = load_arm64(Image(20 * MIB, 0, 0, 10 * MIB), areas, 65536)
    assert places(loading) == {"scratch table": 1088 * MIB, "kernel": 1026 * MIB, "initrd": 1046 * MIB}
    # Too large for one area together: the initrd goes to the next one above.
    apart = load_arm64(Image(60 * MIB, 0, 0, 40 * MIB), areas, 65536)
    assert (places(apart)["kernel"], places(apart)["initrd"]) == (1026 * MIB, 4096 * MIB)
    assert load_arm64(Image(60 * MIB, 0, 0, 129 * MIB), areas, 65536).fits is False


def test_arm64_moves_its_kernel_where_the_initrd_would_be_too_far_away() -> None:
    areas = [(1024 * MIB, 64 * MIB), (65536 * MIB, 128 * MIB)]
    loading = load_arm64(Image(60 * MIB, 0, 0, 40 * MIB), areas, 65536)
    assert (places(loading)["kernel"], places(loading)["initrd"]) == (65536 * MIB, 65596 * MIB)


AREAS = st.lists(st.tuples(st.integers(0, 64), st.integers(0, 40)).map(lambda one: (one[0] * 3 * MIB, one[1] * MIB)), max_size=5)


@given(AREAS, st.integers(1, 50), st.integers(0, 30), st.booleans())
def test_what_is_placed_lies_in_scratch_and_apart(areas: list[tuple[int, int]], kernel: int, initrd: int, arm: bool) -> None:
    load = load_arm64 if arm else load_x86
    placed = [one for one in load(Image(kernel * MIB, 2 * MIB, 0, initrd * MIB), areas, PAGE).segments if one.address is not None]
    spans = sorted((one.address or 0, (one.address or 0) + one.size) for one in placed)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert all(any(start <= low and high <= start + size for start, size in areas) for low, high in spans)
