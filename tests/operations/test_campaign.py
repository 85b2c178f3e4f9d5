"""The campaign against booted kernels (benchmarks/kernel_campaign.py): what it alters, and how it reads a guest. It boots nothing here."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from campaign.alterations import WEIGHTS, Alteration, draw
from campaign.bases import Base, base_named, listed_sessions
from campaign.guest import read
from campaign.judgement import asked, asked_names, contents
from campaign.lines import clean_boots, judge_again
from campaign.sites import KINDS

from kho_tui.model.facts import Missing
from kho_tui.operations.boot_state import BootReport
from kho_tui.simulator.qemu.console import Console
from kho_tui.subsystems.memfd.content import Memfd
from kho_tui.text import NO_TEXT

RUNS = [json.loads(line) for line in (Path(__file__).parents[1] / "data" / "campaign.jsonl").read_text().splitlines()]
"""Some runs of the campaign. ``wrong``: what the program has wrong as yet."""
SCENARIO = "scenario/story-7.3"


@pytest.fixture(scope="module")
def base() -> Base:
    return base_named(SCENARIO)


def drawn(base: Base, seed: int) -> Alteration:
    return draw(base, random.Random(seed))


def test_each_kind_of_field_is_found_in_a_state(base: Base) -> None:
    assert {kind: len(base.by_kind.get(kind, ())) >= 10 for kind in KINDS} == dict.fromkeys(KINDS, True)


def test_every_field_lies_in_captured_memory(base: Base) -> None:
    sites = [site for kind in KINDS for site in base.by_kind[kind]]
    assert all(base.memory.available(site.address, site.size) >= site.size for site in sites)


def test_a_seed_draws_the_same_again_and_every_kind_comes_up(base: Base) -> None:
    alterations = [drawn(base, seed) for seed in range(150)]
    assert alterations == [drawn(base, seed) for seed in range(150)]
    assert {alteration.kind for alteration in alterations} == set(WEIGHTS)


def test_an_alteration_alters_bytes_words_or_the_kernel(base: Base) -> None:
    for alteration in (drawn(base, seed) for seed in range(150)):
        changed = [patch for patch in alteration.patches if not patch.new_page]
        assert changed or alteration.kind in ("command line", "release")
        for patch in changed:
            assert base.memory.read(patch.address, len(patch.data)) != patch.data
        assert (alteration.kernel in base.kernels) == (alteration.kind != "release")


def test_init_asks_for_every_session_and_file(base: Base) -> None:
    words = asked(base.opened, base)
    assert words == "luo=vm-alpha:1,vm-alpha:2,vm-beta:deadbeef,empty:0"
    assert {"session empty", "file vm-alpha 2"} <= asked_names(f"khostage=9 {words}")


def test_contents_of_a_file_are_put_together_from_its_folios(base: Base) -> None:
    files = listed_sessions(base.opened.state)[0].files
    assert not isinstance(files, Missing)
    memfd = files[1].content
    assert isinstance(memfd, Memfd)
    # What the scenario's tag 2 writes into each word (samples/scenarios/story-7.3.toml).
    written = b"".join(struct.pack("<Q", offset ^ 2 << 40) for offset in range(0, 4096, 8))
    assert contents(memfd, base.opened) == f"size=4096 crc32={zlib.crc32(written):08x}"


def report(text: str, ended: bool = True) -> BootReport:
    console = Console()
    console.feed(text.encode())
    console.finish(ended)
    return BootReport(
        outcome=console.outcome,
        deciding=console.deciding,
        lost=(),
        files=(),
        lines=tuple(console.lines),
        notes=(),
        cmdline=NO_TEXT,
        nothing_preserved=False,
        ended=ended,
    )


def test_what_a_guest_got_is_read_from_its_console() -> None:
    booted = read(
        report(
            "[    0.000000] KHO: found kexec handover data.\n[    0.000000] Revived memory reservation 'pstore' from KHO\n"
            "[    1.500000] Run /init as init process\nRIG stage 9 kernel 7.3.4\nRIG session vm retrieved\n"
            "RIG file vm feed size=4096 pos=0 seals=6 crc32=f6b097f7\nRIG done\n"
        )
    )
    assert (booted.outcome, booted.complete) == ("accepted", True)
    assert booted.back == {"region pstore", "session vm", "file vm feed"}


def test_what_was_pushed_out_of_the_log_is_not_taken_for_unsaid() -> None:
    assert read(report("[    1.859858] Call Trace:\nRIG stage 9 kernel 7.1.13\nRIG done\n")).seen["cut"]
    assert "cut" not in read(report("[    0.000000] Linux version 7.1.13\nRIG stage 9 kernel 7.1.13\nRIG done\n")).seen


def test_an_oops_of_init_is_placed_by_its_trace() -> None:
    found = "[    0.000000] Linux version 7.3.4\n[    0.000000] KHO: found kexec handover data.\n[    1.500000] Run /init as init process\n"
    oops = "[    1.600000] BUG: unable to handle page fault for address: ff11000075b00008\n"
    end = "[    1.700000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n"
    assert read(report(f"{found}{oops} ? luo_session_deserialize+0xf6\n{end}")).place == "open"
    assert read(report(f"{found}{oops} ? memfd_luo_retrieve+0xd4\n{end}")).place == "retrieve"


def test_a_panic_that_only_the_log_buffer_tells_is_early() -> None:
    panic = "KHO: found kexec handover data.\nKernel panic - not syncing: Attempted to kill the idle task!\n"
    assert read(report(panic)).place == "early"


def test_a_guest_that_is_ended_before_user_space_hangs() -> None:
    assert read(report("[    0.000000] KHO: found kexec handover data.\n", ended=False)).outcome == "hang"


def expected(run: Mapping[str, Any]) -> object:
    marks = [pytest.mark.xfail(strict=True, reason=run["wrong"])] if "wrong" in run else []
    return pytest.param(run, id=f"{run['seed']}-{run['number']}", marks=marks)


@pytest.mark.shared
@pytest.mark.parametrize("run", [expected(run) for run in RUNS if run["kind"] != "none"])
def test_a_prediction_is_what_a_kernel_did(run: Mapping[str, Any]) -> None:
    judged = judge_again(run, clean_boots(RUNS))
    assert judged["result"] == "agree", (judged["predicted"]["verdict"], judged["why"])
