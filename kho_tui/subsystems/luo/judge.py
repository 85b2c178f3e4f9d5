"""The rules on LUO: its root, the forms of its lists, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.luo import LUO_NAME
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging, NameField
from kho_tui.model.facts import Status
from kho_tui.model.flbs import FlbList
from kho_tui.model.sessions import SessionList
from kho_tui.subsystems.luo import list_rules, root_rules, session_rules
from kho_tui.subsystems.luo.content import FLBS_PATH, Luo
from kho_tui.text import plural


def _names(evidence: Evidence, found: Found) -> Iterator[NameField]:
    luo = evidence.content(LUO_NAME, Luo, found)
    if luo is None:
        return
    if luo.header is not None and "compatible" in luo.header.layout:
        yield luo.path, luo.header, "compatible"
    for session in evidence.sessions(found):
        yield session.path, session.record, "name"
    for _, file in evidence.files(found):
        yield file.path, file.record, "compatible"
    flbs = found.need(luo.flbs, "FLBs")
    for flb in flbs.flbs if isinstance(flbs, FlbList) else ():
        yield luo.path.child(FLBS_PATH), flb.record, "name"


def _losses(luo: Luo) -> str:
    """How many sessions and files; empty where they cannot be read."""
    if not isinstance(luo.sessions, SessionList):
        return ""
    sessions, whole = luo.sessions.sessions, luo.sessions.status is Status.DECODED
    files = sum(one.count or 0 for one in sessions)
    return f": {'' if whole else 'at least '}{plural(len(sessions), 'session')} and {plural(files, 'file')} are lost"


JUDGING = Judging(
    rules=(*root_rules.RULES, *list_rules.RULES, *session_rules.RULES),
    names=_names,
    losses=_losses,
    taken_back=False,
)
