"""What of a side could not be read: every count and sum that could be larger for it is a lower bound."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Missing, Status, Unknown
from kho_tui.model.gap import PART, Gap
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Side, Subtree
from kho_tui.text import SafeText

_NOWHERE = SafeText("where it lies is not known")


def gaps(side: Side) -> tuple[Gap, ...]:
    """All of them, the tracker's first. What a kernel has not written yet, and what is of a version that nobody knows, is none.

    >>> from kho_tui.operations.open_state import open_state
    >>> [gap.words for gap in gaps(open_state(path, Context()).state.sides["out"])]
    ['folios of out/LUO/b/0x1: 0 of 5 folios could be read']
    """
    return tuple(_gaps(side))


def not_read(side: Side) -> tuple[Gap, ...]:
    """Those of them that were to be read and could not be, or only in part: not what is damaged, nor that a place is unknown.

    What came in is stale by nature; of any other side it means that a structure is not believed, so that nothing behind it was looked at.
    """
    lacking = {Status.UNAVAILABLE, Status.PARTIAL} | ({Status.STALE} if side.name != "in" else set())
    return tuple(gap for gap in _gaps(side) if gap.status in lacking and not gap.only_place)


def _gaps(side: Side) -> Iterator[Gap]:
    path, root = EntityPath((side.name,)), side.root
    if side.preserved.status is not Status.DECODED:
        yield Gap("tracker", path, side.preserved.status, side.preserved.reason, hides_owners=False)
    if isinstance(root, Missing):
        yield Gap("root FDT", path, root.status, root.reason)
    else:
        if root.view.tree.salvaged:
            yield Gap("root FDT", path, Status.PARTIAL, PART)
        if isinstance(root.phys, Missing):
            yield Gap("root FDT", path, root.phys.status, _NOWHERE, only_place=True)
    if side.subtrees_told and not side.lists_all:
        yield Gap("subtrees", path, Status.PARTIAL, PART, side.subtree_count)
    for subtree in side.handed_over:
        yield from _of_subtree(subtree)


def _of_subtree(subtree: Subtree) -> Iterator[Gap]:
    path, content = subtree.path, subtree.content
    if isinstance(subtree.phys, Missing):
        yield Gap("blob", path, subtree.phys.status, _NOWHERE, only_place=True)
    hides = subtree.owns_memory
    if isinstance(content, Missing):
        if not isinstance(content, Unknown):
            yield Gap("blob", path, content.status, content.reason, hides_owners=hides)
        return
    if subtree.status not in (Status.DECODED, Status.UNKNOWN):
        yield Gap("blob", path, subtree.status, subtree.reason, hides_owners=hides)
    if isinstance(content, SubtreeContent):
        yield from content.gaps()
