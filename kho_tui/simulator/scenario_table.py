"""A table of a scenario file whose mistakes are named by file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from kho_tui.errors import InputError
from kho_tui.simulator.scenario_values import Convert
from kho_tui.text import visible
from kho_tui.toml import TomlLines


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file: its ``values``, the ``keys`` that it may have, and where it stands. Raises InputError for another key."""

    name: str
    values: Mapping[str, Any]
    keys: Mapping[str, Convert]
    lines: TomlLines
    index: int = 0

    def __post_init__(self) -> None:
        for key in self.values:
            if key not in self.keys:
                near = get_close_matches(key, self.keys, 1)
                hint = f": did you mean {near[0]}?" if near else f": there are {', '.join(sorted(self.keys))}"
                raise self.error(key, f"unknown{hint}")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, ``default`` where it is not there. Raises InputError for one that is not as it has to be."""
        if key not in self.values:
            return default
        try:
            return self.keys[key](self.values[key])
        except (ValueError, TypeError, InputError) as error:
            raise self.error(key, str(error)) from error

    def need(self, key: str) -> Any:
        """The value of a key that has to be there. Raises InputError."""
        if key not in self.values:
            raise self.error(None, f"{key} is missing")
        return self.get(key)

    def error(self, key: str | None, message: str) -> InputError:
        """An error about a key, or about the table, with file and line."""
        where = self.lines.where(self.name, self.index, key)
        return InputError(f"{where}: {visible(key)}: {message}" if key is not None else f"{where}: {message}")
