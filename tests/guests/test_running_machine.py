"""The running machine as the program sees it inside a guest, against what the guest itself knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from guests.guest import Guest, kernel, why_not
from guests.looks import PROGRAM, SLOW, decoded, shown
from kho_tui.context import Context
from kho_tui.model.facts import Missing
from kho_tui.operations.open_state import open_state

pytestmark = [pytest.mark.qemu, pytest.mark.shared]

IMAGE = kernel("7.3-server")


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512, project=True, cmdline="kho=on liveupdate=on reserve_mem=4096:4096:oops_trace") as running:
        yield running


def test_a_machine_before_and_after_a_kexec(guest: Guest, tmp_path: Path) -> None:
    # One story and one boot: each part needs what the one before left.
    guest.check("hold_state hold /share/truth.json")
    truth = json.loads((guest.share / "truth.json").read_text())
    held = {pfn for session in truth["sessions"] for file in session["files"] for pfn in file["pfns"]}

    before = shown(guest)
    side = before["sides"]["out"]
    preserved = {(int(address, 16) >> 12) + page for address, order in side["preserved"]["block_list"] for page in range(1 << order)}
    assert side["abi"] == "kho-v4" and side["fdt"]["origin"] == "memory" and not side["fdt"]["truncated"]
    assert held and held <= preserved
    assert not [finding for finding in before["findings"] if finding["severity"] != "info"]
    (region,) = next(one["content"]["regions"] for one in side["subtrees"] if one["name"] == "memblock")
    assert region["name"] == "oops_trace" and (int(region["start"], 16) >> 12) in preserved

    # Nobody's pages but KHO's were read: none of those that the guest's program holds.
    guest.check(f"{PROGRAM} capture -o /share/before.tar.gz", SLOW)
    with open_state(guest.share / "before.tar.gz", Context()) as taken:
        assert taken.memory is not None
        read = {page for extent in taken.memory.extents() for page in range(extent.start >> 12, (extent.start + extent.size + 4095) >> 12)}
        assert 10 < len(read) < 200 and not read & held
        root = taken.state.sides["out"].root
        assert not isinstance(root, Missing) and isinstance(root.phys, int)
    assert decoded(shown(guest, "/share/before.tar.gz")) == decoded(before)
    assert guest.run(f"{PROGRAM} check", SLOW).status == 0
    first = min(held)
    assert guest.run(f"{PROGRAM} whois /sys/kernel/debug/kho pfn:{first:#x}", SLOW).out.startswith(f"{first << 12:#x}")

    # The dump of the stopped guest, its RAM as a file, and /proc/kcore itself hold the same state.
    guest.dump(tmp_path / "core.elf")
    for path in (tmp_path / "core.elf", guest.ram_file):
        with open_state(path, Context()) as dumped:
            found = next(iter(dumped.state.sides.values()))
            assert not isinstance(found.preserved, Missing) and found.preserved.runs.blocks == side["preserved"]["blocks"], path
            assert not isinstance(found.root, Missing) and found.root.phys == root.phys

    guest.kexec()
    after = shown(guest)
    assert after["sides"]["in"]["fdt"]["phys"] == before["sides"]["out"]["fdt"]["phys"]
    assert after["sides"]["in"]["preserved"]["state"] == "stale" and after["sides"]["in"]["preserved"]["blocks"] is None
    outgoing = after["sides"]["out"]
    # debugfs has no out/fdt now: the kernel's own variable names it.
    assert guest.run("test -e /sys/kernel/debug/kho/out/fdt").status == 1
    assert outgoing["fdt"]["origin"] == "memory" and outgoing["preserved"]["state"] == "decoded"
    assert not [finding for finding in after["findings"] if finding["severity"] != "info"]

    # Without symbols nobody says where it is, and nothing is searched unless it is asked for.
    guest.check("echo 2 > /proc/sys/kernel/kptr_restrict")
    hidden = shown(guest)
    assert hidden["sides"]["out"]["fdt"] is None or hidden["sides"]["out"]["fdt"]["phys"] is None
    assert "kptr_restrict" in guest.check(f"{PROGRAM} show", SLOW)
    searched = guest.run(f"{PROGRAM} show --search --json --blocks", SLOW)
    assert "MiB" in searched.err.splitlines()[0] and decoded(json.loads(searched.out))["sides"]["out"] == decoded(after)["sides"]["out"]
    guest.check("echo 0 > /proc/sys/kernel/kptr_restrict")

    guest.check("hold_state retrieve /share/report.json")
    assert all(session["finished"] for session in json.loads((guest.share / "report.json").read_text())["sessions"])


def test_who_may_not_look_is_told_why(guest: Guest) -> None:
    refused = guest.run(f"{PROGRAM} show", SLOW, user=1000)
    assert refused.status == 2 and "/sys/kernel/debug cannot be entered: run as root" in refused.err
    guest.check("mkdir -p /tmp/elsewhere && mount --move /sys/kernel/debug /tmp/elsewhere || mount -t debugfs none /tmp/elsewhere")
    guest.run("umount /sys/kernel/debug")
    assert shown(guest)["source"]["path"] == "/tmp/elsewhere/kho"
    guest.check("umount /tmp/elsewhere")
    unmounted = guest.run(f"{PROGRAM} show", SLOW)
    assert unmounted.status == 2 and "debugfs is not mounted: as root run  mount -t debugfs" in unmounted.err
    guest.check("mount -t debugfs none /sys/kernel/debug")
    assert guest.run(f"{PROGRAM} show", SLOW).status == 0


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
        running.run("mount -t securityfs none /sys/kernel/security")
        said = running.run(f"{PROGRAM} show", SLOW)
        assert said.status == status and words in said.out + said.err
