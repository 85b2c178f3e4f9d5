"""The running machine as the program sees it inside a guest, against what the guest itself knows."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comparable
import pytest

from guests.guest import Guest, Ran, kernel, why_not
from kho_tui.context import Context
from kho_tui.model.facts import Missing
from kho_tui.operations.open_state import open_state

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")
SLOW = 240.0
"""Seconds that a process of the program may take under software emulation on a busy host."""
SHOW = ("show", "--json", "--blocks")


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512, project=True, cmdline="kho=on liveupdate=on reserve_mem=4096:4096:oops_trace") as running:
        yield running


def program(guest: Guest, *commands: tuple[str, ...], user: int = 0) -> list[Ran]:
    """What several commands of kho-tui did, run in the guest by one process."""
    shutil.copy(Path(__file__).with_name("many_commands.py"), guest.share / "many_commands.py")
    line = f"python3 /share/many_commands.py {shlex.quote(json.dumps(commands))}"
    return [Ran(*done) for done in json.loads(guest.check(line, SLOW, user))]


def decoded(document: str) -> Any:
    """What ``show --json`` decoded, without where it was read from."""
    return comparable.decoded(json.loads(document))


def problems(document: str) -> list[str]:
    """Findings of ``show --json`` that are more than information."""
    return [finding["message"] for finding in json.loads(document)["findings"] if finding["severity"] != "info"]


def test_a_machine_before_and_after_a_kexec(guest: Guest) -> None:
    # One story and one boot: each part needs what the one before left.
    guest.check("hold_state hold /share/truth.json")
    truth = json.loads((guest.share / "truth.json").read_text())
    held = {pfn for session in truth["sessions"] for file in session["files"] for pfn in file["pfns"]}
    whose = f"pfn:{min(held):#x}"
    shown, captured, taken, checked, owner = program(
        guest,
        SHOW,
        ("capture", "-o", "/share/before.tar.gz"),
        (*SHOW, "/share/before.tar.gz"),
        ("check",),
        ("whois", "/sys/kernel/debug/kho", whose),
    )
    side = json.loads(shown.out)["sides"]["out"]
    preserved = {(int(address, 16) >> 12) + page for address, order in side["preserved"]["block_list"] for page in range(1 << order)}
    assert side["abi"] == "kho-v4" and side["fdt"]["origin"] == "memory" and not side["fdt"]["truncated"]
    assert held and held <= preserved
    assert not problems(shown.out)
    (region,) = next(one["content"]["regions"] for one in side["subtrees"] if one["name"] == "memblock")
    assert region["name"] == "oops_trace" and (int(region["start"], 16) >> 12) in preserved
    assert checked.status == 0 and owner.out.startswith(f"{min(held) << 12:#x}")

    # A capture shows the same. No page was read that the guest's program holds.
    assert captured.status == 0 and decoded(taken.out) == decoded(shown.out)
    with open_state(guest.share / "before.tar.gz", Context()) as opened:
        assert opened.memory is not None
        read = {page for extent in opened.memory.extents() for page in range(extent.start >> 12, (extent.start + extent.size + 4095) >> 12)}
        assert 10 < len(read) < 200 and not read & held
        root = opened.state.sides["out"].root
        assert not isinstance(root, Missing) and isinstance(root.phys, int)

    guest.kexec()
    guest.check("echo 2 > /proc/sys/kernel/kptr_restrict")
    hidden, searched = program(guest, SHOW, (*SHOW, "--search"))
    guest.check("echo 0 > /proc/sys/kernel/kptr_restrict")
    (after,) = program(guest, SHOW)
    sides = json.loads(after.out)["sides"]
    assert sides["in"]["fdt"]["phys"] == side["fdt"]["phys"]
    assert sides["in"]["preserved"]["state"] == "stale" and sides["in"]["preserved"]["blocks"] is None
    # debugfs has no out/fdt now: the kernel's own variable names it.
    assert guest.run("test -e /sys/kernel/debug/kho/out/fdt").status == 1
    assert sides["out"]["fdt"]["origin"] == "memory" and sides["out"]["preserved"]["state"] == "decoded"
    assert not problems(after.out)
    # Without symbols nobody says where it is, and nothing is searched unless it is asked for.
    unknown = json.loads(hidden.out)["sides"]["out"]
    assert unknown["preserved"]["blocks"] is None and unknown["fdt"] is None
    assert "MiB" in searched.err.splitlines()[0] and decoded(searched.out)["sides"]["out"] == decoded(after.out)["sides"]["out"]

    guest.check("hold_state retrieve /share/report.json")
    assert all(session["finished"] for session in json.loads((guest.share / "report.json").read_text())["sessions"])


def test_who_may_not_look_is_told_why(guest: Guest) -> None:
    (refused,) = program(guest, ("show",), user=1000)
    assert refused.status == 2 and "/sys/kernel/debug cannot be entered: run as root" in refused.err
    guest.check("mkdir -p /tmp/elsewhere && mount -t debugfs none /tmp/elsewhere && umount /sys/kernel/debug")
    (elsewhere,) = program(guest, SHOW)
    assert json.loads(elsewhere.out)["source"]["path"] == "/tmp/elsewhere/kho"
    guest.check("umount /tmp/elsewhere")
    (unmounted,) = program(guest, ("show",))
    assert unmounted.status == 2 and "debugfs is not mounted: as root run  mount -t debugfs" in unmounted.err
    guest.check("mount -t debugfs none /sys/kernel/debug")


@pytest.mark.parametrize(
    ("cmdline", "status", "words"),
    [
        ("kho=on liveupdate=on lockdown=confidentiality", 0, "kernel lockdown (confidentiality) refuses /proc/kcore"),
        ("kho=on liveupdate=on lockdown=integrity", 0, "kho-v4 at 0x"),
        ("kho=off", 2, "KHO is switched off by kho=off"),
        ("kho=on liveupdate=off", 0, "kexec-metadata"),
    ],
)
def test_what_the_command_line_forbids_is_named(cmdline: str, status: int, words: str) -> None:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512, project=True, cmdline=cmdline) as running:
        (said,) = program(running, ("show",))
        assert said.status == status and words in said.out + said.err
