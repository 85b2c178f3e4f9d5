"""How keys are bound, and how they are called on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.keys import _character_to_key

if TYPE_CHECKING:
    from textual.screen import Screen

_NAMES = {
    "question_mark": "?",
    "less_than_sign": "<",
    "greater_than_sign": ">",
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
_SHORT = {"Bksp": "backspace"}
"""Names that a hint has no room for."""
_LONG = {name: long for long, name in _NAMES.items()} | _SHORT
_MODIFIERS = {"ctrl": "Ctrl", "shift": "Shift", "alt": "Alt"}


def key(keys: str, action: str, description: str, id: str, *, overtakes: bool = True) -> Binding:
    """A binding of ours.

    Almost all have priority, so that keys take effect in the order in which they come: Textual handles a key without priority
    only after it went through the queues of widget, screen and app, and a ``/`` or Tab would come too late for what was typed behind
    it (a slow line delivers several keys at once). ``overtakes`` False: a key that acts on what was typed before it, which still goes
    through these queues.
    """
    return Binding(keys, action, description, id=id, show=False, priority=overtakes)


def key_name(one: str) -> str:
    """A key of Textual as people write it."""
    *modifiers, last = one.split("+")
    return "-".join([*(_MODIFIERS.get(m, m) for m in modifiers), _NAMES.get(last, last)])


def shown_keys(screen: Screen[Any], names: str) -> str:
    """What a hint calls keys (``Enter``, ``+ -``), where the user's config put others in the place of some of them: those."""
    keymap = screen.app._keymap
    return " ".join(_shown_key(screen, name, keymap) for name in names.split(" ")) if keymap else names


def _shown_key(screen: Screen[Any], name: str, keymap: Mapping[str, str]) -> str:
    wanted = _LONG.get(name, _character_to_key(name) if len(name) == 1 else name.lower())
    # From the app down, as keys of priority are looked up.
    nodes = reversed((screen.focused or screen).ancestors_with_self)
    binding = next((found[0] for node in nodes if (found := node._bindings.key_to_bindings.get(wanted))), None)
    keys = keymap.get(binding.id or "") if binding is not None else None
    return key_name(keys.split(",")[0]) if keys else name
