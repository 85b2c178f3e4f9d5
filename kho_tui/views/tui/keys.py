"""How keys are bound, and how they are called on the screen."""

from __future__ import annotations

from textual.binding import Binding

_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "at": "@",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "colon": ":",
    "enter": "Enter",
    "backspace": "Backspace",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
}
_MODIFIERS = {"ctrl": "Ctrl", "shift": "Shift", "alt": "Alt"}


def key(keys: str, action: str, description: str, id: str) -> Binding:
    """A binding of ours.

    All have priority, so that keys take effect in the order in which they come: Textual handles a key without priority
    only after it went through the queues of widget, screen and app, and a ``/`` or Tab would come too late for what was typed behind
    it (a slow line delivers several keys at once).
    """
    return Binding(keys, action, description, id=id, show=False, priority=True)


def key_name(one: str) -> str:
    """A key of Textual as people write it."""
    *modifiers, last = one.split("+")
    return "-".join([*(_MODIFIERS.get(m, m) for m in modifiers), _NAMES.get(last, last)])
