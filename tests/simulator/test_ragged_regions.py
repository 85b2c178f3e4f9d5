"""A reserve_mem region that is no whole number of pages (mm/memblock.c)."""

from __future__ import annotations

import errno

import pytest

from kho_tui.simulator.kernel_error import KernelError

from .playing import kernel, regions_of

LINE = "kho=on kho_scratch=64M,64M,64M reserve_mem=6000:4096:odd"


def test_6_17_cannot_be_finalized_with_it_and_is_as_it_was() -> None:
    one = kernel("6.17", LINE)
    with pytest.raises(KernelError) as refused:
        one.write_finalize(1)
    assert refused.value.errno == errno.EINVAL
    assert one.handover() is None


@pytest.mark.parametrize("release", ["6.18", "6.19", "7.3"])
def test_from_6_18_on_its_last_part_page_is_not_preserved(release: str) -> None:
    one = kernel(release, LINE)
    if one.release.has_finalize_file:
        one.write_finalize(1)
    done = one.handover()
    assert done is not None
    (region,) = regions_of(one)
    assert done.runs.covers(region.start, 0)
    assert not done.runs.covers(region.start + 4096)
