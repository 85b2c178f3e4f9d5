"""``show`` as text: the verdict, then the walk, indented; colours and guides only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import Entity, RowSource
from kho_tui.model.facts import Status
from kho_tui.model.state import State
from kho_tui.model.verdict import verdict
from kho_tui.text import human_size, visible
from kho_tui.views.format import format_value

_BATCH = 512
_WITH_ROWS = frozenset({"tracker", "folios"})
_LEFT_OUT = frozenset({"files", "chunks", "nodes", "log"})
"""Kinds whose contents are lists for the app; the commands print their facts elsewhere, or with --blocks."""

_STYLES = {
    Status.STALE: "yellow",
    Status.UNAVAILABLE: "bright_black",
    Status.DAMAGED: "bold red",
    Status.UNKNOWN: "magenta",
    Status.PARTIAL: "yellow",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: depth, name, what is said of it, and its status where it is no plain fact."""

    depth: int
    title: str
    text: str
    status: Status
    reason: str


def print_state(state: State, *, blocks: bool, files: bool) -> None:
    """Write the state to stdout; ``files``: also every file of the input, with what it gave."""
    lines = _lines(state_entity(state), state, blocks=blocks, files=files)
    if sys.stdout.isatty():
        _print_coloured(verdict(state), lines)
        return
    write = sys.stdout.write
    write(f"{verdict(state)}\n")
    for line in lines:
        write(f"{'  ' * line.depth}{_plain(line)}\n")


def _plain(line: _Line) -> str:
    status = "" if line.status in (Status.DECODED, Status.DERIVED) else f"[{line.status.value}{': ' + line.reason if line.reason else ''}]"
    return "  ".join(part for part in (line.title, line.text, status) if part)


def _print_coloured(said: str, lines: Iterator[_Line]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(said, "bold"))
    for line in lines:
        text = Text("  " * line.depth)
        text.append(line.title, "bold" if line.depth == 0 else "cyan")
        if line.text:
            text.append(f"  {line.text}")
        if line.status in _STYLES:
            text.append(f"  {line.status.value}", f"{_STYLES[line.status]}")
            if line.reason:
                text.append(f": {line.reason}", "bright_black" if line.status is Status.UNAVAILABLE else _STYLES[line.status])
        console.print(text)


def _lines(root: Entity, state: State, *, blocks: bool, files: bool) -> Iterator[_Line]:
    stack: list[tuple[int, Entity]] = [(0, one) for one in reversed(root.children())]
    while stack:
        depth, entity = stack.pop()
        if entity.kind == "log":
            yield from _log_lines(state)
            continue
        if files and entity.kind == "files":
            yield from _file_lines(state, depth)
        if entity.kind in _LEFT_OUT:
            continue
        yield _Line(depth, entity.title, entity.summary, entity.status, entity.reason)
        if entity.kind == "machine":
            yield from (_Line(depth + 1, reason, "", Status.DECODED, "") for reason in state.machine.platform_reasons)
        if blocks and entity.kind in _WITH_ROWS:
            yield from _rows(entity.detail().table, depth + 1)
        stack.extend((depth + 1, child) for child in reversed(entity.children()))


def _rows(table: RowSource | None, depth: int) -> Iterator[_Line]:
    if table is None:
        return
    for first in range(0, len(table), _BATCH):
        for row in table.rows(first, _BATCH):
            cells = "  ".join(format_value(cell, column.unit) for cell, column in zip(row, table.columns, strict=True))
            yield _Line(depth, cells, "", Status.DECODED, "")


def _file_lines(state: State, depth: int) -> Iterator[_Line]:
    yield _Line(depth, "files", "", Status.DECODED, "")
    for one in state.machine.files:
        said = "  ".join(part for part in ("" if one.size is None else human_size(one.size), one.gave, one.note) if part)
        yield _Line(depth + 1, one.path, said, Status.DECODED, "")


def _log_lines(state: State) -> Iterator[_Line]:
    if state.log:
        yield _Line(0, "kernel log", "", Status.DECODED, "")
    for line in state.log:
        said = f"({line.side}) " if line.side else ""
        yield _Line(1, f"{line.time or ''} {said}".strip() or "-", visible(line.text), Status.DECODED, "")
