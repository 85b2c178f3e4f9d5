"""Faults of kexec-metadata: KHO036."""

from __future__ import annotations

from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA
from kho_tui.simulator.faults.case import Case, memory_of
from kho_tui.simulator.faults.facet import Breaking
from kho_tui.simulator.faults.fault import Fault, fault, has_size, later_fault
from kho_tui.simulator.faults.find import add_one, outgoing_blob

_RELEASE_BYTES = KHO_KEXEC_METADATA.span("previous_release")[1]


def _metadata(case: Case, **values: int | bytes) -> None:
    case.put(KHO_KEXEC_METADATA, memory_of(case.subtree(KEXEC_METADATA_NAME).blob)[0], **values)


def _metadata_version(case: Case) -> None:
    _metadata(case, version=2)


def _metadata_text(case: Case) -> None:
    _metadata(case, previous_release=b"6" * _RELEASE_BYTES)


def _metadata_count(case: Case) -> None:
    _metadata(case, kexec_count=0)


def _next_count(case: Case) -> None:
    offset, size = KHO_KEXEC_METADATA.span("kexec_count")
    add_one(case, outgoing_blob(case, KEXEC_METADATA_NAME), offset, size)


_FAULTS: tuple[Fault, ...] = (
    fault("metadata-version", "KHO036", "kexec-metadata is of version 2", _metadata_version, "107", has_size),
    fault("metadata-text", "KHO036", "the release in kexec-metadata has no end", _metadata_text, "", has_size),
    fault("metadata-count", "KHO036", "the count in kexec-metadata is 0", _metadata_count, "", has_size),
    later_fault("kexec-count", "KHO036", "the count in kexec-metadata grew by two", _next_count, before=True),
)

BREAKING = Breaking(faults=_FAULTS)
