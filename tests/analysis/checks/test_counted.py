"""Numbers that grow by one with every kexec: on a boot that was surely cold they begin at 1, and where nothing shows that they are open."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from altered import altered
from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Result
from kho_tui.context import Context
from kho_tui.model.state import State
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.subsystems.luo.content import Luo

COLD, SECOND = "x86_64-7.3/1-pre", "x86_64-7.3/2-pre"


def ask(path: Path, code: str) -> Result:
    with open_state(path, Context()) as opened:
        (found,) = check_state(opened, Context(), only=(code,)).report.results
    return found


def places(state: State) -> dict[str, tuple[int, int]]:
    """By the code of the rule: where the number stands in memory, and its bytes."""
    contents = [one.content for one in state.sides["out"].subtrees]
    luo = next(one for one in contents if isinstance(one, Luo))
    metadata = next(one for one in contents if isinstance(one, KexecMetadata))
    assert luo.header is not None
    return {
        "KHO039": ((luo.header.place.phys or 0) + luo.header.layout.span("liveupdate_num")[0], 8),
        "KHO036": ((metadata.record.place.phys or 0) + metadata.record.layout.span("kexec_count")[0], 4),
    }


def counting(name: str, code: str, number: int, to: Path) -> Path:
    """The capture with another number, in memory and in debugfs."""
    with open_state(sample(name), Context()) as opened:
        at, size = places(opened.state)[code]
    path = altered(sample(name), to, {at: number.to_bytes(size, "little")})
    shown = path / "kho/out/sub_fdts" / {"KHO036": "kexec-metadata", "KHO039": "LUO"}[code]
    data, offset = shown.read_bytes(), at % 4096
    shown.write_bytes(data[:offset] + number.to_bytes(size, "little") + data[offset + size :])
    return path


def edit_log(path: Path, pattern: str) -> None:
    """Without the lines of the kernel log that match."""
    log = path / "dmesg"
    log.write_text("".join(line for line in log.read_text(errors="replace").splitlines(True) if not re.search(pattern, line)))


@pytest.mark.parametrize("code", ["KHO036", "KHO039"])
def test_the_first_number_of_a_cold_boot_is_1(code: str, tmp_path: Path) -> None:
    assert ask(sample(COLD), code).answer is Answer.HOLDS
    found = ask(counting(COLD, code, 7, tmp_path / "seven"), code)
    assert found.answer is Answer.BROKEN
    assert "is 7, the one of the boot before 0" in found.cases[0].message


@pytest.mark.parametrize("code", ["KHO036", "KHO039"])
@pytest.mark.parametrize("lost", ["Linux version", ".*"], ids=["the log has lost its beginning", "no log"])
def test_where_nothing_shows_that_the_boot_was_cold_the_number_cannot_be_told(code: str, lost: str, tmp_path: Path) -> None:
    path = counting(COLD, code, 7, tmp_path / "seven")
    edit_log(path, lost)
    found = ask(path, code)
    assert found.answer is Answer.CANNOT_TELL
    assert any("booted cold" in lack.reason for lack in found.lacks)


@pytest.mark.parametrize("code", ["KHO036", "KHO039"])
def test_a_boot_that_was_handed_a_state_counts_on(code: str, tmp_path: Path) -> None:
    """LUO's incoming struct is given back memory: what it said stands in the log."""
    assert ask(sample(SECOND), code).answer is Answer.HOLDS
    assert ask(counting(SECOND, code, 1, tmp_path / "one"), code).answer is Answer.BROKEN


def test_without_a_log_the_number_that_luo_retrieved_is_not_known(tmp_path: Path) -> None:
    path = counting(SECOND, "KHO039", 1, tmp_path / "one")
    edit_log(path, "liveupdate number")
    found = ask(path, "KHO039")
    assert found.answer is Answer.CANNOT_TELL


def test_a_boot_that_refused_its_handover_counts_from_1(tmp_path: Path) -> None:
    path = counting(COLD, "KHO036", 1, tmp_path / "one")
    with (path / "dmesg").open("a") as log:
        log.write("<4>[    0.000000] KHO: setup: handover FDT (0x20135000) is incompatible with 'kho-v4': 1\n")
        log.write("<4>[    0.000000] KHO: disabling KHO revival\n")
    assert ask(path, "KHO036").answer is Answer.HOLDS
