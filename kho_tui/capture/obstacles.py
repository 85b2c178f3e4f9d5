"""Why a state, its memory or its outgoing root FDT cannot be seen, and what to do about it: one table for the program and for the script.

The table is ``obstacles.txt``. Whoever asks gathers facts, words such as ``lockdown=integrity``; the first row that needs no other answers.
``FACTS`` declares all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import get_args

from kho_tui.capture.live.debugfs import DebugfsState
from kho_tui.capture.live.machine import Kcore, Lockdown, Machine, Switch
from kho_tui.capture.live.symbols import Shown
from kho_tui.model.facts import Missing, known
from kho_tui.releases.cmdline import CommandLine
from kho_tui.text import SafeText, visible

_SWITCH = frozenset(get_args(Switch))
FACTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # Of who looks: the machine itself is looked at, not a copy of its files.
        "here": frozenset({"yes"}),
        # Of the machine (Machine.facts; look_at_machine in capture-kho.sh).
        "user": frozenset({"root", "other"}),
        "debugfs": frozenset(get_args(DebugfsState)),
        "lockdown": frozenset(get_args(Lockdown)),
        "kcore": frozenset(get_args(Kcore)),
        "symbols": frozenset(get_args(Shown)),
        "symbol-built": _SWITCH,
        "image-loaded": _SWITCH,
        "load-disabled": _SWITCH,
        "liveupdate-device": _SWITCH,
        # Of configuration and command line (facts_of_kernel; look_at_kernel in capture-kho.sh).
        "config-built": _SWITCH,
        "config-shows": frozenset({"yes", "no"}),
        "default": frozenset({"on", "off", "unknown"}),
        "switch": frozenset({"on", "off", "unset", "unknown"}),
    }
)
"""Every fact by its name, with the values that it may have."""
_OF_WHO_LOOKS = frozenset({"here", "user", "kcore"})
"""Facts of who looks at a machine: what a capture was allowed to read then is not known of who reads it now."""


def values_of(name: str) -> frozenset[str]:
    """The values that a fact may have. Raises LookupError for a name that is not declared: a fact of that name never holds."""
    try:
        return FACTS[name]
    except KeyError:
        raise LookupError(f"{name!r} is no fact of the table of obstacles; it knows {', '.join(FACTS)}") from None


def facts_told(words: object) -> frozenset[str]:
    """The facts that a manifest tells of its machine, in one string; words that are not declared, and what is told of who looked, left out.

    >>> sorted(facts_told("here=yes lockdown=none lockdown=off debugfs=mounted user=root"))
    ['debugfs=mounted', 'lockdown=none']
    """
    pairs = (word.partition("=") for word in (words.split() if isinstance(words, str) else ()))
    return frozenset(f"{name}={value}" for name, _, value in pairs if name not in _OF_WHO_LOOKS and value in FACTS.get(name, ()))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``code``: a word for programs; ``message``: what is wrong; ``remedy``: what to do, empty where nothing is known to help."""

    code: str
    message: SafeText
    remedy: SafeText

    @property
    def words(self) -> SafeText:
        """Message and remedy in one line."""
        return SafeText(f"{self.message}: {self.remedy}") if self.remedy else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What is known of a machine. ``words``: ``name=value``, by ``FACTS``; ``parameter``, ``debugfs``: what stands for them in messages."""

    words: frozenset[str] = frozenset()
    parameter: str = ""
    debugfs: str = ""

    def value(self, name: str) -> str:
        """The value of one fact, "unknown" where it is not among them. Raises LookupError for a name that is not declared."""
        values_of(name)
        return next((word.partition("=")[2] for word in sorted(self.words) if word.startswith(f"{name}=")), "unknown")

    def obstacle(self, question: str, *names: str) -> Obstacle | None:
        """What the table answers by all facts, or only by those of these names. Raises LookupError for a name that is not declared.

        >>> MachineFacts(words=frozenset({"lockdown=integrity"})).obstacle("finalize").code
        'lockdown'
        """
        for name in names:
            values_of(name)
        words = frozenset(word for word in self.words if not names or word.partition("=")[0] in names)
        return obstacle(question, words, {"parameter": self.parameter, "debugfs": self.debugfs})


NOTHING_KNOWN = MachineFacts()


def machine_facts(
    config: Mapping[str, str] | Missing,
    cmdline: CommandLine | Missing,
    *,
    machine: Machine | None = None,
    told: Iterable[str] = (),
) -> MachineFacts:
    """What configuration and command line of a kernel, the running ``machine``, and what else is ``told`` of one say."""
    line = known(cmdline)
    return MachineFacts(
        words=facts_of_kernel(config, cmdline) | (frozenset() if machine is None else machine.facts) | frozenset(told),
        parameter="" if line is None or line.kho_value is None else f"kho={line.kho_value}",
        debugfs="" if machine is None else f"/{machine.debugfs.place}",
    )


@dataclass(frozen=True, slots=True)
class _Row:
    question: str
    facts: frozenset[str]
    code: str
    message: str
    remedy: str


def obstacles_table() -> str:
    """The text of the table, without comments."""
    lines = files("kho_tui.capture").joinpath("obstacles.txt").read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def obstacle(question: str, facts: Iterable[str], words: Mapping[str, str] | None = None) -> Obstacle | None:
    """The answer to a question of the table, None where no row holds. ``words``: what stands for {parameter} and {debugfs}.

    >>> obstacle("memory", {"kcore=denied", "lockdown=confidentiality"}).code
    'lockdown'
    """
    given = frozenset(facts)
    row = next((row for row in _rows() if row.question == question and row.facts <= given), None)
    if row is None:
        return None
    message, remedy = row.message, row.remedy
    for name, value in (words or {}).items():
        message = message.replace(f"{{{name}}}", visible(value))
    return Obstacle(row.code, SafeText(message), SafeText(remedy))


def facts_of_kernel(config: Mapping[str, str] | Missing, cmdline: CommandLine | Missing) -> frozenset[str]:
    """What configuration and command line of a kernel say of KHO."""
    options, line = known(config), known(cmdline)
    switch = None if line is None else line.kho
    facts = {f"switch={'unknown' if line is None else 'unset' if switch is None else 'on' if switch else 'off'}"}
    if options is None:
        return frozenset(facts | {"config-built=unknown", "default=unknown"})
    built = options.get("CONFIG_KEXEC_HANDOVER") == "y"
    default = options.get("CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT") == "y"
    shows = options.get("CONFIG_KEXEC_HANDOVER_DEBUGFS", "y") != "n"
    facts |= {f"config-built={'yes' if built else 'no'}", f"config-shows={'yes' if shows else 'no'}"}
    return frozenset(facts | {f"default={'on' if default else 'off'}"})


@cache
def _rows() -> tuple[_Row, ...]:
    split = (line.split("|") for line in obstacles_table().splitlines())
    rows = tuple(_Row(question, frozenset(facts.split()), code, message, remedy) for question, facts, code, message, remedy in split)
    for name, _, value in (fact.partition("=") for row in rows for fact in row.facts):
        if value not in values_of(name):
            raise ValueError(f"obstacles.txt: {name} is never {value!r}; it is one of {', '.join(sorted(FACTS[name]))}")
    return rows
