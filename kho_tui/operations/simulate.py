"""Run a scenario stage by stage, and write a replayed state, each stage as a capture that opens like a real one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from kho_tui.analysis.receiver.reception import Reception
from kho_tui.capture.writer import new_directory, require_unused, write_capture
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.memory.source import open_file
from kho_tui.model.facts import Missing
from kho_tui.model.handover_of import NotKnown
from kho_tui.model.registry import Registry
from kho_tui.model.unpredictable import Unpredictable, to_manifest
from kho_tui.operations.kexec_capture import is_loss, jump_of, named_release, write_running
from kho_tui.operations.open_state import open_state
from kho_tui.operations.replay import replay
from kho_tui.simulator.captured import Shown, files_of, manifest_of, memory_of
from kho_tui.simulator.debugfs import outgoing_files
from kho_tui.simulator.kernel import Config
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kexec import Kexec, NextKernel, kexec, kexec_without_handover
from kho_tui.simulator.running import Running
from kho_tui.simulator.scenario import Scenario, Stage, boot, parse_scenario
from kho_tui.simulator.steps import Kexec as KexecStep
from kho_tui.simulator.steps import Userspace
from kho_tui.subsystems.registry import builtin
from kho_tui.text import SafeText, human_size, visible

_MOST_SCENARIO = 16 << 20


@dataclass(frozen=True, eq=False, kw_only=True)
class StageResult:
    """One capture of a run. ``name``: 1-pre is before the first kexec, 1-post after it. ``kernel``: ``uname -r``.

    ``reception`` is what the kernel did with what it was handed, None before the first kexec and in every ``-pre``.
    ``lost``: whether anything preserved was lost in it; None where that cannot be told.
    """

    name: str
    path: Path
    kernel: str
    reception: Reception | None
    lost: bool | None
    unpredictable: tuple[Unpredictable, ...]
    log: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Run:
    """A scenario that was run. ``panic``: the last line of a kernel that panicked, which ends the run; empty otherwise.

    ``failed``: the step that failed behind a kexec that lost something, which ends the run too; empty otherwise.
    """

    directory: Path
    stages: tuple[StageResult, ...]
    panic: str
    panicked: Reception | None
    failed: str

    @property
    def lost(self) -> bool | None:
        """Whether anything preserved was lost in any of its kexecs; None where that cannot be told."""
        losses = [stage.lost for stage in self.stages]
        return True if self.panic or True in losses else None if None in losses else False


def run_scenario(
    path: str | Path, out_dir: str | Path, context: Context, *, seed: int | None = None, registry: Registry | None = None
) -> Run:
    """Run the scenario file and write one capture a stage below ``out_dir``. ``seed`` instead of the file's;
    ``registry``: what is known of kernels, None: what is built in.

    A step that fails behind a kexec that lost something ends the run; what was written until then stays. Raises InputError for a mistake
    in the file or another step that fails (with file and line), or where ``out_dir`` is not empty; Cancelled.
    """
    require_unused(out_dir)
    scenario = parse_scenario(_text(path), str(path), registry or builtin())
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    # What a kernel keeps of the one before is read from that one's capture for as long as it runs.
    with new_directory(out_dir) as made, ExitStack() as captures:
        run = _Run(made, Path(out_dir), str(path), scenario, context, captures)
        run.play()
    return Run(Path(out_dir), tuple(run.stages), run.panic, run.panicked, run.failed)


@dataclass(frozen=True, eq=False)
class Replayed:
    """A replay that was written: where, bytes of structures, and the subtrees that the state does not tell whole."""

    directory: Path
    written: int
    not_known: tuple[NotKnown, ...]


def replay_capture(
    path: str | Path, out_dir: str | Path, context: Context, side: str | None = None, registry: Registry | None = None
) -> Replayed:
    """Write what the state at ``path`` says, encoded again at its own addresses, as a capture of its own.
    ``registry``: what is known of kernels, None: what is built in.

    Raises InputError where the state does not tell a whole handover, or where ``out_dir`` is not empty; EncodeError, Cancelled.
    """
    require_unused(out_dir, path)
    with open_state(path, context, registry=registry) as opened:
        done = replay(opened, context, side)
        state = opened.state
        release = state.registry.releases.of(state.machine.release)
        files: dict[str, bytes] = {}
        if release is not None:
            scratch = () if isinstance(state.scratch, Missing) else state.scratch.areas
            files |= outgoing_files(
                done.handover, state.registry, scratch, release, finalized=done.handover.map_address != 0, cold="in" not in state.sides
            )
            files["version"] = f"Linux version {state.machine.release} (kho-tui) (replayed) #1 SMP\n".encode()
        if state.machine.cmdline is not None:
            files["cmdline"] = state.machine.cmdline + b"\n"
        if not isinstance(state.host.ram, Missing):
            ram = (f"{one.start:08x}-{one.start + one.size - 1:08x} : System RAM\n" for one in state.host.ram)
            files["iomem"] = "".join(ram).encode()
        if state.host.nodes:
            lines = (
                f"{row:4}: 0x{n.start:016x}..0x{n.start + n.size - 1:016x} {n.node or 0:4} NONE\n" for row, n in enumerate(state.host.nodes)
            )
            files["memblock/memory"] = "".join(lines).encode()
        manifest: dict[str, object] = {"simulated": True, "replay_of": str(path)}
        if state.machine.release is not None:
            manifest["kernel"] = state.machine.release
        with new_directory(out_dir) as made:
            write_capture(made, files, done.image, done.handover.platform, state.machine.elf_machine, manifest, context)
    return Replayed(Path(out_dir), done.image.total_bytes, done.not_known)


class _Run:
    """A scenario under way. ``made`` is where it is written, ``final`` what that becomes."""

    def __init__(self, made: Path, final: Path, name: str, scenario: Scenario, context: Context, captures: ExitStack) -> None:
        self._captures = captures
        self._made, self._final, self._name, self._scenario, self._context = made, final, name, scenario, context
        self.stages: list[StageResult] = []
        self.panic, self.failed = "", ""
        self.panicked: Reception | None = None

    def play(self) -> None:
        """All stages, as far as they can be played."""
        user = boot(self._scenario, self._context)
        running = Running(user.kernel)
        for number, stage in enumerate(self._scenario.stages, start=1):
            self._context.step(f"stage {number}", number, len(self._scenario.stages))
            try:
                user.perform(stage.steps)
            except InputError as error:
                if not any(done.lost for done in self.stages):
                    raise
                self.failed = str(error)
                return
            self._before(f"{number}-pre", running, stage)
            if stage.kexec is None:
                break
            try:
                done = self._kexec(f"{number}-pre", user, stage.kexec)
            except InputError as error:
                raise InputError(f"{stage.kexec.where}: {error}") from error
            if done.running is None:
                self.panic, self.panicked = done.message, done.reception
                return
            kho = user.kernel.kho
            lost = is_loss(done.reception, nothing_preserved=kho is None or not kho.tracker.runs().blocks)
            running, user = done.running, Userspace(done.running.kernel, self._scenario.seed, context=self._context)
            name = f"{number}-post"
            write_running(self._made / name, running, self._context, self._told(name, done.unpredictable))
            self._add(name, running, done.reception, done.unpredictable, lost=lost)

    def _kexec(self, name: str, user: Userspace, step: KexecStep) -> Kexec:
        """The kexec of the capture of this name, which its errors call by that: where it is written is nobody's business."""
        following = self._following(user, step)
        opened = self._captures.enter_context(open_state(self._made / name, self._context, registry=user.kernel.registry))
        state = replace(opened.state, machine=replace(opened.state.machine, path=SafeText(name)))
        if user.kernel.kho is None:
            return kexec_without_handover(state, opened.memory, following, user.kernel.why_no_kho)
        return kexec(jump_of(replace(opened, state=state), user.kernel.memory), following, self._context)

    def _before(self, name: str, running: Running, stage: Stage) -> None:
        """The state about to kexec: debugfs was read before the reboot call, memory is taken at the jump, as real captures are."""
        shown: Shown = files_of(running)
        kernel = running.kernel
        if stage.kexec is not None:
            kernel.kexec_file_load()
            try:
                kernel.reboot()
            except KernelError as error:
                raise InputError(f"{stage.kexec.where}: the reboot call failed: {error}") from error
        manifest = manifest_of(running, shown) | self._told(name, ())
        machine = kernel.machine
        write_capture(self._made / name, shown.files, memory_of(running), machine.platform, machine.arch, manifest, self._context)
        self._add(name, running, None, ())

    def _following(self, user: Userspace, step: KexecStep) -> NextKernel:
        kernel = user.kernel
        release = kernel.release if step.release is None else named_release(step.release, kernel.registry.releases)
        uname = step.uname or (kernel.config.uname if release is kernel.release else None)
        config: Config = replace(kernel.config, uname=uname)
        cmdline = kernel.cmdline if step.cmdline is None else step.cmdline
        return NextKernel(kernel.registry, kernel.machine, release, cmdline, config, kernel.seed + 1)

    def _told(self, name: str, unpredictable: tuple[Unpredictable, ...]) -> dict[str, object]:
        return {"scenario": self._name, "scenario_seed": self._scenario.seed, "stage": name} | to_manifest(unpredictable)

    def _add(
        self,
        name: str,
        running: Running,
        reception: Reception | None,
        unpredictable: tuple[Unpredictable, ...],
        *,
        lost: bool | None = False,
    ) -> None:
        kernel = running.kernel
        stage = StageResult(
            name=name,
            path=self._final / name,
            kernel=kernel.uname,
            reception=reception,
            lost=lost,
            unpredictable=unpredictable,
            log=tuple(kernel.log),
        )
        self.stages.append(stage)


def _text(path: str | Path) -> str:
    with open_file(Path(path)) as source:
        if source.size > _MOST_SCENARIO:
            raise InputError(f"{visible(str(path))}: {human_size(source.size)}; a scenario has at most {human_size(_MOST_SCENARIO)}")
        data = source.read_at(0, source.size)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{visible(str(path))}: not UTF-8 text") from error
