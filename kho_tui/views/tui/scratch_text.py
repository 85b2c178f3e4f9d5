"""What is worth knowing of scratch areas, in words: what each kind is for, and how each release sizes and aligns it.

Source: kernel/liveupdate/kexec_handover.c (kernel/kexec_handover.c before 6.19), scratch_size_update and kho_reserve_scratch,
6.16 to 7.3.
"""

from __future__ import annotations

from kho_tui.layout.platform import Platform
from kho_tui.model.state import ScratchArea
from kho_tui.releases.table import Release
from kho_tui.text import human_size

_PURPOSE = {
    "lowmem": "the first area, below the low limit (4 GiB on x86, the end of DMA memory on arm64), for what the next kernel needs low",
    "global": "the second area, anywhere, sized by what this kernel had reserved for itself at boot, less the lowmem area",
    "node": "the area of one NUMA node, sized by what this kernel had reserved for itself on that node at boot",
}
_PAGEBLOCK = frozenset({"6.16", "6.17", "6.18", "6.19", "7.0", "7.1"})
_EXPLICIT_AS_GIVEN = _PAGEBLOCK - {"7.1"}
_PAGEBLOCK_BYTES = {4096: 2 << 20, 16384: 32 << 20, 65536: 512 << 20}
_LARGEST_BLOCK_BYTES = {4096: 4 << 20, 16384: 32 << 20, 65536: 512 << 20}


def purpose(area: ScratchArea) -> str:
    """What an area is for."""
    said = _PURPOSE[area.kind]
    return said if area.size else f"{said}; of size 0: an empty entry, harmless, its address means nothing"


def rounding(kind: str, release: Release | None, platform: Platform) -> str:
    """How the release makes start and size of an area of this kind."""
    if release is None:
        return "aligned and rounded to a pageblock up to 7.1, to the largest buddy block from 7.2 on; the release is not known here"
    block = release.name in _PAGEBLOCK
    unit = (_PAGEBLOCK_BYTES if block else _LARGEST_BLOCK_BYTES).get(platform.page_size)
    size = f", {human_size(unit)} by default with pages of {human_size(platform.page_size)}" if unit else ""
    name = "a pageblock (CMA_MIN_ALIGNMENT)" if block else "the largest buddy block (PAGE_SIZE << MAX_PAGE_ORDER)"
    given = "; a size given by kho_scratch= is taken as it is" if kind != "node" and release.name in _EXPLICIT_AS_GIVEN else ""
    return f"{release.name} aligns its start and rounds its size up to {name}{size}{given}"
