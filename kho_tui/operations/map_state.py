"""The memory map of an opened state: which side it is of, its stretches over a range, and all that is known of one address."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kho_tui.analysis.memory_map import Hit, MemoryMap, memory_map
from kho_tui.analysis.unowned import unowned_reason, unseen_owner
from kho_tui.context import Context
from kho_tui.errors import GapError, ReadError
from kho_tui.memory.physical import ADDRESS_END, PhysicalMemory
from kho_tui.model.content import FileContent
from kho_tui.model.facts import Fact, Missing, Status, Unavailable, Unknown
from kho_tui.model.kinds import (
    KIND_FOLIO,
    KIND_KERNEL,
    KIND_PRESERVED,
    KIND_RAM,
    KIND_SCRATCH,
    KIND_TEST_FOLIO,
    KIND_TRACKER,
    Duty,
    Kind,
    Lane,
)
from kho_tui.model.path import EntityPath
from kho_tui.model.sides import side_meant
from kho_tui.model.state import Side, State
from kho_tui.text import NO_TEXT, SafeText, plural, visible

AROUND_BYTES = 64
ROW_BYTES = 16

_Joined: TypeAlias = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64]]
"""Starts, ends and claims of stretches, all of shape (n,)."""

_NO_STRETCHES: _Joined = (np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))
_TOKEN_AT = 3
"""Where the token stands in the path of what belongs to a file: side, LUO, session, token."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """One side of a state with its memory map."""

    state: State
    side: Side
    memory: MemoryMap

    @property
    def unknown(self) -> Mapping[Kind, Missing]:
        """Kinds that the map does not have, or not all of, because nothing told them: that they are absent from it means nothing."""
        host = self.state.host
        facts = {KIND_RAM: host.ram, KIND_KERNEL: host.kernel, KIND_SCRATCH: self.state.scratch, KIND_PRESERVED: self.memory.preserved}
        found = {kind: fact for kind, fact in facts.items() if isinstance(fact, Missing)}
        scratch = self.state.scratch
        if not isinstance(scratch, Missing) and not scratch.whole:
            found[KIND_SCRATCH] = Unavailable(SafeText(f"not all of it: {scratch.reason}"))
        some = host.bounded
        if some is not None:
            found = {KIND_RAM: some, KIND_KERNEL: some} | found
        return found


def map_state(state: State, context: Context | None = None) -> Mapped:
    """The map of the side that is shown where the user names none: out, else unsided, else in. Without any, the machine's own layers.

    Raises Cancelled.
    """
    side = side_meant(state)
    return Mapped(state, side, memory_map(state, side, context))


@dataclass(frozen=True, eq=False)
class Stretches:
    """What lies in a range, ascending: neighbours of one kind and owner joined, preserved blocks joined over all orders.

    ``start``, ``end`` u64, ``kind`` the kind's number in the order of Kind, ``claim`` the owner's number in the map's claims (-1 for
    preserved); all of shape (n,).
    """

    memory: MemoryMap
    start: npt.NDArray[np.uint64]
    end: npt.NDArray[np.uint64]
    kind: npt.NDArray[np.uint8]
    claim: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def rows(self, first: int, count: int) -> list[Hit]:
        """Stretches first..first+count-1; fewer at the end."""
        window = slice(max(first, 0), max(first, 0) + count)
        columns = (self.kind[window].tolist(), self.claim[window].tolist(), self.start[window].tolist(), self.end[window].tolist())
        kept = EntityPath((self.memory.side, "preserved"))
        kinds = self.memory.kinds
        return [
            Hit(kinds[kind], kept if claim < 0 else self.memory.claims[claim].path, start, end)
            for kind, claim, start, end in zip(*columns, strict=True)
        ]


def stretches(memory: MemoryMap, low: int, high: int, kinds: Collection[Kind]) -> Stretches:
    """The stretches of some kinds that reach into [low, high), at their full length."""
    chosen = [number for number, kind in enumerate(memory.kinds) if kind in kinds]
    firsts: dict[EntityPath, int] = {}
    owners = np.array([firsts.setdefault(claim.path, number) for number, claim in enumerate(memory.claims)], np.int64)
    parts = [_joined(memory, memory.kinds[number], low, high, owners) for number in chosen] or [_NO_STRETCHES]
    start = np.concatenate([part[0] for part in parts])
    end = np.concatenate([part[1] for part in parts])
    claim = np.concatenate([part[2] for part in parts])
    kind = np.repeat(np.array(chosen, np.uint8), [len(part[0]) for part in parts] if chosen else [])
    order = np.lexsort((kind, start))
    return Stretches(memory, start[order], end[order], kind[order], claim[order])


def _joined(memory: MemoryMap, kind: Kind, low: int, high: int, owners: npt.NDArray[np.int64]) -> _Joined:
    """``owners``: the first claim of the same path, for each claim; a tracker claims level by level."""
    if kind is KIND_PRESERVED:
        union = memory.unions.get(kind)
        if union is None:
            return _NO_STRETCHES
        near = (union.end > np.uint64(low)) & (union.start < np.uint64(high))
        return union.start[near], union.end[near], np.full(int(near.sum()), -1, np.int64)
    regions = memory.layers.get(kind)
    rows = _NO_STRETCHES[2] if regions is None else regions.within(low, high)
    if regions is None or not len(rows):
        return _NO_STRETCHES
    start, end, owner = regions.start[rows], regions.end[rows], owners[regions.owner[rows]]
    breaks = (start[1:] != end[:-1]) | (owner[1:] != owner[:-1])
    heads, tails = np.concatenate([[True], breaks]), np.concatenate([breaks, [True]])
    return start[heads], end[tails], owner[heads]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer that holds the address, with the way there from the root in words."""

    hit: Hit
    way: SafeText


@dataclass(frozen=True, slots=True)
class ByteRow:
    """Some bytes at a physical address, or why they are not there."""

    address: int
    data: bytes | Missing


@dataclass(frozen=True, eq=False, kw_only=True)
class Whois:
    """All that is known of one address.

    ``owned``: whether a decoded path leads to it. ``standing`` says whether it is preserved, and whether it ought to be.
    """

    address: int
    side: str
    page_size: int
    layers: tuple[Layer, ...]
    preserved: Fact[bool]
    owned: Fact[bool]
    standing: SafeText
    around: tuple[ByteRow, ...]
    unknown: Mapping[Kind, Missing]
    """Kinds that may hold the address and that nothing told."""

    @property
    def whose(self) -> SafeText:
        """The owner in words, or why there is none."""
        owner = next((layer.way for layer in self.layers if layer.hit.kind.is_owner), None)
        if owner is not None:
            return owner
        if any(layer.hit.kind is KIND_TRACKER for layer in self.layers):
            return SafeText("a page of the tracker itself; not preserved by design")
        return SafeText(f"owner cannot be told: {self.owned.reason}" if isinstance(self.owned, Missing) else "nobody owns it")


def whois(mapped: Mapped, held: PhysicalMemory | None, address: int) -> Whois:
    """Whose an address is, by the map; ``held`` is the captured memory, where there is any."""
    memory = mapped.memory
    hits = memory.at(address)
    preserved = _preserved(memory, hits, address)
    reason = unowned_reason(mapped.side, memory.owner_gap)
    owned: Fact[bool] = any(hit.kind.is_owner or hit.kind is KIND_TRACKER for hit in hits)
    if owned is False:
        unseen = unseen_owner(mapped.side) if preserved is True else NO_TEXT
        owned = memory.why_untold(address, address + 1) or (Unknown(unseen) if unseen else False)
    layers = tuple(Layer(hit, _way(hit, address, mapped)) for hit in hits)
    standing = SafeText(_standing(hits, preserved, reason, mapped))
    return Whois(
        address=address,
        side=memory.side,
        page_size=memory.page_size,
        layers=layers,
        preserved=preserved,
        owned=owned,
        standing=standing,
        around=_around(held, address),
        unknown=mapped.unknown,
    )


def _preserved(memory: MemoryMap, hits: list[Hit], address: int) -> Fact[bool]:
    if isinstance(memory.preserved, Missing):
        return memory.preserved
    if memory.preserved.doubt is not None:
        readings = [memory.preserved.runs, *(other.runs for other in memory.preserved.others)]
        if len({runs.covers(address) for runs in readings}) > 1:
            return memory.preserved.doubt
    if any(hit.kind is KIND_PRESERVED for hit in hits):
        return True
    if memory.preserved.status is not Status.DECODED:
        return Unavailable(SafeText(f"not in the part of the tracker that could be read ({memory.preserved.reason})"))
    return False


def _standing(hits: list[Hit], preserved: Fact[bool], reason: SafeText, mapped: Mapped) -> str:
    duties = {hit.kind.duty: hit.kind for hit in hits}
    owners = sum(hit.kind.is_owner for hit in hits)
    claimed = f"; {owners} owners claim it" if owners > 1 else ""
    forbidden, must = duties.get(Duty.MUST_NOT), duties.get(Duty.MUST)
    if isinstance(preserved, Missing):
        due = f"; {must.name} {Duty.MUST.value}" if must else ""
        return f"whether it is preserved cannot be told: {preserved.reason}{due}{claimed}"
    if preserved and forbidden:
        return f"preserved, and {forbidden.name} {Duty.MUST_NOT.value}{claimed}"
    if preserved:
        no_owner = "preserved, but no owner" if mapped.memory.owner_gap is None else "preserved"
        return f"preserved, as {must.name} must be{claimed}" if must else f"{no_owner}: {reason}"
    if must:
        return f"NOT preserved, and {must.name} {Duty.MUST.value}: it will be lost{claimed}"
    if forbidden:
        return f"not preserved, as {forbidden.name} must not be"
    in_ram = any(hit.kind is KIND_RAM for hit in hits)
    if not in_ram and KIND_RAM not in mapped.unknown:
        return "not preserved, and no System RAM by /proc/iomem"
    doubt = " (unless it is scratch, which this capture does not tell)" if KIND_SCRATCH in mapped.unknown else ""
    known_ram = "" if in_ram else ", if it is memory at all"
    return f"not preserved: its contents end with this kernel{known_ram}{doubt}"


def _way(hit: Hit, address: int, mapped: Mapped) -> SafeText:
    page_size = mapped.memory.page_size
    words = _path_words(hit, mapped)
    pages = -(-(hit.end - hit.start) // page_size)
    within = f", page {(address - hit.start) // page_size + 1} of {pages}" if pages > 1 and hit.kind.lane is not Lane.MACHINE else ""
    if hit.kind not in (KIND_FOLIO, KIND_TEST_FOLIO):
        return SafeText(f"{words}{within}")
    return SafeText(f"{words}{within or ', page 1 of 1'} of the folio{_file_offset(hit, address, mapped.side, page_size)}")


def _path_words(hit: Hit, mapped: Mapped) -> str:
    parts = list(hit.path.parts)
    if parts[0] == mapped.side.name:
        del parts[0]
    if hit.kind.is_owner and len(hit.path.parts) > _TOKEN_AT and hit.path.parts[_TOKEN_AT].startswith("0x"):
        parts[_TOKEN_AT - 1] = f"token {parts[_TOKEN_AT - 1]}"
    if hit.kind in (KIND_FOLIO, KIND_TEST_FOLIO):
        parts[-2:] = [f"{parts[-2]}[{parts[-1]}]"]
    elif hit.kind is KIND_PRESERVED:
        order = ((hit.end - hit.start) // mapped.memory.page_size).bit_length() - 1
        parts[-1] = f"block {parts[-1]} of order {order}"
    elif hit.kind is KIND_SCRATCH and not isinstance(mapped.state.scratch, Missing):
        area = mapped.state.scratch.areas[int(parts[-1])]
        parts[-1] = area.kind if area.node is None else f"node {area.node}"
    return " / ".join(parts) or "root FDT"


def _file_offset(hit: Hit, address: int, side: Side, page_size: int) -> str:
    content = _file_content(side, hit.path.parent.parent) if hit.kind is KIND_FOLIO else None
    start = None if content is None else content.offset_of_row(int(hit.path.parts[-1]), page_size)
    size = None if content is None else content.file_size()
    if start is None or size is None:
        return ""
    offset = start + address - hit.start
    return f", byte {offset} of the file" if offset < size else f", byte {offset}: beyond the end of the file ({plural(size, 'byte')})"


def _file_content(side: Side, path: EntityPath) -> FileContent | None:
    content = next((file.content for file in side.files if file.path == path), None)
    return None if isinstance(content, Missing) else content


def _around(held: PhysicalMemory | None, address: int) -> tuple[ByteRow, ...]:
    """The aligned AROUND_BYTES that hold the address, row by row."""
    first = address // AROUND_BYTES * AROUND_BYTES
    return tuple(ByteRow(at, _bytes(held, at)) for at in range(first, min(first + AROUND_BYTES, ADDRESS_END), ROW_BYTES))


def _bytes(held: PhysicalMemory | None, address: int) -> bytes | Missing:
    if held is None:
        return Unavailable(SafeText("no memory in this capture"))
    try:
        return held.read(address, ROW_BYTES)
    except GapError as gap:
        absence = held.absence(gap.address)
        return Unavailable(SafeText("not in this capture") if absence is None else absence.reason)
    except ReadError as error:
        return Unavailable(visible(str(error)))
