"""A kernel that took a handover: table, regions, counters (kernel/liveupdate/kexec_handover.c, mm/memblock.c)."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import pytest

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.model.state import ScratchArea
from kho_tui.simulator.contents import Counting, FileContents
from kho_tui.simulator.incoming import Incoming
from kho_tui.simulator.kernel import Config, Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.steps import Step, Userspace
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.subsystems.kexec_metadata.simulate import Counted
from kho_tui.subsystems.kho_test.simulate import KhoTestModule, Restored
from kho_tui.subsystems.luo.orchestrator import Arrived, IncomingFile, IncomingSession
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.luo.steps import Finish, PreserveAgain, Retrieve
from kho_tui.subsystems.memblock.plain import Region
from kho_tui.subsystems.memfd.open_memfd import memfd_create
from kho_tui.subsystems.registry import builtin

from .playing import GIB, MIB, RELEASE, kernel, luo_of, machine, regions_of

LINE = "kho=on liveupdate=on kho_scratch=512M,512M,512M"
TABLE = (ScratchArea("lowmem", None, GIB, 64 * MIB), ScratchArea("global", None, 5 * GIB, 64 * MIB))


def second(
    line: str = LINE,
    more: Mapping[bytes, object] = {},
    sessions: tuple[IncomingSession, ...] = (),
    reserved: tuple[tuple[int, int], ...] = ((4 * GIB, MIB),),
) -> Kernel:
    arrived = {KEXEC_METADATA_NAME: Counted(2, "7.3.0"), LUO_NAME: Arrived(number=4, sessions=sessions), **more}
    incoming = Incoming(scratch=TABLE, reserved=reserved, arrived=arrived)
    config = Config(built={KHO_TEST_NAME: KhoTestModule()})
    return Kernel(builtin(), machine(), RELEASE["7.3"], line, config=config, incoming=incoming)


def test_the_table_is_taken_over_whatever_kho_scratch_says() -> None:
    assert second().scratch == TABLE
    assert second("kho=off").scratch == TABLE
    assert second("kho=off").kho is None


def test_counters_go_on() -> None:
    done = second().handover()
    assert done is not None
    metadata, luo = done.by_name()[b"kexec-metadata"].content, done.by_name()[b"LUO"].content
    assert isinstance(metadata, PlainMetadata) and metadata.kexec_count == 3
    assert isinstance(luo, PlainLuo) and luo.number == 5


def test_the_test_module_makes_nothing_new_where_something_came() -> None:
    first, again = second().handover(), second(more={KHO_TEST_NAME: Restored(whole=True)}).handover()
    assert first is not None and again is not None
    assert b"kho_test" in first.by_name() and b"kho_test" not in again.by_name()


@pytest.mark.parametrize(
    ("asked", "start"),
    [("1M:4096:log", 3 << 29), ("2M:4096:log", None), ("1M:1G:log", None), ("1M:4096:other", None)],
)
def test_a_region_is_revived_only_in_the_same_size_and_alignment(asked: str, start: int | None) -> None:
    one = second(f"{LINE} reserve_mem={asked}", {MEMBLOCK_NAME: (Region(b"log", 3 << 29, MIB),)}, reserved=((3 << 29, MIB),))
    (region,) = regions_of(one)
    if start is not None:
        assert region.start == start
    else:
        assert any(area.start <= region.start < area.start + area.size for area in TABLE)
        # Memory inside scratch cannot be preserved, so nothing of memblock is.
        assert any(line.startswith("memblock: kho_preserve_pages: -EINVAL") for line in one.log)
        done, without = one.handover(), second().handover()
        assert done is not None and without is not None
        assert b"memblock" not in done.by_name() and done.runs.by_order == without.runs.by_order


def test_a_file_that_came_is_preserved_again_on_the_same_pages() -> None:
    first = kernel("7.3")
    file = memfd_create(first, "file", FileContents(Counting(1), 3 * MIB), order=4)
    blocks = tuple((int(at), 4096 << int(order)) for at, order in zip(file.addresses, file.orders, strict=True))
    session = IncomingSession(b"vm", (IncomingFile(token=1, file=file), IncomingFile(token=2, file=None)))
    one = second(reserved=blocks, sessions=(session,))
    user = Userspace(one)
    assert luo_of(one).running
    with pytest.raises(KernelError) as broken:
        luo_of(user.kernel).retrieve_file(session, 2)
    assert broken.value.errno == errno.EIO
    session.files = session.files[:1]
    luo_of(one).create_session(b"vm2")
    user.perform([Step(Retrieve(b"vm")), Step(PreserveAgain(b"vm2", 7, b"vm", 1)), Step(Finish(b"vm"))])
    user.perform([Step(Finish(b"vm"), expect=errno.EINVAL), Step(Retrieve(b"vm"), expect=errno.ENOENT)])
    one.kexec_file_load()
    done = one.reboot()
    assert done is not None
    assert all(done.runs.covers(start, size.bit_length() - 13) for start, size in blocks)
