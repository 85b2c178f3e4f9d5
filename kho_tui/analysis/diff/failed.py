"""What the next kernel itself says that it did not take, and whose that is. It goes before every sign that something arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from kho_tui.analysis.diff.ends import Ends
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.log import Failure
from kho_tui.analysis.diff.teller import Teller, teller_of
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.entity import Entity
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

RESTORE = "restore"
"""Kind of what is lost where the log proves that a restore failed and does not say of what."""


def failures_of(entity: Entity, teller: Teller | None, ends: Ends) -> Iterator[Failure]:
    """The lines that speak of this very entity. ``teller``: that of its subtree, None for what is in none."""
    if not ends.log.failures:
        return
    if entity.kind == "tracker":
        yield from ends.log.failures_of("tracker")
    if entity.kind == "subtree":
        yield from ends.log.failures_of("subtree", ends.before.subtrees[entity.path].name)
    if teller is not None:
        yield from teller.failures_of(entity)


def with_nameless(fates: Iterable[EntityFate], told: set[Failure], tellers: Mapping[EntityPath, Teller]) -> Iterator[EntityFate]:
    """The fates, where lines that speak of nothing that A lists are told of the subtree that they belong to. ``told`` are all others."""
    for fate in fates:
        teller = tellers.get(fate.path)
        failures = () if teller is None or fate.fate is Fate.LOST else teller.failures()
        left = next((failure for failure in failures if failure not in told), None)
        yield fate if left is None else replace(fate, fate=Fate.LOST, reason=SafeText(f"not all of it was taken: {left.said}"))


def failed_restores(fates: Sequence[EntityFate], ends: Ends) -> Iterator[EntityFate]:
    """The loss that a WARNING where the kernel restores proves, if no loss that is told already is why it was printed."""
    failure = next(ends.log.failures_of("restore"), None)
    named = {what for diffing in ends.new.registry.facets(Diffing).values() for what in teller_of(diffing).named_restores}
    if failure is None or any(one.what in named for one in ends.log.failures) or any(failure.said in one.reason for one in fates):
        return
    yield EntityFate(
        fate=Fate.LOST,
        entity=RESTORE,
        path=ends.before.entity.path,
        other=None,
        title=SafeText("of memory that the log does not name"),
        reason=failure.said,
    )
