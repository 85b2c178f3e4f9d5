"""What was not captured is not nobody's: whose unowned memory is can be told only where all that names owners was read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from captures import capture, sample
from states.catalogue import STATES, State

from kho_tui.context import Context
from kho_tui.model.facts import Missing, Unknown, known
from kho_tui.model.kinds import KIND_RAM, KIND_TRACKER
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.map_state import Mapped, map_state, whois
from kho_tui.operations.memory_cost import MemoryCost, memory_cost
from kho_tui.operations.open_state import open_state
from kho_tui.views.cli.main import run
from kho_tui.views.cli.memory_text import memory_lines

NOWHERE = 0x70_0000_0000
"""Page aligned, and in no image."""

Edit = Callable[[State], None]


def luo_of(state: State) -> dict[str, Any]:
    return next(one for one in state.truth["subtrees"] if one["name"] == "LUO")


def write_u64(state: State, address: int, value: int) -> None:
    state.image.write(address, state.image.pack("Q", value))


def lose_files(state: State) -> None:
    """vm-alpha's list of files is not captured: struct LUO -> first session block -> its record."""
    (sessions,) = state.image.unpack("Q", state.image.read(luo_of(state)["phys"] + 16, 8))
    record = sessions + 16
    assert state.image.read(record, 8) == b"vm-alpha"
    write_u64(state, record + 64, NOWHERE)


def mapped(path: Path) -> Mapped:
    with open_state(path, Context()) as opened:
        return map_state(opened.state)


@pytest.fixture
def without_files(tmp_path: Path) -> Path:
    state = STATES["kho-v4-4k"]()
    lose_files(state)
    state.to_elf(tmp_path / "state.elf")
    return tmp_path / "state.elf"


def accounts(cost: MemoryCost) -> int:
    """What the parts of ``show --memory`` come to."""
    kinds = sum(cost.content.values()) + sum(cost.metadata.values())
    unowned, shared, lost, twice = (known(one) for one in (cost.unowned, cost.shared, cost.lost, cost.twice))
    assert None not in (unowned, shared, lost, twice)
    return kinds + (unowned or 0) - (shared or 0) - (lost or 0) + (twice or 0)


def test_a_list_that_was_not_captured_makes_no_memory_nobodys(without_files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = mapped(without_files)
    sums = found.memory.sums
    assert not isinstance(sums, Missing) and len(sums.unowned)
    assert sums.reason.startswith("the owner cannot be told: files of unsided/LUO/vm-alpha: not in this capture")
    assert "FLB" not in sums.reason
    address = int(sums.unowned.start[0])
    assert run(["whois", str(without_files), hex(address)]) == 2
    said = capsys.readouterr().out
    assert "owner cannot be told: files of unsided/LUO/vm-alpha" in said and "nobody" not in said and "no owner" not in said
    assert run(["whois", str(without_files), hex(address), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["owned"] is None
    assert run(["map", str(without_files), "--json"]) == 0
    assert "files of unsided/LUO/vm-alpha" in json.loads(capsys.readouterr().out)["owners_missing"]


def test_a_whole_state_still_has_memory_that_nobody_owns(tmp_path: Path) -> None:
    STATES["unknown-handler"]().to_elf(tmp_path / "state.elf")
    found = mapped(tmp_path / "state.elf")
    assert found.memory.owner_gap is None
    assert isinstance(whois(found, None, 0x100_1000).owned, Unknown), "the file of the unknown handler may own it"
    fault_capture(capture("x86_64-6.18/1-pre"), "leak", tmp_path / "leak", Context())
    leaked = mapped(tmp_path / "leak")
    sums = leaked.memory.sums
    assert not isinstance(sums, Missing) and len(sums.unowned) == 1
    assert whois(leaked, None, int(sums.unowned.start[0])).owned is False
    for pre in ("x86_64-7.3/1-pre", "x86_64-7.3/2-pre"):
        assert mapped(sample(pre)).memory.owner_gap is None


def test_whose_memory_of_a_stale_side_is_cannot_be_told() -> None:
    with open_state(sample("x86_64-7.3/2-pre"), Context()) as opened:
        found = map_state(opened.state.only("in"))
    assert found.memory.owner_gap is not None
    untold = found.memory.why_untold(0x10_0000, 0x20_0000)
    assert untold is not None and untold.status.value == "stale" and untold.reason


def test_the_parts_of_what_kho_costs_add_up(without_files: Path, tmp_path: Path) -> None:
    cost = memory_cost(mapped(without_files))
    assert accounts(cost) == cost.preserved and cost.unowned
    lines = list(memory_lines(cost))
    assert any(line.startswith("  owner not told") for line in lines)
    assert any(line.startswith("KHO's own") and "at least" in line for line in lines)
    assert any(line.startswith("  metadata") and "at least" in line for line in lines)
    for name in ("kho-v4-4k", "unknown-handler", "files-200"):
        STATES[name]().to_elf(tmp_path / "whole.elf")
        whole = memory_cost(mapped(tmp_path / "whole.elf"))
        assert accounts(whole) == whole.preserved, name


def test_memory_with_two_owners_is_named_where_it_lies(tmp_path: Path) -> None:
    state = STATES["kho-v4-4k"]()
    beta = next(one for one in luo_of(state)["luo"]["sessions"] if one["name"] == "vm-beta")
    pfn, flags, _ = beta["files"][0]["memfd"]["folios"][0]
    folio, first = pfn << 12, state.image.pack("Q", pfn | flags << 52)
    (array,) = [page for page, data in state.image.pages.items() if data.startswith(first)]
    state.image.write(array + 16, first)
    state.to_elf(tmp_path / "twice.elf")
    found = mapped(tmp_path / "twice.elf")
    sums = found.memory.sums
    assert not isinstance(sums, Missing)
    assert (sums.overlap, sums.shared.start.tolist(), sums.shared.bytes) == (4096, [folio], 4096)
    cost = memory_cost(found)
    assert accounts(cost) == cost.preserved
    assert any(line.startswith("  overlap      4096") for line in memory_lines(cost))


def test_a_cut_iomem_does_not_bound_ram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(sample("x86_64-7.3/1-pre"), tmp_path / "cut")
    path = tmp_path / "cut" / "iomem"
    text = path.read_bytes()
    at = text.index(b"00100000-")
    path.write_bytes(text[: at + 12])
    found = mapped(tmp_path / "cut")
    assert "1 line could not be read" in found.unknown[KIND_RAM].reason
    free = whois(found, None, 0x0800_0000)
    assert "no System RAM" not in free.standing and "if it is memory at all" in free.standing
    assert run(["show", str(tmp_path / "cut"), "--memory"]) == 0
    (ram,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("RAM")]
    assert "at least" in ram
    assert run(["map", str(tmp_path / "cut"), "--json"]) == 0
    assert "iomem" in json.loads(capsys.readouterr().out)["unknown"]["ram"]


def test_a_page_of_the_tracker_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    found = mapped(sample("x86_64-7.3/1-pre"))
    address = int(found.memory.unions[KIND_TRACKER].start[0])
    assert run(["whois", str(sample("x86_64-7.3/1-pre")), hex(address)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "a page of the tracker itself; not preserved by design" in first and "nobody" not in first
