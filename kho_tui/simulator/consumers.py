"""What a kernel goes on with of a handover that it took: what its reception restores, as memory and files of the simulation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kho_tui.abi.luo import LUO, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, METADATA_WRITTEN
from kho_tui.abi.test_kho import KHO_TEST_NAME, checksum_chunks, is_sum_of
from kho_tui.analysis.receiver.areas import area_chunks
from kho_tui.analysis.receiver.memblock import readable_regions
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.analysis.receiver.sessions import RestoredFile, RestoredSession
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.errors import GapError, ReadError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import Platform
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.contents.flbs import FlbList
from kho_tui.model.contents.kexec_metadata import KexecMetadata
from kho_tui.model.contents.kho_test import KhoTest
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.memblock import Region
from kho_tui.model.contents.memfd import Memfd
from kho_tui.model.contents.sessions import NotWritten, SessionList
from kho_tui.model.facts import Missing, known
from kho_tui.model.state import ScratchArea
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.simulator.contents import Contents, FilledMemory
from kho_tui.simulator.incoming import Incoming, IncomingFile, IncomingSession, Stretch
from kho_tui.simulator.memfd import Memfd as FileInMemory
from kho_tui.text import SafeText, visible

_SEAL_SEAL = 1
"""F_SEAL_SEAL: what a file comes back with where the format keeps no seals (memfd-v1; seen on 6.19.11): it was not made by memfd_create."""


@dataclass(frozen=True, slots=True)
class NotCaptured:
    """Contents that are kept and that nothing at hand tells. Reading them raises GapError."""

    address: int

    def read(self, offset: int, size: int) -> bytes:
        """See Contents."""
        raise GapError(self.address, size, f"byte {offset} of a file")


@dataclass(frozen=True, eq=False, kw_only=True)
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
    """What the consumers of a reception find: memory after the jump, and what is known of contents."""

    reception: Reception
    scratch: tuple[ScratchArea, ...]
    memory: PhysicalMemory
    contents: FilledMemory

    @property
    def platform(self) -> Platform:
        """Page size and byte order."""
        return self.reception.boot.handed.state.machine.platform

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.platform.page_size

    def content(self, name: bytes) -> object:
        """What a consumer reads of its subtree; None where it gets nothing of it."""
        subtree = self.reception.boot.handed.content(name)
        return None if subtree is None or self.reception.ending(name) is not None else subtree.content


def receive_all(handed: Handed, *, has_test_module: bool) -> Received:
    """Run the consumers in the order of a boot, each only as far as its reception says that it gets."""
    unsure: list[Unpredictable] = []
    freed: list[Stretch] = []
    reception, boot = handed.reception, handed.reception.boot
    memblock, metadata = handed.content(MEMBLOCK_NAME), handed.content(KEXEC_METADATA_NAME)
    regions = _regions(handed) if memblock is not None else ()
    count, previous = 0, ""
    if isinstance(metadata, KexecMetadata):
        count = metadata.record.integer("kexec_count") if METADATA_WRITTEN.covers(reception.target.release.version) else 0
        previous = visible(metadata.record.text("previous_release"))
    restored = None
    if has_test_module and boot.handed.content(KHO_TEST_NAME) is not None:
        test = handed.content(KHO_TEST_NAME)
        restored = isinstance(test, KhoTest) and _restore_test(test, handed, freed, unsure)
    number, sessions, pages, fault = _sessions(handed, freed, unsure)
    kept = boot.reserved.memory
    incoming = Incoming(
        scratch=handed.scratch,
        reserved=tuple(zip(kept.start.tolist(), (kept.end - kept.start).tolist(), strict=True)),
        regions=regions,
        has_test=restored is not None,
        kexec_count=count,
        liveupdate_number=number,
        sessions=sessions,
        session_pages=pages,
        sessions_fault=fault,
    )
    luo = _luo(handed)
    flbs = luo.flbs if luo is not None else None
    return Received(
        incoming=incoming,
        restored=restored,
        freed=tuple(freed),
        unsure=tuple(unsure),
        previous=previous,
        has_flbs=isinstance(flbs, FlbList) and bool(flbs.flbs),
    )


def _regions(handed: Handed) -> tuple[Region, ...]:
    """Those that mm/memblock.c would revive if they are asked for."""
    regions = [region for region, known_version in readable_regions(handed.reception.boot.handed) or () if known_version]
    extents = [(region.name, known(region.start), known(region.size)) for region in regions]
    return tuple(Region(name, start, size) for name, start, size in extents if start is not None and size is not None)


def _restore_test(test: KhoTest, handed: Handed, freed: list[Stretch], unsure: list[Unpredictable]) -> bool:
    """lib/test_kho.c: frees the list and every folio, and compares the sum."""
    blocks, csum = test.folio_blocks, known(test.csum)
    if isinstance(blocks, Missing) or csum is None:
        return False
    if isinstance(test.area, VmallocArea):
        freed += _area_pages(test.area, handed.page_size)
    freed += [(start, handed.page_size << order) for start, order in blocks]
    try:
        return is_sum_of(csum, _folio_bytes(blocks, handed), handed.platform.byte_order)
    except (GapError, ReadError):
        unsure.append(Unpredictable(SafeText("kho_test: the contents of its folios are not at hand; its sum is taken for right")))
        return True


def _folio_bytes(blocks: Sequence[tuple[int, int]], handed: Handed) -> Iterator[bytes]:
    """The contents of (address, order) blocks in pieces: those that are known, else those that are captured."""
    for start, order in blocks:
        contents = handed.contents.contents_at(start)
        for at, size in checksum_chunks([(start, handed.page_size << order)]):
            yield contents.read(at - start, size) if contents is not None else handed.memory.read(at, size)


def _area_pages(area: VmallocArea, page_size: int) -> list[Stretch]:
    """Pages of an area, its chunks included."""
    chunks = [(page, page_size) for page in area_chunks(area).tolist()]
    return chunks + [(page, page_size << area.order) for page in area.entries(page_size).tolist()]


_Sessions = tuple[int, tuple[IncomingSession, ...], tuple[Stretch, ...], str]
"""Number, sessions, what lists them, and why /dev/liveupdate cannot be opened."""


def _luo(handed: Handed) -> Luo | None:
    subtree = handed.reception.boot.handed.content(LUO_NAME)
    read = handed.reception.ending(LUO_NAME) is None
    return subtree.content if read and subtree is not None and isinstance(subtree.content, Luo) else None


def _sessions(handed: Handed, freed: list[Stretch], unsure: list[Unpredictable]) -> _Sessions:
    luo, boot, size = _luo(handed), handed.reception.boot, handed.page_size
    number = None if luo is None else known(luo.number)
    if luo is None or number is None or boot.target.own(LUO) is None:
        return 0, (), (), ""
    subtree = boot.handed.content(LUO_NAME)
    if luo.header is not None and subtree is not None and (phys := known(subtree.phys)) is not None:
        freed.append((phys, size))
    if isinstance(luo.sessions, NotWritten):
        late = "LUO writes its sessions in the reboot call, after this state was captured: the next kernel is shown without them"
        unsure.append(Unpredictable(SafeText(late)))
        at = known(luo.sessions_at)
        return number, (), (((at, luo.format.sessions.bytes(size)),) if at else ()), ""
    fault = boot.restored.fault
    why = fault.met if isinstance(fault, Fails) else ""
    if isinstance(fault, Missing):
        unsure.append(Unpredictable(SafeText(f"whether /dev/liveupdate can be opened: {fault.reason}; taken to be so")))
    if not isinstance(luo.sessions, SessionList):
        return number, (), (), why or ("" if luo.sessions_at == 0 else f"the list of sessions: {luo.sessions.reason}")
    whole = luo.format.sessions.bytes(size)
    pages = tuple((header.place.phys, whole) for header in luo.sessions.headers if header.place.phys is not None)
    sessions = () if why else tuple(_session(restored, luo, handed, unsure) for restored in boot.restored.sessions)
    return number, sessions, pages, why


def _session(restored: RestoredSession, luo: Luo, handed: Handed, unsure: list[Unpredictable]) -> IncomingSession:
    """A session that is made. Its files that are not restored give an error when they are asked for."""
    session, size = restored.session, handed.page_size
    if isinstance(restored.files, Missing):
        unsure.append(Unpredictable(SafeText(f"files of session {visible(restored.name)}: {restored.files.reason}; taken for none")))
        return IncomingSession(restored.name, ())
    if luo.format.files.chained:
        pages = [(block.place.phys, luo.format.files.bytes(size)) for block in session.blocks if block.place.phys is not None]
    else:
        pages = [(session.files_at, luo.format.files.bytes(size))] if session.files_at else []
    for file in restored.files:
        if isinstance(file.fault, Missing):
            what = f"whether file {file.file.token:#x} of session {visible(restored.name)} comes back"
            unsure.append(Unpredictable(SafeText(f"{what}: {file.fault.reason}; taken {'' if file.may_come_back else 'not '}to")))
    files = tuple(_file(file, handed) for file in restored.files)
    return IncomingSession(restored.name, files, pages=tuple(pages))


def _file(restored: RestoredFile, handed: Handed) -> IncomingFile:
    """What a retrieve finds; a file of which anything was not kept as it was gives an error when it is asked for."""
    file = restored.file
    memfd = file.content if isinstance(file.content, Memfd) else None
    folios = None if memfd is None or isinstance(memfd.folios, Missing) else memfd.folios
    if memfd is None or folios is None or not restored.may_come_back:
        return IncomingFile(token=file.token, memfd=None, lost=restored.fault.met if isinstance(restored.fault, Fails) else "")
    pages: list[Stretch] = [(file.data, handed.page_size), *_area_pages(folios.area, handed.page_size)]
    addresses = folios.heads(handed.platform.page_shift)
    indexes = folios.table.column("index")[folios.pfns != 0]
    sizes = np.maximum(handed.reception.boot.reserved.orders(addresses), 0).astype(np.uint64)
    for array in (addresses, sizes, indexes):
        array.flags.writeable = False
    record = memfd.record
    seals = record.integer("seals") if memfd.format.has_seals else _SEAL_SEAL
    contents = _contents(addresses, handed)
    return IncomingFile(
        token=file.token,
        memfd=FileInMemory(
            size=record.integer("size"),
            pos=record.integer("pos"),
            seals=seals,
            addresses=addresses,
            orders=sizes,
            indexes=indexes,
            contents=contents,
        ),
        pages=tuple(pages),
        shared=restored.shared,
    )


def _contents(addresses: U64s, handed: Handed) -> Contents:
    found = handed.contents.contents_at(int(addresses[0])) if len(addresses) else None
    return found if found is not None else NotCaptured(int(addresses[0]) if len(addresses) else 0)
