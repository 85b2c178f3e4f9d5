"""What becomes of each session and file that is handed over."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.luo import CHECKS_NAMES, LUO_NAME
from kho_tui.analysis.receiver.arrivals import WHOLE, Arrival, of_consumer
from kho_tui.analysis.receiver.check import Check
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Fate, Reception
from kho_tui.analysis.receiver.sessions import RestoredSession
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.model.facts import Missing


def arrived_sessions(reception: Reception, opening: Check) -> Iterator[Arrival]:
    """Each session: TAKEN, it can be retrieved by its name. Each of its files: PART, asking for it fails.

    ``opening``: the check of the first open of /dev/liveupdate, which goes session by session.
    """
    whole = of_consumer(reception, LUO_NAME, opening)
    for restored in reception.boot.restored.sessions:
        outcome, reason = _session_fate(reception, restored) if whole[0] is Outcome.TAKEN else whole
        files = None if isinstance(restored.files, Missing) else tuple(_files(restored, outcome, reason))
        yield Arrival(restored.session.name, outcome, reason, {"files": files})


def _session_fate(reception: Reception, restored: RestoredSession) -> Fate:
    fault = reception.boot.restored.fault
    if isinstance(fault, Fails):
        return fault.outcome or Outcome.IGNORED, fault.met
    if fault is not None:
        return None, fault.reason
    needs_name = bool(CHECKS_NAMES.covers(reception.target.release.version))
    lost_name = restored.name != restored.session.name or (not restored.name and needs_name)
    return (Outcome.PART, "nobody finds it by its name") if lost_name else WHOLE


def _files(restored: RestoredSession, outcome: Outcome | None, reason: str) -> Iterator[Arrival]:
    for file in () if isinstance(restored.files, Missing) else restored.files:
        fate: Fate = outcome, reason
        fault = file.fault if outcome is Outcome.TAKEN else None
        if isinstance(fault, Fails):
            fate = fault.outcome or Outcome.PART, fault.met
        elif fault is not None:
            fate = None, fault.reason
        yield Arrival(file.file.token, *fate)
