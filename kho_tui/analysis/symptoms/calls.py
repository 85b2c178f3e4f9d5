"""What the user was doing when the symptom came: the call, file or command that the words name."""

from __future__ import annotations

import re
from enum import Enum


class Call(Enum):
    """A call that fails; the value is how it is written (include/uapi/linux/liveupdate.h, 6.19 to 7.3)."""

    OPEN = "open of /dev/liveupdate"
    CREATE_SESSION = "LIVEUPDATE_IOCTL_CREATE_SESSION"
    RETRIEVE_SESSION = "LIVEUPDATE_IOCTL_RETRIEVE_SESSION"
    PRESERVE_FD = "LIVEUPDATE_SESSION_PRESERVE_FD"
    RETRIEVE_FD = "LIVEUPDATE_SESSION_RETRIEVE_FD"
    FINISH = "LIVEUPDATE_SESSION_FINISH"
    REGISTER = "liveupdate_register_file_handler, by a module that is loaded"
    READ_MEMORY = "read of /proc/kcore"
    KEXEC_LOAD = "kexec_file_load or kexec_load"
    FINALIZE = "write to out/finalize"
    REBOOT = "reboot(LINUX_REBOOT_CMD_KEXEC)"


_NAMES = {
    Call.OPEN: r"\bopen\w*\b.{0,40}liveupdate|liveupdate.{0,20}\bopen",
    Call.CREATE_SESSION: r"create[_ ]session|creat\w* .{0,12}session",
    Call.RETRIEVE_SESSION: r"retrieve[_ ]session|retriev\w* .{0,12}session",
    Call.PRESERVE_FD: r"(?<!un)preserve[_ ]?fd|(?<!un)preserv\w* .{0,16}(?:file|memfd|fd)",
    Call.RETRIEVE_FD: r"retrieve[_ ]?fd|retriev\w* .{0,16}(?:file|memfd|fd\b|token)",
    Call.FINISH: r"session[_ ]finish|\bfinish\w* .{0,16}session|\bfinish (?:call|ioctl|fail|return|give|say|e[a-z]{3,}\b)",
    Call.REGISTER: r"register_file_handler|modprobe|insmod|(?:load|insert)\w* .{0,20}module",
    Call.READ_MEMORY: r"\bkcore\b|/dev/mem\b",
    Call.KEXEC_LOAD: r"kexec_(?:file_)?load|\bkexec\b.{0,12} -l\b|\bkexec -s|\bkexec load|\bload\w* .{0,20}(?:kernel|image)\b",
    Call.FINALIZE: r"\bfinali[sz]",
    # A bare "reboot" or "kexec -e" also says when something was seen: "gone after the reboot".
    Call.REBOOT: r"reboot(?: system)?[ _-]?(?:sys)?call|\breboot ?\(|invoke reboot|"
    r"(?:\breboot|systemctl kexec|\bkexec -e|\breboot -k):? (?:fail|return|give|say|come|e[a-z]{3,}\b)",
}
_PATTERNS = {call: re.compile(pattern, re.IGNORECASE) for call, pattern in _NAMES.items()}


def calls_named(text: str) -> frozenset[Call]:
    """The calls that a text names.

    >>> calls_named("ioctl(LIVEUPDATE_SESSION_PRESERVE_FD) gives ENOENT")
    frozenset({<Call.PRESERVE_FD: 'LIVEUPDATE_SESSION_PRESERVE_FD'>})
    """
    return frozenset(call for call, pattern in _PATTERNS.items() if pattern.search(text))
