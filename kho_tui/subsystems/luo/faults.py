"""Faults of LUO: its root, sessions, file lists and FLBs: KHO039 to KHO044, KHO136, KHO141, KHO143 and KHO145."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kho_tui.abi.block import KHO_BLOCK_HEADER_SER
from kho_tui.abi.luo import LUO, LUO_FILE_SER, LUO_NAME, LUO_SER, LUO_SESSION_SER
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.layout.struct import Record
from kho_tui.layout.table import PageArray
from kho_tui.model.facts import Missing
from kho_tui.model.flbs import FlbList
from kho_tui.model.sessions import File, Session, SessionList
from kho_tui.model.state import Subtree
from kho_tui.releases.ranges import Range
from kho_tui.simulator.faults.case import Case, DoesNotApply, memory_of, need, place_of
from kho_tui.simulator.faults.facet import Breaking
from kho_tui.simulator.faults.fault import Fault, fault, has_chunks, later_fault, written_in
from kho_tui.simulator.faults.fdt_edit import node_record, record_span, spliced
from kho_tui.simulator.faults.find import add_one, node_of, outgoing_blob, with_content
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.plain import PlainLuo

_NEEDS_FLB_NODE = written_in(Range("7.1", "7.1"))
_NAME_BYTES = LUO_SESSION_SER.span("name")[1]
_HANDLER_BYTES = LUO_FILE_SER.span("compatible")[1]


def _luo(case: Case) -> Luo:
    """LUO's state. Raises DoesNotApply."""
    content = case.subtree(LUO_NAME).content
    if not isinstance(content, Luo):
        raise DoesNotApply("LUO's state could not be decoded")
    return content


def _session_list(case: Case) -> SessionList:
    """The sessions and what lists them. Raises DoesNotApply where LUO has written none yet."""
    return need(_luo(case).sessions)


def _files_of(session: Session) -> tuple[File, ...]:
    """A session's files. Raises DoesNotApply where they are not known."""
    return need(session.files)


def _session_with(case: Case, files: int) -> Session:
    """The first session with so many files, or more. Raises DoesNotApply."""
    for one in _session_list(case).sessions:
        if len(_files_of(one)) >= files:
            return one
    raise DoesNotApply(f"no session of this state has {files} file{'s' if files > 1 else ''}")


def _content(case: Case) -> PlainLuo:
    content = next((one.content for one in case.handover.subtrees if one.name == LUO_NAME), None)
    if not isinstance(content, PlainLuo):
        raise DoesNotApply("no LUO in this state")
    return content


def _version_place(subtree: Subtree, at: int) -> int:
    """Where LUO's compatible string stands."""
    if subtree.fdt is None:
        return at
    node = subtree.fdt.tree.root
    found = None if node is None else node.property(b"compatible")
    if found is None:
        raise DoesNotApply("LUO's FDT has no compatible string")
    return at + found.data_offset


def _version(case: Case) -> None:
    subtree = case.subtree(LUO_NAME)
    at, _ = memory_of(subtree.blob)
    case.write(_version_place(subtree, at), b"luo-v9\0")


def _no_flb_node(case: Case) -> None:
    content = _content(case)
    if not content.flb_compatible:
        raise DoesNotApply("LUO's FDT of this state has no luo-flb node")
    with_content(case, LUO_NAME, replace(content, flb_compatible=b"", flb_page=None))


def _array(case: Case) -> Luo:
    found = _luo(case)
    if found.format.sessions.chained:
        raise DoesNotApply(f"{found.format.compatible.decode()} keeps sessions in blocks, not in one array")
    return found


def _forget_sessions(case: Case) -> None:
    found = _array(case)
    case.forget(need(found.sessions_at), found.format.sessions.order)


def _too_many_sessions(case: Case) -> None:
    found = _array(case)
    case.change(_session_list(case).headers[0], count=found.format.sessions.capacity(case.page_size) + 1)


def _too_many_files(case: Case) -> None:
    found = _array(case)
    case.change(_session_with(case, 1).record, count=found.format.files.capacity(case.page_size) + 1)


def _files_split(case: Case) -> None:
    array = _array(case).format.files
    at = _session_with(case, 1).files_at
    assert at is not None
    case.forget(at, array.order)
    for page in range(array.pages):
        case.keep(at + page * case.page_size)


def _blocks(case: Case, *, files: bool) -> tuple[tuple[Record, ...], PageArray]:
    """The headers of the session blocks, or of the file blocks of the first session with files, and what they are made of."""
    form = _luo(case).format
    if not form.files.chained:
        raise DoesNotApply(f"{form.compatible.decode()} has no blocks")
    return (_session_with(case, 1).blocks, form.files) if files else (_session_list(case).headers, form.sessions)


def _cycle(case: Case, *, files: bool) -> None:
    headers, _ = _blocks(case, files=files)
    case.change(headers[-1], next=place_of(headers[0]))


def _empty_block(case: Case, *, files: bool) -> None:
    """As a failed creation of a session leaves it behind."""
    headers, block = _blocks(case, files=files)
    page = case.free()
    case.write(page, bytes(block.bytes(case.page_size)))
    case.keep(page)
    case.change(headers[-1], next=page)


def _overfull_block(case: Case, *, files: bool) -> None:
    headers, block = _blocks(case, files=files)
    case.change(headers[-1], count=block.capacity(case.page_size) + 1)


def _half_full_block(case: Case, *, files: bool) -> None:
    """The last block's entries, the last of them in a block of its own."""
    headers, block = _blocks(case, files=files)
    at, count, element = place_of(headers[-1]), headers[-1].integer("count"), block.element
    if count < 2:
        raise DoesNotApply(f"no block of {'files' if files else 'sessions'} of this state has two entries")
    last = case.read(at + block.header_size + (count - 1) * element.size, element.size)
    head = KHO_BLOCK_HEADER_SER.encode({"next": 0, "count": 1}, case.state.machine.platform.byte_order)
    page = case.free()
    case.write(page, (head + last).ljust(block.bytes(case.page_size), b"\0"))
    case.keep(page)
    case.change(headers[-1], next=page, count=count - 1)


def _forget_block(case: Case, *, files: bool) -> None:
    case.forget(place_of(_blocks(case, files=files)[0][0]), 0)


def _sessions(case: Case, least: int = 1) -> tuple[Session, ...]:
    found = _session_list(case).sessions
    if len(found) < least:
        raise DoesNotApply(f"this state has {len(found)} sessions, {least} are needed")
    return found


def _name_twice(case: Case) -> None:
    first, *_, last = _sessions(case, 2)
    case.change(last.record, name=first.name)


def _name_empty(case: Case) -> None:
    case.change(_sessions(case)[-1].record, name=b"")


def _name_endless(case: Case) -> None:
    case.change(_sessions(case)[-1].record, name=b"v" * _NAME_BYTES)


def _list_lost(case: Case) -> None:
    case.change(_session_with(case, 1).record, files=0)


def _count_more(case: Case) -> None:
    _blocks(case, files=True)
    session = _session_with(case, 1)
    assert session.count is not None
    case.change(session.record, count=session.count + 1)


def _token_twice(case: Case) -> None:
    first, second, *_ = _files_of(_session_with(case, 2))
    case.change(second.record, token=first.token)


def _handler_unknown(case: Case) -> None:
    case.change(_files_of(_session_with(case, 1))[-1].record, compatible=b"memfd-v9")


def _handler_endless(case: Case) -> None:
    case.change(_files_of(_session_with(case, 1))[-1].record, compatible=b"m" * _HANDLER_BYTES)


def _flbs(case: Case, least: int = 0) -> FlbList:
    found = _luo(case).flbs
    if isinstance(found, Missing) or found.header is None:
        raise DoesNotApply("this state has no FLB page that was written")
    if len(found.flbs) < least:
        raise DoesNotApply(f"this state has {len(found.flbs)} FLBs, {least} are needed")
    return found


def _flb_pages(case: Case) -> None:
    header = _flbs(case).header
    assert header is not None
    case.change(header, pgcnt=2)


def _flb_too_many(case: Case) -> None:
    header = _flbs(case).header
    assert header is not None
    case.change(header, count=_luo(case).format.flbs.capacity(case.page_size) + 1)


def _flb_twice(case: Case) -> None:
    first, second, *_ = _flbs(case, 2).flbs
    case.change(second.record, name=first.name)


def _flb_unused(case: Case) -> None:
    case.change(_flbs(case, 1).flbs[0].record, count=0)


def _flb_many_files(case: Case) -> None:
    files = sum(len(_files_of(one)) for one in _sessions(case))
    case.change(_flbs(case, 1).flbs[0].record, count=files + 1)


def _forget_flbs(case: Case) -> None:
    at = need(_luo(case).flbs_at)
    if not at:
        raise DoesNotApply("LUO of this state has no FLB page")
    case.forget(at, 0)


def _flb_header_zero(case: Case) -> None:
    subtree = case.subtree(LUO_NAME)
    at, _ = memory_of(subtree.blob)
    root, form = None if subtree.fdt is None else subtree.fdt.tree.root, _luo(case).format.flb_node
    node = None if root is None or form is None else root.child(form.name)
    header = None if node is None or form is None else node.property(form.pointer.encode())
    if header is None:
        raise DoesNotApply("LUO's FDT of this state has no luo-flb node")
    case.write(at + header.data_offset, case.u64(0))


def _struct_size(case: Case) -> None:
    """A few bytes more than the struct has, all of them in its page."""
    form = _luo(case).format
    if not form.is_struct or form.struct is None:
        raise DoesNotApply(f"{form.compatible.decode()} is an FDT")
    root = case.root.view.tree.root
    node = None if root is None else root.child(LUO_NAME)
    size = None if node is None else node.property(b"blob-size")
    if size is None:
        raise DoesNotApply("the root FDT has no blob-size of LUO")
    case.write(memory_of(case.root.view.blob)[0] + size.data_offset, case.u64(form.struct.size + 8))


def _name_residue(case: Case) -> None:
    """Bytes of a longer name behind the NUL of a session's."""
    session = _sessions(case)[0]
    offset, size = LUO_SESSION_SER.span("name")
    if len(session.name) + 2 > size:
        raise DoesNotApply("the first session's name fills its field")
    field = session.name + b"\0" + b"v"
    case.write(place_of(session.record) + offset, field.ljust(size, b"\0"))


def _luo_under_another_name(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    node = node_of(case, case.subtree(LUO_NAME))
    case.write(at, fdt[: node.offset + 4] + b"MUO\0" + fdt[node.offset + 8 :])


def _luo_too_early(case: Case) -> None:
    """memblock's subtree under the name of LUO, in a kernel that has none."""
    at, fdt = memory_of(case.root.view.blob)
    release = case.state.registry.releases.of(case.state.machine.release)
    if release is None or case.state.registry.of(release, LUO) is not None:
        raise DoesNotApply("the kernel of this state has LUO, or is not known")
    node = node_of(case, case.subtree(MEMBLOCK_NAME))
    inside = fdt[record_span(node.properties[0])[0] : record_span(node.properties[-1])[1]]
    case.write(at, spliced(fdt, node.offset, node.end, node_record(LUO_NAME, inside)))


def _next_number(case: Case) -> None:
    """The new kernel's own number, one more than it should be."""
    subtree = outgoing_blob(case, LUO_NAME)
    if subtree.fdt is None:
        offset = LUO_SER.span("liveupdate_num")[0]
    else:
        node = subtree.fdt.tree.root
        found = None if node is None else node.property(b"liveupdate-number")
        if found is None:
            raise DoesNotApply("LUO's FDT has no liveupdate-number")
        offset = found.data_offset
    add_one(case, subtree, offset, 8)


def _both(name: str, code: str, meaning: str, apply: Callable[..., None], also: str) -> tuple[Fault, Fault]:
    """The same fault in the blocks of the sessions and in those of one session's files."""
    return (
        fault(f"session-{name}", code, f"{meaning} (sessions)", lambda case: apply(case, files=False), also),
        fault(f"file-{name}", code, f"{meaning} (files)", lambda case: apply(case, files=True), also),
    )


_FAULTS: tuple[Fault, ...] = (
    fault("luo-version", "KHO039", "LUO's state is of a version that no release writes", _version, "47 107"),
    fault("luo-flb-node", "KHO136", "LUO's FDT has no luo-flb node, which 7.1 needs", _no_flb_node, "44 47 111", _NEEDS_FLB_NODE),
    fault("luo-size", "KHO141", "blob-size of LUO's struct is more than the struct", _struct_size, "120"),
    fault("flb-header-zero", "KHO145", "luo-flb-header is 0", _flb_header_zero, "44 47", _NEEDS_FLB_NODE),
    fault("name-residue", "KHO143", "bytes stand behind the NUL of a session's name", _name_residue),
    fault("session-array-not-preserved", "KHO040", "the session array is not preserved", _forget_sessions),
    fault("too-many-sessions", "KHO040", "the session array claims more sessions than fit", _too_many_sessions, "42 43 103 106"),
    fault("too-many-files", "KHO040", "a session claims more files than fit its array", _too_many_files, "42 43 103 106"),
    fault("file-array-split", "KHO040", "a list of files is kept by two blocks", _files_split),
    *_both("block-cycle", "KHO041", "a chain of blocks comes back to its first", _cycle, "42 105"),
    *_both("block-empty", "KHO041", "a block has no entry", _empty_block, "106 120"),
    *_both("block-overfull", "KHO041", "a block claims more entries than fit", _overfull_block, "42 43 106"),
    *_both("block-half-full", "KHO041", "a block that is not full has a successor", _half_full_block, "120"),
    *_both("block-not-preserved", "KHO041", "a block is not preserved", _forget_block, ""),
    fault("session-name-twice", "KHO042", "two sessions have one name", _name_twice),
    fault("session-name-empty", "KHO042", "a session has no name", _name_empty),
    fault("session-name-endless", "KHO042", "a session's name has no end", _name_endless),
    fault("session-list-lost", "KHO042", "a session has files and no list of them", _list_lost, "44 47 106"),
    fault("session-count", "KHO042", "a session claims one file more than its blocks have", _count_more, "106"),
    fault("token-twice", "KHO043", "two files of a session have one token", _token_twice),
    fault("handler-unknown", "KHO043", "a file is of a handler that no release has", _handler_unknown, "47 108"),
    fault("handler-endless", "KHO043", "the name of a file's handler has no end", _handler_endless, "47 108"),
    fault("flb-pages", "KHO044", "the FLB list claims two pages", _flb_pages),
    fault("flb-too-many", "KHO044", "the FLB page claims more entries than fit", _flb_too_many, "106"),
    fault("flb-twice", "KHO044", "two FLBs have one name", _flb_twice),
    fault("flb-unused", "KHO044", "no file depends on an FLB that is handed over", _flb_unused),
    fault("flb-many-files", "KHO044", "more files depend on an FLB than there are", _flb_many_files),
    fault("flb-not-preserved", "KHO044", "the FLB page is not preserved", _forget_flbs),
    fault("luo-renamed", "KHO148", "LUO's subtree stands under another name", _luo_under_another_name, "47 108 109"),
    fault("luo-too-early", "KHO147", "a kernel without LUO hands over a subtree of its name", _luo_too_early, "47 107 109 148", has_chunks),
    later_fault("luo-number", "KHO039", "the live update number grew by two", _next_number, before=True),
)

BREAKING = Breaking(faults=_FAULTS)
