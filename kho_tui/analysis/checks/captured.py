"""The rule on the capture itself."""

from __future__ import annotations

from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule


@rule(
    "KHO139",
    "the memory of the capture is all that was written to it",
    error(),
    explanation="The segments that the core's own table promises against the length of the file. Where it is cut short this cannot be "
    "told, whatever the other rules make of what is left; where it is not, there is no question.",
    consequence="none for the next kernel: what is wrong with the state may stand in the part that is lost",
    source="System V gABI, program header",
)
def whole_memory(evidence: Evidence, found: Found) -> None:
    """Fail closed on a core that lost its end."""
    if evidence.held is None:
        found.not_here(f"no memory {evidence.here}")
    elif evidence.state.machine.memory_cut:
        found.lack("memory of the capture", evidence.state.machine.memory_cut)
    else:
        found.not_here("all that its table promises is there")


RULES = (whole_memory,)
