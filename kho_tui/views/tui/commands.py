"""What the palette can do with an argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kho_tui.errors import InputError
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing
from kho_tui.operations.map_state import Layer, Whois
from kho_tui.text import SafeText, human_size
from kho_tui.views.format import parse_address
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import Location, Spot, location_of
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
        Command("search", "TEXT", "in titles, paths, values", lambda palette, text: palette.leave(lambda: desk.search_all(text))),
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

    def work(_stop: object) -> tuple[Whois, list[Location]]:
        found = loaded.whois(address)
        return found, [location_of(loaded.root, layer.hit.path) for layer in found.layers]

    def answered(answer: tuple[Whois, list[Location]]) -> None:
        found, places = answer
        owner = next((layer.way for layer in found.layers if layer.hit.kind.is_owner), None)
        cannot = f"owner cannot be told: {found.owned.reason}" if isinstance(found.owned, Missing) else "nobody owns it"
        # The layers come from the machine up to the owners; the most telling one is to be chosen.
        entries = [_layer(desk, layer, place) for layer, place in zip(found.layers, places, strict=True)]
        palette.offer(f"{address:#x}, side {found.side}: {owner or cannot}", entries[::-1])
        palette.say(found.standing, Role.TEXT)

    palette.beside(f"looking for the owner of {address:#x}", work, answered)


def _layer(desk: Desk, layer: Layer, place: Location) -> Entry:
    hit = layer.hit
    words = SafeText(f"{layer.way}  {hit.start:#x}-{hit.end:#x} {human_size(hit.end - hit.start)}")
    return Entry(words, SafeText(hit.kind.label), lambda palette: palette.leave(lambda: desk.travel(place)))


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
