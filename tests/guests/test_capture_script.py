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

pytestmark = [pytest.mark.qemu, pytest.mark.shared]

IMAGE = kernel("7.3-server")
SHELLS = ("dash", "busybox")
_OF_THE_SOURCE = ("origin", "available", "truncated", "libfdt")
"""Keys that tell where a part was read from, and how much of its page."""


@pytest.fixture(scope="module", params=["max", "max,la57=off"])
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A guest with five levels of page tables, and one with four: other addresses of the direct map, other offsets in kcore."""
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512, project=True, cpu=request.param) as running:
        (running.share / "capture-kho.sh").write_text(capture_script())
        if (busybox := shutil.which("busybox")) is not None:
            shutil.copy(busybox, running.share / "bin" / "busybox")
        yield running


def test_a_capture_shows_what_the_machine_shows(guest: Guest, tmp_path: Path) -> None:
    # One story: before and after a kexec.
    guest.check("hold_state hold /share/truth.json")
    for shell in SHELLS:
        compare(guest, shell, tmp_path / f"first-{shell}.tar.gz")
    refused = guest.run("sh /share/capture-kho.sh /tmp/as-user; cat /tmp/as-user/capture.json", user=1000)
    assert json.loads(refused.out)["memory"]["state"] == "none" and "run as root" in refused.err
    guest.kexec()
    shown = compare(guest, "dash", tmp_path / "second.tar.gz")
    assert set(shown["sides"]) == {"in", "out"}


def compare(guest: Guest, shell: str, kept: Path) -> Any:
    """What a capture by this shell shows, which is what the program shows in the guest."""
    guest.check("rm -rf /share/capture.tar.gz")
    words = "dash"
    if shell == "busybox":
        if guest.run("busybox true").status:
            pytest.skip("no busybox that runs in the guest")
        guest.check("mkdir -p /tmp/bb && busybox --install -s /tmp/bb")
        words = "env PATH=/tmp/bb /share/bin/busybox sh"
    ended = guest.run(f"{words} /share/capture-kho.sh -o /share/capture.tar.gz", timeout=120)
    assert ended.status in (0, 1), ended.err
    live = json.loads(guest.check("python3 -m kho_tui show --json --blocks", timeout=120))
    shutil.move(guest.share / "capture.tar.gz", kept)
    with open_state(kept, Context()) as opened:
        captured = json.loads("".join(json_pieces(state_json(opened.state, blocks=True))))
        assert opened.sources.manifest is not None
        assert opened.sources.manifest["memory"] == {"state": "taken", "reason": None, "message": None, "left_out": []}, ended.err
    assert decoded(captured) == decoded(live)
    return captured


def decoded(document: Any) -> Json:
    return {"scratch": document["scratch"], "sides": without_sources(document["sides"])}


def without_sources(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: without_sources(part) for key, part in value.items() if key not in _OF_THE_SOURCE}
    return [without_sources(part) for part in value] if isinstance(value, list) else value
