"""Kexec a captured state, real or simulated, and write what the next kernel shows as a capture."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from kho_tui.analysis.compat import BUILT_IN, OWN_CMDLINE
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.capture.writer import new_directory, require_unused, write_capture
from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.errors import InputError
from kho_tui.model.facts import known
from kho_tui.model.registry import Registry
from kho_tui.model.sides import nothing_preserved, outgoing_side
from kho_tui.model.unpredictable import Unpredictable, to_manifest
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.releases.table import Release, Releases
from kho_tui.simulator.captured import files_of, manifest_of, memory_of
from kho_tui.simulator.contents import FilledMemory
from kho_tui.simulator.kexec import Jump, NextKernel, kexec
from kho_tui.simulator.machine_of import config_of, machine_of
from kho_tui.simulator.running import Running
from kho_tui.text import SafeText, visible


@dataclass(frozen=True, eq=False, kw_only=True)
class Kexeced:
    """What came of it. ``directory`` is None after a panic, whose last line is then ``message``.

    ``kernel`` is ``uname -r`` of the next one. ``lost``: whether anything preserved is; None where that cannot be told.
    ``unpredictable``: what a real kexec would show differently. ``log``: what the simulated kernel refused or could not do.
    ``assumed``: what the next kernel is taken to be without being told.
    """

    reception: Reception
    kernel: str
    lost: bool | None
    directory: Path | None
    message: str
    unpredictable: tuple[Unpredictable, ...]
    log: tuple[str, ...]
    assumed: tuple[SafeText, ...]


def kexec_capture(
    path: str | Path,
    out_dir: str | Path,
    context: Context,
    *,
    release: str | None = None,
    cmdline: str | None = None,
    seed: int = 0,
    overrides: Overrides | None = None,
    registry: Registry | None = None,
) -> Kexeced:
    """Kexec the outgoing side at ``path`` and write the result to ``out_dir``. ``release``: 7.3 or 7.3.4, None: the same kernel;
    ``registry``: what is known of kernels, None: what is built in.

    Raises InputError where the state does not tell what is needed, or where ``out_dir`` is not empty, and Cancelled.
    """
    require_unused(out_dir, path)
    with open_state(path, context, overrides, registry=registry) as opened:
        following = next_kernel(opened, release, cmdline, seed)
        jump = jump_of(opened)
        done = kexec(jump, following, context)
        if done.running is not None:
            with new_directory(out_dir) as made:
                write_running(made, done.running, context, {"kexec_of": str(path)} | to_manifest(done.unpredictable))
    uname = following.config.uname or f"{following.release.name}.0"
    directory = None if done.running is None else Path(out_dir)
    log = () if done.running is None else tuple(done.running.kernel.log)
    return Kexeced(
        reception=done.reception,
        kernel=uname,
        lost=is_loss(done.reception, nothing_preserved=nothing_preserved(jump.side)),
        directory=directory,
        message=done.message,
        unpredictable=done.unpredictable,
        log=log,
        assumed=(*((OWN_CMDLINE,) if cmdline is None else ()), BUILT_IN),
    )


def is_loss(reception: Reception, *, nothing_preserved: bool) -> bool | None:
    """Whether anything preserved is lost: wherever the handover is not taken whole, but for a cold boot that has nothing to lose.

    None where it cannot be told.
    """
    if reception.outcome is None:
        return None
    return reception.outcome is not Outcome.TAKEN and not (reception.outcome is Outcome.IGNORED and nothing_preserved)


def jump_of(opened: Opened, contents: FilledMemory | None = None) -> Jump:
    """What this state hands over. Raises InputError where it has no such side."""
    return Jump(opened.state, outgoing_side(opened.state), opened.memory, contents)


def next_kernel(opened: Opened, release: str | None, cmdline: str | None, seed: int) -> NextKernel:
    """The kernel that is booted on the machine of this state; built as the running one, with its command line unless another is given.

    Raises InputError where the state does not tell what is not given.
    """
    state = opened.state
    name = release or state.machine.release
    if name is None:
        raise InputError(f"{state.machine.path}: it does not tell which kernel wrote it: say which one to kexec into")
    releases = state.registry.releases
    found = named_release(name, releases)
    same = release is None or releases.of(state.machine.release) is found
    uname = name if name != found.name else state.machine.release if same else None
    config = config_of(state, known(opened.sources.config), uname)
    machine = machine_of(state)
    if cmdline is None and (state.machine.cmdline is None or not state.machine.cmdline_whole):
        raise InputError(f"{state.machine.path}: it does not tell the kernel's command line to its end: say what to boot the next one with")
    line = cmdline if cmdline is not None else (state.machine.cmdline or b"").decode("utf-8", "replace")
    return NextKernel(state.registry, machine, found, line, config, seed)


def named_release(name: str, known: Releases) -> Release:
    """The row of a release. Raises InputError that names the nearest one."""
    found = known.of(name)
    if found is None:
        near = get_close_matches(name, [one.name for one in known], 1)
        names = ", ".join(one.name for one in known)
        raise InputError(f"no kernel release {visible(name)} is known: {f'did you mean {near[0]}?' if near else f'there are {names}'}")
    return found


def write_running(directory: Path, running: Running, context: Context, more: dict[str, object]) -> None:
    """A capture of a running simulated kernel."""
    shown = files_of(running)
    machine = running.kernel.machine
    manifest = manifest_of(running, shown) | more
    write_capture(directory, shown.files, memory_of(running), machine.platform, machine.arch, manifest, context)
