"""Whether a side found in memory, without any word on which side it is, agrees with itself.

The tracker of an incoming side is given back after boot and may still walk. What a kernel hands over always keeps the pages of
every subtree and every region; where the tracker found does not, it is not that of a handover to come.
"""

from __future__ import annotations

from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.state import Root, Side
from kho_tui.model.tracker import UNUSABLE, PreservedMap
from kho_tui.text import visible

EITHER_WAY = "either a running kernel was handed this root and has given the tracker back, or the state is broken"


def contradiction(side: Side, platform: Platform) -> str | None:
    """What in the side speaks against its tracker, None where nothing does."""
    preserved = side.preserved
    if isinstance(preserved, Damaged) and preserved.reason == UNUSABLE:
        return UNUSABLE
    if not isinstance(preserved, PreservedMap) or preserved.status is Status.DAMAGED:
        return None
    if preserved.runs.overlapping:
        return "the blocks of its tracker overlap"
    if preserved.damaged and isinstance(side.root, Root) and isinstance(side.root.phys, int) and not preserved.runs.covers(side.root.phys):
        return "its tracker is damaged and does not keep the root FDT"
    if preserved.status is Status.PARTIAL:
        # What could not be read of it may keep whatever the rest does not.
        return None
    for subtree in side.subtrees:
        if not isinstance(subtree.phys, Missing) and isinstance(subtree.blob, Blob):
            pages = range(subtree.phys, subtree.phys + len(subtree.blob.data), platform.page_size)
            if not all(preserved.runs.covers(page) for page in pages):
                return f"its tracker does not keep the memory of {visible(subtree.name)}"
        for address, owner in subtree.content.always_kept() if isinstance(subtree.content, SubtreeContent) else ():
            if not preserved.runs.covers(address):
                return f"its tracker does not keep {visible(owner)}"
    return None
