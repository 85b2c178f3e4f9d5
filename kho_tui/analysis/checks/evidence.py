"""What rules look at: one side of a state with its memory map, the memory itself, and the state after the kexec where it is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kho_tui.abi.luo import LUO_NAME
from kho_tui.analysis.checks.answer import SESSIONS, SUBTREES, TRACKER, Found
from kho_tui.analysis.checks.block_index import BlockIndex
from kho_tui.analysis.intervals import Intervals
from kho_tui.analysis.memory_map import MemoryMap
from kho_tui.context import Context
from kho_tui.fdt.tree import Node
from kho_tui.layout.platform import MAX_PAGE_ORDERS, PAGEBLOCK_ORDERS
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.codes import AMBIGUOUS
from kho_tui.model.facts import Fact, Missing, Stale, Status, Unavailable
from kho_tui.model.finding import Finding
from kho_tui.model.luo import File, FolioArray, Luo, Memfd, NotWritten, Session, SessionList, VmallocArea
from kho_tui.model.path import EntityPath
from kho_tui.model.runs import Runs, no_runs
from kho_tui.model.state import KhoTest, Root, Side, State, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.releases.table import RELEASES, Release, release_of
from kho_tui.text import SafeText, visible

U64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Area:
    """A vmalloc area as its descriptor says it, with what was found of it."""

    path: EntityPath
    first: int
    total_pages: int
    flags: int
    order: int
    found: VmallocArea | Missing


@dataclass(frozen=True, eq=False)
class Evidence:
    """``held`` is the captured memory; ``after`` the state of the kernel that took over."""

    state: State
    side: Side
    memory: MemoryMap
    held: PhysicalMemory | None
    context: Context
    after: State | None = None

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
        return None if self.after is None or "in" not in self.after.sides else self.after.sides.get("out")

    @cached_property
    def releases(self) -> tuple[Release, ...]:
        """The releases that may have written the side: one where the state says which, else those of its formats."""
        root = self.side.root
        version = None if isinstance(root, Missing) else root.compatible
        named = release_of(self.state.machine.release if self.side.name == "out" else self.side.writer)
        fitting = tuple(r for r in RELEASES if r.root == version)
        if named is not None and (named in fitting or not fitting or self.side.name == "out"):
            return (named,)
        with_luo = tuple(r for r in fitting if r.luo is not None)
        return (with_luo if any(s.name == LUO_NAME for s in self.side.subtrees) and with_luo else fitting) or RELEASES

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
            found.lack(SUBTREES, "nothing in this capture lists them")
        elif self.root_damaged:
            found.lack(SUBTREES, self.root_damaged)
        elif not self.side.handed_over:
            found.not_here("no subtree is handed over")
        return self.side.handed_over

    def subtree(self, name: bytes, found: Found) -> Subtree | None:
        """The subtree of this name, the first one where there are more: that is what a kernel finds."""
        one = self.named(name)
        if one is None:
            self.subtrees(found)
            found.not_here(f"no subtree {visible(name)}")
        return one

    def named(self, name: bytes) -> Subtree | None:
        """The subtree of this name, if it is handed over."""
        return next((one for one in self.side.handed_over if one.name == name), None)

    # The tracker

    @property
    def preserved(self) -> PreservedMap | Missing:
        """The tracker."""
        return self.side.preserved

    @cached_property
    def whole(self) -> Fact[PreservedMap]:
        """The tracker, where all of it is known; else why what it lacks means nothing."""
        kept = self.side.preserved
        if isinstance(kept, Missing):
            return kept
        if kept.status is not Status.DECODED:
            return Unavailable(kept.reason)
        doubt = self.doubt
        return kept if doubt is None else Unavailable(doubt)

    @cached_property
    def doubt(self) -> SafeText | None:
        """Why the blocks may not be what the tracker says, None where nothing speaks for that."""
        if isinstance(self.side.preserved, PreservedMap) and self.side.preserved.status is Status.DAMAGED:
            return self.side.preserved.reason
        found = next((f for f in self.findings if f.code == AMBIGUOUS.name and f.where == self.tracker_path), None)
        return None if found is None else SafeText("the size of the bitmaps is not known, and with it the blocks")

    def doubted(self, found: Found) -> bool:
        """Whether even a block that the tracker has may be none; noted as a lack."""
        if self.doubt is not None:
            found.lack(TRACKER, self.doubt)
        return self.doubt is not None

    def blocks(self, found: Found) -> Runs | None:
        """The preserved blocks, for a rule that each of them has to keep; that some are not known is noted as a lack.

        None also where they may stand elsewhere than the tracker was meant to say.
        """
        kept = found.need(self.side.preserved, TRACKER)
        if kept is None:
            return None
        whole = found.need(self.whole, TRACKER)
        return None if whole is None and self.doubt is not None else kept.runs

    def kept(self, found: Found) -> Intervals | None:
        """The preserved addresses, for a rule on what has to be among them."""
        if isinstance(self.memory.sums, Missing):
            found.lack(TRACKER, self.memory.sums.reason)
            return None
        return self.memory.sums.kept

    def not_kept(self, found: Found, start: U64s, end: U64s) -> npt.NDArray[np.int64]:
        """Rows of the stretches of which some byte is not preserved; noted as a lack where the tracker is not known whole."""
        kept = self.kept(found)
        if kept is None or self.doubted(found) or not len(start):
            return np.empty(0, np.int64)
        rows = np.flatnonzero(kept.below(end) - kept.below(start) != end - start)
        if len(rows) and isinstance(self.whole, Missing):
            found.lack(TRACKER, self.whole.reason)
            return np.empty(0, np.int64)
        return rows

    def is_kept(self, found: Found, address: int, size: int) -> bool:
        """Whether all pages of ``size`` bytes at an address are preserved; True where that is noted as a lack."""
        first = address // self.page_size * self.page_size
        end = -(-(address + max(size, 1)) // self.page_size) * self.page_size
        if end >= 2**64:
            return False
        return not len(self.not_kept(found, np.array([first], np.uint64), np.array([end], np.uint64)))

    @cached_property
    def index(self) -> BlockIndex:
        """Where blocks begin; without a tracker nowhere."""
        kept = self.side.preserved
        return BlockIndex(no_runs(self.page_shift) if isinstance(kept, Missing) else kept.runs)

    def is_block(self, found: Found, address: int, order: int) -> bool:
        """Whether a block of exactly this order begins at an address; True where that is noted as a lack."""
        if isinstance(self.side.preserved, Missing):
            found.lack(TRACKER, self.side.preserved.reason)
            return True
        if self.doubted(found):
            return True
        if 0 <= address < 2**64 and bool(self.index.begins(np.array([address], np.uint64), order)[0]):
            return True
        if isinstance(self.whole, Missing):
            found.lack(TRACKER, self.whole.reason)
            return True
        return False

    # LUO

    def luo(self, found: Found) -> Luo | None:
        """LUO's state."""
        subtree = self.subtree(LUO_NAME, found)
        if subtree is None:
            return None
        if not isinstance(subtree.content, Luo):
            found.lack("content of LUO", subtree.reason)
            return None
        return subtree.content

    def session_list(self, found: Found) -> SessionList | None:
        """The list of sessions as far as it was read; whether that is all is for the rule to say."""
        luo = self.luo(found)
        if luo is None:
            return None
        if isinstance(luo.sessions, NotWritten):
            found.lack(SESSIONS, luo.sessions.reason)
            return None
        return found.need(luo.sessions, SESSIONS)

    def sessions(self, found: Found) -> tuple[Session, ...]:
        """The sessions; that some could not be read is noted as a lack."""
        listed = self.session_list(found)
        if listed is None:
            return ()
        if listed.status is not Status.DECODED:
            found.lack(SESSIONS, listed.reason)
        return listed.sessions

    def files(self, found: Found) -> Iterator[tuple[Session, File]]:
        """All files of all sessions; that some could not be read is noted as a lack."""
        some = False
        for number, session in enumerate(self.sessions(found)):
            if number % 64 == 0:
                self.context.step("checking sessions", number)
            name = f"files of session {visible(session.name)}"
            for file in found.need(session.files, name) or ():
                some = True
                yield session, file
            if not isinstance(session.files, Missing) and session.status is not Status.DECODED:
                found.lack(name, session.reason)
        if not some and not found.lacks:
            found.not_here("no file is preserved")

    def memfds(self, found: Found) -> Iterator[tuple[File, Memfd]]:
        """All memfds; a file that nobody knows is none."""
        some = False
        for _, file in self.files(found):
            if isinstance(file.content, Memfd):
                some = True
                yield file, file.content
            elif file.content.status is not Status.UNKNOWN:
                found.lack(f"memfd struct of {file.path}", file.content.reason)
        if not some and not found.lacks:
            found.not_here("no memfd is preserved")

    def folios(self, found: Found) -> Iterator[tuple[File, Memfd, FolioArray]]:
        """All memfds whose folios were read; that some were not is noted as a lack."""
        for file, memfd in self.memfds(found):
            folios = found.need(memfd.folios, f"folios of {file.path}")
            if folios is not None:
                if folios.status is not Status.DECODED:
                    found.lack(f"folios of {file.path}", folios.reason)
                yield file, memfd, folios

    def areas(self, found: Found) -> Iterator[Area]:
        """All vmalloc areas: folio arrays of memfds, and the test module's list."""
        some = False
        for area in self._areas(found):
            some = True
            yield area
        if some:
            found.not_here("")
        elif not found.lacks:
            found.not_here("no vmalloc area is preserved")

    def _areas(self, found: Found) -> Iterator[Area]:
        for subtree in self.side.handed_over:
            content = subtree.content
            if isinstance(content, KhoTest) and subtree.status is not Status.STALE:
                if isinstance(content.area, Stale):
                    found.lack("test module's list", content.area.reason)
                elif isinstance(content.area, VmallocArea):
                    area = content.area
                    yield Area(subtree.path.child("folios"), area.first, area.total_pages, area.flags, area.order, area)
        if self.named(LUO_NAME) is None:
            self.subtrees(found)
            return
        for file, memfd in self.memfds(found):
            first, total, flags, order = (memfd.record.integer(f"folios.{name}") for name in ("first", "total_pages", "flags", "order"))
            if first or total or memfd.nr_folios:
                folios = memfd.folios
                yield Area(file.path.child("folios"), first, total, flags, order, folios if isinstance(folios, Missing) else folios.area)

    def owners(self, found: Found) -> None:
        """Note what is not known of who owns which memory."""
        for subtree in self.subtrees(found):
            if isinstance(subtree.content, Missing) and subtree.status is not Status.UNKNOWN:
                found.lack(f"content of {subtree.path}", subtree.reason)
            elif isinstance(subtree.content, KhoTest):
                found.need(subtree.content.folios, "list of the test module's folios")
        for _ in self.folios(found) if self.named(LUO_NAME) is not None else ():
            pass
        found.not_here("")

    # What decoding itself met

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What decoding says of this side, or of the whole state."""
        return self.state.only(self.side.name).findings

    def met(self, where: EntityPath, *codes: str) -> tuple[Finding, ...]:
        """What decoding met at one place."""
        return tuple(one for one in self.findings if one.where == where and one.code in codes)
