"""The simulated kernel does what the real ones did: given only where things lay, it hands over the very same state."""

from __future__ import annotations

from dataclasses import replace

import pytest
from captures import SHARED
from encode.equal import plain

from kho_tui.abi.chunks import bitmap_span
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.context import Context
from kho_tui.model.handover import ChunkTracker, Handover, RadixTracker
from kho_tui.model.handover_of import handover_of
from kho_tui.model.plain import PlainVmalloc
from kho_tui.operations.open_state import open_state
from kho_tui.simulator.kho_steps import WriteFinalize
from kho_tui.simulator.scenario import Scenario, boot
from kho_tui.subsystems.kho_test.plain import PlainTest
from kho_tui.subsystems.kho_test.simulate import KhoTestModule
from kho_tui.subsystems.luo.plain import PlainLuo
from kho_tui.subsystems.memfd.plain import PlainMemfd

from .playing import first_stage, regions_of, scenario

pytestmark = pytest.mark.shared

STORIES = {"story-6.18": "x86_64-6.18", "story-6.19": "x86_64-6.19", "story-7.1": "x86_64-7.1", "story-7.3": "x86_64-7.3"}
STORIES["story-arm64-64k-7.3"] = "arm64-64k-7.3"
PlainTest.__test__ = False  # type: ignore[attr-defined]  # the kernel's name, not a test

Placed = dict[str, list[tuple[int, int]]]


def real_handover(capture: str) -> Handover:
    path = SHARED / capture / "1-pre"
    with open_state(path, Context()) as found:
        return handover_of(found.state, "out")


def placements(one: Handover, arrays: int) -> Placed:
    """Where each structure lies, under the simulator's names. ``arrays``: order of LUO's session array."""
    pins: Placed = {"root FDT": [(one.fdt_phys, 0)]}
    shift = one.platform.page_shift

    def area(what: str, found: PlainVmalloc | None) -> None:
        if found is not None:
            pins[what] = [(int(entry), found.order) for entry in found.entries]
            pins[f"{what} chunk"] = [(chunk, 0) for chunk in found.chunks]

    if isinstance(one.tracker, RadixTracker):
        depth = len(one.tracker.addresses)
        pins["radix root"] = [(int(one.tracker.addresses[0][0]), 0)]
        for level in range(1, depth):
            for address, prefix in zip(one.tracker.addresses[level].tolist(), one.tracker.prefixes[level].tolist(), strict=True):
                pins[f"radix/{depth - 1 - level}/{prefix:#x}"] = [(address, 0)]
    elif isinstance(one.tracker, ChunkTracker):
        for number, chunk in enumerate(one.tracker.chunks):
            pins[f"chunk/{number}"] = [(chunk.phys, 0)]
            for start, bitmap in chunk.elements:
                pins[f"bitmap/{chunk.order}/{start // bitmap_span(one.tracker.bitmap_bytes, chunk.order, shift)}"] = [(bitmap, 0)]
    for subtree in one.subtrees:
        name = subtree.name.decode()
        pins[name] = [(subtree.phys, 0)]
        content = subtree.content
        if isinstance(content, PlainTest):
            buffer = 8 * len(content.folios) + one.platform.page_size
            pins[name] = [(subtree.phys, (buffer - 1).bit_length() - shift)]
            pins["kho_test folio"] = list(content.folios)
            area("kho_test list", content.area)
        elif isinstance(content, PlainLuo):
            pins["LUO sessions"] = [(page, arrays) for page in content.pages]
            if content.flb_page is not None:
                pins["LUO FLBs"] = [(content.flb_page.phys, 0)]
            for session in content.sessions:
                pins[f"{session.name.decode()} files"] = [(page, 1 if arrays else 0) for page in session.pages]
                for file in session.files:
                    what = f"{session.name.decode()}/{file.token:#x}"
                    pins[what] = [(file.data, 0)]
                    assert isinstance(file.content, PlainMemfd)
                    pins[f"{what} folios"] = [(int(pfn) << shift, 0) for pfn in file.content.folios[:, 0]]
                    area(f"{what} list", file.content.area)
    return pins


def told_where(one: Scenario, real: Handover) -> Scenario:
    test = next(s.content for s in real.subtrees if s.name == b"kho_test")
    assert isinstance(test, PlainTest)
    luo = next((s.content for s in real.subtrees if isinstance(s.content, PlainLuo)), None)
    arrays = 4 if luo is not None and luo.session_compatible else 0
    # What early boot had taken on the real machine was in part given back, and folios of files lie there.
    machine = replace(one.machine, reserved=(), early=one.machine.reserved)
    config = replace(one.config, built={**one.config.built, KHO_TEST_NAME: KhoTestModule(orders=tuple(order for _, order in test.folios))})
    # 6.19 finalizes once more in the reboot call, and it is that chunk list whose place we know.
    steps = tuple(step for step in one.stages[0].steps if luo is None or not isinstance(step.action, WriteFinalize))
    stages = (replace(one.stages[0], steps=steps),)
    return replace(one, machine=machine, config=config, pins=placements(real, arrays), stages=stages)


@pytest.mark.parametrize(("story", "capture"), STORIES.items())
def test_the_simulated_kernel_hands_over_what_the_real_one_did(story: str, capture: str) -> None:
    real = real_handover(capture)
    one = told_where(scenario(story), real)
    user = boot(one)
    made = first_stage(user, one)
    assert made is not None
    assert plain(without_sum(made)) == plain(without_sum(real))


@pytest.mark.parametrize(("story", "capture"), STORIES.items())
def test_scratch_lies_where_the_real_kernel_put_it(story: str, capture: str) -> None:
    files = SHARED / capture / "1-pre" / "kho" / "out"
    starts, sizes = ([int(line, 16) for line in (files / name).read_text().split()] for name in ("scratch_phys", "scratch_len"))
    kernel = boot(scenario(story)).kernel
    assert [(area.start, area.size) for area in kernel.scratch] == list(zip(starts, sizes, strict=True))
    assert [area.kind for area in kernel.scratch] == ["lowmem", "global", "node", "node"]


@pytest.mark.parametrize(("story", "capture"), STORIES.items())
def test_reserved_regions_lie_where_the_real_kernel_put_them(story: str, capture: str) -> None:
    real = next(s.content for s in real_handover(capture).subtrees if s.name == b"memblock")
    assert plain(regions_of(boot(scenario(story)).kernel)) == plain(real)["regions"]


def without_sum(one: Handover) -> Handover:
    """The contents of the test module's folios were random, so their sum is not ours to know."""
    subtrees = tuple(replace(s, content=replace(s.content, csum=0)) if isinstance(s.content, PlainTest) else s for s in one.subtrees)
    return replace(one, subtrees=subtrees)
