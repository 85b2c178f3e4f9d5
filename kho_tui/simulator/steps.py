"""What happens on a machine, one step at a time: the verbs of a scenario."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.producer import OpenFile
from kho_tui.text import visible

if TYPE_CHECKING:
    from kho_tui.simulator.scenario_table import Table
    from kho_tui.simulator.scenario_values import Convert


class Action(ABC):
    """What a program, or the machine's owner, does."""

    @abstractmethod
    def perform(self, user: Userspace) -> None:
        """Do it. Raises KernelError."""


@dataclass(frozen=True, slots=True)
class Kexec:
    """Kexec into a kernel: of the same release and command line unless said otherwise. ``where`` as in ``Step``."""

    release: str | None = None
    uname: str | None = None
    cmdline: str | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class StepKind:
    """A verb of a scenario: the keys that its step may have, and the action that ``build`` makes of them."""

    keys: Mapping[str, Convert]
    build: Callable[[Table], Action | Kexec]


@dataclass(frozen=True, slots=True)
class Step:
    """One action. ``where`` names file, line and step; ``expect``: the errno that it has to fail with, None: it has to succeed."""

    action: Action
    where: str = ""
    expect: int | None = None


@dataclass(slots=True)
class Userspace:
    """The programs on one kernel: the files that they hold open, by session and token; the subtrees that were added by hand."""

    kernel: Kernel
    seed: int = 0
    files: dict[tuple[bytes, int], OpenFile] = field(default_factory=dict)
    subtrees: dict[bytes, int] = field(default_factory=dict)
    context: Context = field(default_factory=Context)

    def perform(self, steps: Sequence[Step]) -> None:
        """Do all steps. Raises InputError for one that fails unasked or does not fail as asked; Cancelled."""
        for step_number, step in enumerate(steps):
            self.context.step("performing steps", step_number, len(steps))
            try:
                step.action.perform(self)
            except KernelError as error:
                if error.errno != step.expect:
                    raise InputError(f"{step.where}: {error}") from error
                continue
            if step.expect is not None:
                raise InputError(f"{step.where}: expected -{errno.errorcode[step.expect]}, but the call succeeded")

    def numbered(self, name: bytes, count: int) -> Iterator[bytes]:
        """The name, or ``count`` of them with their number for ``{}``."""
        for number in range(count):
            self.context.step(f"making {visible(name)}", number, count)
            yield name if count == 1 else name.replace(b"{}", str(number).encode())
