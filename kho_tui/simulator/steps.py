"""What happens on a machine, one step at a time: the verbs of a scenario."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.plain import RawBytes
from kho_tui.releases.calls import CALLS
from kho_tui.releases.table import Finalize
from kho_tui.simulator.contents import Contents, Counting, FileContents, Literal, tag_of
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.memfd import Memfd
from kho_tui.text import visible


@dataclass(frozen=True, slots=True)
class CreateSession:
    """Create an outgoing session, or ``count`` of them: then ``{}`` in the name is their number from 0 on."""

    name: bytes
    count: int = 1


@dataclass(frozen=True, slots=True)
class ReleaseSession:
    """Close an outgoing session without a kexec."""

    name: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PreserveMemfd:
    """Make a memfd and preserve it in a session. Sizes in bytes; ``order`` of its folios; ``holes`` (offset, length).

    Contents are ``data``, else words that count with ``tag`` (None: a tag that follows from seed, session and token).
    ``count`` files like this, with tokens from ``token`` on.
    """

    session: bytes
    token: int
    size: int = 0
    pos: int = 0
    seals: int = 0
    order: int = 0
    holes: tuple[tuple[int, int], ...] = ()
    data: bytes | None = None
    tag: int | None = None
    node: int | None = None
    hugetlb: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class PreserveAgain:
    """Preserve a file that is open already, the same pages: made before, or retrieved after a kexec."""

    session: bytes
    token: int
    from_session: bytes
    from_token: int


@dataclass(frozen=True, slots=True)
class PreserveGuests:
    """``count`` sessions of one memfd (token 1) each, named by ``name`` with a number for ``{}``, one node after the other."""

    name: bytes
    count: int
    size: int
    order: int = 0


@dataclass(frozen=True, slots=True)
class PreserveFolio:
    """Preserve a folio that no subtree tells of. ``address`` None: wherever the allocator gives one."""

    order: int
    address: int | None = None


@dataclass(frozen=True, slots=True)
class PreservePages:
    """Preserve ``pages`` pages from ``address`` on, split as the release does."""

    address: int
    pages: int


@dataclass(frozen=True, slots=True)
class AddSubtree:
    """Register a page with ``data`` under ``name``, or ``count`` of them: then ``{}`` in the name is their number from 0 on."""

    name: bytes
    data: bytes
    count: int = 1


@dataclass(frozen=True, slots=True)
class RemoveSubtree:
    """Take out a subtree that ``AddSubtree`` registered."""

    name: bytes


@dataclass(frozen=True, slots=True)
class WriteFinalize:
    """Write to out/finalize: 1 or 0."""

    value: int


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Retrieve an incoming session and all its files."""

    session: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """Finish a retrieved session."""

    session: bytes


@dataclass(frozen=True, slots=True)
class Kexec:
    """Kexec into a kernel: of the same release and command line unless said otherwise. ``where`` as in ``Step``."""

    release: str | None = None
    uname: str | None = None
    cmdline: str | None = None
    where: str = ""


Action = (
    CreateSession
    | ReleaseSession
    | PreserveMemfd
    | PreserveAgain
    | PreserveGuests
    | PreserveFolio
    | PreservePages
    | AddSubtree
    | RemoveSubtree
    | WriteFinalize
    | Retrieve
    | Finish
)


@dataclass(frozen=True, slots=True)
class Step:
    """One action. ``where`` names file, line and step; ``expect``: the errno that it has to fail with, None: it has to succeed."""

    action: Action
    where: str = ""
    expect: int | None = None


@dataclass(slots=True)
class Userspace:
    """The programs on one kernel: the files that they hold open, by session and token."""

    kernel: Kernel
    seed: int = 0
    files: dict[tuple[bytes, int], Memfd] = field(default_factory=dict)
    subtrees: dict[bytes, int] = field(default_factory=dict)
    context: Context = field(default_factory=Context)

    def perform(self, steps: Sequence[Step]) -> None:
        """Do all steps. Raises InputError for one that fails unasked or does not fail as asked; Cancelled."""
        for step_number, step in enumerate(steps):
            self.context.step("performing steps", step_number, len(steps))
            try:
                self._do(step.action)
            except KernelError as error:
                if error.errno != step.expect:
                    raise InputError(f"{step.where}: {error}") from error
                continue
            if step.expect is not None:
                raise InputError(f"{step.where}: expected -{errno.errorcode[step.expect]}, but the call succeeded")

    def _do(self, action: Action) -> None:
        kernel = self.kernel
        match action:
            case CreateSession(name, count):
                for one in self._numbered(name, count):
                    kernel.need_luo("open /dev/liveupdate").create_session(one)
            case ReleaseSession(name):
                kernel.need_luo("open /dev/liveupdate").release_session(name)
            case PreserveMemfd():
                if action.token + action.count > 1 << 64:
                    raise KernelError(errno.EINVAL, "luo_preserve_file", f"tokens {action.token:#x} and on: they are u64")
                for number in range(action.count):
                    self.context.step("preserving files", number, action.count)
                    self._preserve(replace(action, token=action.token + number))
            case PreserveAgain(session, token, from_session, from_token):
                file = self.files.get((from_session, from_token))
                if file is None:
                    raise KernelError(errno.EBADF, "luo_preserve_file", f"no file {from_token:#x} of {visible(from_session)} is open")
                kernel.need_luo("open /dev/liveupdate").preserve_file(session, token, file)
                self.files[session, token] = file
            case PreserveGuests(name, count, size, order):
                nodes = [node.number for node in kernel.machine.nodes]
                for number, guest in enumerate(self._numbered(name, count)):
                    kernel.need_luo("open /dev/liveupdate").create_session(guest)
                    self._preserve(PreserveMemfd(session=guest, token=1, size=size, order=order, node=nodes[number % len(nodes)]))
            case PreserveFolio(order, address):
                kho = kernel.need_kho("kho_preserve_folio")
                at = kernel.allocator.alloc(order, "folio") if address is None else address
                kho.kho_preserve_folio(at, order)
            case PreservePages(address, pages):
                kho = kernel.need_kho("kho_preserve_pages")
                if CALLS["kho_preserve_pages"].covers(kernel.release.version):
                    kho.kho_preserve_pages(address, pages)
                else:
                    kho.kho_preserve_phys(address, pages * kernel.machine.page_size)
            case AddSubtree(name, data, count):
                for one in self._numbered(name, count):
                    self._add_subtree(one, data)
            case RemoveSubtree(name):
                kho = kernel.need_kho("kho_remove_subtree")
                if name not in self.subtrees:
                    raise KernelError(errno.ENOENT, "kho_remove_subtree", f"no subtree {visible(name)} was added")
                kho.kho_remove_subtree(self.subtrees[name])
            case WriteFinalize(value):
                kernel.write_finalize(value)
            case Retrieve(session):
                self._retrieve(session)
            case Finish(session):
                kernel.need_luo("open /dev/liveupdate").finish_session(session)

    def _preserve(self, asked: PreserveMemfd) -> None:
        what = f"{asked.session.decode('utf-8', 'backslashreplace')}/{asked.token:#x}"
        luo = self.kernel.need_luo("open /dev/liveupdate")
        order = self.kernel.machine.platform.byte_order
        tag = asked.tag if asked.tag is not None else tag_of(self.seed, what)
        base: Contents = Literal(asked.data) if asked.data is not None else Counting(tag, order)
        file = self.kernel.memfd_create(
            f"{what} folios",
            FileContents(base, asked.size, asked.holes),
            order=asked.order,
            pos=asked.pos,
            seals=asked.seals,
            hugetlb=asked.hugetlb,
            node=asked.node,
        )
        try:
            luo.preserve_file(asked.session, asked.token, file)
        except KernelError:
            self.kernel.memfd_close(file)
            raise
        self.files[asked.session, asked.token] = file

    def _add_subtree(self, name: bytes, data: bytes) -> None:
        kho = self.kernel.need_kho("kho_add_subtree")
        what = f"subtree {name.decode('utf-8', 'backslashreplace')}"
        order = kho.order_of(max(len(data), 1))
        phys = self.kernel.allocator.alloc(order, what)
        kho.kho_preserve_folio(phys, order)
        content = RawBytes(data)

        def add(finalize: bool = True) -> None:
            if finalize:
                kho.kho_add_subtree(name, phys, len(data), lambda: content)

        if self.kernel.release.finalize is Finalize.STATEFUL:
            kho.register_kho_notifier(add)
        else:
            add()
        self.subtrees[name] = phys

    def _retrieve(self, name: bytes) -> None:
        luo = self.kernel.need_luo("open /dev/liveupdate")
        session = luo.retrieve_session(name)
        for one in session.files:
            file = luo.retrieve_file(session, one.token).memfd
            if file is not None:
                self.files[name, one.token] = file

    def _numbered(self, name: bytes, count: int) -> Iterator[bytes]:
        """The name, or ``count`` of them with their number for ``{}``."""
        for number in range(count):
            self.context.step(f"making {visible(name)}", number, count)
            yield name if count == 1 else name.replace(b"{}", str(number).encode())
