"""What a kernel does with what it is handed, in words for command line and app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kho_tui.abi.luo import LUO_NAME
from kho_tui.analysis.receiver.arrivals import Arrival, arrivals
from kho_tui.analysis.receiver.check import Answer
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reception import Reception
from kho_tui.model.finding import Severity
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.text import SafeText, plural, visible


@dataclass(frozen=True, slots=True)
class Words:
    """How an outcome is told: in a word for lists and JSON, in a clause, and how bad it is; None: nothing is lost."""

    word: str
    clause: str
    severity: Severity | None = None


OUTCOMES: Mapping[Outcome, Words] = {
    Outcome.TAKEN: Words("taken", "takes it"),
    Outcome.PART: Words("in part", "takes it in part", "warning"),
    Outcome.IGNORED: Words("ignored", "ignores it and boots cold", "warning"),
    Outcome.CHANCE: Words("chance", "may lose some of it, or die of it", "error"),
    Outcome.MISREAD: Words("misread", "misreads it silently", "error"),
    Outcome.OOPS: Words("oops", "oopses", "error"),
    Outcome.WILD: Words("misread or panic", "misreads it, or panics", "error"),
    Outcome.PANIC: Words("panic", "panics", "error"),
}


def outcome_word(outcome: Outcome | None) -> str | None:
    """The word of an outcome for lists and JSON; None where it is unknown."""
    return None if outcome is None else OUTCOMES[outcome].word


def outcome_name(outcome: Outcome | None) -> str:
    """An outcome by its own name, for text."""
    return "unknown" if outcome is None else outcome.value


def kernel_does(kernel: str, reception: Reception) -> SafeText:
    """One line: ``7.3.4 takes it: 4 subtrees``, ``7.1.0 ignores it and boots cold: handed over: kho-v4; this kernel takes only kho-v3``."""
    does = "takes all of it or not, which cannot be told" if reception.outcome is None else OUTCOMES[reception.outcome].clause
    return SafeText(f"{visible(kernel)} {does}: {why(reception)}")


def why(reception: Reception) -> SafeText:
    """What was met where something is lost, or cannot be told, else how much is taken."""
    if reception.undecided:
        return SafeText(reception.undecided[0].met)
    if reception.deciding is not None:
        return SafeText(reception.deciding.met)
    taken = sum(outcome is Outcome.TAKEN for outcome, _ in reception.consumers.values())
    others = len(reception.consumers) - taken
    return SafeText(f"{plural(taken, 'subtree')}" + (f", and {others} that nobody in its own tree asks for" if others else ""))


def consumer_lines(reception: Reception) -> Iterator[SafeText]:
    """What becomes of each consumer's part; nothing where the whole is ignored."""
    consumers = reception.consumers
    if not consumers or reception.worst is Outcome.IGNORED:
        return
    width = max(len(visible(name)) for name in consumers)
    for name, (outcome, met) in consumers.items():
        yield SafeText(f"  {visible(name):<{width}}  {outcome_name(outcome)}" + (f": {met}" if met else ""))


_FATES: Mapping[Outcome | None, str] = {
    Outcome.PART: "lost",
    Outcome.IGNORED: "lost",
    Outcome.CHANCE: "left to chance",
    Outcome.MISREAD: "comes back, but not as it was",
    Outcome.OOPS: "lost with an oops",
    Outcome.WILD: "comes back wrong, or oopses",
    None: "unknown",
}
_MOST_ARRIVALS = 10


def arrival_lines(reception: Reception) -> Iterator[SafeText]:
    """Each session and file that does not come back as it was; nothing where one reason stands for all of LUO's part."""
    outcome, _ = reception.consumers.get(LUO_NAME, (Outcome.IGNORED, ""))
    if outcome is Outcome.IGNORED or reception.worst in (Outcome.IGNORED, Outcome.PANIC) or reception.garbage is not None:
        return
    lines = [line for session in arrivals(reception).get("sessions", ()) for line in _session_lines(session)]
    yield from lines[:_MOST_ARRIVALS]
    if len(lines) > _MOST_ARRIVALS:
        yield SafeText(f"  LUO: {len(lines) - _MOST_ARRIVALS} more (--json lists all)")


def _session_lines(session: Arrival) -> Iterator[SafeText]:
    shown = _called(session)
    if session.outcome is not Outcome.TAKEN:
        yield SafeText(f"  LUO: session {shown}: {_FATES.get(session.outcome, 'lost')}: {session.reason}")
        return
    for file in session.parts["files"] or ():
        if file.outcome is not Outcome.TAKEN:
            yield SafeText(f"  LUO: file {_called(file)} of {shown}: {_FATES.get(file.outcome, 'lost')}: {file.reason}")


def _called(thing: Arrival) -> SafeText:
    return visible(thing.name) if isinstance(thing.name, bytes) else SafeText(f"{thing.name:#x}")


def deciding_lines(answer: Answer) -> Iterator[SafeText]:
    """The check that made the outcome, and where the kernel makes it."""
    check = answer.check
    yield SafeText(f"  decided by {check.name} ({check.stage.value}): {check.question}? {check.consequence}")
    yield SafeText(f"  source: {check.source}")


def simulated_lines(reception: Reception, message: str, log: Iterable[str], unpredictable: Iterable[Unpredictable]) -> Iterator[SafeText]:
    """What stands behind the verdict on a simulated kexec: last words of a panic, consumers, the deciding check, what is not known."""
    if message:
        yield SafeText(f"  {visible(message)}")
    yield from consumer_lines(reception)
    if reception.deciding is not None:
        yield from deciding_lines(reception.deciding)
    yield from labelled("log", log)
    yield from labelled("cannot be predicted", (one.text for one in unpredictable))


def labelled(label: str, texts: Iterable[str]) -> Iterator[SafeText]:
    """A line for each text."""
    return (SafeText(f"  {label}: {visible(text)}") for text in texts)
