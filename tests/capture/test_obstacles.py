"""The table of obstacles and the facts that it is asked with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kho_tui.capture import obstacles
from kho_tui.capture.obstacles import FACTS, facts_of_kernel, facts_told, obstacle, obstacles_table, values_of
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.releases.cmdline import CommandLine, read_cmdline
from kho_tui.text import SafeText

UNKNOWN = Unavailable(SafeText("not here"))
BUILT = "CONFIG_KEXEC_HANDOVER"


@pytest.fixture
def fresh() -> Iterator[None]:
    obstacles._rows.cache_clear()
    yield
    obstacles._rows.cache_clear()


@pytest.mark.parametrize("fact", ["kcor=denied", "kcore=gone", "kcore"])
def test_a_row_that_asks_for_what_is_not_declared_is_refused(fact: str, fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstacles, "obstacles_table", lambda: f"{obstacles_table()}tree|{fact}|code|what|\n")
    with pytest.raises((LookupError, ValueError), match="kcor"):
        obstacle("tree", ())


def test_a_name_that_is_not_declared_is_no_fact() -> None:
    assert values_of("kcore") == {"readable", "denied", "absent", "not-asked"}
    with pytest.raises(LookupError, match="'kcor' is no fact"):
        values_of("kcor")
    assert facts_told("lockdown=none lockdow=none lockdown=off here=yes user=root kcore=denied lockdown") == {"lockdown=none"}
    assert facts_told(None) == facts_told(["lockdown=none"]) == frozenset()


@pytest.mark.parametrize("line", [UNKNOWN, *map(read_cmdline, (b"quiet", b"kho=on", b"kho=off"))])
@pytest.mark.parametrize("config", [UNKNOWN, {}, {BUILT: "y"}, {BUILT: "y", f"{BUILT}_DEBUGFS": "n", f"{BUILT}_ENABLE_DEFAULT": "y"}])
def test_what_a_kernel_says_is_declared(config: dict[str, str] | Missing, line: CommandLine | Missing) -> None:
    said = dict(fact.split("=") for fact in facts_of_kernel(config, line))
    assert all(value in FACTS[name] for name, value in said.items())
