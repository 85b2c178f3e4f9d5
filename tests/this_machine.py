"""A running machine, made of what real kernels showed, that the program takes for the one it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import capture
from running_machine import PAGE, RunningMachine, running_machine

from kho_tui.capture import probe
from kho_tui.context import Context
from kho_tui.model.facts import Missing
from kho_tui.operations.open_state import open_state

BOOT_ID = "f14f1f2a-0000-4000-8000-000000000001"


class Machines:
    """Running machines in the state of a capture, below ``root``, one at a time."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        monkeypatch.setattr(probe, "LIVE_ROOT", root)

    def __call__(self, name: str, shown: str = "yes") -> RunningMachine:
        """The machine in the state of a capture. ``shown``: as in ``name_root``, or ``nothing``: kho_out points nowhere."""
        where = capture(name)
        machine = running_machine(self.root, where)
        if shown != "nothing":
            machine.name_root(root_page(where), shown=shown)
            machine.write_memory()
        release = (where / "version").read_text().split()[2]
        machine.write("proc/sys/kernel/osrelease", f"{release}\n".encode())
        machine.write("proc/sys/kernel/random/boot_id", f"{BOOT_ID}\n".encode())
        machine.write("proc/self/smaps", b"KernelPageSize: 4 kB\n")
        return machine


def root_page(where: Path) -> int | None:
    """Where the outgoing root FDT of a capture is; None where the capture does not say it."""
    with open_state(where, Context()) as opened:
        side = opened.state.sides.get("out")
        root = None if side is None or isinstance(side.root, Missing) else side.root.phys
        return root if isinstance(root, int) else None


def grow_blob(machine: RunningMachine, name: str, address: int, old: int, new: int) -> None:
    """Let the outgoing root FDT say that the blob at ``address`` has ``new`` bytes instead of ``old``, and let memory be there."""
    for page, data in machine.pages.items():
        at = data.find(name.encode() + b"\0")
        told = data.find(old.to_bytes(8, "little"), at)
        if at >= 0 and told >= 0 and data.startswith(b"\xd0\x0d\xfe\xed") and address.to_bytes(8, "little") in data:
            machine.pages[page] = data[:told] + new.to_bytes(8, "little") + data[told + 8 :]
    for page in range(address // PAGE * PAGE, address + new, PAGE):
        machine.pages.setdefault(page, b"\x5a" * PAGE)
    machine.write_memory()
