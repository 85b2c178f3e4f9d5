"""The lines of the diff place: a row of the tree, fields side by side, bytes side by side. Pure functions."""

from __future__ import annotations

from kho_tui.text import visible
from kho_tui.views.format import Base, format_pair
from kho_tui.views.tui.diff_detail import HexRow, Pair
from kho_tui.views.tui.diff_tree import MARKS, Node
from kho_tui.views.tui.lines import Line, Role, fit, pad, spans, width_of
from kho_tui.views.tui.theme import Glyphs

MARK_ROLES = {"+": Role.STRING, "-": Role.BAD, "~": Role.WARN, ">": Role.ADDRESS, "?": Role.UNKNOWN, "=": Role.DIM, " ": Role.DIM}
_LABEL_SHARE = 3
"""Of so many parts of a line the label takes at most one."""
_NAME_WIDTH = 22
_DIFFERS = "*"
"""Stands before a byte that is another one in the other state."""


def node_line(node: Node, width: int, glyphs: Glyphs, *, opens: bool) -> Line:
    """Mark, indented name, what became of it; counts of all below at the end. ``opens``: whether anything below is to be seen."""
    sign = " " if not opens else glyphs.expanded if node.expanded else glyphs.collapsed
    role = MARK_ROLES[node.mark]
    counts = _counts(node)
    left = (
        *spans(
            (f" {node.mark} ", role), ("  " * node.depth + sign + " ", Role.DIM), (node.label, Role.NAME if node.subject else Role.TITLE)
        ),
        *spans((f"  {node.word}" if node.word else "", role), (f": {node.note}" if node.note else "", Role.TEXT)),
    )
    left = fit(left, width - width_of(counts) - 1, glyphs.ellipsis)
    return (*left, *spans((" " * (width - width_of(left) - width_of(counts)), Role.TEXT)), *counts)


def _counts(node: Node) -> Line:
    pieces = [(f"{mark}{node.counts[mark]} ", MARK_ROLES[mark]) for mark in MARKS if node.counts[mark]]
    return spans(*pieces)


def field_heading(width: int) -> Line:
    """The names of the columns."""
    name, value = _columns(width)
    return spans((f"   {pad('field', name)} {pad('old (A)', value)} {pad('new (B)', value)}", Role.DIM))


def pair_line(pair: Pair, width: int, base: Base) -> Line:
    """A field: mark, name, old, new."""
    name, value = _columns(width)
    role = MARK_ROLES[pair.mark]
    old, new = format_pair(pair.old, pair.new, pair.unit, base, "(none)" if pair.told else "(not shown)")
    return spans(
        (f" {pair.mark} ", role),
        (pad(visible(pair.name), name) + " ", Role.NAME),
        (pad(old, value) + " ", Role.DIM if pair.mark == " " else role),
        (pad(new, value), Role.DIM if pair.mark == " " else role),
    )


def _columns(width: int) -> tuple[int, int]:
    name = min(_NAME_WIDTH, width // _LABEL_SHARE)
    return name, max((width - name - 5) // 2, 4)


def hex_bytes(width: int) -> int:
    """Bytes of one state in a row of this width: 16, 8 or 4."""
    return next((count for count in (16, 8, 4) if _hex_width(count) <= width), 4)


def _hex_width(count: int) -> int:
    return 3 + 2 * (7 + 3 * count) + 3 + 10


def hex_line(row: HexRow, count: int, glyphs: Glyphs) -> Line:
    """Bytes of A and of B, ``*`` before each one that is another; the field's name behind them."""
    return (
        *spans((f" {row.mark} ", MARK_ROLES[row.mark])),
        *_half(row.old, row.old_data, row.new_data if row.mark != " " else row.old_data, count),
        *spans((f" {glyphs.divider} ", Role.RULE)),
        *_half(row.new, row.new_data, row.old_data if row.mark != " " else row.new_data, count),
        *spans((f" {row.name}", Role.NAME)),
    )


def _half(offset: int | None, mine: bytes, other: bytes, count: int) -> Line:
    pieces = [(f"{offset:>6x} " if offset is not None else " " * 7, Role.ADDRESS)]
    for at in range(count):
        if at >= len(mine):
            pieces.append(("   ", Role.TEXT))
        elif at < len(other) and other[at] == mine[at]:
            pieces.append((f" {mine[at]:02x}", Role.TEXT))
        else:
            pieces.append((f"{_DIFFERS}{mine[at]:02x}", Role.WARN))
    return spans(*pieces)
