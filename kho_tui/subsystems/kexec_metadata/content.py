"""kexec-metadata: who wrote the handover, and after how many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_tui.layout.place import Blob
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import KEXEC_COUNT, OneStruct, SubtreeContent
from kho_tui.model.json_value import Json
from kho_tui.text import plural, visible

if TYPE_CHECKING:
    from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata


@dataclass(frozen=True)
class KexecMetadata(OneStruct, SubtreeContent):
    """Who wrote the handover. It owns its blob and nothing else."""

    @property
    def writer(self) -> bytes:
        """``uname -r`` of the kernel that wrote the handover."""
        return self.record.text("previous_release")

    @property
    def kexec_count(self) -> int:
        """KHO kexecs in a row."""
        return self.record.integer("kexec_count")

    def summary(self) -> str:
        """The writer and the count."""
        return f"written by {visible(self.writer)}, {plural(self.kexec_count, 'kexec')} in a row"

    def blobs(self) -> tuple[Blob, ...]:
        """None but its own."""
        return ()

    def claims(self, collector: ClaimCollector) -> None:
        """None but its blob."""

    def opaque(self) -> Iterator[str]:
        """Nothing of it."""
        return iter(())

    def always_kept(self) -> Iterator[tuple[int, bytes]]:
        """None."""
        return iter(())

    def counted(self) -> tuple[str, int] | None:
        """The KHO kexecs in a row."""
        return KEXEC_COUNT, self.kexec_count

    def written_by(self) -> bytes | None:
        """As it says."""
        return self.writer

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """The struct."""
        return {
            "version": self.record.integer("version"),
            "previous_release": visible(self.writer),
            "kexec_count": self.kexec_count,
        }

    def plain(self) -> PlainMetadata:
        """The struct's values."""
        from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata

        return PlainMetadata(self.record.integer("version"), self.writer, self.kexec_count)
