"""A memory that does not say where its bytes lie is read where its root FDTs show, and that is said."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from captures import captures_with_truth, sample
from expected import assert_side_is, shown
from expected import document as document_of
from operations.test_simulate import SMALL, scenario_file
from raw_images import Segments, segments_of, write_raw

from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.errors import InputError
from kho_tui.memory.pieces import Piece, pieces_text
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.operations.simulate import run_scenario
from kho_tui.views.cli.main import run
from kho_tui.views.cli.request import parse_pieces

GIB = 1 << 30
DIRECT_MAP = 0xFFFF_8880_0000_0000
"""Where x86_64 maps all of physical memory without KASLR (Documentation/arch/x86/x86_64/mm.rst)."""
BEFORE = [pytest.param(path, id="-".join(path.parts[-2:])) for path in captures_with_truth() if path.name.endswith("pre")]
RELEASES = ["6.18", "6.19", "7.1", "7.3"]


def write_core(path: Path, segments: Segments, machine: int, virtual: int | None) -> Path:
    """An ELF core by elf.h whose p_paddr are all 0, and whose p_vaddr are ``virtual`` behind the address, or 0 too."""
    offset = 64 + 56 * len(segments)
    headers, contents = [], []
    for start, data in segments:
        vaddr = 0 if virtual is None else (start + virtual) % (1 << 64)
        headers.append(struct.pack("<IIQQQQQQ", 1, 7, offset, vaddr, 0, len(data), len(data), 0))
        contents.append(data)
        offset += len(data)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = struct.pack("<HHIQQQI6H", 4, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    path.write_bytes(ident + header + b"".join(headers) + b"".join(contents))
    return path


def joined(segments: Segments, limit: int) -> Segments:
    """The segments as one, where that takes at most ``limit`` bytes: what lies between them is zeros."""
    start, end = segments[0][0], segments[-1][0] + len(segments[-1][1])
    assert end - start <= limit
    whole = bytearray(end - start)
    for at, data in segments:
        whole[at - start : at - start + len(data)] = data
    return [(start, bytes(whole))]


def expected(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "expected.json").read_text())
    return document


def said(document: dict[str, Any]) -> str:
    return "\n".join(one["message"] for one in document["findings"])


def page_size_of(path: Path) -> int:
    return 65536 if "64k" in str(path) else 4096


@pytest.mark.parametrize("path", BEFORE)
@pytest.mark.parametrize("header", [0x1000, 64 << 10])
def test_a_raw_image_that_begins_elsewhere(path: Path, header: int, tmp_path: Path) -> None:
    """A header before the memory; RAM begins at 1 GiB on arm64."""
    by = header - (GIB if "arm64" in str(path) else 0)
    segments = [(start + by, data) for start, data in segments_of(path)]
    image = write_raw(tmp_path / "guest.bin", segments, segments[-1][0] + len(segments[-1][1]) + (1 << 20))
    document = shown(image)
    assert_side_is(document["sides"]["unsided"], expected(path), page_size_of(path))
    assert "nothing in it says at which addresses its bytes lie: read as with --base " in said(document)
    assert "the tracker keeps the root FDT's own page" in said(document)


@pytest.mark.parametrize("path", BEFORE)
@pytest.mark.parametrize("virtual", [DIRECT_MAP, 0x1234_5000])
def test_a_core_without_physical_addresses(path: Path, virtual: int, tmp_path: Path) -> None:
    machine = 183 if "arm64" in str(path) else 62
    core = write_core(tmp_path / "memory.elf", segments_of(path), machine, virtual)
    document = shown(core)
    assert_side_is(document["sides"]["unsided"], expected(path), page_size_of(path))
    assert "names no physical addresses" in said(document) and "read as with" in said(document)


def test_the_base_that_is_offered_gives_the_same(tmp_path: Path) -> None:
    path = sample("x86_64-7.3/1-pre")
    core = write_core(tmp_path / "memory.elf", joined(segments_of(path), 1 << 30), 62, DIRECT_MAP)
    document = shown(core)
    base = said(document).split("--base ")[1].split(",")[0]
    assert base.endswith("-")
    with open_state(core, Context(), base=parse_pieces(base)) as opened:
        assert "unsided" in opened.state.sides
        assert not [one for one in opened.state.findings if "addresses" in one.message]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("below", [2 * GIB, 3 * GIB, 0xD000_0000])
def test_the_memory_of_a_guest_with_a_pci_hole(release: str, below: int, tmp_path: Path) -> None:
    """As QEMU's memory-backend-file has it: what lies from 4 GiB on follows what lies below the hole."""
    text = SMALL.replace('[["1M", "511M"]]', f'[["1M", {below - (1 << 20)}], ["4G", "2G"]]').replace('"6.19"', f'"{release}"')
    if release == "6.18":
        start, end = text.index("[[step]]"), text.rindex("[[step]]")
        text = text[:start] + '[[step]]\ndo = "finalize"\n' + text[end:]
    run_scenario(scenario_file(tmp_path, text.replace("[kernel]", "[kernel]\ntest = true")), tmp_path / "run", Context())
    capture = tmp_path / "run" / "1-pre"
    segments = segments_of(capture)
    assert segments[-1][0] >= 4 * GIB
    moved = [(start - 4 * GIB + below if start >= 4 * GIB else start, data) for start, data in segments]
    image = write_raw(tmp_path / "ram", moved, below + 2 * GIB)
    shutil.copy(capture / "memory.elf", tmp_path / "core.elf")
    document, truth = shown(image), shown(tmp_path / "core.elf")
    sides = [one["sides"]["unsided"] for one in (document, truth)]
    assert sides[0]["preserved"]["block_list"] == sides[1]["preserved"]["block_list"] != []
    assert [one["phys"] for one in sides[0]["subtrees"]] == [one["phys"] for one in sides[1]["subtrees"]]
    assert [one["content"] for one in sides[0]["subtrees"]] == [one["content"] for one in sides[1]["subtrees"]]
    pieces = (Piece(0, 0, below), Piece(4 * GIB, below))
    assert f"read as with --base {pieces_text(pieces)}, for so the tracker keeps the root FDT's own page" in said(document)
    with open_state(image, Context(), base=pieces) as opened:
        assert not [one for one in opened.state.findings if "addresses" in one.message or "as told" in one.message]
    with open_state(image, Context(), base=[Piece(0)]) as opened:
        assert any("read as told, --base 0; but the tracker" in one.message for one in opened.state.findings)


@pytest.mark.parametrize("name", ["x86_64-7.3/1-post", "x86_64-6.19/1-post", "x86_64-7.3/2-pre"])
def test_a_copy_in_the_page_cache_moves_nothing(name: str, tmp_path: Path) -> None:
    """A whole capture in memory fits together too, wherever it lies."""
    segments = segments_of(sample(name))
    copy = joined(segments_of(sample("x86_64-7.3/1-pre")), 1 << 30)[0][1]
    alone = shown(write_raw(tmp_path / "alone.bin", segments, 1 << 30))
    both = shown(write_raw(tmp_path / "both.bin", [*segments, (1 << 30, copy)], 2 << 30))
    for document in (alone, both):
        assert "read from address 0x0 on" in said(document)
    assert both["sides"]["unsided"]["fdt"]["phys"] == alone["sides"]["unsided"]["fdt"]["phys"]


@pytest.mark.parametrize("header", [512, 1024 + 8])
def test_a_header_that_is_no_page_is_seen_by_where_root_FDTs_lie(header: int, tmp_path: Path) -> None:
    path = sample("x86_64-7.3/1-pre")
    image = write_raw(tmp_path / "guest.bin", [(start + header, data) for start, data in segments_of(path)], 1 << 30)
    document = shown(image)
    assert_side_is(document["sides"]["unsided"], expected(path), 4096)
    assert f"read as with --base 0:{header:#x}-, for so" in said(document)


def test_of_two_states_that_lie_apart_each_can_be_shown(tmp_path: Path) -> None:
    """What the placement of one says of the other is nothing."""
    first, second = sample("x86_64-7.1/1-pre"), sample("x86_64-7.3/1-pre")
    segments = [(start + 0x10000, data) for start, data in segments_of(first)]
    image = write_raw(tmp_path / "two.bin", [*segments, *((start + GIB, data) for start, data in segments_of(second))], 3 * GIB)
    document = shown(image)
    shown_root = document["sides"]["unsided"]["fdt"]["phys"]
    told = next(one["message"] for one in document["findings"] if "another root FDT" in one["message"])
    assert "whether its tracker keeps it cannot be told" in told
    for path in (first, second):
        truth = expected(path)
        wanted = truth["fdt_phys"][0]
        with open_state(image, Context(), Overrides(root=wanted)) as opened:
            assert_side_is(document_of(opened.state)["sides"]["unsided"], truth, 4096)
    assert int(shown_root, 16) in {address for path in (first, second) for address in expected(path)["fdt_phys"]}


def test_another_placement_that_fits_as_well_is_named(tmp_path: Path) -> None:
    """Where all that is pointed at lies behind the hole, nothing says that there is one."""
    text = SMALL.replace('[["1M", "511M"]]', '[["1M", "2047M"], ["4G", "2G"]]').replace('"6.19"', '"7.3"')
    run_scenario(scenario_file(tmp_path, text), tmp_path / "run", Context())
    segments = [(start, data) for start, data in segments_of(tmp_path / "run/1-pre") if start >= 4 * GIB]
    assert segments
    document = shown(write_raw(tmp_path / "ram", [(start - 2 * GIB, data) for start, data in segments], 4 * GIB))
    assert document["sides"]["unsided"]["gap_count"] == 0
    assert "--base 2G fits as well" in said(document)


@pytest.mark.parametrize("command", [("map",), ("whois", "0x584000"), ("show", "--memory"), ("diff", "self")])
def test_commands_without_findings_say_on_stderr_that_addresses_were_found_out(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segments = [(start + 0x1000, data) for start, data in segments_of(sample("x86_64-7.3/1-pre"))]
    image = str(write_raw(tmp_path / "guest.bin", segments, 1 << 30))
    run([command[0], image, *(image if word == "self" else word for word in command[1:])])
    assert "guest.bin: nothing in it says at which addresses its bytes lie: read as with --base 0:0x1000-" in capsys.readouterr().err


def test_a_fault_says_that_addresses_were_found_out_and_names_no_machine(tmp_path: Path) -> None:
    path = sample("arm64-64k-7.3/1-pre")
    segments = [(start - GIB + 0x10000, data) for start, data in segments_of(path)]
    image = write_raw(tmp_path / "guest.bin", segments, segments[-1][0] + (1 << 20))
    report = fault_capture(image, "subtree-twice", tmp_path / "out", Context())
    assert "read as with --base" in report.placement
    with open_state(tmp_path / "out/memory.elf", Context()) as opened:
        assert opened.state.machine.arch is None and opened.state.machine.platform.page_size == 65536


def test_a_check_of_a_memory_whose_tracker_is_out_of_reach_did_not_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segments = segments_of(sample("x86_64-7.3/1-pre"))
    root = next((start, data) for start, data in segments if start <= 0x584000 < start + len(data))
    image = write_raw(tmp_path / "guest.bin", [(0x3000, root[1][0x584000 - root[0] :][:4096])], 64 << 10)
    assert run(["check", str(image)]) == 2
    assert "could not check: the tracker was not read" in capsys.readouterr().out


def test_a_core_that_says_where_its_bytes_lie_is_not_moved_and_says_so() -> None:
    with open_state(sample("x86_64-7.3/1-pre"), Context(), base=[Piece(1 << 30)]) as opened:
        assert opened.state.sides["out"].preserved.status.value == "decoded"
        assert any("--base is not used" in finding.message for finding in opened.state.findings)


@pytest.mark.parametrize("text", ["0:0-2G,4G:2G-", "0", "1G", "640M:0x1000-0x3e000", "0x12345000:0-"])
def test_pieces_are_written_as_they_are_typed(text: str) -> None:
    pieces = parse_pieces(text)
    assert parse_pieces(pieces_text(pieces)) == pieces
    assert pieces_text(parse_pieces("0x80000000:0-,4G:2048M-0X90000000")) == "2G:0-,4G:2G-0x90000000"


@pytest.mark.parametrize("text", ["", "x", "1:2", "4G:2G-1G", "1-2", "0:0-2G,", "-1", "0x1ffffffffffffffff", "0:0-2G;4G:2G-", "9" * 5000])
def test_pieces_that_are_none_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_pieces(text)
    assert "--base" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize(("text", "words"), [("0:0-2G,1G:2G-", "overlap"), ("0:8G-", "ends before"), ("0xfffffffffffff000", "64-bit")])
def test_pieces_that_do_not_fit_the_file_are_refused(text: str, words: str, tmp_path: Path) -> None:
    image = write_raw(tmp_path / "ram", [(0, b"x")], 4 * GIB)
    with pytest.raises(InputError, match=words):
        open_state(image, Context(), base=parse_pieces(text))
