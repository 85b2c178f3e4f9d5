"""Memory in which pages could not be read: a root FDT may lie in them, so nothing says that there is no KHO state."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from captures import sample
from memory.kdump_writer import Dump

from kho_tui.abi.root import ROOT_PREFIX
from kho_tui.context import Context
from kho_tui.memory.kdump_format import INCOMPLETE
from kho_tui.memory.page_codecs import CODECS
from kho_tui.model.facts import known
from kho_tui.model.verdict import verdict
from kho_tui.operations.open_state import open_state

PAGE = 4096
UNKNOWN = 1 << 20


def dump_of_the_state() -> tuple[Dump, int]:
    """The memory of a capture as a dump, with the number of the root FDT's page."""
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        assert opened.memory is not None
        root = opened.state.sides["out"].root
        pages = {
            at // PAGE: opened.memory.read(at, PAGE)
            for extent in opened.memory.extents()
            for at in range(extent.start, extent.start + extent.size, PAGE)
        }
    at = known(root.phys)  # type: ignore[union-attr]
    assert at is not None and ROOT_PREFIX in pages[at // PAGE]
    return Dump(pages=pages, end=max(pages) + 1), at // PAGE


def said(path: Path) -> str:
    with open_state(path, Context(), even_without_kho=True) as opened:
        return verdict(opened.state)


@pytest.mark.parametrize("way", ["damaged", "unknown compression"])
def test_a_root_in_a_page_that_cannot_be_read_is_not_called_absent(way: str, tmp_path: Path) -> None:
    dump, number = dump_of_the_state()
    data = bytearray(dump.write())
    descriptor, start = dump.places[number]
    if way == "damaged":
        for at in range(start, start + 40):
            data[at] ^= 0xA5
    else:
        struct.pack_into("<I", data, descriptor + 12, UNKNOWN)
    (tmp_path / "vmcore").write_bytes(data)
    line = said(tmp_path / "vmcore")
    assert "no KHO state" not in line
    assert "cannot be told: a root FDT may lie in what was not read: 1 page could not be read (" in line and "damaged" in line


def test_a_dump_that_is_incomplete_by_its_header_is_not_called_empty(tmp_path: Path) -> None:
    bit = next(one.bit for one in CODECS.values())
    dump, number = dump_of_the_state()
    held = {page: data for page, data in dump.pages.items() if page != number}
    (tmp_path / "vmcore").write_bytes(Dump(pages=held, end=dump.end, status=bit | INCOMPLETE).write())
    line = said(tmp_path / "vmcore")
    assert "no KHO state" not in line and "this dump is incomplete" in line


def test_a_dump_that_was_read_whole_and_holds_no_root_has_no_state(tmp_path: Path) -> None:
    (tmp_path / "vmcore").write_bytes(Dump(pages={1: b"x" * PAGE}, end=2).write())
    assert said(tmp_path / "vmcore") == "no KHO state here: its memory holds no root FDT"
