"""All symptoms that are known."""

from __future__ import annotations

from kho_tui.analysis.symptoms import booting, errors, kexec, liveupdate, memory, permission
from kho_tui.analysis.symptoms.symptom import Symptom

SYMPTOMS: tuple[Symptom, ...] = (
    *kexec.SYMPTOMS,
    *permission.SYMPTOMS,
    *booting.SYMPTOMS,
    *liveupdate.SYMPTOMS,
    *errors.SYMPTOMS,
    *memory.SYMPTOMS,
)
