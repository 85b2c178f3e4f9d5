"""On which line of a TOML file a key stands: tomllib does not say. A small scan, good enough for messages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kho_tui.text import SafeText

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_\-]+))\s*[=.]""")


@dataclass(slots=True)
class TomlLines:
    """Lines of keys by table and number of the table (0 for one that is there once)."""

    text: str
    name: SafeText
    _keys: dict[tuple[str, int, str], int] = field(default_factory=dict)
    _headers: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts: dict[str, int] = {}
        table, number = "", 0
        for line, content in enumerate(self.text.splitlines(), start=1):
            header = _HEADER.match(content)
            if header:
                table, number = header[2], counts.get(header[2], 0)
                counts[table] = number + 1
                self._headers.setdefault((table, number), line)
                parent, _, key = table.rpartition(".")
                self._keys.setdefault((parent, 0, key), line)
                continue
            key_match = _KEY.match(content)
            if key_match:
                self._keys.setdefault((table, number, next(group for group in key_match.groups() if group is not None)), line)

    def where(self, table: str, number: int, key: str | None) -> SafeText:
        """``FILE:LINE`` of a key, of its table where the key was not found, else only ``FILE``."""
        line = self._keys.get((table, number, key)) if key is not None else None
        line = line or self._headers.get((table, number))
        return SafeText(f"{self.name}:{line}") if line else self.name
