"""Changed pages on top of another memory answer as one memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.errors import GapError
from kho_tui.memory.overlay import Overlay
from kho_tui.memory.sparse import SparseImage

PAGE = 16
writes = st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=40)), max_size=6)


@given(writes, writes, st.integers(0, 220), st.integers(0, 80))
def test_every_answer_equals_that_of_one_image(below: list[tuple[int, bytes]], above: list[tuple[int, bytes]], at: int, size: int) -> None:
    base, plain = SparseImage(PAGE), SparseImage(PAGE)
    for address, data in below:
        base.write(address, data)
        plain.write(address, data)
    before = list(base.pages())
    overlay = Overlay(base, PAGE)
    for address, data in above:
        overlay.write(address, data)
        plain.write(address, data)
    assert list(base.pages()) == before
    assert overlay.total_bytes == plain.total_bytes and list(overlay.extents()) == list(plain.extents())
    there = overlay.available(at, size)
    assert there == plain.available(at, size)
    assert overlay.read(at, there) == plain.read(at, there)
    if there < size:
        with pytest.raises(GapError) as error:
            overlay.read(at, size)
        assert error.value.address == at + there
    pages, present = overlay.read_pages(np.array([at, 0], np.uint64), size)
    same, also = plain.read_pages(np.array([at, 0], np.uint64), size)
    assert (pages == same).all() and (present == also).all()
