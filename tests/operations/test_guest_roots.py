"""A root FDT on a page that a memfd owns is a guest's: named, and never chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from altered import altered
from captures import capture, read

from kho_tui.abi.memfd import FOLIO_PFN
from kho_tui.model.facts import Missing
from kho_tui.model.state import Side
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memfd.content import Memfd


def folios_of(side: Side, page_size: int) -> list[int]:
    """Addresses of the folios of all memfds."""
    luo = next(one.content for one in side.subtrees if isinstance(one.content, Luo))
    assert not isinstance(luo.sessions, Missing)
    found: list[int] = []
    for session in luo.sessions.sessions:
        for file in () if isinstance(session.files, Missing) else session.files:
            assert isinstance(file.content, Memfd) and not isinstance(file.content.folios, Missing)
            found += [int(one) * page_size for one in FOLIO_PFN.of_column(file.content.folios.table.column("word0"))]
    return found


@pytest.mark.parametrize("alone", [True, False], ids=["memory alone", "with debugfs"])
@pytest.mark.parametrize("which", [min, max], ids=["lowest folio", "highest folio"])
@pytest.mark.parametrize("name", ["x86_64-6.19/1-pre", "x86_64-7.1/1-pre", "x86_64-7.3/1-pre"])
def test_a_guests_root_is_not_the_hosts(name: str, which: object, alone: bool, tmp_path: Path) -> None:
    state = read(capture(name))
    side = state.sides["out"]
    assert not isinstance(side.root, Missing) and isinstance(side.root.phys, int)
    page = which(folios_of(side, state.machine.platform.page_size))  # type: ignore[operator]
    # The host's tracker keeps the folio: a copy of its root seems to be kept by its own tracker there.
    altered(capture(name), tmp_path / "state", {page: side.root.data})
    after = read(tmp_path / "state" / "memory.elf" if alone else tmp_path / "state")
    (chosen,) = after.sides.values()
    assert not isinstance(chosen.root, Missing) and chosen.root.phys == side.root.phys
    (told,) = (one for one in after.findings if one.address == page)
    assert f"a guest's, for a memfd of the root FDT at {side.root.phys:#x} owns its page" in told.message
    assert "KHO127" not in {one.code for one in after.findings}
