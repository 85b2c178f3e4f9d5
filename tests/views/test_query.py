"""The filter language, against an evaluation row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.views.query import Data, Numbers, Words, parse_query

COLUMNS = {"addr": Unit.PHYS, "order": Unit.ORDER, "size": Unit.BYTES, "owner": Unit.TEXT, "kind": Unit.TEXT}
OWNERS = ("LUO/vm-alpha/0x1", "LUO/VM-BETA/0x2", "memblock/oops_trace", "nobody")
KINDS = ("folio", "memfd")


@dataclass(frozen=True)
class Row:
    addr: int
    order: int
    size: int | None
    owner: str
    kind: str


ROWS = st.lists(
    st.builds(
        Row,
        st.integers(0, 2**64 - 1) | st.sampled_from([0, 4096, 1 << 32]),
        st.integers(0, 40),
        st.none() | st.integers(0, 1 << 40) | st.just(2 << 20),
        st.sampled_from(OWNERS),
        st.sampled_from(KINDS),
    ),
    max_size=12,
)


def columns_of(rows: list[Row]) -> dict[str, Data]:
    return {
        "addr": np.array([row.addr for row in rows], np.uint64),
        "order": np.array([row.order for row in rows], np.uint8),
        "size": Numbers(np.array([row.size or 0 for row in rows], np.int64), np.array([row.size is not None for row in rows], np.bool_)),
        "owner": Words(np.array([OWNERS.index(row.owner) for row in rows], np.int64), OWNERS),
        "kind": Words(np.array([KINDS.index(row.kind) for row in rows], np.int64), KINDS),
    }


def fitting(text: str, rows: list[Row]) -> list[int]:
    return np.flatnonzero(parse_query(text, COLUMNS, 4096).mask(columns_of(rows))).tolist()


SOME = [
    Row(0x1000, 0, 4096, OWNERS[0], "folio"),
    Row(0x200000, 9, 2 << 20, OWNERS[0], "folio"),
    Row(1 << 32, 9, 2 << 20, OWNERS[1], "folio"),
    Row(0x5000, 3, None, OWNERS[2], "memfd"),
    Row(0x9000, 0, 4096, OWNERS[3], "memfd"),
]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("size>=2M and owner~vm-alpha", [1]),
        ("order=0 or order>=9", [0, 1, 2, 4]),
        ("not owner~luo", [3, 4]),
        ("addr>=0x1000 and addr<4G", [0, 1, 3, 4]),
        ("kind=folio", [0, 1, 2]),
        ("kind=Folio", []),
        ("vm-beta", [2]),
        ("MEMFD", [3, 4]),
        ("(order=0 or order=3) kind=memfd", [3, 4]),
        ("order=0 or order=9 and vm-beta", [0, 2, 4]),
        ("not not order=0", [0, 4]),
        ("not (order=0 or vm-alpha)", [2, 3]),
        ("owner!~LUO", [3, 4]),
        ("owner!=nobody order<9", [0, 3]),
        ("addr=pfn:0x5", [3]),
        ('"vm-alpha"', [0, 1]),
        ('owner="memblock/oops_trace"', [3]),
        # What is not known is neither small nor large.
        ("size<2M", [0, 4]),
        ("not size<2M", [1, 2]),
        ("ORDER > 5 AND Size = 2097152", [1, 2]),
        ("order<300", [0, 1, 2, 3, 4]),
        ("addr<0xffffffffffffffff", [0, 1, 2, 3, 4]),
        ("size<0xffffffffffffffff", [0, 1, 2, 4]),
    ],
)
def test_what_fits(text: str, rows: list[int]) -> None:
    assert fitting(text, SOME) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size>=", "expected a number after size>= at column 7"),
        ("size>=big", "expected a number after size>= at column 7, not big"),
        ("size>= and order=1", "expected a number after size>= at column 8, not and"),
        ("size=pfn:3", "expected a number after size= at column 6, not pfn:3"),
        ("size~2", "size takes = != < <= > >=, not ~, at column 5"),
        ("owner<x", "owner takes = != ~ !~, not <, at column 6"),
        ("owner=(", "expected a text after owner= at column 7"),
        ("colour=red", "no column colour at column 1: there are addr, order, size, owner, kind"),
        ("", "expected a comparison or a word at column 1"),
        ("order=1 and", "expected a comparison or a word after and at column 12"),
        ("and order=1", "expected a comparison or a word, not and, at column 1"),
        ("(order=1", "( at column 1 is not closed"),
        ("order=1)", ") at column 8 closes nothing"),
        ("()", "expected a comparison or a word, not ), at column 2"),
        ('owner="x', "expected a closing quote at column 7"),
        ("!x", "unclear what ! means at column 1"),
        ("x" * 1001, "a filter has at most 1000 characters"),
        ("\x1b[31m=1", "no column \\x1b[31m at column 1: there are addr, order, size, owner, kind"),
    ],
)
def test_what_is_not_understood_is_said_in_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as problem:
        parse_query(text, COLUMNS, 4096)
    assert str(problem.value) == message


@given(st.text(st.sampled_from(list('()=<>~!" andortsizeowner0129xMGpfn:\x1b\u202e٣')), max_size=60) | st.text(max_size=30))
def test_nothing_typed_raises_anything_but_an_input_error(text: str) -> None:
    try:
        query = parse_query(text, COLUMNS, 4096)
    except InputError as error:
        assert "\n" not in str(error) and str(error).isprintable()
    else:
        assert query.mask(columns_of(SOME)).shape == (len(SOME),)


def test_depth_is_no_recursion() -> None:
    deep = "(" * 400 + "order=0" + ")" * 400
    assert fitting(deep, SOME) == [0, 4]
    assert fitting("not " * 240 + "order=0", SOME) == [0, 4]


# A query as a tree, so that text and naive answer come from the same thing.
Tree = tuple[str, ...] | tuple[str, "Tree"] | tuple[str, "Tree", "Tree"]
SIGNS = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b}
SIGNS |= {">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
ATOMS = st.one_of(
    st.tuples(
        st.just("number"),
        st.sampled_from(["addr", "order", "size"]),
        st.sampled_from(list(SIGNS)),
        st.sampled_from(["0", "4096", "4G", "2M", "9"]),
    ),
    st.tuples(
        st.just("text"),
        st.sampled_from(["owner", "kind"]),
        st.sampled_from(["~", "!~", "=", "!="]),
        st.sampled_from(["luo", "FOLIO", "folio", OWNERS[0]]),
    ),
    st.tuples(st.just("word"), st.sampled_from(["vm-beta", "Memfd", "absent"])),
)
TREES = st.recursive(
    ATOMS, lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner), max_leaves=8
)
VALUES = {"0": 0, "4096": 4096, "4G": 4 << 30, "2M": 2 << 20, "9": 9}


def written(tree: tuple) -> str:  # type: ignore[type-arg]
    match tree:
        case ("not", inner):
            return f"not ({written(inner)})"
        case ("and" | "or" as joint, one, other):
            return f"({written(one)} {joint} {written(other)})"
        case ("word", word):
            return str(word)
        case (_, column, sign, value):
            return f"{column}{sign}{value}"
    raise AssertionError(tree)


def naive(tree: tuple, row: Row) -> bool | None:  # type: ignore[type-arg]
    """True, false, or None: cannot be told."""
    match tree:
        case ("not", inner):
            told = naive(inner, row)
            return None if told is None else not told
        case ("and", one, other):
            both = naive(one, row), naive(other, row)
            return False if False in both else None if None in both else True
        case ("or", one, other):
            both = naive(one, row), naive(other, row)
            return True if True in both else None if None in both else False
        case ("word", word):
            return any(word.casefold() in text.casefold() for text in (row.owner, row.kind))
        case ("number", column, sign, value):
            found = getattr(row, column)
            return None if found is None else bool(SIGNS[sign](found, VALUES[value]))
        case ("text", column, sign, value):
            text = getattr(row, column)
            fits = text == value if sign in ("=", "!=") else value.casefold() in text.casefold()
            return bool(fits) != str(sign).startswith("!")
    raise AssertionError(tree)


@given(TREES, ROWS)
def test_the_mask_is_what_each_row_says(tree: tuple, rows: list[Row]) -> None:  # type: ignore[type-arg]
    assert fitting(written(tree), rows) == [at for at, row in enumerate(rows) if naive(tree, row)]


def test_numbers_that_a_column_is_compared_with() -> None:
    query = parse_query("addr>=0x1000 and (addr<4G or size=7) vm", COLUMNS, 4096)
    assert query.constants("addr") == (0x1000, 4 << 30)
    assert query.columns == {"addr", "size", "owner", "kind"}
