"""Whatever a capture was broken into: an answer or one line of advice, in time, in bounds, and nothing that a terminal obeys."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from captures import SAMPLES

from mutations.attacks import ATTACKS
from mutations.kernels import make_kernel
from mutations.mutator import make_mutant
from mutations.originals import originals
from mutations.probe import (
    Violation,
    check_json,
    check_text,
    exercise,
    exercise_all,
    exercise_command,
    exercise_kernel,
    exercise_scenario,
)
from mutations.scenarios import make_scenario
from mutations.workers import Outcome, run_mutants

SEED = 20261122
COUNT = 80
MANY = 20_000
IMAGES = 300
SCENARIOS = 120
THROUGH_THE_COMMAND = 4


def assert_none_failed(outcome: Outcome) -> None:
    again = "again: python benchmarks/mutate.py --samples --seed SEED --number NUMBER [--keep DIRECTORY]"
    assert not outcome.failures, "\n\n".join([again, *map(str, outcome.failures)])


@pytest.mark.parametrize("count", [COUNT, pytest.param(MANY, marks=pytest.mark.nightly)])
def test_mutants_are_answered_or_refused_by_every_command(count: int) -> None:
    captures = [o for o in originals() if "samples" in o.name]
    outcome = run_mutants(partial(make_mutant, captures, SEED), range(count), exercise_all)
    assert_none_failed(outcome)
    assert sum(outcome.answers.values()) == count
    assert outcome.answers["read"] > count // 2, "mutants that are refused at the door test nothing behind it"


@pytest.mark.parametrize("count", [IMAGES, pytest.param(10 * IMAGES, marks=pytest.mark.nightly)])
def test_kernel_images_are_read_or_refused(count: int) -> None:
    outcome = run_mutants(partial(make_kernel, SEED), range(count), exercise_kernel)
    assert_none_failed(outcome)
    assert outcome.answers["read"] > count // 20


@pytest.mark.parametrize("count", [SCENARIOS, pytest.param(20 * SCENARIOS, marks=pytest.mark.nightly)])
def test_scenarios_are_run_or_refused(count: int) -> None:
    outcome = run_mutants(partial(make_scenario, SEED), range(count), exercise_scenario)
    assert_none_failed(outcome)
    assert outcome.answers["read"] > count // 10


def test_mutants_through_the_command() -> None:
    captures = [o for o in originals() if "samples" in o.name]
    numbers = range(COUNT, COUNT + THROUGH_THE_COMMAND)
    assert_none_failed(run_mutants(partial(make_mutant, captures, SEED), numbers, exercise_command))


@pytest.mark.parametrize("way", [exercise, pytest.param(exercise_all, marks=pytest.mark.nightly)])
def test_attacks_made_by_hand_cost_no_more_than_their_size(way: Callable[[Path], str]) -> None:
    outcome = run_mutants(ATTACKS.__getitem__, range(len(ATTACKS)), way)
    assert_none_failed(outcome)
    assert sum(outcome.answers.values()) == len(ATTACKS)


def test_a_mutant_is_the_same_at_every_call() -> None:
    captures = originals()
    for number in random.Random(SEED).sample(range(10_000), 5):
        one, other = make_mutant(captures, SEED, number), make_mutant(captures, SEED, number)
        assert str(one) == str(other)
        assert (one.files, one.links, one.single) == (other.files, other.links, other.single)


@pytest.mark.parametrize("bad", ["\x1b[2J", "\x9b31m", "\x7f", "\u202e", "\u2066", "\u2028", "\ud800"])
def test_the_probe_sees_what_it_is_there_for(bad: str) -> None:
    with pytest.raises(Violation):
        check_text(f"a{bad}b", "text")
    with pytest.raises(Violation):
        check_json('"name": "a\\\\' + "".join(f"\\u{ord(char):04x}" for char in bad) + '"')
    check_json('"a\\\\u001b is text of ours"')


def test_originals_are_at_hand() -> None:
    assert SAMPLES.is_dir()
    assert all(o.core is None or (o.core.pointers and o.core.names and o.core.fdts) for o in originals() if "samples" in o.name)
