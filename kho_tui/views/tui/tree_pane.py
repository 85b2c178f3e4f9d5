"""The tree: what the state holds, opened step by step."""

from __future__ import annotations

from textual import events, on

from kho_tui.model.entity import Entity
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText
from kho_tui.views.tui.background import Finished, run_beside
from kho_tui.views.tui.changes import Changes
from kho_tui.views.tui.check_rows import NO_MARKS, Marks, mark_line
from kho_tui.views.tui.keys import key
from kho_tui.views.tui.lines import STATUS_ROLE, Line, Role, fit, spans, width_of
from kho_tui.views.tui.paint import look_of
from kho_tui.views.tui.table_view import TableView
from kho_tui.views.tui.tree_model import Node, TreeModel

_QUIET = frozenset({Status.DECODED, Status.DERIVED})
_LEAST_TITLE = 6
_LEAST_SUMMARY = 6


class TreePane(TableView):
    """The entity walk; its cursor says what the other panes show."""

    BINDINGS = [  # noqa: RUF012 - as Textual declares it
        key("left,h", "collapse", "collapse, or to the parent", "tree.collapse"),
        key("right,l", "expand", "expand, or to the first child", "tree.expand"),
        key("space", "open_or_close", "expand or collapse", "tree.toggle"),
    ]

    def __init__(self, model: TreeModel, changes: Changes, *, id: str) -> None:
        super().__init__("state", id=id)
        self.model = model
        self._changes = changes
        self._marks = NO_MARKS
        self.busy = False

    def mark(self, marks: Marks) -> None:
        """Mark what errors and warnings speak of."""
        self._marks = marks
        self.refresh()

    def row_count(self) -> int:
        """Visible rows of the tree."""
        return len(self.model.rows)

    def lines(self, start: int, count: int, width: int) -> list[Line]:
        """Indented titles with a status word where it matters."""
        return [self._node_line(node, width) for node in self.model.rows[start : start + count]]

    def title_note(self) -> str:
        """Nothing: a count of visible tree rows tells nobody anything."""
        return ""

    @property
    def entity(self) -> Entity | None:
        """The entity at the cursor."""
        return self.model.rows[self.cursor].entity if self.model.rows else None

    def go(self, path: EntityPath) -> bool:
        """Open the way to an entity and put the cursor on it; False where there is none."""
        index = self.model.reveal(path)
        if index is None:
            return False
        self.rows_changed(index)
        return True

    def action_expand(self) -> None:
        """Open the row, or go to its first child where it is open."""
        node = self.model.rows[self.cursor]
        if node.expanded:
            self.cursor += 1
        elif not node.leaf and not self.busy:
            self._open(node)

    def _open(self, node: Node) -> None:
        def opened(_children: object) -> None:
            self.busy = False
            index = next((i for i, row in enumerate(self.model.rows) if row is node), None)
            if index is not None and self.model.expand(index):
                self.rows_changed(self.cursor if self.cursor <= index else self.cursor + self.model.last_below(index) - index)
            self.contents_changed()

        def failed(_error: BaseException, _text: SafeText) -> None:
            self.busy = False

        if self.model.is_fetched(node.entity):
            opened(None)
        else:
            self.busy = True
            run_beside(self, lambda: self.model.fetch(node.entity), opened, failed)

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.stop()
        message.deliver()

    def action_collapse(self) -> None:
        """Close the row, or go to its parent where it is closed."""
        if self.model.collapse(self.cursor):
            self.rows_changed(self.cursor)
        elif (parent := self.model.parent(self.cursor)) is not None:
            self.cursor = parent

    def action_open_or_close(self) -> None:
        """Open or close the row."""
        if self.model.rows[self.cursor].expanded:
            self.action_collapse()
        elif not self.model.rows[self.cursor].leaf:
            self.action_expand()

    def on_click(self, event: events.Click) -> None:
        """A click on the marker opens or closes."""
        row = event.y - self.head_lines + self.scroll_offset.y
        on_marker = event.y >= self.head_lines and row < self.row_count() and event.x // 2 == self.model.rows[row].depth
        if event.chain == 1 and on_marker:
            self.cursor = row
            self.action_open_or_close()

    def _node_line(self, node: Node, width: int) -> Line:
        glyphs = look_of(self).glyphs
        entity = node.entity
        marker = " " if node.leaf else glyphs.expanded if node.expanded else glyphs.collapsed
        loud = entity.status not in _QUIET
        title_role = STATUS_ROLE[entity.status] if loud else Role.TITLE if node.depth == 0 else Role.TEXT
        indent = "  " * node.depth + marker + " "
        mark = self._mark(node)
        word = f" {entity.status.value}" if loud else ""
        # Of a long title the word about its status must not be what is cut.
        room = max(width - len(indent) - width_of(mark) - len(word), _LEAST_TITLE)
        title = fit(spans((entity.title, title_role)), room, glyphs.ellipsis)
        line = (*spans((indent, Role.DIM)), *mark, *title, *spans((word, STATUS_ROLE[entity.status])))
        if entity.summary and width - width_of(line) >= _LEAST_SUMMARY:
            line += spans((f"  {entity.summary}", Role.DIM))
        return line

    def _mark(self, node: Node) -> Line:
        """What is wrong here, and what happened since the last read: new, another; of a closed row also what is so below it."""
        path, closed = node.entity.path, not node.expanded
        line = mark_line(self._marks, path, with_below=closed)
        if path in self._changes.new:
            return line + spans(("+ ", Role.MARK))
        if path in self._changes.changed:
            return line + spans(("~ ", Role.MARK))
        return line + (spans(("~ ", Role.DIM)) if path in self._changes.above and closed else ())
