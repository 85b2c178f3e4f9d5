from __future__ import annotations

import builtins
import os
import random
import sys
from typing import Any

import libfdt
import pytest
from fdt_samples import NAMES_7_1, ROOT_7_3, TYPED, Shape, captured_fdts, libfdt_shape
from hypothesis import given, settings
from hypothesis import strategies as st

from kho_tui.fdt.libfdt import UNAVAILABLE, verdict
from kho_tui.fdt.tree import FdtTree, Node, parse_fdt

REAL = [*TYPED, *sorted(set(captured_fdts().values()))]
OUTSIDE_THE_CONTRACT = {"no-root", "misplaced-property", "bad-version"}
"""libfdt lets these pass (its fdt_check_full does not ask for a root), and still finds no such node or property."""


def our_shape(node: Node) -> Shape:
    properties = [(as_pylibfdt(one.name or b""), one.data) for one in node.properties]
    return as_pylibfdt(node.name), properties, [our_shape(child) for child in node.children]


def as_pylibfdt(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def nodes_of(tree: FdtTree) -> list[Node]:
    found = [tree.root] if tree.root else []
    for node in found:
        found.extend(node.children)
    return found


def check_spans(tree: FdtTree) -> None:
    size = len(tree.blob)
    end = 0
    for token in tree.tokens:
        assert end <= token.offset and token.size > 0 and token.offset + token.size <= size
        end = token.offset + token.size
    for node in nodes_of(tree):
        assert 0 < node.offset < node.end <= size
        for one in node.properties:
            assert node.offset < one.offset < one.data_offset <= one.data_offset + len(one.data) <= node.end
            assert tree.blob[one.data_offset : one.data_offset + len(one.data)] == one.data
    assert all(0 <= one.offset <= size + 0xFFFFFFFF and one.message.isprintable() for one in tree.anomalies)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    blob = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(blob) - 1, 0)))
        match draw(st.sampled_from(["flip", "word", "cut", "insert", "remove"])):
            case "flip" if blob:
                blob[at] ^= 1 << draw(st.integers(0, 7))
            case "word":
                word = draw(st.sampled_from([0, 1, 2, 3, 4, 9, 0x7FFFFFFF, 0xFFFFFFFF]) | st.integers(0, 400))
                blob[at & ~3 : (at & ~3) + 4] = word.to_bytes(4, "big")
            case "cut":
                del blob[at:]
            case "insert":
                blob[at:at] = draw(st.binary(max_size=8))
            case "remove":
                del blob[at : at + 4]
    return bytes(blob)


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: ROOT_7_3[:60] + tail))
@settings(max_examples=300)
def test_any_bytes_end_in_a_tree(blob: bytes) -> None:
    check_spans(parse_fdt(blob, fallback_names=NAMES_7_1))


@given(damaged())
@settings(max_examples=500)
def test_damage_ends_in_a_tree_and_what_libfdt_takes_is_whole(blob: bytes) -> None:
    tree = parse_fdt(blob, fallback_names=NAMES_7_1)
    check_spans(tree)
    if verdict(blob) != "ok":
        return
    codes = {one.code.value for one in tree.anomalies}
    assert codes <= OUTSIDE_THE_CONTRACT
    if tree.root is not None and "bad-version" not in codes:
        try:
            theirs = libfdt_shape(libfdt.Fdt(bytearray(blob)), tree.root.offset - int.from_bytes(blob[8:12], "big"))
        except (UnicodeDecodeError, SystemError):
            return  # pylibfdt cannot give names of properties that are no UTF-8
        assert our_shape(tree.root) == theirs


def test_real_fdts_have_the_nodes_that_libfdt_finds() -> None:
    compared = 0
    for blob in REAL:
        tree = parse_fdt(blob)
        assert (verdict(blob) == "ok") is not tree.truncated
        if not tree.truncated:
            assert tree.root is not None
            assert our_shape(tree.root) == libfdt_shape(libfdt.Fdt(bytearray(blob)), 0)
            compared += 1
    assert compared >= len(TYPED)


def test_verdict_has_libfdts_words() -> None:
    assert verdict(ROOT_7_3) == "ok"
    assert verdict(ROOT_7_3[:200]).startswith("FDT_ERR_TRUNCATED: ")
    assert verdict(b"") == verdict(ROOT_7_3[:39])
    assert verdict(bytes(64)).startswith("FDT_ERR_BADMAGIC: ")
    assert verdict(ROOT_7_3[:104] + b"\0\0\0\x05" + ROOT_7_3[108:]).startswith("FDT_ERR_BADSTRUCTURE: ")


def test_no_verdict_without_pylibfdt(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "libfdt":
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.delitem(sys.modules, "libfdt")
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert verdict(ROOT_7_3) == "libfdt verdict unavailable (pylibfdt not installed)"


def test_no_verdict_where_it_would_take_minutes() -> None:
    strings = b"x" * (8 << 20) + b"\0"
    structure = (b"\0\0\0\3" + bytes(8)) * 500_000
    header = [0xD00DFEED, 56 + len(structure) + len(strings), 56, 56 + len(structure), 40, 17, 16, 0, len(strings), len(structure)]
    blob = b"".join(one.to_bytes(4, "big") for one in header) + bytes(16) + structure + strings
    assert verdict(blob).startswith(UNAVAILABLE)


def test_no_blob_crashes_the_interpreter() -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            chance = random.Random(1)
            for _ in range(20_000):
                blob = bytearray(chance.choice(REAL))
                for _ in range(chance.randint(1, 6)):
                    blob[chance.randrange(len(blob))] = chance.choice((0, 1, 2, 3, 4, 9, 0x7F, 0x80, 0xFF, chance.randrange(256)))
                verdict(bytes(blob[: chance.randint(0, len(blob))] if chance.random() < 0.3 else blob))
            status = 0
        finally:
            os._exit(status)
    _, how = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(how) == 0
