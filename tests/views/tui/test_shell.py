"""The command that is copied does in a shell what it says, and nothing else."""

from __future__ import annotations

import os
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from kho_tui.views.tui.shell import command_line

PATHS = st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)


def test_words_options_and_path() -> None:
    assert command_line(("show", "--side", "out"), "a b", ("--side", "in", "--base", "0x10")) == "kho-tui show 'a b' --side out --base 0x10"
    assert command_line(("show",), "-x", ("--side", "in")) == "kho-tui show --side in -- -x"


@given(PATHS)
@settings(max_examples=30)
def test_a_shell_reads_back_the_very_path(path: str) -> None:
    line = command_line(("show",), path, ())
    assert line.isprintable()
    script = f"kho-tui() {{ printf '%s\\0' \"$@\"; }}; {line}"
    done = subprocess.run(["bash", "-c", os.fsencode(script)], capture_output=True, check=True)
    assert os.fsencode(path) in done.stdout.split(b"\0")
