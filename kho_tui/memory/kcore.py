"""Memory of the running machine through /proc/kcore: only pages that something points at, each read as carefully as the kernel allows.

/proc/kcore gives zeros for pages that are offline, ballooned, poisoned or not accepted yet, and it gives pages of user space as it gives
all others. So a page of zeros counts only where /proc/kpageflags shows, before and after, that its bytes are there, and a page of user
space is not read at all: whatever pointed there is outdated. (fs/proc/kcore.c, 6.16 to 7.3.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from kho_tui.errors import GapError, ReadError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.extents import Extents, arrange
from kho_tui.memory.page_flags import PageFlags, has_no_bytes, is_nobodys, is_user_memory
from kho_tui.memory.physical import Absence, Extent, PageBytes, PresentMask, read_pages_singly, require_held
from kho_tui.memory.pieces import PlacedBy
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.text import SafeText, visible

_HEAD = 64
"""Bytes that tell whether a page that was searched is a root FDT."""
_NO_FLAGS = SafeText("/proc/kcore gives zeros, and without /proc/kpageflags they may stand for a page that it cannot read")
_FLAGS_END = SafeText("/proc/kpageflags ends before it, so whether its bytes are there is unknown")
_NOT_RAM = SafeText("no System RAM in /proc/kcore")
_NOT_READ = SafeText("not read: contents of a running machine's memory are not looked at")
_MOVING = SafeText("it changed between two readings")


class KcoreMemory:
    """Pages of this machine, each read once and kept, so that all who ask see the same. Implements MemoryFile.

    * ``core``: /proc/kcore. A page is read when it is asked for or named: only pages that the kernel points to.
    * Its flags are asked before and after it is read: it may have become another's meanwhile.
    * A search looks through the pages that are named and no others. They are compared again by how they begin, what was used to the byte.
    * The order is ``hold_back`` and ``name_pages``, the search, ``begin``, decoding, ``differing``, ``seal``; another raises RuntimeError.
    * Once sealed nothing more is read from the kernel for the state, whoever asks; ``differing`` may be asked again, to watch.
    * To read again, make a new KcoreMemory and give it the pages in ``named`` of this one.

    Of the notes of /proc/kcore VMCOREINFO is kept as that of any core: its page size is a hint, below what this machine says itself. Its
    symbols are not asked: /proc/kallsyms has them, and the kernel's own tables are memory that nothing of KHO points at. PRSTATUS,
    PRPSINFO and TASKSTRUCT are of the process that reads.
    """

    placed_by: PlacedBy = "file"

    def __init__(
        self,
        core: SegmentedMemory,
        *,
        flags: PageFlags | None,
        page_size: int,
        pointed_at: Callable[[], Sequence[int]] = tuple,
        moving: frozenset[int] = frozenset(),
    ) -> None:
        """``pointed_at``: the pages that the kernel's variable of the outgoing side points at, read anew at each call.

        ``moving``: addresses of pages that are held back, because they changed between two readings. ``page_size`` in bytes.
        """
        self.core = core
        self.name = core.name
        self.byte_order: ByteOrder | None = core.byte_order
        self.machine = core.machine
        self.notes: tuple[str, ...] = core.notes
        self.cut = core.cut
        self.vmcoreinfo: Mapping[str, str] = core.vmcoreinfo
        self.flags = flags
        self.page_size = page_size
        self._pointed_at = pointed_at
        self._outgoing = tuple(pointed_at())
        self._named: dict[int, None] = dict.fromkeys(self._outgoing)
        self._searched: frozenset[int] = frozenset()
        self._moving = moving
        self._pages: dict[int, bytes | Absence] = {}
        self._used: dict[int, set[tuple[int, int]]] = {}
        self._asked_for_live: set[int] = set()
        self._for_live = self._begun = self._sealed = False

    @property
    def total_bytes(self) -> int:
        """See PhysicalMemory."""
        return self.extents().total_bytes

    @property
    def named(self) -> tuple[int, ...]:
        """Addresses of the pages that a search looks through."""
        return tuple(self._named)

    @property
    def outgoing(self) -> tuple[int, ...]:
        """Those of them that the kernel's variable of the outgoing side points at."""
        return self._outgoing

    def refused(self) -> Iterator[tuple[int, Absence]]:
        """Pages that were asked for and are not there, ascending, with the reason.

        Addresses without RAM are among them where something live points there.
        """
        for number in sorted(self._pages):
            page = self._page(number)
            if isinstance(page, Absence) and (not page.no_ram or number in self._asked_for_live):
                yield number * self.page_size, page

    def lost(self) -> Iterator[tuple[int, Absence]]:
        """Those of them that the state lacks: nothing is lost with a freed page of the incoming side that is somebody else's now."""
        return ((page, why) for page, why in self.refused() if not why.outdated or page // self.page_size in self._asked_for_live)

    def ask_for(self, *, live: bool) -> None:
        """Whether what asks for pages from here on is live: the incoming side goes on pointing at memory that the kernel has freed."""
        self._for_live = live

    @property
    def pages_read(self) -> int:
        """Pages whose bytes were used."""
        return len(self._used)

    def begin(self, needed: Iterable[tuple[int, int]]) -> None:
        """Count as used only what is read from here on, and ``needed``, (address, bytes): a search looks at more than it uses."""
        self._require(not self._begun, "begun twice")
        self._begun = True
        self._used.clear()
        self._searched = frozenset(self._pages)
        for address, size in needed:
            self.read(address, size)

    def name_pages(self, addresses: Sequence[int]) -> None:
        """Add pages that a search looks through."""
        self._require(not self._begun, "a page named behind the search would not be looked through")
        self._named |= dict.fromkeys(addresses)

    def hold_back(self, addresses: frozenset[int]) -> None:
        """Answer for these pages that they are moving."""
        self._require(not self._begun, "a page held back behind the search may have been believed")
        self._moving |= addresses

    def seal(self) -> None:
        """From here on only what was read is there: the state is decoded, and what else lies in memory is not KHO's."""
        self._require(self._begun, "sealed before it was begun")
        self._sealed = True

    def forget(self, address: int, size: int) -> None:
        """Count the bytes that were read there as not used, and keep nothing of a page of which no byte is: they are somebody else's."""
        self._require(not self._sealed, "what was read was shown already")
        for number in range(address // self.page_size, -(-(address + size) // self.page_size)):
            first, last = address - number * self.page_size, address + size - number * self.page_size
            parts = {(low, high) for low, high in self._used.get(number, ()) if low < first or high > last}
            if parts:
                self._used[number] = parts
            elif self._used.pop(number, None):
                del self._pages[number]

    def used(self) -> Extents:
        """The bytes that were read, by physical address; offsets are those of the same bytes if they were put one behind the other."""
        ranges = sorted((number * self.page_size + low, high - low) for number, parts in self._used.items() for low, high in parts)
        starts, sizes = np.array(ranges, np.uint64).reshape(-1, 2).T
        return arrange(starts.copy(), sizes.copy(), starts.copy())[0]

    def differing(self) -> frozenset[int]:
        """Read everything that was used once more: addresses of the pages of which a used byte is another one, is gone, or is there now.

        Also the pages that the kernel's variable points at now and did not, and those that were searched and begin differently now.
        """
        self._require(self._begun, "compared before it was begun: what was searched is not known")
        changed = set(self._outgoing) ^ set(self._pointed_at())
        for number, before in self._pages.items():
            if number * self.page_size in self._moving:
                continue
            now = self._fetch(number)
            if isinstance(before, Absence) or isinstance(now, Absence):
                differs = type(before) is not type(now)
            else:
                parts = self._used.get(number) or ({(0, _HEAD)} if number in self._searched else set())
                differs = any(before[low:high] != now[low:high] for low, high in parts)
            if differs:
                changed.add(number * self.page_size)
        return frozenset(changed)

    def extents(self) -> Extents:
        """See PhysicalMemory. All System RAM, of which pages are read one by one; what was read, once that is all."""
        return self.used() if self._sealed else self.core.extents()

    def stored(self) -> Iterator[Extent]:
        """See PhysicalMemory. The pages that the kernel names, for nothing else is searched; what was read, once that is all."""
        if self._sealed:
            yield from self.used()
            return
        for address in sorted({address - address % self.page_size for address in self._named}):
            if self.available(address, self.page_size) == self.page_size:
                yield Extent(address, self.page_size, self.core.origin(address)[1])

    def available(self, address: int, size: int) -> int:
        """See PhysicalMemory."""
        there = 0
        while there < size:
            number, inside = divmod(address + there, self.page_size)
            if isinstance(self._page(number), Absence):
                break
            there += self.page_size - inside
        return min(there, size)

    def absence(self, address: int) -> Absence | None:
        """See PhysicalMemory."""
        page = self._page(address // self.page_size)
        return page if isinstance(page, Absence) else None

    def origin(self, address: int) -> tuple[str, int]:
        """See PhysicalMemory."""
        return self.core.origin(address)

    def read(self, address: int, size: int) -> bytes:
        """See PhysicalMemory."""
        if size < 0:
            raise ValueError(f"negative size: {size}")
        require_held(self, address, size)
        parts: list[bytes] = []
        while size:
            number, low = divmod(address, self.page_size)
            high = min(low + size, self.page_size)
            page = self._page(number)
            assert isinstance(page, bytes)
            if not self._sealed:
                self._used.setdefault(number, set()).add((low, high))
            parts.append(page[low:high])
            address += high - low
            size -= high - low
        return b"".join(parts)

    def read_pages(self, addresses: U64s, size: int) -> tuple[PageBytes, PresentMask]:
        """See PhysicalMemory."""
        return read_pages_singly(self, addresses, size)

    def _require(self, holds: bool, problem: str) -> None:
        if not holds:
            raise RuntimeError(f"{type(self).__name__}: {problem}")

    def _page(self, number: int) -> bytes | Absence:
        page = self._pages.get(number)
        if page is None and self._sealed:
            return Absence(_NOT_READ)
        if page is None:
            page = self._pages[number] = self._fetch(number)
        if self._begun and not self._sealed and self._for_live:
            self._asked_for_live.add(number)
        return Absence(_MOVING, moving=True) if number * self.page_size in self._moving else page

    def _fetch(self, number: int) -> bytes | Absence:
        """The page from the kernel, or why it is none that counts."""
        address = number * self.page_size
        if self.core.available(address, self.page_size) < self.page_size:
            return Absence(_NOT_RAM, no_ram=True)
        try:
            if (before := self._refusal(number)) is not None:
                return before
            data = self.core.read(address, self.page_size)
            after = self._refusal(number, zeros=data.count(0) == len(data))
        except (ReadError, GapError) as error:
            return Absence(visible(str(error)))
        return data if after is None else after

    def _refusal(self, number: int, *, zeros: bool = False) -> Absence | None:
        """Why the page does not count by its flags; ``zeros``: all bytes of it were 0. Raises ReadError."""
        if self.flags is None:
            return Absence(_NO_FLAGS) if zeros else None
        flags = self.flags.of(number)
        if flags is None:
            return Absence(_FLAGS_END)
        if why := has_no_bytes(flags):
            return Absence(SafeText(f"the page is {why}: /proc/kcore gives zeros for it"))
        if why := is_nobodys(flags):
            return Absence(SafeText(f"the page is {why} now: what pointed here is outdated"), outdated=True)
        if why := is_user_memory(flags):
            return Absence(SafeText(f"the page is user memory now ({why}): what pointed here is outdated"), outdated=True)
        return None
