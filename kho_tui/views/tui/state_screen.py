"""The one screen of the app: the keys that hold in every place, and what is typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, get_args

from textual import on
from textual.widget import Widget

from kho_tui.errors import InputError
from kho_tui.model.facts import Missing
from kho_tui.text import NO_TEXT, SafeText, join_safe, visible
from kho_tui.views.format import Base, parse_address, plain_value
from kho_tui.views.tui.changes import NO_CHANGES, changed_memory, changed_paths
from kho_tui.views.tui.clipboard import copy
from kho_tui.views.tui.commands import commands_of
from kho_tui.views.tui.explain import explain
from kho_tui.views.tui.help import HelpScreen
from kho_tui.views.tui.keys import key, key_name
from kho_tui.views.tui.lines import Role, fit, spans
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import Location, Where, search
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.palette import Entry, Palette
from kho_tui.views.tui.prompt import Prompt, Purpose
from kho_tui.views.tui.shell import command_line
from kho_tui.views.tui.travel import Journey, Prepared, TravelScreen
from kho_tui.views.tui.tree_model import TreeModel

if TYPE_CHECKING:
    from kho_tui.views.tui.app import KhoApp

_BASES: tuple[Base, ...] = get_args(Base)
_AROUND_TREE = 5
"""Lines of the screen that are not rows of the tree: places, breadcrumb, verdict, the tree's own title, the last line."""


def prepare(loaded: Loaded, height: int, journey: Journey, before: Prepared | None, stop: Event) -> Prepared:
    """What is computed before a state is shown, in a thread; ``before`` is the read it is compared with. Raises Cancelled."""
    tree = TreeModel(loaded.root)
    if journey.opened:
        tree.reopen(journey.opened)
    else:
        tree.open_to_fit(height - _AROUND_TREE)
    changes = NO_CHANGES
    if before is not None:
        preserved, unpreserved = changed_memory(before.loaded.state, loaded.state)
        changes = replace(changed_paths(before.loaded.root, loaded.root, stop.is_set), preserved=preserved, unpreserved=unpreserved)
    return Prepared(loaded, tree, changes)


class StateScreen(TravelScreen, inherit_bindings=False):
    """What the keys do, everywhere; a body answers for what they mean in its place."""

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (76, "-normal"), (116, "-wide")]  # noqa: RUF012 - as Textual declares it

    BINDINGS = [  # noqa: RUF012
        *(key(str(number), f"place({number})", f"to {where.value}", f"go.{where.name.lower()}") for number, where in enumerate(Where, 1)),
        key("tab", "focus_pane(1)", "next, previous pane", "state.next_pane"),
        key("shift+tab", "focus_pane(-1)", "next, previous pane", "state.previous_pane"),
        key("backspace,alt+left", "back", "back to where you were, forward again", "state.back"),
        key("alt+right", "ahead", "back to where you were, forward again", "state.ahead"),
        key("slash", "ask('search')", "search titles, paths, values, addresses", "state.search"),
        key("n", "hit(1)", "next, previous hit of the search", "state.next_hit"),
        key("N", "hit(-1)", "next, previous hit of the search", "state.previous_hit"),
        key("right_square_bracket", "step(1)", "next, previous of what this place is about", "state.next"),
        key("left_square_bracket", "step(-1)", "next, previous of what this place is about", "state.previous"),
        key("at", "ask('address')", "go to an address (0x..., 4G, pfn:0x...)", "state.address"),
        key("m", "map", "where it lies: the memory map, and back", "state.map"),
        key("x", "base", "number base: by unit, hex, decimal", "state.base"),
        key("y", "copy", "copy the selected value", "state.copy"),
        key("Y", "copy_command", "copy the command that prints this", "state.copy_command"),
        key("z", "zoom", "the focused pane alone, and back", "state.zoom"),
        key("colon", "palette", "everything that can be done, by name", "state.palette"),
        key("s", "simulate", "simulate a kexec of this state", "state.simulate"),
        key("less_than_sign", "chain(-1)", "the state before, after a simulated kexec", "state.before"),
        key("greater_than_sign", "chain(1)", "the state before, after a simulated kexec", "state.after"),
        key("r", "reload", "read the state again", "state.reload"),
        key("escape", "stop", "stop what runs, end a search", "state.stop"),
        key("question_mark", "keys", "these keys", "state.keys"),
        key("q,ctrl+q", "leave", "quit", "state.quit"),
    ]

    def __init__(self, prepared: Prepared, journey: Journey, notice: SafeText = NO_TEXT) -> None:
        super().__init__(prepared, journey)
        self._notice = join_safe("; ", [text for text in (notice, self.loaded.note) if text])
        self._typing_from: Widget | None = None
        self._zoomed: Sequence[Widget] = ()
        """The panes among which one is shown alone; empty: all are shown."""
        self._away: list[Widget] = []

    async def on_mount(self) -> None:
        """Show what goes on from an earlier read."""
        self._tell_base()
        self.bottom.notify_of(self._notice)

    def on_resize(self) -> None:
        """The top may have more lines now, or fewer."""
        self.top.redraw()

    # Panes

    def action_focus_pane(self, direction: int) -> None:
        """Move the focus to the next or previous pane that is shown, or in its turn alone."""
        if self.body is None or self.body.next_pane(direction):
            return
        zoomed = self._zoomed
        panes = zoomed or self.body.panes
        if not panes:
            return
        at = panes.index(self.focused) if self.focused in panes else 0
        self.end_zoom()
        pane = panes[(at + direction) % len(panes)]
        self.set_focus(pane)
        if zoomed:
            self._zoom(pane)

    def action_zoom(self) -> None:
        """Give the focused pane the whole body, or end that."""
        if self._zoomed:
            self.end_zoom()
        elif self.focused is not None:
            self._zoom(self.focused)

    def end_zoom(self) -> None:
        """Show all panes again."""
        for widget in self._away:
            widget.styles.clear_rule("display")
        self._away = []
        if self.body is not None:
            # Clearing a rule asks for no layout.
            self.body.refresh(layout=True)
        for pane in self._zoomed:
            pane.remove_class("zoomed")
        self._zoomed = ()

    def _zoom(self, pane: Widget) -> None:
        """Hide every other pane, and what holds nothing but other panes."""
        panes = tuple(self.body.panes) if self.body is not None else ()
        if pane not in panes:
            return
        self._zoomed = panes
        kept = {pane, *pane.ancestors}
        for other in panes:
            if other is not pane:
                outermost = [other, *(one for one in other.ancestors if isinstance(one, Widget) and one not in kept)][-1]
                outermost.styles.display = "none"
                self._away.append(outermost)
        pane.add_class("zoomed")

    # Asking

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is typed, keys are letters."""
        return not self.bottom.is_asking

    def action_ask(self, purpose: Purpose) -> None:
        """Open the line where a search or an address is typed."""
        self.bottom.ask(purpose)

    @on(Prompt.Opened)
    def _prompt_opened(self, message: Prompt.Opened) -> None:
        self._typing_from = message.focused

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        panes = self.body.panes if self.body is not None else ()
        self.set_focus(self._typing_from if self._typing_from in panes else panes[0] if panes else None)

    @on(Prompt.Answered)
    def _answered(self, message: Prompt.Answered) -> None:
        text, body = message.text, self.body
        if body is None:
            return
        if message.purpose == "filter":
            body.filtered(text)
        elif message.purpose == "address":
            try:
                address = parse_address(text, self.loaded.page_size)
            except InputError as error:
                self.bottom.say(explain(error), Role.WARN)
                return
            if not body.show_address(address):
                self.go_to_address(address)
        elif not body.search(text):
            self.search_all(text)

    def search_all(self, text: str) -> None:
        """Search the whole state."""
        query = visible(text)
        root, page_size = self.loaded.root, self.loaded.page_size

        def found(places: list[Location]) -> None:
            self.step_through(query, places)
            if not places:
                self.bottom.say(f"nothing matches {query} (rows of long lists are not searched)", Role.WARN)

        self._walk.run(f"searching {query}", lambda stop: search(root, text, page_size, stop.is_set), found, self.bottom)

    def action_stop(self) -> None:
        """Stop what runs; where nothing runs, end the search."""
        if self._walk.is_running:
            self._walk.stop()
            self.bottom.say("stopped", Role.DIM)
        elif self.body is None or not self.body.stop():
            self.step_through(SafeText(""), ())
            self.bottom.notify_of("")
            self.bottom.clear()

    # The selected value

    def action_copy(self) -> None:
        """Copy the selected value."""
        value = self.body.selection if self.body is not None else None
        if value is None or isinstance(value.value, Missing):
            self.bottom.say("nothing to copy here", Role.DIM)
            return
        self._copy(plain_value(value.value, value.unit, self.base))

    def action_copy_command(self) -> None:
        """Copy the command that prints what is shown."""
        if self.loaded.simulator is not None and not self.loaded.path:
            self.bottom.say("this state is only in memory: w in the simulator (s) writes it, o opens it from there", Role.WARN)
        elif self.body is not None:
            self._copy(command_line(self.body.command, self.loaded.path, self.loaded.options))

    def _copy(self, text: SafeText) -> None:
        way = copy(self.app, text)
        shown = fit(spans((text, Role.TEXT)), max(self.size.width - len(way) - 10, 20), look_of(self).glyphs.ellipsis)
        self.bottom.say(f"copied {shown[0].text if shown else text}  {way}")

    def action_base(self) -> None:
        """Write integers by unit, all hex, all decimal."""
        self.base = _BASES[(_BASES.index(self.base) + 1) % len(_BASES)]
        self._tell_base()
        for body in self._bodies.values():
            body.base_changed()

    def _tell_base(self) -> None:
        self.bottom.show_base("" if self.base == "natural" else self.base)

    # The app

    def action_palette(self) -> None:
        """Offer everything that can be done."""

        def done(then: Callable[[], None] | None) -> None:
            if then is not None:
                then()

        self.app.push_screen(Palette(self._actions(), commands_of(self)), done)

    def _actions(self) -> Sequence[Entry]:
        """Every action there is now, each with its first key."""
        entries: dict[str, Entry] = {}
        # What is peculiar to place and screen first, moving about in a list last: everybody tries the arrows anyway.
        active_bindings = sorted(self.active_bindings.values(), key=lambda one: one.node is self.focused)
        for active in active_bindings:
            binding = active.binding
            if binding.id and active.enabled and binding.action != "first_chord":
                action, node = binding.action, active.node
                words = SafeText(binding.description)

                def run(palette: Palette, action: str = action, node: object = node) -> None:
                    palette.leave(lambda: self.call_next(self.app.run_action, action, node))

                entries.setdefault(binding.id, Entry(words, SafeText(key_name(binding.key)), run))
        return list(entries.values())

    def action_keys(self) -> None:
        """Show the keys of the focused pane and of the screen."""
        self.app.push_screen(HelpScreen(self))

    def action_simulate(self) -> None:
        """Open the simulator on this state."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.simulate()

    def action_chain(self, direction: int) -> None:
        """Show the state before or after this one."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.step_chain(direction)

    def action_reload(self) -> None:
        """Read the state again and come back here."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.load(self.journey)

    def action_leave(self) -> None:
        """Quit."""
        app: KhoApp = self.app  # type: ignore[assignment]
        app.action_leave()
