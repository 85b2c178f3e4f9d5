"""Of the tests that boot a kernel a run takes those that its seed draws, and its closing line counts what it leaves out."""

from __future__ import annotations

import shutil

import guest_directory
import pytest
from captures import CHECKOUT
from selection import BOOTS, drawn, drawn_boots

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.qemu
@pytest.mark.parametrize("number", range(30))
def test_boot(number):
    pass

@pytest.mark.qemu
@pytest.mark.guest
@pytest.mark.parametrize("number", range(10))
def test_guest(number):
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
GUESTS = [f"test_guest[{number}]" for number in range(10)]


def test_a_seed_draws_the_same_boots_in_any_order() -> None:
    first = drawn(NAMES, 12, "2026-11-29")
    assert len(first) == 12 and first == drawn(reversed(NAMES), 12, "2026-11-29")
    assert first != drawn(NAMES, 12, "2026-11-30")
    assert drawn(NAMES, None, "") == drawn(NAMES, 30, "") == frozenset(NAMES)


def test_every_boot_has_its_day() -> None:
    assert frozenset.union(*(drawn(NAMES, 12, f"2026-11-{day:02}") for day in range(1, 31))) == frozenset(NAMES)


def test_another_test_displaces_at_most_one() -> None:
    assert len(drawn(NAMES, 12, "seed") - drawn([*NAMES, "test_new"], 12, "seed")) <= 1


@pytest.mark.parametrize(("count", "guests"), [(2, 1), (3, 1), (6, 2), (12, 4), (30, 10), (36, 10), (40, 10), (100, 10)])
def test_a_third_are_guests(count: int, guests: int) -> None:
    names = drawn_boots(NAMES, GUESTS, count, "seed")
    assert len(names) == min(count, 40) and len(names & set(GUESTS)) == guests


def test_what_one_kind_lacks_the_other_fills() -> None:
    assert len(drawn_boots(NAMES, [], 6, "seed")) == len(drawn_boots([], GUESTS, 6, "seed")) == 6
    assert len(drawn_boots(NAMES[:1], GUESTS, 6, "seed") & set(GUESTS)) == 5
    assert len(drawn_boots(NAMES, GUESTS[:1], 6, "seed") & set(NAMES)) == 5
    assert drawn_boots(NAMES, GUESTS, None, "seed") == frozenset([*NAMES, *GUESTS])
    assert drawn_boots(NAMES, GUESTS, 0, "seed") == frozenset()


def test_a_single_boot_is_now_and_then_a_guest() -> None:
    singles = frozenset.union(*(drawn_boots(NAMES, GUESTS, 1, f"2026-11-{day:02}") for day in range(1, 31)))
    assert singles & set(GUESTS) and singles & set(NAMES)


def test_every_guest_has_its_day() -> None:
    assert frozenset(GUESTS) < frozenset.union(*(drawn_boots(NAMES, GUESTS, 6, f"2026-11-{day:02}") for day in range(1, 31)))


def test_another_guest_displaces_at_most_one() -> None:
    assert len(drawn_boots(NAMES, GUESTS, 12, "seed") - drawn_boots(NAMES, [*GUESTS, "test_new"], 12, "seed")) <= 1


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A checkout with this one's configuration and tests of its own, a root directory of guests, and no ../shared beside it."""
    tests = pytester.mkdir("checkout") / "tests"
    tests.mkdir()
    for name in ("conftest.py", "selection.py", "guest_directory.py", "captures.py"):
        shutil.copy(CHECKOUT / "tests" / name, tests)
    shutil.copy(CHECKOUT / "pyproject.toml", tests.parent)
    (tests / "test_some.py").write_text(TESTS)
    # The boots of this suite boot nothing.
    qemu = pytester.mkdir("bin") / "qemu-system-x86_64"
    qemu.touch(0o755)
    root = pytester.mkdir("root")
    (root / guest_directory.MARK).touch()
    monkeypatch.setenv("KHO_GUEST_ROOT", str(root))
    return pytester


def outcomes(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[dict[str, int], str]:
    """Counts of the closing line, and everything that was printed."""
    monkeypatch.setenv("PATH", str(suite.path / "bin"), prepend=":")
    monkeypatch.chdir(suite.path / "checkout")
    # The other plugins of the environment take half of the time to load, and these tests need none of them.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin")
    result = suite.runpytest_subprocess("-W", "ignore:Unknown config option:pytest.PytestConfigWarning", *arguments)
    return result.parseoutcomes(), result.stdout.str()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_out_is_counted(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    counts, said = outcomes(suite, monkeypatch, "-n", workers)
    assert counts == {"passed": BOOTS + 1, "skipped": 1, "deselected": 40 - BOOTS + 1}
    assert f"boots in QEMU: {BOOTS} of 40, drawn by --boot-seed 20" in said


def test_a_seed_repeats_a_run(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [outcomes(suite, monkeypatch, "-vv", "--boot-seed=one", "--boots=5")[1].splitlines() for _ in range(2)]
    boots = [[line for line in run if "::test_boot" in line or "::test_guest" in line] for run in runs]
    assert boots[0] == boots[1] and len(boots[0]) == 5


def test_guests_that_cannot_run_take_no_place_of_other_boots(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KHO_GUEST_ROOT", str(suite.path / "missing"))
    counts, said = outcomes(suite, monkeypatch, "-rs")
    assert counts == {"passed": BOOTS + 1, "skipped": 11, "deselected": 30 - BOOTS + 1}
    assert f"boots in QEMU: {BOOTS} of 30, drawn by --boot-seed 20" in said
    assert f"{suite.path / 'missing'} is no root directory of a guest" in said


def test_all_boots_and_what_is_long_run_when_asked_for(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcomes(suite, monkeypatch, "--boots=all")[0] == {"passed": 41, "skipped": 1, "deselected": 1}
    assert outcomes(suite, monkeypatch, "-m", "nightly")[0] == {"passed": 1, "deselected": 42}
    assert outcomes(suite, monkeypatch, "tests/test_some.py::test_boot[7]")[0] == {"passed": 1}
