"""Looks of the app: palette by role, Textual theme for the stock parts, and the glyphs the terminal can draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from rich.style import Style
from textual.theme import Theme

from kho_tui.views.tui.config import Config
from kho_tui.views.tui.lines import Role


@dataclass(frozen=True, slots=True, kw_only=True)
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


UNICODE = Glyphs(
    expanded="▾", collapsed="▸", follow="→", rule="─", divider="│", ellipsis="…", dot="·", bar="━", tick="┴", begin="├", shades="▁▂▃▄▅▆▇█"
)
CONSOLE = Glyphs(
    expanded="▼",
    collapsed="►",
    follow="→",
    rule="─",
    divider="│",
    ellipsis="...",
    dot="·",
    bar="═",
    tick="┴",
    begin="├",
    shades="123456789",
)
"""What the fonts of the Linux console hold (code page 437)."""
ASCII = Glyphs(
    expanded="v",
    collapsed=">",
    follow=">",
    rule="-",
    divider="|",
    ellipsis="...",
    dot="-",
    bar="=",
    tick="+",
    begin="|",
    shades="123456789",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Styles by role. ``base`` fills what has no text. A cursor style that reverses replaces the roles of its row."""

    base: Style
    roles: Mapping[Role, Style]
    cursor: Style
    cursor_blurred: Style
    raised: Style
    gutter: Style
    bar: Style
    bar_held: Style


@dataclass(frozen=True, slots=True)
class Look:
    """One way the app can look."""

    theme: Theme
    palette: Palette
    glyphs: Glyphs

    @property
    def is_ascii(self) -> bool:
        """True where nothing but ASCII may reach the terminal."""
        return self.glyphs is ASCII


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """The colours of a look with a background of its own, as ``#rrggbb``."""

    ground: str
    raised: str
    text: str
    dim: str
    strong: str
    name: str
    address: str
    string: str
    warn: str
    bad: str
    unknown: str
    accent: str
    rule: str
    focus: str
    cursor_blurred: str
    mark_text: str
    mark_soft: str
    bar: str
    bar_held: str


_DARK = Colours(
    ground="#151a21",
    raised="#1b222b",
    text="#c9d1dc",
    dim="#8a96a7",
    strong="#eef2f7",
    name="#a9b8cc",
    address="#79c7d9",
    string="#a3c983",
    warn="#e3b566",
    bad="#f07f86",
    unknown="#c39be0",
    accent="#7fb0ef",
    rule="#3b4656",
    focus="#2f4666",
    cursor_blurred="#263140",
    mark_text="#10141a",
    mark_soft="#4d4430",
    bar="#35414f",
    bar_held="#5b6c84",
)
_LIGHT = Colours(
    ground="#fcfcfa",
    raised="#f1f2ef",
    text="#26303b",
    dim="#616b77",
    strong="#0b0f14",
    name="#3d4b5c",
    address="#006075",
    string="#3b6212",
    warn="#7d4b00",
    bad="#a8101f",
    unknown="#6d2f9c",
    accent="#1b57ab",
    rule="#a9b1bb",
    focus="#c5daf5",
    cursor_blurred="#e2e8ef",
    mark_text="#ffffff",
    mark_soft="#f3dcb0",
    bar="#c3cad2",
    bar_held="#8f9aa7",
)


def _palette(c: Colours) -> Palette:
    return Palette(
        base=Style(color=c.text, bgcolor=c.ground),
        roles={
            Role.TEXT: Style(color=c.text),
            Role.DIM: Style(color=c.dim),
            Role.TITLE: Style(color=c.strong, bold=True),
            Role.NAME: Style(color=c.name),
            Role.NUMBER: Style(color=c.strong),
            Role.ADDRESS: Style(color=c.address),
            Role.STRING: Style(color=c.string),
            Role.WARN: Style(color=c.warn),
            Role.BAD: Style(color=c.bad, bold=True),
            Role.UNKNOWN: Style(color=c.unknown),
            Role.MARK: Style(color=c.mark_text, bgcolor=c.warn, bold=True),
            Role.MARK_SOFT: Style(color=c.strong, bgcolor=c.mark_soft),
            Role.RULE: Style(color=c.rule),
            Role.RULE_FOCUS: Style(color=c.strong, bgcolor=c.focus, bold=True),
            Role.KEY: Style(color=c.accent, bold=True),
        },
        cursor=Style(bgcolor=c.focus),
        cursor_blurred=Style(bgcolor=c.cursor_blurred),
        raised=Style(bgcolor=c.raised),
        gutter=Style(bgcolor=c.ground),
        bar=Style(color=c.bar, bgcolor=c.ground, reverse=True),
        bar_held=Style(color=c.bar_held, bgcolor=c.ground, reverse=True),
    )


def _theme(name: str, c: Colours, *, dark: bool) -> Theme:
    return Theme(
        name=name,
        primary=c.accent,
        foreground=c.text,
        background=c.ground,
        surface=c.ground,
        panel=c.ground,
        dark=dark,
        variables={
            "kho-rule": c.rule,
            "scrollbar": c.bar,
            "scrollbar-hover": c.bar_held,
            "scrollbar-active": c.bar_held,
            "scrollbar-background": c.ground,
            "scrollbar-background-hover": c.ground,
            "scrollbar-background-active": c.ground,
        },
    )


def _plain_palette(address: str, string: str, warn: str) -> Palette:
    """Only the 8 colours of the terminal on its own background; what matters is told by an attribute or a word as well."""
    return Palette(
        base=Style(color="default", bgcolor="default"),
        roles={
            Role.TEXT: Style(color="default"),
            Role.DIM: Style(color="default", dim=True),
            Role.TITLE: Style(color="default", bold=True),
            Role.NAME: Style(color="default"),
            Role.NUMBER: Style(color="default"),
            Role.ADDRESS: Style(color=address),
            Role.STRING: Style(color=string),
            Role.WARN: Style(color=warn),
            Role.BAD: Style(color="red", bold=True),
            Role.UNKNOWN: Style(color="magenta"),
            Role.MARK: Style(color="default", reverse=True),
            Role.MARK_SOFT: Style(color="default", underline=True),
            Role.RULE: Style(color="default", dim=True),
            Role.RULE_FOCUS: Style(color="default", reverse=True),
            Role.KEY: Style(color="default", bold=True),
        },
        cursor=Style(color="default", bgcolor="default", reverse=True),
        cursor_blurred=Style(underline=True),
        raised=Style(),
        gutter=Style(bgcolor="default"),
        bar=Style(bgcolor="default", reverse=True),
        bar_held=Style(bgcolor="default", reverse=True),
    )


def _plain_theme(name: str, *, dark: bool) -> Theme:
    return Theme(
        name=name,
        ansi=True,
        primary="ansi_blue",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=dark,
        variables={
            "kho-rule": "ansi_default",
            "ansi-background": "ansi_black" if dark else "ansi_white",
            "ansi-foreground": "ansi_white" if dark else "ansi_black",
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


@cache
def _skin(name: str, *, light: bool) -> tuple[Theme, Palette]:
    """Theme and palette of a name; ``light`` is the terminal's own background, which only ``ansi`` stands on."""
    if name == "dark":
        return _theme("kho", _DARK, dark=True), _palette(_DARK)
    if name == "light":
        return _theme("kho-light", _LIGHT, dark=False), _palette(_LIGHT)
    if light:  # yellow, green and cyan cannot be read on white
        return _plain_theme("kho-plain-light", dark=False), _plain_palette("blue", "default", "red")
    return _plain_theme("kho-plain", dark=True), _plain_palette("cyan", "green", "yellow")


_GLYPHS = {"unicode": UNICODE, "console": CONSOLE, "ascii": ASCII}
_LIGHT_BACKGROUNDS = ("7", "15")


def choose_look(environ: Mapping[str, str], config: Config | None = None, *, ascii: bool = False) -> Look:
    """The look for a terminal: what the config asks for, else what the terminal can draw.

    NO_COLOR leaves the terminal its own colours, whatever the config says. Otherwise ``auto`` takes own colours where the terminal has
    at least 256 of them (COLORTERM wins over TERM), light ones where COLORFGBG tells of a light background. ``ascii``: no
    glyph but ASCII.
    """
    wanted = config if config is not None else Config()
    term = environ.get("TERM", "")
    true_colour = environ.get("COLORTERM", "") in ("truecolor", "24bit")
    rich_colours = true_colour or "256" in term or "direct" in term
    light = environ.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT_BACKGROUNDS
    skin = wanted.theme
    if "NO_COLOR" in environ:
        skin = "ansi"
    elif skin == "auto":
        skin = "ansi" if not rich_colours else "light" if light else "dark"
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    found = ASCII if "utf" not in locale.lower() else CONSOLE if term == "linux" else UNICODE
    glyphs = ASCII if ascii else _GLYPHS.get(wanted.glyphs, found)
    theme, palette = _skin(skin, light=light)
    frames = {"kho-border": "ascii" if glyphs is ASCII else "solid"}
    return Look(replace(theme, variables={**theme.variables, **frames}), palette, glyphs)
