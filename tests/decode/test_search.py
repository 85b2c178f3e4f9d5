"""The search for root FDTs in raw images: what is a hole costs nothing, what is there is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import sample
from expected import shown
from raw_images import segments_of, write_raw

from kho_tui.context import Context
from kho_tui.memory.source import FileSource
from kho_tui.operations.open_state import open_state


@pytest.mark.parametrize("name", ["x86_64-6.18/1-pre", "x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-7.3/1-pre"])
def test_a_tebibyte_of_holes_is_read_where_it_holds_something(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "guest.raw"
    write_raw(image, segments_of(sample(name)), 1 << 40)
    read = [0]
    plain = FileSource.read_at

    def counted(self: FileSource, offset: int, size: int) -> bytes:
        read[0] += size
        return plain(self, offset, size)

    monkeypatch.setattr(FileSource, "read_at", counted)
    side, same = shown(image)["sides"]["unsided"], shown(sample(name))["sides"]["out"]
    assert side["fdt"]["phys"] == same["fdt"]["phys"]
    assert [(one["name"], one["phys"]) for one in side["subtrees"]] == [(one["name"], one["phys"]) for one in same["subtrees"]]
    assert read[0] < 256 << 20


def test_the_search_tells_bytes_of_what_is_stored(tmp_path: Path) -> None:
    image = tmp_path / "guest.raw"
    write_raw(image, segments_of(sample("x86_64-7.3/1-pre")), 1 << 40)
    told = []
    context = Context(progress=lambda what, done, total, unit: told.append((what, done, total, unit)))
    with open_state(image, context):
        pass
    searched = [one for one in told if "searching memory" in one[0]]
    assert searched and {unit for *_, unit in searched} == {"bytes"}
    totals = {total for _, _, total, _ in searched if total is not None}
    assert totals and max(totals) < 1 << 30
    assert all(done <= total for _, done, total, _ in searched if total is not None)
