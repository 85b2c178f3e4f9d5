"""Of the tests that boot a kernel a run takes those that its seed draws, and its closing line counts what it leaves out."""

from __future__ import annotations

import shutil

import pytest
from captures import CHECKOUT
from selection import BOOTS, drawn

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.qemu
@pytest.mark.parametrize("number", range(30))
def test_boot(number):
    pass

@pytest.mark.nightly
def test_long():
    pass

@pytest.mark.shared
def test_of_shared():
    pass

def test_plain():
    pass
"""

NAMES = [f"test_boot[{number}]" for number in range(30)]


def test_a_seed_draws_the_same_boots_in_any_order() -> None:
    first = drawn(NAMES, 12, "2026-11-29")
    assert len(first) == 12 and first == drawn(reversed(NAMES), 12, "2026-11-29")
    assert first != drawn(NAMES, 12, "2026-11-30")
    assert drawn(NAMES, None, "") == drawn(NAMES, 30, "") == frozenset(NAMES)


def test_every_boot_has_its_day() -> None:
    assert frozenset.union(*(drawn(NAMES, 12, f"2026-11-{day:02}") for day in range(1, 31))) == frozenset(NAMES)


def test_another_test_displaces_at_most_one() -> None:
    assert len(drawn(NAMES, 12, "seed") - drawn([*NAMES, "test_new"], 12, "seed")) <= 1


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A checkout with this one's configuration and tests of its own, and no ../shared beside it."""
    tests = pytester.mkdir("checkout") / "tests"
    tests.mkdir()
    for name in ("conftest.py", "selection.py", "captures.py"):
        shutil.copy(CHECKOUT / "tests" / name, tests)
    shutil.copy(CHECKOUT / "pyproject.toml", tests.parent)
    (tests / "test_some.py").write_text(TESTS)
    # The boots of this suite boot nothing.
    qemu = pytester.mkdir("bin") / "qemu-system-x86_64"
    qemu.touch(0o755)
    return pytester


def outcomes(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[dict[str, int], str]:
    """Counts of the closing line, and everything that was printed."""
    monkeypatch.setenv("PATH", str(suite.path / "bin"), prepend=":")
    monkeypatch.chdir(suite.path / "checkout")
    result = suite.runpytest_subprocess(*arguments)
    return result.parseoutcomes(), result.stdout.str()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_out_is_counted(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    counts, said = outcomes(suite, monkeypatch, "-n", workers)
    assert counts == {"passed": BOOTS + 1, "skipped": 1, "deselected": 30 - BOOTS + 1}
    assert f"boots in QEMU: {BOOTS} of 30, drawn by --boot-seed 20" in said


def test_a_seed_repeats_a_run(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [outcomes(suite, monkeypatch, "-vv", "--boot-seed=one", "--boots=5")[1].splitlines() for _ in range(2)]
    boots = [[line for line in run if "::test_boot" in line] for run in runs]
    assert boots[0] == boots[1] and len(boots[0]) == 5


def test_all_boots_and_what_is_long_run_when_asked_for(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcomes(suite, monkeypatch, "--boots=all")[0] == {"passed": 31, "skipped": 1, "deselected": 1}
    assert outcomes(suite, monkeypatch, "-m", "nightly")[0] == {"passed": 1, "deselected": 32}
    assert outcomes(suite, monkeypatch, "tests/test_some.py::test_boot[7]")[0] == {"passed": 1}
