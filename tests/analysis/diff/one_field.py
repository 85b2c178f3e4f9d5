"""A state in which exactly one field differs: every kind of record, property and list row that a state has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from kho_tui.layout.struct import Field, FieldValue, Record, Unit
from kho_tui.model.flbs import FlbList
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import File, Session, SessionList
from kho_tui.model.state import Root, Scratch, State, Subtree
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memblock.content import Memblock
from kho_tui.subsystems.memfd.content import FolioArray, Memfd

_IDENTITY = frozenset({"name", "token"})
"""Fields that say which thing it is: another value is another thing."""

Bits = int


@dataclass(frozen=True)
class Spot:
    """One field: whose it is, its name as a change shows it, and the state with some of its bits flipped (never none)."""

    path: EntityPath
    name: str
    flipped: Callable[[Bits], State]


def spots(state: State) -> Iterator[Spot]:
    """Every field of a state with one outgoing side."""
    assert isinstance(state.scratch, Scratch)
    for index in range(len(state.scratch.areas)):
        for name, field in (("addr", "start"), ("size", "size")):
            yield Spot(EntityPath(("scratch", str(index))), name, lambda bits, i=index, f=field: _scratch(state, i, f, bits))  # type: ignore[misc]
    side = state.sides["out"]
    root = side.root
    assert isinstance(root, Root)

    def in_side(**parts: object) -> State:
        return replace(state, sides={**state.sides, "out": replace(side, **parts)})  # type: ignore[arg-type]

    path = EntityPath(("out",))
    for name, values in _value_spots(root.values):
        yield Spot(path, name, lambda bits, v=values: in_side(root=replace(root, values=v(bits))))  # type: ignore[misc]
    assert root.view.tree.header is not None
    for name, header in _record_spots(root.view.tree.header):
        yield Spot(path, name, lambda bits, h=header: in_side(root=_with_header(root, h(bits))))  # type: ignore[misc]
    for number, subtree in enumerate(side.subtrees):
        for spot in _subtree(subtree):
            yield Spot(spot.path, spot.name, lambda bits, n=number, s=spot: in_side(subtrees=_at(side.subtrees, n, s.flipped(bits))))  # type: ignore[misc]


@dataclass(frozen=True)
class _Part:
    path: EntityPath
    name: str
    flipped: Callable[[Bits], object]


def _subtree(one: Subtree) -> Iterator[_Part]:
    for name, values in _value_spots(one.values):
        yield _Part(one.path, name, lambda bits, v=values: replace(one, values=v(bits)))  # type: ignore[misc]
    content = one.content
    for part in _content(one, content):
        yield _Part(part.path, part.name, lambda bits, p=part: replace(one, content=p.flipped(bits)))  # type: ignore[misc]


def _content(one: Subtree, content: object) -> Iterator[_Part]:
    if isinstance(content, KexecMetadata):
        for name, record in _record_spots(content.record):
            yield _Part(one.path, name, lambda bits, r=record: KexecMetadata(r(bits)))  # type: ignore[misc]
    elif isinstance(content, Memblock):
        for number, region in enumerate(content.regions):
            for name, values in _value_spots(region.values):
                yield _Part(
                    region.path,
                    name,
                    lambda bits, n=number, r=region, v=values: replace(  # type: ignore[misc]
                        content, regions=_at(content.regions, n, replace(r, values=v(bits)))
                    ),
                )
    elif isinstance(content, KhoTest):
        for name, values in _value_spots(content.properties):
            yield _Part(one.path, name, lambda bits, v=values: replace(content, properties=v(bits)))  # type: ignore[misc]
    elif isinstance(content, Luo):
        yield from _luo(content)


def _luo(luo: Luo) -> Iterator[_Part]:
    assert isinstance(luo.sessions, SessionList) and isinstance(luo.flbs, FlbList)
    for number, session in enumerate(luo.sessions.sessions):
        for part in _session(session):
            yield _Part(part.path, part.name, lambda bits, n=number, p=part: replace(luo, sessions=_listed(luo, n, p.flipped(bits))))  # type: ignore[misc]
    for number, flb in enumerate(luo.flbs.flbs):
        path = EntityPath(("out", "LUO", "FLBs", flb.name.decode()))
        for name, record in _record_spots(flb.record):
            yield _Part(path, name, lambda bits, n=number, r=record: replace(luo, flbs=_flbs(luo, n, r(bits))))  # type: ignore[misc]


def _session(session: Session) -> Iterator[_Part]:
    assert isinstance(session.files, tuple)
    for name, record in _record_spots(session.record):
        if name != "count":  # a count that does not match its list is damage, and shown as such
            yield _Part(session.path, name, lambda bits, r=record: replace(session, record=r(bits)))  # type: ignore[misc]
    for number, file in enumerate(session.files):
        for part in _file(file):
            yield _Part(part.path, part.name, lambda bits, n=number, p=part: replace(session, files=_at(session.files, n, p.flipped(bits))))  # type: ignore[misc]


def _file(file: File) -> Iterator[_Part]:
    memfd = file.content
    assert isinstance(memfd, Memfd) and isinstance(memfd.folios, FolioArray)
    for name, record in _record_spots(file.record):
        yield _Part(file.path, name, lambda bits, r=record: replace(file, record=r(bits)))  # type: ignore[misc]
    for name, record in _record_spots(memfd.record):
        yield _Part(file.path, name, lambda bits, r=record: replace(file, content=replace(memfd, record=r(bits))))  # type: ignore[misc]
    folios = memfd.folios
    for row in range(0, len(folios.table), 97):
        name = f"{int(folios.table.column('index')[row])}.pfn"
        path = file.path.child("folios")
        yield _Part(path, name, lambda bits, r=row: replace(file, content=replace(memfd, folios=_folio(folios, r, bits))))  # type: ignore[misc]


def _folio(folios: FolioArray, row: int, bits: Bits) -> FolioArray:
    rows = folios.table.rows.copy()
    rows["word0"][row] ^= np.uint64(bits & ((1 << 52) - 1) or 1)
    return replace(folios, table=replace(folios.table, rows=rows))


def _record_spots(record: Record) -> Iterator[tuple[str, Callable[[Bits], Record]]]:
    for field in record.layout.fields:
        if field.name not in _IDENTITY and field.size:
            yield field.name, lambda bits, f=field: _flip(record, f, bits)  # type: ignore[misc]


def _flip(record: Record, field: Field, bits: Bits) -> Record:
    offset, size = record.layout.span(field.name)
    flipped = _flip_bytes(record.data[offset : offset + size], bits)
    return replace(record, data=record.data[:offset] + flipped + record.data[offset + size :])


def _flip_bytes(data: bytes, bits: Bits) -> bytes:
    mask = (bits % (1 << 8 * min(len(data), 8))) or 1
    return bytes(a ^ b for a, b in zip(data, mask.to_bytes(len(data), "little"), strict=True))


def _value_spots(values: tuple[FieldValue, ...]) -> Iterator[tuple[str, Callable[[Bits], tuple[FieldValue, ...]]]]:
    for number, value in enumerate(values):
        yield value.field.name, lambda bits, n=number, v=value: _at(values, n, _flip_value(v, bits))  # type: ignore[misc]


def _flip_value(value: FieldValue, bits: Bits) -> FieldValue:
    raw = _flip_bytes(value.raw, bits)
    whole = isinstance(value.value, int) and value.field.unit is not Unit.TEXT
    return replace(value, raw=raw, value=int.from_bytes(raw, "little") if whole else raw)


def _with_header(root: Root, header: Record) -> Root:
    return replace(root, view=replace(root.view, tree=replace(root.view.tree, header=header)))


def _scratch(state: State, index: int, field: str, bits: Bits) -> State:
    scratch = state.scratch
    assert isinstance(scratch, Scratch)
    area = scratch.areas[index]
    changed = replace(area, **{field: getattr(area, field) ^ (bits or 1)})
    return replace(state, scratch=replace(scratch, areas=_at(scratch.areas, index, changed)))


def _listed(luo: Luo, number: int, session: object) -> SessionList:
    assert isinstance(luo.sessions, SessionList)
    return replace(luo.sessions, sessions=_at(luo.sessions.sessions, number, session))


def _flbs(luo: Luo, number: int, record: Record) -> FlbList:
    assert isinstance(luo.flbs, FlbList)
    return replace(luo.flbs, flbs=_at(luo.flbs.flbs, number, replace(luo.flbs.flbs[number], record=record)))


def _at(items: tuple, number: int, item: object) -> tuple:  # type: ignore[type-arg]
    return (*items[:number], item, *items[number + 1 :])
