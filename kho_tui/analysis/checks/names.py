"""The rule on names in fields of fixed length."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging, NameField
from kho_tui.analysis.checks.rule import rule, warning
from kho_tui.text import visible


def _named(evidence: Evidence, found: Found) -> Iterator[NameField]:
    """Each record that holds a name, and the field that it stands in."""
    for judging in evidence.state.registry.facets(Judging).values():
        yield from judging.names(evidence, found)


@rule(
    "KHO143",
    "behind the NUL of a name its field holds zeros",
    warning("6.19"),
    explanation="Session names, compatible strings of files and of LUO's struct, FLB names, previous_release of kexec-metadata. A name "
    "without a NUL is KHO036, KHO042, KHO043 or KHO044.",
    consequence="none by itself: kernels read up to the NUL. They copy names into zeroed memory, so somebody else wrote the field, or it "
    "is damaged",
    source="kernel/liveupdate/luo_session.c, luo_file.c, luo_flb.c, luo_core.c (6.19 to 7.3), kexec_handover.c (7.1 to 7.3): strscpy into "
    "kho_alloc_preserve'd memory",
)
def padding(evidence: Evidence, found: Found) -> None:
    """Kernels allocate the structures zeroed and write a name once."""
    some = False
    for path, record, field in _named(evidence, found):
        some = True
        raw = record.raw(field)
        name, nul, behind = raw.partition(b"\0")
        if nul and any(behind):
            said = f"{field} {visible(name)} is followed by {visible(behind.strip(bytes(1))[:16])} behind its NUL"
            found.broken(said, path, record.place.phys)
    if some:
        found.not_here("")


RULES = (padding,)
