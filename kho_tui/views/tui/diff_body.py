"""Diff: what differs between two states, or what became of what was handed over, as a tree; below, old beside new."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.widget import Widget

from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Value
from kho_tui.model.facts import Status
from kho_tui.text import NO_TEXT, SafeText, plural, visible
from kho_tui.views.diff_words import EVIDENCE_WORDS
from kho_tui.views.tui.background import Finished, Newest
from kho_tui.views.tui.body import Body, Stage
from kho_tui.views.tui.diff_below import Below, DiffBelow
from kho_tui.views.tui.diff_detail import reason_of
from kho_tui.views.tui.diff_rows import node_line
from kho_tui.views.tui.diff_tree import DiffTree, Node, diff_tree
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import Line, Role, fit_end, indented, spans, wrap
from kho_tui.views.tui.list_body import LineList
from kho_tui.views.tui.loaded import Against
from kho_tui.views.tui.navigate import ListSpot, Location, Spot, Where
from kho_tui.views.tui.paint import Panel, look_of
from kho_tui.views.tui.table_view import TableView

_ALONE = SafeText("only one state is open: `:diff PATH` compares it with another")
_READING = SafeText("reading the two")
_TALL = 34
"""Lines of a body from which each piece of evidence has a line of its own."""
_MOST_ORIGINS = 3
"""Copies that were not compared which are named."""
_ABOUT = 2
_LEAST_TREE = 4


class DiffList(LineList):
    """The tree of what differs. ``fold`` opens (1), closes (-1) or turns (0) the row at the cursor."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("left,h", "fold(-1)", "close, or to the parent", "difftree.close"),
        key("right,l", "fold(1)", "open, or to the first below", "difftree.open"),
        key("space", "fold(0)", "open or close", "difftree.toggle"),
    ]

    def __init__(self, draw: Callable[[int, int], Line], fold: Callable[[int], None], *, id: str) -> None:
        super().__init__("what differs", draw, id=id)
        self._fold = fold

    def action_fold(self, direction: int) -> None:
        """Open or close."""
        self._fold(direction)


class DiffBody(Body):
    """Verdict and evidence, the tree, and the selected thing in both states."""

    WHERE = Where.DIFF
    HINTS = (("Enter", "go there"), ("]", "change"), ("b", "bytes"), ("m", "maps"), ("c", "only changes"), ("f", "filter"))

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("c", "only_changes", "only what differs, or all", "diff.only_changes"),
        key("f", "filter", "show only some: a kind of change, words", "diff.filter"),
        key("b", "bytes", "the bytes of both, and back", "diff.bytes"),
        key("p", "predict", "kexec A in the simulator, compare that with B", "diff.predict"),
    ]

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.verdict = Panel(id="diff-verdict")
        self.table = DiffList(self._tree_line, self._fold, id="diff-tree")
        self.about = Panel(id="diff-about", raised=True)
        self.below = DiffBelow(stage)
        self.words = ""
        self.only_changes = True
        self._verdict_height = 0
        """Lines of verdict and evidence."""
        self._against: Against | None = None
        self._model = DiffTree(())
        self._fitting: Sequence[bool] = ()
        """Nodes that the filter lets through; ``_wanted``: those and all above them."""
        self._wanted: Sequence[bool] = ()
        self._stops: Sequence[int] = ()
        """Changes that the filter lets through: where ``]`` stops."""
        self._rows: Sequence[int] = ()
        self._opens: frozenset[int] = frozenset()
        """Nodes with anything below that is to be seen."""
        self._start: ListSpot | None = None
        self._building = Newest(self)

    def compose(self) -> ComposeResult:
        """From what is most important down."""
        yield self.verdict
        yield self.table
        yield self.about
        yield self.below

    def on_mount(self) -> None:
        """Nothing is known yet."""
        self.about.styles.height = _ABOUT
        self._take()

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    # The comparison

    def _take(self) -> None:
        """Show the comparison that there is now."""
        against = self.stage.loaded.against
        self._against = against
        self._model = DiffTree(())
        self.below.take(against)
        self.table.nothing = spans((_ALONE if against is None else _READING, Role.DIM))
        self._rows_changed()
        self._tell_verdict()
        if against is None:
            return
        root = self.stage.loaded.root
        self._building.run(lambda: diff_tree(against.compared, root), self._built, self._failed)

    def _built(self, tree: DiffTree) -> None:
        self._model = tree
        # Where nothing differs all there is is more telling than an empty list.
        self.only_changes = any(node.is_change for node in tree.nodes)
        start, self._start = self._start, None
        self.words = start.words if start is not None else self.words
        self.table.nothing = spans(("nothing differs (c shows all)", Role.TEXT))
        self._rows_changed(start.row if start is not None else next((at for at, node in enumerate(tree.nodes) if node.is_change), 0))
        # Before the first layout there is no height to keep it in sight of.
        self.table.center_cursor()
        self._selected()
        self.below.draw_maps()

    def _failed(self, text: SafeText) -> None:
        self.table.nothing = spans((text, Role.BAD))
        self.table.refresh()

    @property
    def busy(self) -> bool:
        """True while something is read."""
        return self._building.is_running or self.below.busy

    @property
    def node(self) -> Node | None:
        """The selected row."""
        return self._model.nodes[self._rows[self.table.cursor]] if self.table.cursor < len(self._rows) else None

    def _rows_changed(self, number: int | None = None) -> None:
        """Other rows are in sight; the node of that number is selected, or the nearest before it."""
        if number is None:
            number = self._rows[self.table.cursor] if self.table.cursor < len(self._rows) else 0
        self._fitting = self._model.fitting(self.words, only_changes=self.only_changes)
        self._wanted = self._model.with_above(self._fitting)
        self._stops = [at for at, node in enumerate(self._model.nodes) if node.is_change and self._fitting[at]]
        self._rows = self._model.rows(self._wanted)
        self._opens = frozenset(node.parent for node, seen in zip(self._model.nodes, self._wanted, strict=True) if seen)
        cursor = next((at for at in range(len(self._rows) - 1, -1, -1) if self._rows[at] <= number), 0)
        if self.words and not self._rows:
            self.table.nothing = spans((f"nothing here matches {visible(self.words)} (Esc shows all)", Role.DIM))
        with self.prevent(TableView.Moved):
            self.table.show(len(self._rows), cursor)

    def _fold(self, direction: int) -> None:
        node = self.node
        if node is None:
            return
        if direction == 0:
            direction = -1 if node.expanded else 1
        number = self._rows[self.table.cursor]
        opens = number in self._opens
        if direction > 0 and node.expanded and opens:
            self.table.cursor += 1
        elif direction > 0 and opens:
            node.expanded = True
            self._rows_changed(number)
        elif direction < 0 and node.expanded and opens:
            node.expanded = False
            self._rows_changed(number)
        elif direction < 0 and node.parent >= 0:
            self._rows_changed(node.parent)
            self._selected()

    # The selected thing

    def _read(self) -> None:
        self._tell_about()
        self.below.show(self.node)

    # Lines

    def _tree_line(self, at: int, width: int) -> Line:
        number = self._rows[at]
        return node_line(self._model.nodes[number], width, look_of(self).glyphs, opens=number in self._opens)

    def _tell_verdict(self) -> None:
        against = self._against
        width = self.size.width - 2
        if against is None or width <= 0:
            self.verdict.show([])
            self.verdict.styles.height = 0
            return
        compared, ellipsis = against.compared, look_of(self).glyphs.ellipsis
        old, new = (fit_end(title, width // 2 - 3, ellipsis) for title in (self.stage.loaded.title, against.loaded.title))
        lines = [spans((f"A {old}  B {new}", Role.DIM))]
        lines += wrap(compared.verdict, width, 2, Role.TITLE, ellipsis)
        tall = self.size.height >= _TALL
        told = [SafeText(f"{EVIDENCE_WORDS[one.holds]}: {one.text if tall else one.name}") for one in compared.evidence]
        if tall:
            said = [*(f"evidence: {one}" for one in told), *(f"compared: {one}" for one in compared.origins[:_MOST_ORIGINS])]
            lines += [line for one in said for line in wrap(SafeText(one), width, 1, Role.DIM, ellipsis)]
        elif told:
            lines += wrap(SafeText(f"evidence: {'; '.join(told)}"), width, 1, Role.DIM, ellipsis)
        self._verdict_height = len(lines)
        self.verdict.styles.height = len(lines)
        self.verdict.show(indented(lines, 1))

    def _tell_about(self) -> None:
        node, width = self.node, self.size.width - 4
        words = "; ".join([str(node.old or node.new or node.label), *reason_of(node)]) if node is not None else ""
        lines = wrap(SafeText(words), width, _ABOUT, Role.TEXT, look_of(self).glyphs.ellipsis) if width > 0 else []
        self.about.show(indented(lines, 2))

    def on_resize(self, _event: events.Resize) -> None:
        """Another size holds other lines."""
        self._tell_verdict()
        self._tell_about()
        self._fit_below()

    def _fit_below(self) -> None:
        self.below.fit(self.size.height, self.size.height - self._verdict_height - _ABOUT - _LEAST_TREE)

    def base_changed(self) -> None:
        """Write the fields anew."""
        self.below.base_changed()

    # Keys

    def _selected(self) -> None:
        self._read()
        self.stage.moved()

    def on_table_view_moved(self, message: TableView.Moved) -> None:
        """Another row."""
        message.stop()
        if message.view is self.table:
            self._selected()

    def on_table_view_chosen(self, message: TableView.Chosen) -> None:
        """To the entity, or open what is none."""
        message.stop()
        node, against = self.node, self._against
        if node is None or against is None:
            return
        if node.subject is None and self._rows[self.table.cursor] in self._opens:
            self._fold(0)
            return
        old, new = self.below.found
        if old is not None:
            self.stage.travel(Location(old))
        elif new is not None:
            self.stage.bottom.say(SafeText(f"{new} is only in B: kho-tui {against.path} shows it"), Role.WARN)
        else:
            self.stage.bottom.say("this row leads nowhere", Role.DIM)

    def action_only_changes(self) -> None:
        """Only what differs, or all."""
        self.only_changes = not self.only_changes
        self._rows_changed()
        self._selected()

    def action_filter(self) -> None:
        """Ask for the words that rows have to hold."""
        self.stage.bottom.ask("filter", self.words)

    def filtered(self, text: str) -> None:
        """Show only rows that hold these words, and what they are in."""
        self.words = text.strip()
        self._rows_changed()
        for number in self._rows if self.words else ():
            self._model.nodes[number].expanded = True
        self._rows_changed()
        self._selected()

    def action_bytes(self) -> None:
        """Bytes, or fields again."""
        self._show_below(Below.FIELDS if self.below.mode is Below.BYTES else Below.BYTES)

    def action_predict(self) -> None:
        """What the simulator makes of A, against B."""
        if self._against is None:
            self.stage.bottom.say("only one state is open: `:predict PATH` simulates and compares in one step", Role.DIM)
        else:
            self.stage.predict(self._against.path)

    def map(self) -> bool:
        """Both maps, or fields again."""
        self._show_below(Below.FIELDS if self.below.mode is Below.MAPS else Below.MAPS)
        return True

    def _show_below(self, mode: Below) -> None:
        self.below.mode = mode
        self._fit_below()
        self.stage.moved()

    # What the screen asks

    def arrive(self, spot: Spot | None) -> None:
        """Show the comparison that there is now, and the row of that number."""
        if isinstance(spot, ListSpot):
            self._start = spot
        if self.stage.loaded.against is not self._against:
            self._take()
        elif self._start is not None and self._model.nodes:
            start, self._start = self._start, None
            self.words = start.words
            self._model.reveal(min(start.row, len(self._model.nodes) - 1))
            self._rows_changed(start.row)
            self._read()

    @property
    def here(self) -> Spot | None:
        """The selected row and the filter."""
        return ListSpot(self.WHERE, self._rows[self.table.cursor] if self._rows else 0, self.words)

    @property
    def trail(self) -> tuple[SafeText, ...]:
        """The way to the selected thing."""
        node = self.node
        path = (node.old or node.new) if node is not None else None
        return tuple(SafeText(part) for part in path.parts) if path is not None else (node.label,) if node is not None else ()

    @property
    def panes(self) -> Sequence[Widget]:
        """The tree and what is below it."""
        return (self.table, self.below.shown)

    def step(self, direction: int) -> bool:
        """To the next or previous change, around the ends; in the maps to the next stretch that differs."""
        if self.below.maps.has_focus and self.below.maps.step(direction):
            return True
        stops = self._stops
        if not stops:
            self.stage.bottom.say("nothing differs here", Role.DIM)
            return True
        here = self._rows[self.table.cursor] if self._rows else 0
        at = bisect_right(stops, here) if direction > 0 else bisect_left(stops, here) - 1
        there = stops[at % len(stops)]
        self._model.reveal(there)
        self._rows_changed(there)
        self._selected()
        return True

    @property
    def selection(self) -> Value | None:
        """The new value of the selected field, else what is said of the selected row."""
        pair = self.below.pair
        if pair is not None:
            value = pair.old if pair.new is None else pair.new
            return None if value is None else Value(name=pair.name, unit=pair.unit, value=value)
        node = self.node
        words = f"{node.mark} {node.old or node.new or node.label}: {'; '.join(reason_of(node))}" if node is not None else ""
        return Value(name="difference", unit=Unit.TEXT, value=words.encode(), status=Status.DERIVED) if words else None

    @property
    def command(self) -> tuple[str, ...]:
        """The command that prints the comparison."""
        against = self._against
        # A path that looks like an option would have to come last, and here are two.
        if against is None or self.stage.loaded.path.startswith("-"):
            return ("show",)
        return ("diff", f"./{against.path}" if against.path.startswith("-") else against.path)

    @property
    def note(self) -> SafeText:
        """Filter, which of the changes is selected, and whether all is shown."""
        said = [f"{visible(self.words)}: {plural(sum(self._fitting), 'row')}"] if self.words else []
        here = self._rows[self.table.cursor] if self._rows else 0
        at = bisect_left(self._stops, here)
        said += [f"{at + 1}/{len(self._stops)}"] if at < len(self._stops) and self._stops[at] == here else []
        said += ["all shown"] if not self.only_changes and self._model.nodes else []
        return SafeText(f" {look_of(self).glyphs.dot} ".join(said)) if said else NO_TEXT

    def stop(self) -> bool:
        """Esc ends the filter, then closes bytes and maps."""
        if self.words:
            self.filtered("")
            return True
        if self.below.mode is not Below.FIELDS:
            self._show_below(Below.FIELDS)
            return True
        return False
