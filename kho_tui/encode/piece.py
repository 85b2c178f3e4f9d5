"""What an encoder gives: bytes for an address, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kho_tui.errors import EncodeError
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Field, Layout
from kho_tui.layout.table import PageArray, encode_array
from kho_tui.model.path import EntityPath


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one structure at a physical address, zeros up to the end of its allocation included. ``what`` is its path in the side."""

    address: int
    data: bytes
    what: EntityPath


Pieces = Iterator[Piece]
Values = Mapping[str, int | bytes]
"""Fields or properties by name."""


def page_of(address: int, data: bytes, platform: Platform, what: EntityPath) -> Piece:
    """A structure alone in its zeroed page. Raises EncodeError where it does not fit."""
    if len(data) > platform.page_size:
        raise EncodeError(f"{what}: {len(data)} bytes do not fit a page")
    return Piece(address, data.ljust(platform.page_size, b"\0"), what)


def chain(
    pages: tuple[int, ...],
    array: PageArray,
    elements: bytes,
    head: Callable[[int, int], Values],
    platform: Platform,
    what: EntityPath,
) -> Pieces:
    """Pages filled with ``elements`` in order; ``head`` gives the header by the next page and the number of entries in this one."""
    size = array.element.size
    room = array.capacity(platform.page_size) * size
    for number, page in enumerate(pages):
        part = elements[number * room : (number + 1) * room]
        following = pages[number + 1] if number + 1 < len(pages) else 0
        data = encode_array(array, head(following, len(part) // size), part, platform)
        yield Piece(page, data, what.child(str(number)))


def filled(fields: Sequence[Field], *values: Values) -> Values:
    """The values of a struct or node, and zeros for the fields that nobody gives a value: so a kernel writes them."""
    given = {name: value for some in values for name, value in some.items()}
    return {**{field.name: 0 if field.is_integer else b"" for field in fields if field.name not in given}, **given}


def rows(layout: Layout, values: Sequence[Values], platform: Platform) -> bytes:
    """Structs one after the other."""
    return b"".join(layout.encode(one, platform.byte_order) for one in values)
