"""What a subsystem and a file handler are in a running simulated kernel: the classes that their modules implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from kho_tui.model.plain import Plain
    from kho_tui.model.unpredictable import Spot, Unpredictable
    from kho_tui.simulator.debugfs import Files
    from kho_tui.simulator.incoming import Stretch
    from kho_tui.simulator.kernel import Kernel
    from kho_tui.simulator.kho import Kho
    from kho_tui.simulator.ranges import Ranges

LogLine = tuple[int, str]
"""Level and text of a line of the kernel's log."""
A = TypeVar("A")


class Producer(ABC, Generic[A]):
    """What registers a subtree in a running kernel. ``arrived``: what it took of a handover, None where nothing came of it."""

    def __init__(self, kernel: Kernel, arrived: A | None) -> None:
        self.kernel, self.arrived = kernel, arrived

    def reserve(self, free: Ranges) -> tuple[Stretch, ...]:
        """Memory that it takes before scratch is sized, out of ``free`` on a cold boot."""
        return ()

    @abstractmethod
    def start(self, kho: Kho) -> None:
        """Register the subtree, where this kernel does. Raises KernelError where it fails; the kernel runs on without it."""

    def freeze(self) -> None:
        """Inside the reboot call. Raises KernelError."""

    def files(self) -> Files:
        """Files that a capture of this kernel has because of it, beside those of KHO."""
        return {}

    def taken_lines(self) -> Iterator[LogLine]:
        """What it says of the handover that it took."""
        return iter(())

    def started_lines(self) -> Iterator[LogLine]:
        """What it says when it has started."""
        return iter(())

    def addresses(self) -> Iterator[Spot]:
        """Where addresses stand that another boot would choose differently, besides that of the subtree itself."""
        return iter(())

    def unpredictable(self) -> Iterator[Unpredictable]:
        """What else another run on a real machine would show differently."""
        return iter(())


class OpenFile(ABC):
    """A file that a program holds open. Two are the same file only if they are the same object."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """What it is, with its article: ``a memfd``."""

    @abstractmethod
    def stretches(self, page_size: int) -> list[Stretch]:
        """(start, size) in bytes of each block of its memory."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PreservedFile(ABC):
    """What a file handler keeps of a file in an outgoing session: ``data`` is the physical address of its struct, in which it writes
    version ``compatible``."""

    file: OpenFile
    data: int
    compatible: bytes

    @abstractmethod
    def content(self, page_shift: int) -> Plain:
        """As it is written into its struct."""

    @abstractmethod
    def unpreserve(self, kho: Kho) -> None:
        """Undo: the file goes on as it was."""


class FileKeeper(Producer[A]):
    """The producer that keeps files in sessions, behind /dev/liveupdate."""

    @abstractmethod
    def open_device(self) -> None:
        """Open /dev/liveupdate. Raises KernelError where it is not there, or what was handed over cannot be made into sessions."""

    @abstractmethod
    def create_session(self, name: bytes) -> object:
        """Make an outgoing session. Raises KernelError."""

    @abstractmethod
    def preserve_file(self, session_name: bytes, token: int, file: OpenFile) -> PreservedFile:
        """Preserve an open file in a session. Raises KernelError."""
