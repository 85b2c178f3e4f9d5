"""LUO's sessions, files and FLBs: limits, errors, and what the reboot call writes (kernel/liveupdate/luo_*.c)."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from kho_tui.abi.luo import LUO_NAME
from kho_tui.model.handover import Handover
from kho_tui.simulator.contents import Counting, FileContents
from kho_tui.simulator.kernel import Config, Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.subsystems.luo.orchestrator import Flb
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.memfd.open_memfd import OpenMemfd, memfd_close, memfd_create
from kho_tui.subsystems.memfd.plain import PlainMemfd

from .playing import free_bytes, kernel, luo_of

FLB = Flb(b"liveupdate-test-flb-v0", 0xFEEDF00DCAFEBEE0)


def fails(call: Callable[[], object]) -> int:
    with pytest.raises(KernelError) as caught:
        call()
    return caught.value.errno


def memfd(one: Kernel, size: int = 4096, **more: object) -> OpenMemfd:
    return memfd_create(one, "file", FileContents(Counting(1), size), **more)  # type: ignore[arg-type]


def luo_content(done: Handover | None) -> PlainLuo:
    assert done is not None
    content = done.by_name()[b"LUO"].content
    assert isinstance(content, PlainLuo)
    return content


@pytest.mark.parametrize("release", ["6.19", "7.1"])
def test_the_array_holds_819_sessions(release: str) -> None:
    luo = luo_of(kernel(release))
    for number in range(819):
        luo.create_session(f"s{number}".encode())
    assert fails(lambda: luo.create_session(b"more")) == errno.ENOMEM


def test_names_are_cut_by_6_19_and_refused_from_7_1_on() -> None:
    old, new = luo_of(kernel("6.19")), luo_of(kernel("7.1"))
    assert old.create_session(b"x" * 80).name == b"x" * 63
    assert old.create_session(b"").name == b""
    for name in (b"", b"x" * 64):
        assert fails(lambda name=name: new.create_session(name)) == errno.EINVAL  # type: ignore[misc]
    new.create_session(b"x" * 63)
    assert fails(lambda: new.create_session(b"x" * 63)) == errno.EEXIST


def test_a_name_twice_leaves_an_empty_block_where_the_last_one_was_full() -> None:
    one = kernel("7.3")
    luo = luo_of(one)
    for number in range(51):
        luo.create_session(f"s{number}".encode())
    assert fails(lambda: luo.create_session(b"s0")) == errno.EEXIST
    one.kexec_file_load()
    content = luo_content(one.reboot())
    assert (len(content.sessions), len(content.pages)) == (51, 2)


def test_a_closed_session_gives_everything_back() -> None:
    one = kernel("7.3")
    luo = luo_of(one)
    assert one.kho is not None
    before, free = one.kho.tracker.runs().by_order, free_bytes(one)
    luo.create_session(b"short")
    file = memfd(one, 100_000, order=2)
    luo.preserve_file(b"short", 1, file)
    luo.release_session(b"short")
    memfd_close(one, file)
    assert one.kho.tracker.runs().by_order == before
    # What stays are nodes of the tree: they never go.
    assert 0 <= free - free_bytes(one) <= 8 * 4096
    assert one.memory.bytes == 0
    assert not one.log


@pytest.mark.parametrize(("release", "limit"), [("6.19", 128), ("7.1", 128)])
def test_an_array_holds_128_files(release: str, limit: int) -> None:
    one = kernel(release)
    luo = luo_of(one)
    luo.create_session(b"s")
    for token in range(limit):
        luo.preserve_file(b"s", token, memfd(one))
    assert fails(lambda: luo.preserve_file(b"s", limit, memfd(one))) == errno.ENOSPC


def test_files_in_blocks_have_no_such_limit() -> None:
    one = kernel("7.3")
    luo = luo_of(one)
    luo.create_session(b"s")
    for token in range(130):
        luo.preserve_file(b"s", token, memfd(one, 0))
    one.kexec_file_load()
    session = luo_content(one.reboot()).sessions[0]
    assert (len(session.files), len(session.pages)) == (130, 3)
    content = session.files[0].content
    assert isinstance(content, PlainMemfd) and content.area is None


def test_tokens_and_files_are_taken_once() -> None:
    for release, code in (("6.19", None), ("7.1", errno.EBUSY)):
        one = kernel(release)
        luo = luo_of(one)
        luo.create_session(b"s")
        file = memfd(one)
        luo.preserve_file(b"s", 1, file)
        assert fails(lambda one=one, luo=luo: luo.preserve_file(b"s", 1, memfd(one))) == errno.EEXIST  # type: ignore[misc]
        if code is None:
            luo.preserve_file(b"s", 2, file)
        else:
            assert fails(lambda luo=luo, file=file: luo.preserve_file(b"s", 2, file)) == code  # type: ignore[misc]


def test_what_the_memfd_handler_refuses() -> None:
    old, new = kernel("6.19"), kernel("7.3")
    for one in (old, new):
        luo_of(one).create_session(b"s")
        assert fails(lambda one=one: luo_of(one).preserve_file(b"s", 1, memfd(one, hugetlb=True))) == errno.ENOENT  # type: ignore[misc]
    assert fails(lambda: luo_of(new).preserve_file(b"s", 1, memfd(new, seals=0x40))) == errno.EOPNOTSUPP
    kept = luo_of(old).preserve_file(b"s", 1, memfd(old, seals=0x40)).content(12)
    assert isinstance(kept, PlainMemfd) and kept.seals is None


def test_lists_are_written_in_the_reboot_call_only() -> None:
    for release in ("6.19", "7.1", "7.3"):
        one = kernel(release, config=Config(built={LUO_NAME: (FLB,)}))
        luo = luo_of(one)
        luo.create_session(b"s")
        luo.preserve_file(b"s", 1, memfd(one))
        before = luo.content()
        assert before.sessions == ()
        assert bool(before.pages) == (release != "7.3")
        one.kexec_file_load()
        after = luo_content(one.reboot())
        assert [session.name for session in after.sessions] == [b"s"]
        assert after.number == 1
        if after.flb_page is None:
            assert release == "6.19"
        else:
            assert [(flb.name, flb.data, flb.count) for flb in after.flb_page.flbs] == [(FLB.name, FLB.data, 1)]
        assert fails(lambda luo=luo: luo.create_session(b"late")) == errno.EBUSY  # type: ignore[misc]


def test_flbs_that_no_file_needs_are_not_written_and_a_page_holds_63() -> None:
    one = kernel("7.3", config=Config(built={LUO_NAME: tuple(Flb(f"flb{number}".encode(), number) for number in range(63))}))
    assert fails(lambda: luo_of(one).liveupdate_register_flb(Flb(b"more", 0))) == errno.ENOSPC
    assert fails(lambda: luo_of(kernel("6.19")).liveupdate_register_flb(FLB)) == errno.ENOSYS
    one.kexec_file_load()
    page = luo_content(one.reboot()).flb_page
    assert page is not None and (page.pgcnt, page.flbs) == (1, ())


def test_luo_finalizes_6_19_by_itself() -> None:
    one = kernel("6.19")
    one.kexec_file_load()
    done = one.reboot()
    assert done is not None and done.map_address
    without = kernel("6.19", "kho=on kho_scratch=64M,64M,64M")
    without.kexec_file_load()
    empty = without.reboot()
    assert empty is not None and not empty.map_address


def test_blobs_have_the_sizes_that_the_formats_have() -> None:
    sizes = {"6.19": 236, "7.0": 311, "7.1": 311, "7.3": 32}
    for release, size in sizes.items():
        done = kernel(release).handover()
        assert done is not None and done.by_name()[b"LUO"].size == size
    done = kernel("7.3", "kho=on liveupdate=on kho_scratch=64M,64M,64M reserve_mem=1M:4096:r").handover()
    assert done is not None
    assert [subtree.name for subtree in done.subtrees] == [b"kexec-metadata", b"LUO", b"memblock"]


@pytest.mark.parametrize(("release", "count"), [("6.19", 0), ("7.3", 63)])
def test_the_test_module_speaks_of_the_flbs_that_are_registered(release: str, count: int) -> None:
    """6.19 has none, and 63 fit a page of 7.3 of the 64 that are built in."""
    one = kernel(release, config=Config(built={LUO_NAME: tuple(Flb(b"flb%d" % number, number) for number in range(64))}))
    said = [text for _, text in luo_of(one).started_lines()]
    assert said == ([] if not count else [f"liveupdate test: Registered {count} FLBs with file handler: [memfd-v2]"])
