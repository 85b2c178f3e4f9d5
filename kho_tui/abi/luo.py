"""Live Update Orchestrator: its root as FDT (luo-v1, v2) and as struct (v3 to v5), sessions and files.

include/linux/kho/abi/luo.h, 6.19 to 7.3. luo-v2, v3 and v4 are steps of one series and were never released.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kho_tui.abi.block import block_of
from kho_tui.abi.flb import FLB_PAGE
from kho_tui.abi.format import Family, SubtreeFormat, SubtreeFormats
from kho_tui.abi.properties import NodeLayout, compatible
from kho_tui.layout.struct import Field, Layout, Unit, chars, u64
from kho_tui.layout.table import PageArray
from kho_tui.releases.ranges import Range
from kho_tui.text import c_string

SOURCE = "include/linux/kho/abi/luo.h"

LUO_NAME = b"LUO"
SESSION_NODE_NAME = b"luo-session"
FLB_NODE_NAME = b"luo-flb"
LUO_STRUCT_PROPERTY = "luo-abi-header"
"""The property of an FDT that leads to LUO's struct (luo-v2)."""

_NUMBER = "live updates in a row, +1 each; wrong: the next kernel panics or miscounts"
_SESSIONS = "session list; 0: none, or not yet written (LUO does it in the reboot call)"
_FLBS = "page of file-lifecycle-bound data; wrong: drivers lose their shared state"

LUO_FDT_NODE = NodeLayout(
    "LUO root",
    (
        compatible("format of LUO's state; if unknown the next kernel panics at boot"),
        Field("liveupdate-number", 8, Unit.COUNT, _NUMBER),
        Field(LUO_STRUCT_PROPERTY, 8, Unit.PHYS, "the struct that took the place of the subnodes", source="luo-v2, never released"),
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

SESSION_ARRAY = PageArray(LUO_SESSION_HEADER_SER, LUO_SESSION_SER, 16)
FILE_ARRAY = PageArray(None, LUO_FILE_SER, 2)

HAS_FLBS = Range("7.0")
"""Kernels that keep file-lifecycle-bound data (kernel/liveupdate/luo_flb.c)."""
CHECKS_NAMES = Range("7.1")
"""Names of 1 to 63 characters or -EINVAL; before, longer ones are cut and an empty one is accepted (luo_session.c)."""
ONE_SESSION_A_FILE = Range("7.1")
"""A file that is preserved already is refused with -EBUSY (luo_file.c)."""
IGNORES_FILE_ERRORS = Range("6.19", "7.0")
"""Only those files of a session are lost that cannot be made again; later the first open of /dev/liveupdate fails (luo_file.c)."""


@dataclass(frozen=True, kw_only=True)
class ListNode:
    """A node of LUO's FDT that says where a list is. ``lists``: the list by ``compatible`` of the node, of which ``written`` is written.

    ``since``: the first release that writes the node, and panics where it is missing; None: every one that writes this version of LUO.
    """

    name: bytes
    layout: NodeLayout
    lists: Mapping[bytes, PageArray]
    written: bytes
    since: Range | None

    @property
    def pointer(self) -> str:
        """The property that says where the list is."""
        return next(field.name for field in self.layout.properties if field.unit is Unit.PHYS)


@dataclass(frozen=True, kw_only=True)
class LuoFormat(SubtreeFormat):
    """One version of LUO.

    ``node``: its root is an FDT, whose root node this is; ``struct``: a struct, which is the blob itself or, below an FDT, elsewhere.
    ``session_node`` and ``flb_node``: where the FDT itself says where the lists are. ``roots``: versions of the root that it belongs to.
    """

    session_node: ListNode | None
    flb_node: ListNode | None
    sessions: PageArray
    files: PageArray
    flbs: PageArray
    roots: frozenset[bytes]

    @property
    def strings(self) -> tuple[bytes, ...]:
        """With those of the nodes that say where the lists are."""
        nodes = (node for node in (self.session_node, self.flb_node) if node is not None)
        return (self.compatible, *(version for node in nodes for version in node.lists))

    @property
    def is_struct(self) -> bool:
        """Whether the blob is the struct."""
        return self.node is None


LUO_V1 = LuoFormat(
    compatible=b"luo-v1",
    written=Range("6.19", "7.1"),
    node=LUO_FDT_NODE,
    struct=None,
    session_node=ListNode(
        name=SESSION_NODE_NAME,
        layout=LUO_SESSION_NODE,
        lists={b"luo-session-v1": replace(SESSION_ARRAY, element=LUO_SESSION_SER_V1), b"luo-session-v2": SESSION_ARRAY},
        written=b"luo-session-v2",
        since=None,
    ),
    flb_node=ListNode(
        name=FLB_NODE_NAME,
        layout=LUO_FLB_NODE,
        lists={b"luo-flb-v1": FLB_PAGE},
        written=b"luo-flb-v1",
        since=HAS_FLBS,
    ),
    sessions=SESSION_ARRAY,
    files=FILE_ARRAY,
    flbs=FLB_PAGE,
    roots=frozenset({b"kho-v1", b"kho-v2", b"kho-v3"}),
)
_DRAFTS = Range("7.2-rc", "7.2-rc")
_V2 = replace(
    LUO_V1,
    compatible=b"luo-v2",
    written=_DRAFTS,
    struct=LUO_ABI_HEADER,
    session_node=None,
    flb_node=None,
    roots=frozenset({b"kho-v3", b"kho-v4"}),
)
_V3 = replace(_V2, compatible=b"luo-v3", node=None, struct=LUO_SER)
_V4 = replace(_V3, compatible=b"luo-v4", sessions=block_of(LUO_SESSION_SER))
LUO_V5 = replace(_V4, compatible=b"luo-v5", written=Range("7.2"), files=block_of(LUO_FILE_SER), roots=frozenset({b"kho-v4"}))


@dataclass(frozen=True)
class LuoFormats(SubtreeFormats[LuoFormat]):
    """All versions of LUO."""

    def in_root(self, root: bytes | None) -> LuoFormat | None:
        """The released version that stands in this version of the root; None: there is none, or it is not known."""
        return next((form for form in self.versions if form.released and root in form.roots), None)

    def struct_in(self, data: bytes) -> Layout | None:
        """The struct by the version that the blob begins with; None for an FDT, and for what is cut before the end of the struct."""
        struct = self.struct_of(c_string(data[:VERSION_BYTES]))
        return struct if data.startswith(STRUCT_PREFIX) and len(data) >= struct.size else None

    def struct_of(self, compatible: bytes) -> Layout:
        """The struct of this version; of one that is not known that of the newest, to go by what is said of it."""
        forms = (self.get(compatible), *reversed(self.versions))
        return next((form.struct for form in forms if form is not None and form.is_struct and form.struct is not None), LUO_SER)


LUO_FORMATS = LuoFormats((LUO_V1, _V2, _V3, _V4, LUO_V5))
LUO = Family("subtree", LUO_NAME, LuoFormats(()))

VERSION_BYTES = LUO_SER.span("compatible")[1]
"""Of the version that every struct of LUO begins with."""
LUO_VERSION = re.compile(rb"luo-v\d+")
"""Any version of LUO, known here or not."""
STRUCT_PREFIX = b"luo-v"
"""What a LUO struct begins with; an FDT begins with its magic."""
