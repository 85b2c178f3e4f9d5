"""What the commands that print do with an opened state."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.errors import InputError
from kho_tui.model.facts import Missing
from kho_tui.model.json_value import Json
from kho_tui.model.kinds import Kind
from kho_tui.model.verdict import nothing_read
from kho_tui.operations.open_state import Opened, open_state
from kho_tui.text import SafeText, visible
from kho_tui.views.cli.progress import StderrProgress
from kho_tui.views.cli.request import Request
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.format import parse_address

if TYPE_CHECKING:
    from kho_tui.model.state import State
    from kho_tui.operations.map_state import Mapped

NOBODY = 1
UNREADABLE = 2
_NARROWEST, _WIDEST = 40, 1000


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What the user wants to see of a map, as it was typed; None: not said."""

    window: str | None
    width: int | None
    kinds: tuple[str, ...]


def show(request: Request, *, as_json: bool, blocks: bool, files: bool) -> int:
    """Print the state, with ``files`` also what each file of the input gave; the exit code."""
    with opening(request, prints_findings=True) as opened:
        if as_json:
            from kho_tui.views.export.state_json import state_json

            write_json(state_json(opened.state, blocks=blocks))
        else:
            from kho_tui.views.cli.show_text import print_state

            print_state(opened.state, blocks=blocks, files=files)
        return 2 if nothing_read(opened.state) else 0


def map_memory(request: Request, wanted: MapRequest, *, as_json: bool) -> int:
    """Print the memory map; the exit code. Raises InputError for a request that makes no sense, or where there is nothing to map."""
    width = _width(wanted.width)
    with opening(request) as opened:
        state = opened.state
        window = None if wanted.window is None else parse_range(wanted.window, state.machine.platform.page_size)
        mapped = _mapped(state)
        if mapped.memory.extent == (0, 0):
            raise InputError(f"{visible(request.path)}: nothing to map: {mapped.memory.preserved.reason}")
        kinds = _kinds(wanted.kinds, mapped.memory.kinds)
        if as_json:
            from kho_tui.views.export.map_json import map_json

            write_json(map_json(mapped, window, kinds))
        else:
            from kho_tui.views.cli.map_text import print_map

            print_map(mapped, window, width, kinds)
    return 0


def whois(request: Request, address: str, *, as_json: bool) -> int:
    """Print who owns an address; 0 owned, 1 nobody, 2 cannot be told."""
    from kho_tui.operations.map_state import whois as answer

    with opening(request) as opened:
        at = parse_address(address, opened.state.machine.platform.page_size)
        found = answer(_mapped(opened.state), opened.memory, at)
        if as_json:
            from kho_tui.views.export.map_json import whois_json

            write_json(whois_json(found))
        else:
            from kho_tui.views.cli.whois_text import print_whois

            print_whois(found)
    if isinstance(found.owned, Missing):
        return UNREADABLE
    return 0 if found.owned else NOBODY


def memory(request: Request, *, as_json: bool) -> int:
    """Print what KHO costs; the exit code."""
    from kho_tui.operations.memory_cost import memory_cost
    from kho_tui.views.cli.memory_text import print_memory, sentences

    with opening(request) as opened:
        cost = memory_cost(_mapped(opened.state))
        if as_json:
            from kho_tui.views.export.map_json import memory_json

            write_json(memory_json(cost, list(sentences(cost))))
        else:
            print_memory(cost)
    return 0


def parse_range(text: str, page_size: int) -> tuple[int, int]:
    """``LO-HI`` as addresses, HI exclusive. Raises InputError."""
    low, dash, high = text.partition("-")
    if not dash:
        raise InputError("--range takes LO-HI, such as 0x1000000-0x2000000 or 3G-4G")
    window = parse_address(low, page_size), parse_address(high, page_size)
    if window[0] >= window[1]:
        raise InputError(f"--range {visible(text[:80])}: the end is not above the start")
    return window


@contextmanager
def opening(request: Request, *, prints_findings: bool = False) -> Iterator[Opened]:
    """The opened state of a command that prints, with progress on stderr while it is read.

    Each has a budget of its own: where two are opened, one must not be cut because of the other. That addresses were found out is said
    on stderr, where the command does not print it among the findings.
    """
    with telling() as context:
        opened = open_request(request, context)
    with opened:
        if opened.sources.placement and not prints_findings:
            print(f"kho-tui: {opened.sources.placement}", file=sys.stderr)
        if opened.changed and opened.sources.running is not None:
            print(f"kho-tui: {opened.changed}", file=sys.stderr)
        yield opened


def _mapped(state: State) -> Mapped:
    """The memory map of a command that prints, with progress on stderr while it is made."""
    from kho_tui.operations.map_state import map_state

    with telling() as context:
        return map_state(state, context)


@contextmanager
def telling() -> Iterator[Context]:
    """A context whose progress goes to stderr, and is taken away at the end of the work."""
    progress = StderrProgress()
    try:
        yield Context(progress=progress.report)
    finally:
        progress.clear()


def write_json(document: Json) -> None:
    """Write a document to stdout as it is made."""
    sys.stdout.writelines(json_pieces(document))
    sys.stdout.write("\n")


def _kinds(names: tuple[str, ...], known: tuple[Kind, ...]) -> tuple[Kind, ...]:
    by_name = {kind.name: kind for kind in known}
    unknown = next((name for name in names if name not in by_name), None)
    if unknown is not None:
        raise InputError(f"--kind {visible(unknown[:40])}: there is no such kind; there are {', '.join(by_name)}")
    return tuple(by_name[name] for name in names)


def _width(wanted: int | None) -> int:
    if wanted is None:
        return min(max(get_terminal_size().columns, _NARROWEST), _WIDEST)
    if not _NARROWEST <= wanted <= _WIDEST:
        raise InputError(f"--width takes {_NARROWEST} to {_WIDEST}")
    return wanted


def _warn(risk: SafeText) -> None:
    print(f"kho-tui: {risk}", file=sys.stderr)


def open_request(request: Request, context: Context) -> Opened:
    """The opened state, of one side where one was asked for. Raises InputError, ReadError or Cancelled."""
    overrides = Overrides(request.page_size, request.byte_order, request.root)
    opened = open_state(request.path, context, overrides, base=request.base, search=request.search, warn=_warn)
    if request.side is None:
        return opened
    if request.side not in opened.state.sides:
        there = ", ".join(opened.state.sides) or "none"
        opened.close()
        raise InputError(f"{visible(request.path)} has no side {request.side!r}; there is: {there}")
    return replace(opened, state=opened.state.only(request.side))
