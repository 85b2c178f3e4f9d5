"""Pages of memory that the capture script takes: those that the program reads of the same machine, by the same rules."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import running_machine as fake
from capture.test_capture_script import Runner, cat_that, needs_its_own_cat, script, shell_command, tools, write
from captures import SAMPLES
from comparable import decoded_of
from running_machine import ANON, HWPOISON, LRU, NOPAGE, OFFLINE, PAGE, RunningMachine
from this_machine import BOOT_ID, Machines, grow_blob

from kho_tui.capture.live.machine import look_at_machine
from kho_tui.capture.live.tree import release_of
from kho_tui.capture.machine_names import CONFIGS, FILES, ROWS
from kho_tui.capture.obstacles import values_of
from kho_tui.context import Context
from kho_tui.memory.extents import Extents
from kho_tui.model.facts import Missing, known
from kho_tui.model.json_value import Json
from kho_tui.model.tracker import ChunkList, RadixTree
from kho_tui.operations.open_state import open_state
from kho_tui.views.cli import main

__all__ = ["script", "tools"]

PRE = "x86_64-7.3/1-pre"
SLAB = 1 << 7
STRANGER = b"tenant's secret!"
FIVE_LEVELS = 0xFF11_0000_0000_0000


@pytest.fixture(params=["busybox", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("dash", "bash"))])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """By day that with the fewest tools; what differs between shells shows in test_capture_script.py."""
    return shell_command(request.param)


@pytest.fixture
def run(script: Path, shell: list[str], tools: str, tmp_path: Path) -> Runner:
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    return Runner(script, shell, tools, tmp_path / "root", cwd)


def captured(run: Runner, code: int = 0) -> dict[str, Any]:
    manifest = run.capture(code)
    assert not (run.cwd / "cap/.memory").exists()
    return manifest


def pages_of(extents: Extents | Iterable[Any]) -> set[int]:
    return {
        page * PAGE
        for extent in extents
        for page in range(int(extent.start) // PAGE, (int(extent.start) + int(extent.size) - 1) // PAGE + 1)
    }


def pages_captured(run: Runner) -> set[int]:
    with open_state(run.cwd / "cap", Context()) as opened:
        return set() if opened.sources.memory is None else pages_of(opened.sources.memory.extents())


def tracker_of(machine: RunningMachine) -> int:
    number: int = json.loads((SAMPLES / PRE / "expected.json").read_text())["map"]
    return number


@pytest.mark.parametrize(
    "name", [PRE, "x86_64-7.3/2-pre", "x86_64-7.1/1-pre", "x86_64-7.1/2-pre", "x86_64-6.19/1-pre", "x86_64-6.19/2-pre", "x86_64-6.18/1-pre"]
)
def test_exactly_the_pages_that_the_program_reads_are_taken(name: str, machines: Machines, run: Runner) -> None:
    machine = machines(name)
    manifest = captured(run)
    told = {key: manifest["memory"][key] for key in ("state", "reason", "message", "left_out", "absent")}
    assert told == {"state": "taken", "reason": None, "message": None, "left_out": [], "absent": []}
    with open_state(machine.kho, Context()) as live, open_state(run.cwd / "cap", Context()) as opened:
        assert decoded_of(opened) == decoded_of(live)
        assert live.sources.running is not None and opened.sources.memory is not None
        taken = pages_of(opened.sources.memory.extents())
        assert taken == pages_of(live.sources.running.used())
        assert all(opened.sources.memory.read(page, PAGE) == machine.pages[page] for page in taken)
    flags = dict(line.split() for line in (run.cwd / "cap/kpageflags").read_text().splitlines())
    assert flags == {hex(page): "0x0" for page in taken}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sys/kernel/kexec_loaded": b"1\n", "proc/sys/kernel/kexec_load_disabled": b"0\n", "dev/liveupdate": b""},
        {"sys/kernel/security/lockdown": b"none [integrity] confidentiality\n", "proc/kallsyms": b"0000000000000000 d kho_out\n"},
        {"sys/kernel/security/lsm": b"bpf"},
        {"proc/kcore": None, "dev/kmsg": None, "proc/kallsyms": None},
    ],
)
def test_program_and_script_gather_the_same_facts(change: dict[str, bytes | None], machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    for name, content in change.items():
        if content is None:
            (machine.root / name).unlink()
        else:
            machine.write(name, content)
    run("cap")
    told = json.loads((run.cwd / "cap/capture.json").read_text())["facts"].split()
    assert sorted(told) == sorted(look_at_machine(machine.root).facts)
    assert all(value in values_of(name) for name, _, value in (fact.partition("=") for fact in told))
    with open_state(run.cwd / "cap", Context()) as opened, open_state(machine.kho, Context()) as live:
        assert opened.sources.facts.words == {
            word for word in live.sources.facts.words if not word.startswith(("here=", "user=", "kcore="))
        }


def files_of(capture: Path) -> dict[str, bytes]:
    """What is copied: no log, which commands print and the device holds, and nothing that is made of memory."""
    made = {"capture.json", "dmesg", "memory.elf", "kpageflags", "scratch-flags"}
    files = {str(path.relative_to(capture)): path for path in capture.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in made}


@pytest.mark.parametrize("release", ["7.3", "6.18"])
def test_program_and_script_take_the_same_of_a_machine(release: str, machines: Machines, run: Runner, tmp_path: Path) -> None:
    machine = machines(f"x86_64-{release}/2-pre")
    machine.flags[0x3FFFF000] = 0
    machine.write_memory()
    for row in ROWS:
        if row.name in FILES and not (machine.root / row.path).exists():
            machine.write(row.path, f"{row.name}\n".encode())
    machine.write("proc/filesystems", b"nodev\tdebugfs\n")
    for name in ("proc/buddyinfo", "proc/config.gz", "sys/kernel/kexec_crash_size"):
        (machine.root / name).unlink()
    machine.write("sys/kernel/debug/cma/reserved/count", b"16\n")
    machine.write("sys/bus/pci/devices/0000:00:03.0/vendor", b"0x1af4\n")
    machine.write("sys/firmware/memmap/0/type", b"System RAM\n")
    machine.write(CONFIGS[-1].format(release=release_of(machine.root)), b"CONFIG_KEXEC_HANDOVER=y\n")
    captured(run)
    assert main.run(["capture", "-o", str(tmp_path / "ours")]) == 0
    ours = files_of(tmp_path / "ours")
    assert files_of(run.cwd / "cap") == ours
    copied = {row.name for row in ROWS if any(name.startswith(row.name) for name in ours)}
    assert {"iomem", "cma/", "config", "node/", "pci/", "kexec/kexec_loaded", "firmware-memmap/"} <= copied and "buddyinfo" not in copied


def shape(value: Json) -> Json:
    """The keys of a document; of a list those of its rows."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in sorted(value.items())}
    rows = [shape(part) for part in value] if isinstance(value, list) else []
    assert all(row == rows[0] for row in rows)
    return rows[:1] or None


def paths(manifest: dict[str, Any], key: str) -> set[str]:
    return {entry["path"] for entry in manifest[key]}


@pytest.mark.parametrize("trouble", ["", "poisoned", "hidden", "no memory", "not asked for", "no KHO", "debugfs"])
def test_both_manifests_have_one_shape_and_say_the_same(trouble: str, machines: Machines, run: Runner, tmp_path: Path) -> None:
    machine = machines("x86_64-7.3/2-pre", shown="hidden" if trouble == "hidden" else "yes")
    machine.flags[0x3FFFF000] = 0
    if trouble == "poisoned":
        with open_state(machine.kho, Context()) as opened:
            preserved = known(opened.state.sides["out"].preserved)
            assert preserved is not None and isinstance(preserved.structure, RadixTree)
            machine.flags[int(preserved.structure.addresses[-1][0])] = HWPOISON
    machine.write_memory()
    if trouble == "no memory":
        (machine.root / "proc/kcore").unlink()
    if trouble in ("no KHO", "debugfs"):
        machine.kho.rename(machine.kho.with_name("other"))
        machine.write("proc/filesystems", b"nodev\tdebugfs\n")
        machine.write("proc/mounts", b"" if trouble == "debugfs" else b"debugfs /sys/kernel/debug debugfs rw 0 0\n")
        machine.write("proc/cmdline", b"kho=off\n" if trouble == "no KHO" else b"kho=on\n")
    if trouble == "debugfs":
        (machine.root / "sys/kernel/debug").rename(machine.root / "sys/kernel/elsewhere")
    without = ["--memory", "none"] if trouble == "not asked for" else []
    code = run(*without, "cap").returncode
    assert main.run(["capture", "-o", str(tmp_path / "ours"), *without]) == code
    theirs, ours = (json.loads((folder / "capture.json").read_text()) for folder in (run.cwd / "cap", tmp_path / "ours"))
    lists = ("files", "unreadable", "absent")
    for key in ours.keys() | theirs.keys():
        mine, other = shape(ours[key]), shape(theirs[key])
        assert mine == other or (key in lists and None in (mine, other)), key
    assert {key: ours["memory"][key] for key in ("state", "reason", "message", "left_out")} == {
        key: theirs["memory"][key] for key in ("state", "reason", "message", "left_out")
    }
    assert [one["address"] for one in ours["memory"]["absent"]] == [one["address"] for one in theirs["memory"]["absent"]]
    assert ours["memory"]["pages"] == theirs["memory"]["pages"]
    assert [ours["kho"][key] for key in ("present", "reason")] == [theirs["kho"][key] for key in ("present", "reason")]
    assert sorted(ours["facts"].split()) == sorted(theirs["facts"].split())
    assert paths(ours, "files") - {"scratch-flags", "dmesg"} == paths(theirs, "files") - {"dmesg"}
    assert paths(ours, "absent") == paths(theirs, "absent")
    assert paths(ours, "unreadable") == paths(theirs, "unreadable")
    for folder, manifest in ((tmp_path / "ours", ours), (run.cwd / "cap", theirs)):
        assert all((folder / entry["path"]).stat().st_size == entry["bytes"] for entry in manifest["files"])


@pytest.mark.parametrize("shown", ["slab", "no flag", "no kpageflags"])
def test_small_bitmaps_are_taken_without_what_lies_beside_them(shown: str, machines: Machines, run: Runner, tmp_path: Path) -> None:
    """Those of 6.16 and 6.17 have 512 bytes and share their pages with strangers; whether the kernel calls them slab is all the same."""
    assert main.run(["sim", "run", str(SAMPLES / "scenarios/story-6.17.toml"), "-o", str(tmp_path / "sim")]) in (0, 1)
    capture = tmp_path / "sim/1-pre"
    (capture / "dmesg").touch()
    machine = machines(str(capture))
    with open_state(machine.kho, Context()) as live:
        preserved = known(live.state.sides["out"].preserved)
        assert preserved is not None and isinstance(preserved.structure, ChunkList)
        bitmaps = {int(at) for chunk in preserved.structure.chunks for at in chunk.elements.column("bitmap")}
    if shown == "slab":
        machine.flags.update({at - at % PAGE: SLAB for at in bitmaps})
    # A stranger beside each bitmap, in the same page.
    for at in bitmaps:
        page = bytearray(machine.pages[at - at % PAGE])
        for beside in range(0, PAGE, 512):
            if at - at % PAGE + beside not in bitmaps:
                page[beside : beside + 512] = STRANGER * (512 // len(STRANGER))
        machine.pages[at - at % PAGE] = bytes(page)
    machine.write_memory()
    if shown == "no kpageflags":
        (machine.root / "proc/kpageflags").unlink()
    captured(run)
    assert main.run(["capture", "-o", str(tmp_path / "program")]) in (0, 1)
    for path in (run.cwd / "cap", tmp_path / "program"):
        assert STRANGER not in (path / "memory.elf").read_bytes()
        with open_state(machine.kho, Context()) as live, open_state(path, Context()) as opened:
            assert decoded_of(opened) == decoded_of(live)
            assert opened.sources.memory is not None
            extents = [(int(extent.start), int(extent.size)) for extent in opened.sources.memory.extents()]
            assert all(opened.sources.memory.read(start, 512) == whole(machine, start) for start, size in extents if size >= 512)
        assert bitmaps <= {at for start, size in extents for at in range(start, start + size, 512)}


def whole(machine: RunningMachine, address: int) -> bytes:
    return machine.pages[address - address % PAGE][address % PAGE :][:512]


def test_a_blob_takes_no_more_than_its_format_has(machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    with open_state(machine.kho, Context()) as live:
        (luo,) = [one for one in live.state.sides["out"].subtrees if one.name == b"LUO"]
        assert isinstance(luo.phys, int)
    grow_blob(machine, "LUO", luo.phys, 32, 8 << 20)
    (machine.kho / "out/sub_fdts/vendor").write_bytes(b"\x5a" * (8 << 20))
    (missing,) = captured(run, 1)["unreadable"]
    assert "only the first 1048576 of 8388608 bytes are kept" in missing["reason"]
    assert (run.cwd / "cap/kho/out/sub_fdts/vendor").stat().st_size == 1 << 20
    with open_state(machine.kho, Context()) as live:
        assert live.sources.running is not None
        assert pages_captured(run) == pages_of(live.sources.running.used())
        assert len(pages_captured(run)) == 69


@pytest.mark.parametrize("virtual", [FIVE_LEVELS, fake.DIRECT_MAP])
def test_the_direct_map_may_lie_anywhere(virtual: int, machines: Machines, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "DIRECT_MAP", virtual)
    machines(PRE)
    assert captured(run)["memory"]["state"] == "taken"
    assert len(pages_captured(run)) == 69


@pytest.mark.parametrize(
    ("flag", "word"),
    [(HWPOISON, "hardware-poisoned"), (OFFLINE, "offline"), (NOPAGE, "without a page"), (ANON, "anonymous"), (LRU, "LRU")],
)
def test_pages_that_do_not_count_are_left_out_and_named(flag: int, word: str, machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    tracker = tracker_of(machine)
    machine.flags[tracker] = flag
    machine.write_memory()
    manifest = captured(run, 1)
    (missing,) = manifest["unreadable"]
    assert missing["path"] == "memory.elf" and hex(tracker) in missing["reason"] and word in missing["reason"]
    assert manifest["memory"]["state"] == "partial"
    assert tracker not in pages_captured(run)
    with open_state(machine.kho, Context()) as live, open_state(run.cwd / "cap", Context()) as opened:
        assert isinstance(live.state.sides["out"].preserved, Missing) and isinstance(opened.state.sides["out"].preserved, Missing)


def test_a_page_of_zeros_counts_only_with_its_flags(machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    tracker = tracker_of(machine)
    machine.pages[tracker] = bytes(PAGE)
    machine.write_memory()
    captured(run)
    assert tracker in pages_captured(run)
    (machine.root / "proc/kpageflags").unlink()
    for path in run.cwd.iterdir():
        path.rename(path.with_name("before"))
    (missing,) = captured(run, 1)["unreadable"]
    assert hex(tracker) in missing["reason"] and "without /proc/kpageflags" in missing["reason"]
    assert tracker not in pages_captured(run) and not (run.cwd / "cap/kpageflags").exists()


@pytest.mark.parametrize(
    ("shown", "code"), [("hidden", "symbols-hidden"), ("not-listed", "symbols-not-listed"), ("unreadable", "no-symbols")]
)
def test_without_symbols_debugfs_tells_where_to_begin(shown: str, code: str, machines: Machines, run: Runner) -> None:
    machine = machines(PRE, shown)
    if shown == "unreadable":
        (machine.root / "proc/kallsyms").unlink()
    memory = captured(run)["memory"]
    assert (memory["state"], memory["reason"]) == ("partial", code)
    with open_state(machine.kho, Context()) as live, open_state(run.cwd / "cap", Context()) as opened:
        there, here = live.state.sides["out"].preserved, opened.state.sides["out"].preserved
        assert not isinstance(there, Missing) and not isinstance(here, Missing) and here.runs.blocks == there.runs.blocks == 2056


def test_nothing_stale_is_followed_after_a_handover(machines: Machines, run: Runner) -> None:
    machine = machines("x86_64-7.3/1-post")
    captured(run, 1)
    with open_state(machine.kho, Context()) as live, open_state(run.cwd / "cap", Context()) as opened:
        assert decoded_of(opened)["sides"]["in"] == decoded_of(live)["sides"]["in"]
        running = live.sources.running
        assert running is not None
        # The program looks whether the tracker that was handed in still keeps its root; what it says is stale.
        assert pages_captured(run) < pages_of(running.used())


def test_memory_that_is_refused_is_said(machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    machine.write("sys/kernel/security/lockdown", b"none integrity [confidentiality]\n")
    (machine.root / "proc/kcore").unlink()
    (machine.root / "proc/kcore").symlink_to("self/mem-of-nobody")
    ended = run("cap")
    manifest = json.loads((run.cwd / "cap/capture.json").read_bytes())
    assert manifest["memory"]["state"] == "none" and "kcore" in manifest["memory"]["message"]
    assert ended.returncode == 0 and not (run.cwd / "cap/memory.elf").exists()


def test_a_kcore_that_is_no_core_gives_no_memory(machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    machine.write("proc/kcore", b"\x7fELF" + bytes(100))
    manifest = captured(run, 1)
    assert manifest["memory"]["state"] == "none" and "ELF core" in manifest["memory"]["message"]


def test_of_a_struct_no_more_is_copied_than_its_format_has(machines: Machines, run: Runner, tmp_path: Path) -> None:
    """By program and script: what debugfs shows behind it is a stranger's."""
    machine = machines(PRE)
    machine.flags[0x3FFFF000] = 0
    machine.write_memory()
    for name, more in (("LUO", 64 << 10), ("kexec-metadata", 128 << 10)):
        blob = machine.kho / "out/sub_fdts" / name
        blob.write_bytes(blob.read_bytes() + STRANGER * (more // len(STRANGER)))
    manifest = captured(run, 1)
    assert main.run(["capture", "-o", str(tmp_path / "ours")]) == 1
    theirs = json.loads((tmp_path / "ours/capture.json").read_text())
    for capture in (run.cwd / "cap", tmp_path / "ours"):
        sizes = [(capture / "kho/out/sub_fdts" / name).stat().st_size for name in ("LUO", "kexec-metadata")]
        assert sizes == [32, 73]
        assert not any(STRANGER in path.read_bytes() for path in capture.rglob("*") if path.is_file())
    reasons = [sorted(one["reason"] for one in told["unreadable"] if "sub_fdts" in one["path"]) for told in (manifest, theirs)]
    assert reasons[0] == reasons[1] and len(reasons[0]) == 2


@pytest.mark.parametrize(("release", "name"), [("7.1", "LUO"), ("7.1", "kho_test"), ("7.3", "kho_test")])
def test_what_stays_after_a_boot_is_damaged_and_not_reused(release: str, name: str, machines: Machines, run: Runner) -> None:
    """Of subtrees only LUO's struct of 7.2 on is freed at boot."""
    machine = machines(f"x86_64-{release}/1-post")
    blob = machine.kho / "in/sub_fdts" / name
    damaged = b"\xd1" + blob.read_bytes()[1:]
    blob.write_bytes(damaged)
    run("cap")
    assert main.run(["capture", "-o", str(run.cwd / "program")]) in (0, 1)
    for folder in ("cap", "program"):
        assert (run.cwd / folder / "kho/in/sub_fdts" / name).read_bytes() == damaged


def test_a_name_that_awk_would_change_is_refused(machines: Machines, run: Runner) -> None:
    machines(PRE)
    ended = run("a\\nb")
    assert ended.returncode == 2 and "has a backslash: name another place" in ended.stderr and list(run.cwd.iterdir()) == []


@pytest.mark.parametrize("without", ["missing", "refused"])
def test_page_flags_that_are_not_there_are_named_by_both(without: str, machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    (machine.root / "proc/kpageflags").unlink()
    if without == "refused":
        (machine.root / "proc/kpageflags").mkdir()
    theirs = captured(run, 0 if without == "missing" else 1)
    main.run(["capture", "-o", str(run.cwd / "program")])
    ours = json.loads((run.cwd / "program/capture.json").read_bytes())
    for manifest in (theirs, ours):
        assert "kpageflags" in {one["path"] for one in manifest["absent" if without == "missing" else "unreadable"]}


def test_what_nobody_knows_of_the_incoming_side_is_left_out_by_both(machines: Machines, run: Runner) -> None:
    machine = machines("x86_64-7.3/1-post")
    for name in ("LUO", "vendor"):
        (machine.kho / "in/sub_fdts" / name).write_bytes(STRANGER * 2)
    (machine.kho / "in/sub_fdts/device").write_bytes((machine.kho / "in/fdt").read_bytes())
    theirs = captured(run, 1)
    assert main.run(["capture", "-o", str(run.cwd / "program")]) == 1
    ours = json.loads((run.cwd / "program/capture.json").read_bytes())
    unread = [[one for one in manifest["unreadable"] if one["path"].startswith("kho/")] for manifest in (theirs, ours)]
    assert unread[0] == unread[1] and [one["path"] for one in unread[0]] == ["kho/in/sub_fdts/vendor"]
    for manifest in (theirs, ours):
        assert "kho/in/sub_fdts/LUO" in {one["path"] for one in manifest["absent"]}
    for name in ("cap", "program"):
        assert (run.cwd / name / "kho/in/sub_fdts/device").exists()
        assert not any(STRANGER in path.read_bytes() for path in (run.cwd / name).rglob("*") if path.is_file())


def with_other_lines(run: Runner, other: Callable[[str], str]) -> None:
    """Run another script: what ``other`` makes of each line."""
    lines = Path(run.command[-1]).read_text().splitlines(keepends=True)
    run.command[-1] = str(run.cwd.parent / "other.sh")
    Path(run.command[-1]).write_text("".join(map(other, lines)))


@pytest.mark.parametrize("what", ["map", "kexec-metadata", "bitmap"])
def test_what_changes_between_two_readings_is_left_out(what: str, machines: Machines, run: Runner) -> None:
    """The bytes beside it are the same in both, and stay."""
    name = PRE if what != "bitmap" else "x86_64-6.18/1-pre"
    machine = machines(name)
    with open_state(machine.kho, Context()) as live:
        side = live.state.sides["out"]
        if what == "kexec-metadata":
            address = known(side.named(what.encode()).phys)  # type: ignore[union-attr]
        else:
            assert not isinstance(side.preserved, Missing)
            address = json.loads((SAMPLES / name / "expected.json").read_text())["map"]
        assert isinstance(address, int)
    kcore = machine.root / "proc/kcore"
    at = kcore.read_bytes().index(machine.pages[address // PAGE * PAGE]) + address % PAGE
    change = f"printf xyz | dd of={kcore} bs=1 seek={at + 8} conv=notrunc 2>/dev/null\n"
    with_other_lines(run, lambda line: change + line if line.strip().endswith("|| read_again") else line)
    manifest = captured(run, 1)
    (absent,) = [one for one in manifest["memory"]["absent"] if one["moving"]]
    assert absent == {"address": f"{address:#x}", "reason": "it changed between two readings", "moving": True}
    assert manifest["memory"]["state"] == "partial"
    with open_state(run.cwd / "cap", Context()) as opened:
        memory = opened.memory
        assert memory is not None and memory.available(address, 16) == 0
        absence = memory.absence(address)
        assert absence is not None and absence.moving
        for extent in memory.stored():
            there, whole = memory.read(extent.start, extent.size), b"".join(machine.pages[page] for page in sorted(machine.pages))
            assert there in whole


def test_a_root_that_only_memory_could_show_is_unread_without_kcore(machines: Machines, run: Runner) -> None:
    machine = machines("x86_64-7.3/2-pre")
    (machine.root / "proc/kcore").unlink()
    assert [one["path"] for one in captured(run, 1)["unreadable"]] == ["memory.elf"]


@pytest.mark.parametrize("limit", ["memory_pages=10", "memory_seconds=0"])
def test_what_its_limits_leave_out_is_unread(limit: str, machines: Machines, run: Runner) -> None:
    machines(PRE)
    name = limit.partition("=")[0]
    with_other_lines(run, lambda line: f"{limit}\n" if line.startswith(f"{name}=") else line)
    manifest = captured(run, 1)
    assert manifest["memory"]["state"] == "partial" and manifest["memory"]["left_out"]
    assert {one["path"] for one in manifest["unreadable"]} == {"memory.elf"}
    assert all(f"left out: {what}" in {one["reason"] for one in manifest["unreadable"]} for what in manifest["memory"]["left_out"])


@pytest.mark.parametrize("words", [["--memory", "none"], ["--memory=none"]])
def test_memory_may_be_left_out(words: list[str], machines: Machines, run: Runner) -> None:
    machines(PRE)
    assert run(*words, "cap").returncode == 0
    manifest = json.loads((run.cwd / "cap/capture.json").read_bytes())
    assert manifest["memory"]["state"] == "off" and not (run.cwd / "cap/memory.elf").exists()
    assert run("--memory", "all").returncode == 2


@pytest.mark.parametrize("name", ["mine.tar.gz", "a 'b'.tar", "-x.tar.gz", "sub/mine.tgz", "kernel=7.3.tar", "sub/a=b.tar"])
def test_one_file_is_whole_and_its_owners_alone(name: str, machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    (run.cwd / "sub").mkdir()
    ended = run("-o", name)
    assert ended.returncode == 0, ended.stderr
    assert [path for path in run.cwd.rglob("*") if path != run.cwd / "sub"] == [run.cwd / name]
    assert stat.S_IMODE((run.cwd / name).stat().st_mode) == 0o600
    with open_state(machine.kho, Context()) as live, open_state(run.cwd / name, Context()) as opened:
        assert decoded_of(opened) == decoded_of(live)
    with tarfile.open(run.cwd / name) as archive:
        assert not [member.name for member in archive if member.name.startswith("/")]
    again = run("-o", name)
    assert again.returncode == 2 and "exists already: nothing done" in again.stderr


def test_no_file_is_moved_into_a_directory_that_came_meanwhile(machines: Machines, run: Runner, tools: str) -> None:
    machines(PRE)
    mv = Path(tools.split(":")[0]) / "mv"
    real, mkdir = (shutil.which(name) for name in ("mv", "mkdir"))
    mv.unlink(missing_ok=True)
    mv.write_text(f'#!/bin/sh\ncase $* in *mine.tar*) {mkdir} mine.tar.gz ;; esac\nexec {real} "$@"\n')
    mv.chmod(0o755)
    ended = run("-o", "mine.tar.gz")
    if ended.returncode == 0:
        pytest.skip("this shell does not look for mv in PATH")
    assert "it exists by now" in ended.stderr and "the capture is whole in the directory" in ended.stderr
    assert list((run.cwd / "mine.tar.gz").iterdir()) == [] and (run.cwd / "mine/memory.elf").exists()
    assert {path.name for path in run.cwd.iterdir()} == {"mine", "mine.tar.gz"}


@pytest.mark.parametrize("words", [["-o"], ["-o", "x.zip"], ["-o", "a.tar", "b"], ["-o", ".tar.gz"]])
def test_a_file_that_cannot_be_is_refused(words: list[str], machines: Machines, run: Runner) -> None:
    machines(PRE)
    ended = run(*words)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1) and list(run.cwd.iterdir()) == []


@pytest.mark.parametrize("one_file", [False, True])
def test_an_interrupted_capture_is_taken_up_again(one_file: bool, machines: Machines, run: Runner, tools: str) -> None:
    machine = machines(PRE)
    cat_that(tools, f"case $2 in x) echo ours >&2; exit 1 ;; */buddyinfo) [ -e {machine.root}/again ] || kill -INT 0 ;; esac")
    needs_its_own_cat(run, tools)
    words = ["-o", "cap.tar"] if one_file else ["cap"]
    assert run(*words).returncode == 130
    assert not (run.cwd / "cap.tar").exists() and not (run.cwd / "cap/.memory").exists()
    write(machine.root / "again", "")
    for changed in ("proc/zoneinfo", "proc/meminfo"):
        write(machine.root / changed, "later\n")
    (machine.kho / "out/sub_fdts/kho_test").unlink()
    ended = run(*words)
    assert ended.returncode == 0 and "again capturing" in ended.stderr, ended.stderr
    if one_file:
        subprocess.run(["tar", "xf", "cap.tar"], cwd=run.cwd, check=True)
    manifest = json.loads((run.cwd / "cap/capture.json").read_bytes())
    assert manifest["complete"] is True and manifest["memory"]["state"] == "taken"
    named = {entry["path"] for entry in manifest["files"]}
    there = {str(path.relative_to(run.cwd / "cap")) for path in (run.cwd / "cap").rglob("*") if path.is_file()}
    assert named == there - {"capture.json"}
    assert "kho/out/sub_fdts/kho_test" not in named
    assert (run.cwd / "cap/meminfo").read_text() == "later\n" != (run.cwd / "cap/zoneinfo").read_text()
    write(run.cwd / "cap/mine", "")
    assert run("cap").returncode == 2


def test_an_interrupted_capture_of_another_boot_is_left_alone(machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    captured(run)
    path = run.cwd / "cap/capture.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))
    machine.write("proc/sys/kernel/random/boot_id", b"another\n")
    assert run("cap").returncode == 2
    machine.write("proc/sys/kernel/random/boot_id", f"{BOOT_ID}\n".encode())
    assert run("cap").returncode == 0


def test_what_identifies_devices_is_captured(machines: Machines, run: Runner) -> None:
    machine = machines(PRE)
    for part, text in {
        "vendor": "0x8086",
        "device": "0x29c0",
        "class": "0x060000",
        "resource": "x",
        "subsystem_vendor": "no number",
    }.items():
        machine.write(f"sys/devices/pci0000:00/0000:00:00.0/{part}", f"{text}\n".encode())
    (machine.root / "sys/bus/pci/devices").mkdir(parents=True)
    (machine.root / "sys/bus/pci/devices/0000:00:00.0").symlink_to("../../../devices/pci0000:00/0000:00:00.0")
    manifest = captured(run)
    folder = run.cwd / "cap/pci/0000:00:00.0"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"vendor": "0x8086\n", "device": "0x29c0\n", "class": "0x060000\n"}
    assert {"path": "pci/0000:00:00.0/vendor", "source": "/sys/bus/pci/devices/0000:00:00.0/vendor", "bytes": 7} in manifest["files"]


def test_the_first_words_are_that_it_is_sensitive(machines: Machines, run: Runner) -> None:
    machines(PRE)
    said = run("cap").stderr.splitlines()
    assert "sensitive" in said[0] and "kernel log" in said[0] and "look at it with  kho-tui" in said[-1]
