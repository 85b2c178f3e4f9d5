"""How far an action is: amounts, rate, and time left."""

from __future__ import annotations

from kho_tui.views.progress import ProgressReport


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bytes_are_told_with_their_rate_and_what_is_left() -> None:
    clock = Clock()
    progress = ProgressReport(clock=clock)
    progress.report("searching", 0, 64 << 30, "bytes")
    assert (progress.what, progress.share, progress.amount) == ("searching", 0.0, "0 bytes of 64 GiB")
    clock.now += 10
    progress.report("searching", 16 << 30, 64 << 30, "bytes")
    assert (progress.share, progress.amount) == (0.25, "16 GiB of 64 GiB, 1.6 GiB/s, 30 s left")
    clock.now += 10_000
    assert progress.amount == "16 GiB of 64 GiB, 1.637 MiB/s, 8 h left"


def test_another_action_begins_anew() -> None:
    clock = Clock()
    progress = ProgressReport(clock=clock)
    progress.report("searching", 1 << 30, 2 << 30, "bytes")
    clock.now += 100
    progress.report("unpacking", 1 << 20, 2 << 20, "bytes")
    clock.now += 1
    assert progress.amount == "1 MiB of 2 MiB, 1 MiB/s, 1 s left"
    clock.now += 100
    # The same once more, from its beginning.
    progress.report("unpacking", 0, 2 << 20, "bytes")
    progress.report("unpacking", 1 << 20, 2 << 20, "bytes")
    clock.now += 1
    assert progress.amount == "1 MiB of 2 MiB, 1 MiB/s, 1 s left"


def test_steps_are_counted_and_nothing_is_made_up() -> None:
    progress = ProgressReport()
    progress.report("checking", 3, 10, "steps")
    assert (progress.share, progress.amount) == (0.3, "3 of 10")
    progress.report("sorting", 0, None, "steps")
    assert (progress.share, progress.amount) == (None, "")
    progress.report("reading", 7, None, "steps")
    assert progress.amount == "7"
