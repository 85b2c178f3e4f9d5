"""What the next kernel has to do at boot to take a side over: information, not a rule."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.analysis.checks.answer import TRACKER
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.model.facts import Fact, Missing, Status, Unavailable
from kho_tui.model.state import Side
from kho_tui.model.tracker import ChunkList
from kho_tui.text import NO_TEXT, SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreCost:
    """Counts. ``keys`` are blocks that the tracker walk meets one by one, ``pages`` those whose struct page is set up; ``tracker_pages``
    are chunks and bitmaps, or radix nodes. ``bound`` says why these are lower bounds, empty where they are not."""

    keys: Fact[int]
    pages: Fact[int]
    tracker_pages: Fact[int]
    sessions: Fact[int]
    files: Fact[int]
    folios: Fact[int]
    bound: SafeText


def restore_cost(evidence: Evidence) -> RestoreCost:
    """What is known of one side's cost."""
    kept = evidence.preserved
    sessions, files, folios, bound = _sessions(evidence.side)
    if isinstance(kept, Missing):
        return RestoreCost(keys=kept, pages=kept, tracker_pages=kept, sessions=sessions, files=files, folios=folios, bound=bound)
    structure = kept.structure
    if isinstance(structure, ChunkList):
        pages = len(structure.chunks) + sum(len(chunk.elements) for chunk in structure.chunks)
    else:
        pages = sum(len(level) for level in structure.addresses)
    bound = bound if kept.status is Status.DECODED else SafeText(f"{TRACKER}: {kept.reason}")
    return RestoreCost(
        keys=kept.runs.blocks,
        pages=kept.runs.bytes // evidence.page_size,
        tracker_pages=pages,
        sessions=sessions,
        files=files,
        folios=folios,
        bound=bound,
    )


def _sessions(side: Side) -> tuple[Fact[int], Fact[int], Fact[int], SafeText]:
    keeper = next((content for content in side.contents if content.session_list() is not None), None)
    sessions = None if keeper is None else keeper.session_list()
    if keeper is None or sessions is None:
        none = Unavailable(SafeText("no LUO state that can be read"))
        return none, none, none, NO_TEXT
    if isinstance(sessions, Missing):
        return sessions, sessions, sessions, NO_TEXT
    files = keeper.files
    whole = sessions.status is Status.DECODED and all(
        not isinstance(session.files, Missing) and session.status is Status.DECODED for session in sessions.sessions
    )
    if whole and not any(isinstance(file.content, Missing) for file in files):
        bound = NO_TEXT
    else:
        bound = SafeText("some sessions or files could not be read")
    folios = sum(file.content.nr_folios for file in files if not isinstance(file.content, Missing))
    return len(sessions.sessions), len(files), folios, bound
