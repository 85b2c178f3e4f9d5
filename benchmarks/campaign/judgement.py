"""What the program predicts of an altered state, and whether a boot agrees with it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from verdicts import KERNELS, contradictions, fates

from campaign.bases import Base, listed_sessions
from campaign.guest import Booted
from kho_tui.abi.memfd import FOLIO_PFN
from kho_tui.analysis.compat import TargetKernel
from kho_tui.analysis.receiver.outcome import Stage
from kho_tui.context import Context
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.facts import Missing
from kho_tui.model.runs import Runs
from kho_tui.model.sessions import File, Session
from kho_tui.operations.check_target import TargetRequest, check_target, read_target
from kho_tui.operations.open_state import Opened
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.subsystems.memfd.content import Memfd
from kho_tui.text import SafeText, visible
from kho_tui.views.export.target_json import target_json

CLASSES = ("whole", "loss", "refused", "panic", "misread", "chance", "misread or panic", "unknown")
"""What is predicted, in the words of the matrix."""
BOOTED_CLASSES = ("whole", "loss", "refused", "panic", "hang")
_CLASS = {"taken": "whole", "in part": "loss", "ignored": "refused", "oops": "panic"}
_ASKABLE = re.compile(r"[!#-+\-.-9;-\[\]-~]{1,63}")
"""A name that stands in ``luo=`` as it is: no blank, comma, colon, quote or backslash."""
_MOST_ASKED = 1200
_THINGS = {"memblock": "region ", "LUO": "session "}
_LARGEST_CRC = 64 << 20
_PAGE = 4096
_PLACES: Mapping[str, tuple[str, ...]] = {
    Stage.FIND.value: ("early",),
    Stage.ACCEPT.value: ("early",),
    Stage.MEMORY.value: ("early", "memory"),
    Stage.CONSUMERS.value: ("consumers",),
    Stage.OPEN.value: ("open",),
    Stage.RETRIEVE.value: ("retrieve",),
}
"""Where the stages of a prediction are in a log; memblock reads its part before the console speaks."""


def predicted_class(answer: Mapping[str, Any]) -> str:
    """The row of the matrix. What is accepted as far as it is known is unknown: the command ends with 2."""
    outcome = answer["outcome"]
    if outcome is None or (outcome == "taken" and answer["cannot_tell"]):
        return "unknown"
    return _CLASS.get(outcome, str(outcome))


def asked(opened: Opened, base: Base) -> str:
    """``luo=`` of every session and file of the altered state, in its order, then those of the base that are not among them."""
    wanted: dict[SafeText, dict[int, None]] = {}
    for session in (*listed_sessions(opened.state), *listed_sessions(base.opened.state)):
        name = visible(session.name)
        if _ASKABLE.fullmatch(name):
            wanted.setdefault(name, {}).update(dict.fromkeys([file.token for file in _files(session)] or [0]))
    words: list[str] = []
    for name, files in wanted.items():
        words += [f"{name}:{token:x}" for token in files if sum(map(len, words)) < _MOST_ASKED]
    return f"luo={','.join(words)}" if words else ""


def asked_names(append: str) -> set[str]:
    """The sessions and files that ``luo=`` of a command line asks for, and its regions, named as ``came_back`` does."""
    found = {f"region {word.rpartition(':')[2]}" for word in append.split() if word.startswith("reserve_mem=")}
    luo = next((word for word in append.split() if word.startswith("luo=")), "luo=")
    for word in filter(None, luo.removeprefix("luo=").split(",")):
        name, _, token = word.rpartition(":")
        found |= {f"session {name}", f"file {name} {token}"}
    return found


def _files(session: Session) -> tuple[File, ...]:
    return () if isinstance(session.files, Missing) else session.files


def predict(opened: Opened, kernel: str, cmdline: str) -> Mapping[str, Any]:
    """``check --target IMAGE --target-cmdline WORDS --json``, the part on the target."""
    answer = target_json(check_target(opened, replace(_target(kernel), cmdline=read_cmdline(cmdline)), context=Context()))
    assert isinstance(answer, dict)
    return answer


@cache
def _target(kernel: str) -> TargetKernel:
    return read_target(TargetRequest(str(KERNELS / f"bzImage-{kernel}")), Context())


@dataclass(frozen=True, slots=True)
class Judged:
    """``result``: agree, unknown or disagree; ``why`` says what does not agree. ``booted``: the column of the matrix."""

    result: str
    booted: str
    why: tuple[str, ...]
    gone: tuple[str, ...]


def judge(answer: Mapping[str, Any], opened: Opened, append: str, booted: Booted, clean: Booted | None) -> Judged:
    """Compare. ``append``: the words of the command line. ``clean``: the boot of the unaltered state."""
    told = fates(answer)
    # A region that nobody asks for is lost too, and the answer says so.
    candidates = {name for name in told if name in asked_names(append) or name.startswith("region ")}
    if booted.seen.get("cut"):
        candidates = {name for name in candidates if not name.startswith("region ")}
    gone = candidates - booted.back if booted.outcome == "accepted" and booted.complete else set()
    column = booted.outcome
    if column == "accepted":
        column = "loss" if gone or less(booted, clean) else "whole"
    if predicted_class(answer) == "unknown":
        return Judged("unknown", column, (), tuple(sorted(gone)))
    why = [*contradictions(answer, booted.outcome, gone, booted.back), *_place(answer, booted)]
    if booted.outcome == "accepted" and answer["outcome"] not in ("chance", "misread or panic"):
        why += [*_consumers(answer, booted, clean), *_contents(opened, told, booted)]
    result = "agree" if not why else "unknown" if answer["cannot_tell"] else "disagree"
    return Judged(result, column, tuple(why), tuple(sorted(gone)))


def less(booted: Booted, clean: Booted | None) -> bool:
    """Whether less came back than of the unaltered state; what is only renamed comes back under its new name."""
    if clean is None:
        return False
    said = any(clean.seen.get(key) and clean.seen.get(key) != booted.seen.get(key) for key in ("test", "metadata"))
    return said or len(booted.back) < len(clean.back)


def _place(answer: Mapping[str, Any], booted: Booted) -> Iterator[str]:
    """Where it died, as far as the log and the prediction name one place."""
    deciding = answer["deciding"]
    if booted.outcome != "panic" or not booted.place or deciding is None or answer["outcome"] not in ("panic", "oops"):
        return
    told = (*_PLACES[deciding["stage"]], *(("early",) if deciding["consumer"] == "memblock" else ()))
    if booted.place not in told:
        yield f"it dies in {booted.place}, {told[0]} ({deciding['check']}) is predicted"


def _consumers(answer: Mapping[str, Any], booted: Booted, clean: Booted | None) -> Iterator[str]:
    """What the log says of each consumer as a whole, also where nothing of its part could be read. Only what a clean boot gives counts."""
    told = {consumer["name"]: consumer["outcome"] for consumer in answer["consumers"]}
    if clean is None or booted.seen.get("cut"):
        return
    for name, key in (("kho_test", "test"), ("kexec-metadata", "metadata"), ("memblock", "revived"), ("LUO", "sessions")):
        whole, part = _count(clean, key), _count(booted, key)
        if not whole or not booted.complete:
            continue
        # Where its things are told one by one, each of them was compared, and there may be fewer in this state.
        if told.get(name) == "taken" and not part and not any(fate.startswith(_THINGS.get(name, "none")) for fate in fates(answer)):
            yield f"{name} is predicted to be taken, the log does not say it"
        if told.get(name) == "ignored" and part:
            yield f"{name} is predicted to be ignored, the log says that it came"


def _count(booted: Booted, key: str) -> int:
    """How much of a consumer came: regions or sessions, else 1 where the log says that all is well."""
    seen = booted.seen.get(key)
    return len(seen) if isinstance(seen, list) else int(seen in ("succeeded", True))


def _contents(opened: Opened, told: Mapping[str, set[str | None]], booted: Booted) -> Iterator[str]:
    """Size and CRC-32 of each file that is predicted to come back as the state has it."""
    got = {f"file {' '.join(line.split()[:2])}": " ".join(line.split()[2:]) for line in booted.seen.get("files", ())}
    for session in listed_sessions(opened.state):
        for file in _files(session):
            name = f"file {visible(session.name)} {file.token:x}"
            if told.get(name) != {"taken"} or name not in got or not isinstance(file.content, Memfd):
                continue
            wanted = contents(file.content, opened)
            if wanted is not None and wanted != got[name]:
                yield f"{name} comes back with {got[name]}, the state has {wanted}"


def contents(memfd: Memfd, opened: Opened) -> str | None:
    """``size=N crc32=X`` of a file as its struct, folios and memory have it; None where it cannot be put together."""
    preserved, size = opened.state.sides["out"].preserved, memfd.record.integer("size")
    if isinstance(preserved, Missing) or opened.memory is None or size > _LARGEST_CRC:
        return None
    data = bytearray(size)
    if memfd.nr_folios:
        if isinstance(memfd.folios, Missing):
            return None
        table = memfd.folios.table
        pfns = table.column("word0") & np.uint64((1 << FOLIO_PFN.width) - 1)
        for pfn, index in zip(pfns.tolist(), table.column("index").tolist(), strict=True):
            length = _length(preserved.runs, pfn * _PAGE)
            if pfn and index * _PAGE < size:
                held = _memory(opened.memory, pfn * _PAGE, length)[: size - index * _PAGE]
                data[index * _PAGE : index * _PAGE + len(held)] = held
    return f"size={size} crc32={zlib.crc32(data):08x}"


def _length(runs: Runs, address: int) -> int:
    block = runs.block_at(address)
    return _PAGE if block is None else _PAGE << int(runs.expand(block, 1)[1][0])


def _memory(memory: PhysicalMemory, address: int, size: int) -> bytes:
    """Captured bytes; zeros where a page is not captured, as in the guest."""
    data, _ = memory.read_pages(np.arange(address, address + size, _PAGE, dtype=np.uint64), _PAGE)
    return data.tobytes()
