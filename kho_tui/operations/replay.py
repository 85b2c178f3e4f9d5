"""Replay: decode a state, keep only its model, write that to an empty image at its own addresses, and hold it against the capture."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TypeVar

from kho_tui.context import Context
from kho_tui.encode.handover import Claimed, encode_handover, written
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover
from kho_tui.model.handover_of import NotKnown, distil
from kho_tui.model.registry import Registry
from kho_tui.model.sides import outgoing_side
from kho_tui.operations.open_state import Opened

T = TypeVar("T")

_STEP = 256


@dataclass(frozen=True, slots=True)
class Comparison:
    """The image against captured memory. ``claimed``: bytes written; ``absent``: those of them that the capture does not hold.

    ``differing``: the structures whose bytes are not the captured ones. What lies in captured memory beside them is not compared.
    """

    claimed: int
    absent: int
    differing: tuple[Claimed, ...]


@dataclass(frozen=True, eq=False)
class Replay:
    """What was written, the memory it was written to, and the subtrees that the state does not tell whole: of those nothing is written."""

    handover: Handover
    registry: Registry
    image: SparseImage
    not_known: tuple[NotKnown, ...]


def replay(opened: Opened, context: Context, side: str | None = None) -> Replay:
    """The state's handover encoded again; ``side`` is the outgoing one, or the only one of a bare core, unless named.

    Raises InputError where the state has no whole root and tracker, EncodeError where it cannot be written, and Cancelled.
    """
    name = side or outgoing_side(opened.state).name
    distilled = distil(opened.state, name)
    handover = _through_pickle(distilled.handover)
    memory = opened.memory
    machine = None if memory is None else memory.machine
    image = SparseImage(handover.platform.page_size, name="replay", byte_order=handover.platform.byte_order, machine=machine)
    encode_handover(handover, opened.state.registry, image, context)
    return Replay(handover, opened.state.registry, image, distilled.not_known)


def compare(replayed: Replay, memory: PhysicalMemory, context: Context) -> Comparison:
    """Every structure of the image against the captured bytes. Raises ReadError where the capture fails, and Cancelled."""
    claimed = absent = 0
    differing = []
    for number, one in enumerate(written(replayed.handover, replayed.registry)):
        if number % _STEP == 0:
            context.step("comparing with the capture", number)
        there = memory.available(one.start, one.size)
        claimed += one.size
        absent += one.size - there
        if replayed.image.read(one.start, there) != memory.read(one.start, there):
            differing.append(one)
    return Comparison(claimed, absent, tuple(differing))


def _through_pickle(value: T) -> T:
    """The value and nothing that it may refer to: what is written cannot come from captured bytes."""
    copy: T = pickle.loads(pickle.dumps(value))
    return copy
