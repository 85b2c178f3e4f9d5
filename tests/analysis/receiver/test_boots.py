"""What every release does with a state that every release writes, typed by hand from the kernels' sources and what booted ones did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from altered import altered
from captures import read, sample
from simulator.jumping import captured, story
from simulator.playing import RELEASE

from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.receive import checks_of, receive
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.analysis.receiver.target import Target
from kho_tui.context import Context
from kho_tui.model.host import MemoryRange
from kho_tui.model.runs import make_runs
from kho_tui.model.tracker import PreservedMap
from kho_tui.operations.check_target import handed_over
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.releases.version import Version
from kho_tui.subsystems.registry import builtin
from kho_tui.text import SafeText

TAKEN, PART, IGNORED, MISREAD, PANIC = Outcome.TAKEN, Outcome.PART, Outcome.IGNORED, Outcome.MISREAD, Outcome.PANIC
NAMES = ("6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")

# Writer to the outcome at 6.16, 6.17, 6.18, 6.19, 7.0, 7.1, 7.2, 7.3. The state has regions, test data and, from 6.19 on, sessions.
TABLE = {
    #        6.16      6.17     6.18     6.19     7.0      7.1      7.2      7.3
    "6.16": (TAKEN, TAKEN, PANIC, PANIC, PANIC, IGNORED, IGNORED, IGNORED),  # bitmaps grew in 6.18: garbage names blocks without memory
    "6.17": (TAKEN, TAKEN, PANIC, PANIC, PANIC, IGNORED, IGNORED, IGNORED),
    "6.18": (MISREAD, MISREAD, TAKEN, TAKEN, TAKEN, IGNORED, IGNORED, IGNORED),
    "6.19": (MISREAD, MISREAD, PART, TAKEN, PANIC, IGNORED, IGNORED, IGNORED),  # 6.18 has no LUO; 7.0 wants the FLB node
    "7.0": (MISREAD, MISREAD, PART, TAKEN, TAKEN, IGNORED, IGNORED, IGNORED),
    "7.1": (IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, TAKEN, IGNORED, IGNORED),
    "7.2": (IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, TAKEN, TAKEN),
    "7.3": (IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, TAKEN, TAKEN),
}
DECIDING: dict[Outcome, set[str | None]] = {
    MISREAD: {"bitmaps"},
    IGNORED: {"root-version"},
    PANIC: {"luo-flb", "sections"},
    PART: {"luo"},
    TAKEN: {None},
}
OOPS, PSTORE = "reserve_mem=4M:4096:oops_trace", "reserve_mem=1M:2M:pstore"


@pytest.fixture(scope="module")
def offers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Handed]]:
    found = {}
    with ExitStack() as closer:
        for name in NAMES:
            path: Path = tmp_path_factory.mktemp("offer") / name
            captured(story(name), path)
            found[name] = handed_over(closer.enter_context(open_state(path, Context())), Context())
        yield found


def target(name: str, words: str = f"kho=on liveupdate=on {OOPS} {PSTORE}", **more: object) -> Target:
    return replace(Target.in_tree(builtin(), RELEASE[name], cmdline=read_cmdline(words)), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("writer", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_every_pair_of_releases(offers: dict[str, Handed], writer: str, name: str) -> None:
    got = receive(offers[writer], target(name))
    expected = TABLE[writer][NAMES.index(name)]
    assert got.outcome is expected
    assert not got.unknown
    assert (got.deciding.check.name if got.deciding else None) in DECIDING[expected]


def test_what_a_consumer_loses_is_told_one_by_one(offers: dict[str, Handed]) -> None:
    got = receive(offers["6.19"], target("6.18"))
    assert {name: outcome for name, (outcome, _) in got.consumers.items()} == {b"memblock": TAKEN, b"LUO": IGNORED, b"kho_test": TAKEN}
    got = receive(offers["7.3"], target("7.3", f"kho=on liveupdate=on {OOPS}"))
    assert got.outcome is PART and got.consumers[b"memblock"] == (PART, "pstore is not asked for")


def test_kho_off_still_takes_the_handover_and_loses_the_sessions(offers: dict[str, Handed]) -> None:
    got = receive(offers["7.3"], target("7.3", f"kho=off liveupdate=on {OOPS} {PSTORE}"))
    assert got.outcome is PART and got.consumers[b"LUO"][0] is IGNORED and got.consumers[b"memblock"][0] is TAKEN


def test_without_its_handler_7_1_and_later_cannot_open_the_device_and_earlier_ones_lose_the_files(offers: dict[str, Handed]) -> None:
    for name, outcome in (("6.19", PART), ("7.1", IGNORED), ("7.3", IGNORED)):
        got = receive(offers[name], target(name, handlers=frozenset()))
        assert got.outcome is PART and got.consumers[b"LUO"][0] is outcome
        assert ("every open of /dev/liveupdate fails" in got.consumers[b"LUO"][1]) == (outcome is IGNORED)
        unsure = receive(offers[name], target(name, handlers=None))
        assert unsure.worst is TAKEN and unsure.outcome is None
        assert any("whether there is a handler for memfd-v" in one.met for one in unsure.unknown)


def test_no_check_is_made_twice(offers: dict[str, Handed]) -> None:
    for name in NAMES:
        asked = [one.check.name for one in receive(offers[name], target(name)).answers]
        assert len(asked) == len(set(asked))


def test_outcomes_are_ranked_by_how_bad_they_are() -> None:
    ranked = sorted(Outcome, key=lambda one: one.rank)
    assert ranked == [TAKEN, PART, IGNORED, Outcome.CHANCE, MISREAD, Outcome.OOPS, Outcome.WILD, PANIC]


def of_capture(path: Path, name: str) -> Reception:
    with open_state(path, Context()) as opened:
        return receive(handed_over(opened, Context()), target(name))


@pytest.mark.parametrize(
    ("capture", "name", "fault", "words"),
    [
        ("x86_64-7.1/1-pre", "7.1", "luo-version", "version"),
        ("x86_64-7.1/1-pre", "7.1", "luo-flb-node", "luo-flb node is missing"),
        ("x86_64-7.3/2-pre", "7.3", "luo-version", "version"),
        ("x86_64-7.3/2-pre", "7.3", "session-block-empty", "empty LUO block"),
        ("x86_64-7.3/2-pre", "7.3", "session-block-cycle", "a loop"),
    ],
)
def test_what_luo_does_not_forgive(capture: str, name: str, fault: str, words: str, tmp_path: Path) -> None:
    fault_capture(sample(capture), fault, tmp_path / "broken", Context())
    got = of_capture(tmp_path / "broken", name)
    assert got.outcome is PANIC and got.deciding is not None and words in got.deciding.met


def test_a_luo_struct_of_31_bytes_is_a_panic(tmp_path: Path) -> None:
    """Booted, 7.3."""
    got = of_capture(altered(sample("x86_64-7.3") / "1-pre", tmp_path / "short", {0x5840B8: b"\x1f"}), "7.3")
    assert got.outcome is PANIC and got.deciding is not None and got.deciding.met == "31 bytes of 32"


def test_a_map_of_0_is_refused_from_6_19_on(tmp_path: Path) -> None:
    for release, step, outcome in (("6.18", "1-pre", MISREAD), ("6.19", "1-pre", IGNORED), ("7.3", "1-pre", IGNORED)):
        fault_capture(sample(f"x86_64-{release}") / step, "map-zero", tmp_path / release, Context())
        got = of_capture(tmp_path / release, release)
        assert got.outcome is outcome
        assert "memory-map" in [answer.check.name for answer in got.answers if answer.holds is False]


def test_a_block_that_begins_where_no_memory_is_kills_the_kernel_and_one_beside_it_does_not(tmp_path: Path) -> None:
    """Booted, 7.3: bit 0 of a leaf for 0x40000000 is a panic in __init_single_page; 0x3ffe0000, behind RAM in its section, is taken."""
    capture = sample("x86_64-7.3") / "1-pre"
    leaf_slot, spare = 0x586043, 0x30000000
    nowhere = altered(capture, tmp_path / "nowhere", {leaf_slot: b"\x30", spare: b"\x01" + bytes(4095)})
    got = of_capture(nowhere, "7.3")
    assert got.outcome is PANIC and got.deciding is not None and "0x40000000 begins in a memory section without RAM" in got.deciding.met
    beside = altered(capture, tmp_path / "beside", {0x2019E01E: b"\x01"})
    assert of_capture(beside, "7.3").outcome is not PANIC


def with_large_block() -> Handed:
    """A real state, with one more block of 2 GiB in memory that its machine would have."""
    state = read(sample("x86_64-7.3") / "1-pre")
    side = state.sides["out"]
    preserved = side.preserved
    assert isinstance(preserved, PreservedMap)
    was = preserved.runs
    start = np.concatenate([was.start, np.array([4 << 30], np.uint64)])
    count = np.concatenate([was.count, np.array([1], np.uint32)])
    order = np.concatenate([was.order, np.array([19], np.uint8)])
    runs = make_runs(start, count, order, 12)
    host = replace(state.host, ram=(MemoryRange(0, 16 << 30, SafeText("System RAM")),))
    return Handed(replace(state, host=host), replace(side, preserved=replace(preserved, runs=runs)))


@pytest.mark.parametrize(
    ("version", "holds"),
    [("7.1.13", True), ("7.2.3", None), ("7.2.6", True), ("7.2.12", True), ("7.2.0-15-generic", None), ("7.3.4", True), ("7.2", None)],
)
def test_a_fix_inside_a_series_decides_only_where_the_version_tells_it(version: str, holds: bool | None) -> None:
    """The 32-bit shift of blocks of 2 GiB: until 7.1, and perhaps in early 7.2.y; what is reserved then is asked thing by thing."""
    parsed = Version.parse(version)
    assert parsed is not None
    release = next(name for name in NAMES if RELEASE[name].version.series == parsed.series)
    shift = next(check for check in checks_of(builtin()) if check.name == "shift")
    answer = shift.answer(Boot(with_large_block(), target(release, version=parsed)))
    assert answer.holds is holds


def test_an_oops_or_a_warning_is_a_panic_where_the_command_line_says_so(tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3") / "2-pre", "memfd-too-many-folios", tmp_path / "oops", Context())
    fault_capture(sample("x86_64-7.3") / "2-pre", "folio-not-preserved", tmp_path / "warning", Context())
    line = f"kho=on liveupdate=on {OOPS} {PSTORE}"
    expected = {
        ("oops", ""): (Outcome.OOPS, "or the machine panics (panic_on_oops)"),
        ("oops", "oops=panic"): (PANIC, "an oops is a panic there"),
        ("oops", "sysctl.kernel.panic_on_oops=0"): (Outcome.OOPS, "so that later opens may hang"),
        ("warning", ""): (PART, "begins no preserved block"),
        ("warning", "panic_on_warn=1"): (PANIC, "the WARNING of it is a panic"),
    }
    for (state, words), (outcome, said) in expected.items():
        with open_state(tmp_path / state, Context()) as opened:
            got = receive(handed_over(opened, Context()), target("7.3", f"{line} {words}"))
        assert got.outcome is outcome and got.deciding is not None and said in got.deciding.met
