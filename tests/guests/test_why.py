"""``why`` on a guest that has each obstacle in turn: it names the cause, as root and as somebody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from guests.guest import Guest, kernel, why_not

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]

IMAGE = kernel("7.3-server")


@contextmanager
def guest(cmdline: str) -> Iterator[Guest]:
    if reason := why_not(IMAGE):
        pytest.skip(reason)
    with Guest(IMAGE, memory_mib=512, cmdline=cmdline, project=True) as running:
        yield running


def ask(running: Guest, *words: str, user: int = 0) -> tuple[int, dict[str, Any]]:
    ran = running.run(f"python3 -m kho_tui why {' '.join(words)} --json", timeout=300, user=user)
    assert "Traceback" not in ran.err and ran.out, ran.err
    return ran.status, json.loads(ran.out)


def wrong(found: dict[str, Any]) -> dict[str, str]:
    return {one["question"]: f"{one['says']} {one['evidence']} {one['remedy']}" for one in found["checkup"] if one["answer"] == "wrong"}


def test_a_guest_with_kho_on_is_well_and_each_obstacle_has_a_name() -> None:
    # One boot: what follows changes the guest step by step.
    with guest("kho=on liveupdate=on") as running:
        status, found = ask(running)
        assert (status, wrong(found)) == (0, {})
        assert found["subject"] == "this machine, kernel 7.3.4"
        status, found = ask(running, user=1000)
        assert status == 1 and "run as root" in wrong(found)["debugfs"] and "run as root" in wrong(found)["memory"]

        running.check("exec 9</dev/liveupdate; sleep 300 >/dev/null 2>&1 &")
        status, found = ask(running, "EBUSY")
        first = found["symptoms"][0]["causes"][0]
        assert (status, first["certainty"]) == (1, "certain") and "has /dev/liveupdate open" in first["evidence"][0]["value"]

        running.check("umount /sys/kernel/debug")
        status, found = ask(running)
        assert status == 1 and "debugfs is not mounted" in wrong(found)["debugfs"] and "mount -t debugfs" in wrong(found)["debugfs"]


def test_kho_off_and_lockdown() -> None:
    with guest("kho=off lockdown=confidentiality lsm=lockdown") as running:
        running.run("mount -t securityfs none /sys/kernel/security")
        assert "[confidentiality]" in running.check("cat /sys/kernel/security/lockdown")
        status, found = ask(running)
        assert status == 1 and "kho=off" in wrong(found)["on"] and "liveupdate=" in wrong(found)["liveupdate"]
        assert "confidentiality" in wrong(found)["lockdown"]
        status, found = ask(running, "EOPNOTSUPP")
        assert status == 1 and found["symptoms"][0]["causes"][0]["certainty"] == "certain"
        status, found = ask(running, "no", "/dev/liveupdate")
        assert status == 1 and any("KHO" in one["cause"] for one in found["symptoms"][0]["causes"] if one["certainty"] == "certain")
