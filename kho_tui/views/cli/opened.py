"""What the commands do with an opened state: print it, or hand it to the app."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.errors import InputError
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.text import visible
from kho_tui.views.cli.progress import StderrProgress

UNREADABLE = 2


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked to open."""

    path: str
    side: str | None
    overrides: Overrides
    base: int | None


def show(request: Request, *, as_json: bool, blocks: bool) -> int:
    """Print the state; the exit code."""
    progress = StderrProgress()
    context = Context(progress=progress.report)
    with _open(request, context) as opened:
        progress.clear()
        if as_json:
            from kho_tui.views.export.json_stream import json_pieces
            from kho_tui.views.export.state_json import state_json

            sys.stdout.writelines(json_pieces(state_json(opened.state, blocks=blocks)))
            sys.stdout.write("\n")
        else:
            from kho_tui.views.cli.show_text import print_state

            print_state(opened.state, blocks=blocks)
    return 0


def app(request: Request) -> int:
    """Open the app; the exit code."""
    from kho_tui.model.entities.state import state_entity
    from kho_tui.model.verdict import verdict
    from kho_tui.views.tui.app import run
    from kho_tui.views.tui.loaded import Loaded

    def load(context: Context) -> Loaded:
        opened = _open(request, context)
        page_size = opened.state.machine.platform.page_size
        return Loaded(opened.state.machine.path, verdict(opened.state), state_entity(opened.state), page_size)

    return run(load, visible(request.path))


def _open(request: Request, context: Context) -> Opened:
    opened = open_state(request.path, context, request.overrides, raw_base=request.base)
    if request.side is None:
        return opened
    if request.side not in opened.state.sides:
        there = ", ".join(opened.state.sides) or "none"
        opened.close()
        raise InputError(f"{visible(request.path)} has no side {request.side!r}; there is: {there}")
    return replace(opened, state=opened.state.only(request.side))
