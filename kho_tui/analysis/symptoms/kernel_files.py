"""Files of the kernel that several symptoms cite, and the releases that have LUO."""

from __future__ import annotations

from kho_tui.releases.ranges import Range

CORE = "kernel/liveupdate/kexec_handover.c"
LUO = "kernel/liveupdate/luo_core.c"
SESSION = "kernel/liveupdate/luo_session.c"
FILE = "kernel/liveupdate/luo_file.c"
LUO_RELEASES = Range("6.19")


def core_of_all(functions: str, first: str = "6.16", last: str = "7.3") -> str:
    """Functions of KHO's core in releases from before 6.19 on, which moved the file.

    >>> core_of_all("kho_populate")
    'kernel/liveupdate/kexec_handover.c, kho_populate (6.19 to 7.3; kernel/kexec_handover.c 6.16 to 6.18)'
    """
    return f"{CORE}, {functions} (6.19 to {last}; kernel/kexec_handover.c {first}{' to 6.18' if first != '6.18' else ''})"
