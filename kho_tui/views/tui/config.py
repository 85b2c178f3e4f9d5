"""The user's config file: theme, glyphs, number base, sizes, keys. Whatever is wrong in it gives one line and the default."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, get_args

from kho_tui.text import NO_TEXT, SafeText, Sizes, visible
from kho_tui.toml import TomlError, TomlLines, read_toml
from kho_tui.views.format import Base

ThemeName = Literal["auto", "dark", "light", "ansi"]
GlyphsName = Literal["auto", "unicode", "console", "ascii"]

_LARGEST = 64 << 10
"""Bytes of a config file that are read; a real one has a few hundred."""
_MOST_TOLD = 80
"""Characters of a word of the file that are repeated in a message."""

_T = TypeVar("_T", bound=str)


@dataclass(frozen=True, slots=True)
class Config:
    """What the user set. ``keys`` maps the id of a binding to the keys that replace its own, as Textual takes them (``j,down``)."""

    theme: ThemeName = "auto"
    glyphs: GlyphsName = "auto"
    numbers: Base = "natural"
    sizes: Sizes = "short"
    keys: Mapping[str, str] = field(default_factory=dict)


def config_path(environ: Mapping[str, str]) -> Path | None:
    """``kho-tui/config.toml`` in XDG_CONFIG_HOME, else in ~/.config; None where there is neither."""
    configured, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    base = configured if configured.startswith("/") else f"{home}/.config" if home else ""
    return Path(base, "kho-tui", "config.toml") if base else None


def load_config(environ: Mapping[str, str]) -> tuple[Config, SafeText]:
    """The config, and one line about the first thing wrong in its file (empty: nothing); what is wrong keeps its default. Never raises."""
    path = config_path(environ)
    if path is None:
        return Config(), NO_TEXT
    try:
        text = _read(path)
        table = read_toml(text)
    except FileNotFoundError:
        return Config(), NO_TEXT
    except OSError as error:
        return Config(), _line(path, f"{error.strerror or error}; the defaults hold")
    except UnicodeDecodeError:
        return Config(), _line(path, "is no UTF-8 text; the defaults hold")
    except TomlError as error:
        return Config(), _line(path, f"{error}; mend it, the defaults hold")
    problems: list[tuple[int, str]] = []
    config = _parse(table, TomlLines(text), problems)
    if not problems:
        return config, NO_TEXT
    line, told = min(problems)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return config, _line(path, f"line {line}: {told}{more}")


def _line(path: Path, told: str) -> SafeText:
    return SafeText(f"{visible(str(path))}: {visible(told)}")


def _read(path: Path) -> str:
    # Not blocking: a FIFO of that name must not hold up the program.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "is no regular file")
        data = os.pread(descriptor, _LARGEST + 1, 0)
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST:
        raise OSError(0, f"is larger than {_LARGEST >> 10} KiB")
    return data.decode()


def _parse(table: Mapping[str, object], lines: TomlLines, problems: list[tuple[int, str]]) -> Config:
    def choice(name: str, allowed: tuple[_T, ...], default: _T) -> _T:
        value = table.get(name, default)
        for one in allowed:
            if value == one:
                return one
        problems.append((_line_of(lines, "", name), f"{name} = {_told(value)}: takes {_list(allowed)}; it stays {default!r}"))
        return default

    problems += [
        (_line_of(lines, "", name), f"{_told(name)} is no setting; there are theme, glyphs, numbers, sizes and [keys]")
        for name in table
        if name not in ("theme", "glyphs", "numbers", "sizes", "keys")
    ]
    theme: ThemeName = choice("theme", get_args(ThemeName), "auto")
    glyphs: GlyphsName = choice("glyphs", get_args(GlyphsName), "auto")
    numbers: Base = choice("numbers", get_args(Base), "natural")
    sizes: Sizes = choice("sizes", get_args(Sizes), "short")
    return Config(theme, glyphs, numbers, sizes, _keys(table.get("keys", {}), lines, problems))


def _keys(table: object, lines: TomlLines, problems: list[tuple[int, str]]) -> Mapping[str, str]:
    if not isinstance(table, dict):
        problems.append((_line_of(lines, "", "keys"), f"keys = {_told(table)}: is a table, [keys]; all keys stay as they are"))
        return {}
    if not table:
        return {}
    from kho_tui.views.tui.keymap import check_keymap  # knows all bindings, so it imports all places: only who sets keys pays for that

    given = {}
    for name, keys in _flat(table):
        if isinstance(keys, str):
            given[name] = keys
        else:
            problems.append((_line_of(lines, "keys", name), f'{_told(name)} = {_told(keys)}: takes keys in quotes, like "j,down"'))
    keymap, wrong = check_keymap(given)
    problems += [(_line_of(lines, "keys", name), told) for name, told in wrong]
    return keymap


def _flat(table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Ids with their dots, whether they were written in quotes or not (TOML takes a bare ``list.down`` for a table in a table)."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from ((f"{name}.{inner}", keys) for inner, keys in value.items())
        else:
            yield name, value


def _line_of(lines: TomlLines, table: str, name: str) -> int:
    """The line where a key of a table is set; 1 where it cannot be found (TOML can be written in many ways)."""
    return lines.line_of(f"{table}.{name}" if table else name) or 1


def _told(value: object) -> str:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return shown if len(shown) <= _MOST_TOLD else f"{shown[:_MOST_TOLD]}..."


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}"
