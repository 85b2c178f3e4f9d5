"""Draws the pictures of the README: the main places of the app on a real capture, as SVG and, with rsvg-convert, as PNG.

Run as ``python docs/screenshots.py`` where the package and its test extra are installed.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from views.app_user import User, opening, using_state  # noqa: E402 - the tests know how to wait for the app

SAMPLE = "samples/x86_64-7.3/1-pre"
OTHER = "samples/x86_64-7.3/2-pre"
SIZE = (120, 36)
_PNG_WIDTH = "800"
_CELL = 12.2
"""Width of a character in a picture that Rich makes."""
_INDENTED = re.compile(r'x="([\d.]+)" (y="[\d.]+") textLength="([\d.]+)"([^>]*)>((?:&#160;)+)')
_WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture must not fetch anything."""


def unindented(svg: str) -> str:
    """Texts that begin where their first letter stands: rsvg-convert drops blanks before it."""

    def moved(match: re.Match[str]) -> str:
        blanks = match[5].count(";") * _CELL
        return f'x="{float(match[1]) + blanks:g}" {match[2]} textLength="{float(match[3]) - blanks:g}"{match[4]}>'

    return _INDENTED.sub(moved, svg)


async def overview(user: User) -> None:
    """What is there, and how far it can be trusted."""
    await user.press("1")


async def tree(user: User) -> None:
    """A file of a session, one of its fields, and the bytes of that."""
    await user.search("/0xdeadbeef")
    await user.select_field("nr_folios")
    await user.press("escape")


async def memory_map(user: User) -> None:
    """Who lies where."""
    await user.press("3")
    await user.go_to_address("0x20829000")


async def luo(user: User) -> None:
    """Sessions, files, folios."""
    await user.press("4", "tab", "tab")


async def blocks(user: User) -> None:
    """The large blocks and their owners."""
    await user.press("5", "f")
    await user.type("size>=16K")


async def diff(user: User) -> None:
    """What became of a session's files, with both memory maps."""
    await user.press("9", "m")
    while [str(part) for part in user.state.body.trail][-2:] != ["vm-alpha", "0x1"]:  # type: ignore[union-attr]
        await user.press("right_square_bracket")


async def draw(name: str, act: Callable[[User], Awaitable[None]], other: str = "") -> None:
    """One picture from an app of its own."""
    async with using_state(opening(SAMPLE), SIZE, SAMPLE, other=other) as user:
        await act(user)
        await user.stands_still()
        svg = user.app.export_screenshot(title="kho-tui")
    svg = _WEB_FONTS.sub("", svg).replace("Fira Code", "DejaVu Sans Mono")
    (HERE / f"{name}.svg").write_text(re.sub(r"terminal-\d+", name, unindented(svg)))
    try:
        subprocess.run(["rsvg-convert", "-w", _PNG_WIDTH, "-o", HERE / f"{name}.png", HERE / f"{name}.svg"], check=True)
    except FileNotFoundError:
        print(f"{name}.svg has no PNG: rsvg-convert is not installed", file=sys.stderr)


async def main() -> None:
    """All pictures, on a terminal that is the same everywhere."""
    os.chdir(HERE.parent)
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    for unwanted in ("NO_COLOR", "COLORFGBG", "TMUX", "LC_ALL", "LC_CTYPE"):
        os.environ.pop(unwanted, None)
    for name, act in {"overview": overview, "tree": tree, "map": memory_map, "luo": luo, "blocks": blocks}.items():
        await draw(name, act)
    await draw("diff", diff, OTHER)


if __name__ == "__main__":
    asyncio.run(main())
