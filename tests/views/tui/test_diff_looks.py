"""How two compared states look, as pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from captures import CHECKOUT
from textual.pilot import Pilot
from views.app_user import User, opening

from kho_tui.text import SafeText
from kho_tui.views.tui.app import KhoApp

Compare = Callable[..., bool]

ONE_PRE = "samples/x86_64-7.3/1-pre"
TWO_PRE = "samples/x86_64-7.3/2-pre"
SIZES = [(80, 24), (160, 48)]


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


def looks(compare: Compare, size: tuple[int, int], *keys: str) -> bool:
    app = KhoApp(opening(ONE_PRE), SafeText(ONE_PRE), other=TWO_PRE)

    async def before(pilot: Pilot[None]) -> None:
        user = User(app, pilot)
        await user.opened()
        # To a subtree that changed, with what followed from it below.
        while user.state.body is not None and [str(part) for part in user.state.body.trail] != ["out", "LUO"]:
            await user.press("right_square_bracket")
        await user.press(*keys)
        await user.stands_still()

    return compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_fields_side_by_side(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert looks(snap_compare, size)


@pytest.mark.parametrize("size", SIZES)
def test_fields_without_colours(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks(snap_compare, size)


def test_bytes_side_by_side(snap_compare: Compare) -> None:
    assert looks(snap_compare, (80, 24), "b")


@pytest.mark.parametrize("size", SIZES)
def test_maps_one_above_the_other(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert looks(snap_compare, size, "m", "tab")
