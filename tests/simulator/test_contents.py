"""Contents by rule, and the sum that the test module takes of them."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.layout.platform import ByteOrder
from kho_tui.simulator.contents import Counting, FileContents, FilledMemory, Literal, crc32, tag_of
from kho_tui.simulator.kernel import Config, Kernel
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.kho_test.simulate import KhoTestModule
from kho_tui.subsystems.registry import builtin

from .playing import RELEASE, machine

PlainTest.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test


@given(st.integers(0, (1 << 24) - 1), st.integers(0, 5000), st.integers(0, 300), st.sampled_from(["little", "big"]))
def test_words_count_and_carry_their_tag(tag: int, offset: int, size: int, order: ByteOrder) -> None:
    whole = b"".join((at | tag << 40).to_bytes(8, order) for at in range(0, offset + size + 8, 8))
    assert Counting(tag, order).read(offset, size) == whole[offset : offset + size]


@given(st.integers(0, (1 << 24) - 1), st.integers(0, 100), st.integers(0, 100))
def test_sums_need_no_words(tag: int, first: int, count: int) -> None:
    words = np.frombuffer(Counting(tag).read(first * 8, count * 8), "<u8")
    assert Counting(tag).word_sum(first * 8, count * 8) == sum(words.tolist())


def test_holes_and_the_end_of_a_file_are_zeros() -> None:
    one = FileContents(Literal(b"abcdefghij"), 8, ((2, 3),))
    assert one.read(0, 12) == b"ab\0\0\0fgh\0\0\0\0"
    assert one.read(3, 4) == b"\0\0fg"
    assert crc32(one, 8) == zlib.crc32(b"ab\0\0\0fgh")


def test_a_page_is_found_by_its_address() -> None:
    memory = FilledMemory(4096)
    rule = Counting(7)
    memory.fill(np.array([0x9000, 0x4000], np.uint64), np.array([4096, 8192], np.uint64), np.array([0, 4096], np.uint64), rule)
    assert memory.page(0x5000) == rule.read(8192, 4096)
    assert memory.page(0x9000) == rule.read(0, 4096)
    assert memory.page(0x6000) is None
    assert memory.blocks(4096) == []
    memory.empty(rule)
    assert memory.page(0x9000) is None


def test_tags_follow_from_what_they_are_for() -> None:
    assert tag_of(1, "vm", "0x1") == tag_of(1, "vm", "0x1") != tag_of(2, "vm", "0x1")


@pytest.mark.parametrize(("arch", "page_size", "release"), [("x86_64", 4096, "6.17"), ("x86_64", 4096, "7.3"), ("aarch64", 16384, "7.3")])
def test_the_test_module_sums_what_its_folios_hold(arch: str, page_size: int, release: str) -> None:
    box = machine(page_size, arch)  # type: ignore[arg-type]
    one = Kernel(
        builtin(), box, RELEASE[release], "kho=on kho_scratch=64M,64M,64M", config=Config(built={KHO_TEST_NAME: KhoTestModule(1 << 20)})
    )
    if release == "6.17":
        one.write_finalize(1)
    done = one.handover()
    assert done is not None
    content = done.by_name()[b"kho_test"].content
    assert isinstance(content, PlainTest)
    assert sum(page_size << order for _, order in content.folios) == 1 << 20
    assert (content.area is None) == (release == "6.17")
    total = 0
    for address, order in content.folios:
        pages = b"".join(one.memory.page(address + at) or b"" for at in range(0, page_size << order, page_size))
        halves = int(np.frombuffer(pages, "<u2").sum(dtype=np.uint64))
        total += halves % 0xFFFF if arch == "aarch64" else halves
    assert content.csum % 0xFFFF == total % 0xFFFF
    assert 0 < content.csum < 1 << (32 if arch == "x86_64" else 24)
