"""One structure that is not here, or not whole."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.model.facts import Count, Status
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

PART = SafeText("only part of it could be read")


@dataclass(frozen=True, slots=True)
class Gap:
    """A structure that is not here, or not whole: which ``part`` of what ``path`` names (tracker, blob, sessions, folios ...), and why.

    ``count``: of how many of its entries, where that is known. ``hides_owners``: whether it may name owners of memory that nothing else
    names. ``only_place``: it tells only that the place in memory is not known; whether the bytes are there another gap tells.
    """

    part: str
    path: EntityPath
    status: Status
    reason: SafeText
    count: Count | None = None
    hides_owners: bool = True
    only_place: bool = False

    @property
    def words(self) -> SafeText:
        """In a line."""
        name = self.path.text if self.part in ("blob", "root FDT") and len(self.path.parts) > 1 else f"{self.part} of {self.path}"
        return SafeText(f"{name}: {self.reason}" if self.reason else f"{name}: {self.status.value}")
