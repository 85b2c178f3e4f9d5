"""All bindings of the app by their id, and whether keys that a user sets for them make sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key, key_to_character

import kho_tui.views.tui as places

_EVERYWHERE = frozenset({"app", "state", "go"})
"""What comes before the dot of bindings that hold wherever one is, before those of a pane."""
_MODAL = frozenset({"help", "palette", "prompt", "simulator", "text"})
"""Bindings of what stands over the rest: while it is open the others do not hold."""
_WITHOUT_LIST = frozenset({"map", "diffmap", "load", "palette", "prompt"})
"""Bindings of what is no list and has none with the focus below it."""
_AROUND = (frozenset({"diff", "difftree"}), frozenset({"diff", "diffmap"}))
"""A place and its own panes, where those are not lists alone."""
_WITH_NEAREST = 20
"""Unknown names for which the nearest known ones are looked for."""
_LONGEST_NAME = 80
_NEAREST = 3
_MODIFIERS = frozenset({"ctrl", "shift", "alt", "meta", "super", "hyper"})
_NAMES = frozenset(one.value for one in Keys) | frozenset(KEY_NAME_REPLACEMENTS.values())


@cache
def all_bindings() -> Mapping[str, Binding]:
    """Every binding of every place by its id, in the order of the modules. Imports all of them."""
    found: dict[str, Binding] = {}
    for module in iter_modules(places.__path__, f"{places.__name__}."):
        for one in vars(import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, DOMNode) and one.__module__ == module.name:
                found |= {b.id: b for b in vars(one).get("BINDINGS", ()) if isinstance(b, Binding) and b.id}
    return found


def check_keymap(given: Mapping[str, str]) -> tuple[Mapping[str, str], list[tuple[str, str]]]:
    """The keys that can be used, and for every id whose keys cannot what is wrong. Ids and keys as a user wrote them."""
    known = all_bindings()
    keymap: dict[str, str] = {}
    wrong: list[tuple[str, str]] = []
    for name, keys in given.items():
        if name not in known:
            # The first one is told; the likeness of thousands of names takes seconds.
            nearest = get_close_matches(name[:_LONGEST_NAME], known, _NEAREST, cutoff=0) if len(wrong) < _WITH_NEAREST else ()
            wrong.append((name, f"{name!r} is no action; the nearest are {', '.join(nearest)}"))
            continue
        one_by_one = _keys(keys)
        bad = next((key for key in one_by_one if not _is_key(key)), None)
        if bad is not None:
            wrong.append((name, f"{name} = {keys!r}: {bad!r} is no key; write letters, signs or names like down, pageup, ctrl+x, f5"))
        else:
            keymap[name] = ",".join(one_by_one)
    # One at a time: where two of the user's own collide, the one that stands first is kept.
    kept: dict[str, str] = {}
    for name, keys in keymap.items():
        other = next((clash for clash in _clashes(name, keys, {**keymap, **kept}, known) if clash in kept or clash not in keymap), None)
        if other is None:
            kept[name] = keys
        else:
            common = sorted(set(_keys(keys)) & set(_keys(kept.get(other, known[other].key))))
            wrong.append((name, f"{name} = {keys!r}: {common[0]} is the key of {other} too; give that one another key or take another"))
    return kept, wrong


def _clashes(name: str, keys: str, keymap: Mapping[str, str], known: Mapping[str, Binding]) -> Iterator[str]:
    """Other actions that a key of ``keys`` would reach, or be kept from, in a place where both hold."""
    wanted, own = set(_keys(keys)), set(_keys(known[name].key))
    for other, binding in known.items():
        if other == name or not meet(name, other):
            continue
        theirs = set(_keys(keymap.get(other, binding.key)))
        # What our own bindings share on purpose (Tab in the map) may stay shared.
        if (wanted & theirs) - (own & set(_keys(binding.key))):
            yield other


def meet(one: str, other: str) -> bool:
    """True where there is a place in which the bindings of both ids hold."""
    place, another = one.partition(".")[0], other.partition(".")[0]
    both = frozenset({place, another})
    if len(both) == 1 or both in _AROUND:
        return True
    if "list" in both:
        return not both & _WITHOUT_LIST
    return bool(both & _EVERYWHERE) and not both & _MODAL


def _keys(keys: str) -> list[str]:
    """Keys of a list as Textual names them."""
    return [_character_to_key(key) if len(key) == 1 else key for key in (part.strip() for part in keys.split(","))]


def _is_key(key: str) -> bool:
    *modifiers, last = key.split("+")
    known = last in _NAMES or (key_to_character(last) is not None and len(last) > 0)
    return known and set(modifiers) <= _MODIFIERS
