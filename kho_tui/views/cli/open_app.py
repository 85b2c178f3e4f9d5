"""The app on what the user asked to open. What decodes is imported by the thread that loads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kho_tui.context import Context
from kho_tui.text import visible
from kho_tui.views.cli.request import Request, split_side
from kho_tui.views.tui.app import run

if TYPE_CHECKING:
    from kho_tui.operations.held_state import Simulated
    from kho_tui.operations.judge_state import Judged
    from kho_tui.operations.map_state import Whois
    from kho_tui.operations.open_state import Opened
    from kho_tui.views.tui.loaded import Against, Loaded, Maps, Watch


def open_app(request: Request, other: str = "", *, watch: float | None, ascii: bool) -> int:
    """Open the app; the exit code. ``watch``: look for changes every so many seconds. ``other``: the path of a state to compare with."""
    return run(
        lambda context: load_request(request, context), visible(request.path), ascii=ascii, watch=_watch(request.path, watch), other=other
    )


def _watch(path: str, seconds: float | None) -> Watch | None:
    if seconds is None:
        return None
    from kho_tui.operations.watch import Watch as PathWatch
    from kho_tui.views.tui.loaded import Watch

    return Watch(PathWatch(path).changed, seconds)


def load_request(request: Request, context: Context) -> Loaded:
    """What the app is given of what a request names. Raises KhoError, Cancelled."""
    from kho_tui.views.cli.opened import open_request

    return loaded_of(open_request(request, context), request.path, request.options, request)


def loaded_of(opened: Opened, path: str, options: tuple[str, ...], like: Request | None = None) -> Loaded:
    """What the app is given of an opened state, which stays open until the app closes it; ``like``: how another is opened beside it."""
    from kho_tui.analysis.memory_map import memory_map
    from kho_tui.model.entities.state import state_entity
    from kho_tui.model.verdict import verdict
    from kho_tui.views.tui.check_run import Checking
    from kho_tui.views.tui.loaded import Loaded, Maps, Simulator

    state = opened.state
    maps = Maps(lambda side, context: memory_map(state, state.sides[side], context))
    others = like or Request(path="", side=None, page_size=None, byte_order=None)
    checking = Checking(lambda context: _judge(opened, maps, context))

    def close() -> None:
        checking.stop()
        opened.close()

    return Loaded(
        title=state.machine.path,
        verdict=verdict(state),
        root=state_entity(state),
        page_size=state.machine.platform.page_size,
        maps=maps,
        state=state,
        memory=opened.memory,
        whois=lambda address, context: _whois(opened, maps, address, context),
        path=path,
        options=options,
        note=opened.changed,
        checking=checking,
        close=close,
        compare=lambda other, context: _against(opened, other, others, context),
        simulator=Simulator(
            opened, lambda another, name: loaded_of(another, name, ()), lambda real, context: _predict(opened, real, others, context)
        ),
        with_root=None if like is None else lambda root, context: load_request(replace(like, root=root), context),
    )


def _against(opened: Opened, path: str, like: Request, context: Context) -> Against:
    """Open what lies at a path as the first state was opened, and compare. Each has a budget of its own."""
    from kho_tui.operations.diff_states import diff_states
    from kho_tui.views.tui.loaded import Against

    request, other = _open_other(path, like, context)
    try:
        compared = diff_states(opened.state, other.state, "auto", _with_own_budget(context))
        return Against(path, loaded_of(other, request.path, request.options), compared)
    except BaseException:
        other.close()
        raise


def _predict(opened: Opened, path: str, like: Request, context: Context) -> Simulated:
    """Kexec an opened state as what lies at a path was booted."""
    from kho_tui.operations.held_state import predict

    _, real = _open_other(path, like, context)
    with real:
        return predict(opened, real.state, _with_own_budget(context))


def _open_other(path: str, like: Request, context: Context) -> tuple[Request, Opened]:
    from kho_tui.views.cli.opened import open_request

    where, side = split_side(path, None)
    request = replace(like, path=where, side=side)
    return request, open_request(request, _with_own_budget(context))


def _with_own_budget(context: Context) -> Context:
    return Context(progress=context.progress, cancelled=context.cancelled)


def _judge(opened: Opened, maps: Maps, context: Context) -> Judged:
    from kho_tui.operations.judge_state import judge_state

    return judge_state(opened, maps, context)


def _whois(opened: Opened, maps: Maps, address: int, context: Context) -> Whois:
    """The answer of the command, from a map that the app may have already."""
    from kho_tui.model.sides import sides_meant
    from kho_tui.operations.map_state import Mapped, map_state, whois

    state = opened.state
    name = next(iter(sides_meant(state)), None)
    mapped = map_state(state, context) if name is None else Mapped(state, state.sides[name], maps(name, context))
    return whois(mapped, opened.memory, address)
