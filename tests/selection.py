"""Which tests run: of those that boot a kernel the ones that a seed draws, and none whose marker needs what is not here.

A third of the drawn ones are guests of tests/guests. What is left out is deselected, which the closing line counts, also where pytest-xdist
runs the tests in workers.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import guest_directory
import pytest
from captures import SHARED

from kho_tui.simulator.qemu.guest import BINARY

BOOTS = 6
"""Boots of a run unless asked for more: they are most of its time."""


def drawn(names: Iterable[str], count: int | None, seed: str) -> frozenset[str]:
    """The ``count`` names that a seed draws, all for None. A name that comes or goes displaces at most one other."""
    return frozenset(sorted(names, key=lambda name: sha256(f"{seed} {name}".encode()).digest())[:count])


def drawn_boots(alone: Collection[str], guests: Collection[str], count: int | None, seed: str) -> frozenset[str]:
    """The boots of a run: of two or more a third are guests, one at least, or as many as there are; what one kind lacks the other fills."""
    if count is None or count < 2:
        return drawn([*alone, *guests], count, seed)
    of_guests = max(min(max(count // 3, 1), len(guests)), count - len(alone))
    return drawn(guests, of_guests, seed) | drawn(alone, count - min(of_guests, len(guests)), seed)


def boots_asked(text: str) -> int | None:
    """The value of ``--boots``; None: all. Raises ValueError."""
    return None if text == "all" else int(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kho-tui")
    group.addoption("--boots", type=boots_asked, default=BOOTS, metavar="N|all", help=f"boots of a kernel in QEMU ({BOOTS})")
    group.addoption("--boot-seed", metavar="SEED", help="what draws them (the date)")


def pytest_configure(config: pytest.Config) -> None:
    # Workers get the options of their controller: all of them draw the same, also at midnight.
    config.option.boot_seed = config.option.boot_seed or f"{datetime.now(UTC):%Y-%m-%d}"
    config.pluginmanager.register(Selection(config), "selection of boots")


def _missing() -> dict[str, str]:
    """Markers that no test can have here, with the reason."""
    found = {}
    if not SHARED.is_dir():
        found["shared"] = "../shared is not beside the checkout"
    if shutil.which(BINARY) is None:
        found["qemu"] = f"{BINARY} is not installed"
    if reason := guest_directory.why_not(guest_directory.chosen()):
        found["guest"] = reason
    return found


def _is_of_shared(item: pytest.Item) -> bool:
    """A parameter of the test is a file there."""
    parameters = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return any(isinstance(value, Path) and SHARED.parent in value.parents for value in parameters)


class Selection:
    """Selects in each process that collects; the one that reports learns from its workers what they left out."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._output: dict[str, Any] = getattr(config, "workeroutput", {})
        self._output |= {"deselected": 0, "boots": 0, "boots_drawn": 0}

    # After -m and -k: what they leave is drawn from.
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        missing = _missing()
        for item in items:
            if _is_of_shared(item):
                item.add_marker("shared")
            for name in missing.keys() & {mark.name for mark in item.iter_markers()}:
                item.add_marker(pytest.mark.skip(reason=missing[name]))
        # A guest that has no root to boot with must not be drawn for one that has.
        drawable = [item for item in items if "guest" not in missing or not item.get_closest_marker("guest")]
        boots = {item.nodeid: bool(item.get_closest_marker("guest")) for item in drawable if item.get_closest_marker("qemu")}
        guests = [name for name, of_guest in boots.items() if of_guest]
        alone = [name for name, of_guest in boots.items() if not of_guest]
        left_out = boots.keys() - drawn_boots(alone, guests, self._config.option.boots, self._config.option.boot_seed)
        self._output |= {"boots": len(boots), "boots_drawn": len(boots) - len(left_out)}
        if left_out:
            self._config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
            items[:] = [item for item in items if item.nodeid not in left_out]

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._output["deselected"] += len(items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of pytest-xdist has ended; each of them collected, and left out, the same."""
        self._output |= getattr(node, "workeroutput", {})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        # Only how many they are is asked for; without workers pytest has counted them itself.
        terminalreporter.stats.setdefault("deselected", [SimpleNamespace()] * self._output["deselected"])
        if self._output["boots"] > self._output["boots_drawn"]:
            seed = self._config.option.boot_seed
            counts = f"{self._output['boots_drawn']} of {self._output['boots']}"
            terminalreporter.write_line(f"boots in QEMU: {counts}, drawn by --boot-seed {seed} (--boots all runs all)")
