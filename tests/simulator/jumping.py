"""Simulated states brought to the jump into the next kernel, as captures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.context import Context
from kho_tui.operations.kexec_capture import jump_of, write_running
from kho_tui.operations.open_state import open_state
from kho_tui.releases.table import Finalize
from kho_tui.simulator.kernel import Config, Kernel
from kho_tui.simulator.kexec import Kexec, NextKernel, kexec
from kho_tui.simulator.running import Running
from kho_tui.simulator.steps import Action, Step, Userspace
from kho_tui.subsystems.kho_test.simulate import KhoTestModule
from kho_tui.subsystems.luo.steps import CreateSession
from kho_tui.subsystems.memfd.steps import PreserveMemfd
from kho_tui.subsystems.registry import builtin

from .playing import RELEASE, luo_of, machine

LINE = "kho=on liveupdate=on kho_scratch=64M,64M,64M reserve_mem=4M:4096:oops_trace reserve_mem=1M:2M:pstore"
CONFIG = Config(built={KHO_TEST_NAME: KhoTestModule(orders=(0, 3, 1))})


def story(release: str, line: str = LINE) -> Userspace:
    """Regions, test data, and where there is LUO two sessions: vm with two files, other with one."""
    kernel = Kernel(builtin(), machine(), RELEASE[release], line, seed=3, config=CONFIG)
    user = Userspace(kernel, 3)
    if luo_of(kernel).running:
        steps: tuple[Action, ...] = (
            CreateSession(b"vm"),
            PreserveMemfd(session=b"vm", token=1, size=2 << 20, pos=7),
            PreserveMemfd(session=b"vm", token=2, size=5000, seals=3),
            CreateSession(b"other"),
            PreserveMemfd(session=b"other", token=1, size=9000, order=1),
        )
        user.perform([Step(step) for step in steps])
    return user


def jump(user: Userspace) -> None:
    """The kexec system calls: finalize where the release wants it, load, reboot."""
    kernel = user.kernel
    if kernel.release.finalize is not Finalize.NONE:
        kernel.write_finalize(1)
    kernel.kexec_file_load()
    kernel.reboot()


def captured(user: Userspace, path: Path) -> None:
    """Jump, and write the state."""
    jump(user)
    path.mkdir(parents=True)
    write_running(path, Running(user.kernel), Context(), {})


def kexeced(
    user: Userspace,
    path: Path,
    release: str | None = None,
    line: str | None = None,
    look: Callable[[Kexec], object] = lambda _done: None,
) -> Kexec:
    """Jump into the next kernel. ``look`` while the memory of the one before can be read."""
    captured(user, path)
    kernel = user.kernel
    following = NextKernel(
        kernel.registry,
        kernel.machine,
        RELEASE[release or kernel.release.name],
        kernel.cmdline if line is None else line,
        kernel.config,
        kernel.seed + 1,
    )
    with open_state(path, Context()) as opened:
        done = kexec(jump_of(opened, kernel.memory), following, Context())
        look(done)
    return done
