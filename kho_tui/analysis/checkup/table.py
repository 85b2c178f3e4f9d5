"""All questions, in the order in which they are put."""

from __future__ import annotations

from kho_tui.analysis.checkup import handover, kernel, scratch
from kho_tui.analysis.checkup.question import Examined, Question
from kho_tui.analysis.symptoms.case import Case

QUESTIONS: tuple[Question, ...] = (*kernel.QUESTIONS, *scratch.QUESTIONS, *handover.QUESTIONS)


def examine(case: Case) -> tuple[Examined, ...]:
    """Every question with its answer. Raises Cancelled."""
    return tuple(Examined(question, question.ask(case)) for question in QUESTIONS)
