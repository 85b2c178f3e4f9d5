"""LUO's state as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_tui.abi.luo import LuoFormat
from kho_tui.model.plain import Further, Plain, PlainFlbPage, PlainSession


@dataclass(frozen=True, eq=False, kw_only=True)
class PlainLuo(Plain):
    """LUO's state. ``pages``: the session array (there from boot on) or the session blocks (only once LUO froze, else none).

    ``session_compatible`` and ``flb_compatible`` are those of the nodes of luo-v1, empty in later forms. ``header`` is where the struct
    behind the FDT lies, 0 in every form but luo-v2.
    """

    form: LuoFormat
    number: int
    session_compatible: bytes
    pages: tuple[int, ...]
    sessions: tuple[PlainSession, ...]
    flb_compatible: bytes
    flb_page: PlainFlbPage | None
    header: int = 0
    more: Further = field(default_factory=dict)

    @property
    def sessions_at(self) -> int:
        """Where the list of sessions begins, 0 where there is none."""
        return self.pages[0] if self.pages else 0

    @property
    def flbs_at(self) -> int:
        """Where the list of FLBs lies, 0 where there is none."""
        return self.flb_page.phys if self.flb_page else 0
