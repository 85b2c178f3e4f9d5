"""What a kernel is handed: one side of a state, with the facts that several of its checks read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.root import Tracker
from kho_tui.analysis.finalizing import is_map_pending
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.context import Context
from kho_tui.fdt.tree import FdtTree, Node, parse_fdt
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.facts import Fact, Missing, Status, known
from kho_tui.model.state import Root, Side, State, Subtree
from kho_tui.releases.table import Attach, Finalize

_NO_SUBTREES = "the subtrees are not at hand"


@dataclass(frozen=True, eq=False)
class Handed:
    """A side as the next kernel finds it. ``memory``: captured memory, None where there is none, or where it is closed by now."""

    state: State
    side: Side
    memory: PhysicalMemory | None = None
    context: Context = field(default_factory=Context)

    @property
    def page_size(self) -> int:
        """Bytes of a page of the kernel that wrote the state."""
        return self.state.machine.platform.page_size

    @property
    def root(self) -> Root | None:
        """The root FDT, None where it is not at hand."""
        return None if isinstance(self.side.root, Missing) else self.side.root

    @cached_property
    def _tree(self) -> FdtTree | None:
        """The copy of the root FDT that the next kernel reads, None where it is not at hand."""
        if self.root is None or isinstance(self.root.handed, Missing):
            return None
        handed, shown = self.root.handed, self.root.view
        return shown.tree if handed is shown.blob else parse_fdt(handed.data)

    @property
    def node(self) -> Node | None:
        """The root node of the root FDT: of the copy that the next kernel reads, for which no earlier one stands."""
        if self._tree is not None:
            return self._tree.root
        return None if self.root is None else self.root.view.tree.root

    @property
    def _cut(self) -> bool:
        """Whether the copy that the next kernel reads is not captured to its end."""
        return self._tree is None or self._tree.truncated

    @property
    def compatibles(self) -> tuple[bytes, ...] | Missing:
        """The strings of the root's compatible list."""
        node = self.node
        if node is not None and (node.has_all or node.property(b"compatible") is not None or not self._cut):
            return _compatibles(node)
        read = self.root is not None and not self._cut
        return () if read else unknown("the root's compatible string is not at hand")

    @property
    def map_length(self) -> Fact[int]:
        """Bytes of the root's preserved-memory-map property, 0 where there is none."""
        missing = unknown("the root's memory map property is not at hand")
        if self.node is None:
            return missing
        found = self.node.property(b"preserved-memory-map")
        if found is None:
            return 0 if self.node.has_all else missing
        return len(found.data)

    @property
    def map_address(self) -> Fact[int]:
        """Where the tracker lies, as the next kernel will read it; 0: never finalized."""
        if self.root is None:
            return unknown("the root's memory map property is not at hand")
        if self.root.map_address == 0 and self._finalized_at_reboot:
            return unknown("the root's memory map property is not at hand: LUO finalizes inside the reboot call")
        return self.root.map_address

    @property
    def names_no_map(self) -> bool:
        """Whether the root is known to name no memory map: nothing is preserved then."""
        return known(self.map_length) not in (None, 8) or known(self.map_address) == 0

    @cached_property
    def _finalized_at_reboot(self) -> bool:
        """With LUO on, 6.19 and 7.0 finalize in the reboot call: until then a map of 0 says nothing of what will be handed over."""
        release = self.state.registry.releases.of(self.state.machine.release)
        has_luo = any(subtree.lookup_name == LUO_NAME for subtree in self.side.handed_over)
        return release is not None and self.side.name == "out" and has_luo and is_map_pending(self.side, (release,))

    @property
    def subtrees(self) -> tuple[Subtree, ...] | Missing:
        """What the root names, in its order; unknown where it cannot be read."""
        return self.side.handed_over if self.side.subtrees_told and self.root is not None else unknown(_NO_SUBTREES)

    def subtree(self, name: bytes) -> Subtree | Missing | None:
        """The first subtree that is found by this name; None: there is none."""
        subtrees = self.subtrees
        return subtrees if isinstance(subtrees, Missing) else next((subtree for subtree in subtrees if subtree.lookup_name == name), None)

    def content(self, name: bytes) -> Subtree | None:
        """The subtree of this name if its content may be read as fact."""
        return next((one for one in self.side.handed_over if one.lookup_name == name and one.status is not Status.STALE), None)

    @property
    def attached(self) -> Verdict:
        """Whether it is given to the next kernel at all.

        6.16 to 6.18 hand over what was finalized before the load; LUO finalizes 6.19 and 7.0 in the reboot call; later ones always do.
        """
        side, release = self.side, self.state.registry.releases.of(self.state.machine.release)
        stateful = release is not None and release.finalize is Finalize.STATEFUL
        if stateful and side.finalized is False:
            only = release is not None and release.attach is Attach.FINALIZED
            return Fails(f"not finalized: {'nothing is handed over then' if only else 'an FDT page that nobody wrote is refused'}")
        if isinstance(side.root, Missing):
            return unknown("the root FDT is not at hand")
        if not isinstance(side.finalized, Missing):
            return Holds("finalized")
        if stateful and release is not None and release.attach is Attach.FINALIZED:
            return side.finalized
        form = side.root.format
        if form is not None and form.tracker is Tracker.RADIX:
            return Holds("always complete")
        return Holds("there is a root FDT with a memory map") if known(side.root.map_address) else side.finalized

    def property_lengths(self, subtree: Subtree) -> dict[str, int]:
        """Bytes of each property of a subtree's node in the root."""
        root = self.node
        node = None if root is None else root.child(subtree.name)
        lengths = {} if node is None else {one.name.decode("latin-1"): len(one.data) for one in node.properties if one.name is not None}
        if root is not None and self._cut and (node is None or not node.has_all):
            form = self.state.registry.roots.get((_compatibles(root)[:1] or (b"",))[0])
            # What lies beyond the end of a cut file was not seen, which is no reason to call it missing.
            unseen = (self.state.registry.roots if form is None else form).subtree.properties
            lengths |= {field.name: field.size or 0 for field in unseen if field.name not in lengths}
        return lengths


def _compatibles(node: Node) -> tuple[bytes, ...]:
    found = node.property(b"compatible")
    return () if found is None else found.strings
