"""Bytes side by side: nothing is left out, and what stands beside each other as equal is equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kho_tui.analysis.diff.aligned import Span, align

BYTES = st.binary(max_size=60)


@given(BYTES, BYTES, st.integers(1, 8))
def test_every_byte_of_both_stands_in_exactly_one_stretch(old: bytes, new: bytes, unit: int) -> None:
    stretches = align(old, new, unit=unit)
    at, to = 0, 0
    for one in stretches:
        assert (one.old[0], one.new[0]) == (at, to)
        at, to = one.old[1], one.new[1]
        assert not one.same or old[slice(*one.old)] == new[slice(*one.new)]
    assert (at, to) == (len(old), len(new))
    assert all(one.same for one in stretches) == (old == new)


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=12), st.integers(0, 12))
def test_an_entry_put_into_a_list_moves_the_others_and_changes_none(entries: list[bytes], at: int) -> None:
    at = min(at, len(entries))
    longer = [*entries[:at], b"inserted", *entries[at:]]
    stretches = align(b"".join(entries), b"".join(longer), unit=8)
    assert sum(one.old[1] - one.old[0] for one in stretches if not one.same) == 0
    assert sum(one.new[1] - one.new[0] for one in stretches if not one.same) == 8


def test_fields_stand_beside_each_other_by_name() -> None:
    old = b"AAAA" + b"\1\0\0\0" + b"tail"
    new = b"AAAA" + b"more" + b"\2\0\0\0" + b"tail"
    stretches = align(old, new, [Span("count", 4, 4)], [Span("count", 8, 4)])
    assert [(one.name, one.old, one.new, one.same) for one in stretches] == [
        ("", (0, 4), (0, 4), True),
        ("", (4, 4), (4, 8), False),
        ("count", (4, 8), (8, 12), False),
        ("", (8, 12), (12, 16), True),
    ]


def test_a_field_beyond_the_end_is_no_anchor() -> None:
    stretches = align(b"abcd", b"abcd", [Span("x", 2, 9)], [Span("x", 2, 9)])
    assert [(one.name, one.same) for one in stretches] == [("", True)]
