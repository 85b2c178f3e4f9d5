"""Wire structs declared once: a declaration gives decode, encode, field spans and (``table``) bulk arrays.

All KHO structs are packed, so offsets follow from the order and the sizes of the fields. Values are in the byte
order of the CPU that wrote them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.errors import EncodeError, ReadError
from kho_tui.layout.place import Place
from kho_tui.layout.platform import ByteOrder
from kho_tui.text import c_string


class Unit(Enum):
    """What a number counts, and so how it is shown."""

    PHYS = "physical address"
    PFN = "page frame number"
    BYTES = "bytes"
    PAGES = "pages"
    COUNT = "count"
    ORDER = "order (block of 2^order pages)"
    INDEX = "index in pages"
    FLAGS = "flag bits"
    ID = "identifier"
    VERSION = "version"
    CHECKSUM = "checksum"
    OPAQUE = "opaque to the kernel"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Part:
    """Some bits of a packed integer field: ``width`` bits from bit ``low`` up."""

    name: str
    low: int
    width: int
    unit: Unit
    meaning: str

    def of(self, value: int) -> int:
        """The bits of ``value`` that belong to this part."""
        return (value >> self.low) & ((1 << self.width) - 1)

    def of_column(self, values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """The same of every value of a column."""
        return (values >> np.uint64(self.low)) & np.uint64((1 << self.width) - 1)


@dataclass(frozen=True, slots=True)
class Field:
    """One value on the wire: an unsigned integer, or a char array where ``unit`` is TEXT.

    ``size`` is in bytes; None for an FDT property whose length is not fixed. ``meaning`` says in at most 80 columns what
    the value is and what breaks if it is wrong. ``source`` names kernel header and releases where it differs from the struct's.
    """

    name: str
    size: int | None
    unit: Unit
    meaning: str
    _: KW_ONLY
    source: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def is_integer(self) -> bool:
        """True for an unsigned integer of fixed size."""
        return self.unit is not Unit.TEXT and self.size in (1, 2, 4, 8)

    def decode(self, raw: bytes, byte_order: ByteOrder) -> int | bytes:
        """The value of exactly this field's bytes; text stays bytes, NULs included."""
        if self.size is not None and len(raw) != self.size:
            raise ReadError(f"{self.name}: {len(raw)} bytes where {self.size} are needed")
        return int.from_bytes(raw, byte_order) if self.is_integer else raw

    def encode(self, value: int | bytes, byte_order: ByteOrder) -> bytes:
        """The bytes of ``value``. Raises EncodeError where it does not fit."""
        if self.is_integer:
            assert self.size is not None
            if not isinstance(value, int):
                raise EncodeError(f"{self.name}: needs an integer, got {value!r}")
            try:
                return value.to_bytes(self.size, byte_order)
            except OverflowError:
                raise EncodeError(f"{self.name}: {value:#x} does not fit {self.size} bytes") from None
        if not isinstance(value, bytes):
            raise EncodeError(f"{self.name}: needs bytes, got {value!r}")
        if self.size is None:
            return value
        if len(value) > self.size:
            raise EncodeError(f"{self.name}: {len(value)} bytes do not fit {self.size}")
        return value.ljust(self.size, b"\0")


def u64(name: str, unit: Unit, meaning: str, *, parts: tuple[Part, ...] = (), source: str = "") -> Field:
    """A 64-bit unsigned field."""
    return Field(name, 8, unit, meaning, source=source, parts=parts)


def u32(name: str, unit: Unit, meaning: str, *, source: str = "") -> Field:
    """A 32-bit unsigned field."""
    return Field(name, 4, unit, meaning, source=source)


def u16(name: str, unit: Unit, meaning: str, *, source: str = "") -> Field:
    """A 16-bit unsigned field."""
    return Field(name, 2, unit, meaning, source=source)


def u8(name: str, unit: Unit, meaning: str, *, source: str = "") -> Field:
    """An 8-bit unsigned field."""
    return Field(name, 1, unit, meaning, source=source)


def chars(name: str, size: int, meaning: str, *, source: str = "") -> Field:
    """A char array of ``size`` bytes, NUL padded."""
    return Field(name, size, Unit.TEXT, meaning, source=source)


def embed(prefix: str, layout: Layout) -> tuple[Field, ...]:
    """The fields of ``layout`` inside another struct, named ``prefix.field``."""
    return tuple(
        Field(f"{prefix}.{f.name}", f.size, f.unit, f.meaning, source=f.source or layout.source, parts=f.parts) for f in layout.fields
    )


@dataclass(frozen=True)
class Layout:
    """A packed wire struct. ``name`` is the kernel's in PascalCase, ``source`` kernel header and releases."""

    name: str
    fields: tuple[Field, ...]
    source: str
    meaning: str = ""
    _spans: dict[str, tuple[int, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        spans: dict[str, tuple[int, int]] = {}
        offset = 0
        for one in self.fields:
            if one.size is None or one.name in spans:
                raise ValueError(f"{self.name}.{one.name}: a struct field needs a size and a name of its own")
            spans[one.name] = (offset, one.size)
            offset += one.size
        object.__setattr__(self, "_spans", spans)

    @cached_property
    def size(self) -> int:
        """Bytes of the whole struct."""
        return sum(f.size or 0 for f in self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self._spans

    def span(self, name: str) -> tuple[int, int]:
        """(offset, size) in bytes of a field."""
        return self._spans[name]

    def encode(self, values: Mapping[str, int | bytes], byte_order: ByteOrder) -> bytes:
        """The struct's bytes; every field must be given. Raises EncodeError where a value does not fit."""
        unknown = set(values) - set(self._spans)
        missing = set(self._spans) - set(values)
        if unknown or missing:
            raise EncodeError(f"{self.name}: fields {sorted(unknown | missing)} unknown or missing")
        return b"".join(f.encode(values[f.name], byte_order) for f in self.fields)

    def record(self, data: bytes, byte_order: ByteOrder, place: Place) -> Record:
        """The struct at the start of ``data``. Raises ReadError where it is too short."""
        if len(data) < self.size:
            raise ReadError(f"{self.name}: {len(data)} bytes where {self.size} are needed")
        return Record(self, data[: self.size], byte_order, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValue:
    """A decoded field: its declaration, raw bytes, value and place. ``raw`` is what lies on the wire, as far as it is captured."""

    field: Field
    raw: bytes
    value: int | bytes
    place: Place
    source: str
    """Kernel header and releases the declaration was taken from."""
    cut_from: int | None = None
    """Bytes that the whole value has where the end of the input cuts it: ``raw`` and ``value`` are what it begins with."""


def field_named(values: Iterable[FieldValue], name: str) -> FieldValue | None:
    """The first field of this name that is there whole."""
    return next((one for one in values if one.field.name == name and one.cut_from is None), None)


@dataclass(frozen=True, slots=True)
class Record:
    """A layout, the bytes of one struct and where they lie."""

    layout: Layout
    data: bytes
    byte_order: ByteOrder
    place: Place

    def raw(self, name: str) -> bytes:
        """The bytes of a field as they lie."""
        offset, size = self.layout.span(name)
        return self.data[offset : offset + size]

    def integer(self, name: str) -> int:
        """The value of an integer field."""
        return int.from_bytes(self.raw(name), self.byte_order)

    def text(self, name: str) -> bytes:
        """The bytes of a char array up to its NUL."""
        return c_string(self.raw(name))

    def further(self, *known: str) -> dict[str, int | bytes]:
        """The values of all fields but those that are ``known``, text up to its NUL."""
        fields = (f for f in self.layout.fields if f.name not in known)
        return {f.name: self.integer(f.name) if f.is_integer else self.text(f.name) for f in fields}

    def values(self) -> Iterator[FieldValue]:
        """All fields in order."""
        for f in self.layout.fields:
            offset, _ = self.layout.span(f.name)
            raw = self.raw(f.name)
            yield FieldValue(
                field=f, raw=raw, value=f.decode(raw, self.byte_order), place=self.place.at(offset), source=f.source or self.layout.source
            )
