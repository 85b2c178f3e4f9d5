"""Texts of the kernel about KHO and LUO, 6.16 to 7.3, and what each speaks of: one table.

Sources: arch/x86/kernel/setup.c, kernel/liveupdate/*, mm/memblock.c, mm/memfd_luo.c, lib/test_kho.c, lib/tests/liveupdate.c, and the
format strings inside the kernels of 6.18.15, 6.19.11, 7.1.13 and 7.3.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Side = Literal["in", "out"]

RESTORE_FAILED = "restore-failed"
"""Kind of the lines which prove that at least one restore failed: never which, and their absence proves nothing."""
ALARMS = frozenset({"disabled", "crash", RESTORE_FAILED})
"""Kinds that say of a handover, or of the kernel, that it failed."""


@dataclass(frozen=True, slots=True)
class LogText:
    """A message of the kernel, matched from its first byte. The one group of ``pattern``, if any, is what it speaks of."""

    kind: str
    side: Side | None
    pattern: re.Pattern[bytes]


def _p(kind: str, side: Side | None, pattern: bytes) -> LogText:
    return LogText(kind, side, re.compile(pattern))


_LUO_STATE = (
    rb"failed to retrieve (?:FDT|LUO state) |FDT '.*?' is incompatible|LUO state is (?:incompatible|too small)|Unable to get |"
    rb"(?:Session|FLB) node (?:is )?incompatible|Failed to deserialize sessions"
)
_LUO_ANONYMOUS = rb"File count mismatch|Block set is corrupted|Block contains invalid"
_MEMFD_ANONYMOUS = rb"failed to (?:setup file|add seals)|shmem: failed"
_NO_NODE = rb"node [`']?(.{1,64}?)[`']?(?:'s)? (?:missing or invalid|prop )"
_RESTORING = (
    rb"(?:kho_restore_|kho_block_set_restore|memfd_luo_retrieve|memfd_luo_discard|luo_file_deserialize|luo_session_deserialize|"
    rb"luo_session_retrieve|luo_retrieve_file)[\w.]*\+0x"
)
"""Functions of the kernel that only take over what was handed in: a WARNING or an oops in one of them is a restore that failed.

kho_restore_page (kernel/kexec_handover.c, 6.16 on) warns once a boot, luo_file_deserialize of a session whose files are nowhere.
"""
_WARNING = rb"WARNING: .{0,255}?\b"
_CRASH = rb"Kernel panic|Oops\b|BUG: |kernel BUG at|Unable to handle kernel|general protection fault"

TEXTS = (
    # In order: the first that matches names the line.
    _p("found", "in", rb"KHO: (?:setup: )?[Ff]ound kexec handover data"),
    _p("disabled", "in", rb"KHO: .*(?:isabling KHO revival|handover FDT .* is (?:incompatible with|invalid))"),
    _p("disabled", "in", rb"KHO: .*failed to (?:memremap|mark the scratch)|setup: failed to memremap kho data"),
    _p("disabled", "out", rb"KHO: .*disabl"),
    _p("disabled", None, rb"luo: (?:.*\bd|D)isabl"),
    _p("tracker-failed", "in", rb"KHO: failed to get preserved (?:KHO )?memory"),
    _p("subtree-failed", "in", rb"KHO: (kexec-metadata) (?:blob too small|version \d+ not supported)"),
    _p("subtree-failed", "in", rb"KHO: broken KHO subnode '(.{1,64}?)'"),
    _p("subtree-failed", "in", rb"KHO: " + _NO_NODE),
    _p("subtree-failed", "in", rb"test_kho: failed to retrieve (kho_test) FDT"),
    _p("subtree-failed", "in", rb"(?:failed to retrieve )?FDT '(memblock)' (?:from KHO|is incompatible)"),
    _p("revived", "in", rb"Revived memory reservation '(.{1,64}?)' from KHO"),
    _p("region-failed", "in", rb"KHO reserve-mem '(.{1,64}?)' has wrong "),
    _p("region-failed", "in", rb"Node '(.{1,64}?)' is incompatible with 'reserve-mem"),
    _p("region-not-found", "in", rb"FDT 'memblock' has no child '(.{1,64}?)'"),
    _p("liveupdate", "in", rb"luo: Retrieved live update data, liveupdate number: (-?\d{1,20})"),
    _p("exec-from", "in", rb"KHO: exec from: (.{1,96}?) \(count \d+\)"),
    _p("test-restore", "in", rb"test_kho: KHO restore (?:succeeded|failed)"),
    _p("flb-failed", "in", rb"liveupdate test: liveupdate_flb_get_incoming for (\S+) failed"),
    _p("flb-failed", "in", rb"liveupdate test: (\S+): ERROR"),
    _p("flb", "in", rb"liveupdate test: (\S+): (?:found flb data|finish was triggered)"),
    _p("flb", "out", rb"liveupdate test: (\S+): (?:preserve|unpreserve|freeze) was triggered"),
    _p("flb", None, rb"liveupdate test: "),
    _p("session-failed", "in", rb"luo: Failed to deserialize files for session \[(.{0,64})\](?: |$)"),
    _p("session-list-failed", "in", rb"luo: Failed to (?:insert|allocate) session \[(.{0,64})\](?: |$)"),
    _p("handler-failed", "in", rb"luo: No registered handler for compatible '?(.{0,48}?)'?$"),
    _p("luo-failed", "in", rb"luo: (?:" + _LUO_STATE + rb")"),
    _p("file-failed", "in", rb"luo: (?:" + _LUO_ANONYMOUS + rb")|memfd_luo: (?:" + _MEMFD_ANONYMOUS + rb")"),
    _p("folio-failed", "in", rb"memfd_luo: Unable to restore folio at physical address: (?:0x)?([0-9a-fA-F]{1,16})\b"),
    _p(RESTORE_FAILED, "in", _WARNING + _RESTORING),
    _p(RESTORE_FAILED, "in", rb"(?:RIP: [0-9a-f]{4}:|pc : )" + _RESTORING),
    _p("warning", None, _WARNING + rb"(?:kho|luo|memfd_luo|liveupdate)_[\w.]+\+0x"),
    _p("scratch", "out", rb"KHO: .*scratch"),
    _p("crash", None, rb"(?:[A-Za-z_][\w -]{0,31}: ){0,2}(?:" + _CRASH + rb")"),
    _p("kho", None, rb"(?:\w+_)?(?:KHO|kho): |failed to prepare memblock FDT for KHO"),
    _p("luo", None, rb"(?:\w+_)?luo(?:_\w+)?: |liveupdate: "),
)
