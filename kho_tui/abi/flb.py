"""File-lifecycle-bound data (7.0 on): one page of named u64 that live as long as files depend on them."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.layout.struct import Layout, Unit, chars, u64
from kho_tui.layout.table import PageArray

SOURCE = "include/linux/kho/abi/luo.h 7.0-7.3"

LUO_FLB_HEADER_SER = Layout(
    "LuoFlbHeaderSer",
    (
        u64("pgcnt", Unit.PAGES, "pages of this list, always 1; written at boot"),
        u64("count", Unit.COUNT, "FLBs in use; written in the reboot call, so 0 on a running system"),
    ),
    SOURCE,
    "head of the FLB list",
)

LUO_FLB_SER = Layout(
    "LuoFlbSer",
    (
        chars("name", 48, "by which a driver asks for its data; missing: -ENOENT for the driver"),
        u64("data", Unit.OPAQUE, "whatever the driver stored; often an address of its state"),
        u64("count", Unit.COUNT, "preserved files that depend on it; above 0 in a sound state"),
    ),
    SOURCE,
    "one piece of state shared by files",
)

FLB_PAGE = PageArray(LUO_FLB_HEADER_SER, LUO_FLB_SER)


def flb_of_test_module(number: int) -> bytes:
    """The name of one of the FLBs of lib/tests/liveupdate.c."""
    return b"liveupdate-test-flb-v%d" % number


TEST_FLB_NAMES: Sequence[bytes] = tuple(flb_of_test_module(number) for number in range(3))
"""The FLBs of lib/tests/liveupdate.c (CONFIG_LIVEUPDATE_TEST): the only ones of kernel.org's tree until 7.3."""
