"""This machine, made of what real kernels showed: what is read of its memory, what is not, and why."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captures import SAMPLES, SHARED, capture
from comparable import decoded_of
from running_machine import ANON, HWPOISON, LRU, NOPAGE, OFFLINE, PAGE, TEXT, RunningMachine
from this_machine import Machines, grow_blob, root_page

from kho_tui.capture import archive_writer
from kho_tui.capture.files import MappedTree, Notes
from kho_tui.capture.live import symbols
from kho_tui.capture.live import tree as live_tree
from kho_tui.capture.writer import write_capture
from kho_tui.context import Context
from kho_tui.decode.state import decode_state
from kho_tui.errors import InputError, ReadError
from kho_tui.layout.place import Blob
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.physical import Absence, Extent
from kho_tui.model.facts import Missing, Moving, Stale, known
from kho_tui.model.tracker import RadixTree
from kho_tui.model.verdict import verdict
from kho_tui.operations import capture_machine
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.operations.watch import Watch
from kho_tui.views.cli import main
from kho_tui.views.tui.changes import Changes, changed_memory

PRE = "x86_64-7.3/1-pre"
MEMFD_STRUCT = 0x76E000
"""What LUO's serialized memfd of that machine points at."""


def look(machine: RunningMachine, *, search: bool = False) -> Opened:
    return open_state(machine.kho, Context(), search=search)


@pytest.mark.parametrize("name", ["x86_64-7.3/1-pre", "x86_64-7.3/2-pre", "x86_64-7.1/1-pre", "x86_64-7.1/2-pre", "x86_64-6.18/1-pre"])
def test_a_machine_shows_what_its_memory_dump_shows(name: str, machines: Machines) -> None:
    machine = machines(name)
    with look(machine) as live, open_state(SHARED / name, Context()) as captured:
        assert decoded_of(live) == decoded_of(captured)
        assert live.changed == ""
        running = live.sources.running
        assert running is not None and running.pages_read < 200


def test_contents_of_preserved_pages_are_never_read(machines: Machines) -> None:
    machine = machines(PRE)
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
    machine = machines(PRE, shown)
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
        assert decoded_of(live) == decoded_of(taken)


@pytest.mark.parametrize("name", [PRE, "x86_64-7.3/2-pre", "x86_64-6.18/1-pre"])
def test_a_capture_says_why_the_machine_did_not_show_its_root(name: str, machines: Machines, tmp_path: Path) -> None:
    """After a KHO boot debugfs has no out/fdt from 6.19 on, and what it has is not older than the pages beside it."""
    machine = machines(name)
    machine.name_root(root_page(SAMPLES / name), shown="not-listed")
    machine.write_memory()
    main.run(["capture", "-o", str(tmp_path / "capture")])
    with look(machine) as live, open_state(tmp_path / "capture", Context()) as taken:
        assert decoded_of(live) == decoded_of(taken)
        here, there = ([one.code for one in each.state.findings if one.where.parts[:1] == ("out",)] for each in (live, taken))
        assert here == there
        root = taken.state.sides["out"].root
        place = root if isinstance(root, Missing) else root.phys
        assert isinstance(place, Missing) and "CONFIG_KALLSYMS_ALL off" in place.reason


def test_what_is_not_read_of_a_machine_is_not_said_to_lack_in_a_capture(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(SAMPLES / PRE))
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
    machine = machines(name, "not-listed")
    page = root_page(capture(name))
    assert page is not None
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


def test_a_capture_may_search_too(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE, shown="not-listed")
    machine.flags[0x3FFFF000] = 0
    machine.write_memory()
    assert main.run(["capture", "-o", str(tmp_path / "without")]) == 0
    assert main.run(["capture", "--search", "-o", str(tmp_path / "with")]) == 0
    assert capsys.readouterr().err.count("--search reads all") == 1
    with look(machine, search=True) as live, open_state(tmp_path / "with", Context()) as taken:
        assert decoded_of(taken) == decoded_of(live)
        assert not isinstance(taken.state.sides["out"].preserved, Missing)
    with open_state(tmp_path / "without", Context()) as taken:
        assert "--search" in str(taken.sources.no_outgoing)
    told = json.loads((tmp_path / "with/capture.json").read_text())["memory"]
    assert (told["state"], told["reason"], told["message"]) == ("taken", None, None)
    assert main.run(["capture", "--search", "--memory", "none", "-o", str(tmp_path / "none")]) == 2


def test_a_capture_searches_once_whatever_changes(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machines(PRE, shown="hidden")
    read = capture_machine._files

    def changing(*arguments: Any) -> Any:
        taken = read(*arguments)
        blob = machine.kho / "out/sub_fdts/LUO"
        blob.write_bytes(blob.read_bytes() + b"\0")
        return taken

    monkeypatch.setattr(capture_machine, "_files", changing)
    assert main.run(["capture", "--search", "-o", str(tmp_path / "c")]) == 1
    assert capsys.readouterr().err.count("--search reads all") == 1
    assert "kho/out/sub_fdts/LUO" in json.loads((tmp_path / "c/capture.json").read_text())["changed_while_reading"]


def test_what_cannot_be_searched_is_refused_before_the_risk_is_told(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE)
    assert main.run(["show", str(machine.kho), "--search"]) == 0
    assert "--search reads all" in capsys.readouterr().err
    assert main.run(["show", str(SAMPLES / PRE), "--search"]) == 2
    assert capsys.readouterr().err == (
        "kho-tui: --search looks through this machine's RAM, and here is none; memory in files is searched in any case\n"
    )
    assert main.run(["show", "/nowhere", "--search"]) == 2
    assert "--search reads all" not in capsys.readouterr().err
    (machine.root / "proc/kcore").unlink()
    assert main.run(["show", str(machine.kho), "--search"]) == 2
    said = capsys.readouterr().err
    assert "which cannot be read: this kernel has no /proc/kcore" in said and "--search reads all" not in said


def test_a_part_that_changes_while_it_is_read_is_moving_and_no_finding(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines(PRE)
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
    assert main.run([*arguments, str(machine.kho)]) == main.run(arguments) == 0
    said = capsys.readouterr().out
    assert said[: len(said) // 2] == said[len(said) // 2 :] and ("2056" in said or "20.97 MiB" in said)


@pytest.mark.parametrize("output", ["taken", "taken.tar.gz", "taken.tar", "taken.tar.zst"])
def test_a_capture_of_a_machine_shows_what_the_machine_shows(
    output: str, machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x86_64-7.3/2-pre"
    machine = machines(name)
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
        assert decoded_of(taken) == decoded_of(live)
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
    assert main.run(["capture", "-o", str(tmp_path / "none"), "--memory", "none"]) == 0
    assert not (tmp_path / "none/memory.elf").exists()
    memory = json.loads((tmp_path / "none/capture.json").read_text())["memory"]
    assert (memory["state"], memory["pages"], memory["absent"]) == ("off", 0, [])
    machine.kho.rename(machine.kho.with_name("other"))
    machine.write("proc/cmdline", b"kho=off\n")
    machine.name_root(None)
    machine.write_memory()
    assert main.run(["capture", "-o", str(tmp_path / "off.tar.gz")]) == 1
    assert "KHO is switched off by kho=off" in capsys.readouterr().err
    assert main.run(["show", str(tmp_path / "off.tar.gz")]) == 2
    assert "switched off by kho=off" in capsys.readouterr().out


def test_watching_a_machine_sees_what_memory_alone_shows(machines: Machines) -> None:
    machine = machines(PRE)
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


def test_watching_a_machine_whose_memory_cannot_be_read_sees_its_files(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines(PRE)
    (machine.root / "proc/kcore").unlink()
    readings: list[object] = []

    def counted(*arguments: Any) -> Opened:
        readings.append(arguments)
        return open_state(*arguments)

    monkeypatch.setattr("kho_tui.operations.watch.open_state", counted)
    watch = Watch(machine.kho)
    assert [watch.changed() for _ in range(5)] == [False] * 5 and len(readings) == 1
    (machine.kho / "out/fdt").write_bytes(b"other")
    assert watch.changed() and not watch.changed()


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
    machine.pages[tracker_page()], machine.flags[tracker_page()] = bytes(PAGE), flag
    machine.write_memory()
    code, said = captured(machine, tmp_path / "c.tar.gz", capsys)
    assert code == 1 and f"could not read memory.elf: {tracker_page():#x}: the page is" in said
    with look(machine) as live, open_state(tmp_path / "c.tar.gz", Context()) as taken:
        reasons = [one.state.sides["out"].preserved for one in (live, taken)]
        assert all(isinstance(one, Missing) for one in reasons) and reasons[0] == reasons[1]


def test_freed_memory_that_others_use_is_not_captured(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines("x86_64-7.3/1-post")
    blob = machine.kho / "in/sub_fdts/LUO"
    blob.write_bytes(b"someone's secrets, 32 bytes long")
    captured(machine, tmp_path / "c", capsys)
    assert not (tmp_path / "c/kho/in/sub_fdts/LUO").exists() and (tmp_path / "c/kho/in/sub_fdts/memblock").exists()
    absent = json.loads((tmp_path / "c/capture.json").read_text())["absent"]
    assert {entry["path"]: entry["source"] for entry in absent}["kho/in/sub_fdts/LUO"] == "/sys/kernel/debug/kho/in/sub_fdts/LUO"
    blob.write_bytes(b"luo-v5\0\0" + bytes(24))
    captured(machine, tmp_path / "d", capsys)
    assert (tmp_path / "d/kho/in/sub_fdts/LUO").exists()


@pytest.mark.parametrize("lost", ["no RAM", "free", "user memory"])
@pytest.mark.parametrize("what", ["tracker", "memfd"])
def test_what_the_outgoing_side_points_at_and_cannot_be_read_is_unread(
    what: str, lost: str, machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machines(PRE)
    page = tracker_page() if what == "tracker" else MEMFD_STRUCT
    if lost == "no RAM":
        del machine.pages[page]
    else:
        machine.flags[page] = 1 << 10 if lost == "free" else ANON | LRU
    machine.write_memory()
    code, said = captured(machine, tmp_path / "c", capsys)
    manifest = json.loads((tmp_path / "c/capture.json").read_text())
    assert code == 1 and f"could not read memory.elf: {page:#x}: " in said
    assert manifest["memory"]["state"] == "partial" and [one["address"] for one in manifest["memory"]["absent"]] == [f"{page:#x}"]
    assert any(one["path"] == "memory.elf" and one["reason"].startswith(f"{page:#x}: ") for one in manifest["unreadable"])


@pytest.mark.parametrize("shown", ["hidden", "not-listed"])
def test_a_root_that_nothing_shows_is_unread(shown: str, machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a handover debugfs has no out/fdt, so that without its address all that the outgoing root leads to is lost."""
    machine = machines("x86_64-7.3/2-pre", shown)
    machine.flags[0x3FFFF000] = 0
    machine.write_memory()
    code, said = captured(machine, tmp_path / "c", capsys)
    (unread,) = json.loads((tmp_path / "c/capture.json").read_text())["unreadable"]
    assert code == 1 and f"could not read memory.elf: {unread['reason']}" in said
    assert unread["path"] == "memory.elf" and "so where the outgoing root FDT is cannot be seen" in unread["reason"]


def test_a_root_that_only_memory_could_show_is_unread_without_kcore(
    machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, unread in (("x86_64-7.3/2-pre", ["memory.elf"]), (PRE, [])):
        machine = machines(name)
        (machine.root / "proc/kcore").unlink()
        code, _ = captured(machine, tmp_path / name.replace("/", "-"), capsys)
        manifest = json.loads((tmp_path / name.replace("/", "-") / "capture.json").read_text())
        assert code == len(unread) and [one["path"] for one in manifest["unreadable"]] == unread
        shutil.rmtree(machine.root)


def test_a_blob_of_a_subsystem_that_is_not_known_may_be_somebody_elses(
    machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machines("x86_64-7.3/1-post")
    (machine.kho / "in/sub_fdts/vendor").write_bytes(b"someone's secrets, or a vendor's")
    code, said = captured(machine, tmp_path / "c", capsys)
    assert code == 1 and "could not read kho/in/sub_fdts/vendor: no format of this name is known here" in said
    assert not (tmp_path / "c/kho/in/sub_fdts/vendor").exists()


@pytest.mark.parametrize("content", [b"", bytes(8192), None])
def test_a_kcore_that_opens_and_cannot_be_read_is_unread(
    content: bytes | None, machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machines(PRE)
    if content is None:
        machine.write("proc/iomem", b"00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n")
    else:
        machine.write("proc/kcore", content)
    code, said = captured(machine, tmp_path / "c", capsys)
    manifest = json.loads((tmp_path / "c/capture.json").read_text())
    what = "iomem" if content is None else "memory.elf"
    assert code == 1 and f"could not read {what}: " in said
    assert what in {one["path"] for one in manifest["unreadable"]} and what not in {one["path"] for one in manifest["absent"]}
    assert content is None or manifest["memory"]["state"] == "none"


def test_no_word_of_a_capture_is_left_to_be_filled_in(machines: Machines, tmp_path: Path) -> None:
    machine = machines(PRE)
    (machine.root / "sys/kernel/debug").rename(machine.root / "sys/kernel/elsewhere")
    assert main.run(["capture", "-o", str(tmp_path / "c")]) == 1
    said = (tmp_path / "c/capture.json").read_text()
    assert "no /sys/kernel/debug/kho, and /proc does not say whether debugfs is mounted" in said and "{debugfs}" not in said


def test_of_freed_memory_that_others_use_no_byte_of_memory_is_captured(machines: Machines, tmp_path: Path) -> None:
    """LUO's struct of the kernel before (7.2 on) is freed at boot; what is read to see that it is none any more is nobody's business."""
    machine = machines("x86_64-7.3/2-pre")
    with look(machine) as live:
        (luo,) = [one for one in live.state.sides["in"].subtrees if one.name == b"LUO"]
        assert isinstance(luo.phys, int)
    secret = b"tenant's secret!"
    machine.pages[luo.phys // PAGE * PAGE] = secret * (PAGE // 16)
    machine.flags[0x3FFFF000] = 0
    machine.write_memory()
    (machine.kho / "in/sub_fdts/LUO").write_bytes(secret * 2)
    assert main.run(["capture", "-o", str(tmp_path / "c")]) == 0
    assert not [path for path in (tmp_path / "c").rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert f"{luo.phys // PAGE * PAGE:#x} " not in (tmp_path / "c/kpageflags").read_text()
    with look(machine) as live:
        running = live.sources.running
        assert running is not None and not any(extent.start <= luo.phys < extent.start + extent.size for extent in running.used())


def test_the_order_in_which_memory_is_asked_is_held(machines: Machines) -> None:
    machine = machines(PRE)
    machine.name_root(root_page(SAMPLES / PRE))
    machine.write_memory()
    with look(machine) as live:
        done = live.sources.running
        assert done is not None
        late = partial(done.hold_back, frozenset()), partial(done.name_pages, ()), partial(done.begin, ())
        for call in late:
            with pytest.raises(RuntimeError):
                call()
        fresh = KcoreMemory(done.core, flags=done.flags, page_size=PAGE)
        for early in (fresh.differing, fresh.seal):
            with pytest.raises(RuntimeError, match="begun"):
                early()
        beyond = 1 << 40
        assert fresh.available(beyond, 1) == 0 and not list(fresh.refused())
        absence = fresh.absence(beyond)
        assert absence is not None and absence.no_ram


def test_kcore_by_its_own_name_and_a_tree_by_a_link_are_this_machine(machines: Machines, tmp_path: Path) -> None:
    machine = machines(PRE)
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
    machine.flags[tracker_page()] = 1 << bit
    machine.write_memory()
    with look(machine) as live:
        preserved = live.state.sides["out"].preserved
        assert isinstance(preserved, Missing) and word in preserved.reason


def test_a_file_of_debugfs_that_moves_is_no_error(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machines(PRE)
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
    page = root_page(capture(name))
    assert page is not None
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
    (machine.root / "proc/kpageflags").unlink()
    with look(machine) as live:
        assert any("user memory is not told from KHO's" in one.message for one in live.state.findings)


def test_a_root_that_cannot_be_read_is_not_one_that_was_not_found(machines: Machines) -> None:
    name = "x86_64-7.3/2-pre"
    machine = machines(name)
    page = root_page(capture(name))
    assert page is not None
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


def log_read(device: Path, monkeypatch: pytest.MonkeyPatch, answers: Iterator[bytes | OSError]) -> tuple[bytes, list[str]]:
    """What is read of a log whose device answers so, and what is noted of it."""

    def read(number: int, size: int) -> bytes:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    device.touch()
    notes = Notes()
    with monkeypatch.context() as patched:
        patched.setattr("kho_tui.capture.live.tree.os.read", read)
        log = live_tree._kernel_log(device, notes)
    return log, [note.message for note in notes]


def test_a_log_that_wraps_faster_than_it_is_read_comes_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, record = BrokenPipeError(), b"6,1,1000000,-;KHO: found kexec handover data.\n"
    log, notes = log_read(tmp_path / "kmsg", monkeypatch, chain([record], repeat(gone)))
    assert log == b"<6>[    1.000000] KHO: found kexec handover data.\n"
    assert len(notes) == 2 and "not read to its end" in notes[0] and "lines are missing" in notes[1]
    # One that goes on and on is cut as well, and one that was overrun once says so.
    log, notes = log_read(tmp_path / "kmsg", monkeypatch, repeat(b"no record"))
    assert log == b"" and len(notes) == 1 and "only its first" in notes[0]
    log, notes = log_read(tmp_path / "kmsg", monkeypatch, iter([record, gone, record, BlockingIOError()]))
    assert log.count(b"\n") == 2 and len(notes) == 1 and "lines are missing" in notes[0]
    assert log_read(tmp_path / "kmsg", monkeypatch, iter([record, BlockingIOError()]))[1] == []


def test_symbols_are_read_once(machines: Machines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read: list[str] = []
    find = symbols._find

    def counted(*arguments: Any) -> symbols.Symbols:
        read.append("")
        return find(*arguments)

    monkeypatch.setattr(symbols, "_find", counted)
    machine = machines(PRE)
    for _ in range(2):
        with look(machine) as live:
            assert known(live.state.sides["out"].root) is not None
    assert main.run(["capture", "-o", str(tmp_path / "c")]) in (0, 1)
    assert len(read) == 1


def test_symbols_that_were_hidden_are_looked_for_again(machines: Machines) -> None:
    machine = machines(PRE, "hidden")
    asked = (machine.root, "kho_out", "kho_is_enabled")
    assert symbols.find_symbol(*asked) == symbols.find_symbol(*asked) == symbols.Symbols("hidden", None, True)
    machine.name_root(0x1000)
    found = symbols.find_symbol(*asked)
    # The next symbol is kho_in, 48 bytes on; no less is read than may belong to it.
    assert found == symbols.Symbols("yes", symbols.Symbol(TEXT, 256), True)
    # An alias takes no room, and what modules have is listed last, by lower addresses.
    rows = [(TEXT, "d", "kho_out"), (TEXT, "d", "kho_alias"), (TEXT - 5, "t", "of_a_module\t[m]"), (TEXT + 700, "d", "next")]
    (machine.root / "other/proc").mkdir(parents=True)
    (machine.root / "other/proc/kallsyms").write_text("".join(f"{at:016x} {kind} {name}\n" for at, kind, name in rows))
    assert symbols.find_symbol(machine.root / "other", *asked[1:]) == symbols.Symbols("yes", symbols.Symbol(TEXT, 700), False)


def test_of_the_notes_of_kcore_the_page_size_is_a_hint_and_no_more_memory_is_read(machines: Machines) -> None:
    machine = machines(PRE)
    with look(machine) as live:
        assert live.sources.running is not None and not live.sources.running.vmcoreinfo
        used = merged(live.sources.running.used())
    kernel_tables = "".join(f"SYMBOL({name})={TEXT:x}\n" for name in ("kallsyms_names", "kallsyms_num_syms", "_stext", "swapper_pg_dir"))
    machine.vmcoreinfo = f"OSRELEASE=1.2.3\nPAGESIZE=4096\nNUMBER(phys_base)=0\n{kernel_tables}".encode()
    machine.write_memory()
    with look(machine) as live:
        assert "PAGESIZE of the core's VMCOREINFO" in {hint.reason for hint in live.sources.hints}
        assert live.state.machine.release != "1.2.3"
        assert live.sources.running is not None and merged(live.sources.running.used()) == used


def test_what_a_damaged_table_of_kcore_costs_is_said(machines: Machines) -> None:
    machine = machines(PRE)
    with look(machine) as live:
        assert not [note for note in live.sources.notes if note.path == "kcore"]
    core = machine.root / "proc/kcore"
    core.write_bytes(core.read_bytes()[:-PAGE])
    with look(machine) as live:
        (note,) = [note for note in live.sources.notes if note.path == "kcore"]
        assert "ends too early" in note.message


def test_without_memory_kcore_is_not_opened(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = machines(PRE)
    opened: list[str] = []
    really_open = os.open

    def spied(path: Any, *arguments: Any, **more: Any) -> int:
        opened.append(str(path))
        return really_open(path, *arguments, **more)

    monkeypatch.setattr(os, "open", spied)
    assert main.run(["capture", "-o", str(tmp_path / "none"), "--memory", "none"]) == 0
    said = capsys.readouterr().err
    assert "no memory" in said and "could not read" not in said
    assert str(machine.root / "proc/kallsyms") in opened
    assert not {str(machine.root / "proc" / name) for name in ("kcore", "kpageflags")} & set(opened)
    with open_state(tmp_path / "none", Context()) as taken:
        assert known(taken.state.sides["out"].root) is not None
    assert main.run(["capture", "-o", str(tmp_path / "with")]) in (0, 1) and str(machine.root / "proc/kcore") in opened


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("new/c.tar.gz", "new does not exist: make it first"),
        ("new/er/c.tar", "new/er does not exist: make it first"),
        ("file/c.tar.gz", "file is not a directory: name another place"),
        ("file/c", "file is not a directory: name another place"),
        ("file/c/d", "file is not a directory: name another place"),
        ("c.tar.zst", "writing .zst needs the package zstandard"),
    ],
)
def test_where_a_capture_cannot_be_written_is_said_before_anything_is_read(
    output: str, words: str, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machines(PRE)
    (tmp_path / "file").touch()
    monkeypatch.setattr(capture_machine, "look_at_machine", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert main.run(["capture", "-o", str(tmp_path / output)]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "not root" not in one]
    assert str(tmp_path / output) in line or "zst" in output
    assert words in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["c.tar.gz", "c"])
@pytest.mark.parametrize("what", ["an empty directory", "a directory", "a link to one"])
def test_nothing_is_moved_into_a_directory_that_came_meanwhile(
    name: str, what: str, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machines(PRE)
    output = tmp_path / name

    def meanwhile(*arguments: Any, **more: Any) -> None:
        write_capture(*arguments, **more)
        theirs = tmp_path / "theirs" if what == "a link to one" else output
        theirs.mkdir()
        if theirs != output:
            output.symlink_to(theirs)
        if what != "an empty directory":
            (theirs / "precious").touch()

    monkeypatch.setattr(capture_machine, "write_capture", meanwhile)
    assert main.run(["capture", "-o", str(output)]) == 2
    assert "name another one" in capsys.readouterr().err
    assert [one.name for one in output.iterdir()] == ([] if what == "an empty directory" else ["precious"])
    assert not list(tmp_path.glob(".*"))
    # Nor when it comes at the very end.
    (tmp_path / "unfinished").touch()
    with pytest.raises(OSError, match=r"exists|directory"):
        archive_writer._take_name(tmp_path / "unfinished", output)
    assert (tmp_path / "unfinished").exists()


def test_a_blob_takes_no_more_than_its_format_has(machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = machines(PRE)
    with look(machine) as live:
        before = live.sources.running
        assert before is not None
        (luo,) = [one for one in live.state.sides["out"].subtrees if one.name == b"LUO"]
        assert isinstance(luo.phys, int)
    grow_blob(machine, "LUO", luo.phys, 32, 8 << 20)
    page, inside = divmod(luo.phys, PAGE)
    struct = machine.pages[page * PAGE][inside : inside + 32]
    (machine.kho / "out/sub_fdts/LUO").write_bytes(struct + b"\x5a" * (8 << 20))
    with look(machine) as live:
        running = live.sources.running
        assert running is not None and running.pages_read == before.pages_read
        (luo,) = [one for one in live.state.sides["out"].subtrees if one.name == b"LUO"]
        sessions = known(luo.sessions)
        assert sessions is not None and len(sessions.sessions) == 3 and luo.size == 8 << 20
        assert any("only the first 32 bytes of 8388608 were read: its format has no more" in one.message for one in live.state.findings)
        assert "KHO109" not in {one.code for one in live.state.findings if one.where == luo.path}
    assert captured(machine, tmp_path / "c", capsys)[0] == 1
    assert (tmp_path / "c/kho/out/sub_fdts/LUO").stat().st_size == 32
    assert (tmp_path / "c/memory.elf").stat().st_size < 1 << 20


def test_of_a_version_that_is_not_known_nobody_says_how_long_it_is(machines: Machines) -> None:
    machine = machines(PRE)
    with look(machine) as live:
        (luo,) = [subtree for subtree in live.state.sides["out"].subtrees if subtree.name == b"LUO"]
        assert isinstance(luo.phys, int)
    grow_blob(machine, "LUO", luo.phys, 32, 8 << 20)
    page, inside = divmod(luo.phys, PAGE)
    content = bytearray(machine.pages[page * PAGE])
    content[inside : inside + 7] = b"luo-v9\0"
    machine.pages[page * PAGE] = bytes(content)
    machine.write_memory()
    with look(machine) as live:
        said = " ".join(finding.message for finding in live.state.findings)
    assert "its format has no more" not in said and "no more is read of a blob on a running machine" in said


def test_a_blob_whose_size_no_format_declares_is_cut_and_the_rest_is_usable(machines: Machines, tmp_path: Path) -> None:
    machine = machines(PRE)
    (machine.kho / "out/sub_fdts/vendor").write_bytes(b"\x5a" * (8 << 20))
    with look(machine) as live:
        (vendor,) = [one for one in live.state.sides["out"].subtrees if one.name == b"vendor"]
        assert isinstance(vendor.blob, Blob) and len(vendor.blob.data) == 1 << 20
        assert any("longer than 1048576 bytes, cut" in note.message for note in live.sources.notes)
    assert main.run(["capture", "-o", str(tmp_path / "c")]) == 1
    assert (tmp_path / "c/kho/out/sub_fdts/vendor").stat().st_size == 1 << 20


def test_a_running_machine_is_no_capture(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    """What it does not show is said to be so, by rules and by what is decoded."""
    machine = machines(PRE)
    assert main.run(["check", str(machine.kho)]) == 0
    said = capsys.readouterr().out
    assert "KHO049" in said and "contents of a running machine's memory are not looked at" in said and "capture" not in said
    del machine.pages[tracker_page()]
    for name in ("proc/cmdline", "proc/zoneinfo", "proc/iomem", "dev/kmsg"):
        (machine.root / name).unlink()
    machine.write_memory()
    assert main.run(["check", str(machine.kho)]) == 2
    said = capsys.readouterr().out
    assert "shown by this machine" in said and "in this capture" not in said
    assert main.run(["show", str(machine.kho)]) == 0
    assert "in this capture" not in capsys.readouterr().out
