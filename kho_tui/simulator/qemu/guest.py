"""One QEMU process: found, started, listened to, ended."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic

from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.simulator.qemu.console import BootOutcome, Console, RetrievedFile
from kho_tui.simulator.qemu.placement import Placed
from kho_tui.simulator.qemu.ram import GuestRam, RamLayout, anonymous_file
from kho_tui.text import SafeText, visible

BINARY = "qemu-system-x86_64"
_MACHINE = "pc-q35-7.1"
"""From 7.2 on QEMU puts a setup_data node of its own into the header."""
_COPY = 4 << 20
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 5.0

Report = Callable[[SafeText], None]


@dataclass(frozen=True, slots=True)
class GuestOrder:
    """What to boot: memory, what is loaded, the kernel's command line, and after how many seconds it is ended."""

    layout: RamLayout
    placed: Placed
    cmdline: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a guest did. ``booted``: up to user space. ``ended``: by itself, before the limit. ``message``: what QEMU itself said."""

    outcome: BootOutcome
    deciding: SafeText
    files: tuple[RetrievedFile, ...]
    lines: tuple[SafeText, ...]
    booted: bool
    ended: bool
    message: SafeText


def find_qemu() -> str:
    """The path of QEMU. Raises InputError that says how to get it."""
    found = shutil.which(BINARY)
    if found is None:
        raise InputError(f"{BINARY} is not installed (Debian, Ubuntu: apt install qemu-system-x86)")
    return found


def fill(ram: GuestRam, memory: PhysicalMemory, wanted: Sequence[tuple[int, int]], context: Context) -> None:
    """Copy captured memory in ranges [start, end) that it holds to the same addresses of the guest. Pages of zeros cost nothing."""
    total = sum(end - start for start, end in wanted)
    context.spend_read(total)
    done = 0
    for start, end in wanted:
        for at in range(start, end, _COPY):
            data = memory.read(at, min(_COPY, end - at))
            if data.count(0) != len(data):
                ram.write(at, data)
            done += len(data)
            context.step("writing the state into the guest's memory", done, total, "bytes")


def run_guest(qemu: str, order: GuestOrder, prepare: Callable[[GuestRam], None], report: Report, context: Context) -> Ran:
    """Boot; returns when the guest ends, or at its limit, when it is ended. ``report`` gets lines as they are said.

    ``prepare`` writes the state into the guest's memory. Raises InputError where QEMU does not start, and Cancelled.
    """
    placed = order.placed
    with ExitStack() as closer:
        ram = closer.enter_context(GuestRam(order.layout))
        prepare(ram)
        for segment in placed.segments:
            ram.write(segment.address, segment.data)
        kernel, messages = anonymous_file("kernel", closer), anonymous_file("messages", closer)
        os.write(kernel, placed.setup)
        words = [qemu, "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]
        words += ["-accel", "tcg", "-cpu", "max", "-machine", _MACHINE, *ram.arguments()]
        words += ["-kernel", f"/proc/self/fd/{kernel}", "-append", order.cmdline]
        console = Console()
        with _process(words, (*ram.files, kernel), messages) as process:
            ended = _listen(process, console, order.limit, report, context)
            status = _status(process) if ended else 0
        said = console.finish(ended)
        if not console.lines and not status:
            said += console.recover(ram.read(*placed.image), ended)
        for line in said:
            report(line)
        message = visible(os.pread(messages, 2000, 0).strip().replace(b"\n", b"; "))
        if status and not console.lines:
            raise InputError(f"{BINARY} did not start: {message or f'exit code {status}'}")
        return Ran(
            outcome=console.outcome,
            deciding=console.deciding,
            files=tuple(console.files),
            lines=tuple(console.lines),
            booted=console.booted,
            ended=ended,
            message=message,
        )


@contextmanager
def _process(words: Sequence[str], inherited: Sequence[int], messages: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process group of its own, so that Ctrl-C reaches only us, killed at the end whatever happens."""
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages, pass_fds=inherited, start_new_session=True
        )
    except OSError as error:
        raise InputError(f"{visible(words[0])}: {error.strerror}") from None
    try:
        yield process
    finally:
        # Not once it is reaped: its number may be somebody else's by then.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _status(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that has closed its output; 0 where it does not end even so."""
    try:
        return process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return 0


def _listen(process: subprocess.Popen[bytes], console: Console, limit: float, report: Report, context: Context) -> bool:
    """Feed the console until the guest ends (True) or time is up (False)."""
    assert process.stdout is not None
    deadline = monotonic() + limit
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - monotonic()) > 0:
            context.step("the kernel boots")
            if not selector.select(min(left, _POLL_SECONDS)):
                continue
            data = os.read(process.stdout.fileno(), 1 << 16)
            if not data:
                return True
            for line in console.feed(data):
                report(line)
    return False
