"""The capture script under the shells of real servers, on a fake root made of what real kernels showed."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_machine import PROC

from kho_tui.capture.machine_names import TEXTS
from kho_tui.capture.script import capture_script
from kho_tui.context import Context
from kho_tui.operations.open_state import open_state

CHECKOUT = Path(__file__).resolve().parents[2]
CAPTURES = CHECKOUT.parent / "shared" / "captures"
PROC_FILES = tuple(name for name in PROC if name != "config.gz")
LOG = "<6>[    0.000000] KHO: it is me"
HOSTILE = [b'a b\n"\\x\\', b"-rf", b"*", b"..hidden", b".dot", b"\xff\xfe", "f\u00fcr-\U0001f512".encode(), b"\x1b[2J", b" "]


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "capture-kho.sh"
    path.write_text(capture_script())
    return path


@pytest.fixture(params=["dash", "bash", "busybox"])
def shell(request: pytest.FixtureRequest) -> list[str]:
    return shell_command(request.param)


def shell_command(name: str) -> list[str]:
    """The words that run a script; skips the test where there is no such shell."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return [path, "sh"] if name == "busybox" else [path]


@pytest.fixture
def tools(shell: list[str], tmp_path: Path) -> str:
    """A PATH with a kernel log of its own; for busybox it holds nothing but busybox, which may prefer its own dmesg."""
    folder = tmp_path / "bin"
    folder.mkdir()
    rest = os.environ["PATH"]
    if "busybox" in shell[0]:
        subprocess.run([shell[0], "--install", "-s", str(folder)], check=True)
        rest = ""
    (folder / "dmesg").unlink(missing_ok=True)
    (folder / "dmesg").write_text(f"#!/bin/sh\necho '{LOG}'\n")
    (folder / "dmesg").chmod(0o755)
    return f"{folder}:{rest}" if rest else str(folder)


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root where /proc and /sys look as on a kernel with KHO, without a KHO tree."""
    root = tmp_path / "root"
    for name in PROC_FILES:
        write(root / "proc" / name, f"{name}\n")
    write(root / "proc/iomem", "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n")
    write(root / "proc/cmdline", "console=ttyS0 kho=on quiet\n")
    write(root / "proc/filesystems", "nodev\tproc\nnodev\tdebugfs\n\text4\n")
    write(root / "proc/mounts", "proc /proc proc rw 0 0\ndebugfs /sys/kernel/debug debugfs rw 0 0\n")
    write(root / "proc/config.gz", gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\nCONFIG_KEXEC_HANDOVER_DEBUGFS=y\n"))
    write(root / "proc/sys/kernel/osrelease", "7.3.4\n")
    write(root / "proc/sys/kernel/hostname", "srv 1/\u00e4\n")
    write(root / "sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 1 kB\n")
    write(root / "sys/kernel/kexec_loaded", "1\n")
    write(root / "proc/self/smaps", f"KernelPageSize: {os.sysconf('SC_PAGESIZE') // 1024} kB\n")  # for want of getconf
    write(root / "var/log/dmesg", f"{LOG}\n")  # where the log of the machine that runs the test is not readable
    (root / "sys/kernel/debug").mkdir(parents=True)
    return root


@pytest.fixture
def kho(machine: Path) -> Path:
    tree = machine / "sys/kernel/debug/kho"
    write(tree / "out/fdt", b"\xd0\x0d\xfe\xed\x00\x00")
    return tree


def _heed_signals() -> None:
    """Undo what nohup or a background job ignores: a shell cannot trap a signal that is ignored when it starts (POSIX, trap)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Runner:
    """Runs the script in a directory of its own."""

    def __init__(self, script: Path, shell: list[str], tools: str, root: Path, cwd: Path) -> None:
        self.command = [*shell, str(script)]
        self.environment = {"PATH": tools, "KHO_CAPTURE_ROOT": str(root), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.cwd = cwd

    def __call__(self, *arguments: str | bytes) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
            preexec_fn=_heed_signals,
        )

    def capture(self, code: int) -> dict[str, Any]:
        """The manifest of a capture into the directory ``cap``."""
        ended = self("cap")
        assert ended.returncode == code, ended.stderr
        manifest: dict[str, Any] = json.loads((self.cwd / "cap/capture.json").read_bytes())
        return manifest


@pytest.fixture
def run(script: Path, shell: list[str], tools: str, machine: Path, tmp_path: Path) -> Runner:
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    return Runner(script, shell, tools, machine, cwd)


def files_of(folder: Path) -> dict[bytes, bytes]:
    def walk(base: bytes) -> Iterator[bytes]:
        for where, _, names in os.walk(base):
            yield from (os.path.join(where, name) for name in names)  # noqa: PTH118 - names that are no UTF-8

    base = os.fsencode(folder)
    return {os.path.relpath(path, base): Path(os.fsdecode(path)).read_bytes() for path in walk(base)}


def reasons(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["path"]: entry["reason"] for entry in entries}


@pytest.mark.shared
@pytest.mark.parametrize("name", ["x86_64-7.3/2-pre", "arm64-64k-7.3/1-post"])
def test_a_real_state_is_copied_byte_for_byte(name: str, machine: Path, run: Runner) -> None:
    real = CAPTURES / name
    places = {
        "kho": "sys/kernel/debug/kho",
        "memblock": "sys/kernel/debug/memblock",
        "setup_data": "sys/kernel/boot_params/setup_data",
        "dt-chosen": "proc/device-tree/chosen",
    }
    expected: dict[bytes, bytes] = {}
    for part, place in places.items():
        if (real / part).is_dir():
            shutil.copytree(real / part, machine / place)
            expected |= {os.fsencode(part) + b"/" + path: content for path, content in files_of(real / part).items()}
    for part in PROC_FILES:
        shutil.copy(real / part, machine / "proc" / part)
        expected[part.encode()] = (real / part).read_bytes()
    # These are machines after a kexec, whose outgoing root FDT memory alone would show.
    manifest = run.capture(1)
    copied = files_of(run.cwd / "cap")
    # LUO's struct is freed at boot (7.2 on): debugfs shows whose memory it is by now, which is left out.
    luo = b"kho/in/sub_fdts/LUO"
    if not expected.get(luo, b"luo-").startswith((b"luo-", b"\xd0\x0d\xfe\xed")):
        del expected[luo]
        assert luo not in copied and os.fsdecode(luo) in reasons(manifest["absent"])
    assert {path: copied.get(path) for path in expected} == expected
    sizes = {entry["path"]: entry["bytes"] for entry in manifest["files"]}
    assert sizes == {os.fsdecode(path): len(content) for path, content in copied.items() if path != b"capture.json"}
    assert [entry["path"] for entry in manifest["unreadable"]] == ["memory.elf"] and manifest["changed_while_reading"] == []


def test_the_manifest_says_what_the_capture_is_of(kho: Path, run: Runner) -> None:
    manifest = run.capture(0)
    assert manifest["schema"] == "kho-tui.capture/1"
    assert manifest["kernel"] == "7.3.4"
    assert manifest["hostname"] == "srv 1/\u00e4"
    assert manifest["byte_order"] == sys.byteorder
    assert manifest["page_size"] == os.sysconf("SC_PAGESIZE")
    assert manifest["kho"] == {"present": True, "reason": None, "message": None}
    assert {"path": "kho/out/fdt", "source": "/sys/kernel/debug/kho/out/fdt", "bytes": 6} in manifest["files"]
    assert {"node/node0.meminfo", "kexec/kexec_loaded", "config.gz", "dmesg"} <= {entry["path"] for entry in manifest["files"]}
    assert set(reasons(manifest["absent"])) == {"memblock", "cma", "setup_data", "dt-chosen", "firmware-memmap", "memory.elf", "pci"}


def test_the_fake_machines_have_all_texts_of_the_table() -> None:
    assert {*PROC, "dmesg"} == TEXTS


def test_what_this_kernel_has_not_is_no_failure(kho: Path, run: Runner, machine: Path) -> None:
    (machine / "proc/buddyinfo").unlink()
    assert reasons(run.capture(0)["absent"])["buddyinfo"] == "this kernel does not show it"


def test_any_name_that_a_kernel_may_choose_is_copied(kho: Path, run: Runner) -> None:
    folder = os.fsencode(kho / "out/sub_fdts")
    os.mkdir(folder)  # noqa: PTH102
    for number, name in enumerate(HOSTILE):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(bytes([number]))
    ended = run("cap")
    assert ended.returncode == 0, ended.stderr
    copied = {path.removeprefix(b"kho/out/sub_fdts/"): content for path, content in files_of(run.cwd / "cap").items()}
    assert {name: copied.get(name) for name in HOSTILE} == {name: bytes([number]) for number, name in enumerate(HOSTILE)}
    raw = (run.cwd / "cap/capture.json").read_bytes()
    named = {os.fsencode(entry["path"]) for entry in json.loads(raw)["files"]}
    assert {b"kho/out/sub_fdts/" + name for name in HOSTILE} <= named
    assert raw.isascii()
    assert "\x1b" not in ended.stderr


def cat_that(tools: str, does: str) -> None:
    """Another cat first in PATH: ``does`` is sh that sees the file as $2, and goes on to the real one where it does not exit."""
    folder = Path(tools.split(":")[0])
    real = folder / "cat"
    if real.exists():
        real.rename(folder / "real-cat")
        command = f"exec {shutil.which('busybox')} cat"
    else:
        command = f"exec {shutil.which('cat')}"
    real.write_text(f'#!/bin/sh\n{does}\n{command} "$@"\n')
    real.chmod(0o755)


def needs_its_own_cat(run: Runner, tools: str) -> None:
    """busybox may be built to prefer its own commands to those in PATH."""
    folder = Path(tools.split(":")[0])
    said = subprocess.run([*run.command[:-1], "-c", "cat -- x"], env=run.environment, cwd=folder, capture_output=True, check=False)
    if b"ours" not in said.stderr:
        pytest.skip("this shell does not look for cat in PATH")


def test_what_cannot_be_read_is_named_and_the_rest_is_copied(kho: Path, run: Runner, tools: str) -> None:
    cat_that(tools, 'case $2 in x) echo ours >&2; exit 1 ;; *broken*) echo "cat: $2: Input/output error" >&2; exit 1 ;; esac')
    needs_its_own_cat(run, tools)
    (kho / "out/broken\x1b").write_bytes(b"broken")
    (kho / "out/loop").symlink_to(kho)
    (kho / "out/gone").symlink_to("nowhere")
    (kho / "out/secret").symlink_to("/etc/hostname")
    os.mkfifo(kho / "out/pipe")
    ended = run("cap")
    assert ended.returncode == 1
    assert "\x1b" not in ended.stderr
    manifest = json.loads((run.cwd / "cap/capture.json").read_bytes())
    assert manifest["complete"] is True
    assert reasons(manifest["unreadable"]) == {
        "kho/out/broken\x1b": "Input/output error",
        "kho/out/loop": "a symbolic link, not followed",
        "kho/out/gone": "a symbolic link, not followed",
        "kho/out/secret": "a symbolic link, not followed",
        "kho/out/pipe": "not a regular file",
    }
    assert sorted(path.name for path in (run.cwd / "cap/kho/out").iterdir()) == ["fdt"]


@pytest.mark.parametrize("name", ["proc/cmdline", "proc/config.gz", "sys/devices/system/node/node0/meminfo"])
def test_no_link_leads_out_of_another_root(name: str, kho: Path, run: Runner, machine: Path) -> None:
    (machine / name).unlink()
    (machine / name).symlink_to("/etc/hostname")
    (missing,) = run.capture(1)["unreadable"]
    assert missing["reason"] == "a symbolic link, not followed" and missing["source"] == f"/{name}"


def test_a_blob_that_changes_between_two_reads_is_listed(kho: Path, run: Runner, tools: str) -> None:
    cat_that(tools, 'case $2 in x) echo ours >&2; exit 1 ;; */out/LUO) printf before; echo after >"$2"; exit 0 ;; esac')
    needs_its_own_cat(run, tools)
    (kho / "out/LUO").write_bytes(b"before")
    assert run.capture(0)["changed_while_reading"] == ["kho/out/LUO"]


def test_control_files_that_nobody_can_read_are_no_loss(kho: Path, run: Runner, machine: Path, tools: str) -> None:
    cat_that(tools, 'case $2 in x) echo ours >&2; exit 1 ;; */alloc) echo "cat: $2: Invalid argument" >&2; exit 1 ;; esac')
    needs_its_own_cat(run, tools)
    alloc = machine / "sys/kernel/debug/cma/cma-kho/alloc"
    write(alloc, "")
    alloc.chmod(0o200)
    assert run.capture(0)["write_only"] == ["cma/cma-kho/alloc"]


def opened_findings(capture: Path) -> list[str]:
    with open_state(capture, Context()) as opened:
        return [finding.message for finding in opened.state.findings]


@pytest.mark.parametrize(("name", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129), ("KILL", -9)])
def test_an_interrupted_capture_says_so(name: str, code: int, kho: Path, run: Runner, tools: str) -> None:
    cat_that(tools, f"case $2 in x) echo ours >&2; exit 1 ;; */zoneinfo) printf half; kill -{name} 0; exit 0 ;; esac")
    needs_its_own_cat(run, tools)
    ended = run("cap")
    assert ended.returncode == code, ended.stderr
    manifest = json.loads((run.cwd / "cap/capture.json").read_bytes())
    assert manifest["complete"] is False
    why = f"interrupted by SIG{name}" if name != "KILL" else "the script did not come to its end: killed, or no room on the disk"
    assert manifest["incomplete"] == why
    assert not (run.cwd / "cap/zoneinfo").exists() and (run.cwd / "cap/kho/out/fdt").exists()
    assert f"capture.json: the capture is incomplete: {why}" in opened_findings(run.cwd / "cap")


def test_a_full_disk_is_no_whole_capture(kho: Path, run: Runner, tools: str) -> None:
    """The manifest of the end finds no room: the one of the beginning stays."""
    cat_that(tools, "case $2 in x) echo ours >&2; exit 1 ;; esac")
    needs_its_own_cat(run, tools)
    move = Path(tools.split(":")[0]) / "mv"
    move.unlink(missing_ok=True)
    script = 'case $3-$4 in *.partial-*/capture.json) [ ! -e "$4" ] || { echo "mv: $4: No space left on device" >&2; exit 1; } ;; esac'
    real = f"{shutil.which('busybox')} mv" if "busybox" in run.command[0] else shutil.which("mv")
    move.write_text(f'#!/bin/sh\n{script}\nexec {real} "$@"\n')
    move.chmod(0o755)
    ended = run("cap")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "capture-kho: capture.json could not be written (No space left on device): this capture is incomplete"
    )
    assert any("the capture is incomplete" in message for message in opened_findings(run.cwd / "cap"))


def test_an_interrupted_capture_without_a_tree_has_no_other_cause(run: Runner, tmp_path: Path) -> None:
    write(tmp_path / "cap/capture.json", json.dumps({"complete": False, "incomplete": "interrupted by SIGINT"}))
    write(tmp_path / "cap/cmdline", "quiet\n")
    with open_state(tmp_path / "cap", Context()) as opened:
        assert opened.state.absent == "the capture is incomplete: interrupted by SIGINT"


def test_deep_trees_end(kho: Path, run: Runner) -> None:
    deep = kho
    for _ in range(30):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (missing,) = run.capture(1)["unreadable"]
    assert missing["reason"] == "more than 16 directories deep"


def test_hidden_addresses_of_iomem_are_no_zeros_to_believe(kho: Path, run: Runner, machine: Path) -> None:
    write(machine / "proc/iomem", "00000000-00000000 : Reserved\n  00000000-00000000 : System RAM\n")
    assert "hides them" in reasons(run.capture(1)["unreadable"])["iomem"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"proc/config.gz": gzip.compress(b"CONFIG_SMP=y\n")}, "not-built", "CONFIG_KEXEC_HANDOVER=y"),
        ({"proc/config.gz": None, "boot/config-7.3.4": b"CONFIG_SMP=y\n"}, "not-built", "CONFIG_KEXEC_HANDOVER=y"),
        ({"proc/config.gz": None, "proc/kallsyms": b"0 T schedule\n"}, "not-built", "kho_is_enabled"),
        ({"proc/cmdline": b"kho=1 kho=off quiet\n"}, "disabled", "kho=off"),
        ({"proc/cmdline": b"kho=on kho=disabled kho=perhaps quiet\n"}, "disabled", "kho=disabled"),
        ({"proc/cmdline": b'"kho=off" quiet\n'}, "disabled", "kho=off"),
        ({"proc/cmdline": b"kho=off kho=enable quiet\n"}, "unknown", "nothing found here forbids it"),
        ({"proc/cmdline": b"quiet -- kho=on\n"}, "not-enabled", "boot with kho=on"),
        ({"proc/mounts": b"proc /proc proc rw 0 0\n"}, "debugfs-not-mounted", "mount -t debugfs debugfs /sys/kernel/debug"),
        ({"proc/mounts": b"", "proc/filesystems": b"nodev\tproc\n"}, "no-debugfs", "CONFIG_DEBUG_FS"),
        (
            {"proc/config.gz": gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\n# CONFIG_KEXEC_HANDOVER_DEBUGFS is not set\n")},
            "no-kho-debugfs",
            "CONFIG_KEXEC_HANDOVER_DEBUGFS",
        ),
        ({}, "unknown", "nothing found here forbids it"),
        ({"proc/cmdline": b"quiet\n", "proc/config.gz": None}, "unknown", "not known"),
    ],
)
def test_a_missing_tree_is_explained(change: dict[str, bytes | None], code: str, words: str, run: Runner, machine: Path) -> None:
    for name, content in change.items():
        if content is None:
            (machine / name).unlink()
        else:
            write(machine / name, content)
    manifest = run.capture(1)
    assert (manifest["kho"]["present"], manifest["kho"]["reason"]) == (False, code)
    assert words in manifest["kho"]["message"]
    assert (run.cwd / "cap/zoneinfo").read_text() == "zoneinfo\n"


def test_the_kernel_log_is_quoted_where_nothing_else_explains(run: Runner) -> None:
    message = run.capture(1)["kho"]["message"]
    if (run.cwd / "cap/dmesg").read_text() != f"{LOG}\n":
        pytest.skip("this busybox runs its own dmesg, whatever PATH says")
    assert "the kernel log says: it is me" in message


def test_debugfs_is_found_where_it_is_mounted(run: Runner, machine: Path) -> None:
    write(machine / "proc/mounts", "none /debug debugfs rw 0 0\n")
    write(machine / "debug/kho/out/fdt", b"x")
    assert run.capture(0)["kho"]["present"]
    assert (run.cwd / "cap/kho/out/fdt").read_bytes() == b"x"


def test_nobody_but_its_owner_reads_a_capture(kho: Path, run: Runner) -> None:
    run.capture(0)
    paths = [run.cwd / "cap", *(run.cwd / "cap").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths} == {0}


def test_a_named_directory_that_holds_something_is_refused_untouched(kho: Path, run: Runner) -> None:
    write(run.cwd / "cap/mine", "mine")
    ended = run("cap/")
    assert ended.returncode == 2
    assert ended.stderr == 'capture-kho: "cap" exists already and is not empty: nothing done\n'
    assert files_of(run.cwd / "cap") == {b"mine": b"mine"}


@pytest.mark.parametrize("name", [".", "./", "../cwd/."])
def test_it_works_from_inside_its_directory(name: str, kho: Path, run: Runner) -> None:
    run.cwd.chmod(0o755)
    ended = run(name)
    assert ended.returncode == 0, ended.stderr
    assert (run.cwd / "capture.json").exists() and stat.S_IMODE(run.cwd.stat().st_mode) == 0o755
    pasted = ended.stderr.splitlines()[-1].split("take it away with  ")[1].split("  and look")[0]
    subprocess.run(["sh", "-c", pasted], cwd=run.cwd, check=True)
    assert (run.cwd.parent / "cwd.tar.gz").stat().st_size > 0


def test_every_run_without_a_name_makes_a_new_directory(kho: Path, run: Runner) -> None:
    assert [run().returncode for _ in range(3)] == [0, 0, 0]
    made = sorted(path.name for path in run.cwd.iterdir())
    assert len(made) == 3
    assert all(name.startswith("kho-srv_1___-2") for name in made)


@pytest.mark.parametrize(("name", "word"), [("a 'b' $x", r"'a '\''b'\'' $x'"), ("-x", "./-x")])
def test_any_directory_name_works_and_the_advice_can_be_pasted(name: str, word: str, kho: Path, run: Runner) -> None:
    ended = run("--", name)
    assert ended.returncode == 0, ended.stderr
    assert (run.cwd / name / "capture.json").exists()
    last = ended.stderr.splitlines()[-1]
    assert last.endswith(f" {word}  and look at it with  kho-tui {word}")
    pasted = last.split("take it away with  ")[1].split("  and look")[0]
    subprocess.run(["sh", "-c", pasted], cwd=run.cwd, check=True)
    assert (run.cwd / f"{name}.tar.gz").stat().st_size > 0


@pytest.mark.parametrize("arguments", [["a", "b"], [""], ["--wrong"], ["no/such/parent"]])
def test_bad_usage_is_one_line_and_2(arguments: list[str], run: Runner) -> None:
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert list(run.cwd.iterdir()) == []


def test_the_script_carries_the_version_of_the_program() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion={version}\n" in capture_script()


@pytest.mark.parametrize("checker", [["shellcheck", "-s", "sh"], ["checkbashisms", "-f"]])
def test_checkers_of_shell_scripts_find_nothing(checker: list[str], script: Path) -> None:
    if shutil.which(checker[0]) is None:
        pytest.skip(f"{checker[0]} is not installed")
    ended = subprocess.run([*checker, str(script)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
