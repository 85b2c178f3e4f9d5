"""The app on real captures and on states built to hurt it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from captures import CHECKOUT, SAMPLES
from states.catalogue import hostile_names
from views.app_user import User, opening, using_state

from kho_tui.views.tui.palette import Palette
from kho_tui.views.tui.state_screen import StateScreen
from kho_tui.views.tui.tree_model import Node

SAMPLE_NAMES = sorted(str(version.parent.relative_to(SAMPLES)) for version in SAMPLES.glob("**/version"))
TWO_PRE = "samples/x86_64-7.3/2-pre"


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)


async def walk_by_keyboard(user: User) -> list[str]:
    """Open and select every entity from the first to the last, go to the end of its fields, rows and bytes; all paths met."""
    tree, right = user.tree.entities, user.tree.right
    met: list[str] = []
    user.send("home")
    for row in range(2000):
        await user.until(partial(shows, user, row))
        assert tree.entity is not None
        met.append(str(tree.entity.path))
        panes = [pane for pane in (right.fields, right.table, right.hex) if pane.display]
        user.send(*["tab", "end"] * len(panes), *["tab"] * bool(panes))
        node = tree.model.rows[row]
        if not node.leaf and not node.expanded:
            user.send("right")
            await user.until(partial(is_open, user, node))
        if row == tree.row_count() - 1:
            break
        user.send("down")
    await user.settle()
    return met


def shows(user: User, row: int) -> bool:
    """Whether the row of the tree is selected and shown on the right; and nothing is on the screen that must not be."""
    tree = user.tree.entities
    if tree.cursor != row or user.tree.right.entity is not tree.entity or user.state.busy or user.app.focused is not tree:
        return False
    shown = user.screen
    assert "\x1b" not in shown and "internal error" not in shown and "cannot be read" not in shown
    return True


def is_open(user: User, node: Node) -> bool:
    return not user.tree.entities.busy and (node.expanded or node.leaf)


@pytest.mark.parametrize("name", SAMPLE_NAMES)
async def test_everything_in_a_real_capture_can_be_looked_at(name: str) -> None:
    async with using_state(opening(f"samples/{name}")) as user:
        met = await walk_by_keyboard(user)
    assert len(met) == len(set(met))
    assert met[0] == "machine" and any(path.startswith("out") for path in met)
    if name == "x86_64-7.3/2-pre":
        assert {"out/LUO/vm-alpha2/0xb/folios", "out/LUO/vm-gamma/0x7/folios", "out/memblock/oops_trace", "in/kho_test/folios"} <= set(met)


async def test_what_would_be_handed_over_is_seen_at_once() -> None:
    async with using_state(opening(TWO_PRE)) as user:
        assert "a kexec now would hand over kho-v4: 3612 blocks, 19.1 MiB" in user.panel("top")
        await user.sees("vm-alpha2", "also in kho/out", "in (handed to", "stale")
        shown = user.screen
        assert shown.index("vm-alpha2") < shown.index("in (handed to") < shown.index("stale")


async def test_a_session_with_its_file_and_folios() -> None:
    async with using_state(opening(TWO_PRE), (160, 48)) as user:
        await user.search("/vm-alpha2")
        assert user.path == "out/LUO/vm-alpha2"
        await user.press("l", "l")
        assert user.path == "out/LUO/vm-alpha2/0xb"
        await user.select_field("nr_folios")
        await user.sees("1280")
        await user.sees("[00 05 00 00 00 00 00 00]")
        await user.select_field("folios.order")
        await user.sees("[00 00]")
        assert "phys 0xf0602e · 2 bytes" in user.info


async def test_pointers_lead_to_what_they_point_at_and_back() -> None:
    async with using_state(opening(TWO_PRE)) as user:
        await user.search("/vm-alpha2")
        await user.select_field("files")
        await user.press("enter")
        assert (user.path, user.field) == ("out/LUO/vm-alpha2", "files.next")
        assert "phys 0xee4000 · 8 bytes" in user.info
        await user.press("backspace")
        assert user.field == "files"
        await user.search("/0xb")
        await user.select_field("data")
        await user.press("enter")
        assert (user.path, user.field) == ("out/LUO/vm-alpha2/0xb", "pos")
        await user.search("preserved-memory-map")
        await user.select_field("preserved-memory-map")
        await user.press("enter")
        assert user.path == "out/preserved"


async def test_a_pointer_to_nowhere_says_so() -> None:
    async with using_state(opening("samples/x86_64-7.3/1-pre")) as user:
        await user.search("/LUO")
        await user.select_field("sessions.next")
        await user.press("enter")
        assert "sessions.next points nowhere" in user.bar


async def test_of_a_folio_the_address_is_copied() -> None:
    async with using_state(opening("samples/x86_64-7.3/1-pre")) as user:
        await user.go_to_address("0x1931000")
        await user.press("y")
        assert "copied 0x1931000 " in user.bar


async def test_what_came_for_a_list_below_the_palette_is_laid_out_when_that_closes() -> None:
    async with using_state(opening("samples/x86_64-7.3/1-pre")) as user:
        for _ in range(5):
            user.send("home", "end", "colon")
            await user.until(lambda: isinstance(user.app.screen, Palette))
            user.send("escape")
            await user.until(lambda: isinstance(user.app.screen, StateScreen))
            await user.settle()


async def test_an_address_shows_the_folio_then_its_block() -> None:
    async with using_state(opening(TWO_PRE), (110, 50)) as user:
        await user.go_to_address("0x15e2000")
        assert user.path == "out/LUO/vm-alpha2/0xb/folios" and user.rows.cursor == 0
        assert "1/2 0x15e2000" in user.bar
        assert "pfn 0x15e2  flags 0x3  index 0" in user.info
        assert "phys 0xe24000 · 16 bytes" in user.info
        await user.sees("[e2 15 00 00")
        await user.press("n")
        assert user.path == "out/preserved"
        assert "address 0x15e2000" in user.info
        await user.press("enter")
        assert user.path == "out/LUO/vm-alpha2/0xb/folios"


async def test_a_subtrees_node_is_marked_in_the_root_fdt() -> None:
    async with using_state(opening(TWO_PRE)) as user:
        await user.search("/LUO")
        await user.select_field("preserved-data")
        assert "phys 0x20d460cc · 8 bytes" in user.info
        await user.sees("[00 70 e6 20")
        await user.select_field("sessions.count")
        assert "phys 0xf0a008 · 8 bytes" in user.info


async def test_what_the_kernel_gave_back_is_stale_and_empty() -> None:
    async with using_state(opening(TWO_PRE)) as user:
        await user.go_to_address("0x721000")
        assert user.path == "in/LUO"
        assert "stale: reached through memory" in user.panel("heading")
        await user.press("right", "right")
        assert user.path == "in/LUO"
        assert "sessions" not in user.panel("heading")


async def test_a_token_and_the_finding_of_a_torn_state() -> None:
    async with using_state(opening("samples/x86_64-7.3/1-pre")) as user:
        await user.search("/0xdeadbeef")
        assert user.path == "out/LUO/vm-beta/0xdeadbeef"
        await user.sees("3000000")
        await user.press("right_square_bracket")
        assert user.path.startswith("findings/")
        await user.press("enter")
        assert user.path.startswith("out")


async def test_a_cut_fdt_says_so_in_the_tree() -> None:
    async with using_state(opening("samples/x86_64-7.3/1-pre/kho/out/fdt")) as user:
        await user.sees("▾ ? out (for the n… partial")
        await user.search("/out")
        assert "salvaged from 233 of 405 bytes" in user.panel("heading")


async def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    hostile_names().to_elf(tmp_path / "memory.elf")
    async with using_state(opening(str(tmp_path / "memory.elf"))) as user:
        met = await walk_by_keyboard(user)
        assert any("\\x1b[2J\\x1b]0;owned\\x07" in path for path in met)
        for query, shown in (
            ("not markup", "[red]not markup[/red]"),
            ("txt.exe", "user\\u{202e}txt.exe\\u{2066}"),
            ("owned", "\\x1b[2J\\x1b]0;owned\\x07"),
        ):
            await user.search(query)
            assert shown in user.panel("heading")


async def test_quitting_is_success() -> None:
    async with using_state(opening(TWO_PRE)) as user:
        await user.press("q")
    assert user.app.return_code in (None, 0)
