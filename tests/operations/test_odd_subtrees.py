"""Names without an end, sizes and versions that nobody writes: what the reader in the kernel makes of them, not what they look like."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from captures import sample
from operations.test_sources_that_disagree import copy_of, edit_memory, patch

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.context import Context
from kho_tui.layout.place import Blob
from kho_tui.model.state import Root
from kho_tui.operations.check_state import check_state
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.kexec_capture import jump_of, next_kernel
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.simulator.kexec import kexec

NEW = "x86_64-7.3/2-pre"
TIB = 1 << 40


def reception(opened: Opened) -> Reception:
    machine = opened.state.machine
    target = read_target(TargetRequest(str(machine.release), (machine.cmdline or b"").decode()), Context())
    return check_target(opened, target).reception


def broken(opened: Opened) -> set[str]:
    return {one.code for one in check_state(opened, Context()).report.of(Answer.BROKEN)}


@contextmanager
def with_size(subtree: bytes, size: int, folder: Path) -> Iterator[Opened]:
    """The capture with another blob-size in its root FDT in memory."""
    capture = copy_of(NEW, folder)
    with open_state(capture, Context()) as opened:
        root = opened.state.sides["out"].root
        assert isinstance(root, Root) and isinstance(root.phys, int) and root.view.tree.root is not None
        node = root.view.tree.root.child(subtree)
        found = None if node is None else node.property(b"blob-size")
        assert found is not None
        at = root.phys + root.view.blob.data.index(found.data, found.offset)
    edit_memory(capture, patch(at, struct.pack("<Q", size)))
    with open_state(capture, Context()) as opened:
        yield opened


@pytest.mark.parametrize("capture", [NEW, "x86_64-6.19/1-pre"])
def test_a_session_name_without_an_end_is_cut_for_all_who_ask(capture: str, tmp_path: Path) -> None:
    """luo_session_alloc copies with strscpy: the session is made, and nobody finds it by the name that it had."""
    fault_capture(sample(capture), "session-name-endless", tmp_path / "broken", Context())
    with open_state(tmp_path / "broken", Context()) as opened:
        got = reception(opened)
        codes = broken(opened)
        done = kexec(jump_of(opened), next_kernel(opened, None, None, 0), Context())
    assert "KHO042" in codes
    outcome, why = got.consumers[b"LUO"]
    assert outcome is Outcome.PART and "has no NUL" in why
    assert done.running is not None and done.running.arrival is not None and done.running.arrival.received is not None
    arrived = done.running.kernel.producers[b"LUO"].arrived
    sessions = arrived.sessions if arrived is not None else ()
    assert sessions and all(len(one.name) <= 63 for one in sessions)


@pytest.mark.parametrize(("size", "taken"), [(0, False), (3, False), (72, False), (73, True), (4096, True)])
def test_metadata_shorter_than_its_struct_is_ignored(size: int, taken: bool, tmp_path: Path) -> None:
    """include/linux/kho/abi/kexec_metadata.h, 7.1+: the reader refuses fewer than 73 bytes."""
    with with_size(b"kexec-metadata", size, tmp_path) as opened:
        got = reception(opened).consumers[b"kexec-metadata"]
    assert got[0] is (Outcome.TAKEN if taken else Outcome.IGNORED)
    assert taken or str(size) in got[1]


@pytest.mark.parametrize("size", [TIB, 2**63, 2**64 - 1])
def test_luo_takes_a_size_that_cannot_be_and_the_check_does_not(size: int, tmp_path: Path) -> None:
    """Its reader wants at least 32 bytes and looks at no more; everything behind them is still judged."""
    with with_size(b"LUO", size, tmp_path) as opened:
        got = reception(opened)
        assert broken(opened) & {"KHO011", "KHO106"}
    assert got.consumers[b"LUO"][0] is Outcome.TAKEN and not got.unknown


@pytest.mark.parametrize("size", [0, 31])
def test_luo_panics_on_a_size_below_its_struct(size: int, tmp_path: Path) -> None:
    with with_size(b"LUO", size, tmp_path) as opened:
        got = reception(opened)
    assert got.outcome is Outcome.PANIC and got.deciding is not None and got.deciding.check.name == "luo-size"


@pytest.mark.parametrize(("name", "version"), [(b"memblock", b"memblock-v1"), (b"kho_test", b"kho-test-v1")])
def test_a_subtree_of_another_version_is_not_read(name: bytes, version: bytes, tmp_path: Path) -> None:
    capture = copy_of("x86_64-6.19/1-pre", tmp_path)
    with open_state(capture, Context()) as opened:
        subtree = next(one for one in opened.state.sides["out"].subtrees if one.name == name)
        assert isinstance(subtree.phys, int) and isinstance(subtree.blob, Blob)
        at = subtree.phys + subtree.blob.data.index(version)
    edit_memory(capture, patch(at, version[:-1] + b"9"))
    # memblock's FDT does not change within a boot: with another copy in debugfs memory would be taken for that of another boot.
    (capture / "kho/out/sub_fdts" / name.decode()).unlink()
    with open_state(capture, Context()) as opened:
        got = reception(opened)
    outcome, why = got.consumers[name]
    assert outcome is Outcome.IGNORED and "v9" in why
    assert got.outcome is Outcome.PART
