"""What a handover does to each kind of entity on a sound kernel, so that it is not taken for a loss: one table."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.model.change import Fate
from kho_tui.text import SafeText

_LUO_FDT = frozenset({b"kho-v1", b"kho-v3"})
_LUO_STRUCT = frozenset({b"kho-v4"})


@dataclass(frozen=True, slots=True)
class Expectation:
    """``fate`` of a kind of entity where nothing speaks for or against it. ``roots``: versions of the handover, None for all."""

    entity: str
    roots: frozenset[bytes] | None
    fate: Fate
    reason: SafeText


EXPECTED: tuple[Expectation, ...] = (
    # kernel/liveupdate/kexec_handover.c: the map is walked once, before the page allocator is up.
    Expectation("tracker", None, Fate.MUST, SafeText("stale: read once at boot, then its pages are given back")),
    # kernel/liveupdate/luo_core.c: freed at early initcall.
    Expectation("LUO", _LUO_STRUCT, Fate.UNTOLD, SafeText("stale: the struct is freed at early initcall, and no log line speaks of it")),
    Expectation("LUO", _LUO_FDT, Fate.UNTOLD, SafeText("not in B, and no line of its log speaks of it")),
    # 5.4, 5.5: read when LUO starts, or when user space retrieves the session; then freed.
    Expectation("session", None, Fate.UNTOLD, SafeText("stale: LUO frees the list of sessions once it has read it")),
    Expectation("file", None, Fate.UNTOLD, SafeText("stale: its pages are no longer marked once user space has retrieved it")),
    # 5.6: the page goes with the last file that uses an FLB.
    Expectation("FLB", None, Fate.UNTOLD, SafeText("stale, and no line of the log speaks of it")),
    # 6.2: restored folios are ordinary memory again.
    Expectation("folios", None, Fate.UNTOLD, SafeText("stale: restored folios are ordinary memory again, and no log line speaks of them")),
    # 6.1: the receiver looks for the regions of its own command line only.
    Expectation("reserve_mem", None, Fate.UNTOLD, SafeText("whether it was revived stands neither in the log nor in B's outgoing side")),
)

RESTORE = "restore"
"""Kind of what is lost where the log proves that a restore failed and does not say of what."""

SESSION_LOST = SafeText("its session is lost")
SUBTREE_LOST = SafeText("its subtree is lost")

NOT_WRITTEN_YET = SafeText("written inside the reboot call, after A was taken")
"""Entries, counts and pointers of LUO in a copy that debugfs gave before (kernel/liveupdate/luo_session.c)."""

NOT_ASKED_FOR = SafeText("the next kernel's command line does not ask for it: it stays reserved, and out of reach")
"""A region that no reserve_mem= names again (mm/memblock.c)."""


def expected(entity: str, root: bytes | None) -> Expectation:
    """The row of the table for a kind of entity under a version of the handover."""
    found = next((row for row in EXPECTED if row.entity == entity and (row.roots is None or root in row.roots)), None)
    return found or Expectation(entity, None, Fate.UNTOLD, SafeText("nothing in B speaks of it"))
