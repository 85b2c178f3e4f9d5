"""This machine, made of what real kernels showed: what is read of its memory, what is not, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from running_machine import ANON, HWPOISON, LRU, NOPAGE, OFFLINE, PAGE, RunningMachine, running_machine

from kho_tui.capture import archive_writer, probe
from kho_tui.capture.files import MappedTree
from kho_tui.context import Context
from kho_tui.decode.state import decode_state
from kho_tui.errors import InputError, ReadError
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.physical import Absence, Extent
from kho_tui.model.facts import Missing, Moving, Stale, known
from kho_tui.model.json_value import Json
from kho_tui.model.tracker import RadixTree
from kho_tui.model.verdict import verdict
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.watch import Watch
from kho_tui.views.cli import main
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json
from kho_tui.views.tui.changes import Changes, changed_memory

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
PRE = "x86_64-7.3/1-pre"
SAMPLES = Path(__file__).resolve().parents[2] / "samples"

Machines = Callable[[str], RunningMachine]


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """A running machine in the state of a capture, which commands take for this one."""

    def made(name: str) -> RunningMachine:
        capture = SAMPLES / name if (SAMPLES / name).is_dir() else SHARED / name
        if not capture.is_dir():
            pytest.skip(f"{capture} is not here")
        monkeypatch.setattr(probe, "LIVE_ROOT", tmp_path / "root")
        return running_machine(tmp_path / "root", capture)

    return made


def look(machine: RunningMachine, *, search: bool = False) -> Opened:
    return open_state(machine.kho, Context(), search=search)


def root_page(name: str) -> int:
    """Where the outgoing root FDT lies: a page of memory that begins as an FDT of KHO and is not that of the boot record."""
    capture = SAMPLES / name if (SAMPLES / name).is_dir() else SHARED / name
    with open_state(capture, Context()) as opened:
        root = opened.state.sides["out"].root
        assert not isinstance(root, Missing) and isinstance(root.phys, int)
        return root.phys


def decoded(opened: Opened) -> dict[str, Json]:
    """What was decoded, without where it was read from."""
    document = json.loads("".join(json_pieces(state_json(opened.state, blocks=True))))
    return {"scratch": document["scratch"], "sides": _without_sources(document["sides"])}


def _without_sources(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_sources(part) for key, part in value.items() if key not in ("origin", "available", "truncated", "libfdt")}
    return [_without_sources(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["x86_64-7.3/1-pre", "x86_64-7.3/2-pre", "x86_64-7.1/1-pre", "x86_64-7.1/2-pre", "x86_64-6.18/1-pre"])
def test_a_machine_shows_what_its_memory_dump_shows(name: str, machines: Machines) -> None:
    machine = machines(name)
    machine.name_root(root_page(name))
    machine.write_memory()
    with look(machine) as live, open_state(SHARED / name, Context()) as captured:
        assert decoded(live) == decoded(captured)
        assert live.changed == ""
        running = live.sources.running
        assert running is not None and running.pages_read < 200


def test_contents_of_preserved_pages_are_never_read(machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    with look(machine) as live:
        running = live.sources.running
        assert running is not None
        used = {
            int(page) // PAGE for extent in running.used() for page in range(extent.start // PAGE * PAGE, extent.start + extent.size, PAGE)
        }
        (luo,) = [one for one in live.state.sides["out"].subtrees if one.name == b"LUO"]
        sessions = known(luo.sessions)
        assert sessions is not None
        heads = {
            int(head) // PAGE
            for session in sessions.sessions
            for file in known(session.files) or ()
            if not isinstance(file.content, Missing)
            for head in file.content.heads(12)
        }
        assert len(heads) == 2014 and not heads & used
        # What was not read for the state stays unread, whoever asks.
        content = min(heads) * PAGE
        machine.pages[content] = b"\x11" * PAGE
        machine.write_memory()
        assert running.available(content, PAGE) == 0
        absence = running.absence(content)
        assert absence is not None and "contents of a running machine" in absence.reason


@pytest.mark.parametrize(("flag", "word"), [(HWPOISON, "hardware-poisoned"), (OFFLINE, "offline"), (NOPAGE, "without a page")])
def test_zeros_in_place_of_a_page_are_never_nothing_preserved(flag: int, word: str, machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    tracker = json.loads((SAMPLES / PRE / "expected.json").read_text())["map"]
    machine.pages[tracker] = bytes(PAGE)
    machine.flags[tracker] = flag
    machine.write_memory()
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and word in preserved.reason
        assert "0 blocks" not in verdict(live.state)


def test_a_page_of_zeros_that_is_there_is_a_value(machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    tracker = json.loads((SAMPLES / PRE / "expected.json").read_text())["map"]
    machine.pages[tracker] = bytes(PAGE)
    machine.write_memory()
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert not isinstance(preserved, Missing) and preserved.runs.blocks == 0
    (machine.root / "proc/kpageflags").unlink()
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and "without /proc/kpageflags" in preserved.reason


def test_every_page_of_metadata_may_be_one_that_kcore_cannot_read(machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    with look(machine) as live:
        whole = live.state.sides["out"].preserved
        assert live.sources.running is not None and not isinstance(whole, Missing)
        pages = sorted({int(extent.start) // PAGE * PAGE for extent in live.sources.running.used()})
    for page in pages:
        kept = machine.pages[page]
        machine.pages[page], machine.flags[page] = bytes(PAGE), OFFLINE
        machine.write_memory()
        with look(machine) as live:
            side = live.state.sides["out"]
            reasons = [finding.message for finding in live.state.findings]
            whole_without = (
                isinstance(side.preserved, Missing)
                or side.preserved.runs.blocks < whole.runs.blocks
                or any("offline" in r for r in reasons)
            )
            assert whole_without or isinstance(side.root, Missing) or isinstance(side.root.phys, Missing), hex(page)
        machine.pages[page] = kept
        del machine.flags[page]


@pytest.mark.parametrize(("flag", "word"), [(ANON, "anonymous"), (LRU, "LRU")])
def test_user_memory_is_not_read_whatever_points_there(flag: int, word: str, machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    tracker = json.loads((SAMPLES / PRE / "expected.json").read_text())["map"]
    machine.flags[tracker] = flag
    machine.write_memory()
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and f"user memory now ({word})" in preserved.reason


@pytest.mark.parametrize(
    ("shown", "words"),
    [("hidden", "kernel.kptr_restrict=1"), ("not-listed", "CONFIG_KALLSYMS_ALL"), ("unreadable", "/proc/kallsyms cannot be read")],
)
def test_without_symbols_debugfs_names_the_tracker_and_nobody_the_root(shown: str, words: str, machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE), shown=shown)
    if shown == "unreadable":
        (machine.root / "proc/kallsyms").unlink()
    machine.write_memory()
    with look(machine) as live:
        side = live.state.sides["out"]
        assert not isinstance(side.preserved, Missing) and side.preserved.runs.blocks == 2056
        assert not isinstance(side.root, Missing) and isinstance(side.root.phys, Missing)
        assert words in side.root.phys.reason
        # debugfs shows memory as it is: nothing of it is an earlier copy.
        assert "KHO103" not in {finding.code for finding in live.state.findings}


def not_finalized(machine: RunningMachine) -> None:
    """Make a machine with 6.18 one where nobody has written to out/finalize (kernel/kexec_handover.c: there is no out/fdt, no subtree)."""
    (machine.kho / "out/fdt").unlink()
    for blob in (machine.kho / "out/sub_fdts").iterdir():
        blob.unlink()
    machine.write("sys/kernel/debug/kho/out/finalize", b"0\n")
    machine.name_root(None, shown="not-listed")
    machine.write_memory()


def test_before_it_is_finalized_there_is_no_root_whose_place_could_be_unknown(machines: Machines, tmp_path: Path) -> None:
    machine = machines("x86_64-6.18/1-pre")
    not_finalized(machine)
    with look(machine) as live:
        side = live.state.sides["out"]
        assert isinstance(side.root, Missing) and isinstance(side.preserved, Missing)
        assert side.preserved.reason == side.root.reason and side.root.reason.startswith("not finalized: this release builds")
    # 1: the flags of this machine's pages end before scratch does.
    assert main.run(["capture", "-o", str(tmp_path / "capture")]) == 1
    with look(machine) as live, open_state(tmp_path / "capture", Context()) as taken:
        assert decoded(live) == decoded(taken)


@pytest.mark.parametrize("name", [PRE, "x86_64-7.3/2-pre", "x86_64-6.18/1-pre"])
def test_a_capture_says_why_the_machine_did_not_show_its_root(name: str, machines: Machines, tmp_path: Path) -> None:
    """After a KHO boot debugfs has no out/fdt from 6.19 on, and what it has is not older than the pages beside it."""
    machine = machines(name)
    machine.name_root(root_page(name), shown="not-listed")
    machine.write_memory()
    main.run(["capture", "-o", str(tmp_path / "capture")])
    with look(machine) as live, open_state(tmp_path / "capture", Context()) as taken:
        assert decoded(live) == decoded(taken)
        here, there = ([one.code for one in each.state.findings if one.where.parts[:1] == ("out",)] for each in (live, taken))
        assert here == there
        root = taken.state.sides["out"].root
        place = root if isinstance(root, Missing) else root.phys
        assert isinstance(place, Missing) and "CONFIG_KALLSYMS_ALL off" in place.reason


def test_what_is_not_read_of_a_machine_is_not_said_to_lack_in_a_capture(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    main.run(["whois", str(machine.kho), f"{next(iter(machine.pages)):#x}"])
    main.run(["check", "--only", "KHO049"])
    said = capsys.readouterr().out
    assert said.count("contents of a running machine's memory are not looked at") == 2 and "in this capture" not in said


def test_the_version_of_a_root_that_is_nowhere_named_lacks_for_that_reason(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines("x86_64-7.3/2-pre")
    machine.name_root(None, shown="not-listed")
    (machine.kho / "out/fdt").unlink(missing_ok=True)
    machine.write_memory()
    main.run(["check", "--only", "KHO039"])
    said = capsys.readouterr().out
    assert "version of the root: KHO039\n  a kernel that itself booted through KHO has no out/fdt, and /proc/kallsyms does not" in said


def test_ram_is_searched_only_on_demand(machines: Machines) -> None:
    name = "x86_64-7.3/2-pre"
    machine = machines(name)
    page = root_page(name)
    machine.name_root(page, shown="not-listed")
    (machine.kho / "out/fdt").unlink(missing_ok=True)
    machine.write_memory()
    with look(machine) as live:
        root = live.state.sides["out"].root
        assert isinstance(root, Missing) and "--search" in root.reason
        # What needs the tracker says it too: map, whois, check.
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and "--search" in preserved.reason
    with look(machine, search=True) as live:
        root = live.state.sides["out"].root
        assert not isinstance(root, Missing) and root.phys == page
        assert known(live.state.sides["out"].preserved) is not None


def test_a_part_that_changes_while_it_is_read_is_moving_and_no_finding(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    tracker = json.loads((SAMPLES / PRE / "expected.json").read_text())["map"]
    decode, readings = decode_state, 0

    def changing(*arguments: object) -> object:
        nonlocal readings
        state = decode(*arguments)  # type: ignore[arg-type]
        readings += 1
        words = np.frombuffer(machine.pages[tracker], np.uint64).copy()
        words[511] = readings * PAGE
        machine.pages[tracker] = words.tobytes()
        machine.write_memory()
        return state

    monkeypatch.setattr("kho_tui.operations.open_state.decode_state", changing)
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Moving) and "changed between two readings" in preserved.reason
        assert hex(tracker) in live.changed
        assert not [finding for finding in live.state.findings if "changed" in finding.message]
        assert known(live.state.sides["out"].root) is not None
    assert readings == 4


def test_a_change_that_ends_is_read_again(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    decode, done = decode_state, False

    def once(*arguments: object) -> object:
        nonlocal done
        state = decode(*arguments)  # type: ignore[arg-type]
        if not done:
            (machine.kho / "out/sub_fdts/kexec-metadata").write_bytes(bytes(73))
        done = True
        return state

    monkeypatch.setattr("kho_tui.operations.open_state.decode_state", once)
    with look(machine) as live:
        assert live.changed == "" and not [one for one in live.state.findings if "changed while" in one.message]
        assert live.sources.outgoing is not None and live.sources.outgoing.subtrees[b"kexec-metadata"].data == bytes(73)


@pytest.mark.parametrize(
    ("lockdown", "words"),
    [
        (b"none integrity [confidentiality]\n", "kernel lockdown (confidentiality) refuses /proc/kcore"),
        (b"none [integrity] confidentiality\n", "no /proc/kcore"),
    ],
)
def test_without_kcore_debugfs_is_shown_and_the_cause_is_named(lockdown: bytes, words: str, machines: Machines) -> None:
    machine = machines(PRE)
    machine.write("sys/kernel/security/lockdown", lockdown)
    (machine.root / "proc/kcore").unlink()
    if b"[confidentiality]" in lockdown:
        (machine.root / "proc/kcore").mkdir()  # nobody can open it for reading as a file
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and words in preserved.reason
        assert any(words in finding.message for finding in live.state.findings)
        assert known(live.state.sides["out"].root) is not None


def test_debugfs_may_be_mounted_elsewhere(machines: Machines, tmp_path: Path) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    (machine.root / "sys/kernel/debug").rename(machine.root / "my debug")
    (machine.root / "sys/kernel/debug").mkdir()
    machine.write("proc/mounts", b"none /my\\040debug debugfs rw 0 0\n")
    for place in ("my debug", "my debug/kho", "sys/kernel/debug/kho"):
        with open_state(machine.root / place, Context()) as live:
            assert live.state.machine.kind == "live"
            assert known(live.state.sides["out"].preserved) is not None


def test_what_was_handed_in_is_stale_whatever_memory_still_shows(machines: Machines) -> None:
    machine = machines("x86_64-7.3/1-post")
    with look(machine) as live:
        side = live.state.sides["in"]
        assert isinstance(side.preserved, Stale)
        assert not isinstance(side.root, Missing) and side.root.phys == live.sources.boot.fdt_phys  # type: ignore[union-attr]


def test_a_kernel_without_kho_is_told_so(machines: Machines) -> None:
    machine = machines(PRE)
    (machine.kho).rename(machine.kho.with_name("other"))
    machine.write("proc/cmdline", b"kho=0 quiet\n")
    with pytest.raises(InputError, match="KHO is switched off by kho=0 on the kernel command line: boot with kho=on"):
        look(machine)


@pytest.mark.parametrize("arguments", [[], ["show"], ["check"], ["map"], ["--ascii"], ["show", "--json"]])
def test_commands_without_a_path_look_at_this_machine(arguments: list[str], machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    assert main.run([*arguments, str(machine.kho)]) == main.run(arguments) == 0
    said = capsys.readouterr().out
    assert said[: len(said) // 2] == said[len(said) // 2 :] and ("2056" in said or "20.97 MiB" in said)


@pytest.mark.parametrize("output", ["taken", "taken.tar.gz", "taken.tar", "taken.tar.zst"])
def test_a_capture_of_a_machine_shows_what_the_machine_shows(
    output: str, machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x86_64-7.3/2-pre"
    machine = machines(name)
    machine.name_root(root_page(name))
    machine.flags[0x3FFFFFFF // PAGE * PAGE] = 0
    machine.write("sys/bus/pci/devices/0000:00:03.0/vendor", b"0x1af4\n")
    machine.write_memory()
    path = tmp_path / output
    assert main.run(["capture", "-o", str(path)]) == 0
    said = capsys.readouterr()
    first, last_line = said.err.splitlines()[0], said.err.splitlines()[-1]
    assert "no contents of preserved pages" in first and "keep it private" in said.err and f"kho-tui {path}" in last_line
    assert path.stat().st_mode & 0o77 == 0
    assert not list(tmp_path.glob(".*"))
    with look(machine) as live, open_state(path, Context()) as taken:
        assert decoded(taken) == decoded(live)
        assert live.sources.running is not None and taken.memory is not None
        assert list(taken.memory.extents()) and [(e.start, e.size) for e in taken.memory.extents()] == merged(live.sources.running.used())
        names = {str(file.path) for file in taken.state.machine.files}
        assert {"kpageflags", "scratch-flags", "pci/0000:00:03.0/vendor"} <= names
    # Named again, nothing is written over.
    assert main.run(["capture", "-o", str(path)]) == 2
    assert "exists" in capsys.readouterr().err


def merged(extents: Iterable[Extent]) -> list[tuple[int, int]]:
    """Ranges without gaps, wherever they lie in a file."""
    ranges: list[tuple[int, int]] = []
    for extent in extents:
        if ranges and sum(ranges[-1]) == extent.start:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + extent.size)
        else:
            ranges.append((extent.start, extent.size))
    return ranges


def test_captures_without_memory_or_without_kho_say_so(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    assert main.run(["capture", "-o", str(tmp_path / "none"), "--memory", "none"]) == 0
    assert not (tmp_path / "none/memory.elf").exists()
    assert json.loads((tmp_path / "none/capture.json").read_text())["memory"] == {"taken": "none"}
    machine.kho.rename(machine.kho.with_name("other"))
    machine.write("proc/cmdline", b"kho=off\n")
    assert main.run(["capture", "-o", str(tmp_path / "off.tar.gz")]) == 1
    assert "KHO is switched off by kho=off" in capsys.readouterr().err
    assert main.run(["show", str(tmp_path / "off.tar.gz")]) == 2
    assert "switched off by kho=off" in capsys.readouterr().out


def test_watching_a_machine_sees_what_memory_alone_shows(machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    watch = Watch(machine.kho)
    assert not watch.changed() and not watch.changed()
    with look(machine) as before:
        leaf = next(page for page in machine.pages if page in _leaves(before))
        words = np.frombuffer(machine.pages[leaf], np.uint64).copy()
        words[np.flatnonzero(words == 0)[0]] = 1 << 7
        machine.pages[leaf] = words.tobytes()
        machine.write_memory()
        assert watch.changed() and not watch.changed()
        with look(machine) as after:
            preserved, unpreserved = changed_memory(before.state, after.state)
            assert preserved.bytes >= PAGE and unpreserved.bytes == 0
            assert "preserved" in str(Changes(preserved=preserved))
            assert changed_memory(after.state, before.state)[1].bytes == preserved.bytes


def _leaves(opened: Opened) -> set[int]:
    """Pages of the tracker that hold bits."""
    preserved = known(opened.state.sides["out"].preserved)
    assert preserved is not None and isinstance(preserved.structure, RadixTree)
    return set(preserved.structure.addresses[-1].tolist())


def test_lockdown_keeps_out_finalize_shut(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines("x86_64-6.19/1-pre")
    machine.write("sys/kernel/security/lockdown", b"none [integrity] confidentiality\n")
    read = MappedTree.read

    def refused(tree: MappedTree, path: str, limit: int) -> bytes:
        if path == "kho/out/finalize":
            raise ReadError(f"{path}: operation not permitted")
        return read(tree, path, limit)

    monkeypatch.setattr(MappedTree, "read", refused)
    with look(machine) as live:
        assert any("kernel lockdown refuses files of debugfs that can be written" in one.message for one in live.state.findings)


@pytest.mark.parametrize("release", ["6.19", "7.1"])
def test_sessions_that_wait_are_last_known_and_counted_nowhere(release: str, machines: Machines) -> None:
    machine = machines(f"x86_64-{release}/1-post")
    with look(machine) as live:
        (luo,) = [one for one in live.state.sides["in"].subtrees if one.name == b"LUO"]
        sessions = luo.sessions
        assert isinstance(sessions, Stale) and "last known: vm-alpha (2 files), vm-beta (1 file), empty (0 files)" in sessions.reason
        assert "vm-alpha" not in verdict(live.state)
        array = luo.content.sessions_at  # type: ignore[union-attr]
    # A page that user space has now says nothing of sessions.
    machine.flags[array] = ANON
    machine.write_memory()
    with look(machine) as live:
        (luo,) = [one for one in live.state.sides["in"].subtrees if one.name == b"LUO"]
        assert isinstance(luo.sessions, Stale) and "last known" not in luo.sessions.reason


# What a kernel developer who distrusts made it say


def captured(machine: RunningMachine, path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and what was said of a capture of the machine."""
    code = main.run(["capture", "-o", str(path)])
    return code, capsys.readouterr().err


def tracker_page() -> int:
    address: int = json.loads((SAMPLES / PRE / "expected.json").read_text())["map"]
    return address


@pytest.mark.parametrize("flag", [HWPOISON, OFFLINE])
def test_a_capture_names_what_it_could_not_read_and_so_does_who_opens_it(
    flag: int, machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.pages[tracker_page()], machine.flags[tracker_page()] = bytes(PAGE), flag
    machine.write_memory()
    code, said = captured(machine, tmp_path / "c.tar.gz", capsys)
    assert code == 1 and f"could not read memory at {tracker_page():#x}: the page is" in said
    with look(machine) as live, open_state(tmp_path / "c.tar.gz", Context()) as taken:
        reasons = [one.state.sides["out"].preserved for one in (live, taken)]
        assert all(isinstance(one, Missing) for one in reasons) and reasons[0] == reasons[1]


def test_freed_memory_that_others_use_is_not_captured(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines("x86_64-7.3/1-post")
    blob = machine.kho / "in/sub_fdts/LUO"
    blob.write_bytes(b"someone's secrets, 32 bytes long")
    captured(machine, tmp_path / "c", capsys)
    assert not (tmp_path / "c/kho/in/sub_fdts/LUO").exists() and (tmp_path / "c/kho/in/sub_fdts/memblock").exists()
    assert json.loads((tmp_path / "c/capture.json").read_text())["left_out"][0]["path"] == "kho/in/sub_fdts/LUO"
    blob.write_bytes(b"luo-v5\0\0" + bytes(24))
    captured(machine, tmp_path / "d", capsys)
    assert (tmp_path / "d/kho/in/sub_fdts/LUO").exists()


def test_kcore_by_its_own_name_and_a_tree_by_a_link_are_this_machine(machines: Machines, tmp_path: Path) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.flags[tracker_page()] = ANON
    machine.write_memory()
    (tmp_path / "link").symlink_to(machine.kho)
    for path in (machine.root / "proc/kcore", tmp_path / "link"):
        with open_state(path, Context()) as live:
            assert live.state.machine.kind == "live"
            preserved = live.state.sides["out"].preserved
            assert isinstance(preserved, Missing) and "user memory" in preserved.reason


@pytest.mark.parametrize(("bit", "word"), [(10, "free now"), (24, "page of zeros that all share now")])
def test_a_page_that_nobody_has_is_no_part_of_a_state(bit: int, word: str, machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.flags[tracker_page()] = 1 << bit
    machine.write_memory()
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and word in preserved.reason


def test_a_file_of_debugfs_that_moves_is_no_error(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    readings = 0

    def changing(*arguments: object) -> object:
        nonlocal readings
        state = decode_state(*arguments)  # type: ignore[arg-type]
        readings += 1
        (machine.kho / "out/sub_fdts/kexec-metadata").write_bytes(bytes((readings,)) * 73)
        return state

    monkeypatch.setattr("kho_tui.operations.open_state.decode_state", changing)
    with look(machine) as live:
        assert "kho/out/sub_fdts/kexec-metadata" in live.changed
        assert not [one.message for one in live.state.findings if one.severity == "error"]


def test_one_bad_reading_of_the_root_is_read_again(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "x86_64-7.3/2-pre"
    machine = machines(name)
    page = root_page(name)
    machine.name_root(page)
    machine.write_memory()
    fetch = KcoreMemory._fetch
    torn: list[int] = []

    def first_torn(memory: KcoreMemory, number: int) -> bytes | Absence:
        data = fetch(memory, number)
        if number == page // PAGE and not torn:
            torn.append(number)
            return bytes(PAGE)
        return data

    monkeypatch.setattr(KcoreMemory, "_fetch", first_torn)
    with look(machine) as live:
        assert torn and known(live.state.sides["out"].preserved) is not None and live.changed == ""


def test_without_page_flags_the_lost_guard_is_named(machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(PRE))
    machine.write_memory()
    (machine.root / "proc/kpageflags").unlink()
    with look(machine) as live:
        assert any("user memory is not told from KHO's" in one.message for one in live.state.findings)


def test_a_root_that_cannot_be_read_is_not_one_that_was_not_found(machines: Machines) -> None:
    name = "x86_64-7.3/2-pre"
    machine = machines(name)
    page = root_page(name)
    machine.name_root(page)
    machine.pages[page], machine.flags[page] = bytes(PAGE), HWPOISON
    machine.write_memory()
    with look(machine) as live:
        root = live.state.sides["out"].root
        assert isinstance(root, Missing) and f"{page:#x}: the page is hardware-poisoned" in root.reason


def test_of_several_mounts_the_one_with_kho_counts(machines: Machines) -> None:
    machine = machines(PRE)
    (machine.root / "second").mkdir()
    machine.kho.rename(machine.root / "second/kho")
    machine.write("proc/mounts", b"none /gone debugfs rw 0 0\nnone /sys/kernel/debug debugfs rw 0 0\nnone /second debugfs rw 0 0\n")
    with open_state("/sys/kernel/debug/kho", Context()) as live:
        assert live.sources.path == str(machine.root / "second/kho")


def test_nothing_that_came_meanwhile_is_written_over(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machines(PRE)
    output = tmp_path / "c.tar.gz"
    unfinished = tmp_path / "unfinished"
    unfinished.write_bytes(b"capture")
    output.write_bytes(b"PRECIOUS")
    with pytest.raises(FileExistsError):
        archive_writer._take_name(unfinished, output)
    assert output.read_bytes() == b"PRECIOUS"
    for name in (".tar.gz", "...tar.gz", f"{'x' * 300}.tar.gz"):
        assert main.run(["capture", "-o", str(tmp_path / name)]) == 2
        assert "internal error" not in capsys.readouterr().err
