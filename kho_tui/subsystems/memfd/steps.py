"""Steps of a scenario that make memfds and preserve them."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kho_tui.abi.memfd import SEALS
from kho_tui.simulator.contents import Contents, Counting, FileContents, Literal, tag_of
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.scenario_table import Table
from kho_tui.simulator.scenario_values import a_boolean, a_byte_string, a_count, a_size, an_order, hex_bytes, some_pairs, within
from kho_tui.simulator.steps import Action, StepKind, Userspace
from kho_tui.subsystems.memfd.open_memfd import memfd_close, memfd_create


@dataclass(frozen=True, slots=True, kw_only=True)
class PreserveMemfd(Action):
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

    def perform(self, user: Userspace) -> None:
        """See Action."""
        if self.token + self.count > 1 << 64:
            raise KernelError(errno.EINVAL, "luo_preserve_file", f"tokens {self.token:#x} and on: they are u64")
        for number in range(self.count):
            user.context.step("preserving files", number, self.count)
            _preserve(user, replace(self, token=self.token + number))


@dataclass(frozen=True, slots=True)
class PreserveGuests(Action):
    """``count`` sessions of one memfd (token 1) each, named by ``name`` with a number for ``{}``, one node after the other."""

    name: bytes
    count: int
    size: int
    order: int = 0

    def perform(self, user: Userspace) -> None:
        """See Action."""
        nodes = [node.number for node in user.kernel.machine.nodes]
        for number, guest in enumerate(user.numbered(self.name, self.count)):
            user.kernel.file_keeper().create_session(guest)
            _preserve(user, PreserveMemfd(session=guest, token=1, size=self.size, order=self.order, node=nodes[number % len(nodes)]))


def _preserve(user: Userspace, asked: PreserveMemfd) -> None:
    what = f"{asked.session.decode('utf-8', 'backslashreplace')}/{asked.token:#x}"
    keeper = user.kernel.file_keeper()
    order = user.kernel.machine.platform.byte_order
    tag = asked.tag if asked.tag is not None else tag_of(user.seed, what)
    base: Contents = Literal(asked.data) if asked.data is not None else Counting(tag, order)
    file = memfd_create(
        user.kernel,
        f"{what} folios",
        FileContents(base, asked.size, asked.holes),
        order=asked.order,
        pos=asked.pos,
        seals=asked.seals,
        hugetlb=asked.hugetlb,
        node=asked.node,
    )
    try:
        keeper.preserve_file(asked.session, asked.token, file)
    except KernelError:
        memfd_close(user.kernel, file)
        raise
    user.files[asked.session, asked.token] = file


def _memfd(t: Table) -> PreserveMemfd:
    data = t.get("text", t.get("hex"))
    return PreserveMemfd(
        session=t.need("session"),
        token=t.need("token"),
        size=t.get("size", len(data) if data is not None else 0),
        pos=t.get("pos", 0),
        seals=t.get("seals", 0),
        order=t.get("order", 0),
        holes=t.get("holes", ()),
        data=data,
        tag=t.get("tag"),
        node=t.get("node"),
        hugetlb=t.get("hugetlb", False),
        count=t.get("count", 1),
    )


def _some_seals(value: Any) -> int:
    """Seals by name, or as a number."""
    names = {name: bit for bit, name in SEALS}
    if isinstance(value, int) and not isinstance(value, bool):
        return int(within(0, (1 << 32) - 1)(value))
    if not isinstance(value, list) or not all(isinstance(one, str) and one in names for one in value):
        raise ValueError(f"a list of {', '.join(names)}")
    return sum(names[one] for one in set(value))


STEPS: Mapping[str, StepKind] = {
    "memfd": StepKind(
        {
            "session": a_byte_string,
            "token": a_size,
            "size": a_size,
            "pos": a_size,
            "seals": _some_seals,
            "order": an_order,
            "holes": some_pairs,
            "text": a_byte_string,
            "hex": hex_bytes,
            "tag": within(0, (1 << 24) - 1),
            "node": within(0, 1023),
            "hugetlb": a_boolean,
            "count": a_count,
        },
        _memfd,
    ),
    "guests": StepKind(
        {"name": a_byte_string, "count": a_count, "size": a_size, "order": an_order},
        lambda t: PreserveGuests(t.get("name", b"vm-{}"), t.need("count"), t.need("size"), t.get("order", 0)),
    ),
}
