"""What the build and the command line of a kernel change in what its release would do with a state (kho-abi.md 5.5, 5.8, 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.releases.receiver import Answer, Check, Offered, Outcome, Reception, Stage, Target, Verdict, receive
from kho_tui.releases.table import RELEASES

_BADNESS = (Outcome.PART, Outcome.IGNORED, Outcome.MISREAD, Outcome.PANIC)


@dataclass(frozen=True, slots=True)
class Configured:
    """A kernel's own choices; None: not known.

    ``luo``: CONFIG_LIVEUPDATE; ``kho`` and ``liveupdate``: what is on once it has read its command line; ``handlers``: compatible strings
    of the file handlers in it; ``test``: CONFIG_TEST_KEXEC_HANDOVER, as a module too.
    """

    luo: bool | None = None
    kho: bool | None = None
    liveupdate: bool | None = None
    handlers: frozenset[bytes] | None = None
    test: bool | None = None


def receive_as_configured(offered: Offered, target: Target, configured: Configured, further: Iterable[Check] = ()) -> Reception:
    """``receive`` for a kernel that was built and started so; ``configured.kho`` counts, not ``target.kho``. Then ``further`` checks.

    What is not known is left open, except that KHO and LUO are taken to be on: a panic that is found then is one unless they are off.
    """
    without_luo = configured.luo is False and target.release.luo is not None
    met = offered
    if without_luo and offered.subtrees is not None:
        # Nobody looks at it, so nothing in it can make this kernel panic.
        met = replace(offered, subtrees=tuple(one for one in offered.subtrees if one.name != LUO_NAME))
    reception = receive(met, replace(target, kho=configured.kho is not False))
    if reception.outcome is Outcome.IGNORED:
        return reception
    present = {one.name for one in offered.subtrees or ()}
    for check in (*_checks(configured), *further):
        if (check.consumer is None or check.consumer in present) and check.applies(target.release):
            reception = _and(reception, check, offered, target)
    return reception


def _and(reception: Reception, check: Check, offered: Offered, target: Target) -> Reception:
    """The reception with one more check. What is lost already, or ended in a panic, is not asked again."""
    before, _ = reception.consumers.get(check.consumer or b"", (Outcome.TAKEN, ""))
    holds, met = check.holds(offered, target)
    # A kernel that panics comes to nothing else; only what would have kept it from looking at LUO is still of interest.
    late = reception.outcome is Outcome.PANIC and not (holds is None and check.consumer == LUO_NAME and check.fails is Outcome.IGNORED)
    if before is Outcome.IGNORED or holds or late:
        return reception
    answer = Answer(check, holds, met)
    if holds is None:
        return replace(reception, answers=(*reception.answers, answer))
    decided = reception.deciding
    if decided is None or _BADNESS.index(check.fails) > _BADNESS.index(decided.check.fails):
        decided = answer
    worst = decided.check.fails
    return replace(
        reception,
        # A consumer's state that is ignored is a part of the whole.
        outcome=Outcome.PART if worst is Outcome.IGNORED else worst,
        deciding=decided,
        answers=(*reception.answers, answer),
        consumers=reception.consumers if check.consumer is None else {**reception.consumers, check.consumer: (check.fails, met)},
    )


def _checks(configured: Configured) -> tuple[Check, ...]:
    luo = "kernel/liveupdate/luo_core.c"

    def one(
        name: str,
        question: str,
        consequence: str,
        fails: Outcome,
        holds: Callable[[Offered, Target], Verdict],
        consumer: bytes,
        source: str,
    ) -> Check:
        return Check(name, Stage.CONSUMERS, question, fails, consequence, RELEASES[0].name, "99.0", holds, consumer, source)

    lost = "sessions are lost, their memory stays reserved"
    return (
        one(
            "luo-built",
            "is LUO built in",
            lost,
            Outcome.IGNORED,
            lambda _o, _t: _said(
                configured.luo, "LUO is built in", "LUO is not built into this kernel: " + lost, "whether LUO is built in is not known"
            ),
            LUO_NAME,
            luo,
        ),
        one(
            "kho-on",
            "is KHO on there",
            lost,
            Outcome.IGNORED,
            lambda _o, _t: _said(configured.kho, "KHO is on", "KHO is off: " + lost, "whether KHO is on there is not known"),
            LUO_NAME,
            luo,
        ),
        one(
            "liveupdate-on",
            "is LUO on there",
            lost,
            Outcome.IGNORED,
            lambda _o, _t: _said(
                configured.liveupdate,
                "LUO is on",
                "no liveupdate=on on its command line: nobody can ask for the sessions, their memory stays reserved",
                "whether liveupdate=on stands on its command line is not known",
            ),
            LUO_NAME,
            luo,
        ),
        one(
            "luo-handlers",
            "are the handlers of the files built in",
            "such files are lost",
            Outcome.PART,
            lambda o, _t: _handlers(configured, o),
            LUO_NAME,
            "kernel/liveupdate/luo_file.c",
        ),
        one(
            "test-built",
            "is the test module there",
            "the test's folios stay reserved",
            Outcome.IGNORED,
            lambda _o, _t: _said(
                configured.test,
                "the test module is there",
                "the test module is not built: its folios stay reserved",
                "whether the test module is built is not known",
            ),
            KHO_TEST_NAME,
            "lib/test_kho.c",
        ),
    )


def _said(fact: bool | None, yes: str, no: str, open_: str) -> Verdict:
    return fact, open_ if fact is None else yes if fact else no


def _handlers(configured: Configured, offered: Offered) -> Verdict:
    wanted = None if offered.luo is None else offered.luo.handlers
    if wanted is None:
        return True, "which files there are is asked elsewhere"
    if not wanted:
        return True, "there is no file"
    if configured.handlers is None:
        return None, "which file handlers are built in is not known"
    missing = sorted(one.decode("latin-1") for one in wanted - configured.handlers)
    return not missing, f"no handler for {', '.join(missing)} is built in" if missing else "all are built in"
