"""The commands as a user and a script meet them: exit codes, one-line messages, plain output, quick help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from captures import CHECKOUT, SAMPLES, sample

from kho_tui.capture.machine_names import rows_for_script
from kho_tui.capture.obstacles import obstacles_table
from kho_tui.views.cli import main

HEAVY = {"textual", "rich", "numpy", "elftools", "libfdt", "_libfdt", "pydantic"}


def kho_tui(*arguments: str, cwd: Path = CHECKOUT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kho_tui", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["show", "--help"], ["map", "--help"], ["whois", "--help"], ["capture-script"]]
)
def test_quick_commands_import_nothing_heavy(arguments: list[str]) -> None:
    probe = (
        "import sys; from kho_tui.views.cli.main import run\n"
        f"code = run({arguments!r})\n"
        "print('\\nLOADED', *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and done.stdout
    loaded = set(done.stderr.rsplit("LOADED ", 1)[1].split())
    assert not loaded & HEAVY


def test_show_loads_no_other_engine() -> None:
    """Nothing of the engines that it does not run, and of the subsystems what it asks of them."""
    probe = (
        "import sys; from kho_tui.views.cli.main import run\n"
        "code = run(['show', 'samples/x86_64-7.3/1-pre', '--json'])\n"
        "print('\\nLOADED', *sorted(name for name in sys.modules if name.startswith('kho_tui.')), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, timeout=60, cwd=CHECKOUT)
    assert done.returncode == 0
    loaded = done.stderr.rsplit("LOADED ", 1)[1].split()
    assert "kho_tui.subsystems.luo.decode" in loaded
    engines = ("analysis.checks", "analysis.diff", "analysis.receiver", "encode", "model.plain", "simulator")
    assert not [name for name in loaded if name.startswith(tuple(f"kho_tui.{engine}" for engine in engines))]
    of_subsystems = [name.split(".") for name in loaded if name.startswith("kho_tui.subsystems.")]
    assert {parts[3] for parts in of_subsystems if len(parts) > 3} == {"content", "decode", "naming"}


def test_version() -> None:
    assert kho_tui("--version").stdout == "kho-tui 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/nonexistent"], "/nonexistent: No such file or directory"),
        (["show", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["show", ".", "--bogus"], "No such option"),
        (["show", "README.md"], "a text file, not a KHO state"),
        (["show", "samples"], "holds several captures: arm64-64k-7.3/1-pre"),
        (["show", "samples/x86_64-7.3/1-pre", "--side", "in"], "has no side 'in'; there is: out"),
        (["show", "samples/x86_64-7.3/1-pre", "--side", "up"], "--side takes in or out"),
        (["show", "samples/x86_64-7.3/1-pre", "--page-size", "5000"], "--page-size takes one of 4096, 16384, 65536"),
        (["show", "samples/x86_64-7.3/1-pre", "--byte-order", "middle"], "--byte-order takes little or big"),
        (["show", "samples/x86_64-7.3/1-pre", "--base", "here"], "not an address"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(arguments: list[str], words: str) -> None:
    done = kho_tui(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    complaints = [line for line in done.stderr.splitlines() if "not a terminal" not in line]
    assert len(complaints) == 1
    assert complaints[0].startswith("kho-tui: ") and words in complaints[0]


def test_a_file_name_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    done = kho_tui("show", str(tmp_path / "\x1b]0;owned\x07[red]\u202e"))
    assert done.returncode == 2
    assert "\x1b" not in done.stderr and "\u202e" not in done.stderr and "\\x1b]0;owned" in done.stderr


def test_without_a_terminal_a_path_alone_prints_show_with_a_hint() -> None:
    opened, shown = kho_tui("samples/x86_64-7.3/2-pre"), kho_tui("show", "samples/x86_64-7.3/2-pre")
    assert opened.returncode == 0
    assert opened.stdout == shown.stdout
    assert "not a terminal" in opened.stderr and shown.stderr == ""


def test_a_path_wins_over_a_command_and_over_a_side(tmp_path: Path) -> None:
    (tmp_path / "show").symlink_to(sample("x86_64-7.3/2-pre"))
    (tmp_path / "state:in").symlink_to(sample("x86_64-7.3/2-pre"))
    assert kho_tui("show", cwd=tmp_path).stdout.startswith("a kexec now would hand over kho-v4")
    assert "out (for the next kernel)" in kho_tui("show", "state:in", cwd=tmp_path).stdout
    assert "out (for the next kernel)" not in kho_tui("show", "samples/x86_64-7.3/2-pre:in").stdout


def test_one_side_shows_nothing_of_the_other() -> None:
    text = kho_tui("show", "samples/x86_64-7.3/2-pre", "--side", "in").stdout
    assert text.startswith("in: booted from a kho-v4 handover from 7.3.4")
    assert "vm-alpha2" not in text
    document = json.loads(kho_tui("show", "samples/x86_64-7.3/2-pre", "--side", "out", "--json").stdout)
    assert document["sides"]["in"] is None and document["sides"]["out"]["abi"] == "kho-v4"


def test_output_in_a_pipe_is_plain() -> None:
    text = kho_tui("show", "samples/x86_64-7.3/2-pre", "--blocks", FORCE_COLOR="", CLICOLOR_FORCE="").stdout
    assert all(char == "\n" or char.isprintable() for char in text)
    assert "    0xb  memfd-v2, 5 MiB, 1280 folios" in text


def test_a_closed_pipe_is_silent() -> None:
    command = f"{sys.executable} -m kho_tui show samples/x86_64-7.3/2-pre --blocks | head -n 1"
    done = subprocess.run(["sh", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("a kexec now would hand over")
    assert done.stderr == ""


def test_page_size_and_byte_order_can_be_told() -> None:
    document = json.loads(kho_tui("show", "samples/x86_64-7.3/1-pre", "--json", "--page-size", "65536", "--byte-order", "big").stdout)
    assert document["source"]["page_size"] == 65536 and document["source"]["byte_order"] == "big"
    assert document["sides"]["out"]["preserved"]["blocks"] is None


def test_the_first_line_is_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {}
    for path in SAMPLES.glob("*/*-p*"):
        assert main.run(["show", str(path)]) == 0
        lines[str(path.relative_to(SAMPLES))] = capsys.readouterr().out.splitlines()[0]
    assert lines["x86_64-7.3/1-pre"] == "a kexec now would hand over kho-v4: 2056 blocks, 20.97 MiB; 4 subtrees; 3 sessions, 3 files"
    assert lines["x86_64-6.18/1-post"].startswith("out: not finalized: a kexec image loaded now would carry nothing; 1 has to be written")
    assert lines["x86_64-6.19/1-post"].startswith("out: not finalized: LUO does that inside the reboot call")
    assert "sound" not in " ".join(lines.values())


def test_capture_script_is_the_script() -> None:
    shipped = (CHECKOUT / "kho_tui/capture/capture-kho.sh").read_text()
    printed = kho_tui("capture-script").stdout
    assert obstacles_table() in printed and rows_for_script() in printed
    # Nothing else is put into what is shipped.
    for part in re.split(r"@[a-z]+@\n?", shipped):
        assert part in printed
    assert not re.search(r"@[a-z]+@", printed)


def test_every_command_is_known_by_its_name() -> None:
    names = [one.name for one in main.app.registered_commands] + [
        one.typer_instance and one.typer_instance.info.name for one in main.app.registered_groups
    ]
    assert sorted(name for name in names if isinstance(name, str)) == sorted(main.COMMANDS) and all(names)


@pytest.mark.parametrize("words", [[name] for name in main.COMMANDS] + [["sim", "fault"], ["sim", "run"]])
def test_a_command_that_is_made_alone_is_the_same(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([*words, "--help"], [*words, "--no-such-option"]):
        said = []
        for first in (words[0], ""):
            try:
                main.commands(first)(arguments, standalone_mode=False, prog_name="kho-tui")
                said.append(capsys.readouterr().out)
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        assert said[0] == said[1] and said[0]
