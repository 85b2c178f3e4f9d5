"""What comes of one file that is asked for: as its handler goes, or as what could not be read of it lets one say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections, trips_at
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, unknown
from kho_tui.layout.arrays import U64s
from kho_tui.model.facts import Damaged, Missing
from kho_tui.model.registry import Registry
from kho_tui.model.sessions import File
from kho_tui.text import visible


def struct_at_chance(file: File) -> Fails:
    """The page of the struct is given back, which warns of one that is not preserved, whatever stands there (7.3 booted)."""
    met = f"its struct at {file.data:#x} is not preserved: whether it still stands there then is luck"
    return Fails(met, Outcome.CHANCE, warns=True)


def receiving_of(file: File, registry: Registry) -> FileReceiving:
    """What becomes of the file: its handler's to say where its content is known, else what lies at its data lets one say.

    Example: ``receiving_of(file, target.registry).retrieve_fault(file, file.content, reserved, sections, target)``.
    """
    if isinstance(file.content, Missing):
        return _UNREAD
    declared = registry.handler(file.compatible)
    if declared is not None and FileReceiving in declared.without:
        reason = declared.without[FileReceiving]
        return replace(_UNREAD, retrieve_fault=lambda file, *_: unknown(f"what comes of a file of {visible(file.compatible)}: {reason}"))
    return registry.handler_facet(file.compatible, FileReceiving) or _UNREAD


def _unread_fault(file: File, content: Missing, reserved: Reserved, sections: Sections | Missing, _target: Target) -> Fails | Missing:
    trips = trips_at(sections, file.data, Outcome.OOPS)
    if trips is not None:
        return Fails(f"its struct at {file.data:#x} is where no memory is: the kernel oopses as it reads it", trips)
    if isinstance(content, Damaged):
        return Fails(str(content.reason))
    return struct_at_chance(file) if reserved.lost(file.data) else content


def _no_addresses(*_: object) -> U64s:
    return np.empty(0, np.uint64)


_UNREAD = FileReceiving(retrieve_fault=_unread_fault, restores=_no_addresses, frees=_no_addresses)
"""Of a file whose content could not be read, or is of a handler that nobody knows."""
