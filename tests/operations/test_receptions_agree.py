"""What the next kernel does with a state has one answer: ``sim kexec`` and ``check --target`` give it for every fault of the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from shutil import copytree

import pytest
from captures import sample

from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.sessions import SessionList
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.fault_capture import broken, fault_capture
from kho_tui.operations.held_state import HeldState, prospects
from kho_tui.operations.kexec_capture import jump_of, kexec_capture, next_kernel
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.simulator.faults.case import DoesNotApply
from kho_tui.simulator.faults.catalogue import faults_of
from kho_tui.simulator.faults.fault import Fault
from kho_tui.simulator.kexec import kexec
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.registry import builtin
from kho_tui.views.cli.main import run

CAPTURES = ("x86_64-7.3/2-pre", "x86_64-7.1/1-pre", "x86_64-6.19/1-pre", "x86_64-6.18/1-pre")


def told(reception: Reception) -> tuple[Outcome | None, Mapping[bytes, Outcome | None], list[str]]:
    unknown = [answer.check.name for answer in reception.unknown]
    return reception.outcome, {name: outcome for name, (outcome, _) in reception.consumers.items()}, unknown


@dataclass(frozen=True, eq=False)
class Original:
    """A sound capture, read once for all faults."""

    opened: Opened
    files: Mapping[str, bytes]

    def broken(self, fault: Fault) -> Opened:
        """It with the fault, opened as if it came from a disk. Raises DoesNotApply."""
        files, core = dict(self.files), BytesIO()
        case = broken(self.opened, fault, files)
        machine = self.opened.state.machine
        write_elf_core(core, case.image, machine.elf_machine, machine.platform.byte_order)
        return HeldState(
            registry=self.opened.state.registry,
            path=fault.name,
            files=files,
            memory=core.getvalue(),
            manifest={},
            platform=machine.platform,
            machine="x86_64",
        ).open(Context())


def read_original(directory: Path, opened: Opened) -> Original:
    names = [file for file in directory.rglob("*") if file.is_file() and file.name != "memory.elf"]
    return Original(opened, {str(file.relative_to(directory)): file.read_bytes() for file in names})


@pytest.fixture(scope="module")
def originals() -> Iterator[dict[str, Original]]:
    with ExitStack() as closer:
        yield {name: read_original(sample(name), closer.enter_context(open_state(sample(name), Context()))) for name in CAPTURES}


@pytest.mark.parametrize("fault", [fault for fault in faults_of(builtin()) if fault.side == "out"], ids=lambda fault: fault.name)
@pytest.mark.parametrize("name", CAPTURES)
def test_the_simulator_and_the_check_agree(name: str, fault: Fault, originals: dict[str, Original]) -> None:
    try:
        opened = originals[name].broken(fault)
    except DoesNotApply:
        pytest.skip("nothing there that this fault breaks")
    with opened:
        release = str(opened.state.machine.release)
        following = next_kernel(opened, release, None, 0)
        checked = check_target(opened, read_target(TargetRequest(release, following.cmdline), Context()))
        foreseen = next(one.reception for one in prospects(opened, following.cmdline) if one.running)
        assert told(foreseen) == told(checked.reception)
        try:
            found = kexec(jump_of(opened), following, Context())
        except InputError:
            pytest.skip("the simulator needs more than this state tells")
        assert told(found.reception) == told(checked.reception)


def kexeced(name: str, fault: str, tmp_path: Path) -> tuple[Reception, bytes]:
    """The reception of a broken state and the log of the kernel that takes it."""
    fault_capture(sample(name), fault, tmp_path / "broken", Context())
    done = kexec_capture(tmp_path / "broken", tmp_path / "after", Context())
    return done.reception, (tmp_path / "after" / "dmesg").read_bytes()


def test_a_region_of_another_version_is_not_revived(tmp_path: Path) -> None:
    reception, log = kexeced("x86_64-7.3/2-pre", "region-version", tmp_path)
    assert "oops_trace cannot be read" in reception.consumers[b"memblock"][1]
    assert b"'oops_trace' from KHO" not in log and b"'pstore' from KHO" in log


def test_a_consumer_that_does_not_find_its_subtree_takes_nothing_of_it(tmp_path: Path) -> None:
    reception, log = kexeced("x86_64-7.3/2-pre", "blob-size-missing", tmp_path)
    (lost,) = [name for name, (outcome, _) in reception.consumers.items() if outcome is Outcome.IGNORED]
    said = {b"memblock": b"Revived memory", b"kexec-metadata": b"KHO: exec from"}
    assert said[lost] not in log
    assert all(line in log for name, line in said.items() if name != lost)


@pytest.mark.parametrize(("fault", "words"), [("folio-not-preserved", "panic_on_warn=1"), ("memfd-too-many-folios", "oops=panic")])
def test_who_asks_for_a_file_panics_after_the_boot(fault: str, words: str, tmp_path: Path) -> None:
    """7.3 booted so comes up, and panics only when the file is asked for."""
    fault_capture(sample("x86_64-7.3/2-pre"), fault, tmp_path / "broken", Context())
    with open_state(tmp_path / "broken", Context()) as opened:
        cmdline = next_kernel(opened, None, None, 0).cmdline
    done = kexec_capture(tmp_path / "broken", tmp_path / "after", Context(), cmdline=f"{cmdline} {words}")
    assert done.reception.outcome is Outcome.PANIC and done.lost and done.message == ""
    assert done.reception.consumers[b"memblock"][0] is Outcome.TAKEN
    assert b"Revived memory reservation 'oops_trace' from KHO" in (tmp_path / "after" / "dmesg").read_bytes()


def test_what_cannot_be_read_leaves_the_simulation_open_too(tmp_path: Path) -> None:
    with open_state(sample("x86_64-7.3/2-pre"), Context()) as opened:
        (luo,) = [one.content for one in opened.state.sides["out"].handed_over if isinstance(one.content, Luo)]
        assert isinstance(luo.sessions, SessionList) and opened.memory is not None
        page = luo.sessions.sessions[0].files_at
        assert isinstance(page, int)
        image = SparseImage(4096)
        for extent in opened.memory.extents():
            for at in range(extent.start, extent.start + extent.size, 4096):
                if at != page:
                    image.write(at, opened.memory.read(at, 4096))
    state = tmp_path / "state"
    copytree(sample("x86_64-7.3/2-pre"), state)
    (state / "memory.elf").unlink()
    with (state / "memory.elf").open("wb") as stream:
        write_elf_core(stream, image, "x86_64")
    done = kexec_capture(state, tmp_path / "after", Context())
    assert done.reception.outcome is None and done.lost is None
    assert any("files of session" in one.text for one in done.unpredictable)
    assert run(["sim", "kexec", str(state), "-o", str(tmp_path / "again")]) == 2
