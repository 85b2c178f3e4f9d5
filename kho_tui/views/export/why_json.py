"""``why --json``: schema kho-tui.why/1."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.analysis.symptoms.case import Evidence
from kho_tui.analysis.symptoms.explain import Explained
from kho_tui.model.json_value import Json
from kho_tui.operations.why import Answer, Checkup


def checkup_json(found: Checkup) -> Json:
    """The document without words: ``checkup`` lists the questions, ``symptoms`` is empty."""
    return {
        "schema": "kho-tui.why/1",
        "subject": found.subject,
        "asked": None,
        "exit_code": found.exit_code,
        "checkup": [
            {
                "question": one.question.name,
                "decides": one.decides,
                "answer": one.finding.standing.value,
                "says": one.finding.says,
                "evidence": _evidence(one.finding.evidence),
                "details": list(one.finding.details),
                "remedy": one.finding.remedy or None,
            }
            for one in found.examined
        ],
        "symptoms": [],
        "also": [],
        "nearest": [],
        "note": None,
    }


def answer_json(answer: Answer) -> Json:
    """The document for words or a log: ``checkup`` is empty; ``nearest`` lists symptoms where the words name none."""
    return {
        "schema": "kho-tui.why/1",
        "subject": answer.subject,
        "left_out": answer.left_out,
        "asked": answer.asked,
        "exit_code": answer.exit_code,
        "checkup": [],
        "symptoms": [_explained(one) for one in answer.explained],
        "also": [symptom.name for symptom in answer.others],
        "nearest": [symptom.name for symptom in answer.nearest],
        "note": answer.note or None,
    }


def _explained(one: Explained) -> Json:
    return {
        "name": one.symptom.name,
        "title": one.symptom.title,
        "causes": [
            {
                "certainty": cause.weighed.certainty.value,
                "other_call": cause.other_call,
                "other_error": cause.other_error,
                "cause": cause.cause.says,
                "evidence": _evidence(cause.weighed.evidence),
                "needs": cause.weighed.needs or None,
                "remedy": cause.cause.remedy,
                "source": cause.cause.source,
            }
            for cause in one.causes
        ],
    }


def _evidence(seen: Sequence[Evidence]) -> Json:
    return [{"file": one.file, "value": one.value} for one in seen]
