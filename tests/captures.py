"""The real captures: golden copies under samples/, all of them beside the checkout where ../shared is."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest

from kho_tui.context import Context
from kho_tui.model.state import State
from kho_tui.operations.open_state import open_state

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLES = CHECKOUT / "samples"
SHARED = CHECKOUT.parent / "shared" / "captures"


def captures_with_truth() -> list[Path]:
    """Every capture directory at hand that has an expected.json, a sample before its twin in ../shared."""
    found: dict[str, Path] = {}
    for root in (SAMPLES, SHARED):
        for expected in sorted(root.glob("**/expected.json")):
            found.setdefault(str(expected.parent.relative_to(root)), expected.parent)
    return list(found.values())


def all_captures() -> list[Path]:
    """Every capture directory at hand, also those that no independent decoder has read."""
    found: dict[str, Path] = {}
    for root in (SAMPLES, SHARED):
        for version in sorted(root.glob("**/version")):
            found.setdefault(str(version.parent.relative_to(root)), version.parent)
    return list(found.values())


def copy_of(path: Path, to: Path) -> None:
    """A capture that may be written to: the shared ones may not."""
    shutil.copytree(path, to)
    for one in (to, *to.rglob("*")):
        one.chmod(0o755 if one.is_dir() else 0o644)


def sample(name: str) -> Path:
    """A capture that is committed."""
    return SAMPLES / name


def capture(name: str) -> Path:
    """A capture by its name, wherever it is at hand; skips the test where it is not."""
    found = next((root / name for root in (SAMPLES, SHARED) if (root / name).is_dir()), None)
    if found is None:
        pytest.skip(f"the capture {name} is not beside this checkout")
    return found


def read(path: Path) -> State:
    """The state at a path, decoded."""
    with open_state(path, Context()) as opened:
        return opened.state


@cache
def opened(name: str) -> State:
    """The state of a capture that is not altered."""
    return read(capture(name))


def alter_memory(copy: Path, address: int, data: bytes) -> bytes:
    """Write into the dumped memory of a copy, at a physical address; what stood there."""
    with open_state(copy, Context()) as found:
        assert found.memory is not None
        name, offset = found.memory.origin(address)
    assert offset is not None
    path = copy / name
    content = bytearray(path.read_bytes())
    was = bytes(content[offset : offset + len(data)])
    content[offset : offset + len(data)] = data
    path.write_bytes(content)
    return was
