"""Faults of kexec-metadata, memblock and the test module: KHO036 to 038, 049."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.layout.struct import field_named
from kho_tui.model.contents.kho_test import KhoTest
from kho_tui.model.contents.memblock import Memblock, PlainMemblock, Region
from kho_tui.simulator.faults.case import Case, DoesNotApply, memory_of, need
from kho_tui.simulator.faults.fault import Fault, fault, has_size
from kho_tui.simulator.faults.find import regions, with_content, with_region, write_value
from kho_tui.simulator.split import greedy_blocks

_MOST_REGIONS = 8
_RELEASE_BYTES = KHO_KEXEC_METADATA.span("previous_release")[1]


def _metadata(case: Case, **values: int | bytes) -> None:
    case.put(KHO_KEXEC_METADATA, memory_of(case.subtree(KEXEC_METADATA_NAME).blob)[0], **values)


def _metadata_version(case: Case) -> None:
    _metadata(case, version=2)


def _metadata_text(case: Case) -> None:
    _metadata(case, previous_release=b"6" * _RELEASE_BYTES)


def _metadata_count(case: Case) -> None:
    _metadata(case, kexec_count=0)


def _nine_regions(case: Case) -> None:
    found = list(regions(case))
    while len(found) <= _MOST_REGIONS:
        page = case.free()
        case.keep(page)
        found.append(Region(b"extra%d" % len(found), page, case.page_size))
    with_content(case, MEMBLOCK_NAME, PlainMemblock(tuple(found)))


def _region_empty(case: Case) -> None:
    with_region(case, 0, replace(regions(case)[0], size=0))


def _region_not_preserved(case: Case) -> None:
    region = regions(case)[0]
    shift = case.handover.runs.page_shift
    pfn, order = next(greedy_blocks(region.start >> shift, region.size >> shift))
    case.forget(pfn << shift, order)


def _region_version(case: Case) -> None:
    content = case.subtree(MEMBLOCK_NAME).content
    if not isinstance(content, Memblock) or not content.regions:
        raise DoesNotApply("no reserve_mem region in this state")
    write_value(case, content.regions[0].values, "compatible", b"reserve-mem-v9\0")


def _region_misaligned(case: Case) -> None:
    region = regions(case)[0]
    with_region(case, 0, replace(region, start=region.start + 8))


def _region_smaller(case: Case) -> None:
    region = regions(case)[0]
    if region.size <= case.page_size:
        raise DoesNotApply("the first reserve_mem region of this state has one page")
    with_region(case, 0, replace(region, size=region.size - case.page_size))


def _test(case: Case) -> KhoTest:
    content = case.subtree(KHO_TEST_NAME).content
    if not isinstance(content, KhoTest):
        raise DoesNotApply("the test module's state could not be decoded")
    return content


def _test_integer(case: Case, name: str, delta: int) -> None:
    test = _test(case)
    found = field_named(test.properties, name)
    if found is None or not isinstance(found.value, int):
        raise DoesNotApply(f"the test module's state has no {name}")
    write_value(case, test.properties, name, ((found.value + delta) % (1 << 32)).to_bytes(4, case.state.machine.platform.byte_order))


def _test_magic(case: Case) -> None:
    _test_integer(case, "magic", 1)


def _test_more(case: Case) -> None:
    _test_integer(case, "nr_folios", 1)


def _test_folios(case: Case) -> list[tuple[int, int]]:
    return need(_test(case).folio_blocks)


def _test_sum(case: Case) -> None:
    for at, order in _test_folios(case):
        if case.image.available(at, case.page_size << order) < case.page_size << order:
            raise DoesNotApply("the contents of the test folios are not in this capture, and only they show the sum to be wrong")
    _test_integer(case, "csum", 1)


def _test_not_preserved(case: Case) -> None:
    case.forget(*_test_folios(case)[0])


PRODUCER_FAULTS: tuple[Fault, ...] = (
    fault("metadata-version", "KHO036", "kexec-metadata is of version 2", _metadata_version, "107", has_size),
    fault("metadata-text", "KHO036", "the release in kexec-metadata has no end", _metadata_text, "", has_size),
    fault("metadata-count", "KHO036", "the count in kexec-metadata is 0", _metadata_count, "", has_size),
    fault("nine-regions", "KHO037", "memblock hands over nine regions", _nine_regions, "38 120"),
    fault("region-empty", "KHO037", "a reserve_mem region has no memory", _region_empty, "38 47"),
    fault("region-not-preserved", "KHO037", "a page of a reserve_mem region is not preserved", _region_not_preserved),
    fault("region-version", "KHO037", "a reserve_mem region is of a version that no release writes", _region_version, "38 107"),
    fault(
        "region-misaligned",
        "KHO038",
        "a reserve_mem region does not start where the command line wants it aligned",
        _region_misaligned,
        "37 47",
    ),
    fault("region-smaller", "KHO038", "a reserve_mem region is smaller than the command line asks for", _region_smaller, "37 47"),
    fault("test-magic", "KHO049", "the test module's magic is wrong", _test_magic, "118"),
    fault("test-more-folios", "KHO049", "the test module claims one folio more than its list has", _test_more, "33 34 48 106"),
    fault("test-sum", "KHO049", "the sum over the test folios is wrong", _test_sum),
    fault("test-folio-not-preserved", "KHO049", "a test folio is not preserved", _test_not_preserved),
)
