"""Any handover that a kernel could leave, written to an image and opened as a core, is the same handover."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from kho_tui.abi.luo import LUO_FORMATS
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.decode.state import decode_state
from kho_tui.encode.handover import encode_handover, pieces
from kho_tui.errors import InputError
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import BytesSource
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover, Registered, RootStyle
from kho_tui.model.handover_of import distil, handover_of
from kho_tui.model.runs import no_runs
from kho_tui.model.state import State
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.registry import builtin

from .equal import plain
from .strategies import Memory, handovers, radix_tracker, runs_of

PlainTest.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test


def decoded(image: SparseImage, platform: Platform) -> State:
    """What opening the image as a bare core shows."""
    stream = BytesIO()
    write_elf_core(stream, image, byte_order=platform.byte_order)
    memory = open_elf(BytesSource(stream.getvalue(), "memory.elf"))
    sources = Sources(path="memory.elf", kind="core", container="file", memory=memory)
    return decode_state(sources, Context(), Overrides(platform.page_size, platform.byte_order), builtin())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(handovers())
def test_a_handover_written_and_decoded_is_the_same(one: Handover) -> None:
    image = SparseImage(one.platform.page_size)
    encode_handover(one, builtin(), image)
    again = handover_of(decoded(image, one.platform), "unsided")
    assert plain(again) == plain(one)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(handovers())
def test_no_two_structures_share_a_byte(one: Handover) -> None:
    spans = sorted((piece.address, piece.address + len(piece.data)) for piece in pieces(one, builtin()))
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_root_that_is_not_finalized_yet_comes_back_without_a_tracker() -> None:
    luo = PlainLuo(
        form=LUO_FORMATS[b"luo-v1"],
        number=1,
        session_compatible=b"luo-session-v2",
        pages=(0x20_0000,),
        sessions=(),
        flb_compatible=b"",
        flb_page=None,
    )
    subtrees = (Registered(b"LUO", 0x1000, 236, luo),)
    one = Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v1"],
        style=RootStyle.GROWN,
        fdt_phys=0x9000,
        map_address=0,
        subtrees=subtrees,
        tracker=None,
        runs=no_runs(12),
    )
    image = SparseImage(4096)
    encode_handover(one, builtin(), image)
    assert plain(handover_of(decoded(image, one.platform), "unsided")) == plain(one)


def test_a_subtree_cut_off_by_a_gap_is_named_and_the_rest_goes_on() -> None:
    metadata = Registered(b"kexec-metadata", 0x1000, 73, PlainMetadata(1, b"7.3.4", 1))
    blocks = [(0x9000, 0), (0x1000, 0), (0x2000, 0)]
    memory = Memory(Platform())
    tree = radix_tracker(memory, blocks, [])
    lost = Registered(b"LUO", 0x2000, 32, None)
    one = Handover(
        platform=Platform(),
        form=ROOT_FORMATS[b"kho-v4"],
        style=RootStyle.GROWN,
        fdt_phys=0x9000,
        map_address=int(tree.addresses[0][0]),
        subtrees=(metadata, lost),
        tracker=tree,
        runs=runs_of(blocks, 12),
    )
    image = SparseImage(4096)
    encode_handover(one, builtin(), image)
    state = decoded(image, one.platform)
    distilled = distil(state, "unsided")
    assert plain(distilled.handover) == plain(one)
    assert [str(lacking.path) for lacking in distilled.not_known] == ["unsided/LUO"]
    with pytest.raises(InputError, match="unsided/LUO: not in this capture: memory at 0x2000"):
        handover_of(state, "unsided")
