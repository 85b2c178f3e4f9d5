"""What the simulator's commands print: a verdict first, then what it rests on and what it cannot know."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from kho_tui.analysis.compat import assuming
from kho_tui.errors import InputError
from kho_tui.model.json_value import Json
from kho_tui.operations.fault_capture import FaultReport, fault_capture, list_faults
from kho_tui.operations.kexec_capture import Kexeced, kexec_capture
from kho_tui.operations.simulate import Replayed, Run, replay_capture, run_scenario
from kho_tui.simulator.faults.fault import Fault
from kho_tui.subsystems.registry import builtin
from kho_tui.text import human_size, plural, visible
from kho_tui.views.cli.opened import telling
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.sim_json import fault_json, faults_json, kexec_json, replay_json, run_json
from kho_tui.views.reception import deciding_lines, kernel_does, labelled, simulated_lines

_MOST_PATCHES = 20
_EXIT = {False: 0, True: 1, None: 2}
"""Exit codes by whether anything preserved is lost; None: it cannot be told."""


def run(scenario: Path, out: Path, seed: int | None, *, as_json: bool) -> int:
    """Play a scenario and print what came of each stage; the exit code."""
    with telling() as context:
        done = run_scenario(scenario, out, context, seed=seed)
    _print(run_json(done) if as_json else None, _run_lines(done))
    return _EXIT[done.lost]


def kexec(path: str, side: str | None, out: Path, release: str | None, cmdline: str | None, seed: int, *, as_json: bool) -> int:
    """Kexec a state and print what the next kernel does; the exit code. Raises InputError for the side that was handed over long ago."""
    if side == "in":
        raise InputError(
            f"{visible(path)}: what was handed in is stale, this kernel has taken it apart: only the out side can be handed on"
        )
    with telling() as context:
        done = kexec_capture(path, out, context, release=release, cmdline=cmdline, seed=seed)
    _print(kexec_json(done) if as_json else None, _kexec_lines(done))
    return _EXIT[done.lost]


def replay(path: str, side: str | None, out: Path, *, as_json: bool) -> None:
    """Write a state again from its model alone, and print how much of it that is."""
    with telling() as context:
        done = replay_capture(path, out, context, side)
    _print(replay_json(done) if as_json else None, _replay_lines(done))


def fault(path: str, name: str, out: Path, *, as_json: bool) -> None:
    """Break a state and print what was changed."""
    with telling() as context:
        done = fault_capture(path, name, out, context)
    _print(fault_json(done) if as_json else None, _fault_lines(done))


def faults(*, as_json: bool) -> None:
    """Print every fault, and what cannot be broken."""
    known, unbreakable = list_faults()
    _print(faults_json(known, unbreakable) if as_json else None, _list_lines(known, unbreakable))


def _run_lines(done: Run) -> Iterator[str]:
    captures = f"{plural(len(done.stages), 'capture')} written to {visible(str(done.directory))}"
    if done.panic and done.panicked is not None:
        yield f"the run ended in a panic: {visible(done.panic)}; {captures}"
        yield f"  {kernel_does(done.panicked.target.release.name, done.panicked)}"
        if done.panicked.deciding is not None:
            yield from deciding_lines(done.panicked.deciding)
    elif done.failed:
        yield f"the run ended at what a kexec lost: {visible(done.failed)}; {captures}"
    else:
        yield f"played to the end: {captures}"
    for one in done.stages:
        yield f"  {one.name:<7} " + (f"{visible(one.kernel)} runs" if one.reception is None else kernel_does(one.kernel, one.reception))
    for one in done.stages:
        yield from labelled(f"log of {one.name}", one.log)
    yield from labelled("cannot be predicted", dict.fromkeys(told.text for one in done.stages for told in one.unpredictable))


def _kexec_lines(done: Kexeced) -> Iterator[str]:
    end = "nothing written: no kernel is running" if done.directory is None else f"written to {visible(str(done.directory))}"
    yield f"{kernel_does(done.kernel, done.reception)}{assuming(done.assumed)}; {end}"
    yield from simulated_lines(done.reception, done.message, done.log, done.unpredictable)


def _replay_lines(done: Replayed) -> Iterator[str]:
    whole = "all of it" if not done.not_known else f"without {plural(len(done.not_known), 'subtree')} that the state does not tell whole"
    yield f"written again from the model, {whole}: {human_size(done.written)} of memory in {visible(str(done.directory))}"
    for one in done.not_known:
        yield f"  not known: {one.path}: {one.reason}"


def _fault_lines(done: FaultReport) -> Iterator[str]:
    one = done.fault
    yield f"{one.name} ({one.primary}): {one.meaning}; written to {visible(str(done.directory))}"
    for address, size in done.patches[:_MOST_PATCHES]:
        yield f"  changed: {plural(size, 'byte')} at {address:#x}"
    if len(done.patches) > _MOST_PATCHES:
        yield f"  changed: {len(done.patches) - _MOST_PATCHES} more places (--json lists all)"
    if done.placement:
        yield f"  addresses: {done.placement}"
    if done.new_pages:
        yield f"  added: {plural(done.new_pages, 'page')}"
    yield from (f"  changed: {visible(name)}" for name in done.files)
    if one.also:
        yield f"  may come with it: {', '.join(sorted(one.also))}"
    if one.needs_before:
        yield "  it shows only against the state before the kexec: kho-tui check BEFORE --after THIS"


def _list_lines(known: tuple[Fault, ...], unbreakable: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield f"{plural(len(known), 'fault')}; name, finding, side of the state that it breaks, what it does"
    width = max(len(one.name) for one in known)
    for one in known:
        names = sorted(map(visible, one.roots(builtin())))
        roots = f" (only {', '.join(names)})" if names else ""
        yield f"  {one.name:<{width}}  {one.primary}  {one.side:<3}  {one.meaning}{roots}"
    for code, reason in unbreakable:
        yield f"  {'-':<{width}}  {code}       cannot be broken: {reason}"


def _print(document: Json, lines: Iterable[str]) -> None:
    """The document, or where there is none the lines."""
    pieces = (f"{line}\n" for line in lines) if document is None else json_pieces(document)
    sys.stdout.writelines(pieces)
    if document is not None:
        sys.stdout.write("\n")
