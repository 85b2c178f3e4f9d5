"""Steps of a scenario that speak to KHO itself."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.model.plain import RawBytes
from kho_tui.releases.calls import CALLS
from kho_tui.simulator.kernel_error import KernelError
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.scenario_values import a_byte_string, a_count, a_size, an_order, hex_bytes
from kho_tui.simulator.steps import Action, StepKind, Userspace
from kho_tui.text import visible


@dataclass(frozen=True, slots=True)
class PreserveFolio(Action):
    """Preserve a folio that no subtree tells of. ``address`` None: wherever the allocator gives one."""

    order: int
    address: int | None = None

    def perform(self, user: Userspace) -> None:
        """See Action."""
        kho = user.kernel.need_kho("kho_preserve_folio")
        address = user.kernel.allocator.alloc(self.order, "folio") if self.address is None else self.address
        kho.kho_preserve_folio(address, self.order)


@dataclass(frozen=True, slots=True)
class PreservePages(Action):
    """Preserve ``pages`` pages from ``address`` on, split as the release does."""

    address: int
    pages: int

    def perform(self, user: Userspace) -> None:
        """See Action."""
        kernel = user.kernel
        kho = kernel.need_kho("kho_preserve_pages")
        if CALLS["kho_preserve_pages"].covers(kernel.release.version):
            kho.kho_preserve_pages(self.address, self.pages)
        else:
            kho.kho_preserve_phys(self.address, self.pages * kernel.machine.page_size)


@dataclass(frozen=True, slots=True)
class AddSubtree(Action):
    """Register a page with ``data`` under ``name``, or ``count`` of them: then ``{}`` in the name is their number from 0 on."""

    name: bytes
    data: bytes
    count: int = 1

    def perform(self, user: Userspace) -> None:
        """See Action."""
        for name in user.numbered(self.name, self.count):
            user.subtrees[name] = self._add(name, user.kernel.need_kho("kho_add_subtree"))

    def _add(self, name: bytes, kho: Kho) -> int:
        order = kho.order_of(max(len(self.data), 1))
        phys = kho.allocator.alloc(order, f"subtree {name.decode('utf-8', 'backslashreplace')}")
        kho.kho_preserve_folio(phys, order)
        content = RawBytes(self.data)
        kho.when_handed_over(lambda: kho.kho_add_subtree(name, phys, len(self.data), lambda: content))
        return phys


@dataclass(frozen=True, slots=True)
class RemoveSubtree(Action):
    """Take out a subtree that ``AddSubtree`` registered."""

    name: bytes

    def perform(self, user: Userspace) -> None:
        """See Action."""
        kho = user.kernel.need_kho("kho_remove_subtree")
        if self.name not in user.subtrees:
            raise KernelError(errno.ENOENT, "kho_remove_subtree", f"no subtree {visible(self.name)} was added")
        kho.kho_remove_subtree(user.subtrees[self.name])


@dataclass(frozen=True, slots=True)
class WriteFinalize(Action):
    """Write to out/finalize: 1 or 0."""

    value: int

    def perform(self, user: Userspace) -> None:
        """See Action."""
        user.kernel.write_finalize(self.value)


KHO_STEPS: Mapping[str, StepKind] = {
    "folio": StepKind({"order": an_order, "address": a_size}, lambda t: PreserveFolio(t.get("order", 0), t.get("address"))),
    "pages": StepKind({"address": a_size, "pages": a_size}, lambda t: PreservePages(t.need("address"), t.need("pages"))),
    "subtree": StepKind(
        {"name": a_byte_string, "text": a_byte_string, "hex": hex_bytes, "count": a_count},
        lambda t: AddSubtree(t.need("name"), t.get("text", t.get("hex", b"")), t.get("count", 1)),
    ),
    "remove": StepKind({"name": a_byte_string}, lambda t: RemoveSubtree(t.need("name"))),
    "finalize": StepKind({}, lambda _: WriteFinalize(1)),
    "abort": StepKind({}, lambda _: WriteFinalize(0)),
}
