"""The checks of those that look for their subtree in a handover that was taken (kho-abi.md section 9, stage 3, and section 6)."""

from __future__ import annotations

from collections.abc import Callable

from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.releases.check import FIRST, LAST, Check, Outcome, Stage, Target, Verdict, key
from kho_tui.releases.offered import Offered, OfferedRegion

_OVERWRITTEN = "not preserved: it is overwritten by then"


def properties(name: bytes) -> Callable[[Offered, Target], Verdict]:
    """Whether the subnode has the properties that kho_retrieve_subtree reads."""

    def check(offered: Offered, target: Target) -> Verdict:
        subtree = offered.subtree(name)
        if subtree is None:
            return None, "the subtrees are not at hand"
        root = ROOT_FORMATS[target.release.root]
        wanted = (root.pointer, *(("blob-size",) if root.has_size else ()))
        wrong = [one for one in wanted if subtree.properties.get(one) != 8]
        return not wrong, f"{', '.join(wrong)} missing or not 8 bytes" if wrong else "its properties are there"

    return check


def found(name: bytes) -> Callable[[Offered, Target], Verdict]:
    """Whether the root is still there by the time that a subnode is looked for."""

    def check(offered: Offered, _target: Target) -> Verdict:
        if offered.subtrees is None:
            return None, "the subtrees are not at hand"
        fault = f"the page of the root FDT is {_OVERWRITTEN}" if offered.root_lost else ""
        return not fault, fault or f"{name.decode()} is found"

    return check


def kept(name: bytes) -> Callable[[Offered, Target], Verdict]:
    """Whether the blob is still there by the time that it is read."""

    def check(offered: Offered, _target: Target) -> Verdict:
        subtree = offered.subtree(name)
        if subtree is None:
            return None, "the subtrees are not at hand"
        return not subtree.lost, f"its blob is {_OVERWRITTEN}" if subtree.lost else "its blob is preserved"

    return check


def said(fact: Callable[[Target], bool | None], yes: str, no: str, untold: str) -> Callable[[Offered, Target], Verdict]:
    """A check of what build and command line decide."""

    def check(offered: Offered, target: Target) -> Verdict:
        if offered.subtrees is None:
            return None, "the subtrees are not at hand"
        told = fact(target)
        return told, untold if told is None else yes if told else no

    return check


def own_choice(
    name: str,
    question: str,
    consequence: str,
    holds: Callable[[Offered, Target], Verdict],
    consumer: bytes,
    source: str,
    stage: Stage = Stage.CONSUMERS,
) -> Check:
    """A check of the kernel's build or command line, without which a consumer's part is lost."""
    return Check(name, stage, question, Outcome.IGNORED, consequence, FIRST, LAST, holds, consumer, source)


def _node(name: bytes, since: str, consequence: str, source: str) -> tuple[Check, ...]:
    """That kho_retrieve_subtree gives a consumer its subtree, and that it is still there."""
    shown = name.decode()

    def one(what: str, question: str, holds: Callable[[Offered, Target], Verdict]) -> Check:
        return Check(f"{shown}-{what}", Stage.CONSUMERS, question, Outcome.IGNORED, consequence, since, LAST, holds, name, source)

    return (
        one("found", f"is the root still there to find {shown} in", found(name)),
        one("node", f"is the node of {shown} whole", properties(name)),
        one("kept", f"is the blob of {shown} preserved", kept(name)),
    )


def _kept_regions(offered: Offered, target: Target) -> Verdict:
    if target.asked_regions is None or offered.regions is None:
        return None, "the next command line is not known" if target.asked_regions is None else "the regions are not at hand"
    lost = [fault for region in offered.regions if (fault := _refused(region, target.asked_regions))]
    return not lost, "; ".join(lost) if lost else "every region is asked for again"


def _refused(region: OfferedRegion, asked_regions: tuple[tuple[bytes, int, int], ...]) -> str:
    """Why a region is not revived, empty where it is (mm/memblock.c, reserve_mem_kho_revive)."""
    wanted = {name: (size, align) for name, size, align in asked_regions}.get(region.name)
    shown = region.name.decode("latin-1")
    if not region.compatible or region.start is None or region.size is None:
        return f"{shown} cannot be read"
    if wanted is None:
        return f"{shown} is not asked for"
    if region.size != wanted[0]:
        return f"{shown} has {region.size:#x} bytes, asked for are {wanted[0]:#x}"
    if region.start & (max(wanted[1], 64) - 1):
        return f"{shown} at {region.start:#x} is not aligned to {wanted[1]:#x}"
    return ""


def _memblock_read(offered: Offered, _target: Target) -> Verdict:
    if offered.memblock_fault is None:
        return None, "the regions are not at hand"
    return not offered.memblock_fault, offered.memblock_fault or "its FDT can be read"


def _regions_kept(offered: Offered, target: Target) -> Verdict:
    if offered.regions is None:
        return None, "the regions are not at hand"
    revived = [one for one in offered.regions if target.asked_regions is None or not _refused(one, target.asked_regions)]
    lost = [one.name.decode("latin-1") for one in revived if one.lost]
    return not lost, f"the memory of {', '.join(lost)} is {_OVERWRITTEN}" if lost else "the memory of every region is preserved"


def _test_folios(offered: Offered, _target: Target) -> Verdict:
    if offered.test_fault is None:
        return None, "not all of what the test restores is at hand"
    return not offered.test_fault, offered.test_fault or "its folios can be restored"


def _metadata(offered: Offered, _target: Target) -> Verdict:
    subtree = offered.subtree(KEXEC_METADATA_NAME)
    if subtree is not None and subtree.size is not None and subtree.size < KHO_KEXEC_METADATA.size:
        return False, f"blob-size is {subtree.size}, the struct has {KHO_KEXEC_METADATA.size}"
    if offered.metadata_version is None:
        return None, "the metadata is not at hand"
    return offered.metadata_version == 1, f"version {offered.metadata_version}"


def _test_payload(offered: Offered, target: Target) -> Verdict:
    if offered.test_inline is None:
        return None, "the test's list is not at hand"
    inline = key(target.release.name) <= (6, 17)
    forms = ("a vmalloc descriptor", "an inline list")
    return offered.test_inline == inline, f"the list is {forms[offered.test_inline]}, this kernel reads {forms[inline]}"


SUBTREES: tuple[Check, ...] = (
    *_node(MEMBLOCK_NAME, FIRST, "its regions are allocated anew, inside scratch", "mm/memblock.c"),
    Check(
        "memblock-version",
        Stage.CONSUMERS,
        "can memblock read its FDT",
        Outcome.IGNORED,
        "its regions are allocated anew, inside scratch",
        FIRST,
        LAST,
        _memblock_read,
        MEMBLOCK_NAME,
        "mm/memblock.c, reserve_mem_kho_retrieve_fdt",
    ),
    Check(
        "reserve_mem",
        Stage.CONSUMERS,
        "are the regions asked for again",
        Outcome.PART,
        "a region not revived is allocated anew, inside scratch",
        FIRST,
        LAST,
        _kept_regions,
        MEMBLOCK_NAME,
        "mm/memblock.c",
    ),
    Check(
        "reserve_mem-kept",
        Stage.CONSUMERS,
        "is the memory of the regions preserved",
        Outcome.MISREAD,
        "a region is revived in memory that is overwritten and given to others too",
        FIRST,
        LAST,
        _regions_kept,
        MEMBLOCK_NAME,
        "mm/memblock.c",
    ),
    *_node(KEXEC_METADATA_NAME, "7.1", "the kexec count starts anew", "kernel/liveupdate/kexec_handover.c"),
    Check(
        "metadata",
        Stage.CONSUMERS,
        "is the metadata whole, and of a version that is known",
        Outcome.IGNORED,
        "the kexec count starts anew",
        "7.1",
        LAST,
        _metadata,
        KEXEC_METADATA_NAME,
    ),
    own_choice(
        "test-built",
        "is the test module there",
        "the test's folios stay reserved",
        said(
            lambda target: target.test,
            "the test module is there",
            "the test module is not built: its folios stay reserved",
            "whether the test module is built is not known",
        ),
        KHO_TEST_NAME,
        "lib/test_kho.c",
    ),
    *_node(KHO_TEST_NAME, FIRST, "the test's folios stay reserved", "lib/test_kho.c"),
    Check(
        "test-payload",
        Stage.CONSUMERS,
        "is the test's list of the kind the kernel reads",
        Outcome.IGNORED,
        "the test's folios are lost",
        FIRST,
        LAST,
        _test_payload,
        KHO_TEST_NAME,
        "lib/test_kho.c",
    ),
    Check(
        "test-folios",
        Stage.CONSUMERS,
        "can the test's folios be restored",
        Outcome.MISREAD,
        "pages without a mark are taken all the same: memory that others use is given out",
        FIRST,
        "6.17",
        _test_folios,
        KHO_TEST_NAME,
        "lib/test_kho.c",
    ),
    Check(
        "test-folios",
        Stage.CONSUMERS,
        "can the test's folios be restored",
        Outcome.IGNORED,
        "the test fails, its folios are lost",
        "6.18",
        LAST,
        _test_folios,
        KHO_TEST_NAME,
        "lib/test_kho.c",
    ),
)
"""Each consumer's in the order in which it makes them."""
