"""What several faults look for in a decoded state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.encode.facet import Encoder
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.layout.struct import FieldValue
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.memblock import PlainMemblock, Region
from kho_tui.model.contents.memfd import Memfd
from kho_tui.model.contents.sessions import File, Session, SessionList
from kho_tui.model.plain import Plain
from kho_tui.simulator.faults.case import Case, DoesNotApply, blob_file, need


def luo(case: Case) -> Luo:
    """LUO's state. Raises DoesNotApply."""
    content = case.subtree(LUO_NAME).content
    if not isinstance(content, Luo):
        raise DoesNotApply("LUO's state could not be decoded")
    return content


def session_list(case: Case) -> SessionList:
    """The sessions and what lists them. Raises DoesNotApply where LUO has written none yet."""
    return need(luo(case).sessions)


def files_of(session: Session) -> tuple[File, ...]:
    """A session's files. Raises DoesNotApply where they are not known."""
    return need(session.files)


def session_with(case: Case, files: int) -> Session:
    """The first session with so many files, or more. Raises DoesNotApply."""
    for one in session_list(case).sessions:
        if len(files_of(one)) >= files:
            return one
    raise DoesNotApply(f"no session of this state has {files} file{'s' if files > 1 else ''}")


def memfds(case: Case) -> list[tuple[File, Memfd]]:
    """Every memfd that could be decoded; none where LUO has written no session, or there is no LUO."""
    try:
        sessions = session_list(case).sessions
    except DoesNotApply:
        return []
    return [(file, file.content) for one in sessions for file in files_of(one) if isinstance(file.content, Memfd)]


def with_content(case: Case, name: bytes, content: Plain) -> None:
    """The subtree with other content; the root FDT and debugfs tell of its new size. Raises DoesNotApply, EncodeError."""
    handover = case.handover
    one = handover.by_name()[name]
    size = len(subtree_blob(content, Encoder(handover.platform, case.state.registry)))
    file = blob_file(case.side, name)
    shown = file in case.files and case.files[file] == case.read(one.phys, len(case.files[file]))
    subtrees = tuple(replace(old, content=content, size=size) if old is one else old for old in handover.subtrees)
    case.become(replace(handover, subtrees=subtrees))
    if shown:
        case.files[file] = case.read(one.phys, size)


def write_value(case: Case, values: tuple[FieldValue, ...], name: str, data: bytes) -> None:
    """A property's data in memory. Raises DoesNotApply."""
    found = next((value for value in values if value.field.name == name and len(value.raw) == len(data)), None)
    if found is None or found.place.phys is None:
        raise DoesNotApply(f"no property {name} in the memory of this capture")
    case.write(found.place.phys, data)


def regions(case: Case) -> tuple[Region, ...]:
    """The reserve_mem regions. Raises DoesNotApply where there is none."""
    content = next((one.content for one in case.handover.subtrees if one.name == MEMBLOCK_NAME), None)
    if not isinstance(content, PlainMemblock) or not content.regions:
        raise DoesNotApply("no reserve_mem region in this state")
    return content.regions


def with_region(case: Case, row: int, region: Region) -> None:
    """Another region in place of the one with this number."""
    old = regions(case)
    with_content(case, MEMBLOCK_NAME, PlainMemblock((*old[:row], region, *old[row + 1 :])))


def scratch_pages(case: Case, order: int = 0) -> Iterator[int]:
    """Where each scratch area begins with a block of this order. Raises DoesNotApply behind the last."""
    size = case.page_size << order
    for area in case.scratch.areas:
        at = -(-area.start // size) * size
        if at + size <= area.start + area.size:
            yield at
    raise DoesNotApply("this state has no scratch area that is large enough")
