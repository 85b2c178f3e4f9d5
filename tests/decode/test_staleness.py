"""What a running kernel was handed: only what it has not given back is a fact, however well the rest still decodes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from captures import all_captures
from expected import Document, shown

STALE = [path for path in all_captures() if (path / "kho/in/fdt").exists()]
WITH_MEMORY = [path for path in STALE if (path / "memory.elf").exists()]
POST_MEMORY = [path for path in all_captures() if path.name.endswith("post") and (path / "memory.elf").exists()]


def name_of(path: Path) -> str:
    return "-".join(path.parts[-2:])


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name_of)


def find(root: str, step: str) -> Path:
    found = next((path for path in all_captures() if path.parts[-2:] == (root, step)), None)
    if found is None:
        pytest.skip(f"{root}/{step} is not at hand")
    return found


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value) of a JSON document."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key, one
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)


def content(side: Document, name: str) -> Any:
    return next((s["content"] for s in side["subtrees"] if s["name"] == name), None)


def assert_states_nothing_that_was_given_back(side: Document) -> None:
    preserved = side["preserved"]
    assert preserved["state"] == "stale"
    assert preserved["reason"]
    assert (preserved["blocks"], preserved["bytes"], preserved["by_order"]) == (None, None, None)
    assert "block_list" not in preserved
    for key, value in walk(side["subtrees"]):
        if key in ("sessions", "flbs", "folio_list", "memfd"):
            assert value is None, key
    for subtree in side["subtrees"]:
        if subtree["state"] == "stale":
            assert (subtree["content"], subtree["compatible"]) == (None, None)
            assert subtree["reason"]


@each(STALE)
def test_the_incoming_side_counts_nothing_that_was_given_back(path: Path) -> None:
    assert_states_nothing_that_was_given_back(shown(path)["sides"]["in"])


@each(WITH_MEMORY)
def test_nor_does_it_without_its_memory(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "capture", ignore=shutil.ignore_patterns("memory.elf"))
    assert_states_nothing_that_was_given_back(shown(tmp_path / "capture")["sides"]["in"])


@each(STALE)
def test_what_the_kernel_keeps_is_a_fact(path: Path) -> None:
    """Root FDT, memblock's FDT, kexec-metadata, the FDT of the test module, and LUO's FDT from 6.19 to 7.1."""
    side = shown(path)["sides"]["in"]
    assert side["fdt"]["libfdt"] == "ok"
    states = {s["name"]: s["state"] for s in side["subtrees"]}
    luo = states.pop("LUO", None)
    assert set(states.values()) == {"decoded"}
    assert content(side, "memblock")["regions"]
    if luo is not None:
        assert luo == ("stale" if side["abi"] == "kho-v4" else "decoded")
    if (test := content(side, "kho_test")) is not None:
        assert test["folios"] > 0
        assert test["folio_list"] is None
    handed_over = path.parent / path.name.replace("post", "pre") / "expected.json"
    if path.name.endswith("post") and handed_over.exists():
        truth = {s["name"]: s for s in json.loads(handed_over.read_text())["subtrees"]}
        assert [s["name"] for s in side["subtrees"]] == list(truth)
        if luo == "decoded":
            assert content(side, "LUO")["liveupdate_number"] == truth["LUO"]["luo"]["liveupdate_num"]
        if "kexec-metadata" in truth:
            assert content(side, "kexec-metadata") == truth["kexec-metadata"]["metadata"]


@each(STALE)
def test_the_verdict_counts_nothing_incoming(path: Path) -> None:
    document = shown(path)
    incoming = document["verdict"][document["verdict"].index("in: ") :]
    assert not re.search(r"\d (block|session|file|folio|[KMG]iB)", incoming)


@pytest.mark.parametrize("step", ["1-post", "2-post"])
def test_the_luo_struct_of_7_3_is_no_fact_even_where_it_looks_whole(step: str) -> None:
    document = shown(find("x86_64-7.3", step))
    luo = next(s for s in document["sides"]["in"]["subtrees"] if s["name"] == "LUO")
    assert (luo["state"], luo["content"]) == ("stale", None)
    hints = [f["where"] for f in document["findings"] if f["code"] == "KHO119"]
    assert hints == (["in/LUO"] if step == "2-post" else []), "in 1-post it is overwritten, in 2-post it still reads well"


def test_a_state_with_both_sides_keeps_them_apart() -> None:
    """The second handover: out is fact, in is stale; the counts of out are not those of in."""
    sides = shown(find("x86_64-7.3", "2-pre"))["sides"]
    assert sides["out"]["preserved"]["state"] == "decoded"
    assert sides["out"]["preserved"]["blocks"] == 3612
    assert content(sides["out"], "LUO")["sessions_state"] == "decoded"
    assert_states_nothing_that_was_given_back(sides["in"])


@each(POST_MEMORY)
def test_memory_of_a_running_kernel_alone_states_no_blocks(path: Path, tmp_path: Path) -> None:
    """No word on the side: still no count of what was handed in, such as 32119 blocks for the 2053 of 6.19."""
    shutil.copy(path / "memory.elf", tmp_path / "memory.elf")
    document = shown(tmp_path / "memory.elf")
    for side in document["sides"].values():
        if side is not None and side["fdt"] is not None:
            assert_states_nothing_that_was_given_back(side)


def test_6_19_s_plausible_blocks_are_nowhere(tmp_path: Path) -> None:
    path = find("x86_64-6.19", "1-post")
    for name in (".", "memory.elf"):
        printed = json.dumps(shown(path / name))
        assert "32119" not in printed


def test_all_captures_after_a_kexec_are_looked_at() -> None:
    if not STALE:
        pytest.skip("no capture of a kernel that booted through KHO is at hand")
    assert {path.parts[-2] for path in STALE} >= {"x86_64-7.3"}
