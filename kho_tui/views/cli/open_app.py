"""The app on what the user asked to open. What decodes is imported by the thread that loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kho_tui.context import Context
from kho_tui.text import visible
from kho_tui.views.cli.request import Request
from kho_tui.views.tui.app import run

if TYPE_CHECKING:
    from kho_tui.operations.map_state import Whois
    from kho_tui.operations.open_state import Opened
    from kho_tui.views.tui.loaded import Loaded, Maps, Watch


def open_app(request: Request, *, watch: float | None, ascii: bool) -> int:
    """Open the app; the exit code. ``watch``: look for changes every so many seconds."""
    return run(lambda context: _load(request, context), visible(request.path), ascii=ascii, watch=_watch(request.path, watch))


def _watch(path: str, seconds: float | None) -> Watch | None:
    if seconds is None:
        return None
    from kho_tui.operations.watch import Watch as PathWatch
    from kho_tui.views.tui.loaded import Watch

    return Watch(PathWatch(path).changed, seconds)


def _load(request: Request, context: Context) -> Loaded:
    from kho_tui.views.cli.opened import open_request

    return loaded_of(open_request(request, context), request.path, request.options)


def loaded_of(opened: Opened, path: str, options: tuple[str, ...]) -> Loaded:
    """What the app is given of an opened state, which stays open until the app closes it."""
    from kho_tui.analysis.memory_map import memory_map
    from kho_tui.model.entities.state import state_entity
    from kho_tui.model.verdict import verdict
    from kho_tui.views.tui.loaded import Loaded, Maps

    state = opened.state
    maps = Maps(lambda side, context: memory_map(state, state.sides[side], context))
    return Loaded(
        state.machine.path,
        verdict(state),
        state_entity(state),
        state.machine.platform.page_size,
        maps,
        state,
        opened.memory,
        lambda address: _whois(opened, maps, address),
        path,
        options,
        note=opened.changed,
        close=opened.close,
    )


def _whois(opened: Opened, maps: Maps, address: int) -> Whois:
    """The answer of the command, from a map that the app may have already."""
    from kho_tui.operations.map_state import SIDE_PREFERENCE, Mapped, map_state, whois

    state = opened.state
    name = next((name for name in SIDE_PREFERENCE if name in state.sides), None)
    mapped = map_state(state, Context()) if name is None else Mapped(state, state.sides[name], maps(name))
    return whois(mapped, opened.memory, address)
