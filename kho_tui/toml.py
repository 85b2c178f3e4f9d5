"""TOML that a user wrote, or somebody else: read without a traceback, whatever is in it."""

from __future__ import annotations

import re
import tomllib
from itertools import islice
from typing import Any

from kho_tui.text import NO_TEXT, SafeText

_MOST_PARTS = 64
_LONG_KEY = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')\s*+\.\s*+){{{_MOST_PARTS}}}""", re.ASCII)
"""For a key of many parts tomllib takes the square of their number."""
_MOST_DOTS = 16
"""Tables in one another that a dotted key is looked for in."""
_HEADER = re.compile(r"\s*(\[\[?)([^\]#]*)\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_\-]+))*)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_\-]+)""")


class TomlError(ValueError):
    """One line that says what is wrong, and where tomllib tells."""


def read_toml(text: str) -> dict[str, Any]:
    """The document. Raises TomlError, also for what tomllib lets pass as other errors: numbers of more than 4300 digits, depth."""
    if _LONG_KEY.search(text) is not None:
        raise TomlError(f"a key of {_MOST_PARTS} parts or more")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlError(str(error)) from None
    except RecursionError:
        raise TomlError("nested too deeply") from None
    except ValueError as error:  # of int()
        raise TomlError(f"a number that is too long: {error}") from None


class TomlLines:
    """On which line of a TOML file a key stands: tomllib does not say. A small scan, good enough for messages."""

    def __init__(self, text: str, name: SafeText = NO_TEXT) -> None:
        self.name = name
        self._keys: dict[tuple[str, int, str], int] = {}
        self._headers: dict[tuple[str, int], int] = {}
        counts: dict[str, int] = {}
        table, number = "", 0
        for line, content in enumerate(text.splitlines(), start=1):
            if (header := _HEADER.match(content)) is not None:
                table = _path(header[2])
                number = counts.get(table, 0)
                counts[table] = number + 1
                self._headers.setdefault((table, number), line)
                parent, _, key = table.rpartition(".")
                self._keys.setdefault((parent, 0, key), line)
            elif (match := _KEY.match(content)) is not None:
                path = _path(match[1])
                # A dotted key stands for the tables that it is in, too.
                for end in (*_dots(path), len(path)):
                    self._keys.setdefault((table, number, path[:end]), line)

    def where(self, table: str, number: int, key: str | None) -> SafeText:
        """``FILE:LINE`` of a key of a table, of the table where the key was not found, else only ``FILE``.

        ``number`` of ``[[table]]``, 0 for one that is there once.
        """
        line = self._keys.get((table, number, key)) if key is not None else None
        line = line or self._headers.get((table, number))
        return SafeText(f"{self.name}:{line}") if line else self.name

    def line_of(self, path: str) -> int | None:
        """The line of a key by its whole path, wherever it is cut into table and key."""
        lines = [self._keys.get(("", 0, path)), *(self._keys.get((path[:at], 0, path[at + 1 :])) for at in _dots(path))]
        return min((line for line in lines if line is not None), default=self._headers.get((path, 0)))


def _dots(path: str) -> list[int]:
    return [match.start() for match in islice(re.finditer(r"\.", path), _MOST_DOTS)]


def _path(text: str) -> str:
    """A dotted key without its quotes."""
    return ".".join(next(group for group in match.groups() if group is not None) for match in _PART.finditer(text))
