"""kexec-metadata in a simulated kernel (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.abi.metadata import KEXEC_METADATA_NAME, METADATA_VERSION, METADATA_WRITTEN
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.facet import NO_STEPS, Simulating, idle_task_killed, nothing_early
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.producer import LogLine, Producer
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.subsystems.kexec_metadata.plain import PlainMetadata
from kho_tui.text import visible


@dataclass(frozen=True, slots=True)
class Counted:
    """KHO kexecs up to the one that booted this kernel, and the release before it."""

    kexec_count: int
    previous: str


class _Metadata(Producer[Counted]):
    def start(self, kho: Kho) -> None:
        if not METADATA_WRITTEN.covers(kho.release.version):
            return
        count = (self.arrived.kexec_count if self.arrived is not None else 0) + 1
        content = PlainMetadata(METADATA_VERSION, self.kernel.uname.encode(), count)
        size = len(subtree_blob(content, kho.encoder))
        try:
            phys = kho.kho_alloc_preserve(size, "kexec-metadata")
            kho.kho_add_subtree(KEXEC_METADATA_NAME, phys, size, lambda: content)
        except KernelError as error:
            # It is kho_init() itself that adds it, and that switches KHO off where it fails.
            self.kernel.switch_kho_off(str(error))

    def taken_lines(self) -> Iterator[LogLine]:
        if self.arrived is not None and self.arrived.kexec_count and self.kernel.options.kho:
            yield 6, f"KHO: exec from: {self.arrived.previous} (count {self.arrived.kexec_count})"


def _receive(handed: Handed, _built: object) -> Counted | None:
    metadata = handed.content(KEXEC_METADATA_NAME)
    if not isinstance(metadata, KexecMetadata) or not METADATA_WRITTEN.covers(handed.reception.target.release.version):
        return None
    return Counted(metadata.record.integer("kexec_count"), visible(metadata.record.text("previous_release")))


SIMULATING = Simulating(
    turn=0,
    log_prefix="KHO",
    producer=_Metadata,
    receive=_receive,
    module=None,
    steps=NO_STEPS,
    early_bytes=nothing_early,
    panic_line=idle_task_killed,
)
