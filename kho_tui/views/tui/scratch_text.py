"""What is worth knowing of scratch areas, in words: what each kind is for, and how each release sizes and aligns it.

Source: kernel/liveupdate/kexec_handover.c (kernel/kexec_handover.c before 6.19), scratch_size_update and kho_reserve_scratch,
6.16 to 7.3.
"""

from __future__ import annotations

from kho_tui.layout.platform import MAX_PAGE_ORDERS, PAGEBLOCK_ORDERS, Platform
from kho_tui.model.state import ScratchArea
from kho_tui.releases.table import Release
from kho_tui.text import human_size

_PURPOSE = {
    "lowmem": "the first area, below the low limit (4 GiB on x86, the end of DMA memory on arm64), for what the next kernel needs low",
    "global": "the second area, anywhere, sized by what this kernel had reserved for itself at boot, less the lowmem area",
    "node": "the area of one NUMA node, sized by what this kernel had reserved for itself on that node at boot",
}


def purpose(area: ScratchArea) -> str:
    """What an area is for."""
    said = _PURPOSE[area.kind]
    return said if area.size else f"{said}; of size 0: an empty entry, harmless, its address means nothing"


def rounding(kind: str, release: Release | None, platform: Platform) -> str:
    """How the release makes start and size of an area of this kind."""
    if release is None:
        return "aligned and rounded to a pageblock up to 7.1, to the largest buddy block from 7.2 on; the release is not known here"
    rules, page = release.scratch, platform.page_size
    order = (MAX_PAGE_ORDERS if rules.aligned_to_max_order else PAGEBLOCK_ORDERS).get(page)
    size = f", {human_size(page << order)} by default with pages of {human_size(page)}" if order is not None else ""
    name = "the largest buddy block (PAGE_SIZE << MAX_PAGE_ORDER)" if rules.aligned_to_max_order else "a pageblock (CMA_MIN_ALIGNMENT)"
    given = f"; a size given by {release.names.kho_scratch}= is taken as it is" if kind != "node" and not rules.rounds_explicit else ""
    return f"{release.name} aligns its start and rounds its size up to {name}{size}{given}"
