"""Byte order and page size of a state: from what surrounds it, else from its own structure, else assumed; always with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kho_tui.abi.properties import integer_property
from kho_tui.capture.sources import Hint, Sources
from kho_tui.context import Context
from kho_tui.decode.reader import Findings, Reader
from kho_tui.decode.roots import RootCandidate, preserves_itself
from kho_tui.fdt.tree import Node
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder, Platform
from kho_tui.model.codes import NOT_ONE_BOOT, PLATFORM
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.text import SafeText

_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}
"""ELF machines by the kernel's name of the architecture."""
_HIGHEST_ADDRESS = 1 << 52
_SURE_BY_ALIGNMENT = 3
"""Addresses that are all aligned to a larger page: by chance once in 4 (16K) or 16 (64K) each."""


_KEEPS_ITSELF = "the tracker keeps the root FDT's own page"
_MOST_WALKED = 512
"""Root FDTs in memory whose trackers are walked with each page size."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user says against all evidence; None leaves the evidence to decide."""

    page_size: int | None = None
    byte_order: ByteOrder | None = None
    root: int | None = None
    """Physical address of the root FDT in memory that is to be shown."""


def decide_platform(
    sources: Sources,
    candidates: Sequence[RootCandidate],
    roots: Sequence[Node],
    overrides: Overrides,
    registry: Registry,
    context: Context,
    findings: Findings,
) -> tuple[Platform, tuple[SafeText, ...]]:
    """The platform and one reason for each half of it. ``roots`` are the root nodes of all root FDTs at hand."""
    nodes = [*roots, *(c.root for c in candidates)]
    trial = Reader(memory=sources.memory, platform=Platform(), context=context, findings=Findings(), registry=registry)
    byte_order, why_order = _byte_order(sources, nodes, overrides, trial, findings)
    trial = replace(trial, platform=Platform(byte_order))
    page_size, why_size = _page_size(sources, candidates, nodes, overrides, trial, findings)
    _check_machine(sources, findings)
    reasons = (SafeText(f"{byte_order}-endian: {why_order}"), SafeText(f"page size {page_size}: {why_size}"))
    return Platform(byte_order, page_size), reasons


def _byte_order(sources: Sources, nodes: Sequence[Node], overrides: Overrides, trial: Reader, findings: Findings) -> tuple[ByteOrder, str]:
    hint = _strongest(sources, "byte_order", findings)
    if overrides.byte_order is not None:
        _check_told(hint, overrides.byte_order, findings)
        return overrides.byte_order, "as told"
    if hint is not None:
        return ("big" if hint.value == "big" else "little"), hint.reason
    readers = {order: replace(trial, platform=Platform(order)) for order in _orders()}
    votes = {order: sum(1 for value in _addresses(nodes, reader) if value < _HIGHEST_ADDRESS) for order, reader in readers.items()}
    if votes["big"] > votes["little"]:
        return "big", "addresses in the root FDT make sense only so"
    if votes["little"] > votes["big"]:
        return "little", "addresses in the root FDT make sense only so"
    findings.add(PLATFORM, EntityPath(), "byte order: nothing tells; taken as little-endian (--byte-order says otherwise)")
    return "little", "assumed, nothing tells"


def _page_size(
    sources: Sources,
    candidates: Sequence[RootCandidate],
    nodes: Sequence[Node],
    overrides: Overrides,
    trial: Reader,
    findings: Findings,
) -> tuple[int, str]:
    """``trial`` reads in the byte order that was found; its own page size means nothing."""
    hint = _strongest(sources, "page_size", findings)
    if overrides.page_size is not None:
        by_walk = None if hint is not None else _by_walk(candidates, trial)
        seen = hint if by_walk is None else Hint("page_size", by_walk, _KEEPS_ITSELF, 0)
        _check_told(seen, overrides.page_size, findings)
        return overrides.page_size, "as told"
    if hint is not None and hint.value in PAGE_SIZES:
        return int(hint.value), hint.reason
    by_walk = _by_walk(candidates, trial)
    if by_walk is not None:
        return by_walk, f"with it {_KEEPS_ITSELF}"
    addresses = sorted(set(_addresses(nodes, trial)))
    for size in reversed(PAGE_SIZES[1:]):
        if len(addresses) >= _SURE_BY_ALIGNMENT and all(value % size == 0 for value in addresses):
            findings.add(
                PLATFORM, EntityPath(), f"page size {size} is a guess: all addresses are aligned to it (--page-size says otherwise)"
            )
            return size, f"a guess: all {len(addresses)} addresses are aligned to it"
    if any(value % PAGE_SIZES[1] for value in addresses):
        return PAGE_SIZES[0], "addresses are aligned to no larger page"
    if nodes:
        findings.add(PLATFORM, EntityPath(), "page size: nothing tells; taken as 4096 (--page-size says otherwise)")
    return PAGE_SIZES[0], "assumed, nothing tells"


def _check_told(hint: Hint | None, told: int | ByteOrder, findings: Findings) -> None:
    """Say where what the user told contradicts what the capture says."""
    if hint is not None and hint.value != told:
        what = hint.what.replace("_", " ")
        said = f"only with {hint.value} {_KEEPS_ITSELF}" if hint.reason == _KEEPS_ITSELF else f"{hint.reason} says {hint.value}"
        findings.add(PLATFORM, EntityPath(), f"{what}: told to be {told}, but {said}")


def _check_machine(sources: Sources, findings: Findings) -> None:
    """Memory of another kind of machine than the rest of the capture is not this capture's."""
    machine = sources.memory.machine if sources.memory is not None else None
    arch = _MACHINES.get(machine or "")
    if arch is not None and sources.arch is not None and arch != sources.arch:
        findings.add(NOT_ONE_BOOT, EntityPath(), f"memory is of {arch}, the rest of the capture of {sources.arch}")


def _by_walk(candidates: Sequence[RootCandidate], trial: Reader) -> int | None:
    """The one page size with which a root's own tracker keeps its page."""
    if trial.memory is None:
        return None
    paged = [one for one in candidates if one.phys % PAGE_SIZES[0] == 0][:_MOST_WALKED]
    fits = [
        size
        for size in PAGE_SIZES
        if any(preserves_itself(replace(trial.on_trial(), platform=replace(trial.platform, page_size=size)), one) for one in paged)
    ]
    return fits[0] if len(fits) == 1 else None


def _strongest(sources: Sources, what: str, findings: Findings) -> Hint | None:
    hints = sorted((h for h in sources.hints if h.what == what), key=lambda h: -h.strength)
    if not hints:
        return None
    other = next((h for h in hints if h.value != hints[0].value), None)
    if other is not None:
        message = (
            f"{what.replace('_', ' ')}: {hints[0].reason} says {hints[0].value}, {other.reason} says {other.value}; the first is taken"
        )
        findings.add(PLATFORM, EntityPath(), message)
    return hints[0]


def _orders() -> tuple[ByteOrder, ByteOrder]:
    return "little", "big"


def _addresses(nodes: Sequence[Node], reader: Reader) -> list[int]:
    """Addresses that root FDTs hold, zeros left out."""
    found, byte_order, pointers = [], reader.platform.byte_order, reader.registry.roots.pointers
    for node in nodes:
        found.append(integer_property(node, "preserved-memory-map", 8, byte_order))
        found += [integer_property(child, name, 8, byte_order) for child in node.children for name in pointers]
    return [value for value in found if value]
