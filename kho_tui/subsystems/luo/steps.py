"""Steps of a scenario that speak to LUO through /dev/liveupdate."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.scenario_values import a_byte_string, a_count, a_size
from kho_tui.simulator.steps import Action, StepKind, Userspace
from kho_tui.text import visible

if TYPE_CHECKING:
    from kho_tui.subsystems.luo.orchestrator import Orchestrator


def _luo(user: Userspace) -> Orchestrator:
    return cast("Orchestrator", user.kernel.file_keeper())


@dataclass(frozen=True, slots=True)
class CreateSession(Action):
    """Create an outgoing session, or ``count`` of them: then ``{}`` in the name is their number from 0 on."""

    name: bytes
    count: int = 1

    def perform(self, user: Userspace) -> None:
        """See Action."""
        for name in user.numbered(self.name, self.count):
            _luo(user).create_session(name)


@dataclass(frozen=True, slots=True)
class ReleaseSession(Action):
    """Close an outgoing session without a kexec."""

    name: bytes

    def perform(self, user: Userspace) -> None:
        """See Action."""
        _luo(user).release_session(self.name)


@dataclass(frozen=True, slots=True)
class PreserveAgain(Action):
    """Preserve a file that is open already, the same pages: made before, or retrieved after a kexec."""

    session: bytes
    token: int
    from_session: bytes
    from_token: int

    def perform(self, user: Userspace) -> None:
        """See Action."""
        file = user.files.get((self.from_session, self.from_token))
        if file is None:
            raise KernelError(errno.EBADF, "luo_preserve_file", f"no file {self.from_token:#x} of {visible(self.from_session)} is open")
        _luo(user).preserve_file(self.session, self.token, file)
        user.files[self.session, self.token] = file


@dataclass(frozen=True, slots=True)
class Retrieve(Action):
    """Retrieve an incoming session and all its files."""

    session: bytes

    def perform(self, user: Userspace) -> None:
        """See Action."""
        luo = _luo(user)
        session = luo.retrieve_session(self.session)
        for arrived in session.files:
            file = luo.retrieve_file(session, arrived.token).file
            if file is not None:
                user.files[self.session, arrived.token] = file


@dataclass(frozen=True, slots=True)
class Finish(Action):
    """Finish a retrieved session."""

    session: bytes

    def perform(self, user: Userspace) -> None:
        """See Action."""
        _luo(user).finish_session(self.session)


STEPS: Mapping[str, StepKind] = {
    "session": StepKind({"name": a_byte_string, "count": a_count}, lambda t: CreateSession(t.need("name"), t.get("count", 1))),
    "release": StepKind({"name": a_byte_string}, lambda t: ReleaseSession(t.need("name"))),
    "again": StepKind(
        {"session": a_byte_string, "token": a_size, "from_session": a_byte_string, "from_token": a_size},
        lambda t: PreserveAgain(t.need("session"), t.need("token"), t.need("from_session"), t.need("from_token")),
    ),
    "retrieve": StepKind({"session": a_byte_string}, lambda t: Retrieve(t.need("session"))),
    "finish": StepKind({"session": a_byte_string}, lambda t: Finish(t.need("session"))),
}
