"""Whether the outgoing side is what the next kernel gets, or the reboot call still completes it.

Source: kernel/liveupdate/kexec_handover.c, kho_finalize().
"""

from __future__ import annotations

from collections.abc import Iterable

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.root import Tracker
from kho_tui.model.facts import Missing
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import Side
from kho_tui.releases.table import Finalize, Release


def is_map_pending(side: Side, releases: Iterable[Release]) -> bool:
    """Whether a memory map of 0 may still be filled in, by one of ``releases``: nothing shows that the reboot call was made."""
    root = side.root
    if isinstance(root, Missing) or root.format is None or root.format.tracker is not Tracker.CHUNKS or side.finalized is True:
        return False
    subtree = side.named(LUO_NAME)
    frozen = subtree is not None and isinstance(subtree.sessions, SessionList)
    return not frozen and any(release.finalize is Finalize.SERIALIZE for release in releases)
