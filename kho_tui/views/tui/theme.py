"""Looks of the app: palette by role, Textual theme for the stock parts, and the glyphs the terminal can draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.theme import Theme

from kho_tui.views.tui.lines import Role


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters that not every terminal font has."""

    expanded: str
    collapsed: str
    follow: str
    rule: str
    divider: str
    ellipsis: str
    dot: str
    bar: str
    tick: str
    begin: str
    shades: str
    """Of a share of a cell, from a little to all of it."""


UNICODE = Glyphs("▾", "▸", "→", "─", "│", "…", "·", "━", "┴", "├", "▁▂▃▄▅▆▇█")
CONSOLE = Glyphs("▼", "►", "→", "─", "│", "...", "·", "═", "┴", "├", "123456789")
"""What the fonts of the Linux console hold (code page 437)."""
ASCII = Glyphs("v", ">", ">", "-", "|", "...", "-", "=", "+", "|", "123456789")


@dataclass(frozen=True, slots=True)
class Palette:
    """Styles by role. ``base`` fills what has no text. A cursor style that reverses replaces the roles of its row."""

    base: Style
    roles: Mapping[Role, Style]
    cursor: Style
    cursor_blurred: Style
    raised: Style


@dataclass(frozen=True, slots=True)
class Look:
    """One way the app can look."""

    theme: Theme
    palette: Palette
    glyphs: Glyphs


_GROUND = "#151a21"
_TEXT = "#c9d1dc"
_DIM = "#7c8899"
_ACCENT = "#7fb0ef"
_RULE = "#3b4656"
_FOCUS = "#2f4666"

_COLOUR = Palette(
    base=Style(color=_TEXT, bgcolor=_GROUND),
    roles={
        Role.TEXT: Style(color=_TEXT),
        Role.DIM: Style(color=_DIM),
        Role.TITLE: Style(color="#eef2f7", bold=True),
        Role.NAME: Style(color="#a9b8cc"),
        Role.NUMBER: Style(color="#dfe5ee"),
        Role.ADDRESS: Style(color="#79c7d9"),
        Role.STRING: Style(color="#a3c983"),
        Role.WARN: Style(color="#e3b566"),
        Role.BAD: Style(color="#f07f86", bold=True),
        Role.UNKNOWN: Style(color="#c39be0"),
        Role.MARK: Style(color="#10141a", bgcolor="#e3b566", bold=True),
        Role.RULE: Style(color=_RULE),
        Role.RULE_FOCUS: Style(color="#eef2f7", bgcolor=_FOCUS, bold=True),
        Role.KEY: Style(color=_ACCENT, bold=True),
    },
    cursor=Style(bgcolor=_FOCUS),
    cursor_blurred=Style(bgcolor="#263140"),
    raised=Style(bgcolor="#1b222b"),
)

# Only the 8 colours of the terminal on its own background; what matters is told by an attribute or a word as well.
_PLAIN = Palette(
    base=Style(color="default", bgcolor="default"),
    roles={
        Role.TEXT: Style(color="default"),
        Role.DIM: Style(color="default", dim=True),
        Role.TITLE: Style(color="default", bold=True),
        Role.NAME: Style(color="default"),
        Role.NUMBER: Style(color="default"),
        Role.ADDRESS: Style(color="cyan"),
        Role.STRING: Style(color="green"),
        Role.WARN: Style(color="yellow"),
        Role.BAD: Style(color="red", bold=True),
        Role.UNKNOWN: Style(color="magenta"),
        Role.MARK: Style(color="default", reverse=True),
        Role.RULE: Style(color="default", dim=True),
        Role.RULE_FOCUS: Style(color="default", reverse=True),
        Role.KEY: Style(color="default", bold=True),
    },
    cursor=Style(color="default", bgcolor="default", reverse=True),
    cursor_blurred=Style(underline=True),
    raised=Style(),
)

_COLOUR_THEME = Theme(
    name="kho",
    primary=_ACCENT,
    foreground=_TEXT,
    background=_GROUND,
    surface=_GROUND,
    panel=_GROUND,
    dark=True,
    variables={
        "kho-rule": _RULE,
        "scrollbar": "#35414f",
        "scrollbar-hover": "#5b6c84",
        "scrollbar-active": "#5b6c84",
        "scrollbar-background": _GROUND,
        "scrollbar-background-hover": _GROUND,
        "scrollbar-background-active": _GROUND,
    },
)

_PLAIN_THEME = Theme(
    name="kho-plain",
    ansi=True,
    primary="ansi_blue",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "kho-rule": "ansi_default",
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "scrollbar": "ansi_default",
        "scrollbar-hover": "ansi_default",
        "scrollbar-active": "ansi_default",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
    },
)


def choose_look(environ: Mapping[str, str]) -> Look:
    """Own colours where the terminal has at least 256 of them and they are wanted, else the terminal's own."""
    term = environ.get("TERM", "")
    rich_colours = environ.get("COLORTERM", "") in ("truecolor", "24bit") or "256" in term or "direct" in term
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    glyphs = ASCII if "utf" not in locale.lower() else CONSOLE if term == "linux" else UNICODE
    if "NO_COLOR" in environ or not rich_colours or term == "linux":
        return Look(_PLAIN_THEME, _PLAIN, glyphs)
    return Look(_COLOUR_THEME, _COLOUR, glyphs)
