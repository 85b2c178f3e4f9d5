"""The config file: what it sets, and that whatever is wrong in it is one clear line and the defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from captures import CHECKOUT, sample
from hypothesis import given
from hypothesis import strategies as st
from views.app_user import User, opening
from views.tui.right_side_user import RightSideApp, using_right_side
from views.tui.test_hex import DETAIL, ENTITY

from kho_tui.text import SafeText
from kho_tui.views.tui.app import KhoApp
from kho_tui.views.tui.config import Config, config_path, load_config
from kho_tui.views.tui.keymap import all_bindings, check_keymap
from kho_tui.views.tui.keys import key_name, shown_keys
from kho_tui.views.tui.navigate import ListSpot, Where
from kho_tui.views.tui.theme import ASCII, CONSOLE, UNICODE, choose_look

DOCS = CHECKOUT / "docs" / "config.md"


def load(home: Path, text: str | bytes) -> tuple[Config, str]:
    path = home / "kho-tui" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config({"XDG_CONFIG_HOME": str(home)})


def table() -> str:
    """Every binding as docs/config.md lists it."""
    rows = [f"| `{name}` | `{b.key}` | {b.description} |" for name, b in sorted(all_bindings().items())]
    return "\n".join(["| action | keys | what it does |", "|---|---|---|", *rows])


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    assert load_config({"XDG_CONFIG_HOME": str(tmp_path)}) == (Config(), "")
    assert load_config({}) == (Config(), "")


def test_where_the_file_is_looked_for() -> None:
    assert str(config_path({"HOME": "/home/u"})) == "/home/u/.config/kho-tui/config.toml"
    assert str(config_path({"HOME": "/home/u", "XDG_CONFIG_HOME": "/x"})) == "/x/kho-tui/config.toml"
    assert str(config_path({"HOME": "/home/u", "XDG_CONFIG_HOME": "relative"})) == "/home/u/.config/kho-tui/config.toml"


def test_everything_can_be_set(tmp_path: Path) -> None:
    config, trouble = load(
        tmp_path, 'theme = "light"\nglyphs = "ascii"\nnumbers = "hex"\nsizes = "exact"\n[keys]\n"list.down" = "j, down,%"\nlist.up = "K"\n'
    )
    assert not trouble
    assert config == Config("light", "ascii", "hex", "exact", {"list.down": "j,down,percent_sign", "list.up": "K"})


@pytest.mark.parametrize(
    ("text", "told", "line"),
    [
        ("theme = dark", "Invalid value", 1),
        ('theme = "purple"', "theme = 'purple': takes auto, dark, light or ansi; it stays 'auto'", 1),
        ("\nglyphs = 3", "glyphs = 3: takes", 2),
        ('sizes = "long"', "sizes = 'long': takes short or exact", 1),
        ('colour = "red"', "'colour' is no setting; there are theme, glyphs, numbers, sizes and [keys]", 1),
        ('keys = "j"', "is a table, [keys]", 1),
        ('[keys]\n\n"list.dwon" = "j"', "'list.dwon' is no action; the nearest are list.down, ", 3),
        ('[keys]\nlist.dwon = "j"', "'list.dwon' is no action", 2),
        ('[keys]\n"list.down" = 7', "takes keys in quotes", 2),
        ('[keys]\n"list.down" = "crtl+j"', "'crtl+j' is no key", 2),
        ('[keys]\n"list.down" = ""', "'' is no key", 2),
        ('[keys]\n"list.up" = "u"\n"list.down" = "u"', "u is the key of list.up too", 3),
        ('[keys]\n"list.down" = "k"', "k is the key of list.up too", 2),
        ('[keys]\n"blocks.filter" = "j"', "j is the key of list.down too", 2),
        ('[keys]\n"hex.left" = "g"', "g is the key of list.first_chord too", 2),
        ('[keys]\n"tree.toggle" = "enter"', "enter is the key of list.choose too", 2),
        ('[keys]\n"list.choose" = "f"', "f is the key of blocks.filter too", 2),
        ('[keys]\n"difftree.toggle" = "c"', "c is the key of diff.only_changes too", 2),
        ('[keys]\n"help.close" = "j"', "j is the key of list.down too", 2),
        ('[keys]\n"hex.left" = "ctrl+c"', "ctrl+c is the key of app.interrupt too", 2),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_line(tmp_path: Path, text: str, told: str, line: int) -> None:
    config, trouble = load(tmp_path, text)
    assert told in trouble and trouble.startswith(str(tmp_path / "kho-tui" / "config.toml")) and "\n" not in trouble
    assert f"line {line}" in trouble
    assert not config.keys or config.keys == {"list.up": "u"}
    assert (config.theme, config.glyphs, config.numbers, config.sizes) == ("auto", "auto", "natural", "short")


def test_what_is_right_holds_beside_what_is_wrong(tmp_path: Path) -> None:
    config, trouble = load(tmp_path, 'theme = "light"\nglyphs = "x"\nnumbers = "y"\n[keys]\n"list.up" = "u"')
    assert config.theme == "light" and config.keys == {"list.up": "u"}
    assert "line 2" in trouble and trouble.endswith("(and 1 more)")


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff\xfe",
        b"a = [" + b"[" * 5000,
        b"#" * 100_000,
        b"numbers = " + b"9" * 5000,
        b"a" + b".a" * 20_000 + b" = 1",
        b'"\\u001b[2J" = 1\n',
        b"\x1b]0;x\x07",
    ],
)
def test_hostile_files_are_one_line(tmp_path: Path, bad: bytes) -> None:
    config, trouble = load(tmp_path, bad)
    assert config == Config() and trouble.isprintable() and len(trouble) < 400


def test_thousands_of_mistakes_are_one_line_and_a_number(tmp_path: Path) -> None:
    text = "[keys]\n" + "".join(f'"x{number}" = "j"\n' for number in range(4500))
    config, trouble = load(tmp_path, text)
    assert not config.keys and "line 2: 'x0' is no action; the nearest are " in trouble and trouble.endswith("(and 4499 more)")


def test_unreadable_files_do_not_hold_up_the_program(tmp_path: Path) -> None:
    (tmp_path / "kho-tui").mkdir()
    os.mkfifo(tmp_path / "kho-tui" / "config.toml")
    assert "is no regular file" in load_config({"XDG_CONFIG_HOME": str(tmp_path)})[1]
    (tmp_path / "kho-tui" / "config.toml").unlink()
    (tmp_path / "kho-tui" / "config.toml").mkdir()
    assert "is no regular file" in load_config({"XDG_CONFIG_HOME": str(tmp_path)})[1]


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4))
def test_any_names_and_keys_are_answered(given_keys: dict[str, str]) -> None:
    keymap, wrong = check_keymap(given_keys)
    assert set(keymap) | {name for name, _ in wrong} == set(given_keys)


def test_keys_can_change_places() -> None:
    assert check_keymap({"list.up": "j,down", "list.down": "k,up"})[1] == []


def test_what_never_holds_together_may_share_a_key() -> None:
    given = {"map.choose": "f", "hex.left": "a", "tree.collapse": "a", "palette.up": "j", "luo.sort": "b", "blocks.sort": "b"}
    assert check_keymap(given)[1] == []


def test_own_bindings_agree_with_themselves() -> None:
    bindings = all_bindings()
    assert check_keymap({name: binding.key for name, binding in bindings.items()})[1] == []
    assert all(binding.description for binding in bindings.values())


def test_docs_list_every_action() -> None:
    assert table() in DOCS.read_text(), f"docs/config.md needs:\n{table()}"


def test_the_sample_in_the_docs_is_right(tmp_path: Path) -> None:
    sample = re.search(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert sample is not None
    config, trouble = load(tmp_path, sample[1])
    assert not trouble and config.keys
    uncommented = re.sub(r"^# (?=[\"\w.]+ = )", "", sample[1], flags=re.MULTILINE)
    assert load(tmp_path, uncommented)[1] == ""


async def test_keys_of_the_config_work_and_are_shown() -> None:
    async with using_right_side() as user:
        user.app.set_keymap({"hex.right": "f", "list.down": "n,ctrl+n"})
        await user.show(ENTITY, DETAIL)
        user.app.screen.set_focus(user.right.hex)
        await user.settle()
        before = user.right.hex.byte
        await user.press("right")
        assert user.right.hex.byte == before
        await user.press("f")
        assert user.right.hex.byte == (DETAIL.blobs[0], 1)
        await user.press("n")
        assert user.right.hex.byte == (DETAIL.blobs[0], 17)
        assert user.app.screen.active_bindings["n"].binding.id == "list.down"
        assert shown_keys(user.app.screen, "j") == "n" and shown_keys(user.app.screen, "Enter + -") == "Enter + -"
    assert key_name("ctrl+n") == "Ctrl-n"


@pytest.mark.parametrize(
    ("environ", "config", "name", "glyphs"),
    [
        ({"TERM": "xterm-256color"}, Config(), "kho", UNICODE),
        ({"TERM": "xterm-256color", "COLORFGBG": "0;15"}, Config(), "kho-light", UNICODE),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, Config(), "kho", UNICODE),
        ({"TERM": "xterm"}, Config(), "kho-plain", UNICODE),
        ({"TERM": "xterm", "COLORFGBG": "0;default;15"}, Config(), "kho-plain-light", UNICODE),
        ({"TERM": "linux"}, Config(), "kho-plain", CONSOLE),
        ({"TERM": "linux", "COLORTERM": "truecolor"}, Config(), "kho", CONSOLE),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Config(theme="dark"), "kho-plain", UNICODE),
        ({"TERM": "xterm-256color", "LC_ALL": "C"}, Config(), "kho", ASCII),
        ({"TERM": "xterm-256color"}, Config("light", "console"), "kho-light", CONSOLE),
        ({"TERM": "xterm"}, Config("dark", "ascii"), "kho", ASCII),
        ({"TERM": "xterm-256color"}, Config("ansi"), "kho-plain", UNICODE),
    ],
)
def test_which_look(environ: dict[str, str], config: Config, name: str, glyphs: object) -> None:
    look = choose_look(environ, config)
    assert look.theme.name == name and look.glyphs is glyphs
    assert choose_look(environ, config, ascii=True).glyphs is ASCII


def luminance(colour: tuple[int, int, int]) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_can_be_read_on_every_ground(theme: str) -> None:
    palette = choose_look({"TERM": "xterm-256color"}, Config(theme=theme)).palette  # type: ignore[arg-type]
    for role, style in palette.roles.items():
        if role.name == "RULE":
            continue
        for under in (None, palette.raised, palette.cursor, palette.cursor_blurred):
            whole = palette.base + style if under is None else palette.base + under + style
            assert whole.color is not None and whole.bgcolor is not None
            one, other = sorted(luminance(c.get_truecolor()) for c in (whole.color, whole.bgcolor))
            assert (other + 0.05) / (one + 0.05) >= 3, (role, under)


async def test_the_app_starts_in_every_theme() -> None:
    for theme in ("dark", "light", "ansi"):
        async with RightSideApp(Config(theme=theme)).run_test() as pilot:
            assert pilot.app.theme.startswith("kho")


@pytest.mark.parametrize(
    ("config", "told"), [(Config(), "2.861 MiB, 733 folios"), (Config(sizes="exact"), "3000000 bytes, 733 folios")], ids=["short", "exact"]
)
async def test_sizes_are_written_as_they_are_set(config: Config, told: str) -> None:
    path = str(sample("x86_64-7.3") / "1-pre")
    app = KhoApp(opening(path), SafeText(path), config, start=ListSpot(Where.TREE))
    async with app.run_test(size=(200, 40)) as pilot:
        user = User(app, pilot)
        await user.opened()
        await user.sees(told)
    app.close_state()
