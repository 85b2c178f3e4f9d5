"""The three sums on real and on made states: what is kept has an owner, what has to be kept is, and what has none says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from captures import captures_with_truth, sample
from expected import Document
from operations.test_sources_that_disagree import LUO_73, copy_of, edit_memory, nothing, patch
from states.catalogue import STATES

from kho_tui.analysis.memory_map import MemoryMap, Sums
from kho_tui.analysis.unowned import AMBIGUOUS, LEAK, NOT_WRITTEN
from kho_tui.context import Context
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.facts import Missing
from kho_tui.model.kinds import KIND_FOLIO, KIND_VMALLOC
from kho_tui.model.tracker import RadixTree
from kho_tui.operations.map_state import map_state, whois
from kho_tui.operations.open_state import open_state

PRE = [path for path in captures_with_truth() if path.name.endswith("-pre")]


def mapped(path: Path) -> MemoryMap:
    with open_state(path, Context()) as opened:
        return map_state(opened.state).memory


def sums_of(memory: MemoryMap) -> Sums:
    assert not isinstance(memory.sums, Missing)
    return memory.sums


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_every_preserved_page_of_a_real_handover_has_one_owner(path: Path) -> None:
    expected = json.loads((path / "expected.json").read_text())
    memory = mapped(path)
    sums = sums_of(memory)
    assert sums.preserved == sum(memory.page_size << order for _, order in expected["preserved"])
    assert sums.hold and sums.owned == sums.preserved
    assert (sums.unowned.bytes, sums.lost.bytes, sums.overlap) == (0, 0, 0)


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_every_folio_belongs_to_its_session_token_and_index(path: Path) -> None:
    expected = json.loads((path / "expected.json").read_text())
    memory = mapped(path)
    seen = {}
    for number in range(len(memory.layers.get(KIND_FOLIO, ()))):
        hit = memory.hit(KIND_FOLIO, number)
        seen[hit.start] = hit.path.parts
    wanted = {
        pfn * memory.page_size: ("out", "LUO", session["name"], f"{file['token']:#x}", "folios", str(row))
        for session in _sessions(expected)
        for file in session["files"]
        for row, (pfn, _, _) in enumerate(file["memfd"]["folios"])
    }
    assert seen == wanted


def _sessions(expected: Document) -> list[Document]:
    return [session for subtree in expected["subtrees"] for session in subtree.get("luo", {}).get("sessions", [])]


def _before_the_reboot_call(name: str, folder: Path) -> Path:
    """The capture as it was before the reboot call: no session counted or pointed to, no FLB counted."""
    capture = copy_of(name, folder)
    expected = json.loads((capture / "expected.json").read_text())
    luo = next(s["luo"] for s in expected["subtrees"] if s["name"] == "LUO")
    zeros = [luo["session_header"]] if "session_header" in luo else [LUO_73 + _SESSIONS_PA]
    if luo["flbs"]:
        with open_state(capture, Context()) as opened:
            assert opened.memory is not None
            flbs = int.from_bytes(opened.memory.read(LUO_73 + _FLBS_PA, 8), "little")
        zeros.append(flbs + _FLB_COUNT)

    def edit(image: SparseImage) -> None:
        for address in zeros:
            image.write(address, bytes(8))

    edit_memory(capture, edit)
    return capture


_SESSIONS_PA, _FLBS_PA, _FLB_COUNT = 16, 24, 8


@pytest.mark.parametrize("name", ["x86_64-6.19/1-pre", "x86_64-7.3/1-pre"])
def test_before_the_reboot_call_sessions_are_not_written_yet_and_nothing_leaks(name: str, tmp_path: Path) -> None:
    whole, early = sums_of(mapped(sample(name))), sums_of(mapped(_before_the_reboot_call(name, tmp_path)))
    assert early.preserved == whole.preserved and early.hold
    expected = json.loads((sample(name) / "expected.json").read_text())
    folios = sum(len(file["memfd"]["folios"]) for session in _sessions(expected) for file in session["files"])
    assert early.unowned.bytes > folios * 4096, "the memfds' folios are kept, and nothing leads to them"
    assert early.lost.bytes == 0
    assert early.reason == NOT_WRITTEN


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MemoryMap]:
    folder = tmp_path_factory.mktemp("made")

    def one(name: str) -> MemoryMap:
        STATES[name]().to_elf(folder / f"{name}.elf")
        return mapped(folder / f"{name}.elf")

    return one


_UNOWNED = {
    "kho-v1-slab-bitmaps": (300 * 4096, LEAK),
    "kho-v1-ambiguous": (4 * 4096, AMBIGUOUS),
    "unknown-handler": (4096, "file unsided/LUO/vm-passthrough/0x10, file unsided/LUO/vm-passthrough/0x12"),
    "unknown-subtrees": (1031 * 4096, "an opaque owner: subtree telemetry, subtree memblock"),
}
_NO_SUM = ("unknown-root", "kho-v2-16k")


@pytest.mark.parametrize("name", [name for name in STATES if name not in _NO_SUM])
def test_made_states_own_all_but_what_nobody_can_decode(name: str, made: Callable[[str], MemoryMap]) -> None:
    sums = sums_of(made(name))
    unowned, why = _UNOWNED.get(name, (0, ""))
    assert sums.hold
    assert (sums.unowned.bytes, sums.lost.bytes, sums.overlap) == (unowned, 0, 0)
    assert why in sums.reason


def test_an_unknown_tracker_gives_no_sum_and_a_misread_one_does_not_hold(made: Callable[[str], MemoryMap]) -> None:
    assert isinstance(made("unknown-root").sums, Missing)
    assert not sums_of(made("kho-v2-16k")).hold


def test_what_a_list_out_of_reach_would_own_is_no_leak(tmp_path: Path) -> None:
    capture = copy_of("x86_64-6.18/1-pre", tmp_path)
    lists = mapped(capture).unions[KIND_VMALLOC].start.tolist()
    edit_memory(capture, nothing, without=tuple(lists))
    sums = sums_of(mapped(capture))
    assert sums.unowned.bytes >= 8 << 20
    assert sums.reason.startswith("the owner cannot be told: folios of out/kho_test: not in this capture")


def test_a_damaged_subtree_is_no_leak(tmp_path: Path) -> None:
    capture = copy_of("x86_64-6.18/1-pre", tmp_path, "sub_fdts")
    memblock = next(s for s in json.loads((capture / "expected.json").read_text())["subtrees"] if s["name"] == "memblock")
    edit_memory(capture, patch(memblock["phys"], bytes(40)))
    sums = sums_of(mapped(capture))
    assert sums.unowned.bytes == 5 << 20, "the two regions"
    assert sums.reason.startswith("the owner cannot be told: out/memblock: ")


def test_a_block_that_is_gone_from_the_tracker_is_lost(tmp_path: Path) -> None:
    """A leaf that lost all its bits: what it kept has owners still, and the next kernel hands those pages out."""
    capture = copy_of("x86_64-7.3/1-pre", tmp_path)
    whole = mapped(capture)
    assert not isinstance(whole.preserved, Missing) and isinstance(whole.preserved.structure, RadixTree)
    edit_memory(capture, patch(int(whole.preserved.structure.addresses[-1][0]), bytes(4096)))
    with open_state(capture, Context()) as opened:
        now = map_state(opened.state)
        sums = sums_of(now.memory)
        assert sums.hold and sums.lost.bytes == sums_of(whole).preserved - sums.preserved > 0
        found = whois(now, opened.memory, int(sums.lost.start[0]))
    assert (found.owned, found.preserved) == (True, False)
    assert found.standing.startswith("NOT preserved, and ") and found.standing.endswith("must be preserved: it will be lost")
