"""The rule on kexec-metadata."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA, METADATA_VERSION
from kho_tui.analysis.checks.answer import AFTER, Found
from kho_tui.analysis.checks.counted import Counted, earlier
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging, NameField, no_losses
from kho_tui.analysis.checks.rule import rule, warning
from kho_tui.layout.struct import Record
from kho_tui.model.facts import Damaged, Missing, Unavailable
from kho_tui.model.state import Side
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.text import SafeText, visible


@rule(
    "KHO036",
    "kexec-metadata is whole, of version 1, and counts one more than the kernel before",
    warning("7.1"),
    explanation="blob-size 73, version 1, a NUL within the 65 bytes of previous_release, which is the running kernel, kexec_count of at "
    "least 1 and one more than that of the incoming side, or of the log's 'exec from'; 1 where the log shows that the boot was cold. "
    "With --after, the next kernel's is one more again.",
    consequence="the next kernel ignores it: the count starts anew and the release before is not known",
    source="kernel/liveupdate/kexec_handover.c, kho_out_kexec_metadata (7.1 to 7.3); include/linux/kho/abi/kexec_metadata.h",
)
def metadata(evidence: Evidence, found: Found) -> None:
    """Invariant 36."""
    subtree = evidence.subtree(KEXEC_METADATA_NAME, found)
    if subtree is None:
        if evidence.newer:
            found.lack("kexec-metadata", evidence.newer)
        elif evidence.side.subtrees_told and not evidence.root_damaged and not isinstance(evidence.side.root, Missing):
            found.broken("there is none, yet KHO is off in a kernel that cannot make it", evidence.path)
        return
    record = _record(evidence, evidence.side)
    size = found.need(subtree.size, f"blob-size of {subtree.path}")
    # Where no root names the size, it is that of debugfs' file, which may be cut short.
    if (
        evidence.newer is None
        and size is not None
        and size != KHO_KEXEC_METADATA.size
        and (subtree.in_root or size > KHO_KEXEC_METADATA.size)
    ):
        found.broken(f"blob-size is {size}, the struct has {KHO_KEXEC_METADATA.size}", subtree.path)
    if isinstance(record, Missing):
        found.lack("kexec-metadata", record.reason)
        return
    at, count = record.place.phys, record.integer("kexec_count")
    if record.integer("version") != METADATA_VERSION:
        if evidence.newer:
            found.lack("kexec-metadata", evidence.newer)
            return
        found.broken(f"version {record.integer('version')}", subtree.path, at)
        return
    if b"\0" not in record.raw("previous_release"):
        found.broken("previous_release has no NUL", subtree.path, at)
    if count < 1:
        found.broken("kexec_count is 0", subtree.path, at)
    running = evidence.state.machine.release
    if evidence.side.name == "out" and running is not None and record.text("previous_release") != running.encode():
        found.broken(f"previous_release is {visible(record.text('previous_release'))}, {visible(running)} is running", subtree.path, at)
    counted = Counted("kexec_count", KEXEC_METADATA_NAME, lambda side: _count(evidence, side), "exec-from")
    before = earlier(evidence, counted, found)
    if before is not None and count != before + 1:
        found.broken(f"kexec_count is {count}, the one of the boot before {before}", subtree.path, at)
    if evidence.side.name == "out":
        following = _count(evidence, evidence.successor)
        if evidence.not_after:
            found.lack(AFTER, evidence.not_after)
        if following is not None and following != count + 1:
            found.broken(f"kexec_count is {count}, the next kernel hands out {following}", subtree.path, at)


def _count(evidence: Evidence, side: Side | None) -> int | None:
    record = None if side is None else _record(evidence, side)
    return None if record is None or isinstance(record, Missing) else record.integer("kexec_count")


def _record(evidence: Evidence, side: Side) -> Record | Missing:
    """kexec-metadata of a side as it lies, whatever its version."""
    subtree = side.named(KEXEC_METADATA_NAME)
    if subtree is None:
        return Unavailable(SafeText("there is none"))
    if isinstance(subtree.blob, Missing):
        return subtree.blob
    if len(subtree.blob.data) < KHO_KEXEC_METADATA.size:
        return Damaged(SafeText(f"{len(subtree.blob.data)} bytes where {KHO_KEXEC_METADATA.size} are needed"))
    return KHO_KEXEC_METADATA.record(subtree.blob.data, evidence.state.machine.platform.byte_order, subtree.blob.place)


def _names(evidence: Evidence, found: Found) -> Iterator[NameField]:
    subtree = evidence.subtree(KEXEC_METADATA_NAME, found)
    if subtree is not None and isinstance(subtree.content, KexecMetadata):
        yield subtree.path, subtree.content.record, "previous_release"
    elif subtree is not None:
        found.lack("content of kexec-metadata", subtree.reason)


JUDGING = Judging(rules=(metadata,), names=_names, losses=no_losses, taken_back=True)
