"""What a cause is weighed with: an opened machine or capture, log lines that the user gave, and kernels that might be loaded next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from kho_tui.analysis.checks.report import Report
from kho_tui.analysis.compat import Compatibility
from kho_tui.capture.dmesg import NO_LOG, KernelLog
from kho_tui.capture.obstacles import MachineFacts, machine_facts
from kho_tui.capture.sources import NOT_HERE, Sources
from kho_tui.context import Context
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.facts import Missing, known
from kho_tui.model.registry import Registry
from kho_tui.model.sides import outgoing_or_none
from kho_tui.model.state import State
from kho_tui.releases.cmdline import CommandLine
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Release
from kho_tui.releases.version import Version
from kho_tui.text import NO_TEXT, SafeText, visible

_LONGEST = 300
"""Characters of a value that are quoted."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen: the file (of the machine or the capture) and its value, made visible."""

    file: SafeText
    value: SafeText


def quote(file: str, value: bytes | str) -> Evidence:
    """Evidence out of captured text, which is made visible and cut to a line."""
    shown = visible(value)
    return Evidence(SafeText(file), shown if len(shown) <= _LONGEST else SafeText(f"{shown[:_LONGEST]}..."))


def said(file: str, value: str) -> Evidence:
    """Evidence in words of the program; captured text in it has gone through ``visible``."""
    return Evidence(SafeText(file), SafeText(value))


@dataclass(frozen=True, slots=True)
class Line:
    """A KHO message: its kind, the side it is about, its text, and where it was read."""

    kind: str
    side: str | None
    text: bytes
    file: str

    @property
    def evidence(self) -> Evidence:
        """The line as it is quoted."""
        return quote(self.file, self.text)


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel image that might be loaded next. ``found`` None: what it would do is unknown, for the ``reason``."""

    path: SafeText
    found: Compatibility | None
    reason: SafeText = NO_TEXT
    initrd: SafeText = NO_TEXT
    """The initrd that was taken to be loaded with it; empty: none."""


def _no_kernels() -> tuple[Kernel, ...]:
    return ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """``state`` and ``sources`` None: there are only the words and the log that the user gave.

    ``given``: the log, or the line of one, that the user gave, ``given_file`` what it is called; ``look_at_kernels`` reads the images that
    might be loaded next, once a cause asks. ``memory``: captured memory. ``set_aside``: why what this machine shows is no evidence.
    """

    registry: Registry
    state: State | None = None
    sources: Sources | None = None
    memory: PhysicalMemory | None = None
    given: KernelLog = NO_LOG
    given_file: str = "log given"
    kexec: tuple[Release, Release] | None = None
    """The releases of a kexec, from and into, that the user named."""
    set_aside: SafeText = NO_TEXT
    look_at_kernels: Callable[[], tuple[Kernel, ...]] = _no_kernels
    report: Report | None = None
    """What the rules say of the side that would be handed over; None: they were not put."""
    changed: SafeText = NO_TEXT
    """What changed while a running machine was read; empty for nothing."""
    context: Context

    @property
    def subject(self) -> SafeText:
        """What is looked at, in words."""
        if self.state is None:
            alone = "the log given" if self.given.from_log else "nothing but the words given"
            alone += f", the last of its {self.given.boots} boots" if self.given.boots > 1 else ""
            kernel = f", kernel {visible(self.given.release)}" if self.given.release else ""
            return SafeText(f"{alone}{kernel}")
        where = "this machine" if self.live else str(self.state.machine.path)
        return SafeText(f"{where}, kernel {visible(self.state.machine.release or 'unknown')}")

    @property
    def live(self) -> bool:
        """Whether it is the running machine."""
        return self.sources is not None and self.sources.machine is not None

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """KHO messages: those that the user gave before those of the machine or capture."""
        given = {one.text: Line(one.kind, one.side, one.text, self.given_file) for one in self.given.messages}.values()
        state = () if self.state is None else self.state.log
        known = {line.text for line in given}
        return (*given, *(Line(one.kind, one.side, one.text, "dmesg") for one in state if one.text not in known))

    def saying(self, *kinds: str, pattern: bytes = rb"", side: str | None = None) -> tuple[Line, ...]:
        """The messages of some kinds that match, of a side where one is named."""
        looked_for = re.compile(pattern, re.IGNORECASE)
        return tuple(
            one for one in self.lines if one.kind in kinds and side in (None, one.side) and looked_for.search(one.text) is not None
        )

    @property
    def log_whole(self) -> bool:
        """Whether a log is there from its first line on, so that the absence of a message counts.

        A message that was given and is not in the machine's log is of another boot, of which nothing else is known.
        """
        if self.given.whole:
            return True
        if self.state is None or not self.state.log_from_boot:
            return False
        return {message.text for message in self.given.messages} <= {message.text for message in self.state.log}

    @property
    def log_file(self) -> str:
        """What that log is called."""
        return self.given_file if self.given.whole else "dmesg"

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The images that might be loaded next; empty where there are none to look at. Raises Cancelled."""
        return self.look_at_kernels()

    @property
    def config(self) -> Mapping[str, str] | Missing:
        """The kernel's configuration."""
        return NOT_HERE if self.sources is None else self.sources.config

    def option(self, name: str) -> bool | None:
        """Whether an option is y or m; None where the configuration is not known."""
        config = known(self.config)
        return None if config is None else config.get(name) in ("y", "m")

    def option_evidence(self, name: str) -> Evidence:
        """An option as the configuration has it."""
        value = (known(self.config) or {}).get(name)
        return quote("config", f"{name}={value}" if value is not None else f"no {name}")

    @property
    def cmdline(self) -> CommandLine | None:
        """The command line of the kernel that runs, or whose log was given."""
        return self.given.cmdline if self.sources is None else known(self.sources.cmdline)

    def cmdline_evidence(self, parameter: str) -> Evidence:
        """The last value of a parameter, or that it has none."""
        values = () if self.cmdline is None else self.cmdline.values(parameter)
        if self.cmdline is None:
            return said("cmdline", "not known")
        value = values[-1] if values else None
        shown = f"no {parameter}=" if not values else parameter if value is None else f"{parameter}={value}"
        return quote("cmdline" if self.sources is not None else f"command line in the {self.given_file}", shown)

    @property
    def facts(self) -> MachineFacts:
        """What is known of the machine; without one, what the log that was given says."""
        if self.sources is not None:
            return self.sources.facts
        locked = () if self.given.lockdown is None else (f"lockdown={self.given.lockdown}",)
        return machine_facts(NOT_HERE, self.cmdline or NOT_HERE, told=locked)

    def lockdown_evidence(self) -> Evidence:
        """How far the kernel is locked down."""
        file = "/sys/kernel/security/lockdown" if self.sources is not None else self.given_file
        return said(file, f"lockdown={self.facts.value('lockdown')}")

    @property
    def shows_kho(self) -> bool:
        """Whether a kho tree, a scratch table or a root FDT is there: then KHO is built into the kernel that wrote it, and was on."""
        return self.state is not None and (bool(self.state.sides) or not isinstance(self.state.scratch, Missing))

    @property
    def version(self) -> Version | None:
        """Of the kernel that runs, or whose log was given."""
        return Version.parse(self._running_release)

    @property
    def release(self) -> Release | None:
        """The series of that kernel; None for one that is not known."""
        return self.registry.releases.of(self._running_release)

    @property
    def _running_release(self) -> str | None:
        return self.given.release or (None if self.state is None else self.state.machine.release)

    @property
    def writer(self) -> Version | None:
        """Of the kernel that handed over to the one that runs; None where the state does not say it."""
        side = None if self.state is None else self.state.sides.get("in")
        return None if side is None else Version.parse(side.writer)

    @property
    def writer_evidence(self) -> tuple[Evidence, ...]:
        """What says which kernel handed over."""
        side = None if self.state is None else self.state.sides.get("in")
        return () if side is None or side.writer is None else (quote("kho/in/sub_fdts/kexec-metadata", f"previous release {side.writer}"),)

    @property
    def took_over(self) -> tuple[Evidence, ...]:
        """What proves that the kernel that runs took over a handover; empty: nothing does.

        The record of the boot proves nothing: it stays where the kernel refused what it was told of.
        """
        if lines := self.saying("found", "liveupdate", "revived", side="in"):
            return (lines[0].evidence,)
        if self.sources is not None and self.sources.incoming is not None:
            return (said("kho/in", "is there"),)
        alone = self.state is not None and "in" in self.state.sides and not self.was_offered
        return (said("memory", "holds the root FDT that was handed in"),) if alone else ()

    @property
    def was_offered(self) -> tuple[Evidence, ...]:
        """What says that the kernel that runs was told of a handover, whether it took it or not."""
        boot = None if self.sources is None else self.sources.boot
        if boot is None or boot.fdt_phys is None:
            return ()
        return (said(boot.source, f"this boot was told of a root FDT at {boot.fdt_phys:#x}"),)

    @property
    def handover_came_in(self) -> bool:
        """Whether it shows that the kernel that runs was handed something, which it took over or refused."""
        return bool(self.took_over or self.was_offered or self.saying("disabled", side="in"))

    @property
    def kho_evidence(self) -> Evidence:
        """What ``shows_kho``."""
        if self.sources is not None and self.sources.shows_tree:
            return said("kho/", "there is a kho tree")
        return said("memory", "holds a root FDT or a scratch table")

    @property
    def about_to_hand_over(self) -> bool:
        """Whether it is a capture of before a kexec, whose log and command line are not of the boot to come."""
        waits = self.state is not None and not self.live and outgoing_or_none(self.state) is not None
        return waits and not self.handover_came_in and not self.given.from_log

    def absent_from_cmdline(self, *parameters: str) -> bool:
        """Whether a command line that is known to its end has none of these parameters."""
        line = self.cmdline
        return line is not None and line.whole and not any(line.values(parameter) for parameter in parameters)

    @property
    def release_evidence(self) -> Evidence:
        """The kernel's release."""
        if self.given.release is not None:
            return quote(self.given_file, f"{'Linux version' if self.given.from_log else 'kernel'} {self.given.release}")
        return quote("version", (None if self.state is None else self.state.machine.release) or "unknown")

    def within(self, span: Range) -> bool | None:
        """Whether the kernel is in a range of releases; None where that is unknown: a vendor may have added what a later one has."""
        covered = self.registry.releases.covers(span, self.version)
        return None if covered is False and self.version is not None and self.version.is_vendors else covered
