from __future__ import annotations

import struct

import libfdt
import pytest
from fdt_samples import NAMES_6_19, NAMES_7_1, ROOT_6_18, ROOT_6_19, ROOT_7_3, TYPED, capture, captured_fdts

from kho_tui.fdt.header import FDT_HEADER
from kho_tui.fdt.tree import FdtTree, Node, TokenKind, looks_like_fdt, parse_fdt


def shape(node: Node) -> tuple[object, ...]:
    return node.name, [(one.name, one.data) for one in node.properties], [shape(child) for child in node.children]


def codes(tree: FdtTree) -> list[str]:
    return [one.code.value for one in tree.anomalies]


def root_of(tree: FdtTree) -> Node:
    assert tree.root is not None
    return tree.root


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def patched(blob: bytes, offset: int, value: int) -> bytes:
    return blob[:offset] + struct.pack(">I", value) + blob[offset + 4 :]


@pytest.mark.parametrize(
    ("blob", "size", "expected"),
    [
        (
            ROOT_7_3,
            233,
            (
                b"",
                [(b"compatible", b"kho-v4\0"), (b"preserved-memory-map", u64(0x1234000))],
                [(b"kexec-metadata", [(b"blob-size", u64(73)), (b"preserved-data", u64(0x1000))], [])],
            ),
        ),
        (
            ROOT_6_18,
            236,
            (
                b"",
                [(b"compatible", b"kho-v1\0"), (b"preserved-memory-map", u64(0x1_16BE_4000))],
                [(b"kho_test", [(b"fdt", u64(0x1000))], []), (b"memblock", [(b"fdt", u64(0x2000))], [])],
            ),
        ),
        (
            ROOT_6_19,
            180,
            (b"", [(b"compatible", b"kho-v1\0"), (b"preserved-memory-map", u64(0))], [(b"LUO", [(b"fdt", u64(0x1000))], [])]),
        ),
    ],
)
def test_reference_roots(blob: bytes, size: int, expected: tuple[object, ...]) -> None:
    tree = parse_fdt(blob)
    assert (tree.total_size, tree.available) == (size, size) == (len(blob),) * 2
    assert shape(root_of(tree)) == expected
    assert (tree.anomalies, tree.salvaged, tree.truncated, tree.reservations) == ((), False, False, ())


def test_every_offset_of_the_reference_root() -> None:
    tree = parse_fdt(ROOT_7_3)
    kinds = [(one.kind.name, one.offset, one.size) for one in tree.tokens]
    assert kinds == [
        ("BEGIN_NODE", 56, 8),
        ("PROP", 64, 20),
        ("PROP", 84, 20),
        ("BEGIN_NODE", 104, 20),
        ("PROP", 124, 20),
        ("PROP", 144, 20),
        ("END_NODE", 164, 4),
        ("END_NODE", 168, 4),
        ("END", 172, 4),
    ]
    metadata = root_of(tree).child(b"kexec-metadata")
    assert metadata is not None and (metadata.offset, metadata.end, metadata.complete) == (104, 168, True)
    data = metadata.property(b"preserved-data")
    assert data is not None and (data.offset, data.data_offset, data.name_offset) == (144, 156, 32)
    assert tree.header is not None and tree.header.integer("size_dt_struct") == 0x78


def test_header_meanings_fit_a_terminal_line() -> None:
    assert FDT_HEADER.size == 40
    assert max(len(field.meaning) for field in FDT_HEADER.fields) <= 80


def test_stale_bytes_behind_the_fdt_are_no_anomaly() -> None:
    page = ROOT_6_18.ljust(4096 - 36, b"\0") + ROOT_6_18[-36:]
    tree = parse_fdt(page)
    assert not tree.anomalies and shape(root_of(tree)) == shape(root_of(parse_fdt(ROOT_6_18)))


@pytest.mark.shared
def test_out_fdt_of_6_19_is_cut_after_the_name_of_luo() -> None:
    tree = parse_fdt(capture("x86_64-6.19/1-pre/kho/out/fdt"), fallback_names=NAMES_6_19)
    root = root_of(tree)
    assert tree.truncated and codes(tree) == ["truncated"]
    assert [(one.name, one.name_is_guess) for one in root.properties] == [(b"compatible", True), (b"preserved-memory-map", True)]
    assert [(node.name, node.complete) for node in root.children] == [(b"memblock", True), (b"LUO", False)]
    assert [one.name for one in root.children[0].properties] == [b"fdt"] and not root.children[1].properties


@pytest.mark.shared
@pytest.mark.parametrize("kernel", ["x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3"])
def test_out_fdt_of_7_x_is_cut_after_the_name_of_kho_test(kernel: str) -> None:
    blob = capture(f"{kernel}/1-pre/kho/out/fdt")
    tree = parse_fdt(blob, fallback_names=NAMES_7_1)
    root = root_of(tree)
    assert (tree.available, tree.truncated, codes(tree)) == (233, True, ["truncated"])
    assert [(node.name, node.complete, len(node.properties)) for node in root.children] == [
        (b"memblock", True, 2),
        (b"LUO", True, 2),
        (b"kho_test", False, 0),
    ]
    assert not root.complete and root.end == 232, "the last byte is no record"
    size = root.children[0].property(b"blob-size")
    assert size is not None and (size.data, size.name_is_guess) == (u64(298), True)
    unnamed = root_of(parse_fdt(blob))
    assert {one.name for one in unnamed.properties} == {None} and codes(parse_fdt(blob)) == ["truncated"]


def test_names_that_are_whole_in_the_part_that_is_there_are_no_guesses() -> None:
    cut = parse_fdt(ROOT_7_3[:-5], fallback_names={47: b"blob-size", 0: b"wrong", 32: b"wrong"})
    metadata = root_of(cut).children[0]
    assert [(one.name, one.name_is_guess) for one in metadata.properties] == [(b"blob-size", True), (b"preserved-data", False)]
    assert root_of(cut).properties[1].name == b"preserved-memory-map"
    other = parse_fdt(ROOT_7_3[:-5], fallback_names={47: b"something-else"})
    assert root_of(other).children[0].properties[0].name is None, "contradicts the bytes that are there"


def test_every_truncation_keeps_what_lies_before_it() -> None:
    whole = parse_fdt(ROOT_7_3)
    for size in range(len(ROOT_7_3)):
        tree = parse_fdt(ROOT_7_3[:size], fallback_names=NAMES_7_1)
        assert tree.truncated and tree.salvaged and "truncated" in codes(tree)
        kept = [one for one in whole.tokens if one.offset + one.size <= size]
        assert list(tree.tokens[: len(kept)]) == (kept if size >= 40 else [])
        assert set(codes(tree)) <= {"truncated", "name-without-nul"}


def test_data_cut_by_the_end_of_the_blob_is_marked() -> None:
    root = root_of(parse_fdt(ROOT_7_3[:100], fallback_names=NAMES_7_1))
    data = root.cut_property
    assert data is not None and [one.name for one in root.properties] == [b"compatible"]
    assert (data.name, data.data, data.length) == (b"preserved-memory-map", u64(0x1234000)[:4], 8)


def test_a_name_offset_outside_the_strings_costs_only_the_name() -> None:
    tree = parse_fdt(patched(ROOT_7_3, 132, 0x1000))
    metadata = root_of(tree).children[0]
    assert [(one.name, one.data) for one in metadata.properties] == [(None, u64(73)), (b"preserved-data", u64(0x1000))]
    assert [(one.code, one.offset) for one in tree.anomalies] == [("bad-name-offset", 124)]


@pytest.mark.parametrize(
    ("offset", "value", "code", "where"),
    [
        (0, 0xD00DFEEC, "bad-magic", 0),
        (4, 8, "bad-block", 4),
        (8, 0x1000, "bad-block", 8),
        (12, 0x1000, "bad-block", 12),
        (16, 4, "bad-reservations", 4),
        (20, 2, "bad-version", 20),
        (24, 18, "bad-version", 20),
        (36, 0, "bad-block", 8),
        (36, 0x7FFFFFFF, "bad-block", 8),
        (36, 0x74, "missing-end", 172),
        (60, 0x41000000, "root-name", 56),
        (104, 5, "bad-token", 104),
        (128, 0x7FFFFFFF, "property-overrun", 124),
        (164, 4, "unbalanced", 172),
        (172, 2, "unbalanced", 172),
        (172, 4, "missing-end", 176),
    ],
)
def test_one_fault_is_one_anomaly_where_it_lies(offset: int, value: int, code: str, where: int) -> None:
    tree = parse_fdt(patched(ROOT_7_3, offset, value))
    assert (code, where) in [(one.code.value, one.offset) for one in tree.anomalies]
    for one in tree.anomalies:
        assert "\n" not in one.message
    if code not in ("bad-token", "property-overrun") and offset not in (8, 12):
        assert [node.name for node in root_of(tree).children] == [b"kexec-metadata"], "the rest is still read"


def test_what_lies_before_a_bad_token_stays() -> None:
    tree = parse_fdt(patched(ROOT_6_18, 152, 0xDEADBEEF))
    assert codes(tree) == ["bad-token"]
    assert [(node.name, node.complete) for node in root_of(tree).children] == [(b"kho_test", True)]
    assert (root_of(tree).complete, root_of(tree).end) == (False, 152)


def test_captured_names_reach_messages_only_as_visible_text() -> None:
    hostile = ROOT_7_3[:108] + b"\x1b[31m\n\\\xff" + ROOT_7_3[116:]
    tree = parse_fdt(patched(hostile, 164, 9))
    assert any("\\x1b[31m\\x0a" in one.message for one in tree.anomalies)
    assert all(one.message.isprintable() for one in tree.anomalies)


def test_a_property_behind_a_subnode_is_left_out_as_libfdt_does() -> None:
    late = patched(patched(ROOT_7_3, 124, 2), 128, 4)
    late = patched(patched(late, 132, 4), 136, 4)
    late = patched(patched(late, 140, 4), 164, 4)
    tree = parse_fdt(late)
    assert codes(tree) == ["misplaced-property"] and len(root_of(tree).properties) == 2


def test_a_half_built_fdt_has_its_names() -> None:
    buffer = bytearray(512)
    assert libfdt.fdt_create(buffer, 512) == 0
    assert libfdt.fdt_finish_reservemap(buffer) == 0
    assert libfdt.fdt_begin_node(buffer, "") == 0
    assert libfdt.fdt_property_string(buffer, "compatible", "kho-v1") == 0
    assert libfdt.fdt_begin_node(buffer, "memblock") == 0
    assert libfdt.fdt_property_u32(buffer, "count", 7) == 0
    tree = parse_fdt(bytes(buffer))
    assert looks_like_fdt(bytes(buffer)) and codes(tree) == ["half-built"]
    assert shape(root_of(tree)) == (b"", [(b"compatible", b"kho-v1\0")], [(b"memblock", [(b"count", b"\0\0\0\7")], [])])
    assert not root_of(tree).complete


def made(structure: bytes, strings: bytes = b"a\0") -> bytes:
    end = 56 + len(structure)
    header = (0xD00DFEED, end + len(strings), 56, end, 40, 17, 16, 0, len(strings), len(structure))
    return struct.pack(">10I", *header) + bytes(16) + structure + strings


BEGIN, END_NODE, NOP, END = (
    struct.pack(">I", kind.value) for kind in (TokenKind.BEGIN_NODE, TokenKind.END_NODE, TokenKind.NOP, TokenKind.END)
)


def test_nodes_too_deep_are_left_out_and_their_siblings_kept() -> None:
    inner = BEGIN + b"n\0\0\0"
    tree = parse_fdt(
        made(BEGIN + bytes(4) + inner * 5000 + END_NODE * 5000 + BEGIN + b"last" + bytes(4) + END_NODE + END_NODE + END), max_depth=3
    )
    assert codes(tree) == ["depth"]
    assert [node.name for node in root_of(tree).children] == [b"n", b"last"] and root_of(tree).complete


def test_more_nodes_than_asked_for_stop_the_reading() -> None:
    tree = parse_fdt(made(BEGIN + bytes(4) + (BEGIN + b"n\0\0\0" + END_NODE) * 50 + END_NODE + END), max_nodes=10)
    assert codes(tree) == ["too-many-nodes"] and len(root_of(tree).children) == 9
    assert codes(parse_fdt(made(NOP * 500), max_nodes=10)) == ["too-many-tokens"]


def test_many_anomalies_are_cut_short() -> None:
    bad = struct.pack(">III", 3, 0, 99)
    tree = parse_fdt(made(BEGIN + bytes(4) + bad * 5000 + END_NODE + END))
    assert len(root_of(tree).properties) == 5000
    assert len(tree.anomalies) < 300 and codes(tree)[-1] == "too-many-anomalies"


def test_an_empty_structure_has_no_root() -> None:
    assert codes(parse_fdt(made(END))) == ["no-root"]
    assert codes(parse_fdt(made(BEGIN + bytes(4) + END_NODE + BEGIN + bytes(4) + END_NODE + END))) == ["unbalanced"]


def test_reservations_are_read() -> None:
    entries = struct.pack(">4Q", 0x1000, 0x2000, 5, 0)
    body = BEGIN + bytes(4) + END_NODE + END
    header = struct.pack(">10I", 0xD00DFEED, 72 + len(body), 72, 72 + len(body), 40, 17, 16, 0, 0, len(body))
    assert parse_fdt(header + entries + body).reservations == ((0x1000, 0x2000),)


def test_what_is_no_fdt_has_no_tree() -> None:
    for blob in (b"", b"\xd0\x0d", bytes(4096), b"\xff" * 4096):
        tree = parse_fdt(blob)
        assert tree.root is None and tree.salvaged and not looks_like_fdt(blob)


@pytest.mark.shared
def test_all_captured_fdts_parse() -> None:
    found = captured_fdts()
    for path, blob in found.items():
        tree = parse_fdt(blob)
        assert codes(tree) == (["truncated"] if tree.truncated else []), path
        assert root_of(tree).complete is not tree.truncated, path
    assert any(len(blob) == 233 for blob in found.values()) and len(TYPED) == 3
