"""The checks of kexec-metadata (kernel/liveupdate/kexec_handover.c, 7.1-7.3)."""

from __future__ import annotations

from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA, METADATA_VERSION
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import Check
from kho_tui.analysis.receiver.facet import Receiving, no_arrivals, restores_nothing
from kho_tui.analysis.receiver.node import needs_kho, node_checks, of_subtree
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.state import Subtree
from kho_tui.releases.ranges import Range

_ANEW = "the kexec count starts anew"
_SOURCE = "kernel/liveupdate/kexec_handover.c, kho_in_kexec_metadata"


def _version(subtree: Subtree, boot: Boot) -> Verdict:
    """Size and version as the blob tells them, also one that nobody knows."""
    size = known(subtree.size)
    if size is not None and size < KHO_KEXEC_METADATA.size:
        return Fails(f"blob-size is {size}, the struct has {KHO_KEXEC_METADATA.size}")
    offset, width = KHO_KEXEC_METADATA.span("version")
    if isinstance(subtree.blob, Missing) or subtree.status is Status.STALE or len(subtree.blob.data) < offset + width:
        return unknown("the metadata is not at hand")
    version = int.from_bytes(subtree.blob.data[offset : offset + width], boot.handed.state.machine.platform.byte_order)
    return Holds(f"version {version}") if version == METADATA_VERSION else Fails(f"version {version}")


_CHECKS: tuple[Check, ...] = (
    needs_kho(KEXEC_METADATA_NAME, _ANEW, _SOURCE),
    *node_checks(KEXEC_METADATA_NAME, Range("7.1"), _ANEW, _SOURCE),
    Check(
        name="metadata",
        stage=Stage.CONSUMERS,
        question="is the metadata whole, and of a version that is known",
        fails=Outcome.IGNORED,
        consequence=_ANEW,
        releases=Range("7.1"),
        ask=of_subtree(KEXEC_METADATA_NAME, _version),
        consumer=KEXEC_METADATA_NAME,
        source=_SOURCE,
    ),
)

RECEIVING = Receiving(turn=2, option=None, checks=_CHECKS, restores=restores_nothing, sessions=None, arrivals=no_arrivals)
