"""States built by hand, opened as an ELF core and compared in full with what was built.

They stand for what no capture at hand shows: kho-v2, 16 KiB pages, big-endian machines, the 512-byte bitmaps of 6.16 and 6.17,
the unreleased steps of LUO (luo-session-v1, luo-v2 to v4), chains longer than a page, and names and versions that nobody knows.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from expected import Document, assert_blocks_are, assert_root_is, assert_side_is, expected_subtree, number, seen_subtree, shown
from states.catalogue import HOSTILE_NAMES, STATES, State

from kho_tui.decode.platform import Overrides

NOT_DECODED = {"unknown-root": "nobody knows its tracker", "kho-v2-16k": "its tree lost the order", "kho-v1-ambiguous": "two readings"}
WHOLE = [name for name in STATES if name not in NOT_DECODED]


@cache
def state(name: str) -> State:
    return STATES[name]()


@cache
def opened(name: str, folder: Path) -> Document:
    return shown(core(name, folder))


def core(name: str, folder: Path) -> Path:
    path = folder / f"{name}.elf"
    if not path.exists():
        state(name).to_elf(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cores")


@pytest.mark.parametrize("name", WHOLE)
def test_a_core_alone_says_all_that_was_built(name: str, folder: Path) -> None:
    built, document = state(name), opened(name, folder)
    image = built.image
    assert (document["source"]["page_size"], document["source"]["byte_order"]) == (image.page_size, image.byte_order)
    assert [side for side, shown_side in document["sides"].items() if shown_side is not None] == ["unsided"]
    assert_side_is(document["sides"]["unsided"], built.truth, image.page_size, image.byte_order)


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith(("unknown", "hostile", "unterminated"))])
def test_a_sound_state_gives_no_finding_of_damage(name: str, folder: Path) -> None:
    findings = opened(name, folder)["findings"]
    assert [f for f in findings if f["severity"] != "info" and f["code"] != "KHO110"] == []


@pytest.mark.parametrize("name", [name for name in WHOLE if name.startswith("kho-v")])
def test_told_the_platform_it_says_the_same(name: str, folder: Path) -> None:
    built = state(name)
    document = shown(core(name, folder), Overrides(built.image.page_size, built.image.byte_order))
    assert document["sides"]["unsided"] == opened(name, folder)["sides"]["unsided"]


@pytest.mark.parametrize("overrides", [Overrides(page_size=65536), Overrides(byte_order="big"), Overrides(16384, "big")])
def test_told_a_wrong_platform_it_states_no_block_as_fact(overrides: Overrides, folder: Path) -> None:
    document = shown(core("kho-v4-4k", folder), overrides)
    side = document["sides"]["unsided"]
    assert side["preserved"]["state"] != "decoded"
    assert document["findings"] or side["preserved"]["reason"]
    assert document["source"]["page_size"] == (overrides.page_size or 4096)


def test_an_ambiguous_tracker_is_shown_in_both_readings(folder: Path) -> None:
    built, document = state("kho-v1-ambiguous"), opened("kho-v1-ambiguous", folder)
    side = document["sides"]["unsided"]
    assert_root_is(side, built.truth)
    assert built.alternative is not None
    assert_blocks_are(side["preserved"], built.alternative["preserved"], 4096)
    (other,) = side["preserved"]["other_readings"]
    assert (other["bitmap_bytes"], other["blocks"]) == (512, len(built.truth["preserved"]))
    assert "KHO110" in {f["code"] for f in document["findings"]}


def test_v2_on_16k_pages_says_that_its_blocks_are_wrong(folder: Path) -> None:
    built, document = state("kho-v2-16k"), opened("kho-v2-16k", folder)
    side = document["sides"]["unsided"]
    assert_root_is(side, built.truth)
    assert side["preserved"]["state"] == "damaged"
    seen = [seen_subtree(s, deep=True) for s in side["subtrees"]]
    assert seen == [expected_subtree(s) for s in built.truth["subtrees"]]
    representable = [[phys, order] for phys, order in built.truth["preserved"] if order + 14 < 64]
    assert sorted([number(address), order] for address, order in side["preserved"]["block_list"]) == representable
    assert "KHO113" in {f["code"] for f in document["findings"]}


def test_an_unknown_root_version_keeps_its_subtrees_and_claims_no_block(folder: Path) -> None:
    built, document = state("unknown-root"), opened("unknown-root", folder)
    side = document["sides"]["unsided"]
    assert_root_is(side, built.truth)
    assert (side["preserved"]["state"], side["preserved"]["blocks"]) == ("unknown", None)
    assert [seen_subtree(s, deep=True) for s in side["subtrees"]] == [expected_subtree(s) for s in built.truth["subtrees"]]
    assert "KHO107" in {f["code"] for f in document["findings"]}


def test_unknown_subtrees_show_their_bytes(folder: Path) -> None:
    document = opened("unknown-subtrees", folder)
    raw, newer, _ = document["sides"]["unsided"]["subtrees"]
    assert (raw["state"], raw["content"]) == ("unknown", {"hexdump": bytes(range(64)).hex()})
    assert (newer["state"], newer["compatible"]) == ("unknown", "memblock-v7")
    assert {f["code"] for f in document["findings"]} >= {"KHO107", "KHO108"}


def test_unknown_file_handlers_keep_their_data_and_their_neighbours(folder: Path) -> None:
    luo, _ = opened("unknown-handler", folder)["sides"]["unsided"]["subtrees"]
    vfio, memfd, newer = luo["content"]["sessions"][0]["files"]
    assert (vfio["state"], vfio["data"], "memfd" in vfio) == ("unknown", "0xdeadbeef00001234", False)
    assert (memfd["state"], memfd["memfd"]["folios_state"]) == ("decoded", "decoded")
    assert (newer["state"], "memfd" in newer) == ("unknown", False)


def test_hostile_names_come_out_as_printable_text(folder: Path) -> None:
    document = opened("hostile-names", folder)
    assert not [char for char in str(document) if not char.isprintable()]
    sessions = document["sides"]["unsided"]["subtrees"][2]["content"]["sessions"]
    assert len({s["name"] for s in sessions}) == len(HOSTILE_NAMES) + 1


def test_the_byte_order_of_the_core_decides_the_bits_of_a_bitmap(folder: Path) -> None:
    """A native 64-bit word of a big-endian bitmap has bit 0 in its last byte."""
    little, big = (opened(name, folder)["sides"]["unsided"]["preserved"] for name in ("kho-v4-4k", "kho-v4-big-endian"))
    assert little["block_list"] == big["block_list"]
