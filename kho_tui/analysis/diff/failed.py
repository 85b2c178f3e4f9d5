"""What the next kernel itself says that it did not take, and whose that is. It goes before every sign that something arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kho_tui.abi.luo import IGNORES_FILE_ERRORS, LUO, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.analysis.diff.ends import Ends, text_of
from kho_tui.analysis.diff.expected import RESTORE
from kho_tui.analysis.diff.log import Failure, HandoverLog
from kho_tui.analysis.diff.match import Half
from kho_tui.layout.platform import Platform
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.entities.tables import FolioRows
from kho_tui.model.entity import Entity
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

_SESSION = ("session", "session-list")
_OF_A_SESSION = ("session", "session-list", "handler", "folio")
"""Lines that name what a line without a name ("file") speaks of: the kernel prints both."""
_RESTORES = frozenset({"folio", "test"})
"""Lines that name a restore that failed: the kernel warns as it fails."""
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
            yield from (failure for failure, paths in ends.holders.items() if paths == (entity.path,))


def sessions_failed(ends: Ends) -> Failure | None:
    """Why no session at all can be retrieved: every open of /dev/liveupdate fails then (luo_session.c). None: not said, or not known."""
    fatal = ["session-list"]
    release, has_luo = ends.release, ends.new.registry.of(ends.release, LUO) is not None
    if release is not None and has_luo and not IGNORES_FILE_ERRORS.covers(release.version):
        fatal += ["session", "handler"]
    return next((one for one in ends.log.failures if one.what in fatal), None)


def with_nameless(fates: Iterable[EntityFate], told: set[Failure], ends: Ends) -> Iterator[EntityFate]:
    """The fates, where lines that speak of nothing that A lists are told of the subtree that they belong to."""
    named = any(one.what in _OF_A_SESSION for one in ends.log.failures)
    left: dict[bytes, SafeText] = {}
    for one in ends.log.failures:
        shared = ends.release is not None and len(ends.holders.get(one, ())) > 1
        if one not in told and one.what in _SUBTREES and not (one.what == "file" and named) and not shared:
            left.setdefault(_SUBTREES[one.what], one.said)
    for fate in fates:
        subtree = ends.before.subtrees.get(fate.path)
        if subtree is not None and fate.entity == "subtree" and fate.fate is not Fate.LOST and subtree.name in left:
            yield replace(fate, fate=Fate.LOST, reason=SafeText(f"not all of it was taken: {left[subtree.name]}"))
        else:
            yield fate


def failed_restores(fates: Sequence[EntityFate], ends: Ends) -> Iterator[EntityFate]:
    """The loss that a WARNING where the kernel restores proves, if no loss that is told already is why it was printed."""
    failure = next(ends.log.failures_of("restore"), None)
    if failure is None or any(one.what in _RESTORES for one in ends.log.failures) or any(failure.said in one.reason for one in fates):
        return
    yield EntityFate(
        fate=Fate.LOST,
        entity=RESTORE,
        path=ends.before.entity.path,
        other=None,
        title=SafeText("of memory that the log does not name"),
        reason=failure.said,
    )


def folio_holders(log: HandoverLog, before: Half, platform: Platform) -> dict[Failure, tuple[EntityPath, ...]]:
    """For each line on a folio the files that list it: the kernel names the physical address of the first page."""
    rows = {path.parent: FolioRows(folios.table, platform.page_shift) for path, folios in before.folios.items()}
    return {
        failure: tuple(path for path, folios in rows.items() if folios.row_at(int(failure.subject, 16)) is not None)
        for failure in log.failures_of("folio")
    }
