"""LUO: the root as FDT or struct, then sessions, files and FLBs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kho_tui.abi.luo import (
    LUO,
    LUO_STRUCT_PROPERTY,
    STRUCT_PREFIX,
    VERSION_BYTES,
    ListNode,
    LuoFormat,
)
from kho_tui.abi.properties import integer_property
from kho_tui.decode.blocks import decode_list
from kho_tui.decode.facet import MAGIC_BYTES, Counted, Decoding, FileDecoding, FlbDecoding, StructHead, SubtreeBlob
from kho_tui.decode.nodes import child_of, version_of
from kho_tui.decode.reader import Findings, Reader
from kho_tui.fdt.tree import Node, looks_like_fdt, parse_fdt
from kho_tui.layout.place import Blob, Origin, Place
from kho_tui.layout.struct import FieldValue, Record
from kho_tui.layout.table import PageArray, Table
from kho_tui.model.codes import COUNT_BAD, NAME_UNKNOWN, POINTER_BAD, PROPERTY_BAD, VERSION_UNKNOWN
from kho_tui.model.content import LIVE_UPDATE_NUMBER, FileContent
from kho_tui.model.facts import Count, Damaged, Fact, Missing, NotWritten, Stale, Status, Unavailable, Unknown
from kho_tui.model.flbs import Flb, FlbList
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.registry import Registry
from kho_tui.model.sessions import NOT_WRITTEN, File, Session, SessionList
from kho_tui.model.state import FdtView
from kho_tui.subsystems.luo.content import FLBS_PATH, Luo
from kho_tui.text import NO_TEXT, SafeText, c_string, plural, visible

_NAMED = 8
"""Sessions that are called by name where they are only last known."""


def luo_struct_head(registry: Registry, data: bytes) -> StructHead | None:
    """The version that LUO's struct says, and its size by it."""
    if not is_luo_struct(data):
        return None
    version, forms = c_string(data[:VERSION_BYTES]), registry.formats(LUO)
    whole = b"\0" in data[:VERSION_BYTES]
    return StructHead(version if whole else None, forms.struct_of(version).size, forms.get(version) is not None)


def is_luo_struct(data: bytes) -> bool:
    """Whether a blob is LUO's struct and not its FDT."""
    return data.startswith(STRUCT_PREFIX)


def luo_number(reader: Reader, data: bytes) -> int | None:
    """The live update number of LUO's blob in either form; it does not change within a boot."""
    struct = reader.registry.formats(LUO).struct_of(c_string(data[:VERSION_BYTES]))
    if is_luo_struct(data) and len(data) >= struct.size:
        offset, size = struct.span("liveupdate_num")
        return int.from_bytes(data[offset : offset + size], reader.platform.byte_order)
    root = parse_fdt(data).root if looks_like_fdt(data) else None
    return None if root is None else integer_property(root, "liveupdate-number", 8, reader.platform.byte_order)


def decode_luo(reader: Reader, one: SubtreeBlob) -> Luo | Missing:
    """LUO in either form."""
    head = luo_struct_head(reader.registry, one.blob.data)
    if head is not None and one.size is not None and one.size < head.size:
        missing = Damaged(SafeText(f"blob-size is {one.size}, LUO's struct has {head.size}: the next kernel panics"))
        reader.findings.add(COUNT_BAD, one.path, str(missing.reason), one.blob.place.phys)
        return missing
    if head is not None:
        return decode_luo_struct(reader, one.blob, one.path, one.behind, one.outdated)
    if one.fdt is None or one.fdt.tree.root is None:
        return Damaged(SafeText("neither an FDT nor a struct that is known"))
    return decode_luo_fdt(reader, one.fdt, one.path, one.behind, one.root_version)


def decode_luo_fdt(reader: Reader, view: FdtView, where: EntityPath, stale: Stale | None, root_version: bytes | None) -> Luo | Missing:
    """LUO in its FDT form. ``stale``: why nothing that it points at may be read as fact; ``root_version``: of its handover."""
    root = view.tree.root
    version = None if root is None else version_of(root, reader.registry.formats(LUO))
    if isinstance(version, Missing):
        return version
    form = reader.registry.formats(LUO).get(version or b"")
    if root is None or form is None or form.is_struct:
        return _unknown(reader, version, where)
    lists = _Lists(path=where, form=form, properties=_properties(reader, form, root, view.blob.place), stale=stale)
    if form.struct is not None:
        at = reader.property(root, LUO_STRUCT_PROPERTY, where)
        if isinstance(at, Missing):
            return lists.unread(at)
        header = stale or reader.record(form.struct, at)
        if isinstance(header, Missing):
            if stale is None:
                reader.unreadable(header, where, "LUO header", at)
            return lists.unread(header)
        return _behind_struct(reader, lists, header)
    number = reader.property(root, "liveupdate-number", where)
    array, sessions_at = _session_node(reader, form, root, where)
    flbs_at = _flb_node(reader, form, root, where, root_version)
    return _luo(reader, lists, None, number, sessions_at, flbs_at, array)


def decode_luo_struct(reader: Reader, blob: Blob, where: EntityPath, stale: Stale | None, outdated: SafeText = NO_TEXT) -> Luo | Missing:
    """LUO in its struct form. ``stale``: why nothing that it points at may be read as fact; ``outdated``: why it is an earlier copy."""
    version = c_string(blob.data[:VERSION_BYTES])
    struct = reader.registry.formats(LUO).struct_of(version)
    if len(blob.data) < struct.size:
        missing = Damaged(SafeText(f"{len(blob.data)} bytes where LUO's struct has {struct.size}"))
        reader.findings.add(COUNT_BAD, where, str(missing.reason), blob.place.phys)
        return missing
    form = reader.registry.formats(LUO).get(version)
    if form is None or not form.is_struct:
        return _unknown(reader, version, where)
    lists = _Lists(path=where, form=form, properties={}, stale=stale)
    luo = _behind_struct(reader, lists, struct.record(blob.data, reader.platform.byte_order, blob.place))
    if outdated and isinstance(luo.sessions, NotWritten):
        return replace(luo, sessions=Unavailable(SafeText(f"what LUO wrote later is not known: {outdated}")))
    return luo


@dataclass(frozen=True, kw_only=True)
class _Lists:
    """LUO less what its lists say. ``stale``: why nothing that it points at may be read as fact."""

    path: EntityPath
    form: LuoFormat
    properties: Mapping[bytes, tuple[FieldValue, ...]]
    stale: Stale | None

    def unread(self, why: Missing) -> Luo:
        """With nothing in it."""
        return Luo(
            path=self.path,
            format=self.form,
            properties=self.properties,
            header=None,
            number=why,
            sessions_at=why,
            flbs_at=why,
            sessions=why,
            flbs=why,
        )


def _properties(reader: Reader, form: LuoFormat, root: Node, place: Place) -> Mapping[bytes, tuple[FieldValue, ...]]:
    """Properties of each node of the FDT, the root's under the empty name."""
    assert form.node is not None  # it is an FDT
    nodes = [(b"", form.node, root)]
    for listed in (form.session_node, form.flb_node):
        node = None if listed is None else root.child(listed.name)
        if listed is not None and node is not None:
            nodes.append((listed.name, listed.layout, node))
    return {name: layout.values(node, reader.platform.byte_order, place) for name, layout, node in nodes}


def _behind_struct(reader: Reader, lists: _Lists, header: Record) -> Luo:
    number, sessions_at, flbs_at = (header.integer(name) for name in ("liveupdate_num", "sessions_pa", "flbs_pa"))
    return _luo(reader, lists, header, number, sessions_at, flbs_at, lists.form.sessions)


def _luo(
    reader: Reader,
    lists: _Lists,
    header: Record | None,
    number: Fact[int],
    sessions_at: Fact[int],
    flbs_at: Fact[int],
    array: PageArray,
) -> Luo:
    form, where, stale = lists.form, lists.path, lists.stale
    if stale is not None:
        trial = reader.on_trial()
        sessions: SessionList | Missing = _last_known(stale, _sessions(trial, form, sessions_at, where, array), trial.findings)
    else:
        sessions = _sessions(reader, form, sessions_at, where, array)
    if stale is None and sessions_at == 0 and form.session_node is not None:
        sessions = Damaged(SafeText(f"{form.session_node.pointer} is 0, yet the session array is there from boot on"))
        reader.findings.add(POINTER_BAD, where, str(sessions.reason))
    flbs = stale or _flbs(reader, form, flbs_at, where.child(FLBS_PATH), written=_written(sessions))
    # A struct copied by debugfs is older than an FLB page in memory, and LUO writes both in one call.
    older = header is not None and header.place.origin is not Origin.MEMORY
    unwritten = isinstance(sessions, NotWritten)
    if unwritten and older and isinstance(flbs, FlbList) and flbs.flbs:
        sessions = Unavailable(SafeText("LUO's struct is an earlier copy: the FLBs in memory show that sessions were written after it"))
    elif unwritten and isinstance(flbs, FlbList) and flbs.flbs:
        sessions = Damaged(SafeText("FLBs are written, yet no session is: LUO writes both in the reboot call"))
        reader.findings.add(COUNT_BAD, where, str(sessions.reason))
    return Luo(
        path=where,
        format=form,
        properties=lists.properties,
        header=header,
        number=number,
        sessions_at=sessions_at,
        flbs_at=flbs_at,
        sessions=sessions,
        flbs=flbs,
    )


def _last_known(stale: Stale, sessions: SessionList | Missing, findings: Findings) -> Stale:
    """What memory that was freed, or waits to be, still shows of sessions: said beside why it is stale, and nowhere counted.

    Said only where all of it reads well: a page that was reused shows anything.
    """
    if not isinstance(sessions, SessionList) or not sessions.sessions or findings.items:
        return stale
    named = [
        f"{visible(one.name)} ({'files unknown' if isinstance(one.files, Missing) else plural(len(one.files), 'file')})"
        for one in sessions.sessions
    ]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return Stale(SafeText(f"{stale.reason}; last known: {', '.join(named[:_NAMED])}{more}"))


def _written(sessions: SessionList | Missing) -> bool | None:
    """Whether LUO has written the sessions, and so the FLBs too; None where it cannot be told."""
    if isinstance(sessions, NotWritten):
        return False
    return None if isinstance(sessions, Missing) else True


def _unknown(reader: Reader, version: bytes | None, where: EntityPath) -> Missing:
    said = SafeText("LUO without a version" if version is None else f"LUO version {visible(version)} is not known: shown as it is")
    reader.findings.add(VERSION_UNKNOWN, where, str(said))
    return Unknown(said)


def _session_node(reader: Reader, form: LuoFormat, root: Node, where: EntityPath) -> tuple[PageArray, Fact[int]]:
    assert form.session_node is not None  # its root has no struct
    node = child_of(root, form.session_node.name)
    if node is None:
        node = Damaged(SafeText(f"no {form.session_node.name.decode()} node"))
        reader.findings.add(PROPERTY_BAD, where, str(node.reason))
    if isinstance(node, Missing):
        return form.sessions, node
    version = version_of(node, form.session_node.lists) or b""
    if isinstance(version, Missing):
        return form.sessions, version
    array = form.session_node.lists.get(version)
    if array is None:
        said = SafeText(f"session format {visible(version)} is not known")
        reader.findings.add(VERSION_UNKNOWN, where, str(said))
        return form.sessions, Unknown(said)
    return array, reader.property(node, form.session_node.pointer, where)


def _flb_node(reader: Reader, form: LuoFormat, root: Node, where: EntityPath, root_version: bytes | None) -> Fact[int]:
    """Where the FLB page lies; 0 where there is no node of it, as in 6.19."""
    flb_node = form.flb_node
    if flb_node is None:
        return 0
    node = child_of(root, flb_node.name)
    if node is None and root_version in form.roots and _always_written(reader, flb_node, root_version):
        missing = Damaged(SafeText("no luo-flb node: 7.1 panics without it"))
        reader.findings.add(PROPERTY_BAD, where, str(missing.reason))
        return missing
    if node is None or isinstance(node, Missing):
        return 0 if node is None else node
    version = version_of(node, flb_node.lists) or b""
    if isinstance(version, Missing):
        return version
    if version not in flb_node.lists:
        said = SafeText(f"FLB format {visible(version)} is not known")
        reader.findings.add(VERSION_UNKNOWN, where, str(said))
        return Unknown(said)
    return reader.property(node, flb_node.pointer, where)


def _always_written(reader: Reader, node: ListNode, root_version: bytes | None) -> bool:
    """Whether every release that writes this version of the root writes the node too; kho-v1 may also be of 6.19, which has no FLBs."""
    writers = [release for release in reader.registry.releases if reader.registry.roots.version_of(release) == root_version]
    return bool(writers) and all(node.since is None or node.since.covers(release.version) for release in writers)


def _sessions(reader: Reader, form: LuoFormat, at: Fact[int], where: EntityPath, array: PageArray) -> SessionList | Missing:
    if isinstance(at, Missing):
        return at
    if at == 0:
        return NotWritten(NOT_WRITTEN)
    entries = decode_list(reader, at, array, None, where, "sessions")
    if isinstance(entries, Missing):
        return entries
    if not len(entries.table) and entries.status is Status.DECODED:
        return NotWritten(NOT_WRITTEN)
    siblings = Siblings(where)
    siblings.child(FLBS_PATH)
    sessions = []
    for row in range(len(entries.table)):
        if row % 64 == 0:
            reader.context.step("reading sessions", row, len(entries.table))
        record = entries.table.record(row)
        sessions.append(_session(reader, form, record, siblings.named(record.text("name"))))
    count = Count(len(sessions), entries.of)
    return SessionList(entries.headers, tuple(sessions), entries.status, entries.reason, count)


def _session(reader: Reader, form: LuoFormat, record: Record, where: EntityPath) -> Session:
    probe = Session(path=where, record=record, files=(), blocks=())
    at, count = probe.files_at, probe.count
    if at is None or count is None:
        return Session(path=where, record=record, files=Unknown(SafeText("luo-session-v1 names sessions only")), blocks=())
    if at == 0:
        if count:
            said = f"{count} files claimed and no list of them"
            reader.findings.add(COUNT_BAD, where, said, record.place.phys)
            return Session(path=where, record=record, files=Damaged(SafeText(said)), blocks=())
        return probe
    entries = decode_list(reader, at, form.files, count, where, "files")
    if isinstance(entries, Missing):
        return Session(path=where, record=record, files=entries, blocks=())
    status, reason = entries.status, entries.reason
    if status is Status.DECODED and len(entries.table) != count:
        status, reason = Status.DAMAGED, SafeText(f"the session claims {count} files, its list holds {len(entries.table)}")
        reader.findings.add(COUNT_BAD, where, reason, record.place.phys)
    return Session(
        path=where, record=record, files=_files(reader, entries.table, where), blocks=entries.headers, status=status, reason=reason
    )


def _files(reader: Reader, table: Table, where: EntityPath) -> tuple[File, ...]:
    files: list[File] = []
    siblings = Siblings(where)
    for row in range(len(table)):
        reader.context.step("reading files", row, len(table))
        record = table.record(row)
        path = siblings.child(f"{record.integer('token'):#x}")
        files.append(File(path, record, _file_content(reader, record, path)))
    return tuple(files)


def _file_content(reader: Reader, record: Record, where: EntityPath) -> FileContent | Missing:
    """What the handler of a file keeps."""
    handler = record.text("compatible")
    declared = reader.registry.handler(handler)
    decoding = reader.registry.handler_facet(handler, FileDecoding)
    if declared is None or decoding is None:
        said = SafeText(f"file handler {visible(handler)!s} is not known: its data is shown as it is")
        reader.findings.add(NAME_UNKNOWN, where, said, record.place.phys)
        return Unknown(said)
    return decoding.decode(reader, record, declared.formats[handler], where)


def _flbs(reader: Reader, form: LuoFormat, at: Fact[int], where: EntityPath, *, written: bool | None) -> FlbList | Missing:
    """The FLBs. ``written``: whether LUO has written them; None where it cannot be told."""
    if isinstance(at, Missing):
        return at
    if at == 0:
        return (
            Unavailable(SafeText("no FLB page"))
            if form.is_struct
            else FlbList(None, (), Status.DECODED, SafeText("no FLBs in this release (no luo-flb node, as 6.19 writes it)"), Count(0, 0))
        )
    entries = decode_list(reader, at, form.flbs, None, where, "FLBs")
    if isinstance(entries, Missing):
        return entries
    if not len(entries.table) and written is False:
        return NotWritten(NOT_WRITTEN)
    if not len(entries.table) and written is None:
        return Unavailable(SafeText("none is listed yet: whether LUO has written them the sessions would tell, which could not be read"))
    if entries.headers and not any(entries.headers[0].integer(name) for name in ("pgcnt", "count")):
        # LUO writes pgcnt when it allocates the page. The next kernel never reads it, but a count of 0 beside it is not LUO's either.
        missing = Damaged(SafeText(f"the FLB page at {at:#x} is zero: no FLB is found, whatever was in it"))
        reader.findings.add(COUNT_BAD, where, str(missing.reason), at)
        return missing
    siblings = Siblings(where)
    flbs = tuple(_flb(reader, entries.table.record(row), siblings) for row in range(len(entries.table)))
    header = entries.headers[0] if entries.headers else None
    return FlbList(header, flbs, entries.status, entries.reason, Count(len(flbs), entries.of))


def _flb(reader: Reader, record: Record, siblings: Siblings) -> Flb:
    name = record.text("name")
    path, decoding = siblings.named(name), reader.registry.facets(FlbDecoding).get(name)
    unknown = Unknown(SafeText("its data are the driver's, and of a layout that nobody declares"))
    return Flb(path, record, unknown if decoding is None else decoding.decode(reader, record, path))


def _begins_as_luo(data: bytes, compatible: bytes | None) -> bool:
    return (data if compatible is None else compatible).startswith(STRUCT_PREFIX)


def _least(registry: Registry, data: bytes) -> int:
    head = luo_struct_head(registry, data)
    return MAGIC_BYTES if head is None else head.size


def _stays(registry: Registry, root: bytes | None) -> bool:
    """LUO keeps its FDT, and frees its struct at early initcall (kernel/liveupdate/luo_core.c, 6.19 to 7.3)."""
    form = registry.formats(LUO).in_root(root)
    return form is not None and not form.is_struct


DECODING = Decoding(
    decode=decode_luo,
    recognises=_begins_as_luo,
    first_words=(STRUCT_PREFIX[:4],),
    struct_head=luo_struct_head,
    least=_least,
    stays=_stays,
    bytes_fixed=False,
    counted=Counted(LIVE_UPDATE_NUMBER, luo_number),
    owns_memory=True,
    is_fdt=True,
)
