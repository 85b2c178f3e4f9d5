"""Live Update Orchestrator: its root as FDT (luo-v1, v2) and as struct (v3 to v5), sessions and files.

include/linux/kho/abi/luo.h, 6.19 to 7.3. luo-v2, v3 and v4 are steps of one series and were never released.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.abi.properties import NodeLayout, compatible
from kho_tui.layout.struct import Field, Layout, Unit, chars, u64
from kho_tui.layout.table import PageArray
from kho_tui.releases.ranges import Range

SOURCE = "include/linux/kho/abi/luo.h"

LUO_NAME = b"LUO"
SESSION_NODE_NAME = b"luo-session"
FLB_NODE_NAME = b"luo-flb"

_NUMBER = "live updates in a row, +1 each; wrong: the next kernel panics or miscounts"
_SESSIONS = "session list; 0: none, or not yet written (LUO does it in the reboot call)"
_FLBS = "page of file-lifecycle-bound data; wrong: drivers lose their shared state"

LUO_FDT_NODE = NodeLayout(
    "LUO root",
    (
        compatible("format of LUO's state; if unknown the next kernel panics at boot"),
        Field("liveupdate-number", 8, Unit.COUNT, _NUMBER),
        Field("luo-abi-header", 8, Unit.PHYS, "the struct that took the place of the subnodes", "luo-v2, never released"),
    ),
    f"{SOURCE} 6.19-7.1",
    "LUO's state: how many live updates, and where sessions and FLBs lie",
)

LUO_SESSION_NODE = NodeLayout(
    "LUO sessions",
    (
        compatible("format of the session array; if unknown the next kernel panics at boot"),
        Field("luo-session-header", 8, Unit.PHYS, "session array; wrong: sessions lost or kernel memory misread"),
    ),
    f"{SOURCE} 6.19-7.1",
    "where the session array lies",
)

LUO_FLB_NODE = NodeLayout(
    "LUO FLBs",
    (
        compatible("format of the FLB page; if unknown the next kernel panics at boot"),
        Field("luo-flb-header", 8, Unit.PHYS, _FLBS),
    ),
    f"{SOURCE} 7.0-7.1",
    "where the FLB page lies; 7.0 and 7.1 panic if this node is missing",
)

LUO_SER = Layout(
    "LuoSer",
    (
        chars("compatible", 8, "format of LUO's state; if unknown the next kernel panics at boot"),
        u64("liveupdate_num", Unit.COUNT, _NUMBER),
        u64("sessions_pa", Unit.PHYS, _SESSIONS),
        u64("flbs_pa", Unit.PHYS, _FLBS),
    ),
    f"{SOURCE} 7.2-7.3 (luo-v3 and v4: never released)",
    "LUO's state: how many live updates, and where sessions and FLBs lie",
)

LUO_ABI_HEADER = Layout(
    "LuoAbiHeader",
    (
        u64("liveupdate_num", Unit.COUNT, _NUMBER),
        u64("sessions_pa", Unit.PHYS, _SESSIONS),
        u64("flbs_pa", Unit.PHYS, _FLBS),
    ),
    f"{SOURCE} luo-v2, never released",
    "LUO's state behind the FDT of luo-v2",
)

LUO_SESSION_HEADER_SER = Layout(
    "LuoSessionHeaderSer",
    (u64("count", Unit.COUNT, "sessions that follow; written in the reboot call, trusted blindly"),),
    f"{SOURCE} 6.19-7.1",
    "head of the session array",
)

LUO_SESSION_SER = Layout(
    "LuoSessionSer",
    (
        chars("name", 64, "by which user space asks for the session; a duplicate locks out LUO"),
        u64("files", Unit.PHYS, "list of the session's files, 0 for none; wrong: the files are lost"),
        u64("count", Unit.COUNT, "files in that list; from 7.2 on it must match what is found"),
    ),
    f"{SOURCE} 6.19-7.3",
    "one session: files that are retrieved together",
)

LUO_SESSION_SER_V1 = Layout(
    "LuoSessionSerV1",
    (chars("name", 64, "by which user space asks for the session; a duplicate locks out LUO"),),
    f"{SOURCE} luo-session-v1, never released",
    "one session of the first draft: only a name",
)

LUO_FILE_SER = Layout(
    "LuoFileSer",
    (
        chars("compatible", 48, "file handler that can read data; if unknown the session cannot open"),
        u64("data", Unit.PHYS, "handed to the handler as it is (memfd: its struct); wrong: file lost"),
        u64("token", Unit.ID, "by which user space asks for the file; unique in its session"),
    ),
    f"{SOURCE} 6.19-7.3",
    "one preserved file",
)

SESSION_ARRAY_PAGES = 16
FILE_ARRAY_PAGES = 2
SESSION_ARRAY = PageArray(LUO_SESSION_HEADER_SER, LUO_SESSION_SER, SESSION_ARRAY_PAGES)
SESSION_ARRAY_V1 = PageArray(LUO_SESSION_HEADER_SER, LUO_SESSION_SER_V1, SESSION_ARRAY_PAGES)
FILE_ARRAY = PageArray(None, LUO_FILE_SER, FILE_ARRAY_PAGES)


@dataclass(frozen=True, slots=True)
class LuoFormat:
    """One version of LUO. ``sessions_in_blocks`` / ``files_in_blocks``: block chain, else one array."""

    compatible: bytes
    is_struct: bool
    sessions_in_blocks: bool
    files_in_blocks: bool
    releases: Range
    released: bool = True


LUO_FORMATS: Mapping[bytes, LuoFormat] = {
    f.compatible: f
    for f in (
        LuoFormat(b"luo-v1", False, False, False, Range("6.19", "7.1")),
        LuoFormat(b"luo-v2", False, False, False, Range("7.2-rc", "7.2-rc"), released=False),
        LuoFormat(b"luo-v3", True, False, False, Range("7.2-rc", "7.2-rc"), released=False),
        LuoFormat(b"luo-v4", True, True, False, Range("7.2-rc", "7.2-rc"), released=False),
        LuoFormat(b"luo-v5", True, True, True, Range("7.2")),
    )
}

SESSION_ARRAYS: Mapping[bytes, PageArray] = {b"luo-session-v1": SESSION_ARRAY_V1, b"luo-session-v2": SESSION_ARRAY}
FLB_FORMATS = (b"luo-flb-v1",)
STRUCT_PREFIX = b"luo-v"
"""What a LUO struct begins with; an FDT begins with its magic."""
