"""Every real capture against what an independent decoder read from it: ``expected.json``, in full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import captures_with_truth
from expected import assert_root_is, assert_side_is, expected_subtree, number, seen_subtree, shown

CAPTURES = captures_with_truth()


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: "-".join(p.parts[-2:]))
def test_state_equals_what_an_independent_decoder_read(path: Path) -> None:
    expected = json.loads((path / "expected.json").read_text())
    document = shown(path)
    if "handed_over_by" not in expected:
        assert_side_is(document["sides"]["out"], expected, document["source"]["page_size"])
        return
    side = document["sides"]["in"]
    assert_root_is(side, expected)
    assert [seen_subtree(s, deep=False) for s in side["subtrees"]] == [expected_subtree(s) for s in expected["subtrees"]]
    assert side["preserved"]["state"] == "stale"
    assert side["preserved"]["blocks"] is None


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: "-".join(p.parts[-2:]))
def test_scratch_is_the_table_of_debugfs(path: Path) -> None:
    starts = [int(line, 16) for line in (path / "kho/out/scratch_phys").read_text().split()]
    sizes = [int(line, 16) for line in (path / "kho/out/scratch_len").read_text().split()]
    areas = shown(path)["scratch"]
    assert [(number(a["start"]), a["size"]) for a in areas] == list(zip(starts, sizes, strict=True))
    assert [a["kind"] for a in areas] == ["lowmem", "global", "node", "node"]
    has_zones = (path / "zoneinfo").exists() or (path / "memblock/memory").exists()
    assert [a["node"] for a in areas] == ([None, None, 0, 1] if has_zones else [None] * 4)


@pytest.mark.shared
def test_all_captures_are_compared_where_shared_is_there() -> None:
    assert len(CAPTURES) >= 22
