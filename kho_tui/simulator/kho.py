"""Kexec HandOver of one kernel: what is registered, and when it is complete (kernel/liveupdate/kexec_handover.c)."""

from __future__ import annotations

import errno
from collections.abc import Callable

from kho_tui.encode.facet import Encoder
from kho_tui.model.handover import ChunkTracker, Handover, RadixTracker, Registered, RootStyle
from kho_tui.model.registry import Registry
from kho_tui.model.runs import no_runs
from kho_tui.model.state import ScratchArea
from kho_tui.releases.table import Finalize, Release
from kho_tui.simulator.allocator import PageAllocator
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.preserving import Preserving
from kho_tui.simulator.root import ContentNow, Entry, Root
from kho_tui.simulator.tracker import KernelChunks, KernelRadix
from kho_tui.text import visible

Notifier = Callable[[bool], None]
"""Called with True at finalize, False at abort."""

_FDT_NOSPACE = 3


class Kho(Preserving):
    """KHO of one kernel that has it switched on."""

    def __init__(
        self,
        registry: Registry,
        machine: Machine,
        release: Release,
        allocator: PageAllocator,
        scratch: tuple[ScratchArea, ...],
        *,
        debug: bool,
    ) -> None:
        super().__init__(registry, machine, release, allocator, scratch, debug=debug)
        self.encoder = Encoder(machine.platform, registry)
        self._notifiers: list[Notifier] = []
        self._map = 0
        self._in_notifier = False
        style = RootStyle.FINALIZED if release.finalize is Finalize.STATEFUL else RootStyle.GROWN
        self.root = Root(form=registry.roots.written_by(release), style=style, phys=self._page("root FDT"), page_size=machine.page_size)
        if style is RootStyle.GROWN:
            self._mark("kho_preserve_folio", self.root.phys, 0)

    def kho_add_subtree(self, name: bytes, phys: int, size: int, content: ContentNow) -> None:
        """Register a blob. 6.16-6.18: only from a notifier, while finalizing. -EEXIST for a name twice, -ENOMEM when the page is full."""
        call = "kho_add_subtree"
        if self.release.finalize is Finalize.STATEFUL and not self._in_notifier:
            raise KernelError(errno.EINVAL, call, f"{self.release.name} takes subtrees only in a finalize notifier")
        if any(entry.name == name for entry in self.root.entries):
            raise KernelError(errno.EEXIST, call, f"a subtree {visible(name)} is there")
        full = self.root.refusal(name)
        if full is not None:
            # 6.16 to 7.0 give libfdt's own number where a property does not fit.
            raw = self.release.finalize is Finalize.STATEFUL or (full == "property" and not self.root.form.size)
            why = f"the root FDT's page is full after {len(self.root.entries)} subtrees"
            if raw:
                raise KernelError(_FDT_NOSPACE, call, why, name="FDT_ERR_NOSPACE")
            raise KernelError(errno.ENOMEM, call, why)
        self.root.add(Entry(name, phys, size, content))

    def kho_remove_subtree(self, phys: int) -> None:
        """Take out the newest subtree whose blob is at ``phys``, if there is one (6.19 on)."""
        self._need("kho_remove_subtree")
        for entry in reversed(self.root.entries):
            if entry.phys == phys:
                self.root.entries.remove(entry)
                return

    def register_kho_notifier(self, notifier: Notifier) -> None:
        """Be told of finalize and abort (6.16-6.18)."""
        self._need("register_kho_notifier")
        self._notifiers.append(notifier)

    def when_handed_over(self, add: Callable[[], None]) -> None:
        """Do what registers a subtree: with 6.16 to 6.18 at each finalize, later at once. Raises what it raises."""
        if self.release.finalize is Finalize.STATEFUL:
            self.register_kho_notifier(lambda finalize: add() if finalize else None)
        else:
            add()

    def kho_finalize(self) -> None:
        """Write 1 to out/finalize (6.16-7.0). 6.16-6.18: -EEXIST if it is finalized, and from then on nothing can be preserved."""
        self._need("kho_finalize")
        assert isinstance(self.tracker, KernelChunks)  # the releases that have the call
        if self.release.finalize is Finalize.SERIALIZE:
            self._map = self.tracker.serialize()
            self.finalized = True
            return
        if self.finalized:
            raise KernelError(errno.EEXIST, "kho_finalize", "it is finalized")
        try:
            self._mark("kho_finalize", self.root.phys, 0)
            self._in_notifier = True
            for notifier in self._notifiers:
                notifier(True)
            self._map = self.tracker.serialize()
            self.finalized = True
        except KernelError:
            self._abort()
            raise
        finally:
            self._in_notifier = False

    def kho_abort(self) -> None:
        """Write 0 to out/finalize (6.16-6.18): drops the whole tracker, what was preserved before finalize included. -ENOENT twice."""
        if self.release.finalize is Finalize.SERIALIZE:
            raise KernelError(errno.EINVAL, "kho_abort", f"{self.release.name} takes only a value other than 0 in out/finalize")
        self._need("kho_abort")
        if not self.finalized:
            raise KernelError(errno.ENOENT, "kho_abort", "it is not finalized")
        self._abort()

    def _abort(self) -> None:
        assert isinstance(self.tracker, KernelChunks)  # 6.16 to 6.18
        self.tracker.drop()
        self.root.entries.clear()
        self._map, self.finalized = 0, False
        for notifier in self._notifiers:
            notifier(False)

    def handover(self) -> Handover | None:
        """The outgoing side as it is now; None where there is none (6.16-6.18 unless finalized)."""
        if self.root.style is RootStyle.FINALIZED and not self.finalized:
            return None
        registered = tuple(Registered(e.name, e.phys, e.size, e.content()) for e in self.root.entries)
        tracker: ChunkTracker | RadixTracker | None
        if isinstance(self.tracker, KernelRadix):
            address, tracker, runs = self.tracker.root, self.tracker.handed_over(), self.tracker.runs()
        elif self._map:
            address, (tracker, runs) = self._map, self.tracker.handed_over()
        else:
            address, tracker, runs = 0, None, no_runs(self.machine.page_shift)
        return Handover(
            platform=self.machine.platform,
            form=self.root.form,
            style=self.root.style_now,
            fdt_phys=self.root.phys,
            map_address=address,
            subtrees=registered,
            tracker=tracker,
            runs=runs,
        )
