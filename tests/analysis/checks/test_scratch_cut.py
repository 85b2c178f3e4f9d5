"""Lines of scratch_phys and scratch_len that a capture has lost: what hangs on the whole table is neither sound nor broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from altered import altered
from captures import copy_of, sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.context import Context
from kho_tui.operations.check_state import Checked, check_state
from kho_tui.operations.open_state import open_state

TABLE_RULES = ("KHO022", "KHO024", "KHO027", "KHO028", "KHO029", "KHO135")


def checked(path: Path) -> Checked:
    with open_state(path, Context()) as opened:
        return check_state(opened, Context(), side="out")


def answers(path: Path) -> dict[str, Answer]:
    return {one.code: one.answer for one in checked(path).report.results}


def last_line(data: bytes) -> bytes:
    return b"".join(data.splitlines(True)[:-1])


def newline(data: bytes) -> bytes:
    return data[:-1]


def two_digits(data: bytes) -> bytes:
    return data[:-3]


@pytest.mark.parametrize("name", ["x86_64-7.3/1-pre", "x86_64-6.18/1-pre", "arm64-64k-7.3/1-pre"])
@pytest.mark.parametrize("files", [("scratch_len",), ("scratch_phys",), ("scratch_phys", "scratch_len")], ids="+".join)
@pytest.mark.parametrize("cut", [last_line, newline, two_digits])
def test_a_table_of_which_lines_were_cut_off_cannot_be_told(
    name: str, files: tuple[str, ...], cut: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    copy_of(sample(name), tmp_path / "cut")
    for one in files:
        path = tmp_path / "cut/kho/out" / one
        path.write_bytes(cut(path.read_bytes()))
    told = checked(tmp_path / "cut")
    found = {one.code: one.answer for one in told.report.results}
    # Two files of one length may be the whole table of a boot with fewer nodes: KHO027 says so, the others do not rely on it.
    node_without_area = cut is last_line and len(files) == 2
    assert {code: found[code] for code in TABLE_RULES if found[code] is not Answer.NOT_ASKED} == {
        code: Answer.BROKEN if node_without_area and code == "KHO027" else Answer.CANNOT_TELL
        for code in TABLE_RULES
        if found[code] is not Answer.NOT_ASKED
    }
    assert told.exit_code(strict=True) == 2


def test_what_is_wrong_with_the_areas_that_are_left_is_still_said(tmp_path: Path) -> None:
    copy_of(sample("x86_64-7.3/1-pre"), tmp_path / "cut")
    path = tmp_path / "cut/kho/out/scratch_phys"
    path.write_bytes(b"0xdeadb00000\n" + path.read_bytes().split(b"\n", 1)[1][:-1])
    assert answers(tmp_path / "cut")["KHO028"] is Answer.BROKEN


def test_a_node_whose_memory_a_driver_added_later_has_no_scratch_area(tmp_path: Path) -> None:
    """As with CXL memory: the table was made before the node had any."""
    path = altered(sample("x86_64-6.18/1-pre"), tmp_path / "copy")
    with (path / "iomem").open("a") as iomem:
        iomem.write("200000000-2ffffffff : Soft Reserved\n  200000000-2ffffffff : System RAM (kmem)\n")
    zones = (path / "zoneinfo").read_text()
    zone = zones[zones.index("Node 1, zone") :].split("\nNode ")[0]
    head, _, rest = zone.partition("\n")
    added = f"Node 2, zone   Movable\n{rest}"
    lines = [
        "        spanned  1048576" if line.split()[:1] == ["spanned"] else "  start_pfn:           2097152" if "start_pfn" in line else line
        for line in added.splitlines()
    ]
    (path / "zoneinfo").write_text(zones + "\n".join(lines) + "\n")
    with open_state(path, Context()) as opened:
        assert {one.node for one in opened.state.host.nodes} == {0, 1, 2}, head
    assert {answers(path)[code] for code in TABLE_RULES} <= {Answer.HOLDS, Answer.NOT_ASKED}
