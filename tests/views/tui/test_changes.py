"""What became another between two reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.errors import Cancelled
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Detail, Entity, Value
from kho_tui.model.path import EntityPath, parse_path
from kho_tui.text import SafeText
from kho_tui.views.tui.changes import changed_paths


def state(values: dict[str, int]) -> Entity:
    """A tree with a value at each of these paths; what lies between has none."""

    def at(path: EntityPath) -> Entity:
        below = sorted({key.parts[: len(path.parts) + 1] for key in keys if key.parts[: len(path.parts)] == path.parts and key != path})
        number = values.get(str(path))
        detail: Callable[[], Detail] = lambda: Detail(() if number is None else (Value(name="value", unit=Unit.COUNT, value=number),))  # noqa: E731
        children: Callable[[], Sequence[Entity]] = lambda: [at(EntityPath(parts)) for parts in below]  # noqa: E731
        return Entity(path=path, kind="thing", title=SafeText(path.parts[-1] if path.parts else "state"), detail=detail, children=children)

    keys = [parse_path(text) for text in values]
    return at(EntityPath())


def paths(found: frozenset[EntityPath]) -> set[str]:
    return {str(path) for path in found}


def never() -> bool:
    return False


def test_changed_new_and_gone_are_told_with_what_holds_them() -> None:
    before = state({"out/LUO/a": 1, "out/LUO/b": 1, "out/map": 1})
    after = state({"out/LUO/a": 1, "out/LUO/b": 2, "out/LUO/c": 1})
    found = changed_paths(before, after, never)
    assert paths(found.changed) == {"out/LUO/b"}
    assert paths(found.new) == {"out/LUO/c"}
    assert paths(found.above) == {"out", "out/LUO"}
    assert str(found) == "1 changed, 1 new, 1 gone"


def test_nothing_changed_says_so() -> None:
    one = {"out/LUO/a": 1}
    assert str(changed_paths(state(one), state(one), never)) == "nothing changed"


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        changed_paths(state({"a": 1}), state({"a": 1}), lambda: True)


LEAVES = st.dictionaries(st.sampled_from(["a/x", "a/y", "b/x", "b/y/z", "c"]), st.integers(0, 3))


@given(LEAVES, LEAVES)
def test_every_leaf_is_the_same_changed_new_or_gone(before: dict[str, int], after: dict[str, int]) -> None:
    found = changed_paths(state(before), state(after), never)
    assert paths(found.changed) == {path for path in after if path in before and before[path] != after[path]}
    assert {path for path in paths(found.new) if path in after} == after.keys() - before.keys()
