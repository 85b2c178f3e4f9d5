"""All symptoms that are known."""

from __future__ import annotations

from kho_tui.analysis.symptoms import errors, kexec, liveupdate, memory
from kho_tui.analysis.symptoms.symptom import Symptom

SYMPTOMS: tuple[Symptom, ...] = (*kexec.SYMPTOMS, *liveupdate.SYMPTOMS, *errors.SYMPTOMS, *memory.SYMPTOMS)
