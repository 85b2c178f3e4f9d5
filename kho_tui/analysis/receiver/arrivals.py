"""What of a handover reaches its users: each region, session and file by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.abi.luo import CHECKS_NAMES, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.analysis.receiver.luo import LUO_OPEN
from kho_tui.analysis.receiver.memblock import asked_as, readable_regions, refused
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Fate, Reception
from kho_tui.analysis.receiver.sessions import RestoredSession
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.model.facts import Missing, known

_WHOLE = Outcome.TAKEN, ""


@dataclass(frozen=True, slots=True)
class RegionArrival:
    """A region of ``reserve_mem=``, by the name that finds it. ``outcome`` TAKEN: revived as it was; PART: made anew; None: unknown."""

    name: bytes
    outcome: Outcome | None
    reason: str


@dataclass(frozen=True, slots=True)
class FileArrival:
    """A file of a session. ``outcome`` TAKEN: it comes back as it was; PART: asking for it fails; None: unknown."""

    token: int
    outcome: Outcome | None
    reason: str


@dataclass(frozen=True, slots=True)
class SessionArrival:
    """A session. ``outcome`` TAKEN: it can be retrieved by its name; ``files`` None: not at hand."""

    name: bytes
    outcome: Outcome | None
    reason: str
    files: tuple[FileArrival, ...] | None


def regions(reception: Reception) -> Iterator[RegionArrival]:
    """What becomes of each region that is handed over, as far as they are at hand."""
    boot = reception.boot
    for region, known_version in readable_regions(boot.handed) or ():
        outcome, reason = _whole_part(reception, MEMBLOCK_NAME)
        asked = boot.target.asked_regions
        if outcome is Outcome.TAKEN and asked is None:
            outcome, reason = None, "the next command line is not known"
        elif outcome is Outcome.TAKEN and asked is not None:
            fault = refused(region, known_version, asked)
            outside = boot.reserved.lost(known(region.start), known(region.size) or 1)
            outcome, reason = (Outcome.PART, fault) if fault else (Outcome.MISREAD, "its memory is not preserved") if outside else _WHOLE
        wanted = asked_as(region, asked or ())
        yield RegionArrival(region.name if wanted is None else wanted.name, outcome, reason)


def sessions(reception: Reception) -> Iterator[SessionArrival]:
    """What becomes of each session that is handed over, as far as they are at hand."""
    for restored in reception.boot.restored.sessions:
        outcome, reason = _session_fate(reception, restored)
        files = None if isinstance(restored.files, Missing) else tuple(_files(restored, outcome, reason))
        yield SessionArrival(restored.session.name, outcome, reason, files)


def _session_fate(reception: Reception, restored: RestoredSession) -> Fate:
    outcome, reason = _whole_part(reception, LUO_NAME)
    if outcome is not Outcome.TAKEN:
        return outcome, reason
    fault = reception.boot.restored.fault
    if isinstance(fault, Fails):
        return fault.outcome or Outcome.IGNORED, fault.met
    if fault is not None:
        return None, fault.reason
    needs_name = bool(CHECKS_NAMES.covers(reception.target.release.version))
    lost_name = restored.name != restored.session.name or (not restored.name and needs_name)
    return (Outcome.PART, "nobody finds it by its name") if lost_name else _WHOLE


def _files(restored: RestoredSession, outcome: Outcome | None, reason: str) -> Iterator[FileArrival]:
    for file in () if isinstance(restored.files, Missing) else restored.files:
        fate: Fate = outcome, reason
        fault = file.fault if outcome is Outcome.TAKEN else None
        if isinstance(fault, Fails):
            fate = fault.outcome or Outcome.PART, fault.met
        elif fault is not None:
            fate = None, fault.reason
        yield FileArrival(file.file.token, *fate)


def _whole_part(reception: Reception, consumer: bytes) -> Fate:
    """What becomes of all of a consumer's part, before it is looked at thing by thing."""
    if reception.worst in (Outcome.PANIC, Outcome.IGNORED):
        return reception.worst, "" if reception.deciding is None else reception.deciding.met
    if reception.garbage is not None:
        return Outcome.WILD, reception.garbage.met
    for answer in reception.answers:
        whole = answer.check.fails in (Outcome.IGNORED, Outcome.PANIC)
        if answer.check.consumer == consumer and answer.check is not LUO_OPEN and whole and answer.holds is not True:
            return answer.outcome, answer.met
    return _WHOLE
