"""Where a state was read from: files and what was wrong with them, why the platform is what it is, roots, copies that disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.layout.place import Blob, Origin, Place, agree
from kho_tui.model.codes import SOURCE_PROBLEM
from kho_tui.model.entity import Entity, find
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.path import EntityPath
from kho_tui.model.sides import sides_shown
from kho_tui.model.state import FileUse, Side, State
from kho_tui.text import NO_TEXT, SafeText, human_size, join_safe, visible
from kho_tui.views.tui.navigate import Location, Spot
from kho_tui.views.tui.reading import read_children, read_detail

_FILES = EntityPath(("machine", "files"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One row. ``notes`` are what has to be known before it is believed; ``what`` groups rows."""

    what: str
    name: SafeText
    size: SafeText
    gave: SafeText
    notes: tuple[SafeText, ...] = ()
    status: Status = Status.DECODED
    spot: Spot | None = None


def sources(state: State, root: Entity) -> tuple[Source, ...]:
    """All rows in the order in which they are shown."""
    remarks = _remarks(state)
    files = (_file(number, one, remarks.get(one.path, ())) for number, one in enumerate(state.machine.files))
    return (*files, *_platform(state), *(row for name in sides_shown(state) for row in _side(state.sides[name], root)))


def _file(number: int, one: FileUse, remarks: tuple[SafeText, ...] | list[SafeText]) -> Source:
    size = SafeText(human_size(one.size) if one.size is not None else "-")
    notes = tuple(dict.fromkeys(note for note in (one.note, *remarks) if note))
    return Source(what="file", name=one.path, size=size, gave=one.gave, notes=notes, spot=Location(_FILES, row=number, pane="rows"))


def _remarks(state: State) -> dict[SafeText, list[SafeText]]:
    """What the rest of the state says of single files, by their paths."""
    found: defaultdict[SafeText, list[SafeText]] = defaultdict(list)
    for finding in state.findings:
        if finding.code == SOURCE_PROBLEM.name and finding.where == _FILES:
            path, _, message = finding.message.partition(": ")
            found[SafeText(path)].append(SafeText(message))
    for side in state.sides.values():
        if not isinstance(side.root, Missing):
            whole = side.root.view.tree.total_size
            for blob in (side.root.view.blob, *side.root.copies):
                if blob.place.origin is Origin.DEBUGFS and whole is not None and len(blob.data) < whole:
                    found[visible(blob.place.source)].append(SafeText(f"cut: {len(blob.data)} of {whole} bytes"))
        for subtree in side.subtrees:
            if subtree.status is Status.STALE and isinstance(subtree.blob, Blob) and subtree.blob.place.origin is Origin.DEBUGFS:
                found[visible(subtree.blob.place.source)].append(SafeText(f"stale: {subtree.reason}"))
    return found


def _platform(state: State) -> Iterator[Source]:
    machine = state.machine
    spot = Location(EntityPath(("machine",)))
    for name, reason in zip(("byte order", "page size"), machine.platform_reasons, strict=False):
        yield Source(what="platform", name=SafeText(name), size=NO_TEXT, gave=reason, spot=spot)
    release = machine.release
    told = visible(release) if release is not None else SafeText("not told by this capture")
    yield Source(
        what="platform",
        name=SafeText("kernel"),
        size=NO_TEXT,
        gave=told,
        status=Status.DECODED if release else Status.UNAVAILABLE,
        spot=spot,
    )


def _side(side: Side, root: Entity) -> Iterator[Source]:
    path = EntityPath((side.name,))
    if isinstance(side.root, Missing):
        yield Source(
            what="root",
            name=side_name(side),
            size=NO_TEXT,
            gave=NO_TEXT,
            notes=(side.root.reason,),
            status=side.root.status,
            spot=Location(path),
        )
    else:
        blob = side.root.view.blob
        phys = known(side.root.phys)
        agreeing = [copy for copy in side.root.copies if agree(blob.data, copy.data)]
        also = f"; the same in {_names(agreeing)}" if agreeing else ""
        gave = SafeText(f"from {_place(blob.place, phys)}{also}")
        cut = side.root.view.tree.truncated
        notes = (SafeText(f"cut: {side.root.view.tree.extent}"),) if cut else ()
        yield Source(
            what="root", name=side_name(side), size=SafeText(human_size(len(blob.data))), gave=gave, notes=notes, spot=Location(path)
        )
    entity = find(root, path)
    for holder in () if entity is None else (entity, *read_children(entity)):
        if holder is entity or holder.kind == "subtree":
            yield from (_copy(copy, holder) for copy in read_children(holder) if copy.kind == "copy")


def _copy(copy: Entity, holder: Entity) -> Source:
    blobs = read_detail(copy).blobs
    length = SafeText(human_size(len(blobs[0].data))) if blobs else NO_TEXT
    note = SafeText(f"disagrees with what counts for {holder.path}")
    return Source(what="copy", name=copy.title, size=length, gave=copy.summary, notes=(note,), status=copy.status, spot=Location(copy.path))


def side_name(side: Side) -> SafeText:
    """The row of a side's root."""
    return SafeText("root FDT, side unknown" if side.name == "unsided" else f"root FDT of {side.name}")


def _names(copies: list[Blob]) -> SafeText:
    return join_safe(", ", [visible(copy.place.source) for copy in copies])


def _place(place: Place, phys: int | None) -> str:
    at = f" at {phys:#x}" if phys is not None else ""
    return f"{visible(place.source)}{at}"
