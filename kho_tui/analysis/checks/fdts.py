"""Rules on every FDT of a side: the root and the subtrees that are FDTs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.decode.fdts import view_fdt
from kho_tui.fdt.libfdt import UNAVAILABLE
from kho_tui.layout.place import Origin
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import FdtView, Subtree

_VERSION, _LAST_COMP_VERSION = 17, 16
"""FDT_LAST_SUPPORTED_VERSION and what fdt_finish writes as last_comp_version (scripts/dtc/libfdt)."""


@dataclass(frozen=True, slots=True)
class _Fdt:
    """An FDT as the next kernel reads it. ``cut``: bytes of it are not in the capture."""

    path: EntityPath
    view: FdtView
    cut: bool


def _fdts(evidence: Evidence, found: Found) -> Iterator[_Fdt]:
    root = evidence.root(found)
    page = None if root is None else found.need(root.handed, "page of the root FDT")
    if root is not None and page is not None:
        view = root.view if page is root.view.blob else view_fdt(page)
        yield _Fdt(evidence.path, view, view.tree.truncated)
    for subtree in evidence.subtrees(found) if root is not None else ():
        if subtree.status is Status.STALE or isinstance(subtree.blob, Missing):
            found.lack(f"blob of {subtree.path}", subtree.reason)
        elif subtree.fdt is not None:
            yield _Fdt(subtree.path, subtree.fdt, subtree.fdt.tree.truncated and not _is_whole(evidence, subtree))
    found.not_here("")


def _is_whole(evidence: Evidence, subtree: Subtree) -> bool:
    """Whether all of a blob was read from memory, by the size that the root names: then it is the FDT that claims too much."""
    root = evidence.side.root
    sized = not isinstance(root, Missing) and root.format is not None and root.format.size is not None
    blob = subtree.blob
    return sized and not isinstance(blob, Missing) and blob.place.origin is Origin.MEMORY and len(blob.data) == subtree.size


@rule(
    "KHO142",
    "every FDT is of version 17, readable from version 16 on",
    warning(),
    explanation="version and last_comp_version in the header of the root FDT and of each subtree that is an FDT.",
    consequence="none by itself as long as libfdt reads the version (KHO001); somebody other than the kernel wrote the FDT",
    source="scripts/dtc/libfdt/fdt_sw.c, fdt_create_with_flags and fdt_finish (6.16 to 7.3)",
)
def version(evidence: Evidence, found: Found) -> None:
    """What every kernel's libfdt writes."""
    for fdt in _fdts(evidence, found):
        header = fdt.view.tree.header
        if header is None:
            found.lack(f"header of the FDT of {fdt.path}", "too few bytes")
            continue
        versions = header.integer("version"), header.integer("last_comp_version")
        if versions != (_VERSION, _LAST_COMP_VERSION):
            said = f"version {versions[0]}, last_comp_version {versions[1]}: the kernel writes {_VERSION} and {_LAST_COMP_VERSION}"
            found.broken(said, fdt.path, fdt.view.blob.place.phys)


@rule(
    "KHO144",
    "libfdt accepts every FDT",
    error(),
    explanation="fdt_check_full of libfdt, the library that the kernel reads FDTs with, on the root FDT and on each subtree that is an "
    "FDT. Unknown where pylibfdt is not installed. A root that claims more than its page is KHO003.",
    consequence="the kernel looks at the header and at what it asks for, so it may stumble anywhere: over the root it refuses the "
    "handover, over LUO's FDT it panics, over memblock's it allocates the regions anew",
    source="scripts/dtc/libfdt/fdt_check.c, fdt_check_full (6.16 to 7.3); fdt_ro.c, fdt_node_check_compatible and fdt_getprop_namelen",
)
def readable(evidence: Evidence, found: Found) -> None:
    """libfdt's own verdict."""
    for fdt in _fdts(evidence, found):
        if fdt.cut:
            found.lack(f"FDT of {fdt.path}", f"only part of it is {evidence.here}, or it claims more than its page")
        elif fdt.view.verdict.startswith(UNAVAILABLE):
            found.lack("libfdt's verdict", fdt.view.verdict)
        elif fdt.view.verdict != "ok":
            found.broken(f"libfdt: {fdt.view.verdict}", fdt.path, fdt.view.blob.place.phys)


RULES = (version, readable)
