"""A preserved block in words: where it lies, whose it is, and what else lies there."""

from __future__ import annotations

from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.analysis.owned_blocks import NOBODY
from kho_tui.model.facts import Status
from kho_tui.model.kinds import Lane
from kho_tui.model.state import Side, State
from kho_tui.operations.map_state import Mapped, whois
from kho_tui.text import SafeText, human_size, plural
from kho_tui.views.tui.blocks_rows import Block
from kho_tui.views.tui.lines import Line, Role, pad, spans, wrap
from kho_tui.views.tui.theme import Glyphs

_LANES = (Lane.OWNER, Lane.TRACKER, Lane.SCRATCH, Lane.MACHINE)
_KIND_WIDTH = 13


def about_block(block: Block, state: State, side: Side, memory: MemoryMap | None, width: int, glyphs: Glyphs) -> list[Line]:
    """What is said of a block; ``memory`` None: of owners nothing is known."""
    pages = plural(block.size // state.machine.platform.page_size, "page")
    what = f"  order {block.order}: {pages}, {human_size(block.size)}"
    lines = [spans((f"{block.address:#x} - {block.address + block.size - 1:#x}", Role.ADDRESS), (what, Role.NUMBER))]
    if memory is not None:
        found = whois(Mapped(state, side, memory), None, _telling_address(block, memory))
        lines += wrap(found.standing, width, 2, Role.DIM if block.claim != NOBODY else Role.WARN, glyphs.ellipsis)
        layers = sorted((one for one in found.layers if one.hit.kind.lane in _LANES), key=lambda one: _LANES.index(one.hit.kind.lane))
        for layer in layers:
            way = wrap(layer.way, width - _KIND_WIDTH, 2, Role.TEXT, glyphs.ellipsis)
            names = (layer.hit.kind.name, *[""] * len(way))
            lines += [(*spans((pad(name, _KIND_WIDTH), Role.NAME)), *line) for name, line in zip(names, way, strict=False)]
    if side.preserved.status is not Status.DECODED:
        lines[1:1] = wrap(SafeText(f"{side.preserved.status.value}: {side.preserved.reason}"), width, 2, Role.WARN, glyphs.ellipsis)
    return lines


def _telling_address(block: Block, memory: MemoryMap) -> int:
    """The first address of the block that its owner holds."""
    if block.claim == NOBODY:
        return block.address
    claim = memory.claims[block.claim]
    regions = memory.layers[claim.kind]
    near = regions.within(block.address, block.address + block.size)
    mine = near[regions.owner[near] == block.claim]
    return max(block.address, int(regions.start[mine[0]])) if len(mine) else block.address
