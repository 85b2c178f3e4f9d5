"""Of many findings of one kind few are listed and all are counted, in their own severity."""

from __future__ import annotations

from pathlib import Path

from states.catalogue import kho_v1_slab_bitmaps

from kho_tui.context import Context
from kho_tui.decode.reader import Findings
from kho_tui.model.codes import POINTER_BAD
from kho_tui.model.entities.state import state_entity
from kho_tui.model.path import EntityPath
from kho_tui.operations.open_state import open_state


def test_every_bad_bitmap_is_counted_as_an_error(tmp_path: Path) -> None:
    built = kho_v1_slab_bitmaps()
    image, chunk, spoilt = built.image, built.truth["map"], 0
    while chunk:
        following, _, count = image.unpack("QII", image.read(chunk, 16))
        # The very first one keeps the root FDT: without it the tracker would count as given back.
        for element in range(0 if spoilt else 1, count):
            image.write(chunk + 16 + 16 * element + 8, image.pack("Q", 0))
            spoilt += 1
        chunk = following
    assert spoilt > 250
    built.to_elf(tmp_path / "spoilt.elf")
    with open_state(tmp_path / "spoilt.elf", Context()) as opened:
        state = opened.state
    mine = [one for one in state.findings if one.code == POINTER_BAD.name]
    assert sum(one.count for one in mine) == spoilt
    assert len(mine) == 51 and {one.severity for one in mine} == {"error"}
    assert mine[-1].message == f"{spoilt - 50} more findings of KHO104, not listed"
    summary = next(one for one in state_entity(state).children() if one.kind == "findings").summary
    errors = sum(one.count for one in state.findings if one.severity == "error")
    assert errors >= spoilt and f"{errors} errors" in summary


def test_the_limit_holds_over_several_calls() -> None:
    findings = Findings()
    for _ in range(3):
        findings.add_each(POINTER_BAD, EntityPath(()), range(30), str, int)
    told = findings.all()
    assert len(told) == 51 and findings.count(POINTER_BAD) == 90
    assert (told[0].message, told[3].address, told[-1].count) == ("0", 3, 40)
