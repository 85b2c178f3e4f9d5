"""The checks of the test module (lib/test_kho.c, 6.16-7.3)."""

from __future__ import annotations

from itertools import takewhile

import numpy as np

from kho_tui.abi.test_kho import KHO_TEST_MAGIC, KHO_TEST_NAME, checksum_chunks, is_sum_of, list_is_inline
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.analysis.receiver.areas import area_chunks, area_fault
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Check
from kho_tui.analysis.receiver.facet import BuildOption, Receiving, no_arrivals
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.ledger import Owner
from kho_tui.analysis.receiver.node import fdt_fault, needs_kho, node_checks, own_choice, said
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.layout.struct import field_named
from kho_tui.model.facts import Damaged, Missing, Unknown, known
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.releases.ranges import Range
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.text import SafeText

_SOURCE = "lib/test_kho.c"
_RESERVED = "the test's folios stay reserved"
_MOST_CONTENTS = 64 << 20
_NOT_AT_HAND = unknown("not all of what the test restores is at hand")

_BUILT = said(
    lambda target: target.has_consumer(KHO_TEST_NAME),
    "the test module is there",
    "the test module is not built: its folios stay reserved",
    "whether the test module is built is not known",
)


def _payload(boot: Boot) -> Verdict:
    subtree = boot.handed.content(KHO_TEST_NAME)
    content = None if subtree is None else subtree.content
    info = field_named(content.properties, "folios_info") if isinstance(content, KhoTest) else None
    if not isinstance(content, KhoTest) or info is None:
        return unknown("the test's list is not at hand")
    inline = isinstance(content.area, Missing) and len(info.raw) != KHO_VMALLOC.size
    reads_inline = list_is_inline(boot.target.release)
    forms = ("a vmalloc descriptor", "an inline list")
    words = f"the list is {forms[inline]}, this kernel reads {forms[reads_inline]}"
    return Holds(words) if inline == reads_inline else Fails(words)


def _folios(boot: Boot) -> Verdict:
    subtree = boot.handed.content(KHO_TEST_NAME)
    content = None if subtree is None else subtree.content
    refused_by_libfdt = None if subtree is None else fdt_fault(subtree)
    if refused_by_libfdt is not None:
        return refused_by_libfdt
    if isinstance(content, Damaged | Unknown):
        return Fails(str(content.reason))
    if not isinstance(content, KhoTest):
        return _NOT_AT_HAND
    return _list_fault(content, boot.reserved, boot.sections) or _sum_fault(content, boot) or _first_to_ask(boot)


def _sum_fault(test: KhoTest, boot: Boot) -> Fails | None:
    """Where all contents are captured, which preserved pages seldom are: the ones-complement sum, folded to 16 bits."""
    memory, blocks, wanted = boot.handed.memory, test.folio_blocks, known(test.csum)
    sizes = [] if isinstance(blocks, Missing) else [boot.handed.page_size << order for _, order in blocks]
    if memory is None or isinstance(blocks, Missing) or wanted is None or sum(sizes) > _MOST_CONTENTS:
        return None
    if any(memory.available(start, size) < size for (start, _), size in zip(blocks, sizes, strict=True)):
        return None
    folios = zip((start for start, _ in blocks), sizes, strict=True)
    data = (memory.read(at, size) for at, size in checksum_chunks(folios))
    same = is_sum_of(wanted, data, boot.handed.state.machine.platform.byte_order)
    return None if same else Fails("the sum of its folios is not csum")


def _first_to_ask(boot: Boot) -> Verdict:
    contest = boot.restored.contested.get(KHO_TEST_NAME)
    if contest is None:
        return Holds("its folios can be restored")
    return Fails(f"its block {contest.address:#x} is restored by {contest.winner} before, and once only")


def _list_fault(test: KhoTest, reserved: Reserved, sections: Sections | Missing) -> Fails | Missing | None:
    """What it does not get back of its list and folios."""
    magic = field_named(test.properties, "magic")
    if magic is not None and isinstance(magic.value, int) and magic.value != KHO_TEST_MAGIC:
        return Fails(f"magic is {magic.value:#x}")
    area = area_fault(test.area, reserved, sections) if isinstance(test.area, VmallocArea) else None
    if area is not None:
        return area
    blocks, number = test.folio_blocks, known(test.nr_folios)
    if isinstance(blocks, Missing) or number is None:
        return Fails(str(blocks.reason), Outcome.WILD) if isinstance(blocks, Damaged) else _NOT_AT_HAND
    if isinstance(test.area, VmallocArea):
        # Booted, 6.18: the list ends at its first zero, however many folios are claimed.
        blocks = list(takewhile(lambda block: block[0], blocks))
    if len(blocks) > number or (len(blocks) < number and not isinstance(test.area, VmallocArea)):
        return Fails(f"nr_folios is {number}, the list holds {len(blocks)}")
    for order in sorted({order for _, order in blocks}):
        missing = reserved.unmarked(np.array([address for address, one in blocks if one == order], np.uint64), order)
        if missing is not None:
            return Fails(
                f"at folio {missing:#x} of order {order} begins no preserved block, so that kho_restore_folio gives nothing", warns=True
            )
    return None if reserved.whole else _NOT_AT_HAND


def _test_folios(fails: Outcome, consequence: str, releases: Range) -> Check:
    return Check(
        name="test-folios",
        stage=Stage.CONSUMERS,
        question="can the test's folios be restored",
        fails=fails,
        consequence=consequence,
        releases=releases,
        ask=_folios,
        consumer=KHO_TEST_NAME,
        source=_SOURCE,
    )


_CHECKS: tuple[Check, ...] = (
    own_choice("test-built", "is the test module there", _RESERVED, _BUILT, KHO_TEST_NAME, _SOURCE),
    needs_kho(KHO_TEST_NAME, _RESERVED, _SOURCE),
    *node_checks(KHO_TEST_NAME, EVERY, _RESERVED, _SOURCE),
    Check(
        name="test-payload",
        stage=Stage.CONSUMERS,
        question="is the test's list of the kind the kernel reads",
        fails=Outcome.IGNORED,
        consequence="the test's folios are lost",
        releases=EVERY,
        ask=_payload,
        consumer=KHO_TEST_NAME,
        source=_SOURCE,
    ),
    _test_folios(
        Outcome.MISREAD, "pages without a mark are taken all the same: memory that others use is given out", Range("6.16", "6.17")
    ),
    _test_folios(Outcome.IGNORED, "the test fails, its folios are lost", Range("6.18")),
)


def _restored_blocks(handed: Handed, target: Target) -> Owner | None:
    """The list and every folio, where the module is there."""
    subtree = handed.content(KHO_TEST_NAME)
    test = None if subtree is None else subtree.content
    if target.has_consumer(KHO_TEST_NAME) is False or target.kho is False or not isinstance(test, KhoTest):
        return None
    blocks = test.folio_blocks
    listed = np.array([start for start, _ in blocks], np.uint64) if isinstance(blocks, list) else np.empty(0, np.uint64)
    pages = [test.area.entries(handed.page_size), area_chunks(test.area)] if isinstance(test.area, VmallocArea) else []
    return Owner(SafeText("the test module"), np.concatenate([*pages, listed]), early=True)


RECEIVING = Receiving(
    turn=3,
    option=BuildOption("CONFIG_TEST_KEXEC_HANDOVER", tristate=True),
    checks=_CHECKS,
    restores=_restored_blocks,
    sessions=None,
    arrivals=no_arrivals,
)
