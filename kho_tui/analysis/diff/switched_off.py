"""Whether KHO and LUO run in the next kernel: without LUO nobody can retrieve what it was handed."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.luo import LUO, LUO_NAME
from kho_tui.analysis.diff.log import HandoverLog
from kho_tui.model.state import State
from kho_tui.releases.cmdline import read_cmdline
from kho_tui.text import SafeText


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """Why KHO and why LUO do not run; None: they do, or that is unknown. KHO that is off takes LUO with it, and still takes memory over."""

    kho: SafeText | None
    luo: SafeText | None


def switched_off(new: State, log: HandoverLog) -> SwitchedOff:
    """By the log of a kernel, by its release, or by its command line, where that is there whole.

    LUO runs where ``liveupdate=`` switches it on and KHO is on (kernel/liveupdate/luo_core.c, 6.19 on). Whether KHO is on by default
    (CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT) a state does not tell: a command line without ``kho=`` leaves that open, and the log decides.
    """
    release = new.registry.releases.of(new.machine.release)
    if log.kho_off is not None:
        return SwitchedOff(log.kho_off, log.kho_off)
    if log.luo_off is not None:
        return SwitchedOff(None, log.luo_off)
    if release is None:
        return SwitchedOff(None, None)
    if new.registry.formats(LUO).of(release) is None:
        return SwitchedOff(None, None if _has_luo(new, log) else SafeText(f"{release.name} has no LUO"))
    if new.machine.cmdline is None or not new.machine.cmdline_whole:
        return SwitchedOff(None, None)
    line = read_cmdline(new.machine.cmdline)
    if line.kho is False:
        said = SafeText("KHO is switched off on the next kernel's command line (kho=)")
        return SwitchedOff(said, said)
    return SwitchedOff(None, None if line.liveupdate else SafeText("the next kernel's command line does not switch LUO on (liveupdate=)"))


def _has_luo(new: State, log: HandoverLog) -> bool:
    """Whether a kernel of a release without LUO has it all the same, from a backport."""
    side = new.sides.get("out")
    return log.luo is not None or (side is not None and any(one.name == LUO_NAME for one in side.subtrees))
