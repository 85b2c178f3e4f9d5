"""What the consumers of a booting kernel make of a handover that it took: regions, test data, sessions (kho-abi.md 5 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from kho_tui.abi.luo import FILE_ARRAY, LUO_NAME, SESSION_ARRAY
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.errors import GapError, InputError, ReadError
from kho_tui.layout.platform import Platform
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.handover import Region, U64s, Vmalloc
from kho_tui.model.luo import File, FlbList, Luo, Memfd, NotWritten, Session, SessionList, VmallocArea
from kho_tui.model.state import KexecMetadata, KhoTest, Memblock, ScratchArea, Side, Subtree
from kho_tui.model.told import vmalloc_content
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.releases.check import Outcome, Target
from kho_tui.releases.offered import Offered
from kho_tui.releases.receiver import Reception
from kho_tui.releases.sessions import made_as, unmade
from kho_tui.simulator.contents import Contents, FilledMemory
from kho_tui.simulator.incoming import Incoming, IncomingFile, IncomingSession, Stretch
from kho_tui.simulator.memfd import Memfd as FileInMemory
from kho_tui.simulator.reserving import Reserved
from kho_tui.text import SafeText, visible

T = TypeVar("T")

_CSUM16 = (1 << 16) - 1
_SEAL_SEAL = 1
"""F_SEAL_SEAL: what a file comes back with where the format keeps no seals (memfd-v1; seen on 6.19.11): it was not made by memfd_create."""


@dataclass(frozen=True, slots=True)
class NotCaptured:
    """Contents that are kept and that nothing at hand tells. Reading them raises GapError."""

    address: int

    def read(self, offset: int, size: int) -> bytes:
        """See Contents."""
        raise GapError(self.address, size, f"byte {offset} of a file")


@dataclass(frozen=True, eq=False)
class Received:
    """``restored``: what the test module says, None where it was not asked. ``freed``: memory that the boot itself gives back.

    ``previous`` is the release that the metadata names, ``has_flbs``: FLB data came. ``unsure`` says what cannot be known.
    """

    incoming: Incoming
    restored: bool | None
    freed: tuple[Stretch, ...]
    unsure: tuple[Unpredictable, ...]
    previous: str
    has_flbs: bool


@dataclass(frozen=True, eq=False)
class Handed:
    """What consumers look at: what is handed over, the side as it lies in kept memory, what was kept, and what is known of contents."""

    offered: Offered
    side: Side
    scratch: tuple[ScratchArea, ...]
    reserved: Reserved
    memory: PhysicalMemory
    contents: FilledMemory
    platform: Platform

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.platform.page_size


def receive_all(handed: Handed, reception: Reception, *, has_test_module: bool) -> Received:
    """Run the consumers in the order of a boot, each only as far as ``reception`` says that it gets."""
    unsure: list[Unpredictable] = []
    freed: list[Stretch] = []
    subtrees = {one.name: one for one in reversed(handed.side.handed_over)}
    taken = {name for name, (outcome, _) in reception.consumers.items() if outcome in (Outcome.TAKEN, Outcome.PART, Outcome.MISREAD)}
    memblock = _content(subtrees, MEMBLOCK_NAME, Memblock) if MEMBLOCK_NAME in taken else None
    metadata = _content(subtrees, KEXEC_METADATA_NAME, KexecMetadata) if KEXEC_METADATA_NAME in taken else None
    regions = _regions(handed.offered) if memblock is not None else ()
    count = metadata.record.integer("kexec_count") if metadata is not None and reception.target.release.metadata else 0
    restored = None
    if has_test_module and KHO_TEST_NAME in subtrees:
        test = _content(subtrees, KHO_TEST_NAME, KhoTest) if KHO_TEST_NAME in taken else None
        restored = test is not None and _restore_test(test, handed, freed, unsure)
    luo = _content(subtrees, LUO_NAME, Luo) if reception.read_at_boot(LUO_NAME) else None
    incoming = Incoming(
        handed.scratch,
        tuple(
            zip(handed.reserved.memory.start.tolist(), (handed.reserved.memory.end - handed.reserved.memory.start).tolist(), strict=True)
        ),
        regions,
        restored is not None,
        count,
        *_sessions(luo, subtrees, handed, reception.target, freed, unsure),
    )
    previous = visible(metadata.record.text("previous_release")) if metadata is not None else ""
    flbs = luo.flbs if luo is not None else None
    return Received(incoming, restored, tuple(freed), tuple(unsure), previous, isinstance(flbs, FlbList) and bool(flbs.flbs))


def _content(subtrees: Mapping[bytes, Subtree], name: bytes, kind: type[T]) -> T | None:
    found = subtrees.get(name)
    return found.content if found is not None and isinstance(found.content, kind) else None


def _regions(offered: Offered) -> tuple[Region, ...]:
    """Those that mm/memblock.c would revive if they are asked for."""
    told = [(one.name, one.start, one.size) for one in offered.regions or () if one.compatible]
    return tuple(Region(name, start, size) for name, start, size in told if start is not None and size is not None)


def _restore_test(test: KhoTest, handed: Handed, freed: list[Stretch], unsure: list[Unpredictable]) -> bool:
    """lib/test_kho.c: restores the list and every folio, and compares the sum."""
    blocks, csum = test.folio_blocks, known(test.csum)
    if isinstance(blocks, Missing) or csum is None or len(blocks) != known(test.nr_folios):
        return False
    if not isinstance(test.area, Missing):
        pages = _area_pages(test.area, handed)
        if pages is None:
            return False
        freed += pages
    if not all(handed.reserved.has_blocks(np.array([start], np.uint64), order) for start, order in blocks):
        return False
    freed += [(start, handed.page_size << order) for start, order in blocks]
    total = 0
    words = "<u2" if handed.platform.byte_order == "little" else ">u2"
    try:
        for start, order in blocks:
            data = _bytes_at(start, handed.page_size << order, handed)
            total += int(np.frombuffer(data, words).sum(dtype=np.uint64))
    except (GapError, ReadError):
        unsure.append(Unpredictable(SafeText("kho_test: the contents of its folios are not at hand; its sum is taken for right")))
        return True
    return total % _CSUM16 == csum % _CSUM16


def _bytes_at(start: int, size: int, handed: Handed) -> bytes:
    contents = handed.contents.contents_at(start)
    return contents.read(0, size) if contents is not None else handed.memory.read(start, size)


def _area_pages(area: VmallocArea, handed: Handed) -> list[Stretch] | None:
    """kho_restore_vmalloc: pages of an area, chunks included; None where it gives NULL."""
    if area.status is not Status.DECODED:
        return None
    try:
        content: Vmalloc = vmalloc_content(area, handed.side.subtrees[0].path)
    except InputError:
        return None
    if not handed.reserved.has_blocks(np.array(content.chunks, np.uint64), 0) or not handed.reserved.has_blocks(
        content.entries, content.order
    ):
        return None
    return [(page, handed.page_size) for page in content.chunks] + [
        (page, handed.page_size << content.order) for page in content.entries.tolist()
    ]


_Sessions = tuple[int, tuple[IncomingSession, ...], tuple[Stretch, ...], str]
"""Number, sessions, what lists them, and why /dev/liveupdate cannot be opened."""


def _sessions(
    luo: Luo | None, subtrees: Mapping[bytes, Subtree], handed: Handed, target: Target, freed: list[Stretch], unsure: list[Unpredictable]
) -> _Sessions:
    number = None if luo is None else known(luo.number)
    if luo is None or number is None or target.release.luo is None:
        return 0, (), (), ""
    size = handed.page_size
    if luo.header is not None and (phys := known(subtrees[LUO_NAME].phys)) is not None:
        freed.append((phys, size))
    if isinstance(luo.sessions, NotWritten):
        late = "LUO writes its sessions in the reboot call, after this state was captured: the next kernel is shown without them"
        unsure.append(Unpredictable(SafeText(late)))
        at = known(luo.sessions_at)
        return number, (), (((at, SESSION_ARRAY.bytes(size)),) if at else ()), ""
    if not isinstance(luo.sessions, SessionList):
        return number, (), (), "" if luo.sessions_at == 0 else f"the list of sessions: {luo.sessions.reason}"
    listed = luo.sessions
    in_blocks = luo.format.sessions_in_blocks
    pages = [(one.place.phys, size if in_blocks else SESSION_ARRAY.bytes(size)) for one in listed.headers if one.place.phys is not None]
    fault = "" if listed.status is Status.DECODED else f"the list of sessions: {listed.reason}"
    given = None if handed.offered.luo is None else handed.offered.luo.listed
    found = None if given is None else unmade(given, target.release.luo, target.all_handlers, size)
    if found is not None:
        fault = found.met
    sessions = () if fault else tuple(_session(one, luo, handed, target) for one in listed.sessions)
    return number, sessions, tuple(pages), fault


def _session(session: Session, luo: Luo, handed: Handed, target: Target) -> IncomingSession:
    """A session that is made. Its files that are not restored give an error when they are asked for."""
    if isinstance(session.files, Missing):
        return IncomingSession(made_as(session.name), ())
    size = handed.page_size
    if luo.format.files_in_blocks:
        pages = [(one.place.phys, size) for one in session.blocks if one.place.phys is not None]
    else:
        pages = [(session.files_at, FILE_ARRAY.bytes(size))] if session.files_at else []
    made = tuple(
        _file(file, handed) if file.compatible in target.all_handlers else IncomingFile(file.token, None) for file in session.files
    )
    return IncomingSession(made_as(session.name), made, pages=tuple(pages))


def _file(file: File, handed: Handed) -> IncomingFile:
    """What memfd_luo_retrieve will find; a file of which anything was not kept as it was gives an error when it is asked for."""
    memfd = file.content if isinstance(file.content, Memfd) else None
    folios = None if memfd is None or isinstance(memfd.folios, Missing) else memfd.folios
    if memfd is None or folios is None or folios.status is not Status.DECODED:
        return IncomingFile(file.token, None)
    if not handed.reserved.has_blocks(np.array([file.data], np.uint64), 0):
        return IncomingFile(file.token, None)
    pages: list[Stretch] = [(file.data, handed.page_size)]
    if folios.area.chunks:
        area = _area_pages(folios.area, handed)
        if area is None:
            return IncomingFile(file.token, None)
        pages += area
    shift = np.uint64(handed.page_size.bit_length() - 1)
    pfn = folios.table.column("word0") & np.uint64((1 << 52) - 1)
    # A page frame number of 0 is skipped by the reader.
    there = pfn != 0
    addresses: U64s = pfn[there] << shift
    orders = handed.reserved.orders(addresses)
    if (orders < 0).any():
        return IncomingFile(file.token, None)
    indexes = folios.table.column("index")[there].astype(np.uint64)
    sizes = orders.astype(np.uint64)
    for array in (addresses, sizes, indexes):
        array.flags.writeable = False
    record = memfd.record
    seals = record.integer("seals") if memfd.format.has_seals else _SEAL_SEAL
    contents = _contents(addresses, handed)
    return IncomingFile(
        file.token,
        FileInMemory(record.integer("size"), record.integer("pos"), seals, addresses, sizes, indexes, contents),
        pages=tuple(pages),
    )


def _contents(addresses: U64s, handed: Handed) -> Contents:
    found = handed.contents.contents_at(int(addresses[0])) if len(addresses) else None
    return found if found is not None else NotCaptured(int(addresses[0]) if len(addresses) else 0)
