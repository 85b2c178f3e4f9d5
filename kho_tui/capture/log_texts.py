"""Texts of the kernel's log: those of KHO itself and of crashes (6.16 to 7.3), and the order in which all are tried.

Sources: arch/x86/kernel/setup.c, kernel/liveupdate/kexec_handover.c, and the format strings inside the kernels of 6.18.15, 6.19.11,
7.1.13 and 7.3.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from kho_tui.capture.facet import FileNaming, LogText, Naming
from kho_tui.model.registry import Registry

RESTORE_FAILED = "restore-failed"
"""Kind of the lines which prove that at least one restore failed: never which, and their absence proves nothing."""
ALARMS = frozenset({"disabled", "crash", RESTORE_FAILED})
"""Kinds that say of a handover, or of the kernel, that it failed."""

_NO_NODE = rb"node [`']?(.{1,64}?)[`']?(?:'s)? (?:missing or invalid|prop )"

KHO = Naming(
    words=(b"KHO", b"kho"),
    texts=(
        LogText("found", "in", rb"KHO: (?:setup: )?[Ff]ound kexec handover data"),
        # Before those that match any word: here stand names of users.
        LogText("subtree-failed", "in", rb"KHO: broken KHO subnode '(.{1,64}?)'"),
        LogText("subtree-failed", "in", rb"KHO: " + _NO_NODE),
        LogText("disabled", "in", rb"KHO: .*(?:isabling KHO revival|handover FDT .* is (?:incompatible with|invalid))"),
        LogText("disabled", "in", rb"KHO: .*failed to (?:memremap|mark the scratch)|setup: failed to memremap kho data"),
        LogText("disabled", "out", rb"KHO: .*disabl"),
        LogText("tracker-failed", "in", rb"KHO: failed to get preserved (?:KHO )?memory"),
        LogText("scratch", "out", rb"KHO: .*scratch"),
    ),
    rest=(LogText("kho", None, rb"(?:\w+_)?(?:KHO|kho): "),),
    functions=(b"kho_",),
    # kho_restore_page warns once a boot (kernel/kexec_handover.c, 6.16 on).
    restoring=(b"kho_restore_", b"kho_block_set_restore"),
)
CRASHES = Naming(
    words=(b"Kernel panic", b"Oops", b"BUG: ", b"kernel BUG at", b"Unable to handle kernel", b"general protection fault"),
    texts=(
        LogText(
            "crash",
            None,
            rb"(?:[A-Za-z_][\w -]{0,31}: ){0,2}"
            rb"(?:Kernel panic|Oops\b|BUG: |kernel BUG at|Unable to handle kernel|general protection fault)",
        ),
    ),
)
_WARNING = rb"WARNING: .{0,255}?\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTexts:
    """All texts, in the order in which they are tried. ``words``: one of them is in each line that a text matches."""

    words: re.Pattern[bytes]
    texts: tuple[tuple[LogText, re.Pattern[bytes]], ...]


@lru_cache(maxsize=4)
def texts_of(registry: Registry) -> LogTexts:
    """What is declared of the log, and KHO's own: the first text that matches names the line.

    What is exact comes first: a warning in a function, then the texts of subsystems, of file handlers, of KHO and of crashes, each in its
    own order. Then comes what the lines of each begin with, of what is declared last first: LUO's takes the lines of every ``NAME_luo``
    that nobody else does.
    """
    declared = (*registry.facets(Naming).values(), *registry.facets(FileNaming).values())
    namings = (*declared, KHO, CRASHES)
    functions = _any_of(name for naming in namings for name in naming.functions)
    restoring = _any_of(name for naming in namings for name in naming.restoring) + rb"[\w.]*\+0x"
    texts = (
        LogText(RESTORE_FAILED, "in", _WARNING + restoring),
        LogText(RESTORE_FAILED, "in", rb"(?:RIP: [0-9a-f]{4}:|pc : )" + restoring),
        LogText("warning", None, _WARNING + functions + rb"[\w.]+\+0x"),
        *(text for naming in namings for text in naming.texts),
        *(text for naming in (*reversed(declared), KHO) for text in naming.rest),
    )
    words = (word for naming in namings for word in (*naming.words, *naming.functions, *naming.restoring))
    return LogTexts(words=re.compile(_any_of(words)), texts=tuple((text, re.compile(text.pattern)) for text in texts))


def _any_of(words: Iterable[bytes]) -> bytes:
    return rb"(?:%s)" % b"|".join(map(re.escape, dict.fromkeys(words)))
