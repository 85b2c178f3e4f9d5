"""Hex beside meaning: a selected field marks its bytes, a byte selects its field, and what it means is always in sight."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from captures import sample
from views.tui.right_side_user import RightSideUser, using_right_side

from kho_tui.abi.memfd import MEMFD_LUO_FOLIO_SER
from kho_tui.context import Context
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Unit
from kho_tui.layout.table import table_of
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entities.tables import FolioRows, table_blobs
from kho_tui.model.entity import Detail, Entity, Value, find
from kho_tui.model.path import EntityPath, parse_path
from kho_tui.operations.open_state import open_state
from kho_tui.text import SafeText

BASE = 0x7F80_1000
PLACE = Place(Origin.MEMORY, "memory.elf", 0x1000, BASE)
SOURCE = "include/linux/kho/abi/luo.h 7.0-7.3"
# 16 bytes name, u64 count, u32 flags, 4 bytes of padding, u64 pointer
DATA = b"vm-alpha".ljust(16, b"\0") + struct.pack("<QIIQ", 0x1234, 7, 0, 0x4000_0000)
VALUES = (
    Value(name="name", unit=Unit.TEXT, value=DATA[:16], meaning="name the agent gave", source=SOURCE, place=PLACE, size=16),
    Value(name="count", unit=Unit.COUNT, value=0x1234, meaning="files in the session", source=SOURCE, place=PLACE.at(16), size=8),
    Value(name="flags", unit=Unit.FLAGS, value=7, meaning="what the file is allowed to do", source=SOURCE, place=PLACE.at(24), size=4),
    Value(name="flags.low", unit=Unit.FLAGS, value=3, meaning="the two lowest bits", source=SOURCE, place=PLACE.at(24), size=4),
    Value(
        name="files", unit=Unit.PHYS, value=0x4000_0000, meaning="first block of the file list", source=SOURCE, place=PLACE.at(32), size=8
    ),
    Value(name="total", unit=Unit.BYTES, value=5, meaning="sum of what was decoded"),
)
ENTITY = Entity(path=EntityPath(("out", "session")), kind="session", title=SafeText("vm-alpha"))
DETAIL = Detail(VALUES, (Blob(DATA, PLACE),))


async def focus_bytes(user: RightSideUser) -> None:
    user.app.screen.set_focus(user.right.hex)
    await user.settle()


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_byte_selects_its_field_and_the_cursor_stays(size: tuple[int, int]) -> None:
    async with using_right_side(size) as user:
        await user.show(ENTITY, DETAIL)
        await focus_bytes(user)
        assert user.field == "name"
        for step in range(1, len(DATA)):
            await user.press("right")
            blob, offset = user.right.hex.byte or (None, -1)
            assert blob is DETAIL.blobs[0] and offset == step
            if step < 16:
                assert user.field == "name"
            elif step < 24:
                assert user.field == "count" and "[34 12 00 00" in user.screen
            elif step < 28:
                assert user.field == "flags"
            elif step < 32:
                assert "no field here (padding / unused)" in user.info
            else:
                assert user.field == "files"
        await user.press("left")
        assert user.right.hex.byte == (DETAIL.blobs[0], len(DATA) - 2)


async def test_focus_alone_changes_no_selection() -> None:
    async with using_right_side() as user:
        await user.show(ENTITY, DETAIL)
        user.app.screen.set_focus(user.right.fields)
        await user.press("end")
        assert user.field == "total"
        await focus_bytes(user)
        assert user.field == "total" and "derived, no bytes of its own" in user.info
        await user.press("l")
        assert user.field != "total"


async def test_a_part_of_a_field_that_is_selected_stays_so() -> None:
    async with using_right_side() as user:
        await user.show(ENTITY, DETAIL)
        user.app.screen.set_focus(user.right.fields)
        await user.press("home", "down", "down", "down")
        assert user.field == "flags.low"
        await focus_bytes(user)
        await user.press("right")
        assert user.field == "flags.low"


async def test_up_and_down_keep_the_column_and_home_row_keys_work() -> None:
    async with using_right_side((160, 48)) as user:
        await user.show(ENTITY, DETAIL)
        await focus_bytes(user)
        await user.press("l", "l", "j")
        assert (user.right.hex.byte or (None, 0))[1] == 18 and user.field == "count"
        await user.press("h", "k")
        assert (user.right.hex.byte or (None, 0))[1] == 1 and user.field == "name"


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 48)])
async def test_meaning_unit_and_source_are_on_the_screen_for_every_field(size: tuple[int, int]) -> None:
    async with using_right_side(size) as user:
        await user.show(ENTITY, DETAIL)
        user.app.screen.set_focus(user.right.fields)
        for value in VALUES[:5]:
            assert user.field == value.name
            for text in (value.meaning, value.unit.value.partition(" (")[0], SOURCE):
                assert text in user.info
            await user.press("down")


async def test_other_readings_of_a_number() -> None:
    async with using_right_side() as user:
        user.right.owner_of = lambda address: SafeText("LUO: out/LUO") if address == 0x4000_0000 else None
        await user.show(ENTITY, DETAIL)
        user.app.screen.set_focus(user.right.fields)
        await user.press("down")
        assert "0x1234 byte-swapped 0x3412000000000000" in user.info
        await user.press("down", "down", "down")
        assert user.field == "files"
        assert "0x40000000 byte-swapped 0x4000000000 · → LUO: out/LUO" in user.info


async def test_a_byte_without_a_field_is_read_in_the_byte_order_of_the_state() -> None:
    data = bytes(8) + b"VM01" + bytes(4)
    async with using_right_side() as user:
        user.right.platform = Platform("big")
        await user.show(ENTITY, Detail((), (Blob(data, PLACE),)))
        await focus_bytes(user)
        await user.press(*["right"] * 8)
        assert "u64 0x564d303100000000, 0x564d303100000000 byte-swapped 0x31304d56" in user.info
        assert 'text "VM01"' in user.info
        value = user.right.selected
        assert value is not None and value.value == BASE + 8


async def test_a_byte_of_a_folio_array_selects_its_row() -> None:
    rows = b"".join(struct.pack("<QQ", (0x100 + i) << 12 | 1, i) for i in range(300))
    table = table_of(MEMFD_LUO_FOLIO_SER, "little", rows, BASE, PLACE)
    second = table_of(MEMFD_LUO_FOLIO_SER, "little", rows[:32], BASE - 0x10_0000, PLACE)
    joined = replace(table, rows=np.concatenate([table.rows, second.rows]), addresses=np.concatenate([table.addresses, second.addresses]))
    source = FolioRows(joined, 12)
    async with using_right_side((100, 48)) as user:
        await user.show(ENTITY, Detail((), table_blobs(joined), source))
        await focus_bytes(user)
        await user.press(*["down"] * 4)
        blob, offset = user.right.hex.byte or (None, 0)
        assert user.right.table.cursor == offset // 16
        assert f"row {offset // 16}" in user.info and "16 bytes" in user.info
        await user.press("end")
        assert user.right.table.cursor == 301
        assert blob is not None


async def test_every_byte_of_a_real_file_knows_its_field() -> None:
    with open_state(str(sample("x86_64-7.3/2-pre")), Context()) as opened:
        entity = find(state_entity(opened.state), parse_path("out/LUO/vm-alpha2/0xb"))
        assert entity is not None
        async with using_right_side((80, 24)) as user:
            await user.show(entity)
            await focus_bytes(user)
            await user.press("home")
            seen = set()
            for _ in range(40):
                seen.add(user.field)
                await user.press("right")
            assert {"compatible", "token"} & seen


async def test_a_click_puts_the_cursor_on_a_byte() -> None:
    async with using_right_side((80, 24)) as user:
        await user.show(ENTITY, DETAIL)
        text = user.screen.split("\n")
        y, line = next((y, line) for y, line in enumerate(text) if "34 12" in line)
        x = line.index("34 12")
        region = user.right.hex.region
        assert await user.pilot.click(user.right.hex, offset=(x - region.x, y - region.y))
        await user.settle()
        assert user.field == "count" and user.app.focused is user.right.hex
