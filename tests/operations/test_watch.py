"""A path that is looked at again and again, and a state that changes while it is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from captures import sample

from kho_tui.context import Context
from kho_tui.decode.state import decode_state
from kho_tui.operations.open_state import open_state
from kho_tui.operations.watch import Watch

SAMPLE = sample("x86_64-7.3/1-pre")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture that may be written to."""
    copy = tmp_path / "capture"
    copy.mkdir()
    for file in SAMPLE.rglob("*"):
        if file.is_file():
            to = copy / file.relative_to(SAMPLE)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
    return copy


def asked(watch: Watch, times: int = 3) -> list[bool]:
    return [watch.changed() for _ in range(times)]


def test_nothing_changes() -> None:
    assert asked(Watch(SAMPLE)) == [False, False, False]
    assert asked(Watch(SAMPLE / "memory.elf")) == [False, False, False]


@pytest.mark.parametrize("name", ["kho/out/fdt", "dmesg", "memory.elf"])
def test_a_written_file_is_one_change(capture: Path, name: str) -> None:
    watch = Watch(capture)
    watch.changed()
    with (capture / name).open("ab") as file:
        file.write(b"more")
    assert asked(watch) == [True, False, False]


def test_a_small_file_is_told_by_its_contents_not_by_its_time(capture: Path) -> None:
    blob = capture / "kho/out/fdt"
    before, data = blob.stat(), blob.read_bytes()
    watches = Watch(capture), Watch(blob)
    for watch in watches:
        watch.changed()
    blob.write_bytes(bytes(reversed(data)))
    os.utime(blob, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [watch.changed() for watch in watches] == [True, True]
    os.utime(blob)
    assert [watch.changed() for watch in watches] == [False, False]


@pytest.mark.skipif(not Path("/proc/uptime").exists(), reason="no /proc")
def test_a_file_of_size_zero_is_read() -> None:
    # As files of debugfs: size 0 by stat, and no time that would tell.
    watch = Watch("/proc/self/stat")
    watch.changed()
    grown = bytearray(64 << 20)
    assert watch.changed()
    del grown


def test_files_that_come_and_go(capture: Path) -> None:
    watch = Watch(capture)
    watch.changed()
    (capture / "new").write_text("1")
    assert asked(watch, 2) == [True, False]
    (capture / "new").unlink()
    assert asked(watch, 2) == [True, False]


def test_a_path_that_vanishes_and_comes_back(capture: Path) -> None:
    watch = Watch(capture)
    watch.changed()
    away = capture.with_name("away")
    capture.rename(away)
    assert asked(watch) == [True, False, False]
    away.rename(capture)
    assert asked(watch) == [True, False, False]


@pytest.mark.parametrize("path", ["/nowhere/at/all", "a\0b", ""])
def test_a_path_that_never_was(path: str) -> None:
    assert asked(Watch(path)) == [False, False, False]


def reading_while(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Decoding with ``change`` in the middle."""

    def decode_and_change(*arguments: object) -> object:
        state = decode_state(*arguments)  # type: ignore[arg-type]
        change()
        return state

    monkeypatch.setattr("kho_tui.operations.open_state.decode_state", decode_and_change)


def test_a_state_that_changes_while_it_is_read_says_so(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading_while(monkeypatch, lambda: (capture / "kho/out/fdt").write_bytes(b"other"))
    with open_state(capture, Context()) as opened:
        assert opened.changed.startswith("changed while being read: kho/out/fdt;")
        assert [f.message for f in opened.state.findings if f.code == "KHO124"] == [opened.changed]


def test_a_tree_alone_calls_its_files_as_a_capture_does(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading_while(monkeypatch, lambda: (capture / "kho/out/fdt").write_bytes(b"other"))
    with open_state(capture / "kho", Context()) as opened:
        assert opened.changed.startswith("changed while being read: kho/out/fdt;")


def test_a_single_file_that_changes_while_it_is_read(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (capture / "memory.elf").open("ab", buffering=0) as core:
        reading_while(monkeypatch, lambda: core.write(b"more"))
        with open_state(capture / "memory.elf", Context()) as opened:
            assert opened.changed.startswith("changed while being read: memory.elf;")


def test_a_file_beside_the_state_is_no_part_of_it(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading_while(monkeypatch, lambda: (capture / "my-notes.log").write_bytes(b"other"))
    with open_state(capture, Context()) as opened:
        assert not opened.changed
        assert not [f for f in opened.state.findings if f.code == "KHO124"]
