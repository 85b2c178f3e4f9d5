"""States that were altered byte by byte, and what a booted kernel did with each (../shared/verdicts)."""

from __future__ import annotations

import atexit
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from captures import CHECKOUT

from kho_tui.context import Context
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import BytesSource
from kho_tui.memory.sparse import SparseImage
from kho_tui.operations.held_state import HeldState
from kho_tui.operations.open_state import Opened
from kho_tui.operations.simulate import run_scenario
from kho_tui.subsystems.registry import builtin

SHARED = CHECKOUT.parent / "shared"
FILE = SHARED / "verdicts" / "verdicts.jsonl"
KERNELS = SHARED / "kernels"
BASE_CMDLINE = "console=ttyS0 kho=on liveupdate=on nokaslr panic=-1"
_PAGE = 4096
_OUT = "kho/out/"


_LOST = {"in part", "ignored", "oops", "panic"}
"""Outcomes of a region, session or file that does not come back. What is misread comes back, and is another thing."""
_LEFT_OPEN = {"chance", "misread or panic"}
"""Both ends are named: intact or overwritten, wrong memory or a kernel that dies of it."""
_BOOTED: Mapping[str, set[str]] = {
    "accepted": {"taken", "in part", "misread", *_LEFT_OPEN},
    "refused": {"ignored"},
    # The initrd's program is PID 1: where it dies of an oops in a call, the kernel panics.
    "panic": {"panic", "oops", *_LEFT_OPEN},
    # A walk that never ends.
    "hang": {"panic", "misread or panic"},
}


def fates(answer: Mapping[str, Any]) -> dict[str, set[str | None]]:
    """What ``check --target --json`` says of every region, session and file, named as ``came_back`` does; two of one name share theirs."""
    found: dict[str, set[str | None]] = {}
    for name, outcome in _arrivals(answer["arrivals"] or {"regions": [], "sessions": []}):
        found.setdefault(name, set()).add(outcome)
    return found


def _arrivals(arrivals: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for region in arrivals["regions"]:
        yield f"region {region['name']}", region["outcome"]
    for session in arrivals["sessions"]:
        yield f"session {session['name']}", session["outcome"]
        for file in session["files"] or ():
            yield f"file {session['name']} {int(file['token'], 16):x}", file["outcome"]


def contradictions(answer: Mapping[str, Any], outcome: str, gone: set[str], back: set[str]) -> list[str]:
    """Where a boot is not what ``check --target --json`` answered: the outcome, then each thing that is ``gone`` or came ``back``."""
    if answer["outcome"] not in _BOOTED[outcome]:
        return [f"{answer['outcome']} is predicted, the boot is {outcome}"]
    if outcome != "accepted":
        return []
    told = fates(answer)
    found = []
    for name, outcomes in told.items():
        # Of two things of one name the guest gets the first.
        if name in gone and not outcomes & {*_LOST, *_LEFT_OPEN, None} and answer["outcome"] not in _LEFT_OPEN:
            found.append(f"{name} is gone, {' and '.join(map(str, outcomes))} is predicted")
        if name in back and outcomes <= _LOST:
            found.append(f"{name} came back, {' and '.join(map(str, outcomes))} is predicted")
    # What an alteration renamed, the guest asks for by a name that nothing in the state has.
    if gone - set(told) and answer["outcome"] == "taken":
        found.append(f"{', '.join(sorted(gone - set(told)))} is gone, all is predicted to be taken")
    return found


def came_back(seen: Mapping[str, Any]) -> set[str]:
    """What a guest got."""
    files = {f"file {' '.join(line.split()[:2])}" for line in seen.get("files", ())}
    return files | {f"region {name}" for name in seen.get("revived", ())} | {f"session {name}" for name in seen.get("sessions", ())}


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes laid over memory at a physical address. ``new_page``: the page was not captured; its other bytes are zero."""

    address: int
    data: bytes
    new_page: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """One altered state and what the guest showed. ``lost``: sessions, files and regions against the clean boot of the same base."""

    name: str
    base: str
    kernel: str
    append: str
    patches: tuple[Patch, ...]
    outcome: str
    lost: Mapping[str, list[str]] | None
    seen: Mapping[str, Any]

    @property
    def image(self) -> Path:
        """The kernel that was booted."""
        return KERNELS / f"bzImage-{self.kernel}"

    @property
    def cmdline(self) -> str:
        """What it was booted with."""
        return f"{BASE_CMDLINE} {self.append}".strip()

    def open(self) -> Opened:
        """The altered state, as if it came from a disk."""
        files, core = base_of(self.base)
        image = SparseImage(_PAGE, byte_order="little", machine="x86_64")
        memory = open_elf(BytesSource(core, "memory.elf"))
        for extent in memory.extents():
            image.write(extent.start, memory.read(extent.start, extent.size))
        for patch in self.patches:
            if patch.new_page:
                image.write(patch.address // _PAGE * _PAGE, bytes(_PAGE))
            image.write(patch.address, patch.data)
        out = BytesIO()
        write_elf_core(out, image, "x86_64")
        copies = dict(files)
        for name, data in files.items():
            phys = _copied_from(name, data, memory)
            if phys is not None:
                copies[name] = image.read(phys, len(data))
        return HeldState(
            registry=builtin(),
            path=self.base,
            files=copies,
            memory=out.getvalue(),
            manifest={},
            platform=Platform("little", _PAGE),
            machine="x86_64",
        ).open(Context())


def _copied_from(name: str, data: bytes, memory: Any) -> int | None:
    """Where a debugfs copy of the outgoing side lies in memory: the one place whose bytes are those of the file."""
    if name != f"{_OUT}fdt" and not name.startswith(f"{_OUT}sub_fdts/"):
        return None
    for extent in memory.extents():
        held = memory.read(extent.start, extent.size)
        for page in range(0, extent.size, _PAGE):
            if held[page : page + len(data)] == data:
                return int(extent.start + page)
    return None


@cache
def base_of(name: str) -> tuple[Mapping[str, bytes], bytes]:
    """Files of an unaltered state by name, and its memory.elf."""
    if name.startswith("scenario/"):
        return _files_below(scenario_stage(name))
    if name.startswith("encoded/"):
        with tarfile.open(SHARED / "verdicts" / f"{name}.tar.xz") as archive:
            found = {one.name: archive.extractfile(one).read() for one in archive.getmembers() if one.isfile()}  # type: ignore[union-attr]
        top = next(one for one in found if one.endswith("memory.elf")).removesuffix("memory.elf")
        found = {one.removeprefix(top): data for one, data in found.items()}
    else:
        return _files_below(SHARED / "captures" / name)
    return found, found.pop("memory.elf")


def _files_below(folder: Path) -> tuple[Mapping[str, bytes], bytes]:
    found = {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    found.pop("expected.json", None)
    return found, found.pop("memory.elf")


@cache
def scenario_stage(name: str) -> Path:
    """The stage 1-pre of ``scenario/NAME``, which is samples/scenarios/NAME.toml, run once a process."""
    made = TemporaryDirectory(prefix="scenario-")
    atexit.register(made.cleanup)
    scenario = CHECKOUT / "samples" / "scenarios" / f"{name.removeprefix('scenario/')}.toml"
    return run_scenario(scenario, Path(made.name) / "run", Context()).directory / "1-pre"


def read_verdicts() -> list[Verdict]:
    """All of them; none where they are not beside the checkout."""
    if not FILE.is_file():
        return []
    return [verdict_of(json.loads(line)) for line in FILE.read_text().splitlines()]


def verdict_of(line: Mapping[str, Any]) -> Verdict:
    """The verdict that a line tells."""
    patches = tuple(
        Patch(int(one[0], 16) if isinstance(one[0], str) else one[0], bytes.fromhex(one[1]), len(one) > 2) for one in line["patches"]
    )
    return Verdict(
        f"{line['name']} on {line['kernel']}",
        line["base"],
        line["kernel"],
        line["append"],
        patches,
        line["outcome"],
        line.get("lost"),
        line["seen"],
    )
