"""What ``diff`` prints: the verdict, the evidence, then what differs or what became of each thing, grouped."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kho_tui.analysis.diff.verdict import with_consequences
from kho_tui.errors import InputError
from kho_tui.model.change import Change, ChangeKind, Diff, EntityFate, Fate, FieldChange, HandoverFates, MemoryChange
from kho_tui.operations.diff_states import VIEWS, Compared, View, diff_states
from kho_tui.text import visible
from kho_tui.views.cli.opened import opening, telling, write_json
from kho_tui.views.cli.request import Request
from kho_tui.views.diff_words import EVIDENCE_WORDS, PART_MARKS, memory_words
from kho_tui.views.format import format_pair

_STYLES = {"+": "green", "-": "red", "~": "yellow", ">": "cyan", "?": "magenta", "=": "bright_black"}
KINDS = tuple(dict.fromkeys((*(kind.value for kind in ChangeKind), *(fate.value for fate in Fate))))
"""What --only takes."""


@dataclass(frozen=True, slots=True)
class DiffRequest:
    """How two states are to be compared and shown. ``only``: kinds of change and fates that are listed, none for all."""

    view: str
    only: tuple[str, ...]
    stat: bool
    quiet: bool
    strict: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """``mark`` stands in front, or nothing does."""

    depth: int
    mark: str
    text: str


def diff(old: Request, new: Request, wanted: DiffRequest, *, as_json: bool) -> int:
    """Compare and print; the exit code. Raises InputError for a request that makes no sense."""
    view = _view(wanted.view)
    unknown = next((word for word in wanted.only if word not in KINDS), None)
    if unknown is not None:
        raise InputError(f"--only {visible(unknown[:40])}: there is no such kind; there are {', '.join(KINDS)}")
    with opening(old) as one, opening(new) as other, telling() as context:
        compared = diff_states(one.state, other.state, view, context)
    if not wanted.quiet:
        _print(compared, wanted, as_json=as_json)
    return compared.exit_code(strict=wanted.strict)


def _view(word: str) -> View:
    found = next((view for view in VIEWS if view == word), None)
    if found is None:
        raise InputError(f"--as takes {', '.join(VIEWS)}")
    return found


def _print(compared: Compared, wanted: DiffRequest, *, as_json: bool) -> None:
    if as_json:
        from kho_tui.views.export.diff_json import diff_json

        write_json(diff_json(compared, wanted.only, stat=wanted.stat))
        return
    lines = _stat(compared) if wanted.stat else _lines(compared, wanted.only)
    if sys.stdout.isatty():
        _print_coloured(compared.verdict, lines)
        return
    sys.stdout.write(f"{compared.verdict}\n")
    for line in lines:
        sys.stdout.write(f"{_plain(line)}\n")


def _plain(line: _Line) -> str:
    return f"{'  ' * line.depth}{line.mark + ' ' if line.mark else ''}{line.text}"


def _print_coloured(said: str, lines: Iterator[_Line]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(said, "bold"))
    for line in lines:
        console.print(Text(_plain(line), _STYLES.get(line.mark, "")))


def _stat(compared: Compared) -> Iterator[_Line]:
    if compared.fates is not None:
        told = (*compared.fates.fates, *compared.fates.onward)
        counted = Counter(one.fate for one in told)
        yield from (_Line(0, fate.mark, f"{counted[fate]} {fate.value}") for fate in Fate if counted[fate])
        return
    assert compared.diff is not None
    counts = Counter((one.kind, one.entity) for one in with_consequences(compared.diff.changes))
    for (kind, entity), count in counts.items():
        yield _Line(0, kind.mark, f"{count} {kind.value}: {entity}")
    if compared.diff.untold:
        yield _Line(0, "?", f"{len(compared.diff.untold)} cannot be told")


def _lines(compared: Compared, only: Sequence[str]) -> Iterator[_Line]:
    for one in compared.evidence:
        yield _Line(0, "", f"evidence: {EVIDENCE_WORDS[one.holds]}: {one.text}")
    for said in compared.origins:
        yield _Line(0, "", f"compared: {said}")
    if compared.fates is not None:
        yield from _fates(compared.fates, only)
    if compared.diff is not None and compared.fates is not None:
        yield _Line(0, "", "what B hands on, against what it was handed")
    if compared.diff is not None:
        yield from _diff(compared.diff, only)


def _fates(fates: HandoverFates, only: Sequence[str]) -> Iterator[_Line]:
    if fates.refused:
        return
    for fate in Fate:
        mine = [one for one in fates.fates if one.fate is fate and (not only or fate.value in only)]
        after = [one for one in fates.onward if one.fate is fate and (not only or fate.value in only)]
        if mine or after:
            yield _Line(0, "", fate.value)
        for one in mine:
            yield from _fate(one)
        for one in after:
            yield from _fate(one, "handed on by B: ")


def _fate(one: EntityFate, before: str = "") -> Iterator[_Line]:
    yield _Line(1, one.fate.mark, f"{before}{_named(one.entity, one.path.text, one.title)}: {one.reason}")
    yield from _fields(one.fields, 3)


def _diff(diff: Diff, only: Sequence[str]) -> Iterator[_Line]:
    for change in diff.changes:
        if not only or change.kind.value in only:
            yield from _change(change)
    if not only:
        for memory in diff.memory:
            yield _memory(memory, 0)
    if not only or Fate.UNTOLD.value in only:
        for one in diff.untold:
            yield _Line(0, "?", f"cannot tell {_named(one.entity, one.where.text, one.title)}: {one.reason}")


def _change(top: Change) -> Iterator[_Line]:
    stack = [(0, top)]
    while stack:
        depth, change = stack.pop()
        yield _Line(depth, change.kind.mark, _headline(change))
        if change.declared:
            yield _Line(depth + 2, "", f"declared unpredictable: {change.declared}")
        yield from _fields(change.fields, depth + 2)
        for memory in change.memory:
            yield _memory(memory, depth + 2)
        stack += [(depth + 2, one) for one in reversed(change.consequences)]


def _headline(change: Change) -> str:
    there = f" -> {change.other.text}" if change.kind is ChangeKind.CARRIED and change.other is not None else ""
    note = f": {change.note}" if change.note else ""
    return f"{change.kind.value} {_named(change.entity, change.where.text, change.title)}{there}{note}"


def _named(entity: str, path: str, title: str) -> str:
    return f"{entity} {path}" if entity == "side" or path.endswith(title) else f"{entity} {path} ({title})"


def _fields(fields: Sequence[FieldChange], depth: int) -> Iterator[_Line]:
    for one in fields:
        values = format_pair(one.old, one.new, one.unit)
        yield _Line(depth, "", f"{visible(one.name)}: {values[0]} -> {values[1]}")


def _memory(one: MemoryChange, depth: int) -> _Line:
    return _Line(depth, PART_MARKS[one.part], memory_words(one))
