"""What a consumer cannot restore is no "taken", whatever its subtree looks like.

Source: kernel/liveupdate/kexec_handover.c, mm/memfd_luo.c, lib/test_kho.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from captures import sample

from kho_tui.analysis.receiver.arrivals import arrivals
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.context import Context
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, exit_code, read_target
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import Opened, open_state

PART, IGNORED, CHANCE, MISREAD, OOPS = Outcome.PART, Outcome.IGNORED, Outcome.CHANCE, Outcome.MISREAD, Outcome.OOPS
NEW, OLD = "x86_64-7.3/2-pre", "x86_64-6.19/1-pre"


@contextmanager
def broken(capture: str, fault: str, folder: Path) -> Iterator[Opened]:
    fault_capture(sample(capture), fault, folder / "broken", Context())
    with open_state(folder / "broken", Context()) as opened:
        yield opened


def reception(opened: Opened) -> Reception:
    machine = opened.state.machine
    return check_target(opened, read_target(TargetRequest(str(machine.release), (machine.cmdline or b"").decode()), Context())).reception


CONSUMERS = [
    (OLD, "test-folio-not-preserved", b"kho_test", IGNORED, "begins no preserved block"),
    (OLD, "test-magic", b"kho_test", IGNORED, "magic"),
    (OLD, "folio-not-preserved", b"LUO", PART, "1 of 3 files cannot be restored"),
    (OLD, "memfd-not-preserved", b"LUO", CHANCE, "its struct at 0x72a000 is not preserved"),
    (NEW, "folio-not-preserved", b"LUO", PART, "1 of 2 files cannot be restored"),
    (NEW, "memfd-too-many-folios", b"LUO", OOPS, "do not fit"),
    (NEW, "memfd-seals", b"LUO", PART, "seals 0x40"),
    (NEW, "vmalloc-cycle", b"LUO", PART, "circle"),
    (NEW, "vmalloc-hole", b"LUO", PART, "7 entries"),
    (NEW, "vmalloc-total", b"LUO", PART, "10 pages are claimed"),
    (NEW, "vmalloc-chunk-not-preserved", b"LUO", PART, "vmalloc area is not preserved"),
    (NEW, "vmalloc-page-not-preserved", b"LUO", PART, "vmalloc area is not preserved"),
    (NEW, "region-not-preserved", b"memblock", MISREAD, "oops_trace"),
    (NEW, "region-misaligned", b"memblock", PART, "is not aligned"),
]


@pytest.mark.parametrize(("capture", "fault", "consumer", "outcome", "words"), CONSUMERS, ids=lambda value: str(value).replace("/", "-"))
def test_what_is_not_preserved_is_lost_for_its_consumer(
    capture: str, fault: str, consumer: bytes, outcome: Outcome, words: str, tmp_path: Path
) -> None:
    with broken(capture, fault, tmp_path) as opened:
        got = reception(opened)
    assert got.consumers[consumer][0] is outcome and words in got.consumers[consumer][1]
    assert [name for name, (one, _) in got.consumers.items() if one is not Outcome.TAKEN] == [consumer]
    assert got.outcome is (PART if outcome is IGNORED else outcome)


def test_the_test_modules_list_ends_at_its_first_zero_whatever_is_claimed(tmp_path: Path) -> None:
    """Booted, 6.18: "KHO restore succeeded" with one folio more claimed than the list holds."""
    with broken(OLD, "test-more-folios", tmp_path) as opened:
        assert reception(opened).outcome is Outcome.TAKEN


@pytest.mark.parametrize("capture", [NEW, OLD, "x86_64-6.18/1-pre"])
@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [("region-in-scratch", MISREAD, "lies in scratch"), ("blocks-overlap", Outcome.WILD, "begins inside another one")],
)
def test_memory_that_is_kept_twice_or_booted_in_is_misread(capture: str, fault: str, outcome: Outcome, words: str, tmp_path: Path) -> None:
    with broken(capture, fault, tmp_path) as opened:
        got = reception(opened)
    assert got.outcome is outcome and got.deciding is not None
    assert got.deciding.check.name == "blocks" and words in got.deciding.met


@pytest.mark.parametrize("capture", [NEW, OLD, "x86_64-6.18/1-pre"])
def test_nobody_misses_a_block_in_scratch_that_nobody_owns(capture: str, tmp_path: Path) -> None:
    """Booted, 7.3 and 6.18: all comes back."""
    with broken(capture, "block-in-scratch", tmp_path) as opened:
        assert reception(opened).outcome is Outcome.TAKEN


def test_a_folio_that_is_not_preserved_is_an_error_of_the_state_too(tmp_path: Path) -> None:
    with broken(OLD, "test-folio-not-preserved", tmp_path) as opened:
        checked = check_state(opened, Context())
    assert exit_code(checked, None, strict=False) == 1


@pytest.mark.parametrize(("release", "outcome"), [("6.19.11", "taken"), ("6.19.15", None), ("6.19", "taken"), ("7.1.13", "ignored")])
def test_whether_one_bad_file_closes_the_device_depends_on_the_patch_level(release: str, outcome: str | None) -> None:
    """Until 6.19.11 the open goes on without the files that it cannot make; from 7.1 on it fails; between them it is not known."""
    kernel = replace(read_target(TargetRequest(release), Context()), handlers=frozenset())
    with open_state(sample("x86_64-6.19/1-pre" if release.startswith("6") else "x86_64-7.1/1-pre"), Context()) as opened:
        found = check_target(opened, kernel)
    assert found.outcome is Outcome.PART
    fates = {session.name: session.outcome for session in arrivals(found.reception)["sessions"] if session.parts["files"]}
    assert {None if fate is None else fate.value for fate in fates.values()} == {outcome}
