"""The scratch table, from the two debugfs text files or from its binary form."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.abi.scratch import FIRST_NODE_ENTRY, KHO_SCRATCH
from kho_tui.capture.proc import NodeRange
from kho_tui.capture.sources import ScratchText, Sources
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import FoundInMemory
from kho_tui.decode.scratch_search import fitting_tables, table_bytes
from kho_tui.layout.place import Blob
from kho_tui.layout.table import Table
from kho_tui.model.codes import COUNT_BAD, SOURCE_NOTE, SOURCE_PROBLEM, SOURCES_DIFFER
from kho_tui.model.facts import Missing, Status, Unavailable
from kho_tui.model.path import EntityPath
from kho_tui.model.state import Scratch, ScratchArea, Side
from kho_tui.text import NO_TEXT, SafeText, plural

_MOST_AREAS = FIRST_NODE_ENTRY + (1 << 10)
"""A kernel knows at most 2^10 nodes (NODES_SHIFT of x86 and arm64)."""
_MOST_RANGES = 10_000
"""Ranges of memory looked through for an area's node; where a capture names more, nodes are not told."""
_MOST_NAMED = 8
_WHERE = EntityPath(("scratch",))


def decode_scratch(reader: Reader, sources: Sources) -> Scratch | Missing:
    """The areas in table order. Text and binary that differ are both said; the text is of the running kernel and counts."""
    nodes = sources.node_ranges(reader.platform.page_size)
    if len(nodes) > _MOST_RANGES:
        nodes = ()
    binary = _binary(reader, sources)
    pairs = None if binary is None else _pairs(binary)
    text = sources.scratch
    if text is not None and not (text.phys and text.lengths):
        lacking = text.names[0] if not text.phys else text.names[1]
        if pairs is None:
            return Unavailable(SafeText(f"out/{lacking} could not be read, and one half of the table says nothing"))
        text = None
    if text is not None:
        status, reason = Status.DECODED, NO_TEXT
        phys, lengths = text.names
        if len(text.phys) != len(text.lengths):
            message = f"{phys} has {len(text.phys)} lines, {lengths} {len(text.lengths)}: the shorter one counts"
            reader.findings.add(SOURCE_PROBLEM, _WHERE, message)
            status, reason = Status.PARTIAL, SafeText(f"{len(text.phys)} addresses and {len(text.lengths)} sizes: some areas are not known")
        said = list(zip(text.phys, text.lengths, strict=False))[:_MOST_AREAS]
        if len(said) < min(len(text.phys), len(text.lengths)):
            reader.findings.add(COUNT_BAD, _WHERE, f"more than {_MOST_AREAS} scratch areas: the rest is left out")
            status, reason = Status.PARTIAL, SafeText(f"only the first {_MOST_AREAS} areas are shown")
        told = None if sources.boot is None or sources.boot.scratch_size is None else sources.boot.scratch_size // KHO_SCRATCH.size
        if status is Status.DECODED and (lacking := _cut(text, len(said), told if pairs is None else len(pairs))):
            status, reason = Status.PARTIAL, lacking
        lacks_some = status is Status.PARTIAL
        if status is Status.DECODED and (lacking := _may_be_cut(reader, len(said))):
            status, reason = Status.PARTIAL, lacking
        if pairs is not None and pairs != said:
            reader.findings.add(SOURCES_DIFFER, _WHERE, f"the table passed at boot differs from out/{phys} and out/{lengths}")
        return Scratch(
            areas=_areas(said, nodes),
            table=binary,
            source=SafeText(f"kho/out/{phys}, {lengths}"),
            status=status,
            reason=reason,
            lacks_some=lacks_some,
        )
    if pairs is not None and binary is not None:
        source = SafeText("scratch table in memory" if sources.bare is None else "scratch table")
        return Scratch(areas=_areas(pairs, nodes), table=binary, source=source, status=Status.DECODED, reason=NO_TEXT)
    name = reader.registry.releases.names_of(sources.release).scratch_phys
    return Unavailable(SafeText(f"neither out/{name} nor the table itself is {sources.here}"))


def scratch_in_memory(reader: Reader, sources: Sources, found: FoundInMemory, sides: Sequence[Side]) -> Scratch | Missing | None:
    """The scratch table that the kernel's variable names, or the one array in memory that can be it; where no boot record names one.

    Missing with their number where several can be; None where none can, or nothing tells.
    """
    memory = sources.memory
    if memory is None:
        return None
    nodes = sources.node_ranges(reader.platform.page_size)
    nodes = nodes if len(nodes) <= _MOST_RANGES else ()
    if found.kernel is not None and found.kernel.scratch is not None:
        at, size = found.kernel.scratch
        blob = reader.blob(at, size) if size <= _MOST_AREAS * KHO_SCRATCH.size else None
        if isinstance(blob, Blob):
            rows = _rows(reader, blob)
            source = SafeText("scratch table in memory, named by the kernel's variable kho_scratch")
            return Scratch(areas=_areas(_pairs(rows), nodes), table=rows, source=source, status=Status.DECODED, reason=NO_TEXT)
    # A capture's memory holds the pages of the state only: it says nothing of where the machine's memory ends.
    ends = [extent.start + extent.size for extent in memory.extents()] if memory.vmcoreinfo or sources.kind == "raw" else []
    tables = fitting_tables(found.tables, sides, memory_end=max(ends, default=None), low=sources.arch == "x86_64")
    if len(tables) > 1:
        places = ", ".join(f"{table.phys:#x}" for table in tables[:_MOST_NAMED])
        reason = SafeText(f"{len(tables)} arrays in memory have the form of a scratch table ({places}): nothing tells which it is")
        reader.findings.add(SOURCE_NOTE, _WHERE, str(reason))
        return Unavailable(reason)
    if not tables:
        return None
    (table,) = tables
    blob = reader.blob(table.phys, table_bytes(table))
    if isinstance(blob, Missing):
        return None
    said = f"the array at {table.phys:#x} is taken for the scratch table, by its form: it alone has areas without preserved memory"
    reader.findings.add(SOURCE_NOTE, _WHERE, f"{said} and without structures of KHO", table.phys)
    source = SafeText("scratch table in memory, found by its form")
    return Scratch(areas=_areas(table.areas, nodes), table=_rows(reader, blob), source=source, status=Status.DECODED, reason=NO_TEXT)


def _cut(text: ScratchText, areas: int, entries: int | None) -> SafeText:
    """Why lines are missing from both text files, empty where nothing shows it. ``entries``: of the table that this boot was given."""
    if text.cut:
        return SafeText(f"{' and '.join(text.cut)} end within a line" if len(text.cut) > 1 else f"{text.cut[0]} ends within a line")
    return SafeText(f"{areas} areas in the text files, {entries} in the table") if entries is not None and areas < entries else NO_TEXT


def _may_be_cut(reader: Reader, areas: int) -> SafeText:
    """Why lines may be missing, where nothing shows it but the number of nodes; else empty."""
    nodes = len(reader.host.boot_nodes) if reader.host is not None else 0
    return fewer_than_nodes(areas, nodes) if areas < FIRST_NODE_ENTRY + nodes else NO_TEXT


def fewer_than_nodes(areas: int, nodes: int) -> SafeText:
    """Why a table is taken for a part of one whose only sign is that nodes have no area."""
    return SafeText(f"{areas} areas where {plural(nodes, 'node')} ask for {FIRST_NODE_ENTRY + nodes}: lines may be cut off")


def _binary(reader: Reader, sources: Sources) -> Table | None:
    if sources.kind == "scratch" and sources.bare is not None:
        return _rows(reader, sources.bare)
    boot = sources.boot
    if boot is None or boot.scratch_phys is None or not boot.scratch_size or reader.memory is None:
        return None
    if boot.scratch_size > _MOST_AREAS * KHO_SCRATCH.size:
        reader.findings.add(COUNT_BAD, _WHERE, f"a scratch table of {boot.scratch_size} bytes cannot be right", boot.scratch_phys)
        return None
    blob = reader.blob(boot.scratch_phys, boot.scratch_size)
    return None if isinstance(blob, Missing) else _rows(reader, blob)


def _pairs(rows: Table) -> list[tuple[int, int]]:
    return list(zip(rows.column("addr").tolist(), rows.column("size").tolist(), strict=True))


def _rows(reader: Reader, blob: Blob) -> Table:
    return reader.table(KHO_SCRATCH, blob, 0, len(blob.data) // KHO_SCRATCH.size)


def _areas(pairs: Sequence[tuple[int, int]], nodes: Sequence[NodeRange]) -> tuple[ScratchArea, ...]:
    return tuple(
        ScratchArea(
            ("lowmem", "global")[index] if index < FIRST_NODE_ENTRY else "node",
            _node(start, size, nodes) if index >= FIRST_NODE_ENTRY else None,
            start,
            size,
        )
        for index, (start, size) in enumerate(pairs)
    )


def _node(start: int, size: int, nodes: Sequence[NodeRange]) -> int | None:
    holding = {n.node for n in nodes if n.start <= start and start + size <= n.start + n.size}
    return holding.pop() if len(holding) == 1 else None
