"""The oracle against its own sources: the worked examples of the ABI description, libfdt, dtc, pyelftools and real captures."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import libfdt
import pytest
from elftools.elf.elffile import ELFFile

from .catalogue import HOSTILE_NAMES, STATES, State
from .fdt import Node, build, text
from .image import Image, elf_header
from .luo import Flb, Session, block_chain, luo
from .preserved import Preserved, split
from .producers import Subtree, kexec_metadata, memblock, root_fdt, vmalloc
from .producers import test_kho as kho_test_subtree
from .reader import Read, luo_says, radix_blocks, tracked, u64s
from .tracker import chunks, radix, radix_depth, radix_key

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
KERNELS = ["x86_64-6.18", "x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3"]


@cache
def state(name: str) -> State:
    return STATES[name]()


# --- memory trackers -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "bitmap_bytes", "block", "phys_start", "byte", "mask"),
    [
        (4096, 512, (0x1_2345_6000, 0), 0x1_2300_0000, 138, 0x40),
        (4096, 4096, (0x1_2345_6000, 0), 0x1_2000_0000, 1674, 0x40),
        (4096, 512, (0x4000_0000, 9), 0, 64, 0x01),
        (4096, 4096, (0x4000_0000, 9), 0, 64, 0x01),
        (16384, 16384, (0x1_2345_4000, 0), 0x1_0000_0000, 36117 // 8, 1 << 36117 % 8),
        (65536, 65536, (0x1_2345_0000, 0), 0, 74565 // 8, 1 << 74565 % 8),
    ],
)
def test_chunk_element_of_the_worked_examples(
    page: int, bitmap_bytes: int, block: tuple[int, int], phys_start: int, byte: int, mask: int
) -> None:
    image = Image(page)
    first = chunks(image, [block], bitmap_bytes)
    next_chunk, head, start, bitmap = u64s(image.read(first, 32))
    assert (next_chunk, head & 0xFFFFFFFF, head >> 32, start) == (0, block[1], 1, phys_start)
    data = image.read(bitmap, bitmap_bytes)
    assert {i: value for i, value in enumerate(data) if value} == {byte: mask}


@pytest.mark.parametrize(
    ("page", "block", "key", "indexes", "bit"),
    [
        (4096, (0x1_2345_6000, 0), 0x0010_0000_0012_3456, [2, 0, 0, 0, 36], 13398),
        (4096, (0x4000_0000, 9), 0x0000_0800_0000_0200, [0, 2, 0, 0, 0], 512),
        (4096, (0x8000_0000, 18), 0x0000_0004_0000_0002, [0, 0, 2, 0, 0], 2),
        (16384, (0x1_2345_4000, 0), 0x0004_0000_0004_8D15, [1, 0, 0, 2], 36117),
        (16384, (0x4000_0000, 9), 0x0000_0200_0000_0080, [0, 4, 0, 0], 128),
        (65536, (0x1_2345_0000, 0), 0x0001_0000_0001_2345, [8, 0, 0], 74565),
        (65536, (0x4000_0000, 9), 0x0000_0080_0000_0020, [0, 128, 0], 32),
    ],
)
def test_radix_path_of_the_worked_examples(page: int, block: tuple[int, int], key: int, indexes: list[int], bit: int) -> None:
    assert radix_key(page, *block) == key
    image = Image(page)
    node = radix(image, [block])
    for index in indexes:
        entries = u64s(image.read(node, page))
        assert [i for i, entry in enumerate(entries) if entry] == [index]
        node = entries[index]
    assert {i: value for i, value in enumerate(image.read(node, page)) if value} == {bit // 8: 1 << bit % 8}


def test_depths_of_the_tree() -> None:
    assert [radix_depth(page, "v3") for page in (4096, 16384, 65536)] == [6, 5, 4]
    assert [radix_depth(page, "v2") for page in (4096, 16384, 65536)] == [6, 4, 4]


def test_v2_on_16k_pages_reads_back_the_wrong_block() -> None:
    image = Image(16384)
    root = radix(image, [(0x1_2345_4000, 0)], "v2")
    assert list(radix_blocks(image.read, root, 16384, "v2")) == [(0x2345_4000_0000_0000, 32)]


def test_big_endian_bitmap_is_words_not_bytes() -> None:
    image = Image(byte_order="big")
    first = chunks(image, [(0x1_2345_6000, 0)], 4096)
    assert image.read(first, 16) == bytes.fromhex("0000000000000000 00000000 00000001")
    bitmap = image.read(u64s(image.read(first + 24, 8), "big")[0], 4096)
    assert {i: value for i, value in enumerate(bitmap) if value} == {1677: 0x40}


def test_an_order_with_more_elements_than_a_chunk_holds_gets_two_chunks() -> None:
    built = state("kho-v1-slab-bitmaps")
    heads, chunk = [], built.truth["map"]
    while chunk:
        chunk, head = u64s(built.image.read(chunk, 16))
        heads.append((head & 0xFFFFFFFF, head >> 32))
    assert heads[0] == (0, 255)
    assert [order for order, _ in heads] == [0, 0, 1, 2, 3, 4, 5, 10], "one chunk for each order, also for the one whose bits are all clear"


@pytest.mark.parametrize("name", STATES)
def test_the_tracker_says_what_truth_says(name: str) -> None:
    built = state(name)
    slab = 512 if built.release == "6.17" else None
    read, page, order = built.image.read, built.image.page_size, built.image.byte_order
    assert tracked(read, built.truth["map"], built.truth["compatible"], page, order, slab) == built.truth["preserved"]
    if name == "kho-v1-ambiguous":
        assert built.alternative is not None
        assert tracked(read, built.truth["map"], "kho-v1", page, order) == built.alternative["preserved"]


@pytest.mark.parametrize("name", STATES)
def test_blocks_are_aligned_disjoint_in_ram_and_outside_scratch(name: str) -> None:
    built = state(name)
    meant = built.alternative if name == "kho-v2-16k" and built.alternative else built.truth
    end = 0
    for phys, order in meant["preserved"]:
        size = built.image.page_size << order
        assert phys % size == 0
        assert phys >= end
        end = phys + size
        assert any(start <= phys and end <= start + length for start, length in built.ram)
        assert all(end <= start or phys >= start + length for start, length in built.scratch)
    assert [built.root, 0] in meant["preserved"]


@pytest.mark.parametrize("name", [name for name in STATES if name != "luo-v1-first-draft"])
def test_luo_memory_says_what_truth_says(name: str) -> None:
    built = state(name)
    for subtree in built.truth["subtrees"]:
        if "luo" in subtree:
            assert luo_says(built.image.read, built.blobs["LUO"], built.image.page_size, built.image.byte_order) == subtree["luo"]


def test_ranges_are_split_greedily() -> None:
    assert list(split(0x1_0400_0000, 3072, 4096)) == [(0x1_0400_0000, 11), (0x1_0480_0000, 10)]


# --- device trees ----------------------------------------------------------------------------------------------------------------------


def test_root_of_7_3_is_the_reference_bytes() -> None:
    root = root_fdt(Preserved(Image()), b"kho-v4", 0x1234000, [Subtree(b"kexec-metadata", 0x1000, bytes(73))], "7.3")
    assert root == bytes.fromhex(
        "d00dfeed 000000e9 00000038 000000b0 00000028 00000011 00000010 00000000 00000039 00000078"
        "00000000 00000000 00000000 00000000 00000001 00000000 00000003 00000007 00000015 6b686f2d 76340000"
        "00000003 00000008 00000000 00402301 00000000 00000001 6b657865 632d6d65 74616461 74610000"
        "00000003 00000008 0000002f 49000000 00000000 00000003 00000008 00000020 00100000 00000000"
        "00000002 00000002 00000009"
    ) + (b"preserved-memory-map\0compatible\0preserved-data\0blob-size\0")


def test_root_of_6_18_is_the_reference_bytes() -> None:
    subtrees = [Subtree(b"kho_test", 0x1000, b""), Subtree(b"memblock", 0x2000, b"")]
    assert root_fdt(Preserved(Image()), b"kho-v1", 0x1_16BE_4000, subtrees, "6.17") == bytes.fromhex(
        "d00dfeed 000000ec 00000040 000000c8 00000030 00000011 00000010 00000000 00000024 00000088"
        "00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000"
        "00000003 00000007 00000019 6b686f2d 76310000 00000003 00000008 00000004 0040be16 01000000"
        "00000001 6b686f5f 74657374 00000000 00000003 00000008 00000000 00100000 00000000 00000002"
        "00000001 6d656d62 6c6f636b 00000000 00000003 00000008 00000000 00200000 00000000"
        "00000002 00000002 00000009"
    ) + (b"fdt\0preserved-memory-map\0compatible\0")


def test_root_of_6_19_is_the_reference_bytes() -> None:
    assert root_fdt(Preserved(Image()), b"kho-v1", 0, [Subtree(b"LUO", 0x1000, b"")], "7.0") == bytes.fromhex(
        "d00dfeed 000000b4 00000038 00000090 00000028 00000011 00000010 00000000 00000024 00000058"
        "00000000 00000000 00000000 00000000 00000001 00000000 00000003 00000007 00000015 6b686f2d 76310000"
        "00000003 00000008 00000000 00000000 00000000 00000001 4c554f00"
        "00000003 00000008 00000020 00100000 00000000 00000002 00000002 00000009"
    ) + (b"preserved-memory-map\0compatible\0fdt\0")


def test_sizes_of_the_producers_trees() -> None:
    preserved = Preserved(Image())
    assert len(memblock(preserved, [(b"ab", 0x8000_0000, 4096)]).blob) == 206
    assert len(memblock(preserved, [(b"ab", 0x8000_0000, 4096), (b"cd", 0x8000_1000, 4096)]).blob) == 286
    assert len(luo(preserved, 1, 1, [], None).blob) == 236
    assert len(luo(preserved, 1, 1, [], []).blob) == 311
    assert len(kho_test_subtree(preserved, [(0x9000_0000, 0)] * 3, "vmalloc").blob) == 240
    assert len(kho_test_subtree(preserved, [(0x9000_0000, 0)] * 3, "inline").blob) == 248
    assert len(kexec_metadata(preserved, b"7.3.4").blob) == 73
    assert root_fdt(preserved, b"kho-v1", 0, [], "6.17") == root_fdt(preserved, b"kho-v1", 0, [], "7.0")
    assert len(root_fdt(preserved, b"kho-v1", 0, [], "7.0")) == 152


@pytest.mark.parametrize("name", STATES)
def test_libfdt_accepts_every_tree(name: str) -> None:
    built = state(name)
    trees = [built.fdt, *(data for data in built.blobs.values() if data.startswith(b"\xd0\x0d\xfe\xed"))]
    assert len(trees) > 1 or name == "unterminated-names" or "LUO" in built.blobs
    for tree in trees:
        assert libfdt.fdt_check_full(bytearray(tree), len(tree)) == 0


@pytest.mark.skipif(shutil.which("dtc") is None, reason="dtc is not installed")
@pytest.mark.parametrize("packed", [False, True])
def test_dtc_reads_the_tree_that_was_meant(tmp_path: Path, packed: bool) -> None:
    tree = Node(
        b"",
        ((b"compatible", text(b"kho-v4")), (b"preserved-memory-map", bytes(range(8)))),
        (Node(b"kexec-metadata", ((b"blob-size", b"I" + bytes(7)), (b"odd", b"12345"))), Node(b"LUO", (), (Node(b"data"),))),
    )
    (tmp_path / "built.dtb").write_bytes(build(tree, packed=packed))
    (tmp_path / "meant.dts").write_text(f"/dts-v1/;\n/ {dts_body(tree)}")
    outputs = []
    for source, kind in (("built.dtb", "dtb"), ("meant.dts", "dts")):
        command = ["dtc", "-q", "-I", kind, "-O", "dtb", str(tmp_path / source)]
        outputs.append(subprocess.run(command, check=True, capture_output=True).stdout)
    assert outputs[0] == outputs[1]


def dts_body(node: Node) -> str:
    properties = "".join(f"{name.decode()} = [{value.hex()}];\n" for name, value in node.properties)
    return f"{{ {properties} {''.join(f'{child.name.decode()} {dts_body(child)}' for child in node.children)} }};\n"


# --- vmalloc and blocks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("page", "capacity"), [(4096, 511), (16384, 2047)])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_an_exact_fit_ends_in_an_empty_chunk(page: int, capacity: int, beyond: int) -> None:
    preserved = Preserved(Image(page))
    entries = capacity + beyond
    first, pages, flags, order = struct.unpack("<QIHH", vmalloc(preserved, bytes(entries * page)))
    assert (pages, flags, order) == (entries, 1, 0)
    used, chunk = [], first
    while chunk:
        chunk, *slots = u64s(preserved.image.read(chunk, page))
        used.append(sum(1 for slot in slots if slot))
    assert used == [min(entries, capacity), *([] if beyond < 0 else [beyond])]
    assert len(preserved.blocks) == entries + len(used)


def test_huge_entries_are_one_block_each() -> None:
    preserved = Preserved(Image())
    first, pages, flags, order = struct.unpack("<QIHH", vmalloc(preserved, b"x" * (2 * 65536 + 1), order=4))
    assert (pages, flags, order) == (48, 3, 4)
    entries = [entry for entry in u64s(preserved.image.read(first + 8, 4088)) if entry]
    assert preserved.blocks == {(first, 0), *((entry, 4) for entry in entries)}
    assert [preserved.image.read(entry, 1) for entry in entries] == [b"x"] * 3


@pytest.mark.parametrize(("entries", "counts"), [(0, []), (51, [51]), (52, [51, 1]), (120, [51, 51, 18])])
def test_blocks_fill_in_order_and_none_is_empty(entries: int, counts: list[int]) -> None:
    preserved = Preserved(Image())
    block, found = block_chain(preserved, 80, [bytes(80)] * entries), []
    while block:
        block, count = u64s(preserved.image.read(block, 16))
        found.append(count)
    assert found == counts


def test_forms_of_luo() -> None:
    for version, size in {2: None, 3: 32, 4: 32, 5: 32}.items():
        preserved = Preserved(Image())
        subtree = luo(preserved, version, 9, [Session(b"only")], [Flb(b"flb", 5, 6)])
        if size is None:
            header = u64s(subtree.blob[subtree.blob.index(b"luo-v2\0") + 20 :][:8])[0]
            values = u64s(preserved.image.read(header, 24))
        else:
            assert subtree.blob[:8] == f"luo-v{version}".encode() + b"\0\0"
            assert len(subtree.blob) == size
            values = u64s(subtree.blob[8:])
        number, sessions, flbs = values
        assert number == 9
        assert preserved.image.read(sessions + (8 if version <= 3 else 16), 5) == b"only\0"
        assert preserved.image.read(flbs, 20) == struct.pack("<QQ", 1, 1) + b"flb\0"
        assert ((sessions, 4) in preserved.blocks) == (version <= 3), "16 pages are one order-4 block"


def test_hostile_session_names_are_legal_for_the_kernel() -> None:
    assert all(0 < len(name) < 64 and b"\0" not in name for name in HOSTILE_NAMES)


# --- ELF -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kho-v4-4k", "kho-v4-64k", "kho-v4-big-endian"])
def test_pyelftools_reads_the_core_back(name: str, tmp_path: Path) -> None:
    built = state(name)
    built.to_elf(tmp_path / "memory.elf")
    with (tmp_path / "memory.elf").open("rb") as stream:
        elf = ELFFile(stream)
        assert (elf.header.e_type, elf.little_endian) == ("ET_CORE", built.image.byte_order == "little")
        assert elf.header.e_machine == {62: "EM_X86_64", 183: "EM_AARCH64"}[built.machine]
        segments = [(segment["p_paddr"], segment.data()) for segment in elf.iter_segments("PT_LOAD")]
    assert [(start, len(data)) for start, data in segments] == built.image.extents()
    assert all(data == built.image.read(start, len(data)) for start, data in segments)


@pytest.mark.parametrize("count", [65534, 65535, 70000])
def test_more_segments_than_e_phnum_holds(count: int) -> None:
    header = elf_header([(i * 8192, 4096) for i in range(count)], 62, "little", 4096)
    elf = ELFFile(BytesIO(header))
    assert elf.num_segments() == count
    assert (elf.header.e_phnum == 0xFFFF) == (count >= 65535)
    last = elf.get_segment(count - 1)
    assert (last["p_paddr"], last["p_offset"]) == ((count - 1) * 8192, len(header) + (count - 1) * 4096)


# --- real captures ---------------------------------------------------------------------------------------------------------------------


@cache
def capture(kernel: str) -> tuple[dict[str, Any], Read]:
    folder = CAPTURES / kernel / "1-pre"
    with (folder / "memory.elf").open("rb") as stream:
        segments = [(segment["p_paddr"], segment.data()) for segment in ELFFile(stream).iter_segments("PT_LOAD")]

    def read(address: int, size: int) -> bytes:
        for start, data in segments:
            if start <= address < start + len(data):
                return bytes(data[address - start : address - start + size])
        raise KeyError(hex(address))

    return json.loads((folder / "expected.json").read_text()), read


@pytest.mark.shared
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_readers_agree_with_real_kernels(kernel: str) -> None:
    expected, read = capture(kernel)
    page = 65536 if "64k" in kernel else 4096
    assert tracked(read, expected["map"], expected["compatible"], page) == expected["preserved"]
    for subtree in expected["subtrees"]:
        if "luo" in subtree:
            assert luo_says(read, read(subtree["phys"], page), page) == subtree["luo"]


@pytest.mark.shared
@pytest.mark.parametrize("kernel", KERNELS)
def test_producers_write_the_bytes_of_real_kernels(kernel: str) -> None:
    expected, read = capture(kernel)
    preserved = Preserved(Image(65536 if "64k" in kernel else 4096))
    sizes = {}
    for subtree in expected["subtrees"]:
        blob = None
        if subtree["name"] == "memblock":
            blob = memblock(preserved, [(r["name"].encode(), r["start"], r["size"]) for r in subtree["reserve_mem"]]).blob
        elif subtree["name"] == "kexec-metadata":
            metadata = subtree["metadata"]
            blob = kexec_metadata(preserved, metadata["previous_release"].encode(), metadata["kexec_count"]).blob
        elif subtree["name"] == "kho_test":
            csum = int.from_bytes(bytes.fromhex(subtree["csum"]), "little")
            blob = kho_test_subtree(preserved, [(phys, order) for phys, order in subtree["folios"]], "vmalloc", csum).blob
            descriptor = blob.index(bytes.fromhex(subtree["csum"])) - 12 - 16
            blob = blob[:descriptor] + read(subtree["phys"] + descriptor, 8) + blob[descriptor + 8 :]
        if blob is not None:
            assert blob == read(subtree["phys"], len(blob)), subtree["name"]
        sizes[subtree["name"]] = subtree["size"] or 0
    style = {"kho-v1": "6.17" if "6.18" in kernel else "7.0"}.get(expected["compatible"], "7.3")
    subtrees = [Subtree(s["name"].encode(), s["phys"], bytes(sizes[s["name"]])) for s in expected["subtrees"]]
    root = root_fdt(preserved, expected["compatible"].encode(), expected["map"], subtrees, style)  # type: ignore[arg-type]
    assert root == read(expected["fdt_phys"][0], expected["totalsize"])


@pytest.mark.shared
@pytest.mark.parametrize("kernel", KERNELS)
def test_truth_has_the_shape_of_expected_json(kernel: str) -> None:
    expected, _ = capture(kernel)
    similar = {"x86_64-6.18": "kho-v1-page-bitmaps", "x86_64-6.19": "luo-v1-6.19", "x86_64-7.1": "luo-v1-7.1"}
    built = state(similar.get(kernel, "kho-v4-4k")).truth
    assert built.keys() == expected.keys()
    theirs = {subtree["name"]: subtree for subtree in expected["subtrees"]}
    for subtree in built["subtrees"]:
        real = theirs[subtree["name"]]
        assert subtree.keys() == real.keys()
        if "luo" in subtree:
            assert subtree["luo"].keys() == real["luo"].keys()
            ours, sessions = subtree["luo"]["sessions"][0], real["luo"]["sessions"]
            assert ours.keys() == sessions[0].keys()
            assert ours["files"][0].keys() == sessions[0]["files"][0].keys()
            assert ours["files"][0]["memfd"].keys() == sessions[0]["files"][0]["memfd"].keys()
