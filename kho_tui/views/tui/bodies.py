"""The bodies by place. Each module is imported when it is first asked for; at start-up only that of the first place is."""

from __future__ import annotations

from importlib import import_module

from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.navigate import Where

_BODIES = {
    Where.OVERVIEW: ("overview_body", "OverviewBody"),
    Where.TREE: ("tree_body", "TreeBody"),
    Where.MAP: ("map_body", "MapBody"),
    Where.LUO: ("luo_body", "LuoBody"),
    Where.BLOCKS: ("blocks_body", "BlocksBody"),
    Where.SCRATCH: ("scratch_body", "ScratchBody"),
    Where.FINDINGS: ("findings_body", "FindingsBody"),
    Where.SOURCES: ("sources_body", "SourcesBody"),
    Where.DIFF: ("diff_body", "DiffBody"),
}


def body_class(where: Where) -> type[Body]:
    """The class of a place's body; imports it."""
    module, name = _BODIES[where]
    found: type[Body] = getattr(import_module(f"kho_tui.views.tui.{module}"), name)
    return found


def import_bodies() -> None:
    """Import all bodies, so that no first visit of a place waits for it."""
    for where in Where:
        body_class(where)


def make_body(where: Where, stage: Stage) -> Body:
    """A new body of a place."""
    return body_class(where)(stage)
