"""How often the screen is laid out and drawn for a key: what an answer costs, told without a clock."""

from __future__ import annotations

from collections import Counter

import pytest
from captures import CHECKOUT
from textual._compositor import Compositor
from views.app_user import opening, using_state

from kho_tui.views.tui import tree_body

ONE_PRE = "samples/x86_64-7.3/1-pre"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Layouts and drawings from here on."""
    counts = Counter[str]()
    for name in ("reflow", "render_update"):
        told = getattr(Compositor, name)

        def count(self: Compositor, *args: object, told: object = told, name: str = name, **words: object) -> object:
            counts[name] += 1
            return told(self, *args, **words)  # type: ignore[operator]

        monkeypatch.setattr(Compositor, name, count)
    return counts


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_move_in_the_tree_is_one_layout_and_one_drawing(
    size: tuple[int, int], counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy the machine: what is read late is drawn late.
    monkeypatch.setattr(tree_body, "_PATIENCE", 60.0)
    async with using_state(opening(ONE_PRE), size) as user:
        # What the check finds is marked in the tree when it is known.
        await user.until(lambda: not user.state.loaded.checking.is_running)
        for key in ("j",) * (user.tree.entities.row_count() - 1) + ("g", "g", "G", "k"):
            await user.stands_still()
            counted.clear()
            await user.press(key)
            await user.settle()
            assert counted["reflow"] <= 1, (key, user.path)
            assert counted["render_update"] <= 1, (key, user.path)
