"""What the palette can do with an argument."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Protocol

from kho_tui.context import Context
from kho_tui.errors import Cancelled, InputError
from kho_tui.model.codes import OTHER_ROOTS, SEVERAL_ROOTS
from kho_tui.model.entity import Entity
from kho_tui.operations.map_state import Layer, Whois
from kho_tui.text import SafeText, human_size, visible
from kho_tui.views.format import parse_address
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import ListSpot, Location, Spot, Where, location_of
from kho_tui.views.tui.palette import Command, Entry, Palette
from kho_tui.views.tui.reading import read_children


class Desk(Protocol):
    """The screen that the commands act on."""

    @property
    def loaded(self) -> Loaded:
        """The state that is shown."""

    def travel(self, spot: Spot) -> None:
        """Go somewhere new."""

    def go_to_address(self, address: int) -> None:
        """Go to what the state says of a physical address."""

    def set_beside(self, loaded: Loaded) -> None:
        """Show what differs from another state that was opened beside this one."""

    def predict(self, path: str) -> None:
        """Kexec this state in the simulator as the one at ``path`` was booted, and compare."""

    def show_root(self, address: int) -> None:
        """Read the state again with the root FDT at an address."""

    def search_all(self, text: str) -> None:
        """Search the whole state."""

    def action_reload(self) -> None:
        """Read the state again."""

    def action_leave(self) -> None:
        """Quit."""


def commands_of(desk: Desk) -> tuple[Command, ...]:
    """All commands; a further one is a line here."""
    return (
        Command("goto", "ADDRESS", "to what holds a physical address", lambda palette, text: _goto(desk, palette, text)),
        Command("whois", "ADDRESS", "who owns a physical address", lambda palette, text: _whois(desk, palette, text)),
        Command("session", "NAME", "to a session", lambda _palette, _text: None, lambda: _sessions(desk)),
        Command("root", "ADDRESS", "to another root FDT of this memory", lambda _palette, _text: None, lambda: _roots(desk)),
        Command("search", "TEXT", "in titles, paths, values", lambda palette, text: palette.leave(lambda: desk.search_all(text))),
        Command(
            "targets",
            "",
            "what each release would do with this state",
            lambda palette, _text: palette.leave(lambda: desk.travel(ListSpot(Where.FINDINGS, words="target"))),
        ),
        Command("diff", "PATH", "compare with another state", lambda palette, text: _diff(desk, palette, text)),
        Command(
            "predict",
            "PATH",
            "kexec this in the simulator, compare with the real state after it",
            lambda palette, text: palette.leave(lambda: desk.predict(text)),
        ),
        Command("reload", "", "read the state again", lambda palette, _text: palette.leave(desk.action_reload)),
        Command("quit", "", "leave the app", lambda palette, _text: palette.leave(desk.action_leave)),
    )


def _address(desk: Desk, palette: Palette, text: str) -> int | None:
    try:
        return parse_address(text, desk.loaded.page_size)
    except InputError as error:
        palette.say(explain(error), Role.WARN)
        return None


def _goto(desk: Desk, palette: Palette, text: str) -> None:
    address = _address(desk, palette, text)
    if address is not None:
        palette.leave(lambda: desk.go_to_address(address))


def _whois(desk: Desk, palette: Palette, text: str) -> None:
    address = _address(desk, palette, text)
    if address is None:
        return

    loaded = desk.loaded

    def work(stop: Event) -> tuple[Whois, list[Location]]:
        found = loaded.whois(address, Context(cancelled=stop))
        return found, [location_of(loaded.root, layer.hit.path) for layer in found.layers]

    def answered(answer: tuple[Whois, list[Location]]) -> None:
        found, places = answer
        # The layers come from the machine up to the owners; the most telling one is to be chosen.
        entries = [_layer(desk, layer, place) for layer, place in zip(found.layers, places, strict=True)]
        palette.offer(f"{address:#x}, side {found.side}: {found.whose}", entries[::-1])
        palette.say(found.standing, Role.TEXT)

    palette.beside(f"looking for the owner of {address:#x}", work, answered)


def _diff(desk: Desk, palette: Palette, path: str) -> None:
    loaded = desk.loaded

    def work(stop: Event) -> Loaded:
        pair = loaded.beside(path, Context(cancelled=stop))
        if stop.is_set():
            if pair.against is not None:
                pair.against.loaded.close()
            raise Cancelled("cancelled")
        return pair

    palette.beside(f"comparing with {visible(path)}", work, lambda pair: palette.leave(lambda: desk.set_beside(pair)))


def _layer(desk: Desk, layer: Layer, place: Location) -> Entry:
    hit = layer.hit
    words = SafeText(f"{layer.way}  {hit.start:#x}-{hit.end:#x} {human_size(hit.end - hit.start)}")
    return Entry(words, SafeText(hit.kind.name), lambda palette: palette.leave(lambda: desk.travel(place)))


def _roots(desk: Desk) -> Sequence[Entry]:
    """The root FDTs in memory that are not shown."""
    others = [one for one in desk.loaded.state.findings if one.code in (SEVERAL_ROOTS.name, OTHER_ROOTS.name)]
    return [_root(desk, one.address, one.message) for one in others if one.address is not None]


def _root(desk: Desk, address: int, words: SafeText) -> Entry:
    def run(palette: Palette) -> None:
        palette.leave(lambda: desk.show_root(address))

    return Entry(words, SafeText(f"{address:#x}"), run)


def _sessions(desk: Desk) -> Sequence[Entry]:
    """Every session of every side; what lies below one is not asked for."""
    found: list[Entity] = []
    ahead = [one for one in read_children(desk.loaded.root) if one.kind == "side"]
    while ahead:
        entity = ahead.pop(0)
        if entity.kind == "session":
            found.append(entity)
        elif entity.kind in ("side", "subtree", "sessions") and not entity.is_leaf:
            ahead.extend(read_children(entity))
    return [_session(desk, entity) for entity in found]


def _session(desk: Desk, entity: Entity) -> Entry:
    def run(palette: Palette) -> None:
        palette.leave(lambda: desk.travel(Location(entity.path)))

    return Entry(SafeText(f"{entity.title}  {entity.summary}"), SafeText(entity.path.parts[0]), run)
