"""The calls of KHO: which a release has, and the errors they give (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable

import numpy as np
import pytest

from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.model.handover import RootStyle
from kho_tui.model.plain import RawBytes
from kho_tui.simulator.allocator import PageAllocator
from kho_tui.simulator.kernel import Config
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.preserving import VM_ALLOW_HUGE
from kho_tui.subsystems.kho_test.simulate import KhoTestModule

from .playing import GIB, MIB, RELEASE, bare_kho, kernel, machine


def fails(call: Callable[[], object]) -> int:
    with pytest.raises(KernelError) as caught:
        call()
    return caught.value.errno


def with_kho(release: str, cmdline: str = "kho=on liveupdate=on kho_scratch=64M,64M,64M") -> Kho:
    kho = kernel(release, cmdline).kho
    assert kho is not None
    return kho


def add(kho: Kho, name: bytes, phys: int = GIB) -> None:
    kho.kho_add_subtree(name, phys, 1, lambda: RawBytes(b"x"))


@pytest.mark.parametrize(
    ("release", "call"), [("6.18", "kho_preserve_phys"), ("6.17", "kho_preserve_pages"), ("6.18", "kho_remove_subtree")]
)
def test_a_call_that_the_release_does_not_have_says_so(release: str, call: str) -> None:
    kho = bare_kho(release)
    with pytest.raises(KernelError, match=f"{release} has no such call; releases that have it: 6") as caught:
        getattr(kho, call)(*((GIB, 4096) if "preserve" in call else (GIB,)))
    assert caught.value.errno == errno.ENOSYS


def test_6_16_to_6_18_take_nothing_once_finalized_and_lose_all_by_an_abort() -> None:
    kho = bare_kho("6.18")
    kho.kho_preserve_folio(GIB, 2)
    kho.register_kho_notifier(lambda finalize: add(kho, b"mine") if finalize else None)
    kho.kho_finalize()
    assert fails(lambda: kho.kho_preserve_folio(GIB + MIB, 0)) == errno.EBUSY
    assert fails(lambda: kho.kho_preserve_pages(GIB + MIB, 4)) == errno.EBUSY
    assert fails(kho.kho_finalize) == errno.EEXIST
    done = kho.handover()
    assert done is not None and done.runs.covers(GIB, 2) and [s.name for s in done.subtrees] == [b"mine"]
    kho.kho_abort()
    assert kho.handover() is None
    assert fails(kho.kho_abort) == errno.ENOENT
    kho.kho_finalize()
    again = kho.handover()
    assert again is not None and again.runs.by_order == {0: 1}


def test_before_finalize_6_19_hands_over_no_map_and_after_it_nothing_is_refused() -> None:
    kho = bare_kho("6.19")
    done = kho.handover()
    assert done is not None and done.map_address == 0 and done.tracker is None
    kho.kho_finalize()
    kho.kho_preserve_folio(GIB, 0)
    kho.kho_finalize()
    assert fails(kho.kho_abort) == errno.EINVAL


def test_7_1_has_no_finalize_file() -> None:
    assert fails(lambda: kernel("7.1").write_finalize(1)) == errno.ENOENT
    assert fails(bare_kho("7.1").kho_finalize) == errno.ENOSYS


def test_subtrees_are_taken_only_in_a_notifier_until_6_18() -> None:
    assert fails(lambda: add(bare_kho("6.18"), b"late")) == errno.EINVAL
    kho = bare_kho("6.19")
    add(kho, b"twice")
    assert fails(lambda: add(kho, b"twice")) == errno.EEXIST


@pytest.mark.parametrize(("release", "room", "code"), [("6.19", 109, 3), ("7.3", 70, errno.ENOMEM)])
def test_a_page_holds_109_or_70_subtrees_with_names_of_seven_characters(release: str, room: int, code: int) -> None:
    kho = bare_kho(release)
    for number in range(room):
        add(kho, f"name{number:03}".encode())
    assert fails(lambda: add(kho, b"name999")) == code
    assert fails(lambda: add(kho, b"a name so long that the node itself does not fit")) == errno.ENOMEM


def test_the_newest_subtree_at_an_address_is_the_one_removed() -> None:
    kho = bare_kho("7.3")
    add(kho, b"one")
    add(kho, b"two")
    kho.kho_remove_subtree(GIB)
    done = kho.handover()
    assert done is not None and [s.name for s in done.subtrees] == [b"one"]
    kho.kho_remove_subtree(GIB)
    empty = kho.handover()
    assert empty is not None and empty.style is RootStyle.EMPTIED


def test_preserving_in_scratch_is_refused_where_the_debug_check_is_built_in() -> None:
    kho = with_kho("7.3")
    inside = kho.scratch[0].start
    assert fails(lambda: kho.kho_preserve_folio(inside, 0)) == errno.EINVAL
    assert fails(lambda: kho.kho_preserve_pages(inside - 4096, 4)) == errno.EINVAL
    assert not kho.tracker.marked(inside - 4096 >> 12, 0)
    for quiet in (kernel("7.3", config=Config(debug=False)).kho, kernel("6.17").kho):
        assert quiet is not None
        quiet.kho_preserve_folio(quiet.scratch[0].start, 0)


def test_ranges_are_checked_undone_and_split_at_nodes() -> None:
    old = bare_kho("6.17")
    assert fails(lambda: old.kho_preserve_phys(GIB, 100)) == errno.EINVAL
    new = bare_kho("7.1")
    new.kho_preserve_pages(GIB, 7)
    assert dict(new.tracker.runs().by_order) == {0: 2, 1: 1, 2: 1}
    new.kho_unpreserve_pages(GIB, 7)
    assert new.tracker.runs().by_order == {0: 1}
    new.kho_unpreserve_folio(GIB, 4)
    assert "not preserved" in new.warnings[-1]


def test_the_page_count_is_cut_to_32_bits_until_7_0() -> None:
    kho = bare_kho("6.18")
    kho.kho_preserve_pages(GIB, (1 << 32) + 1)
    assert kho.tracker.runs().blocks == 1


def test_alloc_preserve_has_bounds() -> None:
    kho = bare_kho("7.3")
    assert fails(lambda: kho.kho_alloc_preserve(0, "none")) == errno.EINVAL
    assert fails(lambda: kho.kho_alloc_preserve((4096 << 10) + 1, "much")) == errno.E2BIG
    at = kho.kho_alloc_preserve(4097, "two pages")
    assert kho.tracker.marked(at >> 13, 1)
    kho.kho_unpreserve_free(at, 4097)
    assert not kho.tracker.marked(at >> 13, 1)


@pytest.mark.parametrize(("entries", "chunks"), [(1, 1), (510, 1), (511, 2), (512, 2), (1022, 3)])
def test_a_vmalloc_area_begins_a_new_chunk_as_soon_as_one_is_full(entries: int, chunks: int) -> None:
    kho = bare_kho("7.3")
    area = kho.kho_preserve_vmalloc(kho.vmalloc(entries * 4096, "area"), "area")
    assert (len(area.chunks), area.total_pages) == (chunks, entries)
    assert all(kho.tracker.marked(page >> 12, 0) for page in (*area.chunks, *area.entries.tolist()))
    kho.kho_unpreserve_vmalloc(area)
    assert kho.tracker.runs().blocks == 1


def test_vmalloc_of_huge_pages_and_of_other_flags() -> None:
    kho = bare_kho("7.3")
    area = kho.kho_preserve_vmalloc(kho.vmalloc(4 * MIB, "huge", 9), "huge", 9, VM_ALLOW_HUGE)
    assert (area.total_pages, area.order, len(area.entries)) == (1024, 9, 2)
    assert fails(lambda: kho.kho_preserve_vmalloc(area.entries, "odd", 9, 8)) == errno.EOPNOTSUPP


def test_vmalloc_while_6_18_is_finalized_is_out_of_memory() -> None:
    kho = bare_kho("6.18")
    pages = kho.vmalloc(4096, "area")
    kho.kho_finalize()
    assert fails(lambda: kho.kho_preserve_vmalloc(pages, "area")) == errno.ENOMEM


def test_nothing_that_the_kernel_allocates_lies_in_scratch_or_twice() -> None:
    one = machine()
    allocator = PageAllocator(one, scratch=[(GIB, GIB)], seed=3)
    taken = [(allocator.alloc(order, "x"), order) for order in (0, 0, 3, 9, 0, 10, 1) * 40]
    taken += [(int(at), 9) for at in allocator.alloc_many(100, 9, "many", 0)]
    spans = sorted((at, at + (4096 << order)) for at, order in taken)
    assert all(low[1] <= high[0] for low, high in itertools.pairwise(spans))
    assert not any(GIB <= start < 2 * GIB for start, _ in spans)
    assert all(at % (4096 << order) == 0 for at, order in taken)
    again = PageAllocator(one, scratch=[(GIB, GIB)], seed=3)
    assert [again.alloc(order, "x") for order in (0, 0, 3, 9)] == [at for at, _ in taken[:4]]


def test_memory_ends_with_enomem_and_pins_are_kept() -> None:
    one = machine()
    allocator = PageAllocator(one, pins={"mine": [(GIB, 3)]})
    assert fails(lambda: allocator.alloc_many(10_000, 10, "all")) == errno.ENOMEM
    assert allocator.alloc(3, "mine") == GIB
    assert fails(lambda: PageAllocator(one, pins={"mine": [(3 * GIB, 0)]})) == errno.ENOMEM
    assert not np.isin(GIB, allocator.alloc_many(900, 10, "most")).any()


def test_a_kernel_that_was_inferred_says_so() -> None:
    assert any("inferred" in line for line in kernel("7.0").log)
    assert RELEASE["7.0"].inferred


def test_subtrees_are_registered_in_the_order_in_which_a_booting_kernel_has_them() -> None:
    one = kernel(
        "7.3",
        "kho=on liveupdate=on kho_scratch=64M,64M,64M reserve_mem=4M:4096:a",
        config=Config(built={KHO_TEST_NAME: KhoTestModule(1 << 20)}),
    )
    assert one.kho is not None
    assert [entry.name for entry in one.kho.root.entries] == [b"kexec-metadata", b"kho_test", b"LUO", b"memblock"]


def test_kho_off_hands_over_nothing() -> None:
    off = kernel("7.3", "kho=off")
    off.kexec_file_load()
    assert off.reboot() is None
    assert fails(lambda: off.need_kho("kho_preserve_folio")) == errno.EINVAL
    assert fails(lambda: off.file_keeper()) == errno.ENODEV


@pytest.mark.parametrize(
    ("release", "finalize", "given"), [("6.18", False, False), ("6.18", True, True), ("6.16", True, True), ("7.3", False, True)]
)
def test_what_a_load_attaches(release: str, finalize: bool, given: bool) -> None:
    one = kernel(release)
    if finalize:
        one.write_finalize(1)
    one.kexec_file_load()
    assert (one.reboot() is not None) is given
