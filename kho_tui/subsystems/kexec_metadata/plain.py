"""kexec-metadata as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.model.plain import Plain


@dataclass(frozen=True, slots=True)
class PlainMetadata(Plain):
    """struct kexec-metadata."""

    version: int
    previous_release: bytes
    kexec_count: int
