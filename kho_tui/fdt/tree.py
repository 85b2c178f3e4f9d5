"""Flattened device trees, token by token, with the offset of everything and whatever damage leaves readable.

The accepted format is that of libfdt (scripts/dtc/libfdt, 6.16-7.3): a blob that ``fdt_check_full`` takes gives
the nodes and properties that libfdt itself finds. What libfdt refuses is read as far as it goes, with one anomaly
per fault; damage that only follows from missing bytes is told once, by the anomaly ``truncated``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType

from kho_tui.fdt.header import FDT_HEADER, FDT_MAGIC, FDT_SW_MAGIC
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.struct import Record
from kho_tui.text import visible

NO_NAMES: Mapping[int, bytes] = MappingProxyType({})
BLOB_ONLY = Place(Origin.FILE, "fdt", 0)
"""Place of a header of which no more is known than its offset in the blob."""

_U32 = struct.Struct(">I")
_PROP = struct.Struct(">III")
_RESERVATION = struct.Struct(">QQ")

_LONGEST_NAME = 256
"""Bytes of a property name. Names may overlap in the string block, so without a bound few bytes could spell gigabytes."""
_MOST_ANOMALIES = 200
_TOKENS_PER_NODE = 10


class TokenKind(Enum):
    """Tags of the structure block (libfdt fdt.h)."""

    BEGIN_NODE = 1
    END_NODE = 2
    PROP = 3
    NOP = 4
    END = 9


class AnomalyCode(StrEnum):
    """What is malformed. A member is the kebab word of the reports."""

    TRUNCATED = "truncated"
    """Fewer bytes than totalsize (or than a header)."""
    BAD_MAGIC = "bad-magic"
    HALF_BUILT = "half-built"
    """fdt_finish() was not called yet: magic 2ff20112."""
    BAD_VERSION = "bad-version"
    BAD_BLOCK = "bad-block"
    """A block that the header places outside the FDT, or a totalsize below the header's."""
    BAD_RESERVATIONS = "bad-reservations"
    """The memory reservation map does not end."""
    BAD_TOKEN = "bad-token"
    MISSING_END = "missing-end"
    """The structure block stops before its END."""
    UNBALANCED = "unbalanced"
    """END inside a node, END_NODE outside, or a second root."""
    NO_ROOT = "no-root"
    ROOT_NAME = "root-name"
    """The root node has a name."""
    NAME_WITHOUT_NUL = "name-without-nul"
    BAD_NAME_OFFSET = "bad-name-offset"
    PROPERTY_OVERRUN = "property-overrun"
    MISPLACED_PROPERTY = "misplaced-property"
    """Outside any node or behind a subnode: libfdt, and so the kernel, does not find it."""
    DEPTH = "depth"
    TOO_MANY_NODES = "too-many-nodes"
    TOO_MANY_TOKENS = "too-many-tokens"
    TOO_MANY_ANOMALIES = "too-many-anomalies"


_STOPS = frozenset({AnomalyCode.BAD_TOKEN, AnomalyCode.UNBALANCED, AnomalyCode.PROPERTY_OVERRUN})


@dataclass(frozen=True, slots=True)
class Token:
    """A record of the structure block: ``size`` bytes with padding from ``offset`` in the blob, less where the blob ends first."""

    kind: TokenKind
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property. Offsets are bytes in the blob, except ``name_offset``: as written, from the start of the string block."""

    name: bytes | None
    """None: the name could not be read."""
    data: bytes
    """Raw bytes; KHO writes numbers in the byte order of the CPU."""
    offset: int
    data_offset: int
    name_offset: int
    length: int
    """Bytes of the data as the token says: more than there are where the structure block or the blob ends inside them."""
    name_is_guess: bool
    """True: the string block is cut off and the name is the caller's."""
    name_start: bytes | None
    """What the name begins with where it is None because the string block is cut off before its end; else None."""
    padding: bytes
    """What stands between the data and the next token; zeros, as libfdt writes it."""

    @property
    def strings(self) -> tuple[bytes, ...]:
        """The data as a list of strings (fdt_stringlist_contains): one without a NUL goes on in the padding. Empty ones are left out.

        One whose end is not at hand is left out too.
        """
        *whole, last = self.data.split(b"\0")
        end, nul, _ = self.padding.partition(b"\0")
        if last and len(self.data) == self.length and (nul or len(self.padding) == -self.length % 4):
            whole.append(last + end)
        return tuple(filter(None, whole))


def lookup_name(name: bytes) -> bytes:
    """The name by which a node is found: libfdt looks past a unit address (fdt_nodename_eq_ of scripts/dtc/libfdt/fdt_ro.c)."""
    return name.partition(b"@")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node; ``offset`` of its BEGIN_NODE, ``end`` behind its END_NODE or where reading stopped, bytes in the blob."""

    name: bytes
    offset: int
    end: int
    properties: tuple[Property, ...]
    """Those that are there whole."""
    children: tuple[Node, ...]
    """Those whose name is there whole."""
    complete: bool
    """True: its own END_NODE was seen, so that it has no more properties and children than these."""
    cut_property: Property | None
    """One more property, inside whose data the structure block or the blob ends."""
    cut_child: bytes | None
    """What the name of one more child begins with, inside which the structure block or the blob ends; a prefix is no name."""

    @property
    def has_all(self) -> bool:
        """False where it may have a property or child of a certain name that is not read: reading stopped in it, or a name is cut off."""
        return self.complete and all(one.name is not None or one.name_start is None for one in self.properties)

    def property(self, name: bytes) -> Property | None:
        """The first property of this name."""
        return next((one for one in self.properties if one.name == name), None)

    def child(self, name: bytes) -> Node | None:
        """The first child that is found by this name."""
        return next((one for one in self.children if name in (one.name, lookup_name(one.name))), None)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something malformed at byte ``offset`` of the blob; ``message`` is one line, safe to print."""

    code: AnomalyCode
    offset: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FdtTree:
    """What a blob holds. ``reservations`` are (physical address, size in bytes); KHO writes none."""

    blob: bytes = field(repr=False)
    header: Record | None
    root: Node | None
    reservations: tuple[tuple[int, int], ...]
    tokens: tuple[Token, ...] = field(repr=False)
    anomalies: tuple[Anomaly, ...]

    @property
    def stops_at(self) -> int | None:
        """Byte of the structure block at which libfdt gives up, so that nothing behind it is found; None where it reads to its END.

        None also for a blob of which not all is at hand.
        """
        return None if self.truncated else min((one.offset for one in self.anomalies if one.code in _STOPS), default=None)

    @property
    def salvaged(self) -> bool:
        """True where nodes or properties may be missing or wrong."""
        return any(one.code is not AnomalyCode.BAD_RESERVATIONS for one in self.anomalies)

    @property
    def lists_all(self) -> bool:
        """True where it has every node and property of the FDT: it was read to its END, and at most names of properties are cut."""
        told = {one.code for one in self.anomalies} <= {AnomalyCode.TRUNCATED, AnomalyCode.BAD_RESERVATIONS}
        return told and self.root is not None and self.root.complete

    @property
    def total_size(self) -> int | None:
        """Bytes that the header claims; None without a header."""
        return self.header.integer("totalsize") if self.header else None

    @property
    def available(self) -> int:
        """Bytes of the blob, among them any behind the FDT."""
        return len(self.blob)

    @property
    def truncated(self) -> bool:
        """True where the blob ends before the FDT does."""
        return self.total_size is None or self.available < self.total_size

    @property
    def extent(self) -> str:
        """How much of the FDT is there, in words."""
        return f"{self.available} of {'an unknown number of' if self.total_size is None else self.total_size} bytes"


def looks_like_fdt(head: bytes) -> bool:
    """True where the bytes start with the magic of a finished or of a half-built FDT."""
    return len(head) >= 4 and _U32.unpack_from(head)[0] in (FDT_MAGIC, FDT_SW_MAGIC)


def parse_fdt(
    blob: bytes,
    *,
    fallback_names: Mapping[int, bytes] = NO_NAMES,
    max_nodes: int = 100_000,
    max_depth: int = 64,
    place: Place = BLOB_ONLY,
) -> FdtTree:
    """The tree in ``blob``. Takes any bytes, never raises, in time linear in their number.

    ``fallback_names`` gives the names of properties by name offset where the string block is cut off (``out/fdt`` of 6.19
    and later); a name read is never replaced. Nodes deeper than ``max_depth`` are left out; reading stops at ``max_nodes``.
    ``place`` is where the blob starts, for the header record.
    """
    blob = bytes(blob)
    notes = _Notes()
    if len(blob) < FDT_HEADER.size:
        notes.add(AnomalyCode.TRUNCATED, len(blob), f"{len(blob)} bytes are too few for an FDT header of {FDT_HEADER.size}")
        return FdtTree(blob=blob, header=None, root=None, reservations=(), tokens=(), anomalies=tuple(notes.found))
    header = FDT_HEADER.record(blob, "big", place)
    blocks = _blocks(blob, header, notes)
    if blocks is None:
        return FdtTree(blob=blob, header=header, root=None, reservations=(), tokens=(), anomalies=tuple(notes.found))
    reservations = _reservations(blob, header.integer("off_mem_rsvmap"), blocks, notes)
    walk = _Walk(blob, blocks, _Names(blob, blocks, fallback_names), notes, max_nodes, max_depth)
    walk.run()
    return FdtTree(
        blob=blob, header=header, root=walk.root, reservations=reservations, tokens=tuple(walk.tokens), anomalies=tuple(notes.found)
    )


class _Notes:
    """The anomalies found, bounded in number."""

    def __init__(self) -> None:
        self.found: list[Anomaly] = []

    def add(self, code: AnomalyCode, offset: int, message: str) -> None:
        if len(self.found) < _MOST_ANOMALIES:
            self.found.append(Anomaly(code, offset, message))
        elif len(self.found) == _MOST_ANOMALIES:
            self.found.append(
                Anomaly(AnomalyCode.TOO_MANY_ANOMALIES, offset, f"more than {_MOST_ANOMALIES} anomalies: the rest is not listed")
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """Bounds in bytes of the blob. A declared end may lie behind ``limit``; nothing is read from there on."""

    limit: int
    """End of the bytes that belong to the FDT and are there."""
    cut: bool
    """``limit`` is the end of the blob and not of the FDT."""
    half_built: bool
    structure: int
    structure_end: int
    strings: int
    strings_end: int
    name_base: int
    """What a name offset counts from."""


def _blocks(blob: bytes, header: Record, notes: _Notes) -> _Blocks | None:
    """The blocks where the header is worth following, else None."""
    value = header.integer
    magic, total, version = value("magic"), value("totalsize"), value("version")
    offset_of = {name: FDT_HEADER.span(name)[0] for name in ("totalsize", "version", "off_dt_struct", "off_dt_strings")}
    if magic == FDT_SW_MAGIC:
        notes.add(AnomalyCode.HALF_BUILT, 0, "the FDT is half-built: magic 2ff20112, fdt_finish() was not called yet")
    elif magic != FDT_MAGIC:
        notes.add(AnomalyCode.BAD_MAGIC, 0, f"magic {magic:08x} where d00dfeed is needed")
        if (version, value("last_comp_version")) != (17, 16):
            return None
    if version < 16 or value("last_comp_version") > min(version, 17):
        message = f"version {version}, compatible down to {value('last_comp_version')}, where KHO writes 17 and 16"
        notes.add(AnomalyCode.BAD_VERSION, offset_of["version"], message)

    if total < FDT_HEADER.size:
        notes.add(AnomalyCode.BAD_BLOCK, offset_of["totalsize"], f"totalsize {total} is less than the header")
        total = len(blob)
    elif total > len(blob):
        notes.add(AnomalyCode.TRUNCATED, len(blob), f"the FDT is cut off: {len(blob)} of {total} bytes are there")
    limit = min(total, len(blob))
    half_built = magic == FDT_SW_MAGIC

    structure, strings = value("off_dt_struct"), value("off_dt_strings")
    structure_end, strings_end = structure + value("size_dt_struct"), strings + value("size_dt_strings")
    name_base = strings
    if half_built:
        # Until fdt_finish() strings grow down from off_dt_strings, and name offsets are negative from there; then all but the magic is
        # that of a finished FDT.
        strings, strings_end = strings - value("size_dt_strings"), strings_end
    elif not FDT_HEADER.size <= strings <= strings_end <= total:
        message = f"string block {strings:#x}..{strings_end:#x} outside the FDT of {total:#x} bytes"
        notes.add(AnomalyCode.BAD_BLOCK, offset_of["off_dt_strings"], message)
    if version == 16:
        # It gives no structure size, and libfdt lets its names end anywhere in the FDT.
        structure_end = strings_end = total
    if structure < FDT_HEADER.size or structure > total:
        message = f"structure block at {structure:#x}, outside the FDT of {total:#x} bytes"
        notes.add(AnomalyCode.BAD_BLOCK, offset_of["off_dt_struct"], message)
        structure = structure_end = limit
    elif structure_end > total or structure_end < structure + 4:
        message = f"structure block {structure:#x}..{structure_end:#x} does not fit the FDT of {total:#x} bytes: read on to the end"
        notes.add(AnomalyCode.BAD_BLOCK, offset_of["off_dt_struct"], message)
        structure_end = total
    return _Blocks(
        limit=limit,
        cut=total > len(blob),
        half_built=half_built,
        structure=structure,
        structure_end=structure_end,
        strings=max(strings, 0),
        strings_end=strings_end,
        name_base=name_base,
    )


def _reservations(blob: bytes, offset: int, blocks: _Blocks, notes: _Notes) -> tuple[tuple[int, int], ...]:
    """The entries before the terminator, whose size is 0."""
    found: list[tuple[int, int]] = []
    start = offset
    if offset >= FDT_HEADER.size:
        for at in range(offset, blocks.limit - _RESERVATION.size + 1, _RESERVATION.size):
            address, size = _RESERVATION.unpack_from(blob, at)
            if size == 0:
                return tuple(found)
            found.append((address, size))
            start = at + _RESERVATION.size
    if start < FDT_HEADER.size or not blocks.cut:
        notes.add(AnomalyCode.BAD_RESERVATIONS, offset, f"the reservation map at {offset:#x} has no end")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Name:
    value: bytes | None
    is_guess: bool = False
    start: bytes | None = None
    fault: tuple[AnomalyCode, str] | None = None


class _Names:
    """Property names by name offset; each offset is looked up once."""

    def __init__(self, blob: bytes, blocks: _Blocks, fallback: Mapping[int, bytes]) -> None:
        self._blob = blob
        self._blocks = blocks
        self._fallback = fallback
        self._known: dict[int, _Name] = {}

    def at(self, offset: int) -> _Name:
        name = self._known.get(offset)
        if name is None:
            name = self._known[offset] = self._find(offset)
        return name

    def _find(self, offset: int) -> _Name:
        blocks = self._blocks
        start = blocks.name_base + (offset - (1 << 32) if blocks.half_built and offset >> 31 else offset)
        if not blocks.strings <= start < blocks.strings_end:
            return _Name(None, fault=(AnomalyCode.BAD_NAME_OFFSET, f"name offset {offset:#x} is outside the string block"))
        end = min(blocks.strings_end, blocks.limit, start + _LONGEST_NAME + 1)
        nul = self._blob.find(b"\0", start, end)
        if nul >= 0:
            return _Name(self._blob[start:nul])
        if blocks.cut and blocks.strings_end > blocks.limit and end == blocks.limit:
            guess, begun = self._fallback.get(offset), self._blob[start:end]
            return _Name(guess, is_guess=True) if guess is not None and guess.startswith(begun) else _Name(None, start=begun)
        if start >= blocks.limit:
            return _Name(None, fault=(AnomalyCode.BAD_NAME_OFFSET, f"name offset {offset:#x} leads outside the FDT"))
        message = f"the name at offset {offset:#x} of the string block has no NUL in its first {end - start} bytes"
        return _Name(None, fault=(AnomalyCode.NAME_WITHOUT_NUL, message))


@dataclass(slots=True, kw_only=True)
class _Open:
    """A node whose END_NODE has not come yet."""

    name: bytes
    offset: int
    properties: list[Property] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    cut_property: Property | None = None
    cut_child: bytes | None = None

    def close(self, end: int, *, complete: bool) -> Node:
        return Node(
            name=self.name,
            offset=self.offset,
            end=end,
            properties=tuple(self.properties),
            children=tuple(self.children),
            complete=complete,
            cut_property=self.cut_property,
            cut_child=self.cut_child,
        )


class _Walk:
    """One pass over the structure block. A step takes the record at an offset and answers where the next one is, or None to stop."""

    def __init__(self, blob: bytes, blocks: _Blocks, names: _Names, notes: _Notes, max_nodes: int, max_depth: int) -> None:
        self.root: Node | None = None
        self.tokens: list[Token] = []
        self._blob = blob
        self._blocks = blocks
        self._names = names
        self._notes = notes
        self._max_nodes = max_nodes
        self._max_depth = max_depth
        self._end = min(blocks.structure_end, blocks.limit)
        self._cut = blocks.cut and blocks.structure_end > blocks.limit
        self._stack: list[_Open] = []
        self._nodes = 0
        self._too_deep = 0
        """Open nodes below max_depth."""
        self._steps = {
            TokenKind.BEGIN_NODE.value: self._begin_node,
            TokenKind.END_NODE.value: self._end_node,
            TokenKind.PROP.value: self._prop,
            TokenKind.NOP.value: self._nop,
            TokenKind.END.value: self._end_of_tree,
        }

    def run(self) -> None:
        at = self._blocks.structure
        after: int | None = at if at + 4 <= self._end else None
        while after is not None:
            at, after = after, self._step(after)
        stop = max(min(at, self._end), self.tokens[-1].offset + self.tokens[-1].size if self.tokens else 0)
        while self._stack:
            self._close(stop, complete=False)
        if self.root is None and not self._notes.found:
            self._notes.add(AnomalyCode.NO_ROOT, self._blocks.structure, "the tree has no root node")

    def _step(self, at: int) -> int | None:
        if at + 4 > self._end:
            if not self._cut and not self._blocks.half_built:
                message = f"the structure block ends at {self._end:#x} without END, {len(self._stack)} nodes open"
                self._notes.add(AnomalyCode.MISSING_END, self._end, message)
            return None
        if len(self.tokens) >= self._max_nodes * _TOKENS_PER_NODE:
            self._notes.add(AnomalyCode.TOO_MANY_TOKENS, at, f"more than {len(self.tokens)} records: the rest is not read")
            return None
        tag: int = _U32.unpack_from(self._blob, at)[0]
        step = self._steps.get(tag)
        if step is None:
            self._notes.add(AnomalyCode.BAD_TOKEN, at, f"{tag:#x} at {at:#x} is no tag: the structure is not read beyond it")
            return None
        return step(at)

    def _token(self, kind: TokenKind, at: int, end: int) -> int:
        """Note a record whose content ends at ``end``; the offset of the next one, aligned as libfdt does: from the block's start."""
        start = self._blocks.structure
        after = start + ((end - start + 3) & ~3)
        self.tokens.append(Token(kind, at, min(after, self._end) - at))
        return after

    def _begin_node(self, at: int) -> int | None:
        nul = self._blob.find(b"\0", at + 4, self._end)
        name = self._blob[at + 4 : nul if nul >= 0 else self._end]
        if self.root is not None:
            self._notes.add(AnomalyCode.UNBALANCED, at, f"second root node {_short(name)} at {at:#x}: the structure is not read beyond it")
            return None
        if self._nodes >= self._max_nodes:
            self._notes.add(AnomalyCode.TOO_MANY_NODES, at, f"more than {self._max_nodes} nodes: the rest is not read")
            return None
        self._nodes += 1
        after = self._token(TokenKind.BEGIN_NODE, at, nul + 1 if nul >= 0 else self._end)
        if self._too_deep or len(self._stack) >= self._max_depth:
            if not self._too_deep:
                self._notes.add(AnomalyCode.DEPTH, at, f"node {_short(name)} at {at:#x} is deeper than {self._max_depth}: left out")
            self._too_deep += 1
        elif nul < 0 and self._stack:
            self._stack[-1].cut_child = name
        elif nul >= 0:
            if name and not self._stack:
                self._notes.add(AnomalyCode.ROOT_NAME, at, f"the root node has the name {_short(name)}")
            self._stack.append(_Open(name=name, offset=at))
        if nul >= 0:
            return after
        if not self._cut:
            self._notes.add(AnomalyCode.NAME_WITHOUT_NUL, at, f"the name of the node at {at:#x} has no NUL: {_short(name)} and no more")
        return None

    def _end_node(self, at: int) -> int | None:
        after = self._token(TokenKind.END_NODE, at, at + 4)
        if self._too_deep:
            self._too_deep -= 1
        elif self._stack:
            self._close(after, complete=True)
        else:
            self._notes.add(AnomalyCode.UNBALANCED, at, f"END_NODE at {at:#x} outside any node")
        return after

    def _prop(self, at: int) -> int | None:
        if at + _PROP.size > self._end:
            self._token(TokenKind.PROP, at, self._end)
            if not self._cut:
                self._notes.add(AnomalyCode.PROPERTY_OVERRUN, at, f"the structure block ends inside the property at {at:#x}")
            return None
        _, length, name_offset = _PROP.unpack_from(self._blob, at)
        start = at + _PROP.size
        end = start + length
        after = self._token(TokenKind.PROP, at, end)
        name = self._names.at(name_offset)
        if name.fault:
            code, message = name.fault
            self._notes.add(code, at, f"property at {at:#x}: {message}")
        if end > self._blocks.structure_end:
            message = f"property {_short(name.value)} at {at:#x}: {length} bytes run out of the structure block"
            self._notes.add(AnomalyCode.PROPERTY_OVERRUN, at, message)
        if not self._too_deep:
            if not self._stack or self._stack[-1].children:
                where = "behind a subnode" if self._stack else "outside any node"
                message = f"property {_short(name.value)} at {at:#x} lies {where}: libfdt does not find it, left out"
                self._notes.add(AnomalyCode.MISPLACED_PROPERTY, at, message)
            else:
                data = self._blob[start : min(end, self._end)]
                padding = self._blob[end : min(-(-end // 4) * 4, self._end)]
                read = Property(
                    name=name.value,
                    data=data,
                    offset=at,
                    data_offset=start,
                    name_offset=name_offset,
                    length=length,
                    name_is_guess=name.is_guess,
                    name_start=name.start,
                    padding=padding,
                )
                if end <= self._end:
                    self._stack[-1].properties.append(read)
                else:
                    self._stack[-1].cut_property = read
        return after if end <= self._end else None

    def _nop(self, at: int) -> int | None:
        return self._token(TokenKind.NOP, at, at + 4)

    def _end_of_tree(self, at: int) -> int | None:
        self._token(TokenKind.END, at, at + 4)
        if self._stack:
            message = f"END at {at:#x} while {len(self._stack)} nodes are open, the innermost {_short(self._stack[-1].name)}"
            self._notes.add(AnomalyCode.UNBALANCED, at, message)
        return None

    def _close(self, end: int, *, complete: bool) -> None:
        node = self._stack.pop().close(end, complete=complete)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node


def _short(name: bytes | None) -> str:
    """A captured name for a one-line message."""
    if name is None:
        return "without name"
    return f'"{visible(name[:40])}"' + ("..." if len(name) > 40 else "")
