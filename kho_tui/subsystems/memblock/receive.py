"""memblock looks its tree up first of all, before anything outside scratch is given out (mm/memblock.c)."""

from __future__ import annotations

from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.analysis.receiver.memblock import MEMBLOCK

RECEIVING = Receiving(turn=0, option=None, checks=MEMBLOCK)
