"""What a state has to tell whole before it can be a Handover: values or an InputError that says what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from kho_tui.errors import InputError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.struct import Record
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText

T = TypeVar("T")


def told(fact: T | Missing, where: EntityPath) -> T:
    """The value of a fact. Raises InputError with the reason where it is none."""
    if isinstance(fact, Missing):
        raise InputError(f"{where}: {fact.reason}")
    return fact


def require_whole(status: Status, reason: SafeText, where: EntityPath) -> None:
    """Raises InputError where something is decoded only in part, or damaged."""
    if status is not Status.DECODED:
        raise InputError(f"{where}: {reason or status.value}")


def places(records: Iterable[Record]) -> tuple[int, ...]:
    """The address of each record."""
    return tuple(place_of(one) for one in records)


def place_of(record: Record) -> int:
    """The physical address of a record. Raises InputError where only a copy of it is at hand."""
    if record.place.phys is None:
        raise InputError(f"the address of {record.layout.name} is not known")
    return record.place.phys


def frozen(array: U64s) -> U64s:
    """The array, no longer writeable."""
    array.flags.writeable = False
    return array
