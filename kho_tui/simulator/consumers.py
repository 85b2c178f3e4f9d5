"""What a kernel goes on with of a handover that it took: what its reception restores, as memory and files of the simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kho_tui.analysis.receiver.areas import area_chunks
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.errors import GapError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import Platform
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.state import ScratchArea
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.simulator.contents import Contents, FilledMemory
from kho_tui.simulator.facet import Simulating, by_turn
from kho_tui.simulator.incoming import Incoming, Stretch
from kho_tui.text import SafeText, visible


@dataclass(frozen=True, slots=True)
class NotCaptured:
    """Contents that are kept and that nothing at hand tells. Reading them raises GapError."""

    address: int

    def read(self, offset: int, size: int) -> bytes:
        """See Contents."""
        raise GapError(self.address, size, f"byte {offset} of a file")


@dataclass(frozen=True, eq=False)
class Received:
    """``freed``: memory that the boot itself gives back; ``unsure``: what cannot be known."""

    incoming: Incoming
    freed: tuple[Stretch, ...]
    unsure: tuple[Unpredictable, ...]


@dataclass(frozen=True, eq=False)
class Handed:
    """What the consumers of a reception find: memory after the jump, and what is known of contents.

    They add to ``freed`` what they give back while they boot, and to ``unsure`` what they cannot know.
    """

    reception: Reception
    scratch: tuple[ScratchArea, ...]
    memory: PhysicalMemory
    contents: FilledMemory
    freed: list[Stretch] = field(default_factory=list)
    unsure: list[Unpredictable] = field(default_factory=list)

    @property
    def platform(self) -> Platform:
        """Byte order and page size of the machine."""
        return self.reception.boot.handed.state.machine.platform

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.platform.page_size

    def content(self, name: bytes) -> object:
        """What a consumer reads of its subtree; None where it gets nothing of it."""
        subtree = self.reception.boot.handed.content(name)
        return None if subtree is None or self.reception.ending(name) is not None else subtree.content

    def doubt(self, text: str) -> None:
        """Say what cannot be known."""
        self.unsure.append(Unpredictable(SafeText(text)))

    def area_pages(self, area: VmallocArea) -> list[Stretch]:
        """Pages of an area, its chunks included."""
        chunks = [(page, self.page_size) for page in area_chunks(area).tolist()]
        return chunks + [(page, self.page_size << area.order) for page in area.entries(self.page_size).tolist()]

    def orders(self, addresses: U64s) -> U64s:
        """Orders of the blocks at these addresses, as they were handed over; 0 where none was."""
        return np.maximum(self.reception.boot.reserved.orders(addresses), 0).astype(np.uint64)

    def contents_at(self, address: int) -> Contents:
        """What is known of the contents of the block at an address."""
        found = self.contents.contents_at(address)
        return NotCaptured(address) if found is None else found


def receive_all(handed: Handed, built: Mapping[bytes, object]) -> Received:
    """Run the consumers in turn, each only as far as its reception says that it gets. ``built``: how the kernel is built, by subtree."""
    registry = handed.reception.target.registry
    arrived = {name: facet.receive(handed, built.get(name)) for name, facet in by_turn(registry).items()}
    for declared in registry.declared:
        name = declared.family.name
        if Simulating in declared.without and declared.family.place == "subtree" and handed.content(name) is not None:
            handed.doubt(f"in/{visible(name)}: not simulated: {declared.without[Simulating]}")
    kept = handed.reception.boot.reserved.memory
    incoming = Incoming(
        scratch=handed.scratch,
        reserved=tuple(zip(kept.start.tolist(), (kept.end - kept.start).tolist(), strict=True)),
        arrived={name: what for name, what in arrived.items() if what is not None},
    )
    return Received(incoming, tuple(handed.freed), tuple(handed.unsure))
