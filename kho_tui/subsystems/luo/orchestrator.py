"""The Live Update Orchestrator: sessions, files and FLBs up to the reboot call.

Source: kernel/liveupdate/luo_core.c, luo_session.c, luo_file.c, luo_flb.c.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field

from kho_tui.abi.block import MAX_BLOCKS
from kho_tui.abi.luo import (
    CHECKS_NAMES,
    FLB_NODE_NAME,
    HAS_FLBS,
    LUO,
    LUO_NAME,
    LUO_SESSION_SER,
    ONE_SESSION_A_FILE,
    SESSION_NODE_NAME,
    ListNode,
)
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.layout.table import PageArray
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import PlainFile, PlainFlb, PlainFlbPage, PlainSession
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.releases.calls import CALLS
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Finalize, Release
from kho_tui.simulator.facet import FileSimulating
from kho_tui.simulator.incoming import Stretch
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import FileKeeper, LogLine, OpenFile, PreservedFile
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.text import SafeText, visible

_NAME_BYTES = LUO_SESSION_SER.span("name")[1] - 1

_POINTERS = (f"{SESSION_NODE_NAME.decode()}/luo-session-header", f"{FLB_NODE_NAME.decode()}/luo-flb-header", "sessions_pa", "flbs_pa")


@dataclass(frozen=True, slots=True)
class Flb:
    """File-lifecycle-bound data that a driver registered: ``data`` is written while any file is preserved."""

    name: bytes
    data: int


@dataclass(slots=True, kw_only=True)
class IncomingFile:
    """A file of an incoming session. ``file`` is its memory, still where it was; None where the handler could not restore it.

    ``pages`` hold what describes it; they are given back when it is retrieved, or finished without that. ``lost``: why it is not restored.
    """

    token: int
    file: OpenFile | None
    retrieved: bool = False
    pages: tuple[Stretch, ...] = ()
    shared: frozenset[int] = frozenset()
    """Addresses of blocks that another file restores too: whichever is asked for first gets them."""
    lost: str = ""


@dataclass(slots=True)
class IncomingSession:
    """A session as it was handed over. ``pages`` list its files, until it is finished."""

    name: bytes
    files: tuple[IncomingFile, ...]
    retrieved: bool = False
    pages: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What LUO got of the kernel before. ``number`` is as received, 0 where nothing was; ``flbs``: names of the FLBs whose data came."""

    number: int = 0
    sessions: tuple[IncomingSession, ...] = ()
    session_pages: tuple[Stretch, ...] = ()
    """What lists the sessions, until /dev/liveupdate is opened first."""
    fault: str = ""
    """Why the list cannot be made into sessions, so that every open of /dev/liveupdate fails; empty: it can."""
    flbs: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Session:
    """An outgoing session; ``pages``: the array or the blocks that list its files."""

    name: bytes
    pages: list[int] = field(default_factory=list)
    files: dict[int, PreservedFile] = field(default_factory=dict)


class Orchestrator(FileKeeper[Arrived]):
    """LUO of one kernel. ``running``: whether it is there and switched on; ``incoming``: sessions that were handed over, by name."""

    def __init__(self, kernel: Kernel, arrived: Arrived | None) -> None:
        super().__init__(kernel, arrived)
        self.running, self.frozen = False, False
        self.sessions: dict[bytes, Session] = {}
        self.incoming = {session.name: session for session in (arrived.sessions if arrived is not None else ())}
        self._incoming_pages = arrived.session_pages if arrived is not None else ()
        self._number = (arrived.number if arrived is not None else 0) + 1
        self._restored: set[int] = set()
        self._flbs: list[Flb] = []
        self._session_pages: list[int] = []
        self._flb_page = 0
        self._why_not = "it needs liveupdate=on"

    def start(self, kho: Kho) -> None:
        """Register LUO's subtree and the FLBs of the test module, where LUO is switched on."""
        form = kho.registry.of(kho.release, LUO)
        if form is None or not self.kernel.options.liveupdate:
            return
        self._kho, self._form = kho, form
        size = kho.machine.page_size
        try:
            blob = kho.kho_alloc_preserve(size, "LUO")
            if not form.sessions.chained:
                self._session_pages.append(kho.kho_alloc_preserve(form.sessions.bytes(size), "LUO sessions"))
            self._flb_page = kho.kho_alloc_preserve(form.flbs.bytes(size), "LUO FLBs") if self._does(HAS_FLBS) else 0
            kho.kho_add_subtree(LUO_NAME, blob, len(subtree_blob(self.content(), kho.encoder)), self.content)
            self.running = True
            for flb in self._built if self._does(HAS_FLBS) else ():
                self.liveupdate_register_flb(flb)
        except KernelError as error:
            self._why_not = str(error)
            raise

    def open_device(self) -> None:
        """The first time the incoming sessions are made. -ENODEV where LUO is off, -EIO each time where they cannot be (luo_session.c)."""
        call = "open /dev/liveupdate"
        if not self.running:
            raise KernelError(errno.ENODEV, call, self._why_off())
        if self.arrived is not None and self.arrived.fault:
            raise KernelError(errno.EIO, call, self.arrived.fault)
        self.kernel.give_back(self._incoming_pages)
        self._incoming_pages = ()

    def liveupdate_register_flb(self, flb: Flb) -> None:
        """Register FLB data (7.0 on). -EEXIST for a name twice, -ENOSPC when the page is full."""
        call = "liveupdate_register_flb"
        if not CALLS[call].covers(self._kho.release.version):
            raise KernelError(errno.ENOSYS, call, f"{self._kho.release.name} has no FLBs; releases that have them: {CALLS[call]}")
        if any(one.name == flb.name for one in self._flbs):
            raise KernelError(errno.EEXIST, call, f"{visible(flb.name)} is registered")
        if len(self._flbs) >= self._form.flbs.capacity(self._kho.machine.page_size):
            raise KernelError(errno.ENOSPC, call, f"{len(self._flbs)} FLBs are all that fit the page")
        self._flbs.append(flb)

    def create_session(self, name: bytes) -> Session:
        """LIVEUPDATE_IOCTL_CREATE_SESSION. -EEXIST, -EINVAL for a bad name (7.1 on), -ENOMEM when the array is full, -ENOSPC the blocks."""
        call = "luo_session_create"
        self._need_unfrozen(call)
        if self._does(CHECKS_NAMES) and not 1 <= len(name) <= _NAME_BYTES:
            raise KernelError(errno.EINVAL, call, f"a session name has 1 to {_NAME_BYTES} bytes, not {len(name)}")
        name = name[:_NAME_BYTES].split(b"\0", 1)[0]
        count = len(self.sessions) + 1
        if self._form.sessions.chained:
            # Before the name is looked at: a name that is taken leaves an empty block behind (luo_session.c, 7.2 and 7.3).
            self._grow(self._session_pages, self._form.sessions, count, "LUO sessions", call)
        if name in self.sessions:
            raise KernelError(errno.EEXIST, call, f"a session {visible(name)} is there")
        if not self._form.sessions.chained and count > self._capacity(self._form.sessions):
            raise KernelError(errno.ENOMEM, call, f"{count - 1} sessions are all that fit the array")
        self.sessions[name] = Session(name)
        return self.sessions[name]

    def release_session(self, name: bytes) -> None:
        """Close an outgoing session's file: its files are unpreserved, its memory given back."""
        self._need_unfrozen("luo_session_release")
        session = self._outgoing(name, "luo_session_release")
        for kept in session.files.values():
            kept.unpreserve(self._kho)
        whole = self._form.files.bytes(self._kho.machine.page_size)
        for page in session.pages:
            self._kho.kho_unpreserve_free(page, whole)
        del self.sessions[name]
        if self._form.sessions.chained:
            needed = -(-len(self.sessions) // self._capacity(self._form.sessions))
            while len(self._session_pages) > needed:
                self._kho.kho_unpreserve_free(self._session_pages.pop(), self._form.sessions.bytes(self._kho.machine.page_size))

    def preserve_file(self, session_name: bytes, token: int, file: OpenFile) -> PreservedFile:
        """LIVEUPDATE_SESSION_PRESERVE_FD. -EEXIST for a token twice, -ENOSPC, -ENOENT without handler, -EBUSY for a file twice (7.1 on)."""
        call = "luo_preserve_file"
        self._need_unfrozen(call)
        session = self._outgoing(session_name, call)
        if token in session.files:
            raise KernelError(errno.EEXIST, call, f"token {token:#x} is taken")
        what = f"{session.name.decode('utf-8', 'backslashreplace')}/{token:#x}"
        self._room_for_file(session, what, call)
        handlers = self._kho.registry.facets(FileSimulating).values()
        handler = next((handler for handler in handlers if handler.can_preserve(self._kho, file)), None)
        if handler is None:
            raise KernelError(errno.ENOENT, call, f"no handler takes {file.kind}")
        if self._does(ONE_SESSION_A_FILE) and any(kept.file is file for one in self.sessions.values() for kept in one.files.values()):
            raise KernelError(errno.EBUSY, call, "the file is preserved already")
        session.files[token] = handler.preserve(self._kho, file, what)
        return session.files[token]

    def retrieve_session(self, name: bytes) -> IncomingSession:
        """LIVEUPDATE_IOCTL_RETRIEVE_SESSION. -ENOENT where no such session came, -EINVAL the second time."""
        found = self.incoming.get(name)
        if found is None:
            raise KernelError(errno.ENOENT, "luo_session_retrieve", f"no session {visible(name)} was handed over")
        if found.retrieved:
            raise KernelError(errno.EINVAL, "luo_session_retrieve", f"session {visible(name)} was retrieved before")
        found.retrieved = True
        return found

    def retrieve_file(self, session: IncomingSession, token: int) -> IncomingFile:
        """LIVEUPDATE_SESSION_RETRIEVE_FD. -ENOENT where there is no such token, -EIO where the file could not be restored."""
        found = next((one for one in session.files if one.token == token), None)
        if found is None:
            raise KernelError(errno.ENOENT, "luo_retrieve_file", f"session {visible(session.name)} has no file {token:#x}")
        contested, self._restored = found.shared & self._restored, self._restored | found.shared
        if found.file is None or contested:
            found.file = None
            why = f": {found.lost}" if found.lost else ""
            raise KernelError(errno.EIO, "luo_retrieve_file", f"file {token:#x} of {visible(session.name)} could not be restored{why}")
        found.retrieved = True
        self.kernel.give_back(found.pages)
        found.pages = ()
        return found

    def finish_session(self, name: bytes) -> IncomingSession:
        """LIVEUPDATE_SESSION_FINISH: what was not retrieved is given back to the system, and the session is gone. Gives it a last time."""
        found = self.incoming.get(name)
        if found is None or not found.retrieved:
            raise KernelError(errno.EINVAL, "luo_session_finish", f"session {visible(name)} was not retrieved")
        done = list(found.pages)
        for file in found.files:
            done += file.pages
            if not file.retrieved and file.file is not None:
                done += file.file.stretches(self._kho.machine.page_size)
        self.kernel.give_back(done)
        return self.incoming.pop(name)

    def freeze(self) -> None:
        """Entries and counts are written, sessions stay locked; 6.19 and 7.0 then finalize KHO."""
        if not self.running:
            return
        self.frozen = True
        if self._kho.release.finalize is Finalize.SERIALIZE:
            self._kho.kho_finalize()

    def content(self) -> PlainLuo:
        """What is in memory now: lists are written in the reboot call only."""
        files = sum(len(session.files) for session in self.sessions.values())
        flbs = tuple(PlainFlb(flb.name, flb.data, files) for flb in self._flbs if files) if self.frozen else ()
        written = self.frozen or not self._form.sessions.chained
        return PlainLuo(
            form=self._form,
            number=self._number,
            session_compatible=_written(self._form.session_node, self._kho.release),
            pages=tuple(self._session_pages) if written else (),
            sessions=tuple(self._session(one) for one in self.sessions.values()) if self.frozen else (),
            flb_compatible=_written(self._form.flb_node, self._kho.release),
            flb_page=PlainFlbPage(self._flb_page, 1, flbs) if self._flb_page else None,
        )

    def taken_lines(self) -> Iterator[LogLine]:
        """The number that was handed over."""
        if self.arrived is not None and self.arrived.number and self.kernel.options.kho:
            yield 6, f"luo: Retrieved live update data, liveupdate number: {self.arrived.number}"

    def started_lines(self) -> Iterator[LogLine]:
        """What the test module of FLBs says (lib/tests/liveupdate.c)."""
        if not self.running or not self._flbs:
            return
        arrived = self.arrived.flbs if self.arrived is not None else frozenset()
        for flb in (flb for flb in self._flbs if flb.name in arrived):
            yield 6, f"liveupdate test: {flb.name.decode('utf-8', 'backslashreplace')}: found flb data from the previous boot"
        handlers = ", ".join(sorted(name.decode() for name in self.kernel.registry.handlers(self.kernel.release)))
        yield 6, f"liveupdate test: Registered {len(self._flbs)} FLBs with file handler: [{handlers}]"

    def addresses(self) -> Iterator[Spot]:
        """The pointers to the lists; each leads to whole pages."""
        for pointer in _POINTERS:
            yield Spot(EntityPath(("out",)).named(LUO_NAME).text, pointer, self.kernel.machine.page_size)

    def unpredictable(self) -> Iterator[Unpredictable]:
        """The struct that was handed over."""
        form = self.kernel.registry.of(self.kernel.release, LUO)
        if self.arrived is not None and self.arrived.number and form is not None and form.is_struct:
            yield Unpredictable(SafeText("in/LUO: the struct's memory was given back at boot, what stands there now is anybody's"))

    @property
    def _built(self) -> tuple[Flb, ...]:
        flbs: tuple[Flb, ...] = self.kernel.config.built.get(LUO_NAME, ())
        return flbs

    def _why_off(self) -> str:
        kernel = self.kernel
        if kernel.registry.of(kernel.release, LUO) is None:
            return f"{kernel.release.name} has no LUO"
        return kernel.why_no_kho if kernel.kho is None else f"LUO is off: {self._why_not}"

    def _session(self, session: Session) -> PlainSession:
        shift = self._kho.machine.page_shift
        files = tuple(PlainFile(kept.compatible, kept.data, token, kept.content(shift)) for token, kept in session.files.items())
        return PlainSession(session.name, tuple(session.pages) if files else (), files)

    def _room_for_file(self, session: Session, what: str, call: str) -> None:
        form, count = self._form.files, len(session.files) + 1
        label = f"{what.rpartition('/')[0]} files"
        if form.chained:
            self._grow(session.pages, form, count, label, call)
        elif not session.pages:
            session.pages.append(self._kho.kho_alloc_preserve(form.bytes(self._kho.machine.page_size), label))
        if not form.chained and count > self._capacity(form):
            raise KernelError(errno.ENOSPC, call, f"{count - 1} files are all that fit the session")

    def _grow(self, pages: list[int], form: PageArray, count: int, what: str, call: str) -> None:
        while len(pages) * self._capacity(form) < count:
            if len(pages) >= MAX_BLOCKS:
                raise KernelError(errno.ENOSPC, call, f"{MAX_BLOCKS} blocks are the most a list has")
            pages.append(self._kho.kho_alloc_preserve(form.bytes(self._kho.machine.page_size), what))

    def _capacity(self, form: PageArray) -> int:
        return form.capacity(self._kho.machine.page_size)

    def _does(self, fact: Range) -> bool:
        return bool(fact.covers(self._kho.release.version))

    def _outgoing(self, name: bytes, call: str) -> Session:
        session = self.sessions.get(name)
        if session is None:
            raise KernelError(errno.ENOENT, call, f"no session {visible(name)}")
        return session

    def _need_unfrozen(self, call: str) -> None:
        if self.frozen:
            raise KernelError(errno.EBUSY, call, "sessions are frozen for the reboot")


def _written(node: ListNode | None, release: Release) -> bytes:
    """The version that a release writes into a node of LUO's FDT; empty where it writes no such node."""
    return node.written if node is not None and (node.since is None or node.since.covers(release.version)) else b""
