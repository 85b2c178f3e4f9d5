"""What a simulated capture declares of itself is read from a file that anybody may have written."""

from __future__ import annotations

import json

import pytest

from kho_tui.model.unpredictable import Unpredictable, from_manifest, to_manifest
from kho_tui.text import SafeText

TOLD = (
    Unpredictable(SafeText("addresses"), ("out",), only_addresses=True),
    Unpredictable(SafeText("noise")),
)


def test_it_comes_back_as_it_was_written() -> None:
    assert from_manifest(json.loads(json.dumps({"simulated": True} | to_manifest(TOLD)))) == TOLD


@pytest.mark.parametrize(
    "told",
    [None, 5, "out", ["a clause of an older capture"], [{"what": 5, "where": ["out"]}], [None], {"what": "all", "where": ["out"]}],
)
def test_what_has_another_form_declares_nothing(told: object) -> None:
    assert from_manifest({"simulated": True, "unpredictable": told}) == ()


def test_only_a_simulated_capture_declares_anything() -> None:
    assert from_manifest(to_manifest(TOLD)) == from_manifest({"simulated": "yes"} | to_manifest(TOLD)) == from_manifest(None) == ()


def test_text_is_made_safe_and_paths_of_another_form_are_left_out() -> None:
    (one,) = from_manifest({"simulated": True, "unpredictable": [{"what": "\x1b[2J" + "x" * 1000, "where": ["in/LUO", 5, ""]}]})
    assert one.text.startswith("\\x1b[2J") and len(one.text) < 420
    assert one.where == ("in/LUO",)


def test_it_covers_what_is_below_and_not_what_is_beside() -> None:
    one = Unpredictable(SafeText("anything"), ("out/LUO",))
    assert one.covers("out/LUO") and one.covers("out/LUO/vm-alpha/0x1")
    assert not one.covers("out/LUO2") and not one.covers("out") and not one.covers("in/LUO")
