"""One boot: a kernel on what it is handed, with what it reserves and what its consumers restore."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kho_tui.analysis.receiver.facet import in_turn
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.ledger import settle
from kho_tui.analysis.receiver.reserved import Reserved, reserve
from kho_tui.analysis.receiver.sections import Sections, sections_of
from kho_tui.analysis.receiver.sessions import Restored
from kho_tui.analysis.receiver.target import Target
from kho_tui.model.facts import Missing


@dataclass(frozen=True, eq=False)
class Boot:
    """What the checks of one boot look at."""

    handed: Handed
    target: Target

    @cached_property
    def reserved(self) -> Reserved:
        """What this kernel reserves and marks."""
        return reserve(self.handed, self.target)

    @cached_property
    def sections(self) -> Sections | Missing:
        """Memory that this kernel gets."""
        return sections_of(self.handed.state, self.target)

    @cached_property
    def restored(self) -> Restored:
        """What consumers restore while the kernel boots, and what comes back of the sessions of the one that keeps any."""
        consumers = in_turn(self.handed.state.registry)
        owners = {name: receiving.restores(self.handed, self.target) for name, receiving in consumers.items()}
        booting = {name: owner for name, owner in owners.items() if owner is not None}
        for receiving in consumers.values():
            if receiving.sessions is not None:
                return receiving.sessions(self, booting)
        return Restored((), None, dict(zip(booting, settle(tuple(booting.values())).lost, strict=True)))
