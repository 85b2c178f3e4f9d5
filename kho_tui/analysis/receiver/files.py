"""What comes of one file that is asked for: as its handler goes, or as what could not be read of it lets one say."""

from __future__ import annotations

import numpy as np

from kho_tui.analysis.receiver.facet import FileReceiving
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections, trips_at
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, unknown
from kho_tui.layout.arrays import U64s
from kho_tui.model.contents.sessions import File
from kho_tui.model.facts import Damaged, Missing
from kho_tui.model.registry import Registry
from kho_tui.text import visible

_NONE: U64s = np.empty(0, np.uint64)


def retrieve_fault(file: File, reserved: Reserved, sections: Sections | Missing, target: Target) -> Fails | Missing | None:
    """What goes wrong when the file is asked for; None: it comes back as it was. Without an outcome of its own: the file is lost."""
    content = file.content
    if not isinstance(content, Missing):
        receiving = target.registry.handler_facet(file.compatible, FileReceiving)
        if receiving is None:
            return unknown(f"what comes of a file of {visible(file.compatible)} is not known")
        return receiving.retrieve_fault(file, content, reserved, sections, target)
    trips = trips_at(sections, file.data, Outcome.OOPS)
    if trips is not None:
        return Fails(f"its struct at {file.data:#x} is where no memory is: the kernel oopses as it reads it", trips)
    if isinstance(content, Damaged):
        return Fails(str(content.reason))
    return struct_at_chance(file) if reserved.lost(file.data) else content


def struct_at_chance(file: File) -> Fails:
    """The page of the struct is given back, which warns of one that is not preserved, whatever stands there (7.3 booted)."""
    met = f"its struct at {file.data:#x} is not preserved: whether it still stands there then is luck"
    return Fails(met, Outcome.CHANCE, warns=True)


def restored_addresses(file: File, registry: Registry, page_shift: int) -> U64s:
    """Physical addresses of all that a retrieve restores, in its order; none of a file whose content is not known."""
    receiving = _receiving(file, registry)
    return _NONE if receiving is None else receiving.restores(file.content, page_shift)


def content_addresses(file: File, registry: Registry, page_shift: int) -> U64s:
    """Those of them that are the file's contents."""
    receiving = _receiving(file, registry)
    return _NONE if receiving is None else receiving.contents(file.content, page_shift)


def freed_addresses(file: File, registry: Registry) -> U64s:
    """Pages that a retrieve frees in the end."""
    receiving = _receiving(file, registry)
    return _NONE if receiving is None else receiving.frees(file)


def _receiving(file: File, registry: Registry) -> FileReceiving | None:
    return None if isinstance(file.content, Missing) else registry.handler_facet(file.compatible, FileReceiving)
