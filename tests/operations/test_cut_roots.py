"""Each real root FDT cut at every length: what the cut leaves is said as it is, and what it takes is never invented, missed or lost.

The tokens are read here by hand, so that what is whole at a length is known without the program.
"""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path

import pytest
from captures import all_captures, capture, copy_of, read

from kho_tui.model.facts import Missing
from kho_tui.views.cli.main import run

COMMANDS = ("x86_64-6.18/1-pre", "x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-7.3/1-pre", "x86_64-7.3/2-pre")
"""Captures whose root FDT goes through every command; all others through ``show``."""

STEPS = [pytest.param(1, marks=pytest.mark.nightly), 29]
"""Every how many lengths the other commands are asked too: no multiple of the 4 bytes to which all is aligned."""


def lengths(start: int, stop: int, step: int) -> list[int]:
    """At which a blob that is not alone is cut: everywhere, or by day at every third and wherever the other commands are asked."""
    return [length for length in range(start, stop) if step == 1 or not (length % 3 and length % step)]


@cache
def roots() -> dict[bytes, Path]:
    """Each whole root FDT that a capture holds, once, and a capture that holds it."""
    found: dict[bytes, Path] = {}
    for path in all_captures():
        for side in read(path).sides.values():
            if not isinstance(side.root, Missing) and not side.root.view.tree.truncated:
                found.setdefault(side.root.data, path)
    return found


def names_of(blob: bytes, length: int) -> tuple[list[str], str | None]:
    """Names of the root's subnodes that the first ``length`` bytes hold whole, and what one more begins with."""
    whole: list[str] = []
    at, depth = struct.unpack_from(">I", blob, 8)[0], 0
    while at + 4 <= length:
        tag = struct.unpack_from(">I", blob, at)[0]
        start, at = at + 4, at + 4
        if tag == 1:
            end = blob.index(b"\0", start)
            if depth == 1 and end >= length:
                return whole, blob[start:length].decode()
            if depth == 1:
                whole.append(blob[start:end].decode())
            depth += 1
            at = start + (end + 1 - start + 3) // 4 * 4
        elif tag == 2:
            depth -= 1
        elif tag == 3 and at + 8 <= length:
            at += 8 + (struct.unpack_from(">I", blob, at)[0] + 3) // 4 * 4
        elif tag in (3, 9):
            break
    return whole, None


def shown(path: Path, capsys: pytest.CaptureFixture[str], *command: str, side: str = "out") -> dict[str, object]:
    """What ``--json`` of a command says of a side."""
    run([command[0], str(path), *command[1:], "--json"])
    sides: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)["sides"]
    return sides[side] or sides["unsided"]


@pytest.mark.parametrize("number", range(16))
def test_a_bare_root_tells_what_it_holds_at_every_length(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if number >= len(roots()):
        pytest.skip("the captures at hand have no more root FDTs")
    blob = list(roots())[number]
    everything, _ = names_of(blob, len(blob))
    for length in range(40, len(blob)):
        path = tmp_path / "fdt"
        path.write_bytes(blob[:length])
        if length < blob.index(b"kho-v") + len(b"kho-v4\0"):
            assert run(["show", str(path)]) == 2, f"{length}: its version is not there"
            assert f"fdt ends after {length} of {len(blob)} bytes" in capsys.readouterr().out
            continue
        side = shown(path, capsys, "show")
        subtrees, more = side["subtrees"], side["more_subtrees"]
        whole, begun = names_of(blob, length)
        assert isinstance(subtrees, list) and [one["name"] for one in subtrees] == whole, length
        if more is None:
            assert whole == everything, length
        else:
            assert isinstance(more, dict) and more["name_begins_with"] == begun, length
        assert side["abi"] == blob[blob.index(b"kho-v") :][:6].decode(), length
        assert run(["show", str(path)]) == 0
        text = capsys.readouterr().out
        if begun:
            assert f'its name begins with "{begun}"' in text, length


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_cut_root_with_its_subtrees_beside_it(name: str, step: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As debugfs shows it: ``out/fdt`` ends early, ``out/sub_fdts`` are whole, there is no memory."""
    original = capture(name)
    root = read(original).sides["out"].root
    assert not isinstance(root, Missing)
    everything, _ = names_of(root.data, len(root.data))
    cut, whole = (tree_without_memory(original, tmp_path / which) for which in ("cut", "whole"))
    (whole / "kho/out/fdt").write_bytes(root.data)
    present = {one.name for one in (cut / "kho/out/sub_fdts").iterdir()} if (cut / "kho/out/sub_fdts").is_dir() else set()
    after = original.parent / original.name.replace("pre", "post")
    for length in lengths(40, len(root.data), step):
        (cut / "kho/out/fdt").write_bytes(root.data[:length])
        named, begun = names_of(root.data, length)
        side = shown(cut, capsys, "show")
        subtrees = side["subtrees"]
        assert isinstance(subtrees, list)
        listed = [one["name"] for one in subtrees]
        assert len(set(listed)) == len(listed) and set(listed) == {*named, *present}, (length, listed)
        if length % step:
            continue
        # A difference that the cut makes is none, whichever of the two it is in.
        assert run(["diff", str(whole), str(cut)]) == 0 and run(["diff", str(cut), str(whole)]) == 0, (length, capsys.readouterr().out)
        assert run(["diff", str(whole), str(cut), "--strict"]) == 2, length
        assert run(["check", str(cut)]) == 2, (length, capsys.readouterr().out)
        capsys.readouterr()
        assert run(["check", str(cut), "--target", side_release(name)]) in (0, 2), (length, capsys.readouterr().out)
        if length // step % 3 == 0 and after.is_dir():
            assert run(["check", str(cut), "--after", str(after)]) == run(["check", str(whole), "--after", str(after)]), length
        said = capsys.readouterr().out
        assert all(f" {begun[:n]}:" not in said for n in range(1, len(begun)) if begun) if begun else True
    assert set(everything) >= present


def side_release(name: str) -> str:
    """The release of a capture's kernel."""
    return name.split("/")[0].split("-")[1]


def tree_without_memory(original: Path, to: Path) -> Path:
    """A copy of the debugfs files of a capture and of the texts beside them."""
    copy_of(original, to)
    for name in ("memory.elf", "expected.json", "capture.json"):
        (to / name).unlink(missing_ok=True)
    return to


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ["x86_64-6.18/1-pre", "x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-7.3/1-pre"])
def test_a_cut_blob_of_a_subtree(name: str, step: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a copy of debugfs on a full disk leaves it."""
    whole, cut = (tree_without_memory(capture(name), tmp_path / which) for which in ("whole", "cut"))
    regions = region_names(shown(whole, capsys, "show"))
    for blob in sorted((whole / "kho/out/sub_fdts").iterdir()):
        data = blob.read_bytes()
        for length in lengths(0, len(data), step):
            (cut / "kho/out/sub_fdts" / blob.name).write_bytes(data[:length])
            what = f"{blob.name}, {length} of {len(data)}"
            left = region_names(shown(cut, capsys, "show"))
            assert left == regions[: len(left)], what
            if length % step:
                continue
            for command in (["diff", whole, cut], ["diff", cut, whole], ["check", cut], ["check", cut, "--target", side_release(name)]):
                code = run(list(map(str, command)))
                said = capsys.readouterr().out
                assert code == (0 if command[0] == "diff" else 2), (what, command[0], said)
        (cut / "kho/out/sub_fdts" / blob.name).write_bytes(data)


def region_names(side: dict[str, object]) -> list[str]:
    """The regions of memblock, as far as they are shown."""
    subtrees = side["subtrees"]
    assert isinstance(subtrees, list)
    contents = [one["content"] for one in subtrees if one["name"] == "memblock"]
    return [region["name"] for content in contents if content and "regions" in content for region in content["regions"]]
