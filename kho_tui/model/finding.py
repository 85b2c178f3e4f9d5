"""Findings: one namespace. KHO001..KHO050 are the invariants of the ABI reference, KHO101 on are anomalies met while decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

Severity = Literal["error", "warning", "info"]
WORST_FIRST: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something worth saying about a state. ``code`` is stable, ``message`` one line. ``count``: how many of its kind it stands for."""

    code: str
    severity: Severity
    message: SafeText
    where: EntityPath
    address: int | None = None
    count: int = 1
