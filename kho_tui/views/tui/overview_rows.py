"""The overview's sections as lines: as much of each as fits the height, so that the whole is seen at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kho_tui.model.facts import Status
from kho_tui.text import NO_TEXT, SafeText
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit, pad, spans, width_of, wrap
from kho_tui.views.tui.overview_facts import Entry, Group, Section
from kho_tui.views.tui.theme import Glyphs


@dataclass(frozen=True, slots=True)
class _Level:
    """How much is shown: ``few`` entries of a group; groups of at most ``packed`` share a line; lines of a reason, of the verdict."""

    packed: int
    few: int
    reason: int = 2
    verdict: int = 4


_LEVELS = (
    *(_Level(0, few) for few in (64, 32, 16, 8, 6, 4)),
    *(_Level(1, few) for few in (8, 6, 4)),
    *(_Level(2, few) for few in (6, 4, 3)),
    *(_Level(2, few, verdict=2) for few in (3, 2, 1)),
    _Level(2, 1, reason=1, verdict=2),
)
"""From all to the least."""
_LABEL = 10
"""Cells of the labels of heads, and at least of the entries below them."""
_LABEL_MOST = 26
_BAR = 12
_PACKED_BAR = 4
_WIDE_LABELS = 76
"""Cells of width from which a head has its long label."""
_PLAIN = (Status.DECODED, Status.DERIVED)


_Told: TypeAlias = tuple[Line, Entry]


@dataclass(frozen=True, slots=True)
class Row:
    """A line, what it speaks of, and the number of its section."""

    line: Line
    entry: Entry
    section: int


def rows_that_fit(sections: Sequence[tuple[int, Section]], width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Numbered sections as rows: the most that takes no more than ``height`` lines, else the least there is."""
    rows: list[Row] = []
    for level in _LEVELS:
        page = _Page(level, width, glyphs)
        rows = [Row(line, entry, number) for number, section in sections for line, entry in page.section(section)]
        if len(rows) <= height:
            break
    return rows


@dataclass(frozen=True, slots=True)
class _Page:
    """Sections as lines with their entries, at one width and level."""

    level: _Level
    width: int
    glyphs: Glyphs

    def section(self, section: Section) -> Iterator[_Told]:
        """The head, then what is said below it."""
        head = section.head
        if section.is_verdict:
            for line in wrap(head.text, self.width - 2, self.level.verdict, Role.TITLE, self.glyphs.ellipsis):
                yield (*spans((" ", Role.TITLE)), *line), head
            return
        inline = [part for part in section.parts if isinstance(part, Group) and part.inline and self._is_packed(part)]
        shorts = [", ".join(entry.short for entry in part.entries if entry.short) for part in inline]
        added = "".join(f": {words}" for words in shorts if words)
        label = head.short if head.short and self.width < _WIDE_LABELS else head.label
        told = spans((" " + pad(label, max(_LABEL, len(label))) + " ", Role.TITLE), (head.text, Role.TEXT), (added, Role.DIM))
        yield from self._reasoned(told, head, _LABEL + 2)
        for part in section.parts:
            if isinstance(part, Entry):
                yield from self._entry(part, _LABEL)
            elif not self._is_packed(part):
                yield from self._group(part)
            elif not part.inline:
                yield self._packed(part), part.title

    def _is_packed(self, group: Group) -> bool:
        return 0 < group.packs <= self.level.packed

    def _group(self, group: Group) -> Iterator[_Told]:
        few, bare = self.level.few, self.level.packed > 1 and group.counted
        # One line for what is left out takes no more room than the one entry would.
        shown = few if bare or group.total > few + 1 else few + 1
        entries = group.entries[-shown:] if group.newest else group.entries[:shown]
        labels = max((width_of(spans((entry.label, Role.NAME))) for entry in entries), default=0)
        labels = max(min(labels, _LABEL_MOST, self.width // 3), _LABEL)
        left = 0 if bare else group.total - len(entries)
        words = SafeText(f"{left} {'earlier' if group.newest else 'more'}")
        more = tuple(self._entry(Entry(label=SafeText(self.glyphs.ellipsis), text=words, spot=group.title.spot), labels)) if left else ()
        if group.newest:
            yield from more
        for entry in entries:
            yield from self._entry(entry, labels)
        if not group.newest:
            yield from more

    def _entry(self, entry: Entry, labels: int) -> Iterator[_Told]:
        role = STATUS_ROLE[entry.alarm] if entry.alarm is not Status.DECODED else Role.NAME
        told = (*spans(("   ", Role.TEXT)), *fit(spans((entry.label, role)), labels, self.glyphs.ellipsis))
        told += spans((" " * (labels + 4 - width_of(told)), Role.TEXT))
        if entry.share is not None:
            told += spans((pad(_bar(entry.share, _BAR, self.glyphs), _BAR + 1), Role.ADDRESS))
        yield from self._reasoned((*told, *spans((entry.text, Role.TEXT))), entry, labels + 4)

    def _reasoned(self, told: Line, entry: Entry, indent: int) -> Iterator[_Told]:
        """The line, with why it is no plain fact: behind it where there is room, else on lines of its own."""
        ellipsis = self.glyphs.ellipsis
        if entry.status in _PLAIN:
            yield fit(told, self.width, ellipsis), entry
            return
        role = STATUS_ROLE[entry.status]
        said = SafeText(f"{entry.status.value}: {entry.reason}" if entry.reason else entry.status.value)
        whole = (*told, *spans(("  " if entry.text else "", role), (said, role)))
        if width_of(whole) < self.width:
            yield whole, entry
            return
        reasons = wrap(said, self.width - indent - 1, self.level.reason, role, ellipsis)
        if not entry.text and reasons:
            told = (*told, *reasons.pop(0))
        yield fit(told, self.width, ellipsis), entry
        for line in reasons:
            yield (*spans((" " * indent, role)), *line), entry

    def _packed(self, group: Group) -> Line:
        """Entries of a group on one line, each with its status where it is no plain fact; bars where there is room for them."""
        lead = spans(("   " + pad(group.title.label, _LABEL) + " ", Role.NAME))
        dot = f" {self.glyphs.dot} "
        left = group.total - len(group.entries)
        more = spans((f"{dot}{left} more" if left else "", Role.DIM))
        line: Line = ()
        for bar_width in (_PACKED_BAR, 0):
            line = lead
            for number, entry in enumerate(group.entries):
                line += spans(((dot if bar_width or entry.share is None else ", ") if number else "", Role.DIM))
                line += self._short(entry, bar_width)
            line += more
            if width_of(line) <= self.width:
                break
        return line

    def _short(self, entry: Entry, bar_width: int) -> Line:
        if entry.share is None:
            return spans((entry.short or entry.label, STATUS_ROLE[entry.status]))
        bar = spans((" ", Role.TEXT), (_bar(entry.share, bar_width, self.glyphs), Role.ADDRESS)) if bar_width else spans((":", Role.DIM))
        return (*spans((entry.short, Role.NAME)), *bar, *spans((f" {entry.count}", Role.NUMBER)))


def _bar(share: float, width: int, glyphs: Glyphs) -> SafeText:
    """A share of 1 as a bar of ``width`` cells; nothing is only what has no share at all."""
    return SafeText(glyphs.bar * max(1, round(share * width))) if share > 0 else NO_TEXT


def full_text(entry: Entry, width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """An entry with nothing cut that fits ``height`` lines."""
    said = f"{entry.status.value}: {entry.reason}" if entry.status not in _PLAIN else ""
    text = "  ".join(part for part in (entry.label, entry.text, said) if part)
    return wrap(SafeText(text), width, height, Role.TEXT, glyphs.ellipsis)
