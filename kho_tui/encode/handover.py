"""A whole Handover written into an image of memory, each structure at its own address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.context import Context
from kho_tui.encode.facet import Encoder
from kho_tui.encode.piece import Piece, Pieces
from kho_tui.encode.roots import root_page
from kho_tui.encode.subtrees import subtree_pieces
from kho_tui.encode.trackers import tracker_pieces
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.registry import Registry

_STEP = 256


@dataclass(frozen=True, slots=True)
class Claimed:
    """``size`` bytes from ``start`` on that the encoder answers for, to the last of them."""

    start: int
    size: int
    what: EntityPath


def encode_handover(handover: Handover, registry: Registry, image: SparseImage, context: Context | None = None) -> None:
    """Write every structure. Raises EncodeError where the handover cannot be said in its formats, and Cancelled."""
    for number, piece in enumerate(pieces(handover, registry)):
        if context is not None and number % _STEP == 0:
            context.step("writing the handover", number)
        image.write(piece.address, piece.data)


def written(handover: Handover, registry: Registry) -> Iterator[Claimed]:
    """What ``encode_handover`` writes."""
    return (Claimed(one.address, len(one.data), one.what) for one in pieces(handover, registry))


def pieces(handover: Handover, registry: Registry) -> Pieces:
    """Every structure's bytes, one at a time: the tracker may be far larger than all the rest."""
    where = EntityPath()
    siblings = Siblings(where)
    encoder = Encoder(handover.platform, registry)
    yield Piece(handover.fdt_phys, root_page(handover), siblings.child("fdt"))
    yield from tracker_pieces(handover, siblings.child("preserved"))
    for one in handover.subtrees:
        yield from subtree_pieces(one, encoder, siblings.named(one.name))
