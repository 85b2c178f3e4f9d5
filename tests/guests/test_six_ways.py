"""One guest that holds sessions, looked at in six ways: all of them show one state."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from comparable import decoded, without_origin

from guests.guest import Guest, kernel, why_not
from guests.looks import PROGRAM, SLOW, areas, messages, only_side, shown, shown_here

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")


def test_six_ways_show_one_state(tmp_path: Path) -> None:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=448, project=True) as guest:
        guest.check("hold_state hold /share/truth.json")
        live = shown(guest)
        guest.check(f"{PROGRAM} capture -o /share/capture.tar.gz", SLOW)
        guest.dump(tmp_path / "core.elf")
        guest.dump(guest.share / "flattened", "kdump-zlib")
        if shutil.which("makedumpfile"):
            with (guest.share / "flattened").open("rb") as flattened:
                subprocess.run(
                    ["makedumpfile", "-R", str(guest.share / "plain")], stdin=flattened, capture_output=True, timeout=SLOW, check=True
                )
        else:
            guest.check("makedumpfile -R /tmp/plain < /share/flattened && cp /tmp/plain /share/plain", SLOW)
        assert (guest.share / "plain").read_bytes()[:8] == b"KDUMP   "
        dumps = {
            path: shown_here(path) for path in (tmp_path / "core.elf", guest.share / "flattened", guest.share / "plain", guest.ram_file)
        }
        captured = shown_here(guest.share / "capture.tar.gz")

    # A capture has all that debugfs and /proc say beside the memory.
    assert decoded(captured) == decoded(live)
    for path, dump in dumps.items():
        assert only_side(dump) == without_origin(live["sides"]["out"]), path
        assert areas(dump) == areas(live), path
        assert "overlap" not in messages(dump), path
        # What a dump does not know by nature: the node of an area, and without VMCOREINFO the release and the side.
        assert [name for name, side in dump["sides"].items() if side] == ["unsided" if path == guest.ram_file else "out"], path
        release = None if path == guest.ram_file else live["source"]["kernel"]
        assert dump["source"]["kernel"] == release, path
