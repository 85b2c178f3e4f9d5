"""What decode asks of the module of a subtree: the facet that stands beside this engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from kho_tui.abi.format import Format, Place
from kho_tui.decode.reader import Reader
from kho_tui.fdt.tree import lookup_name
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record
from kho_tui.model.content import FileContent, FlbContent, SubtreeContent
from kho_tui.model.facts import Missing, Stale
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.state import FdtView
from kho_tui.text import SafeText

MAGIC_BYTES = 5
"""Bytes by which an FDT, or LUO's struct, is known."""


@dataclass(frozen=True, kw_only=True)
class SubtreeBlob:
    """A subtree's blob as its module gets it.

    ``size``: bytes that the root says, None where it does not; ``root_version`` of the handover that it is part of. ``behind``: why nothing
    that it points at may be read as fact; ``outdated``: why it is an earlier copy, empty where it is none.
    """

    blob: Blob
    fdt: FdtView | None
    path: EntityPath
    size: int | None
    root_version: bytes | None
    behind: Stale | None
    outdated: SafeText


@dataclass(frozen=True, slots=True)
class StructHead:
    """What the first bytes of a struct say: its version, None where it is not there whole, and how many bytes it has.

    ``declared``: whether that version is known, so that the size is its own and not that of the newest.
    """

    version: bytes | None
    size: int
    declared: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """What a kernel counts one higher at each handover: what it is called, and its value in a blob, None where it is not told."""

    name: str
    read: Callable[[Reader, bytes], int | None]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How the blobs of one subtree are read.

    ``decode``: its content. ``recognises``: whether bytes begin as such a blob does, by these bytes and by the ``compatible`` of their
    FDT, None: they are none; ``first_words``: its first four bytes, unless it is an FDT. ``struct_head``: what a struct says that no name
    is needed to know, None for anything else. ``least``: bytes of a blob that is no FDT by which its form is known. ``stays``: whether the
    blob still is what was handed over while the kernel runs that accepted it, by the version of the root. ``bytes_fixed``: whether its
    bytes do not change within a boot. ``counted``: what of it grows by one with each handover, None: nothing; it does not change within
    a boot. ``owns_memory``: whether it may name memory besides its blob. ``is_fdt``:
    whether the blob is an FDT wherever ``struct_head`` does not know it.
    """

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("decode", "DECODING")

    decode: Callable[[Reader, SubtreeBlob], SubtreeContent | Missing]
    recognises: Callable[[bytes, bytes | None], bool]
    first_words: tuple[bytes, ...]
    struct_head: Callable[[Registry, bytes], StructHead | None]
    least: Callable[[Registry, bytes], int]
    stays: Callable[[Registry, bytes | None], bool]
    bytes_fixed: bool
    counted: Counted | None
    owns_memory: bool
    is_fdt: bool


@dataclass(frozen=True, kw_only=True)
class FileDecoding:
    """How what lies at the data of a file is read: by its entry in the list of files, whose version of the handler is ``Format``."""

    place: ClassVar[Place] = "file"
    stands_in: ClassVar[tuple[str, str]] = ("decode", "DECODING")

    decode: Callable[[Reader, Record, Format, EntityPath], FileContent | Missing]


@dataclass(frozen=True, kw_only=True)
class FlbDecoding:
    """How what lies at the data of file-lifecycle-bound data is read: by its entry in the FLB page."""

    place: ClassVar[Place] = "flb"
    stands_in: ClassVar[tuple[str, str]] = ("decode", "DECODING")

    decode: Callable[[Reader, Record, EntityPath], FlbContent | Missing]


def no_struct(_registry: Registry, _data: bytes) -> None:
    """Of a blob that is an FDT, or known by its name alone."""


def struct_head(registry: Registry, data: bytes) -> StructHead | None:
    """What a struct says that is known by its first bytes, whatever its name; None for anything else."""
    heads = (decoding.struct_head(registry, data) for decoding in registry.facets(Decoding).values())
    return next((head for head in heads if head is not None), None)


def declared_size(registry: Registry, name: bytes, data: bytes) -> int | None:
    """Bytes of the struct in the blob of a subtree, ``data`` or how it begins; None where no format or no known version declares it."""
    if (head := struct_head(registry, data)) is not None:
        return head.size if head.declared else None
    decoding = registry.facets(Decoding).get(lookup_name(name))
    least = 0 if decoding is None else decoding.least(registry, data)
    return least if least > MAGIC_BYTES else None


def count_at(reader: Reader, counted: Counted, address: int) -> int | None:
    """What is counted in a blob in memory, as far as its page is there."""
    there = reader.available(address, reader.platform.page_size)
    blob = reader.blob(address, there) if there else None
    return None if blob is None or isinstance(blob, Missing) else counted.read(reader, blob.data)
