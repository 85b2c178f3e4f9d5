"""Damage in one place of a state: it is named by its code, the rest stays usable, counts are lower bounds, nothing is invented."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import libfdt
import pytest
from captures import sample
from expected import Document, document, expected_subtree, number, seen_subtree, shown
from states.catalogue import STATES, Machine, State
from states.fdt import Node, build, text
from states.image import Image
from states.luo import File, Session, luo
from states.producers import kexec_metadata

from kho_tui.context import Budget, Context
from kho_tui.decode.platform import Overrides
from kho_tui.errors import Cancelled
from kho_tui.model.facts import Missing
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.luo.content import Luo

NOWHERE = 0x70_0000_0000
"""Page aligned, and in no image."""


def u64(image: Image, address: int) -> int:
    return image.unpack("Q", image.read(address, 8))[0]


class Opened:
    """A state as it is shown, and what it was before the damage."""

    def __init__(self, built: State, path: Path, context: Context | None = None) -> None:
        built.to_elf(path)
        self.built = built
        self.document = shown(path, context=context)
        self.side: Document = self.document["sides"]["unsided"]
        self.preserved: Document = self.side["preserved"]
        self.codes = {f["code"] for f in self.document["findings"]}

    @property
    def luo(self) -> Document:
        content: Document = next(s for s in self.side["subtrees"] if s["name"] == "LUO")["content"]
        return content

    def assert_blocks_are_a_lower_bound(self) -> None:
        truth = [tuple(block) for block in self.built.truth["preserved"]]
        listed = [(number(address), order) for address, order in self.preserved["block_list"]]
        assert self.preserved["state"] == "partial"
        assert self.preserved["reason"]
        assert self.preserved["blocks"] == len(listed)
        assert set(listed) <= set(truth), "a block was invented"
        assert len(set(listed)) == len(listed)

    def assert_subtrees_are_whole(self) -> None:
        assert [seen_subtree(s, deep=True) for s in self.side["subtrees"]] == [expected_subtree(s) for s in self.built.truth["subtrees"]]


# --- chunk list ------------------------------------------------------------------------------------------------------------------------


def chunk_addresses(state: State) -> list[int]:
    found, at = [], state.truth["map"]
    while at:
        found.append(at)
        at = u64(state.image, at)
    return found


def chunk_loop(state: State) -> None:
    *_, last = chunk_addresses(state)
    state.image.u64(last, state.truth["map"])


def chunk_to_itself(state: State) -> None:
    state.image.u64(state.truth["map"], state.truth["map"])


def chunk_next_nowhere(state: State) -> None:
    state.image.u64(chunk_addresses(state)[1], NOWHERE)


def chunk_next_misaligned(state: State) -> None:
    second = chunk_addresses(state)[1]
    state.image.u64(second, u64(state.image, second) + 8)


def too_many_elements(state: State) -> None:
    state.image.u32(state.truth["map"] + 12, 0xFFFF_FFFF)


def absurd_order(state: State) -> None:
    state.image.u32(chunk_addresses(state)[1] + 8, 60)


def bitmap_null(state: State) -> None:
    state.image.u64(chunk_addresses(state)[1] + 24, 0)


def bitmap_nowhere(state: State) -> None:
    state.image.u64(chunk_addresses(state)[1] + 24, NOWHERE)


def bitmap_shared(state: State) -> None:
    first, second, *_ = chunk_addresses(state)
    state.image.u64(second + 24, u64(state.image, first + 24))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (chunk_loop, "KHO105"),
        (chunk_to_itself, "KHO105"),
        (chunk_next_nowhere, "KHO103"),
        (chunk_next_misaligned, "KHO104"),
        (too_many_elements, "KHO106"),
        (absurd_order, "KHO113"),
        (bitmap_null, "KHO104"),
        (bitmap_nowhere, "KHO103"),
    ],
)
def test_damaged_chunk_list(damage: Callable[[State], None], code: str, tmp_path: Path) -> None:
    built = STATES["kho-v1-page-bitmaps"]()
    damage(built)
    opened = Opened(built, tmp_path / "core")
    assert code in opened.codes
    opened.assert_blocks_are_a_lower_bound()
    assert opened.side["abi"] == "kho-v1"
    assert opened.side["subtrees"][1]["content"]["regions"]


def test_a_bitmap_that_two_elements_share_counts_once(tmp_path: Path) -> None:
    built = STATES["kho-v1-page-bitmaps"]()
    bitmap_shared(built)
    opened = Opened(built, tmp_path / "core")
    assert "KHO104" in opened.codes
    opened.assert_blocks_are_a_lower_bound()


def test_a_map_that_leads_nowhere_leaves_the_subtrees(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    at = built.root + built.fdt.index(built.image.pack("Q", built.truth["map"]))
    built.image.u64(at, NOWHERE)
    opened = Opened(built, tmp_path / "core")
    assert opened.preserved["blocks"] is None
    assert opened.preserved["state"] in ("unavailable", "stale")
    assert [s["name"] for s in opened.side["subtrees"]] == ["memblock", "LUO", "kho_test", "kexec-metadata"]


# --- radix tree ------------------------------------------------------------------------------------------------------------------------


def level_1_entry(state: State) -> int:
    """Address of the first entry of the first node above the leaves, on the way to blocks of a higher order than that of the root page."""
    page, node = state.image.page_size, state.truth["map"]
    for _ in range({4096: 5, 16384: 4, 65536: 3}[page]):
        at = next(at for at in range(node, node + page, 8) if u64(state.image, at))
        node = u64(state.image, at)
    return at


def entry_misaligned(state: State) -> None:
    at = level_1_entry(state)
    state.image.u64(at, u64(state.image, at) + 1)


def entry_to_the_root(state: State) -> None:
    state.image.u64(level_1_entry(state), state.truth["map"])


def entry_nowhere(state: State) -> None:
    state.image.u64(level_1_entry(state), NOWHERE)


def root_to_itself(state: State) -> None:
    state.image.u64(state.truth["map"] + 8 * 500, state.truth["map"])


def leaf_shared(state: State) -> None:
    at = level_1_entry(state)
    assert u64(state.image, at + 8) == 0
    state.image.u64(at + 8, u64(state.image, at))


def node_nowhere(state: State) -> None:
    state.image.u64(state.truth["map"] + 8 * 511, NOWHERE)


@pytest.mark.parametrize("page", ["4k", "16k", "64k"])
@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (entry_misaligned, "KHO104"),
        (entry_to_the_root, "KHO105"),
        (entry_nowhere, "KHO103"),
        (root_to_itself, "KHO105"),
        (leaf_shared, "KHO105"),
        (node_nowhere, "KHO103"),
    ],
)
def test_damaged_radix_tree(damage: Callable[[State], None], code: str, page: str, tmp_path: Path) -> None:
    built = STATES[f"kho-v4-{page}"]()
    damage(built)
    opened = Opened(built, tmp_path / "core")
    assert code in opened.codes
    opened.assert_blocks_are_a_lower_bound()
    assert opened.preserved["blocks"] > 0
    opened.assert_subtrees_are_whole()


def test_a_key_above_order_0_stands_for_no_block(tmp_path: Path) -> None:
    """Root index 4 of a 4 KiB tree is bit 53 of a key: above the marker of order 0."""
    built = STATES["kho-v4-4k"]()
    nodes = [built.image.alloc() for _ in range(5)]
    for holder, at in zip([built.truth["map"] + 8 * 4, *nodes[:-1]], nodes, strict=True):
        built.image.u64(holder, at)
    built.image.set_bits(nodes[-1], [0, 1, 2])
    opened = Opened(built, tmp_path / "core")
    assert "KHO113" in opened.codes
    opened.assert_blocks_are_a_lower_bound()
    assert opened.preserved["blocks"] == len(built.truth["preserved"])


# --- LUO -------------------------------------------------------------------------------------------------------------------------------


def luo_phys(state: State) -> int:
    phys: int = next(s["phys"] for s in state.truth["subtrees"] if s["name"] == "LUO")
    return phys


def session_block(state: State) -> int:
    return u64(state.image, luo_phys(state) + 16)


def session(state: State, row: int) -> Document:
    luo_truth = next(s["luo"] for s in state.truth["subtrees"] if s["name"] == "LUO")
    one: Document = luo_truth["sessions"][row]
    return one


def last_session_block(state: State) -> int:
    block = session_block(state)
    while u64(state.image, block):
        block = u64(state.image, block)
    return block


@pytest.mark.parametrize(
    ("damage", "code", "status", "count"),
    [
        (lambda s: s.image.u64(last_session_block(s), session_block(s)), "KHO105", "damaged", 120),
        (lambda s: s.image.u64(session_block(s), session_block(s)), "KHO105", "damaged", 51),
        (lambda s: s.image.u64(session_block(s), NOWHERE), "KHO103", "partial", 51),
        (lambda s: s.image.u64(session_block(s), session_block(s) + 16), "KHO104", "partial", 51),
        (lambda s: s.image.u64(session_block(s) + 8, 0), "KHO106", "damaged", 69),
        (lambda s: s.image.u64(last_session_block(s) + 8, 52), "KHO106", "damaged", 120),
        (lambda s: s.image.u64(last_session_block(s) + 8, 2**64 - 1), "KHO106", "damaged", 120),
    ],
)
def test_damaged_chain_of_sessions(damage: Callable[[State], None], code: str, status: str, count: int, tmp_path: Path) -> None:
    built = STATES["sessions-120"]()
    damage(built)
    opened = Opened(built, tmp_path / "core")
    assert code in opened.codes
    sessions = opened.luo["sessions"]
    assert (opened.luo["sessions_state"], len(sessions)) == (status, count)
    assert opened.luo["sessions_reason"]
    assert {s["name"] for s in sessions} <= {f"vm-{i:03}" for i in range(120)}
    assert opened.luo["flbs"] is not None
    assert opened.preserved["state"] == "decoded"
    assert "at least" in opened.document["verdict"]


@pytest.mark.parametrize("name", ["luo-v1-6.19", "luo-v1-7.1", "luo-v3"])
def test_more_sessions_than_the_array_holds(name: str, tmp_path: Path) -> None:
    built = STATES[name]()
    header = next(s["luo"].get("session_header") for s in built.truth["subtrees"] if s["name"] == "LUO") or session_block(built)
    built.image.u64(header, 1_000_000)
    opened = Opened(built, tmp_path / "core")
    assert "KHO106" in opened.codes
    assert opened.luo["sessions_state"] == "damaged"
    assert [s["name"] for s in opened.luo["sessions"]] == ["vm-alpha", "empty", "vm-beta"], "entries that nobody wrote are no sessions"


def test_files_are_claimed_and_there_is_no_list(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    built.image.u64(session_block(built) + 16 + 64, 0)
    opened = Opened(built, tmp_path / "core")
    alpha, empty, beta = opened.luo["sessions"]
    assert "KHO106" in opened.codes
    assert (alpha["count"], alpha["files"]) == (3, None)
    assert (empty["count"], empty["files"]) == (0, [])
    assert len(beta["files"]) == 1


@pytest.mark.parametrize(
    ("name", "damage", "code", "files", "words"),
    [
        ("files-200", lambda s: s.image.u64(u64(s.image, session(s, 0)["files_pa"]), NOWHERE), "KHO103", 126, "126 of 200 files"),
        (
            "files-200",
            lambda s: s.image.u64(u64(s.image, session(s, 0)["files_pa"]), session(s, 0)["files_pa"]),
            "KHO105",
            126,
            "at least 126 files",
        ),
        ("luo-v1-6.19", lambda s: s.image.u64(session_entry_v1(s) + 72, 129), "KHO106", 3, "at least 4 files"),
    ],
)
def test_a_file_list_read_in_part_says_so(
    name: str, damage: Callable[[State], None], code: str, files: int, words: str, tmp_path: Path
) -> None:
    built = STATES[name]()
    damage(built)
    built.to_elf(tmp_path / "core")
    with open_state(tmp_path / "core", Context()) as state:
        content = next(s.content for s in state.state.sides["unsided"].subtrees if s.name == b"LUO")
        assert isinstance(content, Luo)
        assert not isinstance(content.sessions, Missing)
        one = content.sessions.sessions[0]
        assert not isinstance(one.files, Missing)
        assert len(one.files) == files
        assert (one.status.value, bool(one.reason)) in (("partial", True), ("damaged", True))
        printed = document(state.state)
    assert code in {f["code"] for f in printed["findings"]}
    assert words in printed["verdict"]


def session_entry_v1(state: State) -> int:
    header: int = next(s["luo"]["session_header"] for s in state.truth["subtrees"] if s["name"] == "LUO")
    return header + 8


def test_fewer_files_than_the_session_claims(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    built.image.u64(session_block(built) + 16 + 72, 5)
    opened = Opened(built, tmp_path / "core")
    assert "KHO106" in opened.codes
    assert (opened.luo["sessions"][0]["count"], len(opened.luo["sessions"][0]["files"])) == (5, 3)


@pytest.mark.parametrize(("data", "code", "state"), [(NOWHERE, "KHO103", "unavailable"), (2**64 - 8, "KHO104", "damaged")])
def test_a_memfd_struct_that_is_not_there(data: int, code: str, state: str, tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    entry = session(built, 0)["files_pa"] + 16
    built.image.u64(entry + 48, data)
    opened = Opened(built, tmp_path / "core")
    first, second, third = opened.luo["sessions"][0]["files"]
    assert code in opened.codes
    assert (first["state"], "memfd" in first, bool(first["reason"])) == (state, False, True)
    assert second["memfd"]["folios_state"] == third["memfd"]["folios_state"] == "decoded"


def memfd(state: State) -> int:
    data: int = session(state, 0)["files"][0]["data"]
    return data


def huge_entries(state: State) -> None:
    """One page list of 511 entries that claim 2^20 pages each: 4 GiB of addresses."""
    first = u64(state.image, memfd(state) + 32)
    state.image.write(first + 8, state.image.pack("511Q", *[NOWHERE] * 511))
    state.image.u32(memfd(state) + 40, 511 << 20)
    state.image.u16(memfd(state) + 46, 20)


@pytest.mark.parametrize(
    ("damage", "code", "state"),
    [
        (lambda s: s.image.u64(memfd(s) + 24, 1_000_000), "KHO106", "damaged"),
        (lambda s: s.image.u64(memfd(s) + 24, 2**64 - 1), "KHO106", "damaged"),
        (lambda s: s.image.u32(memfd(s) + 40, 7), "KHO106", "damaged"),
        (lambda s: s.image.u16(memfd(s) + 46, 200), "KHO106", "damaged"),
        (lambda s: s.image.u64(memfd(s) + 32, NOWHERE), "KHO103", "unavailable"),
        (lambda s: s.image.u64(memfd(s) + 32, u64(s.image, memfd(s) + 32) + 8), "KHO104", "damaged"),
        (lambda s: s.image.u64(u64(s.image, memfd(s) + 32), u64(s.image, memfd(s) + 32)), "KHO105", "damaged"),
        (lambda s: s.image.u64(u64(s.image, memfd(s) + 32) + 8, NOWHERE), "KHO103", "partial"),
        (lambda s: s.image.u64(u64(s.image, memfd(s) + 32), NOWHERE), "KHO103", "partial"),
        (huge_entries, "KHO103", "partial"),
    ],
)
def test_damaged_folio_array(damage: Callable[[State], None], code: str, state: str, tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    truth = session(built, 0)["files"][0]["memfd"]["folios"]
    damage(built)
    opened = Opened(built, tmp_path / "core")
    assert code in opened.codes
    first, second, _ = opened.luo["sessions"][0]["files"]
    assert first["memfd"]["folios_state"] == state
    listed = first["memfd"]["folio_list"]
    assert listed is None or listed == truth[: len(listed)]
    assert second["memfd"]["folios_state"] == "decoded"
    assert opened.preserved["state"] == "decoded"


def test_huge_entries_cost_no_more_than_the_rows_that_are_asked_for(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    huge_entries(built)
    built.to_elf(tmp_path / "core")
    tracemalloc.start()
    shown(tmp_path / "core")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20


def full_page_list(state: State, total: int) -> int:
    """Make the page list of the first memfd a full page that lists the array's own page over and over; its address."""
    first = u64(state.image, memfd(state) + 32)
    state.image.write(first + 8, state.image.pack("511Q", *[u64(state.image, first + 8)] * 511))
    state.image.u32(memfd(state) + 40, total)
    return first


@pytest.mark.parametrize(("total", "code"), [(2000, "KHO105"), (100, "KHO106")])
def test_a_full_page_list_that_goes_on_for_ever_or_too_long(total: int, code: str, tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    truth = session(built, 0)["files"][0]["memfd"]["folios"]
    first = full_page_list(built, total)
    built.image.u64(first, first if code == "KHO105" else built.image.alloc())
    opened = Opened(built, tmp_path / "core")
    folios = opened.luo["sessions"][0]["files"][0]["memfd"]
    assert code in opened.codes
    assert (folios["folios_state"], folios["folio_list"]) == ("damaged", truth)


def test_flb_count_beyond_its_page(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    built.image.u64(u64(built.image, luo_phys(built) + 24) + 8, 64)
    opened = Opened(built, tmp_path / "core")
    assert "KHO106" in opened.codes
    assert opened.luo["flbs_state"] == "damaged"
    assert [f["name"] for f in opened.luo["flbs"]] == [f"liveupdate-test-flb-v{i}" for i in range(3)]
    assert opened.luo["sessions_state"] == "decoded"


def test_repeated_names_and_tokens_have_paths_of_their_own(tmp_path: Path) -> None:
    machine = Machine()
    files = tuple(File(7, memfd=machine.memfd([0])) for _ in range(3))
    names = [b"twin", b"twin", b"twin~2", b"", b"", b"FLBs", b"a/b", b"a\\x2fb"]
    sessions = luo(machine.preserved, 5, 1, [Session(name, files if i == 0 else ()) for i, name in enumerate(names)], ())
    built = machine.finish("twins", None, [sessions, kexec_metadata(machine.preserved, b"7.3.4")], "7.3", b"kho-v4")
    built.to_elf(tmp_path / "core")
    with open_state(tmp_path / "core", Context()) as opened:
        content = opened.state.sides["unsided"].subtrees[0].content
        assert isinstance(content, Luo)
        assert not isinstance(content.sessions, Missing)
        found = content.sessions.sessions
        assert [s.name for s in found] == names
        first = found[0].files
        assert not isinstance(first, Missing)
        paths = [str(s.path) for s in found] + [str(f.path) for f in first]
    assert paths[0] == "unsided/LUO/twin"
    assert paths[-3:] == ["unsided/LUO/twin/0x7", "unsided/LUO/twin/0x7~2", "unsided/LUO/twin/0x7~3"]
    assert len(set(paths)) == len(paths)
    assert "unsided/LUO/FLBs" not in paths, "that is the list of FLBs"


# --- root, subtrees, versions ----------------------------------------------------------------------------------------------------------


def with_root(state: State, fdt: bytes) -> State:
    state.image.write(state.root, bytes(state.image.page_size))
    state.image.write(state.root, fdt)
    return replace(state, fdt=fdt)


def test_properties_of_wrong_length(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    q = built.image.pack
    children = []
    for row, one in enumerate(built.truth["subtrees"]):
        size, phys = q("Q", one["size"]), q("Q", one["phys"])
        properties = [(b"blob-size", size[:4] if row == 0 else size), (b"preserved-data", phys + bytes(8) if row == 1 else phys)]
        children.append(Node(one["name"].encode(), tuple(properties[: 1 if row == 2 else 2])))
    root = Node(b"", ((b"compatible", text(b"kho-v4")), (b"preserved-memory-map", q("Q", built.truth["map"]))), tuple(children))
    opened = Opened(with_root(built, build(root)), tmp_path / "core")
    assert [f["where"] for f in opened.document["findings"] if f["code"] == "KHO111"] == [
        "unsided/memblock",
        "unsided/LUO",
        "unsided/kho_test",
    ]
    memblock, luo_tree, test, metadata = opened.side["subtrees"]
    assert (memblock["size"], luo_tree["phys"], test["phys"]) == (None, None, None)
    assert (luo_tree["state"], luo_tree["content"], test["content"]) == ("damaged", None, None)
    assert metadata["content"]["previous_release"] == "7.3.4"
    assert opened.preserved["state"] == "decoded"


@pytest.mark.parametrize("length", [0, 4, 16])
def test_a_map_property_of_wrong_length(length: int, tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    root = Node(b"", ((b"compatible", text(b"kho-v4")), (b"preserved-memory-map", bytes(length))))
    opened = Opened(with_root(built, build(root)), tmp_path / "core")
    assert "KHO111" in opened.codes
    assert (opened.preserved["state"], opened.preserved["blocks"], opened.preserved["map"]) == ("damaged", None, None)


def test_a_region_without_its_size(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    memblock = built.truth["subtrees"][0]
    start = built.image.pack("Q", 0x8000_0000)
    tree = build(
        Node(
            b"",
            ((b"compatible", text(b"memblock-v1")),),
            (
                Node(b"oops", ((b"compatible", text(b"reserve-mem-v1")), (b"start", start))),
                Node(b"pstore", ((b"start", start), (b"size", bytes(4)))),
            ),
        )
    )
    built.image.write(memblock["phys"], tree)
    opened = Opened(built, tmp_path / "core")
    assert "KHO111" in opened.codes
    assert opened.side["subtrees"][0]["content"]["regions"] == [
        {"name": "oops", "start": "0x80000000", "size": None},
        {"name": "pstore", "start": "0x80000000", "size": None},
    ]


@pytest.mark.parametrize("page", [4096, 65536])
def test_a_root_under_construction_is_found_and_said_to_be_one(page: int, tmp_path: Path) -> None:
    """Kernels 6.16 to 6.18 write the root inside finalize: until fdt_finish() its magic is 2ff20112 and its strings grow from the end."""
    buffer = bytearray(page)
    assert libfdt.fdt_create(buffer, page) == 0
    assert libfdt.fdt_finish_reservemap(buffer) == 0
    assert libfdt.fdt_begin_node(buffer, "") == 0
    assert libfdt.fdt_property_stub(buffer, "compatible", b"kho-v1\0", 7) == 0
    assert libfdt.fdt_property_stub(buffer, "preserved-memory-map", bytes(8), 8) == 0
    image = Image(page)
    image.write(image.alloc(at=0x10_0000), bytes(buffer))
    image.to_elf(tmp_path / "core")
    printed = shown(tmp_path / "core", Overrides(page_size=page))
    side = printed["sides"]["unsided"]
    assert "KHO101" in {f["code"] for f in printed["findings"]}
    assert (side["abi"], side["finalized"], side["fdt"]["phys"]) == ("kho-v1", False, "0x100000")
    assert side["fdt"]["libfdt"] != "ok"
    assert (side["preserved"]["state"], side["preserved"]["blocks"]) == ("unavailable", None)


def test_the_root_that_its_own_tracker_keeps_wins(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    low = built.image.alloc(at=0x10_0000)
    built.image.write(low, built.fdt)
    unaligned = built.image.alloc(at=0x20_0000)
    built.image.write(unaligned + 64, built.fdt)
    opened = Opened(built, tmp_path / "core")
    assert number(opened.side["fdt"]["phys"]) == built.root
    assert len([f for f in opened.document["findings"] if f["code"] == "KHO116"]) == 2
    opened.assert_subtrees_are_whole()


def put(state: State, name: str, at: int, data: bytes) -> None:
    phys = next(s["phys"] for s in state.truth["subtrees"] if s["name"] == name)
    state.image.write(phys + at, data)


@pytest.mark.parametrize(
    ("state", "name", "at", "data"),
    [
        ("kho-v4-4k", "LUO", 0, b"luo-v9\0\0"),
        ("kho-v4-4k", "LUO", 0, b"luo-v1\0\0"),
        ("kho-v4-4k", "kexec-metadata", 0, (2).to_bytes(4, "little")),
    ],
)
def test_an_unknown_version_is_not_read_as_a_known_one(state: str, name: str, at: int, data: bytes, tmp_path: Path) -> None:
    built = STATES[state]()
    put(built, name, at, data)
    opened = Opened(built, tmp_path / "core")
    subtree = next(s for s in opened.side["subtrees"] if s["name"] == name)
    assert "KHO107" in opened.codes
    assert (subtree["state"], list(subtree["content"])) == ("unknown", ["hexdump"])
    assert opened.preserved["state"] == "decoded"


@pytest.mark.parametrize(("old", "new"), [(b"luo-session-v2", b"luo-session-v7"), (b"luo-flb-v1", b"luo-flb-v8"), (b"luo-v1", b"luo-v6")])
def test_unknown_versions_inside_the_luo_fdt(old: bytes, new: bytes, tmp_path: Path) -> None:
    built = STATES["luo-v1-7.1"]()
    put(built, "LUO", built.blobs["LUO"].index(old + b"\0"), new)
    opened = Opened(built, tmp_path / "core")
    assert "KHO107" in opened.codes
    content = opened.luo
    assert (content.get("sessions") is None) == (old != b"luo-flb-v1")
    assert (content.get("flbs") is None) == (old != b"luo-session-v2")
    assert content.get("liveupdate_number") == (None if old == b"luo-v1" else 2)


def test_a_blob_that_is_not_there(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    del built.image.pages[luo_phys(built)]
    opened = Opened(built, tmp_path / "core")
    subtree = next(s for s in opened.side["subtrees"] if s["name"] == "LUO")
    assert "KHO103" in opened.codes
    assert (subtree["state"], subtree["content"], subtree["origin"]) == ("unavailable", None, None)


def test_a_subtree_name_twice(tmp_path: Path) -> None:
    built = STATES["kho-v4-4k"]()
    pointer = ((b"preserved-data", built.image.pack("Q", NOWHERE)), (b"blob-size", built.image.pack("Q", 8)))
    root = Node(
        b"",
        ((b"compatible", text(b"kho-v4")), (b"preserved-memory-map", built.image.pack("Q", built.truth["map"]))),
        (Node(b"odd", pointer), Node(b"odd", pointer[:1])),
    )
    path = tmp_path / "core"
    with_root(built, build(root)).to_elf(path)
    with open_state(path, Context()) as opened:
        assert [str(s.path) for s in opened.state.sides["unsided"].subtrees] == ["unsided/odd", "unsided/odd~2"]
        assert [str(f.where) for f in opened.state.findings if f.code == "KHO111"] == ["unsided/odd~2"]


# --- captures --------------------------------------------------------------------------------------------------------------------------


def damaged_capture(name: str, folder: Path, phys: int, data: bytes) -> Document:
    """A capture with other bytes at a physical address of its memory."""
    path = folder / "capture"
    shutil.copytree(sample(name), path)
    with open_state(path, Context()) as opened:
        assert opened.memory is not None
        _, offset = opened.memory.origin(phys)
    with (path / "memory.elf").open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)
    return shown(path)


def test_a_capture_with_a_loop_in_its_chunk_list(tmp_path: Path) -> None:
    first = number(shown(sample("x86_64-6.19/1-pre"))["sides"]["out"]["preserved"]["map"])
    assert first is not None
    damaged = damaged_capture("x86_64-6.19/1-pre", tmp_path, first, first.to_bytes(8, "little"))
    side = damaged["sides"]["out"]
    assert "KHO105" in {f["code"] for f in damaged["findings"]}
    assert side["preserved"]["state"] == "partial"
    assert set(side["preserved"]["by_order"]) == {"0"}
    assert [s["state"] for s in side["subtrees"]] == ["decoded"] * len(side["subtrees"])


def test_a_capture_with_an_empty_session_block(tmp_path: Path) -> None:
    whole = shown(sample("x86_64-7.3/1-pre"))["sides"]["out"]
    luo_tree = next(s for s in whole["subtrees"] if s["name"] == "LUO")
    phys = number(luo_tree["phys"])
    assert phys is not None
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        assert opened.memory is not None
        block = int.from_bytes(opened.memory.read(phys + 16, 8), "little")
    damaged = damaged_capture("x86_64-7.3/1-pre", tmp_path, block + 8, bytes(8))
    side = damaged["sides"]["out"]
    content = next(s for s in side["subtrees"] if s["name"] == "LUO")["content"]
    assert "KHO106" in {f["code"] for f in damaged["findings"]}
    assert (content["sessions_state"], content["sessions"]) == ("damaged", [])
    assert side["preserved"] == whole["preserved"]


def test_a_struct_that_is_not_there_makes_no_further_field_of_the_property_that_leads_to_it(tmp_path: Path) -> None:
    built = STATES["luo-v2"]()
    built.to_elf(tmp_path / "whole")
    with open_state(tmp_path / "whole", Context()) as opened:
        (luo_state,) = (one.content for one in opened.state.sides["unsided"].subtrees if isinstance(one.content, Luo))
        assert luo_state.header is not None and luo_state.header.place.phys is not None
        del built.image.pages[luo_state.header.place.phys // built.image.page_size * built.image.page_size]
    built.to_elf(tmp_path / "core")
    (content,) = (one["content"] for one in shown(tmp_path / "core")["sides"]["unsided"]["subtrees"] if one["name"] == "LUO")
    assert content["sessions_state"] == "unavailable" and "fields" not in content


# --- budget and cancel -----------------------------------------------------------------------------------------------------------------

BUDGETS = [
    *(Budget(read_bytes=size) for size in (0, 100, 5_000, 100_000, 500_000, 1_000_000, 1_500_000)),
    *(Budget(entries=count) for count in (0, 1, 3, 6, 20, 60, 130)),
    *(Budget(runs=count) for count in (0, 1, 10)),
]


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda b: f"{b.read_bytes}-{b.entries}-{b.runs}")
@pytest.mark.parametrize("name", ["kho-v1-page-bitmaps", "kho-v1-big-endian", "kho-v4-4k", "files-200", "luo-v2"])
def test_a_budget_ends_in_a_finding_and_in_lower_bounds(name: str, budget: Budget, tmp_path: Path) -> None:
    built = STATES[name]()
    built.to_elf(tmp_path / "core")
    printed = shown(tmp_path / "core", context=Context(replace(budget)))
    if "KHO112" not in {f["code"] for f in printed["findings"]}:
        assert printed == shown(tmp_path / "core"), "less than the whole, and nothing said"
        return
    side = printed["sides"]["unsided"]
    if side is None:
        return
    listed = {(number(address), order) for address, order in side["preserved"].get("block_list", ())}
    assert listed <= {tuple(block) for block in built.truth["preserved"]}
    assert side["preserved"]["state"] != "decoded" or len(listed) == len(built.truth["preserved"])


def test_some_of_these_budgets_are_too_small(tmp_path: Path) -> None:
    STATES["kho-v4-4k"]().to_elf(tmp_path / "core")
    ended = [b for b in BUDGETS if "KHO112" in {f["code"] for f in shown(tmp_path / "core", context=Context(replace(b)))["findings"]}]
    assert {(b.read_bytes < 1 << 30, b.entries < 1000, b.runs < 1000) for b in ended} == {
        (True, False, False),
        (False, True, False),
        (False, False, True),
    }


@pytest.mark.parametrize("name", ["x86_64-6.19/1-pre", "x86_64-7.3/2-post"])
def test_cancelled_is_raised(name: str) -> None:
    cancelled = Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        open_state(sample(name), Context(cancelled=cancelled))


def test_cancelled_in_the_middle(tmp_path: Path) -> None:
    STATES["kho-v4-4k"]().to_elf(tmp_path / "core")
    context = Context()

    def stop(what: str, done: int, total: int | None, unit: str) -> None:
        if "bitmaps" in what:
            context.cancelled.set()

    context.progress = stop
    with pytest.raises(Cancelled):
        open_state(tmp_path / "core", context)
