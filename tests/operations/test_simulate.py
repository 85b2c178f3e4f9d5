"""Scenarios become captures that open like real ones, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from captures import SHARED, copy_of, sample
from simulator.playing import SCENARIOS

from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.capture.writer import new_directory, write_capture
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.model.facts import Missing
from kho_tui.model.handover_of import handover_of
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import State
from kho_tui.operations.check_state import check_state
from kho_tui.operations.diff_states import diff_states
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.kexec_capture import kexec_capture
from kho_tui.operations.open_state import open_state
from kho_tui.operations.simulate import replay_capture, run_scenario
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd

CHAIN = SCENARIOS / "chain.toml"

SMALL = """
[machine]
[[machine.node]]
memory = [["1M", "511M"]]
[kernel]
release = "6.19"
cmdline = "kho=on liveupdate=on kho_scratch=32M,32M,32M"
seed = 1
[[step]]
do = "session"
name = "vm"
[[step]]
do = "memfd"
session = "vm"
token = 1
size = "64K"
[[step]]
do = "kexec"
"""


def scenario_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    return path


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def count_of(state: State) -> int:
    metadata = next(one.content for one in state.sides["out"].subtrees if isinstance(one.content, KexecMetadata))
    return metadata.record.integer("kexec_count")


def test_a_chain_of_five_kexecs_counts_on_through_an_upgrade(tmp_path: Path) -> None:
    run = run_scenario(CHAIN, tmp_path / "run", Context())
    names = [f"{number}-{when}" for number in range(1, 6) for when in ("pre", "post")]
    assert [one.name for one in run.stages] == [*names, "6-pre"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted([*names, "6-pre"])
    assert [one.kernel for one in run.stages if one.name.endswith("post")] == ["7.2.12", "7.2.12", "7.3.4", "7.3.4", "7.3.4"]
    assert all(one.reception is None or one.reception.outcome is Outcome.TAKEN for one in run.stages)
    folios = []
    for number in range(1, 6):
        with open_state(tmp_path / "run" / f"{number}-pre", Context()) as opened:
            assert not [one for one in opened.state.findings if one.severity == "error"]
            assert count_of(opened.state) == number
            luo = next(one.content for one in opened.state.sides["out"].subtrees if isinstance(one.content, Luo))
            assert luo.number == number and isinstance(luo.sessions, SessionList)
            (session,) = luo.sessions.sessions
            assert session.name == b"guest-%d" % (number - 1)
            assert not isinstance(session.files, Missing)
            content = session.files[0].content
            assert isinstance(content, Memfd) and not isinstance(content.folios, Missing)
            folios.append(content.folios.table.column("word0").tolist())
    # The same guest on the same pages all the way.
    assert all(one == folios[0] for one in folios) and len(folios[0]) == 1024


def test_a_run_is_repeatable_by_its_seed(tmp_path: Path) -> None:
    path = scenario_file(tmp_path, SMALL)
    for name, seed in (("a", None), ("b", None), ("c", 2)):
        run_scenario(path, tmp_path / name, Context(), seed=seed)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a" / "1-post")["memory.elf"] != files(tmp_path / "c" / "1-post")["memory.elf"]


def test_a_capture_says_that_it_is_simulated(tmp_path: Path) -> None:
    run_scenario(scenario_file(tmp_path, SMALL), tmp_path / "run", Context())
    told = json.loads((tmp_path / "run" / "1-post" / "capture.json").read_text())
    assert told["simulated"] is True and told["seed"] == 2 and told["release"] == "6.19" and told["scenario_seed"] == 1
    assert any("addresses" in one["what"] for one in told["unpredictable"])
    assert not (tmp_path / "run" / "1-post" / "kho" / "out" / "fdt").exists()
    assert len((tmp_path / "run" / "1-pre" / "kho" / "out" / "fdt").read_bytes()) == 152


def test_a_panic_ends_the_run_and_is_no_capture(tmp_path: Path) -> None:
    text = SMALL + 'release = "7.0"\n[[step]]\ndo = "retrieve"\nsession = "vm"\n'
    run = run_scenario(scenario_file(tmp_path, text), tmp_path / "run", Context())
    assert run.panic.startswith("Kernel panic") and run.panicked is not None and run.panicked.outcome is Outcome.PANIC
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["1-pre"]
    done = kexec_capture(tmp_path / "run" / "1-pre", tmp_path / "post", Context(), release="7.0")
    assert done.directory is None and done.message == run.panic and not (tmp_path / "post").exists()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('do = "retrieve"\nsession = "gone"', "step 4 (retrieve): luo_session_retrieve: -ENOENT: no session gone was handed over"),
        ('do = "finish"\nsession = "vm"', "step 4 (finish): luo_session_finish: -EINVAL: session vm was not retrieved"),
        ('do = "session"\nname = "a"\nexpect = "EIO"', "step 4 (session): expected -EIO, but the call succeeded"),
    ],
)
def test_a_step_that_fails_is_named_by_file_line_and_number_and_leaves_nothing(tmp_path: Path, step: str, said: str) -> None:
    path = scenario_file(tmp_path, f"{SMALL}[[step]]\n{step}\n")
    with pytest.raises(InputError) as error:
        run_scenario(path, tmp_path / "run", Context())
    assert str(error.value) == f"{path}:19: {said}"
    assert [one.name for one in tmp_path.iterdir()] == ["scenario.toml"]


NO_ROOM = "KHO is off: Failed to reserve scratch area: no 1073741824 bytes for the node area of node 0"


@pytest.mark.parametrize(
    ("release", "cmdline", "step", "said"),
    [
        ("7.3", "kho=on liveupdate=on kho_scratch=32M,32M,1G", 'do = "session"\nname = "vm"', f"open /dev/liveupdate: -ENODEV: {NO_ROOM}"),
        ("7.3", "kho=on liveupdate=on kho_scratch=32M,32M,1G", 'do = "folio"', f"kho_preserve_folio: -EINVAL: {NO_ROOM}"),
        ("7.3", "kho=off liveupdate=on", 'do = "session"\nname = "vm"', "open /dev/liveupdate: -ENODEV: KHO is off: it needs kho=on"),
        ("7.3", "kho=on", 'do = "session"\nname = "vm"', "open /dev/liveupdate: -ENODEV: LUO is off: it needs liveupdate=on"),
        ("6.18", "kho=on liveupdate=on", 'do = "session"\nname = "vm"', "open /dev/liveupdate: -ENODEV: 6.18 has no LUO"),
    ],
)
def test_a_step_that_needs_what_is_off_says_why_it_is(tmp_path: Path, release: str, cmdline: str, step: str, said: str) -> None:
    head = SMALL.split("[kernel]")[0]
    path = scenario_file(tmp_path, f'{head}[kernel]\nrelease = "{release}"\ncmdline = "{cmdline}"\n[[step]]\n{step}\n')
    with pytest.raises(InputError) as error:
        run_scenario(path, tmp_path / "run", Context())
    assert f":8: step 1 ({step.split(chr(34))[1]}): {said}" in str(error.value)


def test_scratch_that_does_not_fit_is_in_the_log_as_the_kernel_says_it(tmp_path: Path) -> None:
    head = SMALL.split("[kernel]")[0]
    path = scenario_file(tmp_path, f'{head}[kernel]\nrelease = "7.3"\ncmdline = "kho=on kho_scratch=32M,32M,1G"\n')
    (stage,) = run_scenario(path, tmp_path / "run", Context()).stages
    assert NO_ROOM in stage.log
    assert b"KHO: Failed to reserve scratch area, disabling kexec handover\n" in (stage.path / "dmesg").read_bytes()


@pytest.mark.parametrize("off", ['release = "7.3"\ncmdline = "kho=off"', 'release = "7.3"\ncmdline = "kho=on kho_scratch=32M,32M,1G"'])
def test_a_kexec_from_a_kernel_without_kho_is_a_cold_boot_and_the_run_goes_on(tmp_path: Path, off: str) -> None:
    head = SMALL.split("[kernel]")[0]
    more = '[[step]]\ndo = "kexec"\ncmdline = "kho=on liveupdate=on kho_scratch=32M,32M,32M"\n[[step]]\ndo = "session"\nname = "vm"\n'
    run = run_scenario(scenario_file(tmp_path, f"{head}[kernel]\n{off}\n{more}"), tmp_path / "run", Context())
    assert [stage.name for stage in run.stages] == ["1-pre", "1-post", "2-pre"]
    reception = run.stages[1].reception
    assert reception is not None and reception.outcome is Outcome.IGNORED and reception.deciding is not None
    assert reception.deciding.met.startswith("nothing is handed over: KHO is off: ")
    with open_state(run.stages[2].path, Context()) as opened:
        assert list(opened.state.sides) == ["out"]
        assert count_of(opened.state) == 1


def test_a_kexec_that_cannot_be_simulated_names_its_step_and_no_private_path(tmp_path: Path) -> None:
    head = SMALL.split("[kernel]")[0]
    steps = "".join(f'[[step]]\ndo = "{do}"\n' for do in ("folio", "kexec"))
    path = scenario_file(tmp_path, f'{head}[kernel]\nrelease = "7.3"\ncmdline = "kho=on kho_scratch=0,0,0"\n{steps}')
    with pytest.raises(InputError) as error:
        run_scenario(path, tmp_path / "run", Context())
    assert str(error.value).startswith(f"{path}:10: step 2 (kexec): no scratch area has room")


def test_a_directory_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    path = scenario_file(tmp_path, SMALL)
    used = tmp_path / "used"
    used.mkdir()
    (used / "file").write_text("mine")
    with pytest.raises(InputError, match="not an empty directory"):
        run_scenario(path, used, Context())
    with pytest.raises(InputError, match="not an empty directory"):
        kexec_capture(sample("x86_64-7.3/1-pre"), used, Context())
    assert files(used) == {"file": b"mine"}
    empty = tmp_path / "empty"
    empty.mkdir()
    run_scenario(path, empty, Context())
    assert (empty / "1-pre" / "memory.elf").is_file()


def test_nothing_is_left_of_a_directory_that_could_not_be_finished(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_directory(tmp_path / "deep" / "out") as made:
        (made / "file").write_text("half")
        raise RuntimeError
    assert not (tmp_path / "deep").exists(), "nor of the directories on the way to it"
    (tmp_path / "plain").write_text("")
    with pytest.raises(InputError), new_directory(tmp_path / "plain" / "out"):
        pass


def test_a_directory_that_is_no_longer_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="not what it was"), new_directory(tmp_path / "out") as made:
        (made / "version").write_bytes(b"ours")
        (tmp_path / "out" / "version").write_bytes(b"theirs")
    assert files(tmp_path / "out") == {"version": b"theirs"}


def test_memory_of_a_kernel_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        fault_capture(sample("x86_64-7.3/1-pre"), "root-magic", tmp_path / "new", Context())
        (tmp_path / "there").mkdir(mode=0o2775)
        there = (tmp_path / "there").stat()
        kexec_capture(sample("x86_64-7.3/1-pre"), tmp_path / "there", Context())
    finally:
        os.umask(before)
    for made in (tmp_path / "new", tmp_path / "there"):
        for path in made.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    after = (tmp_path / "there").stat()
    assert (after.st_ino, after.st_mode, after.st_uid) == (there.st_ino, there.st_mode, there.st_uid), "it stays the directory that it was"


def test_nothing_is_written_into_what_is_read(tmp_path: Path) -> None:
    copy_of(sample("x86_64-7.3/1-pre"), tmp_path / "state")
    before = files(tmp_path / "state")
    for write in (
        lambda out: kexec_capture(tmp_path / "state", out, Context()),
        lambda out: fault_capture(tmp_path / "state", "root-magic", out, Context()),
        lambda out: replay_capture(tmp_path / "state", out, Context()),
    ):
        with pytest.raises(InputError, match="lies in what is read"):
            write(tmp_path / "state" / "kho" / ".." / "out")
    assert files(tmp_path / "state") == before


def test_a_file_that_somebody_put_there_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(InputError), new_directory(tmp_path / "out") as made:
        (made / "version").symlink_to(tmp_path / "mine")
        write_capture(made, {"version": b"theirs"}, None, Platform("little", 4096), "x86_64", {}, Context())
    assert (tmp_path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "a\0b"])
def test_no_file_leads_out_of_the_capture(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no path inside"):
        write_capture(tmp_path / "c", {name: b""}, None, Platform("little", 4096), "x86_64", {}, Context())


@pytest.mark.shared
def test_a_kexec_says_what_a_state_lacks(tmp_path: Path) -> None:
    post = SHARED / "x86_64-7.3" / "1-post"
    pre = SHARED / "x86_64-7.3" / "1-pre"
    for path, release, said in (
        (post, None, "the outgoing root FDT is not known"),
        (pre, "7.33", "did you mean 7.3"),
        (pre / "kho", "7.3", "what memory the machine has"),
        (pre / "memory.elf", None, "say which one to kexec into"),
    ):
        with pytest.raises(InputError, match=said):
            kexec_capture(path, tmp_path / "out", Context(), release=release)
    assert not list(tmp_path.iterdir())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["x86_64-6.18", "x86_64-6.19", "x86_64-7.3", "arm64-64k-7.3"])
def test_a_replayed_capture_holds_the_same_state(tmp_path: Path, name: str) -> None:
    real = SHARED / name / "1-pre"
    done = replay_capture(real, tmp_path / "replay", Context())
    assert not done.not_known and done.written
    with open_state(real, Context()) as one, open_state(tmp_path / "replay", Context()) as other:
        there, here = (handover_of(opened.state, "out") for opened in (one, other))
        assert (there.fdt_phys, there.map_address, there.form) == (here.fdt_phys, here.map_address, here.form)
        assert there.runs.blocks == here.runs.blocks and there.by_name().keys() == here.by_name().keys()
        assert not isinstance(other.state.scratch, Missing) and not isinstance(one.state.scratch, Missing)
        assert other.state.scratch.areas == one.state.scratch.areas
    names = set(files(tmp_path / "replay"))
    assert {path for path in files(real) if path.startswith("kho/")} == {path for path in names if path.startswith("kho/")}


@pytest.mark.parametrize("release", ["6.17", "7.0", "7.2"])
def test_the_story_on_a_release_that_no_capture_is_of_is_sound_and_loses_nothing(release: str, tmp_path: Path) -> None:
    """Formats as in the release next to it are held byte for byte elsewhere: here the whole of it has to hang together."""
    run = run_scenario(SCENARIOS / f"story-{release}.toml", tmp_path / "run", Context())
    assert [one.name for one in run.stages] == ["1-pre", "1-post", "2-pre", "2-post"] and not run.panic
    for number in (1, 2):
        with open_state(tmp_path / f"run/{number}-pre", Context()) as pre, open_state(tmp_path / f"run/{number}-post", Context()) as post:
            report = check_state(pre, Context()).report
            assert not report.broken["error"] and not report.broken["warning"] and not report.untold
            assert {bytes(one.name) for one in pre.state.sides["out"].handed_over} >= {b"memblock"}
            found = diff_states(pre.state, post.state, "handover", Context())
            assert found.exit_code(strict=False) == 0
            assert found.verdict.startswith("handed over whole" if release == "6.17" else "no loss seen; cannot tell: ")
