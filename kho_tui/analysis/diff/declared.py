"""Which differences from a simulated state were to be expected: the simulation says itself what it cannot predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kho_tui.abi.test_kho import KHO_TEST_FOLIO
from kho_tui.abi.vmalloc import KHO_VMALLOC
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Unit
from kho_tui.model.change import Change, ChangeKind, Diff, FieldChange
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.text import NO_TEXT, SafeText

_OTHER_VALUES = frozenset({ChangeKind.MOVED, ChangeKind.CHANGED, ChangeKind.RESIZED})
_ROW = re.compile(r"\d+\.")


def with_declared(diff: Diff, unpredictable: Sequence[Unpredictable], platform: Platform) -> Diff:
    """The same, with each root of change that a simulation declares told so.

    ``unpredictable`` is what the states of both ends declare, ``platform`` that of the two.
    """
    return replace(diff, changes=tuple(replace(one, declared=_declared(one, unpredictable, platform)) for one in diff.changes))


def _declared(change: Change, unpredictable: Sequence[Unpredictable], platform: Platform) -> SafeText:
    """Why a change was to be expected, with all that follows from it; empty where it was not."""
    reasons: dict[SafeText, None] = {}
    stack = [change]
    while stack:
        one = stack.pop()
        stack += one.consequences
        told = [_reason(one, field, unpredictable, platform) for field in one.fields]
        if one.kind not in _OTHER_VALUES or not told or not all(told):
            return NO_TEXT
        reasons |= dict.fromkeys(told)
    return SafeText("; ".join(reasons))


def _reason(change: Change, field: FieldChange, unpredictable: Sequence[Unpredictable], platform: Platform) -> SafeText:
    row = _ROW.match(field.name)
    name = field.name[row.end() :] if row else field.name
    paths = {path.text for path in (change.path, change.other) if path is not None}
    for one in unpredictable:
        spots = [one.spot(path, name) for path in paths]
        if all(spot is not None and _may_be(spot, field, platform, in_list=row is not None) for spot in spots):
            return one.text
    return NO_TEXT


def _may_be(spot: Spot, field: FieldChange, platform: Platform, *, in_list: bool) -> bool:
    """Whether both values are such as any kernel may have there."""
    values = [value for value in (field.old, field.new) if value is not None]
    if len(values) < 2 and not in_list:
        return False
    if in_list:
        return all(isinstance(value, int) and _is_folio(value, platform) for value in values)
    numbers = [value for value in values if isinstance(value, int)]
    if field.unit is Unit.PHYS and (0 in numbers) is not (numbers == [0, 0]):
        # Null is no address among others: something is there, or is not.
        return False
    if all(isinstance(value, bytes) for value in values):
        return all(isinstance(value, bytes) and _is_list(value, spot, platform) for value in values)
    return len(numbers) == len(values) and all(value % spot.align == 0 for value in numbers)


def _is_folio(value: int, platform: Platform) -> bool:
    """An address that is a multiple of the size of its block, the order in the low bits."""
    order = value % platform.page_size
    return value > order and order < 64 and (value - order) % (platform.page_size << order) == 0


def _is_list(raw: bytes, spot: Spot, platform: Platform) -> bool:
    """The test module's list: a descriptor of it, or up to 6.17 the folios themselves."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(raw[at : at + size], platform.byte_order)

    if len(raw) == KHO_VMALLOC.size:
        first, order = (number(*KHO_VMALLOC.span(name)) for name in ("first", "order"))
        if first and first % spot.align == 0 and order == 0:
            return True
    return len(raw) % KHO_TEST_FOLIO.size == 0 and all(_is_folio(number(at, 8), platform) for at in range(0, len(raw), KHO_TEST_FOLIO.size))
