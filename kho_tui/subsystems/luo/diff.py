"""LUO in two states: its lists are written in the reboot call, and may not be there before (kernel/liveupdate/luo_session.c)."""

from __future__ import annotations

from kho_tui.analysis.diff.facet import Diffing
from kho_tui.model.facts import Missing, Status
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.fates import NOT_WRITTEN_YET, LuoTeller
from kho_tui.text import NO_TEXT, SafeText

_LIST_HEAD = r"(\[\d+\])?\.(next|count)"


def _unread(luo: Luo) -> SafeText:
    sessions = luo.sessions
    whole = not isinstance(sessions, Missing) and sessions.status is Status.DECODED
    return NO_TEXT if whole else sessions.reason or SafeText(sessions.status.value)


DIFFING = Diffing(
    teller=LuoTeller,
    unread=_unread,
    written_late=NOT_WRITTEN_YET,
    placeholders=frozenset({"sessions"}),
    unlisted=frozenset({"FLBs"}),
    follows={"subtree": rf"sessions{_LIST_HEAD}|sessions_pa", "session": rf"count|files|files{_LIST_HEAD}", "FLBs": "count"},
)
