"""9.9: it renames files and parameters; its root has a property more, its LUO a u64 more in struct and sessions and another list form."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from kho_tui.abi.block import KHO_BLOCK_HEADER_SER, block_of
from kho_tui.abi.luo import LUO, LUO_FILE_SER, LUO_SER, LUO_SESSION_SER, LUO_V5
from kho_tui.layout.struct import Field, Layout, Unit, u64
from kho_tui.layout.table import PageArray
from kho_tui.model.registry import Declaration, Registry
from kho_tui.releases.ranges import Range
from kho_tui.subsystems.registry import builtin

from . import ledger, quota, trio

NAMES = {
    "sub_fdts": "subtrees",
    "scratch_phys": "bootmem_phys",
    "scratch_len": "bootmem_len",
    "chosen_scratch": "linux,kho-bootmem",
    "kho_scratch": "kho_bootmem",
}
"""What 9.9 calls what KHO shows and is told by."""
_BEFORE = builtin().roots[b"kho-v4"]
ROOT = replace(
    _BEFORE,
    compatible=b"kho-v999",
    written=Range("9.9"),
    node=replace(_BEFORE.node, properties=(*_BEFORE.node.properties, Field("kho-flags", 8, Unit.FLAGS, "made up"))),
)
LUO_V999 = replace(
    LUO_V5,
    compatible=b"luo-v99",
    written=Range("9.9"),
    struct=Layout("LuoSer", (*LUO_SER.fields, u64("boot_id", Unit.ID, "made up")), "made up", "made up"),
    sessions=block_of(Layout("LuoSessionSer", (*LUO_SESSION_SER.fields, u64("deadline", Unit.COUNT, "made up")), "made up", "made up")),
    files=PageArray(KHO_BLOCK_HEADER_SER, LUO_FILE_SER, 2),
    roots=frozenset({b"kho-v999"}),
)


@cache
def future() -> Registry:
    """All that is known, and what this package declares."""
    return builtin().plus(
        Declaration(family=LUO, formats=replace(builtin().formats(LUO), versions=(LUO_V999,)), facets={}),
        ledger.DECLARATION,
        trio.DECLARATION,
        quota.DECLARATION,
        releases=[builtin().releases.newest.next("9.9", names=NAMES)],
        roots=[ROOT],
    )
