"""``check --json``: schema kho-tui.check/1."""

from __future__ import annotations

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.cost import RestoreCost
from kho_tui.analysis.checks.report import Result
from kho_tui.analysis.compat import Compatibility
from kho_tui.model.codes import CODES
from kho_tui.model.facts import known
from kho_tui.model.json_value import Json
from kho_tui.operations.check_state import Checked
from kho_tui.operations.check_target import exit_code
from kho_tui.views.export.target_json import target_json


def check_json(checked: Checked, target: Compatibility | None, *, strict: bool) -> Json:
    """The whole report, and what a target would do. ``missing`` lists every input that some rule lacks, with the codes of those rules."""
    state, report = checked.state, checked.report
    missing: dict[tuple[str, str], list[str]] = {}
    for one in report.results:
        for lack in one.lacks:
            missing.setdefault((lack.name, lack.reason), []).append(one.code)
    return {
        "schema": "kho-tui.check/1",
        "source": {"path": state.machine.path, "kernel": state.machine.release, "arch": state.machine.arch},
        "side": report.side,
        "after": None if checked.after is None else checked.after.machine.path,
        "not_after": checked.not_after or None,
        "verdict": report.verdict,
        "checked": report.told and report.unread is None,
        "strict": strict,
        "exit_code": exit_code(checked, target, strict=strict),
        "target": None if target is None else target_json(target),
        "counts": {
            "errors": report.broken["error"],
            "warnings": report.broken["warning"],
            "infos": report.broken["info"],
            "holds": len(report.of(Answer.HOLDS)),
            "cannot_tell": len(report.untold),
            "not_asked": len(report.of(Answer.NOT_ASKED)),
        },
        "missing": [{"input": name, "reason": reason, "rules": codes} for (name, reason), codes in missing.items()],
        "rules": [_result(one) for one in report.results],
        "cost": _cost(report.cost),
    }


def _result(one: Result) -> Json:
    return {
        "code": one.code,
        "title": one.title,
        "by": "decoding" if one.code in CODES else "rule",
        "severity": one.severity,
        "answer": one.answer.value,
        "count": one.count,
        "evidence": [
            {"message": case.message, "where": str(case.where), "address": None if case.address is None else f"{case.address:#x}"}
            for case in one.cases
        ],
        "missing": [{"input": lack.name, "reason": lack.reason} for lack in one.lacks],
        "reason": one.reason or None,
        "consequence": one.consequence or None,
    }


def _cost(cost: RestoreCost) -> Json:
    return {
        "blocks": known(cost.keys),
        "pages": known(cost.pages),
        "tracker_pages": known(cost.tracker_pages),
        "sessions": known(cost.sessions),
        "files": known(cost.files),
        "folios": known(cost.folios),
        "lower_bound_because": cost.bound or None,
    }
