"""What rules look at: one side of a state, its root FDT and what decoding met."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kho_tui.abi.luo import LUO, LUO_NAME
from kho_tui.analysis.checks.answer import SUBTREES, Found
from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob, Origin
from kho_tui.layout.platform import MAX_PAGE_ORDERS, PAGEBLOCK_ORDERS
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.facts import Missing
from kho_tui.model.finding import Finding
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Root, Side, State, Subtree
from kho_tui.releases.table import Release
from kho_tui.text import NO_TEXT, SafeText, visible


@dataclass(frozen=True, eq=False, kw_only=True)
class SideEvidence:
    """``held`` is the captured memory; ``after`` the state of the kernel that took over; ``not_after``: why
    that is of another kexec."""

    state: State
    side: Side
    memory: MemoryMap
    held: PhysicalMemory | None
    context: Context
    after: State | None = None
    not_after: SafeText = NO_TEXT

    @property
    def here(self) -> str:
        """How what the state has, or lacks, is called."""
        return self.state.machine.here

    def why_absent(self, address: int) -> SafeText:
        """Why the memory at an address is not at hand, as whoever read it says."""
        absence = None if self.held is None else self.held.absence(address)
        return SafeText(f"not {self.here}") if absence is None else absence.reason

    @property
    def path(self) -> EntityPath:
        """The side."""
        return EntityPath((self.side.name,))

    @property
    def tracker_path(self) -> EntityPath:
        """The side's tracker."""
        return self.path.child("preserved")

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return self.state.machine.platform.page_size

    @property
    def page_shift(self) -> int:
        """log2 of the page size."""
        return self.state.machine.platform.page_shift

    def no_ram(self, address: int) -> bool:
        """Whether an address is certainly outside of all RAM."""
        return not 0 <= address < 2**64 or bool(self.state.host.surely_no_ram(np.array([address], np.uint64))[0])

    @property
    def max_order(self) -> int:
        """MAX_PAGE_ORDER as it is configured by default."""
        return MAX_PAGE_ORDERS.get(self.page_size, MAX_PAGE_ORDERS[4096])

    @property
    def pageblock_order(self) -> int:
        """pageblock_order as it is configured by default."""
        return PAGEBLOCK_ORDERS.get(self.page_size, PAGEBLOCK_ORDERS[4096])

    @property
    def successor(self) -> Side | None:
        """What the next kernel hands out in its turn, where it took this handover over."""
        return None if self.after is None or self.not_after or "in" not in self.after.sides else self.after.sides.get("out")

    @property
    def writer(self) -> str | None:
        """``uname -r`` of the kernel that wrote the side, where the state says it."""
        return (self.state.machine.release or self.side.writer) if self.side.name == "out" else self.side.writer

    @cached_property
    def newer(self) -> SafeText | None:
        """Why the side may follow rules that are not known here; None where its writer's release, or else its root's version, is known."""
        if self.writer is not None and self.state.registry.releases.is_newer(self.writer):
            return SafeText(
                f"written by {visible(self.writer)}, which is newer than what is known here ({self.state.registry.releases.words})"
            )
        version = None if isinstance(self.side.root, Missing) else self.side.root.compatible
        if self.state.registry.releases.of(self.writer) is None and version is not None and version not in self.state.registry.roots:
            return SafeText(f"{visible(version)} is a version that is not known here ({self.state.registry.releases.words})")
        return None

    @cached_property
    def releases(self) -> tuple[Release, ...]:
        """The releases that may have written the side: one where the state says which, else those of its formats."""
        root = self.side.root
        version = None if isinstance(root, Missing) else root.compatible
        named = self.state.registry.releases.of(self.writer)
        fitting = tuple(r for r in self.state.registry.releases if self.state.registry.roots.version_of(r) == version)
        if named is not None and (named in fitting or not fitting or self.side.name == "out"):
            return (named,)
        with_luo = tuple(r for r in fitting if self.state.registry.formats(LUO).of(r) is not None)
        return (
            with_luo if any(s.lookup_name == LUO_NAME for s in self.side.subtrees) and with_luo else fitting
        ) or self.state.registry.releases.rows

    @property
    def release(self) -> Release | None:
        """The release that wrote the side, where it is settled."""
        return self.releases[0] if len(self.releases) == 1 else None

    # The root FDT

    def root(self, found: Found) -> Root | None:
        """The root FDT."""
        return found.need(self.side.root, "root FDT")

    def root_node(self, found: Found) -> Node | None:
        """The root node of the root FDT."""
        root = self.root(found)
        if root is not None and root.view.tree.root is None:
            found.lack("root FDT", "it holds no readable node")
        return None if root is None else root.view.tree.root

    @cached_property
    def root_damaged(self) -> SafeText | None:
        """Why something that is missing in the root FDT may only be unreadable, None where the FDT is sound."""
        if isinstance(self.side.root, Missing) or not self.side.root.view.tree.salvaged:
            return None
        return SafeText("the root FDT is cut short or damaged")

    def subtree_nodes(self, found: Found) -> tuple[Node, ...]:
        """The nodes that stand for subtrees; what a cut FDT does not show is noted as a lack."""
        node = self.root_node(found)
        if node is not None and not node.complete:
            found.lack(SUBTREES, self.root_damaged or "the root FDT is cut short")
        return () if node is None else tuple(one for one in node.children if one.complete)

    def subtrees(self, found: Found) -> tuple[Subtree, ...]:
        """The subtrees that are handed over."""
        if not self.side.subtrees_told:
            found.lack(SUBTREES, f"nothing {self.here} lists them")
        elif self.root_damaged:
            found.lack(SUBTREES, self.root_damaged)
        elif not self.side.handed_over:
            found.not_here("no subtree is handed over")
        return self.side.handed_over

    def subtree(self, name: bytes, found: Found) -> Subtree | None:
        """The subtree of this name, the first one where there are more: that is what a kernel finds.

        That only an earlier copy of it is at hand, where memory was captured at a later moment, is noted as a lack.
        """
        one = self.named(name)
        if one is None:
            self.subtrees(found)
            found.not_here(f"no subtree {visible(name)}")
        elif self.only_earlier(one):
            found.lack(f"blob of {one.path} in memory", f"only a copy in debugfs is {self.here}, which was made earlier")
        return one

    def only_earlier(self, subtree: Subtree) -> bool:
        """Whether only an earlier copy of a blob is at hand, where memory was captured at a later moment."""
        return self._in_memory and isinstance(subtree.blob, Blob) and subtree.blob.place.origin is not Origin.MEMORY

    @cached_property
    def _in_memory(self) -> bool:
        """Whether the captured memory holds this side: its root FDT is from there."""
        return not isinstance(self.side.root, Missing) and self.side.root.view.blob.place.origin is Origin.MEMORY

    def named(self, name: bytes) -> Subtree | None:
        """The subtree of this name, if it is handed over."""
        return self.side.named(name)

    # What decoding itself met

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What decoding says of this side, or of the whole state."""
        return self.state.only(self.side.name).findings

    def met(self, where: EntityPath, *codes: str) -> tuple[Finding, ...]:
        """What decoding met at one place."""
        return tuple(one for one in self.findings if one.where == where and one.code in codes)
