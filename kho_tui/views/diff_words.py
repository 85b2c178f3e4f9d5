"""How differences are said: the same words in the command's output and in the app."""

from __future__ import annotations

from kho_tui.model.change import MemoryChange, Part
from kho_tui.model.facts import Missing
from kho_tui.text import SafeText, human_size, plural

PART_MARKS = {Part.OLD: "-", Part.NEW: "+", Part.ORDER: "~"}
EVIDENCE_WORDS = {True: "yes", False: "no", None: "cannot tell"}
_RANGES = 3
"""Ranges of one owner that are written out."""


def memory_words(one: MemoryChange) -> SafeText:
    """Whose memory differs, how much of it, and where the first of it lies."""
    where = ", ".join(f"{low:#x}-{high:#x}" for low, high in one.ranges[:_RANGES])
    more = f" and {one.count - _RANGES} more" if one.count > _RANGES else ""
    owner = f" of {one.owner.text}" if one.owner is not None else ""
    reason = f": {one.reason}" if one.reason else ""
    said = f"preserved {one.part.value}: {human_size(one.size)} ({one.kind}{owner}), {plural(one.count, 'range')}: {where}{more}{reason}"
    return SafeText(said)


def value_mark(old: int | bytes | Missing | None, new: int | bytes | Missing | None) -> str:
    """The mark of a field: blank where it is the same, ``?`` where it cannot be compared."""
    if old is None or new is None:
        return "+" if old is None else "-"
    if isinstance(old, Missing) or isinstance(new, Missing):
        return "?"
    return " " if old == new else "~"
