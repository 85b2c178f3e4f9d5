"""What is carried through a kexec, and what is lost (kernel/liveupdate/kexec_handover.c, luo_session.c, mm/memblock.c)."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, METADATA_WRITTEN
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.model.handover import Handover
from kho_tui.operations.kexec_capture import kexec_capture, write_running
from kho_tui.simulator.contents import crc32
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kexec import Kexec
from kho_tui.simulator.running import Running
from kho_tui.simulator.steps import Step, Userspace
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.luo.steps import CreateSession, Finish, PreserveAgain, Retrieve
from kho_tui.subsystems.memblock.plain import PlainMemblock
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.subsystems.memfd.steps import PreserveMemfd

from .jumping import LINE, kexeced, story
from .playing import free_bytes, luo_of, memfd_of, regions_of

PlainTest.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test
MIB = 1 << 20


def successor(done: Kexec) -> Kernel:
    assert done.running is not None
    return done.running.kernel


def handover(kernel: Kernel) -> Handover:
    found = kernel.handover()
    assert found is not None
    return found


@pytest.mark.parametrize("release", ["6.19", "7.1", "7.3"])
def test_a_guest_lives_through_three_kexecs(release: str, tmp_path: Path) -> None:
    user = story(release)
    file = memfd_of(user, b"vm", 1)
    before, addresses = crc32(file.contents, file.size), file.addresses
    for number in range(1, 4):
        done = kexeced(user, tmp_path / str(number))
        assert done.reception.outcome is Outcome.TAKEN
        user = Userspace(successor(done), 3)
        name = b"vm" if number == 1 else b"vm%d" % (number - 1)
        new = b"vm%d" % number
        user.perform([Step(Retrieve(name)), Step(CreateSession(new)), Step(PreserveAgain(new, 1, name, 1)), Step(Finish(name))])
        file = memfd_of(user, new, 1)
        assert (file.size, file.pos, crc32(file.contents, file.size)) == (2 * MIB, 7, before)
        assert (file.addresses == addresses).all()
        kernel = user.kernel
        luo = handover(kernel).by_name()[b"LUO"].content
        assert isinstance(luo, PlainLuo) and luo.number == number + 1
        assert kernel.scratch == story(release).kernel.scratch
        if METADATA_WRITTEN.covers(kernel.release.version):
            metadata = handover(kernel).by_name()[b"kexec-metadata"].content
            assert isinstance(metadata, PlainMetadata) and metadata.kexec_count == number + 1


def test_seals_and_position_come_back_as_the_format_keeps_them(tmp_path: Path) -> None:
    for release, seals in (("6.19", 1), ("7.3", 3)):  # memfd-v1 drops them: F_SEAL_SEAL, as on a file that allows none
        user = Userspace(successor(kexeced(story(release), tmp_path / release)))
        user.perform([Step(Retrieve(b"vm"))])
        assert memfd_of(user, b"vm", 2).seals == seals


def test_what_was_not_preserved_is_written_over(tmp_path: Path) -> None:
    user = story("7.3")
    file = memfd_of(user, b"vm", 1)
    kho = user.kernel.need_kho("test")
    lost, kept = int(file.addresses[5]), int(file.addresses[6])
    kho.kho_unpreserve_folio(lost, 0)
    seen: dict[int, bytes] = {}
    was = {at: user.kernel.memory.page(at) for at in (lost, kept)}

    def look(done: Kexec) -> None:
        assert done.running is not None
        memory = done.running.memory(0)
        seen.update({at: memory.read(at, 4096) for at in (lost, kept)})

    done = kexeced(user, tmp_path / "pre", look=look)
    assert seen[kept] == was[kept] and seen[lost] != was[lost]
    assert successor(done).memory.page(lost) is None and successor(done).memory.page(kept) == was[kept]


def test_finishing_gives_memory_back(tmp_path: Path) -> None:
    for release in ("6.19", "7.3"):
        user = Userspace(successor(kexeced(story(release), tmp_path / release)))
        kernel = user.kernel
        free = free_bytes(kernel)
        user.perform([Step(Retrieve(b"vm"))])
        retrieved = free_bytes(kernel)
        assert retrieved > free  # what described the files
        user.perform([Step(Finish(b"vm"))])
        assert retrieved < free_bytes(kernel) < retrieved + MIB  # its list; the files are open
        luo = luo_of(kernel)
        luo.retrieve_session(b"other")
        before = free_bytes(kernel)
        luo.finish_session(b"other")
        assert free_bytes(kernel) - before >= 3 * 4096 + 2 * 4096  # a file that nobody retrieved goes too


def test_a_region_that_is_asked_for_otherwise_is_allocated_in_scratch(tmp_path: Path) -> None:
    user = story("7.1")
    old = {one.name: one for one in regions_of(user.kernel)}
    done = kexeced(user, tmp_path / "pre", line=LINE.replace("4M:4096:oops", "8M:4096:oops"))
    assert done.reception.outcome is Outcome.PART
    kernel = successor(done)
    new = {one.name: one for one in regions_of(kernel)}
    assert new[b"pstore"] == old[b"pstore"]
    at = new[b"oops_trace"].start
    assert any(area.start <= at < area.start + area.size for area in kernel.scratch)
    # The old region stays reserved though nobody can reach it.
    assert done.running is not None and done.running.arrival is not None
    kept = done.running.arrival.kept
    there = old[b"oops_trace"]
    assert (
        int(kept.below(np.array([there.start + there.size], np.uint64))[0] - kept.below(np.array([there.start], np.uint64))[0]) == 4 * MIB
    )


def test_an_older_kernel_without_luo_keeps_the_memory_and_loses_the_sessions(tmp_path: Path) -> None:
    user = story("6.19")
    folio = int(memfd_of(user, b"vm", 1).addresses[0])
    done = kexeced(user, tmp_path / "pre", release="6.18")
    assert done.reception.outcome is Outcome.PART
    kernel = successor(done)
    assert not luo_of(kernel).running and kernel.memory.page(folio) is not None
    assert [one.name for one in regions_of(kernel)] == [b"oops_trace", b"pstore"]


def test_a_kernel_that_panics_leaves_its_last_line(tmp_path: Path) -> None:
    done = kexeced(story("6.19"), tmp_path / "pre", release="7.0")
    assert done.running is None and done.reception.outcome is Outcome.PANIC
    assert done.message == "Kernel panic - not syncing: The incoming tree failed to initialize properly [-ENOENT], disabling live update"


def test_a_refused_handover_is_a_cold_boot(tmp_path: Path) -> None:
    done = kexeced(story("7.1"), tmp_path / "pre", release="7.3")
    assert done.reception.outcome is Outcome.IGNORED
    kernel = successor(done)
    assert kernel.incoming is None and not kernel.memory.kept(done.running.arrival.kept).bytes  # type: ignore[union-attr]
    metadata = handover(kernel).by_name()[b"kexec-metadata"].content
    assert isinstance(metadata, PlainMetadata) and metadata.kexec_count == 1
    with pytest.raises(KernelError) as error:
        luo_of(kernel).retrieve_session(b"vm")
    assert error.value.errno == errno.ENOENT


def test_a_load_before_finalize_hands_over_nothing(tmp_path: Path) -> None:
    user = story("6.18")
    user.kernel.write_finalize(1)
    user.kernel.write_finalize(0)
    (tmp_path / "pre").mkdir()
    write_running(tmp_path / "pre", Running(user.kernel), Context(), {})
    done = kexec_capture(tmp_path / "pre", tmp_path / "post", Context())
    assert done.reception.outcome is Outcome.IGNORED
    assert not (tmp_path / "post" / "setup_data" / "1").exists() and not (tmp_path / "post" / "kho" / "in").exists()


def test_bitmaps_of_6_17_are_misread_by_6_18(tmp_path: Path) -> None:
    """What stands beside the small bitmaps is taken for more blocks, some of them where no memory is (booted: 6.17 to 6.18)."""
    done = kexeced(story("6.17"), tmp_path / "up", release="6.18")
    assert done.reception.outcome is Outcome.PANIC and done.running is None
    assert done.reception.deciding is not None and "in a memory section without RAM" in done.reception.deciding.met
    # The other way round every bit from 4096 on is lost.
    down = successor(kexeced(story("6.18"), tmp_path / "down", release="6.17")).incoming
    stay = successor(kexeced(story("6.18"), tmp_path / "stay")).incoming
    assert down is not None and stay is not None
    assert sum(size for _, size in down.reserved) < sum(size for _, size in stay.reserved)


def test_kho_off_takes_the_handover_and_offers_none(tmp_path: Path) -> None:
    done = kexeced(story("7.3"), tmp_path / "pre", line=LINE.replace("kho=on", "kho=off"))
    kernel = successor(done)
    assert kernel.kho is None and not luo_of(kernel).running and kernel.incoming is not None
    assert [one.start for one in regions_of(kernel)] == [one.start for one in regions_of(story("7.3").kernel)]


@pytest.mark.parametrize("region", ["4M:12288:oops", "4M:3:oops", "4M::oops"])
def test_a_region_is_revived_where_its_start_has_no_bit_of_the_alignment_less_one(region: str, tmp_path: Path) -> None:
    """As 7.3.4 did it: 12288 is taken for a mask."""
    user = story("7.3")
    old = [one.start for one in regions_of(user.kernel)]
    assert not any(start & 0x2FFF for start in old)
    kernel = successor(kexeced(user, tmp_path / "pre", line=LINE.replace("4M:4096:oops", region)))
    assert [one.start for one in regions_of(kernel)] == old


# One preserve call dropped: exactly that is lost.


def outcome(done: Kexec) -> dict[str, object]:
    """What came through, entity by entity."""
    if done.running is None:
        return {"panic": True}
    arrival = done.running.arrival
    assert arrival is not None and arrival.received is not None
    kernel = done.running.kernel
    memblock, luo = kernel.producers[MEMBLOCK_NAME], luo_of(kernel)
    metadata, test = kernel.producers[KEXEC_METADATA_NAME].arrived, kernel.producers[KHO_TEST_NAME].arrived
    found: dict[str, object] = {
        f"region {region.name.decode()}": region in (memblock.arrived or ()) for region in regions_of(done.running.kernel)
    }
    found |= {"count": metadata.kexec_count if metadata else 0, "number": luo.arrived.number if luo.arrived else 0}
    found |= {"test": test.whole if test else None, "sessions": not luo.arrived or luo.arrived.fault == ""}
    for session in luo.arrived.sessions if luo.arrived else ():
        found |= {f"{session.name.decode()}/{file.token}": file.file is not None for file in session.files}
    return found


WHOLE: dict[str, object] = {
    "region oops_trace": True,
    "region pstore": True,
    "count": 1,
    "number": 1,
    "test": True,
    "sessions": True,
    "vm/1": True,
    "vm/2": True,
    "other/1": True,
}
NO_FILES: dict[str, object] = {"sessions": False, "vm/1": None, "vm/2": None, "other/1": None}
ONE_LOST: dict[str, dict[str, object]] = {
    "folio of a file": {"vm/2": False},
    "struct of a file": {"vm/2": False},
    "list of folios": {"vm/2": False},
    "chunk of the list": {"vm/2": False},
    "files of a session": NO_FILES,  # from 7.1 on one session with bad files fails every open
    "sessions": {"panic": True},
    "LUO": {"panic": True},
    "kexec-metadata": {"count": 0},
    "memblock": {},  # memblock looks before anything is given out (booted: 7.3)
    "kho_test": {"test": False},
    "test folio": {"test": False},
    "test list": {"test": False},
}


def places(one: Handover) -> dict[str, tuple[int, int]]:
    """(address, order) of one block of each kind."""
    by_name = one.by_name()
    luo, test = by_name[b"LUO"].content, by_name[b"kho_test"].content
    assert isinstance(luo, PlainLuo) and isinstance(test, PlainTest) and test.area is not None
    session = next(s for s in luo.sessions if s.name == b"vm")
    file = next(f for f in session.files if f.token == 2)
    assert isinstance(file.content, PlainMemfd) and file.content.area is not None
    found = {
        "folio of a file": (int(file.content.folios[0, 0]) << 12, 0),
        "struct of a file": (file.data, 0),
        "list of folios": (int(file.content.area.entries[0]), 0),
        "chunk of the list": (file.content.area.chunks[0], 0),
        "files of a session": (session.pages[0], 0),
        "sessions": (luo.pages[0], 0),
        "test folio": test.folios[0],
        "test list": (int(test.area.entries[0]), 0),
    }
    orders = {b"kho_test": 1}  # its buffer is a page and 8 bytes a folio
    return found | {
        name.decode(): (by_name[name].phys, orders.get(name, 0)) for name in (b"LUO", b"kexec-metadata", b"memblock", b"kho_test")
    }


def test_all_comes_through(tmp_path: Path) -> None:
    assert outcome(kexeced(story("7.3"), tmp_path / "pre")) == WHOLE


@pytest.mark.parametrize("what", ONE_LOST)
def test_one_dropped_preserve_call_loses_exactly_that(what: str, tmp_path: Path) -> None:
    user = story("7.3")
    luo = luo_of(user.kernel)
    luo.freeze()
    at, order = places(handover(user.kernel))[what]
    luo.frozen = False
    kho = user.kernel.need_kho("test")
    kho.kho_unpreserve_folio(at, order)
    assert not kho.warnings
    lost = ONE_LOST[what]
    expected = lost if "panic" in lost else {name: value for name, value in (WHOLE | lost).items() if value is not None}
    assert outcome(kexeced(user, tmp_path / "pre")) == expected


def test_a_root_fdt_that_was_not_kept_loses_what_is_looked_for_after_memory_is_given_out(tmp_path: Path) -> None:
    user = story("7.3")
    kho = user.kernel.need_kho("test")
    kho.kho_unpreserve_folio(handover(user.kernel).fdt_phys, 0)
    done = kexeced(user, tmp_path / "pre")
    kernel = successor(done)
    assert done.reception.outcome is Outcome.CHANCE
    assert kernel.incoming is not None and kernel.incoming.reserved
    assert len(kernel.producers[MEMBLOCK_NAME].arrived or ()) == 2 and luo_of(kernel).arrived is None


def test_regions_of_memblock_are_what_the_next_kernel_hands_on(tmp_path: Path) -> None:
    first = story("6.18")
    content = PlainMemblock(regions_of(first.kernel))
    kernel = successor(kexeced(first, tmp_path / "pre"))
    kernel.write_finalize(1)
    again = handover(kernel).by_name()[b"memblock"].content
    assert again == content


def test_files_are_preserved_again_only_once_retrieved(tmp_path: Path) -> None:
    user = Userspace(successor(kexeced(story("7.3"), tmp_path / "pre")))
    again = Step(PreserveAgain(b"new", 1, b"vm", 1), expect=errno.EBADF)
    user.perform([Step(CreateSession(b"new")), again, Step(PreserveMemfd(session=b"new", token=2, size=4096))])
