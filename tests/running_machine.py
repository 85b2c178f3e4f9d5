"""A machine that runs, made of what a real kernel showed: debugfs, /proc and /sys as files, and its memory as /proc/kcore.

Nothing here imports the program: kcore, kpageflags and kallsyms are written as fs/proc/kcore.c, fs/proc/page.c and kernel/kallsyms.c
write them (7.3).
"""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
DIRECT_MAP = 0xFFFF_8880_0000_0000
TEXT = 0xFFFF_FFFF_8100_0000
VMALLOC = 0xFFFF_C900_0000_0000
NO_ADDRESS = (1 << 64) - 1
HWPOISON, NOPAGE, OFFLINE, ANON, LRU = 1 << 19, 1 << 20, 1 << 23, 1 << 12, 1 << 5

_PLACES = {
    "kho": "sys/kernel/debug/kho",
    "memblock": "sys/kernel/debug/memblock",
    "setup_data": "sys/kernel/boot_params/setup_data",
    "firmware-memmap": "sys/firmware/memmap",
}
PROC = ("iomem", "cmdline", "version", "zoneinfo", "buddyinfo", "meminfo", "config.gz")


@dataclass
class RunningMachine:
    """``pages``: page contents by physical address, ``flags``: of a page by its address; ``text``: bytes of the kernel image at TEXT;
    ``vmcoreinfo``: lines of the note of kcore."""

    root: Path
    pages: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, int] = field(default_factory=dict)
    text: bytes = b""
    text_at: int = 0x100_0000
    vmcoreinfo: bytes = b""

    @property
    def kho(self) -> Path:
        return self.root / "sys/kernel/debug/kho"

    def write(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def name_root(self, address: int | None, *, shown: str = "yes") -> None:
        """kho_out points at the root FDT at a physical address, between a mutex and a list; ``shown``: yes, hidden or not-listed."""
        word = 0 if address is None else DIRECT_MAP + address
        self.text = struct.pack("<6Q", 0, TEXT + 0x40, 0x1234, word, TEXT + 0x100, NO_ADDRESS) + bytes(PAGE)
        rows = [(TEXT - 0x1000, "T", "kho_is_enabled"), (TEXT, "d", "kho_out"), (TEXT + 48, "d", "kho_in")]
        listed = rows if shown != "not-listed" else rows[:1]
        lines = [f"{0 if shown == 'hidden' else address:016x} {kind} {name}\n" for address, kind, name in listed]
        self.write("proc/kallsyms", "".join(lines).encode())

    def write_memory(self) -> None:
        """kcore as it is now: the kernel text first, vmalloc without an address, then RAM, as the kernel lists them."""
        runs: list[tuple[int, bytearray]] = []
        for address, data in sorted(self.pages.items()):
            if runs and runs[-1][0] + len(runs[-1][1]) == address:
                runs[-1][1].extend(data)
            else:
                runs.append((address, bytearray(data)))
        segments = [(TEXT, self.text_at, self.text.ljust(2 * PAGE, b"\0")), (VMALLOC, NO_ADDRESS, b"\x77" * PAGE)]
        segments += [(DIRECT_MAP + address, address, bytes(data)) for address, data in runs]
        note = (
            struct.pack("<III", 11, len(self.vmcoreinfo), 0)
            + b"VMCOREINFO\0\0"
            + self.vmcoreinfo.ljust(-(-len(self.vmcoreinfo) // 4) * 4, b"\0")
        )
        offset = 64 + 56 * (len(segments) + 1)
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(segments) + 1, 0, 0, 0)
        table = [struct.pack("<IIQQQQQQ", 4, 0, offset, 0, 0, len(note), 0, 0)]
        contents = [note]
        offset += len(note)
        for virtual, physical, data in segments:
            table.append(struct.pack("<IIQQQQQQ", 1, 7, offset, virtual, physical, len(data), len(data), PAGE))
            contents.append(data)
            offset += len(data)
        self.write("proc/kcore", b"".join([head, *table, *contents]))
        last = max([*self.pages, *self.flags], default=0) // PAGE
        with (self.root / "proc/kpageflags").open("wb") as stream:
            stream.truncate(8 * (last + 1))
            for address, value in self.flags.items():
                stream.seek(address // PAGE * 8)
                stream.write(struct.pack("<Q", value))


def running_machine(root: Path, capture: Path) -> RunningMachine:
    """A machine below ``root`` that is in the state of a real capture, with its memory; kho_out still points nowhere."""
    machine = RunningMachine(root)
    for name, place in _PLACES.items():
        if (capture / name).is_dir():
            shutil.copytree(capture / name, root / place)
    for name in PROC:
        if (capture / name).is_file():
            machine.write(f"proc/{name}", (capture / name).read_bytes())
    for meminfo in sorted((capture / "node").glob("*.meminfo")):
        machine.write(f"sys/devices/system/node/{meminfo.name.removesuffix('.meminfo')}/meminfo", meminfo.read_bytes())
    log = b"".join(_kmsg(line) for line in (capture / "dmesg").read_bytes().splitlines())
    machine.write("dev/kmsg", log)
    core = (capture / "memory.elf").read_bytes()
    offset, count = struct.unpack_from("<Q", core, 32)[0], struct.unpack_from("<H", core, 56)[0]
    for row in range(count):
        kind, _, at, _, physical, size = struct.unpack_from("<IIQQQQ", core, offset + 56 * row)
        if kind == 1:
            machine.pages.update({physical + inside: core[at + inside : at + inside + PAGE] for inside in range(0, size, PAGE)})
    machine.name_root(None)
    machine.write_memory()
    return machine


def _kmsg(line: bytes) -> bytes:
    """A line of dmesg -r as a record of /dev/kmsg."""
    level, _, rest = line.removeprefix(b"<").partition(b">")
    stamp, _, text = rest.removeprefix(b"[").partition(b"] ")
    seconds, _, micros = stamp.strip().partition(b".")
    return b"%s,1,%d,-;%s\n" % (level, int(seconds or b"0") * 1_000_000 + int(micros or b"0"), text)
