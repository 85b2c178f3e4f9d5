"""What the simulator's commands did, as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kho_tui.analysis.receiver.reception import Reception
from kho_tui.model.json_value import Json
from kho_tui.operations.fault_capture import FaultReport
from kho_tui.operations.kexec_capture import Kexeced
from kho_tui.operations.simulate import Replayed, Run, StageResult
from kho_tui.simulator.faults.fault import Fault
from kho_tui.subsystems.registry import builtin
from kho_tui.text import visible
from kho_tui.views.export.target_json import answer_json, consumers_json
from kho_tui.views.reception import outcome_word


def kexec_json(done: Kexeced) -> Json:
    """One kexec. ``directory`` is null after a panic, whose last line is ``message``."""
    return {
        "schema": "kho-tui.kexec/1",
        "kernel": visible(done.kernel),
        **_reception(done.reception),
        "assumed": list(done.assumed),
        "directory": _path(done.directory),
        "message": visible(done.message) or None,
        "unpredictable": _texts(one.text for one in done.unpredictable),
        "log": _texts(done.log),
    }


def run_json(run: Run) -> Json:
    """A scenario's run; ``panic`` is the last line of a kernel that panicked, which ended it, ``failed`` a step that failed for a loss."""
    return {
        "schema": "kho-tui.run/1",
        "directory": _path(run.directory),
        "stages": [_stage(one) for one in run.stages],
        "panic": visible(run.panic) or None,
        "panicked": None if run.panicked is None else _reception(run.panicked),
        "failed": visible(run.failed) or None,
    }


def _stage(one: StageResult) -> Json:
    return {
        "name": one.name,
        "directory": _path(one.path),
        "kernel": visible(one.kernel),
        "reception": None if one.reception is None else _reception(one.reception),
        "unpredictable": _texts(told.text for told in one.unpredictable),
        "log": _texts(one.log),
    }


def replay_json(done: Replayed) -> Json:
    """A replay; ``not_known`` are the subtrees of which nothing was written."""
    return {
        "schema": "kho-tui.replay/1",
        "directory": _path(done.directory),
        "memory_bytes": done.written,
        "not_known": [{"path": str(one.path), "reason": one.reason} for one in done.not_known],
    }


def fault_json(report: FaultReport) -> Json:
    """What a fault changed."""
    return {
        "schema": "kho-tui.fault/1",
        "fault": _fault(report.fault),
        "directory": _path(report.directory),
        "placement": report.placement,
        "patches": [{"address": f"{address:#x}", "size": size} for address, size in report.patches],
        "new_pages": report.new_pages,
        "files": _texts(report.files),
    }


def faults_json(faults: Iterable[Fault], unbreakable: Iterable[tuple[str, str]]) -> Json:
    """The list of faults."""
    return {
        "schema": "kho-tui.faults/1",
        "faults": [_fault(one) for one in faults],
        "unbreakable": [{"code": code, "reason": reason} for code, reason in unbreakable],
    }


def _fault(one: Fault) -> Json:
    return {
        "name": one.name,
        "finding": one.primary,
        "also": sorted(one.also),
        "side": one.side,
        "needs_before": one.needs_before,
        "roots": sorted(map(visible, one.roots(builtin()))),
        "meaning": one.meaning,
    }


def _reception(reception: Reception) -> dict[str, Json]:
    deciding = reception.deciding
    return {
        "outcome": outcome_word(reception.outcome),
        "release": reception.target.release.name,
        "deciding": None if deciding is None else answer_json(deciding),
        "consumers": consumers_json(reception),
    }


def _path(path: Path | None) -> Json:
    return None if path is None else visible(str(path))


def _texts(texts: Iterable[str]) -> Json:
    return list(map(visible, texts))
