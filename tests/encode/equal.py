"""Handovers as plain values, so that a test can compare them whole and pytest can say where they differ."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Dataclasses as dicts, arrays as lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__, **{one.name: plain(getattr(value, one.name)) for one in fields(value)}}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value if not isinstance(value, Enum) else value.name
