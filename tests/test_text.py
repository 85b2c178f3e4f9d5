"""What captured bytes look like on a screen: harmless, and never two of them alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.model.path import EntityPath, Siblings, parse_path, path_part
from kho_tui.text import c_string, visible

tricky = st.lists(
    st.sampled_from(
        [
            b"\\",
            b"x",
            b"1",
            b"b",
            b"u",
            b"{",
            b"}",
            b"\x1b",
            b"\xff",
            b"\xc2",
            b"\x9b",
            b"\xed\xa0\x80",
            "\u202e".encode(),
            b"\0",
            b"/",
            b"~2",
        ]
    ),
    max_size=6,
).map(b"".join)
some_bytes = st.one_of(st.binary(max_size=12), tricky, st.text(max_size=6).map(lambda t: t.encode("utf-8", "surrogatepass")))


@given(some_bytes, some_bytes)
def test_different_bytes_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (visible(one) == visible(other)) == (one == other)


@given(some_bytes)
def test_only_printable_text_comes_out(raw: bytes) -> None:
    text = visible(raw)
    assert text.isprintable()
    for char in text:
        assert unicodedata.category(char)[0] not in "CZM" or char == " "
        assert unicodedata.bidirectional(char) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"vm-alpha", "vm-alpha"),
        ("Gerät 日本".encode(), "Gerät 日本"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"back\\slash", "back\\\\slash"),
        (b"\\x1b", "\\\\x1b"),
        (b"a\nb\tc\rd\0", "a\\x0ab\\x09c\\x0dd\\x00"),
        (b"\x7f", "\\x7f"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xc2\x9b31m", "\\u{9b}31m"),
        ("\u202ecod.exe".encode(), "\\u{202e}cod.exe"),
        ("a\u0301".encode(), "a\\u{301}"),
        ("\u00a0\u2028\ufeff".encode(), "\\u{a0}\\u{2028}\\u{feff}"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        (b"[bold]markup[/]", "[bold]markup[/]"),
        (b"", ""),
    ],
)
def test_how_it_looks(raw: bytes, text: str) -> None:
    assert visible(raw) == text


@given(st.binary(max_size=12))
def test_a_file_name_looks_like_its_bytes(raw: bytes) -> None:
    assert visible(raw.decode("utf-8", "surrogateescape")) == visible(raw)


@given(st.text(st.characters(codec=None, categories=["L", "Cs", "Cc"]), max_size=5))
def test_a_str_with_any_surrogates_is_shown_and_not_refused(name: str) -> None:
    assert visible(name).isprintable()


def test_a_char_array_ends_at_its_nul_or_its_end() -> None:
    assert c_string(b"name\0rest\0") == b"name"
    assert c_string(b"full") == b"full"
    assert c_string(b"\0") == b""


@given(some_bytes, some_bytes)
def test_parts_of_paths_differ_as_names_do_and_hold_no_slash(one: bytes, other: bytes) -> None:
    assert (path_part(one) == path_part(other)) == (one == other)
    assert "/" not in path_part(one)


@given(st.lists(st.one_of(some_bytes, st.sampled_from([b"", b"~", b"~~2", b"a", b"a~2", b"a~2~2"])), max_size=8))
def test_siblings_have_paths_of_their_own_that_can_be_typed(names: list[bytes]) -> None:
    siblings = Siblings(EntityPath(("out", "LUO")))
    paths = [siblings.named(name) for name in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.parent == siblings.parent
        assert parse_path(str(path)) == path
        assert path.text.isprintable()


def test_a_name_that_is_alone_keeps_its_path() -> None:
    siblings = Siblings(EntityPath(("out",)))
    assert str(siblings.named(b"LUO")) == "out/LUO"
    assert str(siblings.named(b"LUO")) == "out/LUO~2"
    assert str(siblings.named(b"../x")) == "out/..\\x2fx"
