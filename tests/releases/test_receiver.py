"""What every release does with a state that every release writes (kho-abi.md 1.1, 5.8, section 9), typed by hand from there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from simulator.jumping import captured, story
from simulator.playing import RELEASE

from kho_tui.analysis.offered import offered
from kho_tui.context import Context
from kho_tui.model.sides import outgoing_side
from kho_tui.operations.open_state import open_state
from kho_tui.releases.check import Outcome, Target
from kho_tui.releases.offered import Offered, OfferedLuo
from kho_tui.releases.receiver import receive

TAKEN, PART, IGNORED, MISREAD, PANIC = Outcome.TAKEN, Outcome.PART, Outcome.IGNORED, Outcome.MISREAD, Outcome.PANIC
NAMES = ("6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")

# Writer to the outcome at 6.16, 6.17, 6.18, 6.19, 7.0, 7.1, 7.2, 7.3. The state has regions, test data and, from 6.19 on, sessions.
TABLE = {
    #        6.16      6.17     6.18     6.19     7.0      7.1      7.2      7.3
    "6.16": (TAKEN, TAKEN, MISREAD, MISREAD, MISREAD, IGNORED, IGNORED, IGNORED),  # bitmaps grew in 6.18
    "6.17": (TAKEN, TAKEN, MISREAD, MISREAD, MISREAD, IGNORED, IGNORED, IGNORED),
    "6.18": (MISREAD, MISREAD, TAKEN, TAKEN, TAKEN, IGNORED, IGNORED, IGNORED),
    "6.19": (MISREAD, MISREAD, PART, TAKEN, PANIC, IGNORED, IGNORED, IGNORED),  # 6.18 has no LUO; 7.0 wants the FLB node
    "7.0": (MISREAD, MISREAD, PART, TAKEN, TAKEN, IGNORED, IGNORED, IGNORED),
    "7.1": (IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, TAKEN, IGNORED, IGNORED),
    "7.2": (IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, TAKEN, TAKEN),
    "7.3": (IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, TAKEN, TAKEN),
}
DECIDING = {MISREAD: "bitmaps", IGNORED: "root-version", PANIC: "luo-flb", PART: "luo"}
REGIONS = ((b"oops_trace", 4 << 20, 4096), (b"pstore", 1 << 20, 2 << 20))


@pytest.fixture(scope="module")
def offers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Offered]:
    found = {}
    for name in NAMES:
        path: Path = tmp_path_factory.mktemp("offer") / name
        captured(story(name), path)
        with open_state(path, Context()) as opened:
            found[name] = offered(opened.state, outgoing_side(opened.state))
    return found


@pytest.mark.parametrize("writer", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_every_pair_of_releases(offers: dict[str, Offered], writer: str, target: str) -> None:
    got = receive(offers[writer], Target(RELEASE[target], asked_regions=REGIONS))
    expected = TABLE[writer][NAMES.index(target)]
    assert got.outcome is expected
    assert not got.open
    assert (got.deciding.check.name if got.deciding else None) == DECIDING.get(expected)


def test_what_a_consumer_loses_is_told_one_by_one(offers: dict[str, Offered]) -> None:
    got = receive(offers["6.19"], Target(RELEASE["6.18"], asked_regions=REGIONS))
    assert {name: outcome for name, (outcome, _) in got.consumers.items()} == {b"memblock": TAKEN, b"LUO": IGNORED, b"kho_test": TAKEN}
    got = receive(offers["6.17"], Target(RELEASE["6.18"], asked_regions=REGIONS))
    assert got.consumers[b"kho_test"][0] is IGNORED
    got = receive(offers["7.3"], Target(RELEASE["7.3"], asked_regions=REGIONS[:1]))
    assert got.outcome is PART and got.consumers[b"memblock"] == (PART, "pstore is not asked for")


def test_kho_off_still_takes_the_handover_and_loses_the_sessions(offers: dict[str, Offered]) -> None:
    got = receive(offers["7.3"], Target(RELEASE["7.3"], kho=False, asked_regions=REGIONS))
    assert got.outcome is PART and got.consumers[b"LUO"][0] is IGNORED and got.consumers[b"memblock"][0] is TAKEN


def with_luo(one: Offered, **changes: object) -> Offered:
    assert one.luo is not None
    luo: OfferedLuo = replace(one.luo, **changes)  # type: ignore[arg-type]
    return replace(one, luo=luo)


def test_what_luo_does_not_forgive(offers: dict[str, Offered]) -> None:
    """5.8: anything wrong in LUO's own structures is a panic, except that there is none."""
    old, new = offers["7.1"], offers["7.3"]
    for state, target in (
        (with_luo(old, compatible=b"luo-v2"), "7.1"),
        (with_luo(old, number=False), "7.1"),
        (with_luo(old, sessions=False), "7.1"),
        (with_luo(old, session_compatible=b"luo-session-v1"), "7.1"),
        (with_luo(old, flb=False), "7.1"),
        (with_luo(new, compatible=b"luo-v4"), "7.3"),
        (with_luo(new, size=31), "7.3"),
        (with_luo(new, chain_fault="empty LUO block at 0x1000"), "7.3"),
    ):
        assert receive(state, Target(RELEASE[target], asked_regions=REGIONS)).outcome is PANIC
    none = replace(new, subtrees=tuple(one for one in new.subtrees or () if one.name != b"LUO"), luo=None)
    assert receive(none, Target(RELEASE["7.3"], asked_regions=REGIONS)).outcome is TAKEN


def test_a_map_of_0_is_refused_from_6_19_on(offers: dict[str, Offered]) -> None:
    for name, outcome in (("6.18", PART), ("6.19", IGNORED), ("7.3", IGNORED)):
        got = receive(replace(offers[name], map_address=0), Target(RELEASE[name], asked_regions=REGIONS))
        assert got.outcome is outcome and got.deciding is not None and got.deciding.check.name == "memory-map"


@pytest.mark.parametrize(("name", "order", "outcome"), [("7.1", 18, TAKEN), ("7.1", 19, MISREAD), ("7.2", 19, TAKEN)])
def test_blocks_of_2_gib_overflow_until_7_1(offers: dict[str, Offered], name: str, order: int, outcome: Outcome) -> None:
    got = receive(replace(offers[name], highest_order=order), Target(RELEASE[name], asked_regions=REGIONS))
    assert got.outcome is outcome


def test_without_its_handler_7_1_and_later_cannot_open_the_device_and_earlier_ones_lose_the_files(offers: dict[str, Offered]) -> None:
    for name, outcome in (("6.19", PART), ("7.1", IGNORED), ("7.3", IGNORED)):
        got = receive(offers[name], Target(RELEASE[name], asked_regions=REGIONS, handlers=frozenset()))
        assert got.outcome is PART and got.consumers[b"LUO"][0] is outcome
        assert ("every open of /dev/liveupdate fails" in got.consumers[b"LUO"][1]) == (outcome is IGNORED)
        unsure = receive(offers[name], Target(RELEASE[name], asked_regions=REGIONS, sure_of_handlers=False))
        assert unsure.outcome is TAKEN and "which file handlers are built in is not known" in [one.met for one in unsure.open]


def test_no_check_is_made_twice(offers: dict[str, Offered]) -> None:
    for name in NAMES:
        asked = [one.check.name for one in receive(offers[name], Target(RELEASE[name], asked_regions=REGIONS)).answers]
        assert len(asked) == len(set(asked))


def test_outcomes_are_ranked_from_taken_to_panic() -> None:
    assert sorted(Outcome, key=lambda one: one.rank) == [TAKEN, PART, IGNORED, MISREAD, PANIC]
