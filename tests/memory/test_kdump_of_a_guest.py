"""A real guest, stopped, dumped as ELF and as kdump-compressed dumps by QEMU and makedumpfile: every page of them is the same."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from captures import CHECKOUT

from kho_tui.layout.arrays import U64s
from kho_tui.memory.elf import open_elf
from kho_tui.memory.kdump import open_dump
from kho_tui.memory.physical import Extent
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import FileSource, open_file
from kho_tui.simulator.qemu.guest import BINARY

KERNELS = CHECKOUT.parent / "shared" / "kernels"
LEVELS = ("0", "1", "8", "31")
DIRECT_MAP = 0xFFFF_8880_0000_0000
"""Where x86_64 with four levels of page tables and nokaslr maps all memory: makedumpfile asks PT_LOAD for it."""

pytestmark = [pytest.mark.qemu, pytest.mark.shared]


@contextmanager
def guest(folder: Path) -> Iterator[Any]:
    """A guest of 128 MiB whose init is done, stopped; what is yielded runs a command of QMP and gives its answer."""
    console, control = folder / "console", folder / "qmp"
    words = [BINARY, "-nodefaults", "-no-user-config", "-display", "none", "-no-shutdown", "-accel", "tcg", "-cpu", "max,la57=off"]
    words += ["-machine", "pc-q35-7.1", "-m", "128", "-device", "vmcoreinfo", "-serial", f"file:{console}"]
    words += ["-kernel", str(KERNELS / "bzImage-7.3"), "-initrd", str(KERNELS / "initrd"), "-qmp", f"unix:{control},server=on,wait=off"]
    words += ["-append", "console=ttyS0 kho=on nokaslr liveupdate=on khostage=0"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            end = monotonic() + 240
            while b"RIG dumped s0-ready" not in (console.read_bytes() if console.exists() else b""):
                assert process.poll() is None and monotonic() < end, "the guest did not come up"
                sleep(0.2)
            with socket.socket(socket.AF_UNIX) as talk:
                talk.settimeout(240)
                talk.connect(str(control))
                stream = talk.makefile("rw")

                def command(name: str, **arguments: object) -> Any:
                    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                    stream.flush()
                    while True:
                        answer = json.loads(stream.readline())
                        if "return" in answer:
                            return answer["return"]
                        assert "error" not in answer, answer

                stream.readline()
                command("qmp_capabilities")
                command("stop")
                yield command
        finally:
            process.kill()


def for_makedumpfile(source: Path, to: Path) -> None:
    """QEMU's core with its program headers where makedumpfile 1.7 finds them, and the virtual addresses that it wants to know."""
    data = source.read_bytes()
    (table,), (count,) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    rows = [struct.unpack_from("<IIQQQQQQ", data, table + 56 * row) for row in range(count)]
    at = 8192
    headers, parts = b"", b""
    for kind, flags, offset, _, physical, size, _, align in rows:
        virtual = physical + DIRECT_MAP if kind == 1 else 0
        headers += struct.pack("<IIQQQQQQ", kind, flags, at + len(parts), virtual, physical, size, size, align)
        parts += data[offset : offset + size] + bytes(-size % 4096)
    head = data[:16] + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    to.write_bytes((head + headers).ljust(at, b"\0") + parts)


def same(dump: SegmentedMemory, core: SegmentedMemory) -> None:
    """That all the dump holds is what the core holds, read in both ways."""
    for extent in dump.extents():
        assert dump.read(extent.start, extent.size) == core.read(extent.start, extent.size)
        addresses = np.arange(extent.start, extent.start + extent.size, 4096, dtype=np.uint64)
        chosen = np.random.default_rng(1).permutation(addresses)[:500]
        found, present = dump.read_pages(chosen, 4096)
        assert present.all() and (found == core.read_pages(chosen, 4096)[0]).all()
    # What the search leaves out is zeros.
    left = np.setdiff1d(page_addresses(dump.extents()), page_addresses(dump.stored()))
    for at in range(0, len(left), 1024):
        found, present = dump.read_pages(left[at : at + 1024], 4096)
        assert present.all() and not found.any()


def page_addresses(extents: Iterable[Extent]) -> U64s:
    parts = [np.arange(one.start, one.start + one.size, 4096, dtype=np.uint64) for one in extents]
    return np.concatenate(parts)


def shown(path: Path) -> str:
    """What ``kho-tui show`` prints."""
    ran = subprocess.run([sys.executable, "-m", "kho_tui", "show", str(path)], capture_output=True, text=True, check=False)
    assert "kho-v4" in ran.stdout, ran.stderr
    return ran.stdout


def files_beside(folder: Path, pattern: str) -> Iterator[FileSource]:
    for path in sorted(folder.glob(pattern)):
        yield open_file(path)


def test_every_page_of_a_guest(tmp_path: Path) -> None:
    elf = tmp_path / "elf"
    with guest(tmp_path) as command:
        formats = command("query-dump-guest-memory-capability")["formats"]
        for format in [one for one in formats if one != "win-dmp"]:
            command("dump-guest-memory", paging=False, protocol=f"file:{tmp_path / format}", format=format)
    core = open_elf(open_file(elf))
    told = shown(elf)
    dumps = [tmp_path / one for one in formats if one.startswith("kdump")]
    assert dumps
    for path in dumps:
        dump = open_dump(open_file(path))
        assert [(one.start, one.size) for one in dump.extents()] == [(one.start, one.size) for one in core.extents()]
        assert (dump.vmcoreinfo, dump.machine, dump.notes) == (core.vmcoreinfo, core.machine, ())
        same(dump, core)
        assert shown(path) == told
    if shutil.which("makedumpfile"):
        by_makedumpfile(tmp_path, core, told)


def by_makedumpfile(folder: Path, core: SegmentedMemory, told: str) -> None:
    vmcore = folder / "vmcore"
    for_makedumpfile(folder / "elf", vmcore)

    def run(*words: str, output: str = "") -> None:
        with (folder / (output or "log")).open("wb") as out:
            subprocess.run(["makedumpfile", *words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, check=True, timeout=60)

    sizes = {}
    for method in ("-c", "-l", ""):
        for level in LEVELS:
            name = f"made{method}{level}"
            run(*([method] if method else []), "-d", level, str(vmcore), str(folder / name))
            dump = open_dump(open_file(folder / name))
            same(dump, core)
            sizes[method, level] = dump.total_bytes
    for level in LEVELS:
        assert sizes["-c", level] == sizes["-l", level] == sizes["", level]
    assert sizes["-c", "0"] == sizes["-c", "1"] > sizes["-c", "31"]
    assert shown(folder / "made-l31") == told
    run("-c", "-d", "31", "-F", str(vmcore), output="flattened")
    flat, plain = open_dump(open_file(folder / "flattened")), open_dump(open_file(folder / "made-c31"))
    same(flat, core)
    assert list(flat.extents()) == list(plain.extents()) and flat.vmcoreinfo == plain.vmcoreinfo
    run("-E", "-d", "1", "-F", str(vmcore), output="flattened-core")
    same(open_dump(open_file(folder / "flattened-core")), core)
    parts = [str(folder / f"part{number}") for number in range(3)]
    run("-c", "-d", "31", "--split", "--splitblock-size", "16", str(vmcore), *parts)
    for part in parts:
        whole = open_dump(open_file(Path(part)), lambda: files_beside(folder, "part?"))
        assert [(one.start, one.size) for one in whole.extents()] == [(one.start, one.size) for one in plain.extents()]
        assert whole.cut == ""
        same(whole, core)
