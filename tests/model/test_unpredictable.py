"""What a simulated capture declares of itself is read from a file that anybody may have written."""

from __future__ import annotations

import json

import pytest

from kho_tui.model.unpredictable import Spot, Unpredictable, from_manifest, to_manifest
from kho_tui.text import SafeText

TOLD = (
    Unpredictable(SafeText("addresses"), (Spot("out", "preserved-memory-map", 4096), Spot("out/LUO", "flbs_pa"))),
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
    spots = [
        "in/LUO",
        5,
        "",
        {"path": "in/LUO", "field": "flbs_pa", "align": 8},
        {"path": "in/LUO"},
        {"path": "", "field": "x", "align": 1},
    ]
    spots += [{"path": "in/LUO", "field": "x", "align": align} for align in (0, -4, True, "8", 1 << 70)]
    (one,) = from_manifest({"simulated": True, "unpredictable": [{"what": "\x1b[2J" + "x" * 1000, "where": spots}]})
    assert one.text.startswith("\\x1b[2J") and len(one.text) < 420
    assert one.where == (Spot("in/LUO", "flbs_pa", 8),)


def test_it_speaks_of_one_field_of_one_entity() -> None:
    one = Unpredictable(SafeText("anything"), (Spot("out/LUO", "flbs_pa"),))
    assert one.spot("out/LUO", "flbs_pa") is not None
    assert (
        one.spot("out/LUO", "sessions_pa") is None
        and one.spot("out/LUO/vm-alpha", "flbs_pa") is None
        and one.spot("out", "flbs_pa") is None
    )
