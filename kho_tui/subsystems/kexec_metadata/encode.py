"""The struct of kexec-metadata (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

from kho_tui.abi.metadata import KHO_KEXEC_METADATA
from kho_tui.encode.facet import Buffer, Encoder, Encoding, no_pieces
from kho_tui.encode.piece import Values
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata


def _metadata(plain: PlainMetadata, encoder: Encoder) -> Buffer:
    values: Values = {"version": plain.version, "previous_release": plain.previous_release, "kexec_count": plain.kexec_count}
    data = KHO_KEXEC_METADATA.encode(values, encoder.platform.byte_order)
    return Buffer(data.ljust(encoder.platform.page_size, b"\0"), len(data))


ENCODING = Encoding(plain=PlainMetadata, buffer=_metadata, pieces=no_pieces)
