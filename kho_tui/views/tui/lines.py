"""Lines of safe text with roles: what every pane draws, before any colour is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from rich.cells import cell_len, set_cell_size

from kho_tui.model.facts import Status
from kho_tui.text import SafeText


class Role(Enum):
    """What a piece of a line is; a palette turns it into a style."""

    TEXT = auto()
    DIM = auto()
    TITLE = auto()
    NAME = auto()
    NUMBER = auto()
    ADDRESS = auto()
    STRING = auto()
    WARN = auto()
    BAD = auto()
    UNKNOWN = auto()
    MARK = auto()
    MARK_SOFT = auto()
    RULE = auto()
    RULE_FOCUS = auto()
    KEY = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: SafeText
    role: Role = Role.TEXT


Line = tuple[Span, ...]

CUT = "…"
"""Stands for what was cut off, unless a look has another sign."""
_CUT_ASCII = "~"

STATUS_ROLE = {
    Status.DECODED: Role.TEXT,
    Status.PARTIAL: Role.WARN,
    Status.DERIVED: Role.DIM,
    Status.STALE: Role.WARN,
    Status.UNAVAILABLE: Role.DIM,
    Status.DAMAGED: Role.BAD,
    Status.UNKNOWN: Role.UNKNOWN,
}


def spans(*pieces: tuple[str, Role]) -> Line:
    """A line of pieces whose text is ours or already safe."""
    return tuple(Span(SafeText(text), role) for text, role in pieces if text)


def indented(lines: Iterable[Line], cells: int = 3) -> list[Line]:
    """Lines set off from the edge."""
    return [(*spans((" " * cells, Role.TEXT)), *line) for line in lines]


def ascii_only(line: Line) -> Line:
    """The line for a terminal that gets nothing but ASCII: other characters as ``visible`` writes what cannot be shown."""
    if all(span.text.isascii() for span in line):
        return line
    return tuple(Span(SafeText("".join(map(_ascii_char, span.text))), span.role) for span in line)


def without_cut(line: Line) -> Line:
    """The line for a font that lacks the ellipsis."""
    return tuple(Span(SafeText(span.text.replace(CUT, _CUT_ASCII)), span.role) for span in line)


def _ascii_char(char: str) -> str:
    return char if char.isascii() else _CUT_ASCII if char == CUT else f"\\u{{{ord(char):x}}}"


def width_of(line: Line) -> int:
    """Terminal cells of a line."""
    return sum(cell_len(span.text) for span in line)


def fit(line: Line, width: int, ellipsis: str = CUT) -> Line:
    """The line in at most ``width`` cells; cut with an ellipsis where it is longer."""
    if width_of(line) <= width:
        return line
    room = width - cell_len(ellipsis)
    if room < 0:
        return ()
    kept: list[Span] = []
    for span in line:
        used = cell_len(span.text)
        if used > room:
            kept.append(Span(SafeText(set_cell_size(span.text, room).rstrip() + ellipsis), span.role))
            break
        kept.append(span)
        room -= used
    return tuple(kept)


def fit_end(text: SafeText, width: int, ellipsis: str = CUT) -> SafeText:
    """The end of the text in at most ``width`` cells, after an ellipsis where it is longer: of a path the end matters."""
    start = 0
    room = width
    if cell_len(text) > width:
        room = max(width - cell_len(ellipsis), 0)
        while cell_len(text[start:]) > room:
            start += 1
    return SafeText((ellipsis if start else "") + text[start:])


def pad(text: str, width: int, *, right: bool = False) -> SafeText:
    """Safe text in exactly ``width`` cells; ``right``: against the right edge."""
    used = cell_len(text)
    if used > width:
        return SafeText(set_cell_size(text, max(width - 1, 0)) + CUT * (width > 0))
    blanks = " " * (width - used)
    return SafeText(blanks + text if right else text + blanks)


def wrap(text: SafeText, width: int, most: int, role: Role = Role.TEXT, ellipsis: str = CUT) -> list[Line]:
    """The text in at most ``most`` lines, broken at blanks where there are any, cut with an ellipsis."""
    lines: list[Line] = []
    rest = text.strip()
    while rest and len(lines) < most and width > 0:
        if cell_len(rest) <= width or len(lines) == most - 1:
            lines.append(fit((Span(SafeText(rest), role),), width, ellipsis))
            break
        head = set_cell_size(rest, width + 1)
        # set_cell_size may trade half of a wide character for a blank, so the count of characters is taken by measure.
        taken = len(head) if rest.startswith(head) else len(head) - 1
        blank = head.rfind(" ", 1, taken)
        while cell_len(rest[:taken]) > width:
            taken -= 1
        cut = blank if blank > width // 3 else taken
        lines.append((Span(SafeText(rest[:cut].rstrip()), role),))
        rest = rest[cut:].lstrip()
    return lines
