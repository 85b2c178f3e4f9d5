"""What encode asks of the module of a subtree, and of one of a file handler: the facets that stand beside this engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from kho_tui.abi.format import Place
    from kho_tui.encode.piece import Pieces
    from kho_tui.layout.platform import Platform
    from kho_tui.model.path import EntityPath
    from kho_tui.model.plain import Plain, PlainFile, PlainFlb
    from kho_tui.model.registry import Registry


@dataclass(frozen=True, slots=True)
class Encoder:
    """What encoding goes by: byte order and page size of the kernel, and what is declared of each subtree and handler."""

    platform: Platform
    registry: Registry


@dataclass(frozen=True, slots=True)
class Buffer:
    """The memory at whose start the blob of a subtree lies. ``size``: bytes of the blob, 0 for an FDT, which says it itself."""

    data: bytes
    size: int


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a subtree is written. ``buffer``: its blob from its values, which are ``plain``; ``pieces``: all that the blob leads to."""

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("encode", "ENCODING")

    plain: type[Plain]
    buffer: Callable[[Any, Encoder], Buffer]
    pieces: Callable[[Any, Encoder, EntityPath], Pieces]


@dataclass(frozen=True, kw_only=True)
class FileEncoding:
    """How what lies at the data of a file is written: ``pieces`` of the file and of the plain values of its content."""

    place: ClassVar[Place] = "file"
    stands_in: ClassVar[tuple[str, str]] = ("encode", "ENCODING")

    pieces: Callable[[PlainFile, Any, Encoder, EntityPath], Pieces]


@dataclass(frozen=True, kw_only=True)
class FlbEncoding:
    """How what lies at the data of file-lifecycle-bound data is written: ``pieces`` of its entry and of its plain values."""

    place: ClassVar[Place] = "flb"
    stands_in: ClassVar[tuple[str, str]] = ("encode", "ENCODING")

    pieces: Callable[[PlainFlb, Any, Encoder, EntityPath], Pieces]


def no_pieces(_plain: object, _encoder: Encoder, _what: EntityPath) -> Pieces:
    """Of a blob that leads to nothing."""
    return iter(())
