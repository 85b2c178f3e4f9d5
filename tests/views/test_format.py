from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.model.facts import Stale, Unavailable
from kho_tui.text import SafeText
from kho_tui.views.format import Base, format_pair, format_value, hex_rows, parse_address, plain_value


@pytest.mark.parametrize(
    ("value", "unit", "base", "text"),
    [
        (0x1_2345_6000, Unit.PHYS, "natural", "0x123456000"),
        (0x1_2345_6000, Unit.PHYS, "dec", "4886716416"),
        (0x12345, Unit.PFN, "natural", "pfn 0x12345"),
        (5 << 20, Unit.BYTES, "natural", "5242880 (5 MiB)"),
        (5 << 20, Unit.BYTES, "hex", "0x500000 (5 MiB)"),
        (17, Unit.BYTES, "natural", "17 bytes"),
        (1, Unit.PAGES, "natural", "1 page"),
        (0, Unit.ORDER, "natural", "0 (1 page)"),
        (9, Unit.ORDER, "natural", "9 (512 pages)"),
        (1 << 63, Unit.ORDER, "natural", str(1 << 63)),
        (100_000_000, Unit.COUNT, "natural", "100000000"),
        (6, Unit.FLAGS, "natural", "0x6"),
        (0xDEADBEEF, Unit.ID, "natural", "0xdeadbeef"),
        (b"kho-v4\0\0\0", Unit.TEXT, "natural", '"kho-v4"'),
        (b"kho-v1\0kho-v4\0", Unit.TEXT, "natural", '"kho-v1", "kho-v4"'),
        (b"", Unit.TEXT, "natural", '""'),
        (b"\x00\xd0", Unit.OPAQUE, "natural", "00 d0"),
        (Unavailable(SafeText("not in this capture")), Unit.PHYS, "natural", "unavailable: not in this capture"),
        (Stale(SafeText("")), Unit.COUNT, "natural", "stale"),
    ],
)
def test_values_are_shown_with_what_their_unit_adds(value: int, unit: Unit, base: Base, text: str) -> None:
    assert format_value(value, unit, base) == text


def test_copied_values_have_no_unit_and_no_quotes() -> None:
    assert plain_value(5 << 20, Unit.BYTES) == "5242880"
    assert plain_value(0x12345, Unit.PFN) == "0x12345"
    assert plain_value(b"vm-alpha\0\0", Unit.TEXT) == "vm-alpha"


def test_what_could_not_be_read_is_never_a_zero() -> None:
    for unit in Unit:
        assert plain_value(Unavailable(SafeText("gone")), unit) == "unavailable"


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_different_text_looks_different(one: bytes, other: bytes) -> None:
    if one.rstrip(b"\0") != other.rstrip(b"\0"):
        assert format_value(one, Unit.TEXT) != format_value(other, Unit.TEXT)


@given(st.binary(max_size=5000), st.sampled_from(list(Unit)))
def test_captured_bytes_stay_one_printable_line_of_bounded_length(raw: bytes, unit: Unit) -> None:
    text = format_value(raw, unit)
    assert text.isprintable()
    assert len(text) < 11_000


@given(st.binary(max_size=100), st.sampled_from([4, 8, 16]))
def test_hex_rows_hold_every_byte_once(data: bytes, per_row: int) -> None:
    rows = list(hex_rows(data, per_row))
    assert bytes.fromhex("".join(row.hex for row in rows)) == data
    assert all(len(row.text) == len(row.data) and row.text.isprintable() for row in rows)
    assert [row.offset for row in rows] == list(range(0, len(data), per_row))


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("0x12345000", 0x12345000),
        ("0x1_2345_6000", 0x123456000),
        ("7f80a000", 0x7F80A000),
        ("4096", 4096),
        ("4G", 4 << 30),
        ("512MiB", 512 << 20),
        ("pfn:0x100", 0x100000),
        (" PFN:16 ", 0x10000),
        ("0xffffffffffffffff", (1 << 64) - 1),
    ],
)
def test_addresses_are_understood_as_people_type_them(typed: str, address: int) -> None:
    assert parse_address(typed, 4096) == address


@pytest.mark.parametrize(
    "typed", ["", "-1", "vm-alpha", "0x", "0x1ffffffffffffffff", "99999999999T", "４G", "1" * 5000, "pfn:", "\x1b[31m"]
)
def test_anything_else_gets_one_line(typed: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(typed, 4096)
    assert str(caught.value).isprintable()


@given(st.text(max_size=40))
def test_no_typed_text_does_anything_else(typed: str) -> None:
    with suppress(InputError):
        assert 0 <= parse_address(typed, 65536) < 1 << 64


def test_two_sizes_that_differ_never_read_the_same() -> None:
    assert format_pair(5 << 20, (5 << 20) + 1, Unit.BYTES) == ("5242880 bytes", "5242881 bytes")
    assert format_pair(5 << 20, 6 << 20, Unit.BYTES) == ("5242880 (5 MiB)", "6291456 (6 MiB)")
    assert format_pair(None, 5 << 20, Unit.BYTES) == ("(none)", "5242880 (5 MiB)")
