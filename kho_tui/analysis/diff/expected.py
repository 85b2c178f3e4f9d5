"""What a handover does to each kind of entity on a sound kernel, so that it is not taken for a loss: one table."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.luo import LuoFormat
from kho_tui.model.change import Fate
from kho_tui.text import SafeText


@dataclass(frozen=True, slots=True)
class Expectation:
    """``fate`` of a kind of entity where nothing speaks for or against it. ``struct``: only where LUO's root is a struct, or is an FDT."""

    entity: str
    fate: Fate
    reason: SafeText
    struct: bool | None = None


EXPECTED: tuple[Expectation, ...] = (
    # kernel/liveupdate/kexec_handover.c: the map is walked once, before the page allocator is up.
    Expectation("tracker", Fate.MUST, SafeText("stale: read once at boot, then its pages are given back")),
    # kernel/liveupdate/luo_core.c: freed at early initcall.
    Expectation("LUO", Fate.UNTOLD, SafeText("stale: the struct is freed at early initcall, and no log line speaks of it"), struct=True),
    Expectation("LUO", Fate.UNTOLD, SafeText("not in B, and no line of its log speaks of it"), struct=False),
    # 5.4, 5.5: read when LUO starts, or when user space retrieves the session; then freed.
    Expectation("session", Fate.UNTOLD, SafeText("stale: LUO frees the list of sessions once it has read it")),
    Expectation("file", Fate.UNTOLD, SafeText("stale: its pages are no longer marked once user space has retrieved it")),
    # 5.6: the page goes with the last file that uses an FLB.
    Expectation("FLB", Fate.UNTOLD, SafeText("stale, and no line of the log speaks of it")),
    # 6.2: restored folios are ordinary memory again.
    Expectation("folios", Fate.UNTOLD, SafeText("stale: restored folios are ordinary memory again, and no log line speaks of them")),
    # 6.1: the receiver looks for the regions of its own command line only.
    Expectation("reserve_mem", Fate.UNTOLD, SafeText("whether it was revived stands neither in the log nor in B's outgoing side")),
)

RESTORE = "restore"
"""Kind of what is lost where the log proves that a restore failed and does not say of what."""

SESSION_LOST = SafeText("its session is lost")
SUBTREE_LOST = SafeText("its subtree is lost")

NOT_WRITTEN_YET = SafeText("written inside the reboot call, after A was taken")
"""Entries, counts and pointers of LUO in a copy that debugfs gave before (kernel/liveupdate/luo_session.c)."""

NOT_ASKED_FOR = SafeText("the next kernel's command line does not ask for it: it stays reserved, and out of reach")
"""A region that no reserve_mem= names again (mm/memblock.c)."""


def expected(entity: str, luo: LuoFormat | None) -> Expectation:
    """The row of the table for a kind of entity. ``luo``: the version of LUO that stands in a root of this version."""
    struct = None if luo is None else luo.is_struct
    found = next((row for row in EXPECTED if row.entity == entity and row.struct in (None, struct)), None)
    return found or Expectation(entity, Fate.UNTOLD, SafeText("nothing in B speaks of it"))
