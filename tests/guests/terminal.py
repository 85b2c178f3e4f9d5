"""What stands on a terminal after a program has written to it: as much of ECMA-48 as Textual uses, and no colours."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINES, _COLUMNS = 24, 80
_TOKEN = re.compile(r"\x1b\[([0-9;:?<>=$ !]*)([@-~])|\x1b[\]P_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]|\x1b.|[\r\n\b]|[^\x1b\r\n\b]")
_SETTLED = 400
"""Characters of output between two looks at the screen."""


def screens(output: str) -> Iterator[list[str]]:
    """The lines of the screen as it changed, every few hundred characters of output, and at the end."""
    cells = [[" "] * _COLUMNS for _ in range(_LINES)]
    row = column = 0
    looked = 0
    for token in _TOKEN.finditer(output):
        if token[2] == "H":
            row, column = (int(number or 1) - 1 for number in ((token[1] or ";") + ";").split(";")[:2])
        elif token[2] == "J":
            cells = [[" "] * _COLUMNS for _ in range(_LINES)]
        elif token[0] == "\r":
            column = 0
        elif token[0] == "\n":
            row += 1
        elif len(token[0]) == 1 and token[0] >= " ":
            if row < _LINES and column < _COLUMNS:
                cells[row][column] = token[0]
            column += 1
        if token.end() - looked > _SETTLED:
            looked = token.end()
            yield ["".join(line).rstrip() for line in cells]
    yield ["".join(line).rstrip() for line in cells]
