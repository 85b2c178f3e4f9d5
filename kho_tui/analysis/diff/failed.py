"""What the next kernel itself says that it did not take, and whose that is. It goes before every sign that something arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.analysis.diff.ends import Ends, text_of
from kho_tui.analysis.diff.log import Failure, HandoverLog
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.entities.tables import FolioRows
from kho_tui.model.entity import Entity
from kho_tui.model.luo import FolioArray
from kho_tui.releases.table import Release
from kho_tui.text import SafeText

_SESSION = ("session", "session-list")
_OF_A_SESSION = ("session", "session-list", "handler", "folio")
"""Lines that name what a line without a name ("file") speaks of: the kernel prints both."""
_SUBTREES = {
    **dict.fromkeys(("luo", "session", "session-list", "handler", "folio", "file", "flb"), LUO_NAME),
    "region": MEMBLOCK_NAME,
    "test": KHO_TEST_NAME,
}


def failures_of(entity: Entity, ends: Ends) -> Iterator[Failure]:
    """The lines that speak of this very entity."""
    log = ends.log
    if not log.failures:
        return
    match entity.kind:
        case "tracker":
            yield from log.failures_of("tracker")
        case "subtree":
            name = ends.before.subtrees[entity.path].name
            yield from log.failures_of("subtree", name)
            yield from log.failures_of("luo") if name == LUO_NAME else ()
        case "reserve_mem":
            region = ends.regions.get(entity.path)
            yield from log.failures_of("region", region.name) if region is not None else ()
        case "folios":
            yield from log.failures_of("test")
        case "session":
            for what in _SESSION:
                yield from log.failures_of(what, text_of(entity, "name"))
        case "FLB":
            yield from log.failures_of("flb", text_of(entity, "name"))
        case "file":
            yield from log.failures_of("handler", text_of(entity, "compatible"))
            folios = ends.before.folios.get(entity.path.child("folios"))
            yield from _of_folios(folios, ends) if folios is not None else ()


def sessions_failed(log: HandoverLog, release: Release | None) -> Failure | None:
    """Why no session at all can be retrieved: every open of /dev/liveupdate fails then (kho-abi.md 5.4). None: not said, or not known."""
    fatal = ["session-list"]
    if release is not None and release.luo is not None and release.luo.checks_files:
        fatal += ["session", "handler"]
    return next((one for one in log.failures if one.what in fatal), None)


def with_nameless(fates: Iterable[EntityFate], told: set[Failure], ends: Ends) -> Iterator[EntityFate]:
    """The fates, where lines that speak of nothing that A lists are told of the subtree that they belong to."""
    named = any(one.what in _OF_A_SESSION for one in ends.log.failures)
    left: dict[bytes, SafeText] = {}
    for one in ends.log.failures:
        if one not in told and one.what in _SUBTREES and not (one.what == "file" and named):
            left.setdefault(_SUBTREES[one.what], one.said)
    for fate in fates:
        subtree = ends.before.subtrees.get(fate.path)
        if subtree is not None and fate.entity == "subtree" and fate.fate is not Fate.LOST and subtree.name in left:
            yield replace(fate, fate=Fate.LOST, reason=SafeText(f"not all of it was taken: {left[subtree.name]}"))
        else:
            yield fate


def _of_folios(folios: FolioArray, ends: Ends) -> Iterator[Failure]:
    """Lines on folios of this file: the kernel names the physical address of the first page."""
    rows = FolioRows(folios.table, ends.old.machine.platform.page_shift)
    return (one for one in ends.log.failures_of("folio") if rows.row_at(int(one.subject, 16)) is not None)
