"""What a fault is applied to: one side of a decoded state, and copies of its memory and files that may be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from kho_tui.encode.handover import pieces
from kho_tui.errors import InputError
from kho_tui.layout.place import Blob, Origin
from kho_tui.layout.struct import Layout, Record
from kho_tui.memory.overlay import Overlay
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.model.facts import Missing, known
from kho_tui.model.handover import Handover
from kho_tui.model.intervals import Intervals, intervals, spans
from kho_tui.model.state import Root, Scratch, Side, State, Subtree
from kho_tui.releases.names import Names
from kho_tui.simulator.faults import tracker_edit
from kho_tui.text import visible

T = TypeVar("T")

_WORD = 4
"""What lies in an FDT, and every field of a struct but one of kexec-metadata, starts at a multiple of it."""
_ROOM = 1 << 30
"""Bytes above what was captured that are taken for RAM where the capture does not tell."""


class DoesNotApply(InputError):
    """This state has not what the fault breaks."""


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes of captured memory that the fault changed: what was there and what is there now, of one length."""

    address: int
    before: bytes
    after: bytes


@dataclass(slots=True, eq=False, kw_only=True)
class Case:
    """A state under the knife. ``image`` and ``files`` (by name inside the capture) are copies; faults change nothing else.

    ``whole`` is the side as a Handover, or the error that says why it is not known whole, as on the incoming side.
    """

    state: State
    side: Side
    whole: Handover | InputError
    image: Overlay
    files: dict[str, bytes]
    written: list[Written] = field(default_factory=list)
    _taken: list[tuple[int, int]] = field(default_factory=list)

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.state.machine.platform.page_size

    @property
    def handover(self) -> Handover:
        """The side whole, as it is by now. Raises DoesNotApply."""
        if isinstance(self.whole, InputError):
            raise DoesNotApply(str(self.whole))
        return self.whole

    @property
    def root(self) -> Root:
        """The root FDT as it was decoded. Raises DoesNotApply."""
        return need(self.side.root)

    @property
    def root_at(self) -> int:
        """Where the root FDT lies. Raises DoesNotApply."""
        return need(self.root.phys)

    @property
    def scratch(self) -> Scratch:
        """The scratch table. Raises DoesNotApply."""
        return need(self.state.scratch)

    @property
    def names(self) -> Names:
        """What this kernel calls its files of debugfs."""
        return self.state.registry.releases.names_of(self.state.machine.release)

    @property
    def fdt_file(self) -> str:
        """The file of debugfs that shows the root FDT."""
        return f"kho/{self.side.name}/{self.names.fdt}"

    def blob_file(self, name: bytes, side: str | None = None) -> str:
        """The file of debugfs that shows a subtree; ``side`` None: of the side that is changed."""
        return f"kho/{side or self.side.name}/{self.names.sub_fdts}/{name.decode('utf-8', 'surrogateescape')}"

    def subtree(self, *names: bytes) -> Subtree:
        """The first subtree that has one of the names, in the order of the names. Raises DoesNotApply."""
        for name in names:
            for one in self.side.handed_over:
                if one.name == name:
                    return one
        raise DoesNotApply(f"no subtree {' or '.join(visible(name) for name in names)} in this state")

    def read(self, address: int, size: int) -> bytes:
        """Captured bytes. Raises DoesNotApply where they are not there."""
        if self.image.available(address, size) < size:
            raise DoesNotApply(f"memory at {address:#x} is not in this capture")
        return self.image.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Change captured bytes, noting word by word what changed; or make a page that was not captured. Raises DoesNotApply in between."""
        there = self.image.available(address, len(data))
        if not there:
            self.image.write(address, data)
            return
        before = self.read(address, len(data))
        at = 0
        while at < len(data):
            end = at
            while end < len(data) and before[end : end + _WORD] != data[end : end + _WORD]:
                end += _WORD
            if end > at:
                self.image.write(address + at, data[at:end])
                self.written.append(Written(address + at, before[at:end], data[at:end]))
            at = max(end, at + _WORD)

    def put(self, layout: Layout, address: int, **values: int | bytes) -> None:
        """Fields of the struct at an address. Raises DoesNotApply."""
        order = self.state.machine.platform.byte_order
        for one in layout.fields:
            if one.name in values:
                self.write(address + layout.span(one.name)[0], one.encode(values[one.name], order))

    def change(self, record: Record, **values: int | bytes) -> None:
        """Fields of a struct that was decoded. Raises DoesNotApply."""
        self.put(record.layout, place_of(record), **values)

    def u64(self, value: int) -> bytes:
        """A u64 in the byte order of the machine."""
        return value.to_bytes(8, self.state.machine.platform.byte_order)

    def become(self, handover: Handover) -> None:
        """Write what the changed handover says otherwise. Raises DoesNotApply, EncodeError."""
        before = {piece.address: piece.data for piece in pieces(self.handover, self.state.registry)}
        for piece in pieces(handover, self.state.registry):
            old = before.get(piece.address)
            if old is None:
                self.write(piece.address, piece.data)
            elif old != piece.data:
                self._write_changes(piece.address, old, piece.data)
        self.whole = handover

    def keep(self, address: int, order: int = 0) -> None:
        """Preserve one more block. Raises DoesNotApply."""
        self.become(tracker_edit.keep(self.handover, address, order, self.free))

    def forget(self, address: int, order: int | None = None) -> None:
        """Preserve one block less: the one of this order that starts at the address, or whichever does. Raises DoesNotApply."""
        found = tracker_edit.order_at(self.handover.runs, address)
        if found is None or order not in (None, found):
            raise DoesNotApply(f"no block of its own is preserved at {address:#x}")
        self.become(tracker_edit.forget(self.handover, address, found))

    def free(self, order: int = 0) -> int:
        """2^order pages of RAM of which nothing is known: not preserved, not scratch, not captured. Raises DoesNotApply."""
        size = self.page_size << order
        unused = self._ram() - self._busy()
        near = self.root_at
        # Above the root FDT first: there the machine this state is booted on has RAM too.
        for low, high in ((near, ADDRESS_END - 1), (0, near)):
            part = unused.clip(low, high)
            for start, end in zip(part.start.tolist(), part.end.tolist(), strict=True):
                address = -(-start // size) * size
                if address and address + size <= end:
                    self._taken.append((address, size))
                    return int(address)
        raise DoesNotApply(f"no {size} bytes of RAM are unused in this state")

    def unused(self, address: int, size: int) -> bool:
        """Whether nothing is known of all these bytes of RAM."""
        part = (self._ram() - self._busy()).clip(address, address + size)
        return part.bytes == size

    def ram_end(self) -> int:
        """Behind the last RAM. Raises DoesNotApply where the capture does not tell."""
        return max(one.start + one.size for one in need(self.state.host.ram))

    def copies(self) -> Mapping[str, int]:
        """The files of debugfs that show memory: name and where the bytes lie."""
        places: dict[str, int] = {}
        if isinstance(self.side.root, Root) and isinstance(self.side.root.phys, int):
            places[self.fdt_file] = self.side.root.phys
        for one in self.side.handed_over:
            if isinstance(one.phys, int):
                places[self.blob_file(one.name)] = one.phys
        return {name: at for name, at in places.items() if name in self.files}

    def finish(self) -> None:
        """Let the copies in debugfs show what changed, as far as they showed the very bytes before: else they are of an earlier moment."""
        for name, at in self.copies().items():
            data = bytearray(self.files[name])
            for one in self.written:
                low, high = max(one.address, at), min(one.address + len(one.before), at + len(data))
                inside, shown = slice(low - one.address, high - one.address), slice(low - at, high - at)
                if low < high and data[shown] == one.before[inside]:
                    data[shown] = one.after[inside]
            self.files[name] = bytes(data)

    def _write_changes(self, address: int, old: bytes, new: bytes) -> None:
        """Only the words in which two encodings differ: beside them captured memory may hold what neither says."""
        size = max(len(old), len(new))
        old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
        words = np.frombuffer(old, np.uint32) != np.frombuffer(new, np.uint32)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], words.astype(np.int8), [0]]))) * _WORD
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            self.write(address + start, new[start:end])

    def _ram(self) -> Intervals:
        ram = known(self.state.host.ram)
        if ram:
            return spans(ram)
        end = max((one.start + one.size for one in self.image.extents()), default=0)
        return intervals([0], [end + _ROOM])

    def _busy(self) -> Intervals:
        areas = () if isinstance(self.state.scratch, Missing) else self.state.scratch.areas
        taken = [*((one.start, one.size) for one in self.image.extents()), *((one.start, one.size) for one in areas), *self._taken]
        busy = intervals(
            np.array([start for start, size in taken if size], np.uint64),
            np.array([start + size for start, size in taken if size], np.uint64),
        )
        return busy if isinstance(self.whole, InputError) else busy | intervals(self.whole.runs.start, self.whole.runs.ends)


def need(fact: T | Missing) -> T:
    """The value. Raises DoesNotApply with the reason where there is none."""
    if isinstance(fact, Missing):
        raise DoesNotApply(str(fact.reason))
    return fact


def place_of(record: Record) -> int:
    """Where a struct lies in memory. Raises DoesNotApply where only a copy of it is at hand."""
    if record.place.phys is None or record.place.origin is not Origin.MEMORY:
        raise DoesNotApply(f"{record.layout.name} is not in the memory of this capture")
    return record.place.phys


def memory_of(blob: Blob | Missing) -> tuple[int, bytes]:
    """Address and bytes of a blob that was read from memory. Raises DoesNotApply where it was not."""
    found = need(blob)
    if found.place.phys is None or found.place.origin is not Origin.MEMORY:
        raise DoesNotApply("its bytes are not in the memory of this capture")
    return found.place.phys, found.data
