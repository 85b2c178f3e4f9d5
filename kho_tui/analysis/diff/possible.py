"""Whether a value may be at a spot that a simulation declares unpredictable."""

from __future__ import annotations

from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Unit
from kho_tui.model.change import FieldChange
from kho_tui.model.unpredictable import Spot


def possible_number(field: FieldChange, spot: Spot, _platform: Platform) -> bool:
    """Both values are numbers, each a multiple of what the spot says, and an address in both or in none."""
    numbers = [value for value in (field.old, field.new) if isinstance(value, int)]
    if len(numbers) < 2 or (field.unit is Unit.PHYS and (0 in numbers) is not (numbers == [0, 0])):
        # Null is no address among others: something is there, or is not.
        return False
    return all(value % spot.align == 0 for value in numbers)
