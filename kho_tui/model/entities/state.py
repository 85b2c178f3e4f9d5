"""The root of the walk: machine, scratch, sides, kernel log, findings."""

from __future__ import annotations

from dataclasses import replace

from kho_tui.layout.place import Blob, agree
from kho_tui.layout.struct import Record, Unit
from kho_tui.model.codes import CODES
from kho_tui.model.entities.copies import copied_root_values, copy_entities
from kho_tui.model.entities.subtree import fdt_values, subtree_entity
from kho_tui.model.entities.tables import BitmapRows, BlockRows, NodeRows, PlainRows
from kho_tui.model.entities.values import MOST_HEADERS, bytes_of, cut_entity, derived, header_values, property_values, record_values, words
from kho_tui.model.entity import Column, Detail, Entity, Value
from kho_tui.model.facts import Missing, Status, Unavailable, known
from kho_tui.model.finding import Finding
from kho_tui.model.path import EntityPath
from kho_tui.model.sides import sides_shown
from kho_tui.model.state import LogLine, Machine, Root, Scratch, Side, State
from kho_tui.model.tracker import ChunkList, PreservedMap
from kho_tui.model.verdict import verdict
from kho_tui.text import NO_TEXT, SafeText, human_size, plural, visible

SIDE_TITLES = {"in": "in (handed to this kernel)", "out": "out (for the next kernel)", "unsided": "side unknown"}


def state_entity(state: State) -> Entity:
    """The whole state."""

    def children() -> list[Entity]:
        found = [_machine(state.machine, said), _scratch(state.scratch)]
        found += [_side(state.sides[name], state) for name in sides_shown(state)]
        found += [_log(state.log), _findings(state.findings)]
        return found

    said = verdict(state)
    return Entity(path=EntityPath(), kind="state", title=state.machine.path, summary=said, children=children)


def _machine(machine: Machine, said: SafeText) -> Entity:
    order, page = machine.platform_reasons
    release = machine.release or "not told by this capture"
    values = (
        words("verdict", said, "what was read, and what would be handed over now"),
        words("kind", machine.kind, "what was opened"),
        words("kernel", release, "uname -r of the kernel that ran when this was captured"),
        words("architecture", machine.arch or "not told by this capture", "of that machine"),
        words("byte order", order, "KHO values are in the CPU's own byte order; --byte-order overrides"),
        derived("page size", Unit.BYTES, machine.platform.page_size, f"{page}; --page-size overrides"),
        Value(name="command line", unit=Unit.TEXT, value=machine.cmdline or b"", meaning="of the running kernel")
        if machine.cmdline
        else None,
    )
    columns = (Column("file", Unit.TEXT, 34), Column("bytes", Unit.BYTES, 10), Column("gave", Unit.TEXT, 60))
    rows = tuple((f.path.encode(), f.size if f.size is not None else b"-", f"{f.gave} {f.note}".strip().encode()) for f in machine.files)

    def detail() -> Detail:
        return Detail(tuple(v for v in values if v is not None))

    def children() -> list[Entity]:
        boot = [_boot(machine.boot)] if machine.boot else []
        path = EntityPath(("machine", "files"))
        summary = SafeText(plural(len(rows), "file"))
        return [*boot, Entity(path=path, kind="files", title=SafeText("files"), summary=summary, detail=lambda: Detail(table=files))]

    files = PlainRows(columns, rows)
    summary = SafeText(f"{visible(release)}, {machine.arch or 'architecture unknown'}, {human_size(machine.platform.page_size)} pages")
    return Entity(
        path=EntityPath(("machine",)), kind="machine", title=SafeText("machine"), summary=summary, detail=detail, children=children
    )


def _boot(records: tuple[Record, ...]) -> Entity:
    """Where this boot was told to look; that it was told does not mean that it took what lies there."""

    def detail() -> Detail:
        return Detail(record_values(*records), tuple(bytes_of(record) for record in records))

    told = [
        f"{f.name if len(records) == 1 else record.layout.name} {record.integer(f.name):#x}"
        for record in records
        for f in record.layout.fields
        if f.unit is Unit.PHYS
    ]
    summary = SafeText(f"{', '.join(told)} ({visible(records[0].place.source)})")
    return Entity(path=EntityPath(("machine", "boot")), kind="boot record", title=SafeText("boot record"), summary=summary, detail=detail)


def _scratch(scratch: Scratch | Missing) -> Entity:
    path = EntityPath(("scratch",))
    title = SafeText("scratch")
    if isinstance(scratch, Missing):
        return Entity(path=path, kind="scratch", title=title, status=scratch.status, reason=scratch.reason)

    def children() -> list[Entity]:
        assert not isinstance(scratch, Missing)
        return [_area(scratch, index, path) for index in range(len(scratch.areas))]

    def detail() -> Detail:
        total = sum(a.size for a in scratch.areas)
        return Detail(
            (
                words("source", scratch.source, "where the table was read"),
                derived("areas", Unit.COUNT, len(scratch.areas), "lowmem, global, then one for each node"),
                derived("total", Unit.BYTES, total, "memory that only movable pages may use; counted as free"),
            )
        )

    total = human_size(sum(a.size for a in scratch.areas))
    bound = "at least " if not scratch.whole else ""
    summary = SafeText(f"{bound}{plural(len(scratch.areas), 'area')}, {total}")
    return Entity(
        path=path,
        kind="scratch",
        title=title,
        status=scratch.status,
        summary=summary,
        reason=scratch.reason,
        detail=detail,
        children=children,
    )


def _area(scratch: Scratch, index: int, path: EntityPath) -> Entity:
    area = scratch.areas[index]
    name = area.kind if area.node is None else f"node {area.node}"
    record = scratch.table.record(index) if scratch.table is not None and index < len(scratch.table) else None

    def detail() -> Detail:
        if record is not None:
            return Detail(record_values(record), (Blob(record.data, record.place),))
        return Detail(
            (
                derived("addr", Unit.PHYS, area.start, "start of memory the next kernel may boot in; never preserved memory"),
                derived("size", Unit.BYTES, area.size, "its size; 0 is an empty entry and harmless"),
            )
        )

    summary = SafeText(f"{human_size(area.size)} at {area.start:#x}" if area.size else f"empty entry at {area.start:#x}")
    return Entity(
        path=path.child(str(index)),
        kind="scratch area",
        title=SafeText(name),
        summary=summary,
        address=area.start,
        size=area.size,
        detail=detail,
    )


def _side(side: Side, state: State) -> Entity:
    path = EntityPath((side.name,))
    root = side.root
    status, reason = (root.status, root.reason) if isinstance(root, Missing) else _root_status(root)

    def detail() -> Detail:
        return Detail(_side_values(side), () if isinstance(root, Missing) else (root.view.blob, *root.copies))

    node_of = () if isinstance(root, Missing) else (root.view.blob,)

    def children() -> list[Entity]:
        parts = [_preserved(side, path.child("preserved"), state)]
        parts += [] if isinstance(root, Missing) else _root_copies(root, path, state)
        parts += [subtree_entity(one, node_of, state.machine.platform, state.registry) for one in side.subtrees]
        return parts if side.cut_subtree is None else [*parts, cut_entity("subtree", side.cut_subtree, path)]

    address, size = (None, 0) if isinstance(root, Missing) else (known(root.phys), len(root.view.blob.data))
    return Entity(
        path=path,
        kind="side",
        title=SafeText(SIDE_TITLES[side.name]),
        status=status,
        summary=_side_summary(side),
        reason=reason,
        address=address,
        size=size,
        detail=detail,
        children=children,
    )


def _root_copies(root: Root, path: EntityPath, state: State) -> list[Entity]:
    """Copies of the root FDT that hold other bytes; one that is only cut shorter says nothing new."""
    data = root.view.blob.data
    others = [copy for copy in root.copies if not agree(data, copy.data)]
    return copy_entities(others, path, lambda copy: copied_root_values(copy, state.machine.platform.byte_order, state.registry.roots))


def _root_status(root: Root) -> tuple[Status, SafeText]:
    tree = root.view.tree
    if tree.root is None:
        return Status.DAMAGED, SafeText("no node of it can be read")
    if root.format is None and not root.version_unread:
        return Status.UNKNOWN, SafeText("a root version that no release in the table writes")
    if tree.truncated:
        return Status.PARTIAL, SafeText(f"salvaged from {tree.extent}")
    return (Status.PARTIAL, SafeText("salvaged from a damaged FDT")) if tree.salvaged else (Status.DECODED, NO_TEXT)


def _side_summary(side: Side) -> SafeText:
    root = side.root
    if isinstance(root, Missing):
        return side.subtree_words
    version = root.version_words
    at = f" at {root.phys:#x}" if isinstance(root.phys, int) else ""
    writer = f", written by {side.writer}" if side.writer else ""
    finalized = {True: ", finalized", False: ", not finalized"}.get(known(side.finalized), "")  # type: ignore[arg-type]
    libfdt = f", libfdt: {root.view.verdict.partition(':')[0]}"
    return SafeText(f"{version}{at}{writer}{finalized}{libfdt}")


def _side_values(side: Side) -> tuple[Value, ...]:
    finalized = side.finalized
    step = finalized if isinstance(finalized, Missing) else (b"yes" if finalized else b"no")
    values: tuple[Value, ...] = (
        derived("finalized", Unit.TEXT, step, "whether the outgoing side is complete, where the release has such a step"),
    )
    if isinstance(side.root, Missing):
        return values
    root = side.root
    phys = derived("root FDT", Unit.PHYS, root.phys, "where the page of the root FDT lies; passed to the next kernel")
    return (*property_values(root.values), phys, *values, *fdt_values(root.view))


def _preserved(side: Side, path: EntityPath, state: State) -> Entity:
    fact = side.preserved
    title = SafeText("preserved memory")
    address = None if isinstance(side.root, Missing) else known(side.root.map_address) or None
    if isinstance(fact, Missing):
        return Entity(path=path, kind="tracker", title=title, status=fact.status, reason=fact.reason, address=address)
    status, reason = fact.standing

    def detail() -> Detail:
        assert isinstance(fact, PreservedMap)
        orders = tuple(
            derived(f"order {order}", Unit.COUNT, count, f"preserved blocks of {human_size(state.machine.platform.page_size << order)}")
            for order, count in fact.runs.by_order.items()
        )
        values = (
            derived("blocks", Unit.COUNT, fact.runs.blocks, "preserved blocks, one for each allocation kept"),
            derived("bytes", Unit.BYTES, fact.runs.bytes, "memory kept across the kexec"),
            derived("runs", Unit.COUNT, len(fact.runs), "stretches of neighbouring blocks of one order"),
            *orders,
        )
        return Detail(values, table=BlockRows(fact.runs))

    return Entity(
        path=path,
        kind="tracker",
        title=title,
        status=status,
        summary=fact.words,
        reason=reason,
        address=address,
        size=0,
        detail=detail,
        children=lambda: _tracker_parts(fact, path, state),
    )


def _tracker_parts(fact: PreservedMap, path: EntityPath, state: State) -> list[Entity]:
    """How the tracker lies in memory, and its other readings."""
    structure = fact.structure
    if isinstance(structure, ChunkList):
        bitmaps = BitmapRows(structure)
        headers = structure.chunks
        summary = SafeText(f"{plural(len(headers), 'chunk')}, {plural(len(bitmaps), 'bitmap')} of {structure.bitmap_bytes} bytes")

        def detail() -> Detail:
            shown = headers[:MOST_HEADERS]
            blobs = tuple(Blob(c.header.data + c.elements.rows.tobytes(), c.header.place) for c in shown)
            return Detail(header_values("chunk", [c.header for c in shown]), blobs, bitmaps)

        parts = [Entity(path=path.child("chunks"), kind="chunks", title=SafeText("chunk list"), summary=summary, detail=detail)]
    else:
        nodes = NodeRows(structure, state.machine.platform.page_size)
        summary = SafeText(f"{plural(len(nodes), 'node')}, depth {len(structure.addresses)}")
        parts = [
            Entity(
                path=path.child("nodes"), kind="nodes", title=SafeText("radix tree"), summary=summary, detail=lambda: Detail(table=nodes)
            )
        ]
    for other in fact.others:
        table = BlockRows(other.runs)
        parts.append(
            Entity(
                path=path.child(f"as-{other.bitmap_bytes}-byte-bitmaps"),
                kind="reading",
                title=SafeText(f"read with {other.bitmap_bytes}-byte bitmaps"),
                status=Status.UNKNOWN,
                summary=SafeText(plural(other.runs.blocks, "block")),
                reason=other.why,
                detail=lambda table=table: Detail(table=table),  # type: ignore[misc]
            )
        )
    return parts


def _log(lines: tuple[LogLine, ...]) -> Entity:
    columns = (Column("time", Unit.TEXT, 12), Column("side", Unit.TEXT, 4), Column("line", Unit.TEXT, 100))
    rows = tuple(((line.time or "").encode(), (line.side or "").encode(), line.text) for line in lines)
    summary = SafeText(plural(len(lines), "line") + " speak of KHO" if lines else "nothing of KHO in it, or no log")
    return Entity(
        path=EntityPath(("log",)),
        kind="log",
        title=SafeText("kernel log"),
        summary=summary,
        detail=lambda: Detail(table=PlainRows(columns, rows)),
    )


def _findings(findings: tuple[Finding, ...]) -> Entity:
    path = EntityPath(("findings",))

    def children() -> list[Entity]:
        return [_finding(f, path.child(str(number))) for number, f in enumerate(findings, 1)]

    counts = {severity: sum(f.count for f in findings if f.severity == severity) for severity in ("error", "warning", "info")}
    told = ", ".join(plural(count, word) if word != "info" else f"{count} for information" for word, count in counts.items() if count)
    entity = Entity(
        path=path,
        kind="findings",
        title=SafeText("findings"),
        summary=SafeText(told or "none while reading; the invariants are not checked here"),
    )
    return replace(entity, children=children) if findings else entity


def _finding(finding: Finding, path: EntityPath) -> Entity:
    def detail() -> Detail:
        values = (
            words("code", finding.code, CODES[finding.code].meaning if finding.code in CODES else "stable name of this kind of finding"),
            words("severity", finding.severity, "error: something is broken; warning: look; info: good to know"),
            words("message", finding.message, "what was found"),
            derived(
                "where",
                Unit.TEXT,
                str(finding.where).encode() or Unavailable(SafeText("it speaks of the whole state")),
                "what it speaks of",
            ),
        )
        at = derived("address", Unit.PHYS, finding.address, "where it was met") if finding.address is not None else None
        return Detail((*values, at) if at is not None else values)

    title = SafeText(f"{finding.code} {finding.severity}")
    where = f"{finding.where}: " if finding.where.parts else ""
    return Entity(path=path, kind="finding", title=title, summary=SafeText(f"{where}{finding.message}"), detail=detail)
