"""Inputs that were read wrong once (../shared/cases): parts, damage, and what is told of them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from captures import CHECKOUT, SHARED, copy_of

from kho_tui.views.cli.main import run

CASES = CHECKOUT.parent / "shared" / "cases"

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not CASES.exists(), reason="../shared/cases is not there")]


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code and what a command prints."""
    code = run([str(one) for one in arguments])
    return code, capsys.readouterr().out


def state(capsys: pytest.CaptureFixture[str], case: str, *arguments: str) -> dict[str, Any]:
    """``show --json`` of a case."""
    document: dict[str, Any] = json.loads(said(capsys, "show", CASES / case, *arguments, "--json")[1])
    return document


def luo_of(document: dict[str, Any], side: str = "out") -> dict[str, Any]:
    """The content of LUO."""
    luo: dict[str, Any] = next(one for one in document["sides"][side]["subtrees"] if one["name"] == "LUO")["content"]
    return luo


# A prefix is not the value.


def test_what_the_end_of_the_root_cuts_is_one_subtree_and_not_another(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "phantom-7.3-server")
    assert [one["name"] for one in document["sides"]["out"]["subtrees"]] == ["memblock", "LUO", "kexec-metadata"]
    code, text = said(capsys, "show", CASES / "phantom-7.3-server")
    assert code == 0
    assert "at least 3 subtrees" in text.splitlines()[0]
    assert 'its name begins with "kexec-metadat"' in text
    assert said(capsys, "check", CASES / "phantom-7.3-server")[0] == 2
    assert said(capsys, "check", CASES / "phantom-7.3-server", "--target", "7.3")[0] == 2


def test_a_subtree_whose_name_is_cut_is_neither_compared_nor_lost(capsys: pytest.CaptureFixture[str]) -> None:
    post = SHARED / "x86_64-7.3" / "2-post"
    code, text = said(capsys, "diff", CASES / "server-7.3-cold", post)
    assert code == 0
    assert text.startswith("no loss seen")
    assert "kexec-metadat:" not in text and "out/kexec-metadat " not in text
    code, text = said(capsys, "check", CASES / "server-7.3-cold", "--after", post)
    assert code == 2 and " error" not in text.splitlines()[0]


# A missing page hides only itself.


def test_a_page_of_a_folio_array(capsys: pytest.CaptureFixture[str]) -> None:
    assert "768 of 1024 folios" in said(capsys, "show", CASES / "array-page1-absent.tar.xz")[1]
    (gap,) = state(capsys, "array-page1-absent.tar.xz")["sides"]["out"]["gaps"]
    assert (gap["part"], gap["path"], gap["read"], gap["of"]) == ("folios", "out/LUO/a/0x1", 768, 1024)
    code, text = said(capsys, "whois", CASES / "array-page1-absent.tar.xz", "0x28259000")
    assert code == 0
    assert "LUO / a / token 0x1 / folios[600], page 1 of 1 of the folio, byte 2457600 of the file" in text


def test_a_list_read_in_part_is_compared_where_both_were_read(capsys: pytest.CaptureFixture[str]) -> None:
    pre = SHARED / "x86_64-7.3" / "1-pre"
    code, text = said(capsys, "diff", pre, CASES / "df-real.tar.xz")
    assert code == 0
    assert text.startswith("no difference seen; cannot tell:")
    assert "1024 of 1280 folios could be read" in text
    assert said(capsys, "diff", pre, CASES / "df-real.tar.xz", "--strict")[0] == 2


def test_a_block_of_a_chain_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", CASES / "files-block2-absent.tar.xz")[1]
    assert "61 sessions, 63 of 100 files" in text.splitlines()[0]
    assert "big  63 of 100 files" in text


def test_a_page_of_the_session_array_says_nothing_of_FLBs(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "show", CASES / "v3-sesspage0-absent")
    assert code == 0
    assert "at least 68 sessions" in text.splitlines()[0], "those of the other pages are there"
    assert "none written" not in text


# Bounds.


def test_the_sums_of_a_whole_state_are_exact(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, "map", CASES / "lost-whole", "--json")[1])
    assert set(document["sums"]["bounds"].values()) == {"exact"}
    assert "at least" not in said(capsys, "map", CASES / "lost-whole")[1]


def test_the_sums_over_an_array_that_is_not_there_are_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / "lost-array-absent"
    document = json.loads(said(capsys, "map", case, "--json")[1])
    # All that the tracker keeps has an owner that could be read, so those sums cannot change.
    exact = {"preserved": "exact", "owned": "exact", "unowned": "exact"}
    assert document["sums"]["bounds"] == {**exact, "lost": "at least", "overlap": "at least"}
    text = said(capsys, "map", case)[1]
    assert "lost       at least 0 bytes" in text and "overlap    at least 0 bytes" in text
    for address in ("0x20000000", "0x28100000"):
        code, text = said(capsys, "whois", case, address)
        assert code == 2, address
        assert "folios of out/LUO/b/0x1" in text


# Damage is judged, and no earlier copy stands for it.


def test_a_root_that_cannot_be_found_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "check", CASES / "2pre-root0-magic-73.tar.xz")
    assert code == 2, text.splitlines()[0]
    assert "could not check" in text.splitlines()[0]


def test_a_damaged_root_in_memory_is_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "show", CASES / "root-offstruct-618")
    assert code == 0
    assert text.startswith("out: a damaged root FDT (FDT_ERR_BADSTRUCTURE), so the next kernel would not take it as it is")
    assert "also in kho/out/fdt" in text, "the earlier copy stands beside it"
    assert said(capsys, "check", CASES / "root-offstruct-618")[0] == 1


def test_one_differing_byte_is_damage_and_no_other_boot(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "check", CASES / "memblock-magic-619")
    assert code == 1
    assert "error KHO126" in text and "another boot" not in text


# Several roots in one memory.


def test_of_two_roots_that_their_trackers_keep_the_later_is_shown_and_both_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    older, newer = 0x2800D000, 0x30015000
    document = state(capsys, "roots-inlow")
    assert document["sides"]["unsided"]["fdt"]["phys"] == f"{newer:#x}"
    text = said(capsys, "show", CASES / "roots-inlow")[1]
    assert f"another root FDT that its own tracker keeps is at {older:#x}" in text.splitlines()[0]
    assert "written by 7.3.3, 3 kexecs in a row, live update 3" in text
    chosen = state(capsys, "roots-inlow", "--root", f"{older:#x}")
    assert (chosen["sides"]["unsided"]["fdt"]["phys"], chosen["sides"]["unsided"]["writer"]) == (f"{older:#x}", "7.3.3")
    assert run(["map", str(CASES / "roots-inlow"), "--root", f"{older:#x}"]) == 0
    capsys.readouterr()
    assert run(["show", str(CASES / "roots-inlow"), "--root", "0x1000"]) == 2
    assert f"{newer:#x}" in capsys.readouterr().err


def test_a_root_of_another_release_than_runs_was_handed_in(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "vmcore-74")
    assert document["sides"]["out"] is None and document["sides"]["unsided"] is None
    incoming = document["sides"]["in"]
    assert (incoming["writer"], incoming["preserved"]["state"]) == ("7.3.3", "stale")
    assert luo_of(document, "in") is None
    assert "written by 7.3.3, and 7.3.4" in said(capsys, "show", CASES / "vmcore-74")[1]


def test_the_root_that_its_tracker_keeps_is_found_behind_a_hundred_copies(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "copies-100.tar.xz")
    side = document["sides"]["unsided"]
    assert (side["fdt"]["phys"], side["preserved"]["blocks"]) == ("0x28031000", 51)
    assert any("more root FDTs, which are not listed" in one["message"] for one in document["findings"]), "what is cut is said"


def test_a_half_built_root_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "roots-onlyhalf")
    side = document["sides"]["unsided"]
    assert [one["name"] for one in side["subtrees"]] == ["memblock", "LUO", "kexec-metadata"]
    assert any("half-built: magic 2ff20112" in one["message"] for one in document["findings"])


# Both readings of bitmaps that may be of either size.


def test_both_readings_of_ambiguous_bitmaps_are_in_every_answer(capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / "v1amb-nover"
    both = "923 blocks, 1.803 GiB or 3 blocks"
    assert both in said(capsys, "show", case)[1].splitlines()[0]
    preserved = state(capsys, "v1amb-nover")["sides"]["out"]["preserved"]
    assert (preserved["state"], [one["blocks"] for one in preserved["other_readings"]]) == ("unknown", [3])
    code, text = said(capsys, "whois", case, "0x2901b000")
    assert code == 2 and both in text
    assert both in " ".join(said(capsys, "map", case)[1].split())
    document = json.loads(said(capsys, "map", case, "--json")[1])
    assert set(document["sums"]["bounds"].values()) == {"unknown"}
    assert [one["blocks"] for one in document["other_readings"]] == [3]


# What a single file is.


def test_a_device_tree_is_no_root_and_names_where_it_was_told_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "show", CASES / "board.dtb")
    assert code == 2
    first = text.splitlines()[0]
    assert "a device tree of acme,board, no root FDT of KHO" in first
    assert "0x40000000" in first and "0x41000000" in first
    assert " error" not in text
    assert said(capsys, "check", CASES / "board.dtb")[0] == 2


@pytest.mark.parametrize("case", ["elf-half", "core-cut.vmcore"])
def test_of_a_cut_core_it_is_not_said_that_there_is_nothing(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "show", CASES / case)
    assert code == 2
    assert text.startswith("whether there is KHO state here cannot be told:") and "ends too early" in text.splitlines()[0]


def test_a_kernel_that_switched_KHO_off_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    first = said(capsys, "show", CASES / "dm_memoryless")[1].splitlines()[0]
    assert "KHO switched itself off in this boot, by its log: KHO: Failed to reserve scratch area" in first


def test_an_AVML_dump_is_named_and_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(CASES / "archives" / "mem.avml")]) == 2
    error = capsys.readouterr().err
    assert "AVML" in error and "format=padded" in error


# Shapes of copies.


@pytest.mark.parametrize("case", ["lay_sos", "lay_sos/sosreport-host"])
def test_a_sosreport_is_one_machine(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, case)
    assert document["sides"]["in"] is not None and document["sides"]["out"] is not None
    assert (document["source"]["kernel"], document["source"]["arch"]) == ("7.3.4", "x86_64")
    text = said(capsys, "show", CASES / case)[1]
    assert "KHO: found kexec handover data." in text, "the log lies in sos_commands/kernel"
    assert "setup_data/1/data" in text


def test_folders_named_kho_in_and_kho_out_are_sides(capsys: pytest.CaptureFixture[str]) -> None:
    sides = state(capsys, "lay_triage")["sides"]
    assert [one["name"] for one in sides["in"]["subtrees"]] == ["memblock", "LUO", "kho_test", "kexec-metadata"]
    assert sides["out"] is not None


@pytest.mark.parametrize("folder", ["liveupdate/kho_{}", "triage/kho-{}", "kho_{}"])
def test_other_names_of_sides(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("in", "out"):
        copy_of(CASES / "lay_triage" / f"kho-{side}", tmp_path / "copy" / folder.format(side))
    sides = json.loads(said(capsys, "show", tmp_path / "copy", "--json")[1])["sides"]
    assert sides["in"] is not None and sides["out"] is not None


def test_a_tar_behind_a_tar_is_read_too(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "archives/concatenated.tar")
    assert document["sides"]["out"]["preserved"]["blocks"] == 3612, "the memory is in the second"
    assert document["sides"]["in"] is not None


def test_backslashes_in_a_zip_are_folders(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "archives/powershell-backslash.zip")
    assert document["scratch"] is not None and document["sides"]["in"]["fdt"] is not None
    assert any("backslashes" in one["message"] for one in document["findings"])


def test_of_a_cut_archive_it_is_said_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = said(capsys, "show", CASES / "archives" / "cut.tar.gz")
    assert code == 2
    assert text.startswith("whether there is KHO state here cannot be told:")
    assert "the archive ends after" in text


def test_a_link_inside_a_tar_is_followed_inside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tarfile.open(tmp_path / "linked.tar", "w") as tar:
        tar.add(CASES / "lay_triage" / "kho-in", "copy/boot-3/in")
        for name, target in (
            ("copy/kho/in/fdt", "../../boot-3/in/fdt"),
            ("copy/kho/out/fdt", "/etc/passwd"),
            ("copy/kho/out/finalize", "x"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        tar.add(CASES / "lay_triage" / "proc-cmdline.txt", "copy/cmdline")
        tar.add(CASES / "lay_sos" / "sosreport-host" / "proc" / "version", "copy/version")
    code, text = said(capsys, "show", f"{tmp_path / 'linked.tar'}")
    assert "root:" not in text
    assert code in (0, 2)


# Texts beside a state.


@pytest.mark.parametrize("log", ["color", "kmsg", "serial"])
def test_a_log_is_read_however_it_was_written_down(log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_of(CASES / "lay_triage" / "kho-in", tmp_path / "state" / "kho" / "in")
    (tmp_path / "state" / "dmesg").write_bytes((CASES / "log" / f"{log}.dmesg").read_bytes())
    text = said(capsys, "show", tmp_path / "state")[1]
    assert "  0.000000 (in)  KHO: found kexec handover data.\n" in text
    assert "\x1b" not in text


def test_the_log_of_another_kernel_is_no_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", CASES / "dmesg-otherkernel.tar.xz")[1]
    assert "kernel log" not in text
    assert "dmesg is the log of 7.3.4, this is 7.2.12" in text


def test_sizes_of_nodes_are_those_of_their_memory(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, "show", CASES / "numa-interleaved", "--memory", "--json")[1])
    sizes: dict[int, int] = {}
    for node in document["nodes"]:
        sizes[node["node"]] = sizes.get(node["node"], 0) + node["present"]
    assert sizes == {0: 520192 * 4096, 1: (262144 + 1310720) * 4096}
    assert sum(sizes.values()) <= document["ram"]
    text = said(capsys, "map", CASES / "numa-interleaved")[1]
    assert "1.984 GiB of memory" in text and "6 GiB of memory" in text


def test_a_wrong_page_size_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", CASES / "pg16k-le.tar.xz", "--page-size", "4096")[1]
    assert "page size: told to be 4096, but only with 16384 the tracker keeps the root FDT's own page" in text
    assert "KHO114" not in said(capsys, "show", CASES / "pg16k-le.tar.xz")[1]


# Where bytes lie, and blocks in order.


def test_a_core_without_physical_addresses_is_read_where_its_root_points(capsys: pytest.CaptureFixture[str]) -> None:
    document = state(capsys, "elf-paddr0")
    assert document["sides"]["unsided"]["gap_count"] == 0 and document["sides"]["unsided"]["fdt"]["phys"] == "0x28031000"
    assert any("read as with --base 640M:0x1000-" in finding["message"] for finding in document["findings"])


def test_a_list_of_blocks_ascends(capsys: pytest.CaptureFixture[str]) -> None:
    preserved = state(capsys, "odd-blocks", "--blocks")["sides"]["out"]["preserved"]
    blocks = [(int(address, 16), order) for address, order in preserved["block_list"]]
    assert blocks == sorted(blocks) and len(blocks) == preserved["blocks"] == 10
