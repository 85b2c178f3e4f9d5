"""What was found of a capture, named and typed. Nothing here knows a KHO format."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from kho_tui.capture.boot_record import BootHandover
from kho_tui.capture.dmesg import Evidence
from kho_tui.capture.facet import Side
from kho_tui.capture.files import Note, TreeKind
from kho_tui.capture.live.machine import Machine
from kho_tui.capture.obstacles import NOTHING_KNOWN, MachineFacts
from kho_tui.capture.proc import IomemEntry, MemblockRange, NodeRange, Zone, node_ranges
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.kcore import KcoreMemory
from kho_tui.memory.physical import MemoryFile
from kho_tui.model.facts import Missing, Unavailable, known
from kho_tui.releases.cmdline import CommandLine
from kho_tui.text import SafeText, where_shown

SourceKind = Literal["capture", "debugfs", "live", "core", "raw", "fdt", "scratch", "blob"]
"""capture: a directory of files in the capture layout; debugfs: a bare kho tree; live: this machine's; the others: a single file."""

Arch = Literal["x86_64", "arm64"]

_NOTHING = SafeText("")
NO_MEMORY = SafeText("no memory in this capture")
NOT_HERE = Unavailable(SafeText("not in this capture"))


@dataclass(frozen=True, slots=True)
class DebugfsSide:
    """One side of a kho debugfs tree: the root FDT, subtree blobs by name, and out/finalize."""

    fdt: Blob | None
    subtrees: Mapping[bytes, Blob]
    finalize: bool | Missing


@dataclass(frozen=True, slots=True)
class ScratchText:
    """out/scratch_phys (physical addresses) and out/scratch_len (bytes), in the order of the scratch table. They may differ in length.

    ``cut``: those of the two files that end within a line; ``names``: what the two are called here.
    """

    phys: tuple[int, ...]
    lengths: tuple[int, ...]
    cut: tuple[str, ...]
    names: tuple[str, str]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the capture: bytes read from it (None: not read), what it gave, and what was wrong with it."""

    path: SafeText
    size: int | None
    gave: str
    note: SafeText = _NOTHING


@dataclass(frozen=True, slots=True)
class Hint:
    """What the surroundings say about page size (bytes) or byte order. Higher ``strength`` is to be trusted more."""

    what: Literal["page_size", "byte_order"]
    value: int | ByteOrder
    reason: str
    strength: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sources:
    """Everything found at a path. Owns the open files: a context manager, or ``close``.

    ``bare`` holds a single FDT, scratch table or unknown blob, ``bare_side`` its side where its path shows it. A Missing says why a text
    file gave nothing. ``running``: the same memory, where it is the running machine's. ``absent`` says why there is no kho tree ("" where
    there is one). ``foreign_log``: why the kernel log beside it is not of this boot; then none of its lines is evidence.
    """

    path: str
    kind: SourceKind
    container: TreeKind
    incoming: DebugfsSide | None = None
    outgoing: DebugfsSide | None = None
    scratch: ScratchText | None = None
    memory: MemoryFile | None = None
    running: KcoreMemory | None = None
    machine: Machine | None = None
    """What was told of the running machine before anything of KHO was read; None for a capture."""
    facts: MachineFacts = NOTHING_KNOWN
    """What is known of the machine by its configuration and command line, and as it was looked at, now or when the capture was taken (its
    manifest)."""
    boot: BootHandover | None = None
    bare: Blob | None = None
    bare_side: Side | None = None
    release: str | None = None
    arch: Arch | None = None
    cmdline: CommandLine | Missing = NOT_HERE
    config: Mapping[str, str] | Missing = NOT_HERE
    iomem: tuple[IomemEntry, ...] | Missing = NOT_HERE
    firmware_map: tuple[IomemEntry, ...] | Missing = NOT_HERE
    zones: tuple[Zone, ...] | Missing = NOT_HERE
    memblock_memory: tuple[MemblockRange, ...] | Missing = NOT_HERE
    memblock_reserved: tuple[MemblockRange, ...] | Missing = NOT_HERE
    meminfo: Mapping[str, int] | Missing = NOT_HERE
    """Bytes by the names of /proc/meminfo, likewise of each node by its number in ``node_meminfo``."""
    node_meminfo: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    log_from_boot: bool = False
    """Whether the kernel log is there from its first line on."""
    hints: tuple[Hint, ...] = ()
    files: tuple[SourceFile, ...] = ()
    notes: tuple[Note, ...] = ()
    manifest: Mapping[str, object] | None = None
    absent: SafeText = _NOTHING
    no_memory: SafeText = NO_MEMORY
    """Why there is no memory, where there is none."""
    no_outgoing: SafeText = _NOTHING
    """Why a running machine does not show where the outgoing root FDT is, or did not when it was captured; empty where it does."""
    tree_is_whole: bool = False
    """Whether the kho tree is known to be all that the kernel shows: of a running machine, or copied without a loss by its manifest."""
    torn: SafeText = _NOTHING
    """By its manifest: why the capture is not whole, or may be of two moments; empty where it is neither."""
    not_captured: Mapping[str, tuple[SafeText, ...]] = field(default_factory=dict)
    """By its manifest: files that the capture lacks, or has only in part, with each reason."""
    foreign_log: str = ""
    placement: SafeText = _NOTHING
    """Where the memory's bytes are taken to lie, and why, where the file does not say so; also among the notes."""
    closer: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def debugfs_is_memory(self) -> bool:
        """Whether debugfs shows memory as it was read: of a running machine, and of a capture that says what this one did not show."""
        return self.running is not None or bool(self.no_outgoing)

    @property
    def here(self) -> str:
        """How what is here, or is not, is called."""
        return where_shown(live=self.machine is not None)

    @property
    def shows_tree(self) -> bool:
        """Whether anything of a kho tree is here."""
        return self.outgoing is not None or self.incoming is not None or self.scratch is not None

    @property
    def memory_unread(self) -> tuple[SafeText, ...]:
        """What of its memory the state lacks, as far as that is known, each with its reason. Of a running machine: once it was decoded."""
        if self.running is not None:
            return tuple(SafeText(f"{page:#x}: {absence.reason}") for page, absence in self.running.lost())
        return self.not_captured.get("memory.elf", ())

    def node_ranges(self, page_size: int) -> tuple[NodeRange, ...]:
        """Physical memory of each NUMA node, as far as the capture says; ``page_size`` in bytes."""
        return node_ranges(known(self.memblock_memory) or (), known(self.zones) or (), page_size)

    def close(self) -> None:
        """Close every file. May be called twice."""
        self.closer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
