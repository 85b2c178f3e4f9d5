"""What LUO and its test of FLBs say in the kernel's log (kernel/liveupdate/luo_*.c, lib/tests/liveupdate.c, 6.19 on)."""

from __future__ import annotations

from kho_tui.capture.facet import LogText, Naming

_STATE = (
    rb"failed to retrieve (?:FDT|LUO state) |FDT '.*?' is incompatible|LUO state is (?:incompatible|too small)|Unable to get |"
    rb"(?:Session|FLB) node (?:is )?incompatible|Failed to deserialize sessions"
)

NAMING = Naming(
    words=(b"luo", b"liveupdate", b"incoming tree failed"),
    texts=(
        LogText("liveupdate", "in", rb"luo: Retrieved live update data, liveupdate number: (-?\d{1,20})"),
        LogText("flb-failed", "in", rb"liveupdate test: liveupdate_flb_get_incoming for (\S+) failed"),
        LogText("flb-failed", "in", rb"liveupdate test: (\S+): ERROR"),
        LogText("flb", "in", rb"liveupdate test: (\S+): (?:found flb data|finish was triggered)"),
        LogText("flb", "out", rb"liveupdate test: (\S+): (?:preserve|unpreserve|freeze) was triggered"),
        LogText("flb", None, rb"liveupdate test: "),
        LogText("session-failed", "in", rb"luo: Failed to deserialize files for session \[(.{0,64})\](?: |$)"),
        LogText("session-list-failed", "in", rb"luo: Failed to (?:insert|allocate) session \[(.{0,64})\](?: |$)"),
        LogText("handler-failed", "in", rb"luo: No registered handler for compatible '?(.{0,48}?)'?$"),
        # Behind the texts with names of users, in which any word may stand.
        LogText("disabled", None, rb"luo: (?:(?:[^\[]|\[-)*\bd|D)isabl"),
        LogText("luo-failed", "in", rb"luo: (?:" + _STATE + rb")"),
        # As it is quoted without the "Kernel panic - not syncing: " in front.
        LogText("crash", "in", rb"(?:luo: )?(?:The |LUO )?incoming tree failed to initialize"),
        LogText("file-failed", "in", rb"luo: (?:File count mismatch|Block set is corrupted|Block contains invalid)"),
    ),
    rest=(LogText("luo", None, rb"(?:\w+_)?luo(?:_\w+)?: |liveupdate: "),),
    functions=(b"luo_", b"liveupdate_"),
    # luo_file_deserialize warns of a session whose files are nowhere.
    restoring=(b"luo_file_deserialize", b"luo_session_deserialize", b"luo_session_retrieve", b"luo_retrieve_file"),
)
