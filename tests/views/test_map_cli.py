"""``map``, ``whois`` and ``show --memory`` as a user and a script meet them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from captures import SAMPLES, sample
from states.catalogue import STATES

from kho_tui.model.kinds import KINDS
from kho_tui.views.cli.main import run
from kho_tui.views.cli.map_text import MOST_ROWS

PRE, POST = str(sample("x86_64-7.3/1-pre")), str(sample("x86_64-7.3/1-post"))


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


Say = Callable[..., Said]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.setenv("COLUMNS", "80")

    def one(*arguments: str) -> Said:
        code = run(arguments)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return one


def test_map_says_the_sums_first_then_a_bar_for_each_node_then_the_stretches(say: Say) -> None:
    said = say("map", PRE)
    assert said.code == 0 and said.err == ""
    assert said.lines[:5] == [
        "memory map, side out",
        "  preserved  21991424 (20.97 MiB) by the tracker's count",
        "  owned      21991424 + unowned 0 = 21991424: holds, all of it owned",
        "  lost       0 bytes: all that must be preserved is",
        "  overlap    0 bytes: no two owners claim the same page",
    ]
    assert said.lines[6:11] == [
        "node 0  0x1000-0x20000000  511.6 MiB of memory, 7.42 MiB a column",
        "  scratch  " + "." * 62 + "SSSSSS" + ".",
        "  kept     2323" + "." * 63 + "22",
        "  tracker  t" + "." * 68,
        "  owners   FTFF" + "." * 63 + "FF",
    ]
    assert "owners, the largest of a column: F folio, R reserve_mem, T test-folio" in said.lines
    assert "0x200000    0x2d4000      848 KiB  folio          out/LUO/vm-beta/0xdeadbeef/folios" in said.lines
    assert "0x3f000000  0x3f400000      4 MiB  reserve_mem    out/memblock/oops_trace" in said.lines
    assert all(line.isprintable() for line in said.lines)
    assert all(len(line) <= 80 for line in said.lines if "/" not in line), "only a path may be wider than the terminal"


def test_every_column_with_a_preserved_page_is_marked(say: Say) -> None:
    """One block of 4 KiB in 8 GiB is not lost on the way to the screen."""
    for path in SAMPLES.glob("*/*-pre"):
        document = say("map", str(path), "--json", "--kind", "preserved").document
        said = say("map", str(path), "--width", "51")
        bars = [line.split() for line in said.lines if line.startswith(("node", "  kept"))]
        for name, heat in zip(bars[::2], bars[1::2], strict=True):
            low, high = (int(edge, 16) for edge in name[2].split("-"))
            columns = len(heat[1])
            for start, size, _, _ in document["stretches"]:
                for address in (int(start, 16), int(start, 16) + size - 1):
                    if low <= address < high:
                        assert heat[1][(address - low) * columns // (high - low)] != "."


def test_nine_is_all_of_a_column(say: Say) -> None:
    said = say("map", PRE, "--range", "0x3f000000-0x3f800000", "--width", "43")
    assert "  kept     9999999999999999................" in said.lines
    assert "  owners   RRRRRRRRRRRRRRRR................" in said.lines


def test_a_range_and_kinds_narrow_what_is_listed(say: Say) -> None:
    said = say("map", PRE, "--range", "pfn:0x15d0-22m", "--kind", "folio", "--kind", "preserved")
    assert said.lines[-2:] == [
        "0x1558000  0x15e9000    580 KiB  preserved      out/preserved",
        "0x15d0000  0x15e9000    100 KiB  folio          out/LUO/vm-alpha/0x1/folios",
    ]
    assert "no stretch of these kinds in this range" in say("map", PRE, "--range", "0-4k", "--kind", "folio").out


def test_a_long_table_ends_with_how_much_more_there_is(say: Say, tmp_path: Path) -> None:
    STATES["files-200"]().to_elf(tmp_path / "many.elf")
    lines = say("map", str(tmp_path / "many.elf")).lines
    (more,) = [line for line in lines if line.startswith("… ")]
    document = say("map", str(tmp_path / "many.elf"), "--json").document
    listed = [row for row in document["stretches"] if row[2] not in ("ram", "node", "preserved")]
    # Scratch areas are not in a core.
    assert more == f"… at least {len(listed) - MOST_ROWS} more (--range narrows, --json prints all)"
    lines = say("map", str(tmp_path / "many.elf"), "--kind", "files").lines
    assert not [line for line in lines if "at least" in line]


def test_what_cannot_be_told_is_not_drawn_as_nothing(say: Say) -> None:
    lost = say("map", POST)
    assert "cannot be told: unavailable: its root FDT" in lost.out and "  kept     cannot be told" in lost.lines
    alone = say("map", f"{PRE}/memory.elf")
    assert "  scratch  cannot be told" in alone.lines and "not known here: ram (unavailable: not in this capture)" in alone.out
    assert say("map", POST, "--json").document["sums"] is None


def test_unowned_memory_is_named_with_its_reason(say: Say, tmp_path: Path) -> None:
    STATES["unknown-handler"]().to_elf(tmp_path / "unknown.elf")
    said = say("map", str(tmp_path / "unknown.elf"))
    assert "  owned      40960 + unowned 4096 = 45056: holds" in said.lines
    assert "unowned    4 KiB: an opaque owner: file unsided/LUO/vm-passthrough/0x10" in said.out
    assert "0x1001000-0x1002000 4 KiB" in said.out
    sums = say("map", str(tmp_path / "unknown.elf"), "--json").document["sums"]
    assert sums["unowned_ranges"] == [["0x1001000", 4096]] and sums["unowned_reason"].startswith("an opaque owner")


def test_map_as_json(say: Say) -> None:
    document = say("map", PRE, "--json").document
    assert document["schema"] == "kho-tui.map/1"
    assert (document["side"], document["page_size"], document["unknown"]) == ("out", 4096, {})
    assert document["sums"] == {
        "preserved": 21991424,
        "covered": 21991424,
        "owned": 21991424,
        "unowned": 0,
        "unowned_reason": None,
        "unowned_ranges": [],
        "lost": 0,
        "lost_ranges": [],
        "overlap": 0,
        "overlap_ranges": [],
        "hold": True,
        "bounds": dict.fromkeys(("preserved", "owned", "unowned", "lost", "overlap"), "exact"),
    }
    assert document["columns"] == ["start", "size", "kind", "owner"]
    assert ["0x3f000000", 4 << 20, "reserve_mem", "out/memblock/oops_trace"] in document["stretches"]
    assert set(document["kinds"]) == {row[2] for row in document["stretches"]}
    kept = sum(size for _, size, kind, _ in document["stretches"] if kind == "preserved")
    assert kept == document["kinds"]["preserved"]["bytes"] == 21991424


def test_side_and_suffix_pick_the_side(say: Say) -> None:
    both = str(sample("x86_64-7.3/2-pre"))
    assert say("map", both).lines[0] == "memory map, side out"
    assert say("map", f"{both}:in").lines[0] == say("map", both, "--side", "in").lines[0] == "memory map, side in"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["map", "/nonexistent"], "No such file or directory"),
        (["map", PRE, "--side", "in"], "has no side 'in'; there is: out"),
        (["map", PRE, "--range", "4G"], "--range takes LO-HI"),
        (["map", PRE, "--range", "2G-1G"], "the end is not above the start"),
        (["map", PRE, "--range", "here-there"], "not an address: here"),
        (["map", PRE, "--kind", "bogus\x1b[2J"], "--kind bogus\\x1b[2J: there is no such kind; there are ram, kernel"),
        (["map", PRE, "--width", "3"], "--width takes 40 to 1000"),
        (["whois", PRE], "Missing argument 'ADDR'"),
        (["whois", PRE, "0x1_0000_0000_0000_0000"], "not an address"),
        (["show", PRE, "--memory", "--blocks"], "take one"),
        (["map", f"{PRE}/kho/out/sub_fdts/kexec-metadata"], ""),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(arguments: list[str], words: str, say: Say) -> None:
    said = say(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1 and said.err.startswith("kho-tui: ") and words in said.err
    assert said.err[:-1].isprintable()


def test_whois_names_every_layer_and_the_way_there(say: Say) -> None:
    said = say("whois", PRE, "pfn:0x15e2")
    assert said.code == 0
    way = "LUO / vm-alpha / token 0x1 / folios[0], page 1 of 1 of the folio, byte 0 of the file"
    assert said.lines[:2] == [f"0x15e2000, pfn 0x15e2, side out: {way}", "  preserved, as folio must be"]
    assert f"folio  0x15e2000-0x15e3000  4 KiB  {way}" in said.lines
    assert "preserved  0x15e2000-0x15e3000  4 KiB  preserved / block 551 of order 0" in said.lines
    assert said.lines[-2:] == ["bytes around it", "  not in this capture"]


def test_whois_shows_the_bytes_that_the_capture_holds(say: Say) -> None:
    said = say("whois", PRE, "0x584013")
    assert said.lines[-4] == "  0x584000  d0 0d fe ed 00 00 01 95  00 00 00 38 00 00 01 5c  ...........8...\\"
    assert said.lines[-3].startswith("> 0x584010  ")


@pytest.mark.parametrize("typed", ["0x3f000123", "1056964899", "pfn:0x3f000", "1008M"])
def test_whois_takes_addresses_in_every_form(typed: str, say: Say) -> None:
    said = say("whois", PRE, typed)
    assert said.code == 0
    assert "side out: memblock / oops_trace, page 1 of 1024" in said.lines[0]


def test_whois_tells_nobody_from_cannot_tell(say: Say) -> None:
    nobody, scratch, unknown = say("whois", PRE, "0x23f00000"), say("whois", PRE, "0x1d000000"), say("whois", POST, "0x23f00000")
    assert (nobody.code, scratch.code, unknown.code) == (1, 1, 2)
    assert nobody.lines[:2] == [
        "0x23f00000, pfn 0x23f00, side out: nobody owns it",
        "  not preserved: its contents end with this kernel",
    ]
    assert scratch.lines[1] == "  not preserved, as scratch must not be"
    assert "scratch  0x1d000000-0x1f400000  36 MiB  scratch / node 0, page 1 of 9216" in scratch.lines
    assert unknown.lines[0].endswith("owner cannot be told: its root FDT is not in this capture")
    last = say("whois", PRE, "0xffffffffffffffff")
    assert last.code == 1 and "Traceback" not in last.err


def test_whois_of_kept_memory_without_an_owner_gives_the_reason(say: Say, tmp_path: Path) -> None:
    STATES["unknown-handler"]().to_elf(tmp_path / "unknown.elf")
    said = say("whois", str(tmp_path / "unknown.elf"), "0x1001000")
    assert said.code == 2 and "owner cannot be told: an opaque owner" in said.lines[0]
    assert said.lines[1].startswith("  preserved, but no owner: an opaque owner: file unsided/LUO/vm-passthrough/0x10")


def test_whois_as_json(say: Say) -> None:
    document = say("whois", PRE, "0x3f001000", "--json").document
    assert document["schema"] == "kho-tui.whois/1"
    assert (document["address"], document["pfn"], document["side"]) == ("0x3f001000", "0x3f001", "out")
    assert (document["owned"], document["preserved"]) == (True, True)
    assert document["layers"][-1] == {
        "kind": "reserve_mem",
        "lane": "owner",
        "duty": "must be preserved",
        "owner": "out/memblock/oops_trace",
        "way": "memblock / oops_trace, page 2 of 1024",
        "start": "0x3f000000",
        "size": 4 << 20,
    }
    assert [row["hex"] for row in document["bytes"]] == [None] * 4
    unknown = say("whois", POST, "4G", "--json").document
    assert (unknown["owned"], unknown["preserved"]) == (None, None) and "root FDT" in unknown["owned_reason"]


def test_memory_accounts_and_the_sentence(say: Say) -> None:
    said = say("show", PRE, "--memory")
    text = " ".join(said.out.split())
    assert said.code == 0
    assert "scratch        125829120 (120 MiB), 4 areas, 11.7 % of RAM; sum of the table" in said.lines
    assert "  node 1       0x39800000-0x3ac00000  20 MiB" in said.lines
    assert "preserved      21991424 (20.97 MiB), 2056 blocks, side out" in said.lines
    assert "  CmaTotal     0 bytes" in said.lines
    for words in (
        "allocated once, at boot, and reused by every KHO kexec",
        "counts in MemFree and MemAvailable, yet only movable pages can use it: no kernel memory, no long-term pins",
        "Its free part is CmaFree (nr_free_cma of zoneinfo), 112 MiB at this moment; CmaTotal does not contain it and may be 0",
        "Its size changes only at a boot that is not a KHO boot",
    ):
        assert words in text
    assert "This boot was a KHO boot" in " ".join(say("show", POST, "--memory").out.split())
    assert "This boot was a KHO boot" not in text


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*-p*")), ids=lambda p: "-".join(p.parts[-2:]))
def test_scratch_is_the_sum_of_the_table_and_its_free_part_is_not_more(path: Path, say: Say) -> None:
    document = say("show", str(path), "--memory", "--json").document
    sizes = [int(line, 16) for line in (path / "kho/out/scratch_len").read_text().split()]
    assert document["schema"] == "kho-tui.memory/1"
    assert document["scratch"]["bytes"] == sum(sizes)
    assert 0 < document["scratch"]["free_cma"] <= sum(sizes)
    assert document["scratch"]["free_cma"] <= document["meminfo"]["MemFree"] < document["ram"]
    assert document["preserved"]["bytes"] is not None or document["preserved"]["reason"]


def test_own_overhead_is_what_is_not_kept_for_others(say: Say) -> None:
    document = say("show", PRE, "--memory", "--json").document
    described, kept = sum(document["metadata"].values()), sum(document["content"].values())
    assert described + kept == document["preserved"]["bytes"]
    assert document["tracker"] == 43 * 4096


def test_accounts_without_memory_or_table_say_so_and_print_no_zero(say: Say) -> None:
    alone = say("show", f"{PRE}/memory.elf", "--memory")
    assert "scratch        unavailable: neither out/scratch_phys nor the table itself is in this capture" in alone.lines
    assert "RAM            unavailable: not in this capture" in alone.lines
    assert "preserved      unavailable: its root FDT is not in this capture" in say("show", POST, "--memory").lines


def test_every_owner_has_a_letter_of_its_own() -> None:
    letters = [kind.letter for kind in KINDS if kind.is_owner]
    assert all(letters) and len(set(letters)) == len(letters)
    assert all(kind.letter.isupper() == kind.contents for kind in KINDS if kind.is_owner)


def test_memory_that_was_given_back_has_no_owner(say: Say) -> None:
    """7.3 frees LUO's struct at early initcall: in this capture its page already holds somebody's ELF file."""
    done = say("whois", "samples/x86_64-7.3/2-pre", "0x721000", "--side", "in")
    assert done.code == 2
    assert "in/LUO" not in done.out


def test_what_is_no_memory_has_no_contents_that_end(say: Say) -> None:
    done = say("whois", "samples/x86_64-7.3/2-pre", "0xa0000")
    assert done.code == 1
    assert "no System RAM by /proc/iomem" in done.out and "contents end" not in done.out


def test_the_passed_scratch_table_and_tracker_pages_are_named(say: Say) -> None:
    table = say("whois", "samples/x86_64-7.3/2-pre", "0x3ebf0000")
    assert "scratch-table" in table.out
    node = say("whois", "samples/x86_64-7.3/2-pre", "0xd89000")
    assert node.code == 0 and "preserved/nodes" in node.out


def test_a_kho_boot_is_one_whatever_side_is_shown(say: Say) -> None:
    for side in ("in", "out"):
        text = say("show", "samples/x86_64-7.3/2-post", "--memory", "--side", side).out
        assert "This boot was a KHO boot" in " ".join(text.split())
