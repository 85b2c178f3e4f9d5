"""What has no form in the bytes of its formats is refused, with what is wrong, and never written as something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kho_tui.abi.luo import LUO_FORMATS
from kho_tui.abi.memfd import MEMFD_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.encode.handover import encode_handover
from kho_tui.encode.roots import root_file, root_page
from kho_tui.errors import EncodeError
from kho_tui.fdt.libfdt import verdict
from kho_tui.fdt.tree import parse_fdt
from kho_tui.layout.platform import Platform
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import ChunkPage, ChunkTracker, Handover, RadixTracker, Registered, RootStyle
from kho_tui.model.plain import Plain, PlainFile, PlainSession, PlainVmalloc
from kho_tui.model.runs import make_runs, no_runs
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.memfd.plain import PlainMemfd
from kho_tui.subsystems.registry import builtin

LUO = PlainLuo(form=LUO_FORMATS[b"luo-v5"], number=1, session_compatible=b"", pages=(), sessions=(), flb_compatible=b"", flb_page=None)
EMPTY = Handover(
    platform=Platform(),
    form=ROOT_FORMATS[b"kho-v1"],
    style=RootStyle.GROWN,
    fdt_phys=0x9000,
    map_address=0,
    subtrees=(),
    tracker=None,
    runs=no_runs(12),
)
CHUNKS = ChunkTracker((ChunkPage(0x8000, 0, ((0, 0x7000),)),), 4096)


def u64(*values: int) -> Any:
    return np.array(values, np.uint64)


def one_block(address: int, order: int = 0) -> Any:
    return make_runs(u64(address), np.ones(1, np.uint32), u64(order), 12)


def with_content(content: Plain) -> Handover:
    return replace(EMPTY, subtrees=(Registered(b"LUO", 0x1000, 32, content),))


def with_memfd(memfd: PlainMemfd) -> Handover:
    file = PlainFile(b"memfd-v2", 0x5000, 1, memfd)
    return with_content(replace(LUO, pages=(0x2000,), sessions=(PlainSession(b"s", (0x3000,), (file,)),)))


AREA = PlainVmalloc((0x6000,), u64(0x7000), 1, 1, 0)
FOLIOS = np.array([[1, 3, 0]], np.uint64)

WRONG = {
    "two subtrees of one name": (replace(EMPTY, subtrees=(Registered(b"a", 0, 0, None),) * 2), "fdt_add_subnode"),
    "more subtrees than a page holds": (
        replace(EMPTY, subtrees=tuple(Registered(b"x%03d" % i, 0, 0, None) for i in range(200))),
        "does not fit its page",
    ),
    "blocks and no tracker": (replace(EMPTY, runs=one_block(0)), "no tracker"),
    "a block without a bitmap": (replace(EMPTY, map_address=0x8000, tracker=CHUNKS, runs=one_block(1 << 40)), "no bitmap"),
    "a block of an order without chunk": (replace(EMPTY, map_address=0x8000, tracker=CHUNKS, runs=one_block(0, 3)), "order 3"),
    "a block that is not aligned": (replace(EMPTY, map_address=0x8000, tracker=CHUNKS, runs=one_block(0x1000, 1)), "not aligned"),
    "a root that names another tracker": (replace(EMPTY, map_address=0x4000, tracker=CHUNKS), "0x4000"),
    "too few levels of radix nodes": (
        replace(EMPTY, form=ROOT_FORMATS[b"kho-v4"], map_address=0x1000, tracker=RadixTracker((u64(0x1000),), (u64(0),))),
        "1 levels",
    ),
    "sessions and no block": (with_content(replace(LUO, sessions=(PlainSession(b"s", (), ()),))), "need 1 blocks"),
    "a session array too many": (
        with_content(replace(LUO, form=LUO_FORMATS[b"luo-v1"], session_compatible=b"luo-session-v2", pages=(0x1000, 0x2000))),
        "not in 2",
    ),
    "more sessions than an array holds": (
        with_content(
            replace(
                LUO,
                form=LUO_FORMATS[b"luo-v1"],
                session_compatible=b"luo-session-v2",
                pages=(0x20_0000,),
                sessions=(PlainSession(b"s", (), ()),) * 820,
            )
        ),
        "820 of LuoSessionSer",
    ),
    "a name that is too long": (with_content(replace(LUO, pages=(0x2000,), sessions=(PlainSession(b"n" * 65, (), ()),))), "name"),
    "a number that does not fit": (with_content(PlainMetadata(1, b"", 1 << 32)), "kexec_count"),
    "a negative number": (with_content(replace(LUO, number=-1)), "liveupdate_num"),
    "folios without an area": (
        with_memfd(PlainMemfd(form=MEMFD_FORMATS[b"memfd-v2"], pos=0, size=0, seals=0, flags=0, folios=FOLIOS, area=None)),
        "1 folios and no area",
    ),
    "an area that is too small": (
        with_memfd(
            PlainMemfd(form=MEMFD_FORMATS[b"memfd-v2"], pos=0, size=0, seals=0, flags=0, folios=np.repeat(FOLIOS, 300, axis=0), area=AREA)
        ),
        "do not fit",
    ),
    "chunks that do not follow the rule": (
        with_memfd(
            PlainMemfd(form=MEMFD_FORMATS[b"memfd-v2"], pos=0, size=0, seals=0, flags=0, folios=FOLIOS, area=replace(AREA, chunks=(1, 2)))
        ),
        "1 chunks",
    ),
    "pages that are not the entries": (
        with_memfd(
            PlainMemfd(form=MEMFD_FORMATS[b"memfd-v2"], pos=0, size=0, seals=0, flags=0, folios=FOLIOS, area=replace(AREA, total_pages=2))
        ),
        "not 2 pages",
    ),
    "a page frame number beyond 52 bits": (
        with_memfd(PlainMemfd(form=MEMFD_FORMATS[b"memfd-v2"], pos=0, size=0, seals=0, flags=0, folios=FOLIOS << np.uint64(52), area=AREA)),
        "do not fit their bits",
    ),
    "a memfd of a handler that keeps none": (
        with_content(
            replace(
                LUO,
                pages=(0x2000,),
                sessions=(
                    PlainSession(
                        b"s",
                        (0x3000,),
                        (
                            PlainFile(
                                b"vfio",
                                0x5000,
                                1,
                                PlainMemfd(form=MEMFD_FORMATS[b"memfd-v2"], pos=0, size=0, seals=0, flags=0, folios=FOLIOS, area=AREA),
                            ),
                        ),
                    ),
                ),
            )
        ),
        "vfio",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused(what: str) -> None:
    wrong, said = WRONG[what]
    with pytest.raises(EncodeError, match=said):
        encode_handover(wrong, builtin(), SparseImage(4096))


def test_a_root_whose_subtrees_were_all_removed_keeps_their_strings() -> None:
    """scripts/dtc/libfdt/fdt_rw.c: the string table of n >= 1 subtrees persists, and so does the packed layout."""
    fresh, emptied = (root_file(replace(EMPTY, style=style)) for style in (RootStyle.GROWN, RootStyle.EMPTIED))
    assert (len(fresh), len(emptied)) == (152, 148)
    assert fresh.endswith(b"preserved-memory-map\0compatible\0")
    assert emptied.endswith(b"preserved-memory-map\0compatible\0fdt\0")
    assert verdict(emptied) == "ok"


def test_names_that_are_no_utf_8_are_written_as_they_are() -> None:
    subtrees = tuple(Registered(name, 0x1000, 0, None) for name in (b"a\xff", b"b\xfe\xc3"))
    for style in (RootStyle.GROWN, RootStyle.FINALIZED):
        tree = parse_fdt(root_page(replace(EMPTY, style=style, subtrees=subtrees)))
        assert tree.root is not None
        assert {child.name for child in tree.root.children} == {b"a\xff", b"b\xfe\xc3"}


def test_a_page_holds_as_many_subtrees_as_the_reference_says() -> None:
    """kernel/kexec_handover.c, 6.16 to 6.18: about 109 subnodes with names of 7 characters in a kho-v1 page of 4 KiB."""
    many = tuple(Registered(b"%07d" % i, 0x1000, 0, None) for i in range(110))
    assert len(root_file(replace(EMPTY, subtrees=many[:109]))) == 148 + 109 * 36
    with pytest.raises(EncodeError, match="does not fit its page"):
        root_file(replace(EMPTY, subtrees=many))
