"""Which root directory guests get."""

from __future__ import annotations

import os
import re
from pathlib import Path

import guest_directory
import pytest
from captures import CHECKOUT


def test_what_is_named_comes_first_also_where_nothing_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHO_GUEST_ROOT", str(tmp_path))
    assert guest_directory.chosen() == tmp_path
    assert "is no root directory of a guest: tests/guests/make_root.sh" in (guest_directory.why_not(tmp_path) or "")
    (tmp_path / guest_directory.MARK).touch()
    assert guest_directory.why_not(tmp_path) is None and guest_directory.packages(tmp_path) is None


@pytest.mark.parametrize("lacking", ["kexec", "makedumpfile", "dash", "python3"])
def test_a_machine_without_a_tool_is_no_root(lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in {"kexec", "makedumpfile", "dash", "python3"} - {lacking}:
        (tmp_path / tool).touch(0o755)
    monkeypatch.setattr(guest_directory, "GUEST_PATH", str(tmp_path))
    monkeypatch.setattr(guest_directory, "SHOWN", ("tmp", tmp_path.parts[1]))
    assert f"no {lacking} of its own" in (guest_directory.why_not(guest_directory.OWN) or "")
    # A tool that lies where a guest does not look is none.
    (tmp_path / lacking).touch(0o755)
    monkeypatch.setattr(guest_directory, "SHOWN", ())
    assert "of its own" in (guest_directory.why_not(guest_directory.OWN) or "")


def test_another_machine_or_another_python_is_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(guest_directory, "_PYTHON", "python2.7")
        patched.setattr(guest_directory, "_TOOLS", {})
        assert "python2.7" in (guest_directory.why_not(guest_directory.OWN) or "")
        assert not guest_directory.compiles_for(guest_directory.OWN)
    machine = os.uname_result(("Linux", "host", "6.12", "#1", "aarch64"))
    monkeypatch.setattr(os, "uname", lambda: machine)
    assert "Linux aarch64" in (guest_directory.why_not(guest_directory.OWN) or "")


def test_the_agent_shows_and_searches_what_is_asked_here() -> None:
    agent = (CHECKOUT / "tests" / "guests" / "agent.c").read_text()
    (shown,) = re.findall(r"shown\[\] = \{(.*?)\};", agent)
    assert tuple(re.findall(r'"(\w+)"', shown)) == guest_directory.SHOWN
    assert f'"PATH", "/share/bin:{guest_directory.GUEST_PATH}"' in agent
