"""What became of kexec-metadata: its count and writer stand in the log of the next kernel (kernel/liveupdate/kexec_handover.c, 7.1 on)."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.diff.log import quoted
from kho_tui.analysis.diff.teller import Contradiction, Teller, differing
from kho_tui.layout.struct import Unit
from kho_tui.model.change import EntityFate, FieldChange
from kho_tui.model.state import Subtree
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata


class MetadataTeller(Teller):
    """By the line "exec from", and by what the next kernel counts."""

    def contradiction(self) -> Contradiction | None:
        """Another writer or count in the log than A has."""
        line, content = next(self.ends.log.of("exec-from"), None), self.subtree.content
        if line is None or not isinstance(content, KexecMetadata):
            return None
        was = content.record.integer("kexec_count")
        fields = differing(
            FieldChange("previous_release", Unit.TEXT, content.record.text("previous_release"), line.subject or b""),
            FieldChange("kexec_count", Unit.COUNT, was, was if line.counted is None else line.counted),
        )
        return Contradiction(f"another kernel's was read: {quoted(line)}", fields) if fields else None

    def follows(self) -> bool:
        """Every kernel registers its own."""
        return True

    def followed(self, other: Subtree, *, must: bool) -> Iterator[EntityFate]:
        """One kexec more."""
        content, after = self.subtree.content, other.content
        if isinstance(content, KexecMetadata) and isinstance(after, KexecMetadata):
            yield self.counted(other, "kexec_count", content.kexec_count, after.kexec_count)
        else:
            yield from super().followed(other, must=must)


DIFFING = Diffing(teller=MetadataTeller)
