"""Files of the kernel that several symptoms cite, and the releases that have LUO."""

from __future__ import annotations

from kho_tui.releases.ranges import Range

CORE = "kernel/liveupdate/kexec_handover.c"
LUO = "kernel/liveupdate/luo_core.c"
SESSION = "kernel/liveupdate/luo_session.c"
FILE = "kernel/liveupdate/luo_file.c"
LUO_RELEASES = Range("6.19")
