"""Whether KHO runs in the next kernel. One in which it is off still takes over the memory that it was handed."""

from __future__ import annotations

from kho_tui.analysis.diff.log import HandoverLog
from kho_tui.model.state import State
from kho_tui.releases.cmdline import CommandLine, read_cmdline
from kho_tui.text import SafeText


def kho_off(new: State, log: HandoverLog) -> SafeText | None:
    """Why KHO does not run in the kernel of ``new``: by its log, or by its command line; None: it does, or that is unknown.

    Whether it is on by default (CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT) a state does not tell: a command line without ``kho=`` leaves that
    open, and the log decides.
    """
    line = whole_cmdline(new)
    if log.kho_off is None and line is not None and line.kho is False:
        return SafeText("KHO is switched off on the next kernel's command line (kho=)")
    return log.kho_off


def whole_cmdline(new: State) -> CommandLine | None:
    """The kernel's command line as its release reads it; None where it is not there whole, or where the release is not known."""
    if new.registry.releases.of(new.machine.release) is None or new.machine.cmdline is None or not new.machine.cmdline_whole:
        return None
    return read_cmdline(new.machine.cmdline)
