"""What makes a kernel panic rather than go on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kho_tui.releases.cmdline.numbers import kstrtoint
from kho_tui.releases.cmdline.words import Word

_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})(?:,|$)")


@dataclass(frozen=True, slots=True)
class PanicOptions:
    """Whether an oops and a WARNING end in a panic. ``on_oops`` None: as the kernel was built (CONFIG_PANIC_ON_OOPS)."""

    on_oops: bool | None = None
    on_warn: bool = False


_TAINT_DIE, _TAINT_WARN = 1 << 7, 1 << 9
"""Bits of an oops and of a WARNING in the mask of ``panic_on_taint=`` (include/linux/panic.h)."""


def panics_at_boot(words: Iterable[Word]) -> PanicOptions:
    """Until init runs: ``oops=panic``, ``panic_on_warn=`` and ``panic_on_taint=`` (kernel/panic.c). A bare ``panic_on_warn`` is refused."""
    options = PanicOptions()
    for word in words:
        mask = _HEX.match(word.value or "") if word.is_named("panic_on_taint") else None
        if mask is not None:
            bits = int(mask[1], 16)
            options = PanicOptions(True if bits & _TAINT_DIE else options.on_oops, options.on_warn or bool(bits & _TAINT_WARN))
            continue
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
            # What is counted up to a limit of 1 panics at once.
            case "kernel/oops_limit" if number == 1:
                options = replace(options, on_oops=True)
            case "kernel/warn_limit" if number == 1:
                options = replace(options, on_warn=True)
    return options
