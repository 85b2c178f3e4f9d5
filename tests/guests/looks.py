"""What the program shows of a machine, in the guest and on the host, brought to a form in which ways of looking can be compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from comparable import without_origin

from guests.guest import Guest

PROGRAM = "python3 -m kho_tui"
SLOW = 180.0
"""Seconds that the program may take under software emulation."""
_HOST_SECONDS = 300


def shown(guest: Guest, *words: str) -> dict[str, Any]:
    """``show --json`` of the guest's own machine, or of a capture in it."""
    document: dict[str, Any] = json.loads(guest.check(f"{PROGRAM} show --json --blocks {' '.join(words)}", SLOW))
    return document


def shown_here(path: Path) -> dict[str, Any]:
    """``show --json`` of a file on the host."""
    words = [sys.executable, "-m", "kho_tui", "show", "--json", "--blocks", str(path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=_HOST_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def only_side(document: dict[str, Any]) -> Any:
    """What was decoded of the one side that a document has, under whatever name."""
    (side,) = [side for side in document["sides"].values() if side is not None]
    return without_origin(side)


def areas(document: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Kind, start and size of each scratch area. Which node one is of says /proc/zoneinfo, which no dump has."""
    return [(area["kind"], area["start"], area["size"]) for area in document["scratch"]]


def messages(document: dict[str, Any]) -> str:
    """All findings, a line each."""
    return "\n".join(finding["message"] for finding in document["findings"])
