"""The bodies by place. Their modules are imported when a place is first visited: nobody waits for eight at start-up."""

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
}


def body_class(where: Where) -> type[Body]:
    """The class of a place's body; imports it."""
    module, name = _BODIES[where]
    found: type[Body] = getattr(import_module(f"kho_tui.views.tui.{module}"), name)
    return found


def make_body(where: Where, stage: Stage) -> Body:
    """A new body of a place."""
    return body_class(where)(stage)
