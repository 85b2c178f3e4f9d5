"""A whole state: what was opened, its sides, their subtrees, and the scratch table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kho_tui.abi.root import TRACKER_PROPERTY, RootFormat
from kho_tui.fdt.tree import FdtTree, lookup_name
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import FieldValue, Record
from kho_tui.layout.table import Table
from kho_tui.memory.elf_format import ElfMachine
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Count, Fact, Missing, Status, known
from kho_tui.model.finding import Finding
from kho_tui.model.flbs import Flb, FlbList
from kho_tui.model.host import Host
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.sessions import File, SessionList
from kho_tui.model.tracker import PreservedMap
from kho_tui.model.unpredictable import Unpredictable
from kho_tui.text import NO_TEXT, SafeText, visible, where_shown

if TYPE_CHECKING:
    from kho_tui.model.plain import Further


@dataclass(frozen=True, slots=True)
class FdtView:
    """A flattened device tree with libfdt's own words on it."""

    blob: Blob
    tree: FdtTree
    verdict: str


@dataclass(frozen=True, slots=True)
class RawContent:
    """A subtree nobody knows: only its bytes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Subtree:
    """One subsystem's state.

    ``blob`` is the copy that counts, ``copies`` every other one. ``status`` and ``reason`` speak of the content: STALE where the
    running kernel has given the memory back.
    """

    name: bytes
    path: EntityPath
    phys: Fact[int]
    size: Fact[int]
    values: tuple[FieldValue, ...]
    blob: Blob | Missing
    copies: tuple[Blob, ...]
    fdt: FdtView | None
    compatible: bytes | None
    content: SubtreeContent | RawContent | Missing
    status: Status
    reason: SafeText
    owns_memory: bool
    """Whether it may name memory besides its blob."""
    in_root: bool | None
    """False: only debugfs has it and the root FDT does not name it, so it is not handed over. None: cannot be told."""
    outdated: SafeText = NO_TEXT
    """Why ``blob`` is not what the next kernel finds: an earlier copy, shown because memory was captured without it. Empty where it is."""

    @property
    def lookup_name(self) -> bytes:
        """The name by which its consumer finds it."""
        return lookup_name(self.name)

    @property
    def sessions(self) -> SessionList | Missing | None:
        """The sessions that it keeps; None of a subtree that keeps none, and where it could not be read."""
        return self.content.session_list() if isinstance(self.content, SubtreeContent) else None

    @property
    def flbs(self) -> FlbList | Missing | None:
        """The file-lifecycle-bound data that it keeps; None of a subtree that keeps none, and where it could not be read."""
        return self.content.flb_list() if isinstance(self.content, SubtreeContent) else None

    @property
    def region_sizes(self) -> Sequence[tuple[bytes, Fact[int]]] | None:
        """Name and size in bytes of each ``reserve_mem=`` region that it keeps; None of a subtree that keeps none, or could not be read."""
        return self.content.region_sizes() if isinstance(self.content, SubtreeContent) else None

    @property
    def cut(self) -> SafeText:
        """That only part of its blob is captured, and how much of it; empty where all of it is, or where nothing tells its length."""
        if isinstance(self.blob, Missing):
            return NO_TEXT
        size = known(self.size) if self.in_root else None
        if size is None and self.fdt is not None and self.fdt.tree.truncated:
            size = self.fdt.tree.total_size
        have = len(self.blob.data)
        return SafeText(f"only {have} of its {size} bytes are captured") if size is not None and have < size else NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The root FDT of a side. ``phys`` is where its page lies, ``map_address`` the tracker's (0: not finalized)."""

    view: FdtView
    copies: tuple[Blob, ...]
    phys: Fact[int]
    compatible: bytes | None
    format: RootFormat | None
    map_address: Fact[int]
    values: tuple[FieldValue, ...]
    handed: Blob | Missing
    """The copy that the next kernel reads, also where it is too damaged to be the one shown; no older copy stands for it."""

    @property
    def more(self) -> Further:
        """What its version has more than its name and the tracker."""
        return {} if self.format is None else self.format.node.further(self.values, "compatible", TRACKER_PROPERTY)

    @property
    def version_unread(self) -> bool:
        """True where it has no version only because the FDT ends, or is damaged, before it."""
        node = self.view.tree.root
        return self.compatible is None and node is not None and not node.has_all

    @property
    def version_words(self) -> SafeText:
        """Its version, or what is known of it."""
        if self.compatible is not None:
            return visible(self.compatible)
        node = self.view.tree.root
        cut = None if node is None or node.properties else node.cut_property
        if cut is not None and cut.data:
            return SafeText(f'a version that begins with "{visible(cut.data)}"')
        if node is None:
            return SafeText("version not readable")
        return SafeText("version not captured" if self.version_unread else "no version")

    @property
    def data(self) -> bytes:
        """The FDT without what stands behind its end, as far as it is captured."""
        return self.view.blob.data[: self.view.tree.total_size]


@dataclass(frozen=True, eq=False, kw_only=True)
class Side:
    """What was handed in, is to be handed out, or (``unsided``) cannot be told."""

    @property
    def handed_over(self) -> tuple[Subtree, ...]:
        """The subtrees, less those that only debugfs has."""
        return tuple(one for one in self.subtrees if one.in_root is not False)

    @property
    def contents(self) -> tuple[SubtreeContent, ...]:
        """Of the subtrees that are handed over, those that could be read."""
        return tuple(one.content for one in self.handed_over if isinstance(one.content, SubtreeContent))

    @property
    def files(self) -> tuple[File, ...]:
        """The files of all sessions that could be read."""
        return tuple(file for content in self.contents for file in content.files)

    @property
    def flbs(self) -> tuple[Flb, ...]:
        """The file-lifecycle-bound data that could be read."""
        lists = (content.flb_list() for content in self.contents)
        return tuple(flb for listed in lists if isinstance(listed, FlbList) for flb in listed.flbs)

    def named(self, name: bytes) -> Subtree | None:
        """The first subtree that is found by this name, if it is handed over."""
        return next((one for one in self.handed_over if one.lookup_name == name), None)

    name: str
    root: Root | Missing
    finalized: Fact[bool]
    preserved: PreservedMap | Missing
    subtrees: tuple[Subtree, ...]
    subtrees_told: bool
    """False: nothing at hand lists the subtrees, so that none shown does not mean none there."""
    writer: str | None
    """Release of the kernel that wrote this side, where the state says so."""
    cut_subtree: bytes | None = None
    """What the name of one more subtree begins with: the root FDT ends inside it, and nothing else tells which one it is."""

    @property
    def lists_all(self) -> bool:
        """Whether a subtree that is not among these is not handed over."""
        return self.subtrees_told and (isinstance(self.root, Missing) or self.root.view.tree.lists_all)

    @property
    def subtree_count(self) -> Count:
        """Subtrees that are handed over, of how many."""
        count = len(self.handed_over) + (self.cut_subtree is not None)
        return Count(count, count if self.lists_all else None)

    @property
    def subtree_words(self) -> SafeText:
        """How many subtrees are handed over."""
        count = self.subtree_count
        return count.words("subtree") if count.read or count.whole else SafeText("subtrees not known")


@dataclass(frozen=True, slots=True)
class ScratchArea:
    """One entry of the scratch table. ``node`` is None for lowmem, global, and where no source tells."""

    kind: str
    node: int | None
    start: int
    size: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Scratch:
    """The scratch table; ``table`` are its rows where the binary table itself was read.

    ``status`` PARTIAL: some areas may not be known; ``lacks_some``: they certainly are not, and not only fewer than the nodes ask for.
    """

    areas: tuple[ScratchArea, ...]
    table: Table | None
    source: SafeText
    status: Status
    reason: SafeText
    lacks_some: bool = False

    @property
    def whole(self) -> bool:
        """Whether all areas are known, so that what is not in them is no scratch."""
        return self.status is Status.DECODED


COUNTING = ("exec-from", "liveupdate")
"""Kinds of lines that say a number which grows by one with each handover: of kexecs in a row, of live updates."""
_COUNTED = re.compile(rb"(-?\d{1,20})\)?$")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the kernel log that speaks of a handover. ``side`` is the one it speaks of, ``subject`` the name or number in it."""

    kind: str
    side: str | None
    time: str | None
    text: bytes
    subject: bytes | None = None

    @property
    def counted(self) -> int | None:
        """How many kexecs in a row, or live updates, the kernel says that it was handed; None of a line that does not say it."""
        match = _COUNTED.search(self.text) if self.kind in COUNTING else None
        return None if match is None else int(match[1])


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file of the capture and what it gave. ``size`` in bytes, None where it was not read."""

    path: SafeText
    size: int | None
    gave: SafeText
    note: SafeText


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the state comes from. ``platform_reasons`` say why byte order and page size are what they are."""

    path: SafeText
    kind: str
    release: str | None
    arch: str | None
    platform: Platform
    platform_reasons: tuple[SafeText, ...]
    cmdline: bytes | None
    files: tuple[FileUse, ...]
    boot: tuple[Record, ...]
    """The boot record: where this boot was told to find its root FDT and scratch table (setup_data, or properties of /chosen)."""
    cmdline_whole: bool = True
    """False: the end of ``cmdline`` may be cut off."""
    memory_cut: SafeText = NO_TEXT
    """Why some of the memory that was captured is lost, empty where nothing shows that."""
    memory_unread: SafeText = NO_TEXT
    """That pages of it could not be read when it was searched, and why, so that a root FDT may lie in them. Empty where all were."""

    @property
    def here(self) -> str:
        """How what it has, or lacks, is called: ``in this capture``, or of a running machine what it shows."""
        return where_shown(live=self.kind == "live")

    @property
    def elf_machine(self) -> ElfMachine:
        """What a core of this machine names it; x86_64 where nothing tells."""
        return "aarch64" if self.arch == "arm64" else "x86_64"


@dataclass(frozen=True, eq=False, kw_only=True)
class State:
    """Everything that was opened, decoded by what ``registry`` knows."""

    registry: Registry
    machine: Machine
    host: Host
    scratch: Scratch | Missing
    sides: Mapping[str, Side]
    """By name: ``in``, ``out``, ``unsided``; absent where nothing speaks of it."""
    log: tuple[LogLine, ...]
    findings: tuple[Finding, ...]
    absent: SafeText
    """Why there is no KHO state at all, where that is so."""
    unpredictable: tuple[Unpredictable, ...] = ()
    """Of a simulated state: where a real kernel would show something else."""
    left_out: frozenset[str] = frozenset()
    """Sides that are there and were not asked for."""
    scratch_shown: bool = False
    """Whether the outgoing side is there from debugfs, which shows the scratch table beside it: it was to be read."""
    log_from_boot: bool = False
    """Whether the kernel log is there from its first line on: only then it means something that ``log`` has no line of a kind."""

    @property
    def scratch_unread(self) -> SafeText | None:
        """Why the scratch table was to be read and was not, or only in part; None where it was, and where nothing has to show it.

        Fewer areas than the nodes ask for are no sign of it: that lines are cut off there is only possible.
        """
        if isinstance(self.scratch, Missing):
            return self.scratch.reason if self.scratch_shown else None
        return self.scratch.reason if self.scratch.lacks_some else None

    def only(self, side: str) -> State:
        """The same state with one side, and the findings that speak of it or of the whole."""
        others = {name for name in self.sides if name != side}
        findings = tuple(f for f in self.findings if not f.where.parts or f.where.parts[0] not in others)
        shown = {name: one for name, one in self.sides.items() if name == side}
        return replace(self, sides=shown, findings=findings, left_out=self.left_out | others)
