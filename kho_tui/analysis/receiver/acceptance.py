"""The checks that decide whether a handover is taken at all: finding it and accepting it (kho_populate)."""

from __future__ import annotations

from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Ask, Check
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.fdt.header import header_fault
from kho_tui.layout.place import Blob
from kho_tui.model.facts import Missing, known
from kho_tui.releases.ranges import Range
from kho_tui.text import visible

_LOST = "the next kernel boots cold: everything handed over is lost and overwritten"


def _is_built(boot: Boot) -> Verdict:
    if boot.target.built is None:
        return unknown("whether KHO is built into this kernel is not known")
    return Holds("KHO is built in") if boot.target.built else Fails("KHO is not built into this kernel")


def _is_attached(boot: Boot) -> Verdict:
    return boot.handed.attached


def _same_page_size(boot: Boot) -> Verdict:
    here, there = boot.handed.page_size, boot.target.page_size
    if there is None and boot.handed.state.machine.arch != "x86_64":
        return unknown(f"pages of {here} bytes, and those of the kernel are not known")
    words = f"pages of {here} bytes" + ("" if there is None else f", the kernel has {there}")
    return Holds(words) if there in (None, here) else Fails(words)


def _header(boot: Boot) -> Verdict:
    root = boot.handed.root
    # The copy that the next kernel reads: none of debugfs stands for it.
    if root is None or not isinstance(root.handed, Blob):
        return unknown("the root FDT was not found in memory, where it is read")
    fault = header_fault(root.handed.data, known(root.phys), strict=boot.target.release.checks_fdt_alignment)
    return Fails(fault) if fault else Holds("the header is sound")


def _root_version(boot: Boot) -> Verdict:
    handed_over, wanted = boot.handed.compatibles, boot.target.root.compatible
    if isinstance(handed_over, Missing):
        return handed_over
    if not handed_over and boot.handed.node is None:
        return Fails("libfdt finds no root node in it")
    shown = ", ".join(visible(one) for one in handed_over) or "none"
    words = f"handed over: {shown}; this kernel takes only {wanted.decode()}"
    return Holds(words) if wanted in handed_over else Fails(words)


def names_map(boot: Boot) -> Verdict:
    """Whether the root names a tracker."""
    length, address = boot.handed.map_length, boot.handed.map_address
    if isinstance(length, Missing):
        return length
    if length != 8:
        return Fails(f"preserved-memory-map has {length} bytes instead of 8")
    if isinstance(address, Missing):
        return address
    return Holds("there is a memory map") if address else Fails("preserved-memory-map is 0: never finalized")


def _scratch(boot: Boot) -> Verdict:
    scratch = boot.handed.state.scratch
    if isinstance(scratch, Missing) or not scratch.areas:
        return unknown("the scratch table is not at hand")
    return Holds("the scratch table can be read")


def _decides(name: str, stage: Stage, question: str, ask: Ask, releases: Range = EVERY) -> Check:
    return Check(name=name, stage=stage, question=question, fails=Outcome.IGNORED, consequence=_LOST, releases=releases, ask=ask)


ATTACHED = _decides("attached", Stage.FIND, "is the handover given to the next kernel at all", _is_attached)
"""Where it fails there is nothing to look at."""

ACCEPTANCE: tuple[Check, ...] = (
    _decides("built", Stage.FIND, "is KHO built into the kernel", _is_built),
    ATTACHED,
    Check(
        name="page-size",
        stage=Stage.FIND,
        question="have both kernels the same page size",
        fails=Outcome.WILD,
        consequence="the tracker is walked as one of other pages: the kernel dies of it, or misreads every structure",
        releases=EVERY,
        ask=_same_page_size,
    ),
    _decides("fdt-header", Stage.ACCEPT, "is the root an FDT", _header),
    _decides("root-version", Stage.ACCEPT, "does the kernel know this version of the root", _root_version),
    _decides("memory-map", Stage.ACCEPT, "does the root name a memory map", names_map, Range("6.19")),
    _decides("scratch", Stage.ACCEPT, "can the scratch table be read", _scratch),
)
"""In the order in which a kernel meets them."""
