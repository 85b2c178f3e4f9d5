"""A dump without files beside it, of a guest before and after a kexec: which side a root FDT is of, and where scratch lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guests.guest import Guest, kernel, why_not
from guests.looks import areas, messages, shown_here

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.shared]


def sides(document: dict[str, Any]) -> set[str]:
    return {name for name, side in document["sides"].items() if side is not None}


def scratch_of(guest: Guest) -> list[tuple[int, int]]:
    phys, lengths = (guest.check(f"cat /sys/kernel/debug/kho/out/{name}").split() for name in ("scratch_phys", "scratch_len"))
    return [(int(start, 16), int(size, 16)) for start, size in zip(phys, lengths, strict=True)]


def found(document: dict[str, Any]) -> list[tuple[int, int]]:
    return [(int(start, 16), size) for _, start, size in areas(document)]


@pytest.mark.parametrize(
    ("name", "lists_variables"),
    [("7.3-server", True), ("7.3", False)],
)
def test_before_and_after_a_kexec(name: str, lists_variables: bool, tmp_path: Path) -> None:
    if reason := why_not(kernel(name)):
        pytest.skip(reason)
    with Guest(kernel(name), memory_mib=448) as guest:
        guest.check("hold_state hold /share/truth.json")
        table = scratch_of(guest)
        guest.dump(tmp_path / "before", "kdump-zlib")
        before, raw_before = shown_here(tmp_path / "before"), shown_here(guest.ram_file)
        assert found(before) == found(raw_before) == table
        # Without CONFIG_KALLSYMS_ALL the kernel does not tell where its variables are, and a raw image has no VMCOREINFO.
        assert sides(before) == {"out" if lists_variables else "unsided"} and sides(raw_before) == {"unsided"}
        assert ("kho_out points at it" in messages(before)) is lists_variables

        guest.kexec()
        guest.dump(tmp_path / "after", "kdump-zlib")
        after, raw_after = shown_here(tmp_path / "after"), shown_here(guest.ram_file)
        assert scratch_of(guest) == table
    handed = next(side for side in before["sides"].values() if side is not None)["fdt"]["phys"]
    for document in (after, raw_after):
        assert sides(document) == {"in", "out"} and found(document) == table
        assert document["sides"]["in"]["fdt"]["phys"] == handed != document["sides"]["out"]["fdt"]["phys"]
        assert document["sides"]["out"]["preserved"]["state"] == "decoded"
