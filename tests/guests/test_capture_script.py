"""The capture script in a guest, beside the program that looks at the same machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guests.guest import Guest, kernel, why_not
from kho_tui.capture.script import capture_script
from kho_tui.context import Context
from kho_tui.model.json_value import Json
from kho_tui.operations.open_state import open_state
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")
_SECONDS = 900.0
"""For a capture: software emulation needs a minute or two where the machine is busy."""
_OF_THE_SOURCE = ("origin", "available", "truncated", "libfdt")
"""Keys that tell where a part was read from, and how much of its page."""


@pytest.fixture(params=["max", "max,la57=off"])
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A guest with five levels of page tables, and one with four: other addresses of the direct map, other offsets in kcore."""
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    with Guest(IMAGE, memory_mib=512, project=True, cpu=request.param) as running:
        (running.share / "capture-kho.sh").write_text(capture_script())
        shutil.copy(shutil.which("busybox") or "", running.share / "bin" / "busybox")
        yield running


def test_a_capture_shows_what_the_machine_shows(guest: Guest, tmp_path: Path) -> None:
    # One story: before and after a kexec.
    guest.check("hold_state hold /share/truth.json")
    before = compare(guest, "env PATH=/tmp/bb /tmp/busybox sh", tmp_path / "busybox.tar.gz")
    assert before["sides"]["in"] is None and before["sides"]["out"]["preserved"]["blocks"] > 2000
    guest.kexec()
    after = compare(guest, "dash", tmp_path / "dash.tar.gz")
    assert after["sides"]["in"] is not None and after["sides"]["out"]["fdt"]["phys"] is not None


def compare(guest: Guest, shell: str, kept: Path) -> Any:
    """What a capture by this shell shows, which is what the program shows in the guest."""
    # The share is slow to run programs from, and to write to.
    guest.check("cp /share/bin/busybox /tmp && mkdir -p /tmp/bb && /tmp/busybox --install -s /tmp/bb")
    ended = guest.run(f"{shell} /share/capture-kho.sh -o /tmp/capture.tar.gz && cp /tmp/capture.tar.gz /share", timeout=_SECONDS)
    assert ended.status == 0, ended.err
    live = json.loads(guest.check("python3 -m kho_tui show --json --blocks", timeout=_SECONDS))
    shutil.move(guest.share / "capture.tar.gz", kept)
    with open_state(kept, Context()) as opened:
        captured = json.loads("".join(json_pieces(state_json(opened.state, blocks=True))))
        assert opened.sources.manifest is not None
        memory = opened.sources.manifest["memory"]
        assert isinstance(memory, dict) and memory["pages"] > 10, ended.err
        lacking = {name: memory[name] for name in ("state", "reason", "message", "left_out", "absent")}
        assert lacking == {"state": "taken", "reason": None, "message": None, "left_out": [], "absent": []}, ended.err
    assert decoded(captured) == decoded(live)
    return captured


def decoded(document: Any) -> Json:
    return {"scratch": document["scratch"], "sides": without_sources(document["sides"])}


def without_sources(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: without_sources(part) for key, part in value.items() if key not in _OF_THE_SOURCE}
    return [without_sources(part) for part in value] if isinstance(value, list) else value
