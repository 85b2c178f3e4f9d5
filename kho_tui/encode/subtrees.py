"""Subtrees: the blob of each, and what lies behind it, as its module writes them."""

from __future__ import annotations

from kho_tui.encode.facet import Buffer, Encoder, Encoding
from kho_tui.encode.fdts import fdt_of
from kho_tui.encode.piece import Piece, Pieces
from kho_tui.errors import EncodeError
from kho_tui.model.handover import Registered
from kho_tui.model.path import EntityPath
from kho_tui.model.plain import Plain, RawBytes


def subtree_pieces(one: Registered, encoder: Encoder, what: EntityPath) -> Pieces:
    """All of a subtree; nothing of one whose content is not known."""
    if one.content is None:
        return
    yield Piece(one.phys, _buffer(one.content, encoder).data, what)
    if not isinstance(one.content, RawBytes):
        yield from _encoding(one.content, encoder).pieces(one.content, encoder, what)


def subtree_blob(content: Plain, encoder: Encoder) -> bytes:
    """The blob as debugfs shows it; its length is what ``blob-size`` says. Raises EncodeError."""
    buffer = _buffer(content, encoder)
    return buffer.data[: buffer.size] if buffer.size else fdt_of(buffer.data)


def _buffer(content: Plain, encoder: Encoder) -> Buffer:
    return (
        Buffer(content.data, len(content.data)) if isinstance(content, RawBytes) else _encoding(content, encoder).buffer(content, encoder)
    )


def _encoding(content: Plain, encoder: Encoder) -> Encoding:
    encodings = encoder.registry.facets(Encoding).values()
    found = next((encoding for encoding in encodings if isinstance(content, encoding.plain)), None)
    if found is None:
        raise EncodeError(f"nobody declares how {type(content).__name__} is written")
    return found
