"""The architecture page says where things are: it has to be true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from captures import CHECKOUT

PAGES = [page for page in (CHECKOUT / "docs").glob("*.md") if page.stem in ("architecture", "engines", "new-format")]
TEXT = (CHECKOUT / "docs/architecture.md").read_text()


def _paths(page: Path) -> Iterator[str]:
    """What stands between backticks and looks like a path of the tree."""
    for word in re.findall(r"`([^`\s]+)`", page.read_text()):
        if "/" in word and "*" not in word and "NAME" not in word and not word.startswith(("/", "~", "include/")):
            yield word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_is_there(page: Path) -> None:
    absent = [path for path in _paths(page) if not (CHECKOUT / path).exists() and not (CHECKOUT / "kho_tui" / path).exists()]
    assert not absent


def test_the_table_of_facets_names_each_that_is_declared() -> None:
    facets = [import_module(".".join(path.relative_to(CHECKOUT).with_suffix("").parts)) for path in CHECKOUT.glob("kho_tui/**/facet.py")]
    declared = {name for module in facets for name, kind in vars(module).items() if hasattr(kind, "stands_in")}
    rows = TEXT[TEXT.index("| engine |") : TEXT.index("What decode makes")].splitlines()[2:]
    assert declared == {word for row in rows for cell in row.split("|")[2:5] for word in re.findall(r"`(\w+)`", cell)}


def test_the_picture_names_each_subsystem() -> None:
    picture = TEXT[TEXT.index("```") : TEXT.rindex("```")]
    folders = {path.parent.name for path in (CHECKOUT / "kho_tui/subsystems").glob("*/__init__.py")}
    assert folders and all(folder in picture for folder in folders)


def test_a_folder_of_a_subsystem_has_the_modules_that_the_table_names() -> None:
    modules = set(re.findall(r"`(\w+\.py)`", TEXT)) - {"facet.py"}
    there = {path.name for path in (CHECKOUT / "kho_tui/subsystems").glob("*/*.py")}
    assert modules <= there
