"""A guest in QEMU (software emulation) whose kernel is one of ../shared/kernels: commands run in it, before and after a kexec.

    with Guest(kernel("7.3-server")) as guest:
        guest.check("uname -r")
        guest.kexec()
        guest.dump(path, "kdump-zlib")

The programs are of a root directory that make_root.sh beside this file has made, or of this machine's own, read-only; then the Python
packages are those that the tests run with. /tmp, /var/tmp, /root and /run of the guest are empty after each boot, /share is a directory of
the host and stays. Commands go through a virtio port to PID 1 (agent.c), which the initrd holds.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import guest_directory

from guests.programs import CHECKOUT, SOURCES, compiled, initrd, put_project
from guests.qmp import Qmp, QmpError

ROOT: Final = guest_directory.chosen()
KERNELS: Final = CHECKOUT.parent / "shared" / "kernels"
QEMU: Final = "qemu-system-x86_64"

_MACHINE: Final = "pc-q35-7.1"
"""As the simulator's: from 7.2 on QEMU puts a setup_data node of its own into the kernel's header."""
_LIFE_SECONDS: Final = 1800
"""coreutils' timeout ends QEMU then, if nothing else has; where this process was killed, the guest powers itself off."""
_HANG_SECONDS: Final = 300.0
"""A command that takes longer hangs: on a loaded machine QEMU without KVM is many times slower than alone."""
_BOOT_SECONDS: Final = 300.0
_KILL_SECONDS: Final = 20.0
_END_SECONDS: Final = 5.0
_CONSOLE_BYTES: Final = 1 << 20

DumpFormat = Literal["elf", "kdump-zlib"]


class GuestError(Exception):
    """The guest did not do what it was asked to; the text ends with what its console said last."""


class Ran(NamedTuple):
    """A command that has ended: its exit code (128 + signal, as a shell says it) and what it wrote, undecodable bytes replaced."""

    status: int
    out: str
    err: str


def kernel(name: str) -> Path:
    """The kernel image of a release, as "7.3-server"."""
    return KERNELS / f"bzImage-{name}"


def why_not(image: Path, root: Path = ROOT) -> str | None:
    """Why no guest can run here; None where it can."""
    for tool in (QEMU, "gcc", "timeout"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if not image.is_file():
        return f"{image} is not here"
    return guest_directory.why_not(root)


class Guest:
    """A context manager: entering boots, leaving ends QEMU with everything it started, whatever happened.

    Not for several threads. Methods raise GuestError where the guest or QEMU refuses, ends or takes longer than it may (seconds).
    """

    def __init__(
        self,
        image: Path,
        *,
        memory_mib: int = 1024,
        cpus: int = 1,
        cpu: str = "max",
        cmdline: str = "kho=on liveupdate=on",
        root: Path = ROOT,
        share: Path | None = None,
        project: bool = False,
        boot_seconds: float = _BOOT_SECONDS,
    ) -> None:
        """``cpu``: "max" has five levels of page tables, "max,la57=off" four; other addresses of the direct map come of it.

        ``cmdline`` is added to what the rig itself needs. ``share``: a directory, kept; None: one that goes when the guest does.
        ``project``: kho-tui is put into the share, so that ``python3 -m kho_tui`` works in the guest.
        """
        self._image = image
        self._memory_mib = memory_mib
        self._cpus = cpus
        self._cpu = cpu
        self._cmdline = f"console=ttyS0 panic=-1 {cmdline}"
        self._root = root
        self._wanted_share = share
        self._project = project
        self._boot_seconds = boot_seconds
        self._closer = ExitStack()
        self._console = bytearray()
        self._unread = b""
        self._seq = 0
        self.release = ""
        """Of the kernel that runs, as ``uname -r`` says it."""
        self.boots = 0
        """How many kernels have come up: 1 at first, one more with each kexec."""

    def __enter__(self) -> Self:
        with ExitStack() as closer:
            self._prepare(closer)
            self._start(closer)
            self._await_boot(self._boot_seconds)
            self._closer = closer.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closer.close()

    @property
    def share(self) -> Path:
        """The host's directory that is /share in the guest."""
        return self._share

    @property
    def ram_file(self) -> Path:
        """The guest's memory as it is now: the offset is the address, below 2816 MiB (of more, all behind 2 GiB lies from 4 GiB on)."""
        return Path(f"/proc/{os.getpid()}/fd/{self._ram}")

    @property
    def qmp_socket(self) -> Path:
        """A unix socket at which QEMU speaks QMP to whoever connects, one at a time."""
        return self._private / "qmp"

    @property
    def pid(self) -> int:
        """Of the process group that QEMU runs in."""
        return self._process.pid

    @property
    def console(self) -> str:
        """What the kernels have said on the serial console, the last MiB of it."""
        return bytes(self._console).decode(errors="replace").replace("\r\n", "\n")

    def run(self, command: str, timeout: float = _HANG_SECONDS, user: int = 0) -> Ran:
        """Run a line of sh with nothing on its input, as a user (1000: an unprivileged one). After ``timeout`` seconds it is killed."""
        self._seq += 1
        data = command.encode()
        self._send(b"R %d %d %d\n" % (self._seq, user, len(data)) + data)
        pieces: dict[str, list[bytes]] = {"O": [], "E": []}
        deadline = monotonic() + timeout
        killed = False
        while True:
            try:
                words = self._line(deadline).split()
                if words[0] in pieces:
                    pieces[words[0]].append(self._bytes(int(words[1]), deadline + _KILL_SECONDS))
                    continue
            except TimeoutError:
                if killed:
                    raise self._failure(f"{command!r} runs longer than {timeout:g} s and cannot be killed") from None
                killed = True
                deadline = monotonic() + _KILL_SECONDS
                self._send(b"K %d\n" % self._seq)
                continue
            if words[0] == "X" and int(words[1]) == self._seq:
                break
            if words[0] == "H":
                raise self._failure(f"the guest has started anew during {command!r}")
        out, err = (b"".join(each).decode(errors="replace") for each in pieces.values())
        if killed:
            raise self._failure(f"{command!r} took longer than {timeout:g} s; it said {out[-500:]!r} and {err[-500:]!r}")
        return Ran(int(words[2]), out, err)

    def check(self, command: str, timeout: float = _HANG_SECONDS, user: int = 0) -> str:
        """The output of a command; one that does not end with 0 raises GuestError."""
        status, out, err = self.run(command, timeout, user)
        if status:
            raise self._failure(f"{command!r} ended with {status}: {out[-500:]!r} {err[-1500:]!r}")
        return out

    def load(self, image: Path | None = None, cmdline: str | None = None) -> None:
        """Load the kernel to go into (kexec_file_load; None: the one of the start, and its command line)."""
        shutil.copyfile(image or self._image, self._share / "boot" / "bzImage")
        words = "--reuse-cmdline" if cmdline is None else f"--command-line='console=ttyS0 panic=-1 {cmdline}'"
        self.check(f"kexec -s -l /share/boot/bzImage --initrd=/share/boot/initrd {words}")

    def kexec(self, image: Path | None = None, cmdline: str | None = None, timeout: float = _BOOT_SECONDS) -> None:
        """Load a kernel as ``load`` does and go into it; returns when that one runs commands."""
        self.load(image, cmdline)
        self.jump(timeout)

    def jump(self, timeout: float = _BOOT_SECONDS) -> None:
        """Go into the loaded kernel; processes are not asked to end. Returns when that one runs commands."""
        self._send(b"B\n")
        self._await_boot(timeout)

    def load_crash_kernel(self, cmdline: str = "") -> None:
        """Load this guest's kernel to run after a panic; it asks for ``crashkernel=128M`` or more on the command line of the start.

        ``cmdline`` is added to its command line, to which the kernel adds ``elfcorehdr=``. It is not loaded any more after a kexec.
        """
        shutil.copyfile(self._image, self._share / "boot" / "bzImage")
        words = f"--command-line='console=ttyS0 panic=-1 reset_devices nr_cpus=1 {cmdline}'"
        self.check(f"kexec -s -p /share/boot/bzImage --initrd=/share/boot/initrd {words}")

    def crash(self, timeout: float = _BOOT_SECONDS) -> None:
        """Panic; returns when the loaded crash kernel runs commands. The memory of the kernel that panicked is its /proc/vmcore."""
        self._send(b"C\n")
        self._await_boot(timeout)

    def dump(self, path: Path, form: DumpFormat = "elf", timeout: float = 300.0) -> None:
        """A core of the whole memory, made by QEMU while the guest stands still: ELF, or kdump's compressed form.

        The latter is in makedumpfile's flattened form, which is all that QEMU 7.2 writes (``makedumpfile -R`` makes it plain).
        """
        try:
            self._qmp.execute("dump-guest-memory", timeout, paging=False, protocol=f"file:{path.resolve()}", format=form)
        except QmpError as error:
            raise self._failure(str(error)) from None

    def _prepare(self, closer: ExitStack) -> None:
        self._private = Path(closer.enter_context(tempfile.TemporaryDirectory(prefix="kho-guest-")))
        self._share = self._wanted_share or self._private / "share"
        for name in ("bin", "boot"):
            (self._share / name).mkdir(parents=True, exist_ok=True)
        # The guest's unprivileged user reads it too.
        self._share.chmod(0o755)
        self._initrd = self._share / "boot" / "initrd"
        self._initrd.write_bytes(initrd(compiled(SOURCES / "agent.c", self._private / "agent").read_bytes()))
        compiled(SOURCES / "hold_state.c", self._share / "bin" / "hold_state")
        if self._project:
            put_project(self._share, compiles=guest_directory.compiles_for(self._root))

    def _start(self, closer: ExitStack) -> None:
        self._ram = os.memfd_create("guest")
        closer.callback(os.close, self._ram)
        os.ftruncate(self._ram, self._memory_mib << 20)
        self._port, theirs = socket.socketpair()
        mine, their_qmp = socket.socketpair()
        for each in (self._port, theirs, mine, their_qmp):
            closer.enter_context(each)
        words = ["timeout", "--signal=KILL", str(_LIFE_SECONDS), QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        words += ["-accel", "tcg", "-cpu", self._cpu, "-smp", str(self._cpus), "-machine", f"{_MACHINE},memory-backend=m0"]
        words += ["-m", f"{self._memory_mib}M", "-device", "vmcoreinfo"]
        words += ["-object", f"memory-backend-file,id=m0,size={self._memory_mib}M,mem-path=/proc/self/fd/{self._ram},share=on"]
        words += ["-serial", "stdio", "-device", "virtio-serial-pci"]
        words += ["-chardev", f"socket,id=rig,fd={theirs.fileno()}", "-device", "virtserialport,chardev=rig,name=rig"]
        words += ["-chardev", f"socket,id=q,fd={their_qmp.fileno()}", "-mon", "chardev=q,mode=control"]
        words += ["-qmp", f"unix:{self.qmp_socket},server=on,wait=off"]
        exported = [("root", self._root, ",readonly=on"), ("share", self._share, "")]
        if (packages := guest_directory.packages(self._root)) is not None:
            exported.append(("packages", packages, ",readonly=on"))
        for tag, path, more in exported:
            # A comma in a value is written twice.
            escaped = str(path.resolve()).replace(",", ",,")
            words += ["-fsdev", f"local,id={tag},path={escaped},security_model=none,multidevs=remap{more}"]
            words += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        words += ["-kernel", str(self._image), "-initrd", str(self._initrd), "-append", self._cmdline]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(self._ram, theirs.fileno(), their_qmp.fileno()),
            start_new_session=True,
        )
        reader = threading.Thread(target=self._listen, name="console of a guest", daemon=True)
        closer.callback(self._end, reader)
        reader.start()
        theirs.close()
        their_qmp.close()
        try:
            self._qmp = Qmp(mine, 30.0)
        except QmpError as error:
            raise self._failure(str(error)) from None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 1 << 16):
            self._console += data
            del self._console[:-_CONSOLE_BYTES]

    def _end(self, reader: threading.Thread) -> None:
        # Asked first: timeout then waits for QEMU, which otherwise stays a zombie where PID 1 collects none.
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            # Not once it is reaped: its number may be somebody else's by then.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        reader.join(5.0)
        if self._process.stdout is not None and not reader.is_alive():
            self._process.stdout.close()

    def _await_boot(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while True:
            try:
                words = self._line(deadline).split()
            except TimeoutError:
                raise self._failure(f"no kernel has come up within {seconds:g} s") from None
            if words[0] == "H":
                self.release = words[2]
                self.boots += 1
                return
            if words[0] == "X" and words[1] == "0":
                raise self._failure(f"the guest does not kexec: {os.strerror(int(words[2]))}")

    def _send(self, data: bytes) -> None:
        try:
            self._port.settimeout(30.0)
            self._port.sendall(data)
        except OSError as error:
            raise self._failure(f"the guest takes no commands: {error}") from None

    def _receive(self, deadline: float) -> None:
        self._port.settimeout(max(deadline - monotonic(), 0.001))
        try:
            data = self._port.recv(1 << 20)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._failure(f"the guest is gone: {error}") from None
        if not data:
            raise self._failure("the guest has ended")
        self._unread += data

    def _line(self, deadline: float) -> str:
        """Raises TimeoutError; a line that has begun is kept for the next call."""
        while b"\n" not in self._unread:
            self._receive(deadline)
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode()

    def _bytes(self, count: int, deadline: float) -> bytes:
        while len(self._unread) < count:
            self._receive(deadline)
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    def _failure(self, text: str) -> GuestError:
        code = self._process.poll()
        ended = "" if code is None else f" (QEMU ended with {code})"
        return GuestError(f"{text}{ended}\nconsole:\n{self.console[-3000:]}")
