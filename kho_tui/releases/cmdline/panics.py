"""What makes a kernel panic rather than go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from kho_tui.releases.cmdline.numbers import kstrtoint
from kho_tui.releases.cmdline.words import Word


@dataclass(frozen=True, slots=True)
class PanicOptions:
    """Whether an oops and a WARNING end in a panic. ``on_oops`` None: as the kernel was built (CONFIG_PANIC_ON_OOPS)."""

    on_oops: bool | None = None
    on_warn: bool = False


def panics_at_boot(words: Iterable[Word]) -> PanicOptions:
    """Until init runs: ``oops=panic`` and ``panic_on_warn=`` (kernel/panic.c). A bare ``panic_on_warn`` is refused."""
    options = PanicOptions()
    for word in words:
        number = kstrtoint(word.value)
        if word.is_named("oops") and word.value == "panic":
            options = replace(options, on_oops=True)
        elif word.is_named("panic_on_warn") and number is not None:
            options = replace(options, on_warn=number != 0)
    return options


def panics_in_user_space(words: Iterable[Word]) -> PanicOptions:
    """From init on: the words ``sysctl.kernel.NAME=`` have been written to /proc/sys too (fs/proc/proc_sysctl.c)."""
    words = tuple(words)
    options = panics_at_boot(words)
    for word in words:
        number = kstrtoint(word.value)
        if number is None or word.name[:7] not in ("sysctl.", "sysctl/"):
            continue
        match word.name[7:].replace(".", "/"):
            case "kernel/panic_on_oops":
                options = replace(options, on_oops=number != 0)
            case "kernel/panic_on_warn" if number in (0, 1):
                options = replace(options, on_warn=number == 1)
    return options
