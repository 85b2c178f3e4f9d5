"""The machine that the program takes for this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from this_machine import Machines


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path / "root", monkeypatch)
