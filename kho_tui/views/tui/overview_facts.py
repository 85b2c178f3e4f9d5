"""What the overview tells of a state, as entries without any layout. It reads the model, which may take a moment: beside the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kho_tui.capture.log_texts import ALARMS
from kho_tui.layout.struct import Unit
from kho_tui.model.entity import Entity, Value
from kho_tui.model.facts import Missing, Status
from kho_tui.model.finding import WORST_FIRST
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import Session
from kho_tui.model.sides import sides_meant, sides_shown
from kho_tui.model.state import LogLine, Scratch, Side, State
from kho_tui.releases.table import Finalize
from kho_tui.text import NO_TEXT, SafeText, human_size, plural, visible
from kho_tui.views.tui.check_rows import CHECK, TARGET, CheckRow, check_rows, outcome_word, verdict_line
from kho_tui.views.tui.lines import Role
from kho_tui.views.tui.loaded import Loaded
from kho_tui.views.tui.navigate import ListSpot, Location, MapPlace, Spot, Where
from kho_tui.views.tui.reading import read_children

if TYPE_CHECKING:
    from kho_tui.operations.judge_state import Judged

MOST = 64
"""Entries of one group that are made; the places of the app hold the others."""
_SEVERITY_STATUS = {"error": Status.DAMAGED, "warning": Status.PARTIAL, "info": Status.DECODED}
_ROLE_STATUS = {Role.BAD: Status.DAMAGED, Role.WARN: Status.PARTIAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing told. ``share`` (0..1) is drawn as a bar. Where several share a line, ``short`` and ``count`` stand for the entry.

    ``short`` of a head is its label where there is little width. ``alarm`` colours the label; its words say the same.
    """

    label: SafeText
    text: SafeText = NO_TEXT
    status: Status = Status.DECODED
    reason: SafeText = NO_TEXT
    spot: Spot | None = None
    place: MapPlace | None = None
    value: Value | None = None
    short: SafeText = NO_TEXT
    share: float | None = None
    count: int = 0
    alarm: Status = Status.DECODED


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Entries of one kind, at most MOST of ``total``. ``title`` stands before them where they share a line, and leads to all of them.

    ``packs``: how short of room it has to be before they share a line (0: never, 1, 2); ``inline``: then that of what they belong to.
    ``newest``: where not all fit, the last ones count. ``counted``: what they belong to says how many they are.
    """

    title: Entry
    entries: tuple[Entry, ...]
    total: int
    packs: int = 0
    inline: bool = False
    newest: bool = False
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Something that ``]`` steps to: a line, and what is said below it. ``aside``: in the second column, where there is one."""

    head: Entry
    parts: tuple[Entry | Group, ...] = ()
    aside: bool = False
    is_verdict: bool = False


def overview(loaded: Loaded) -> tuple[Section, ...]:
    """All sections, in the order in which they matter."""
    state = loaded.state
    kids = {one.path.parts: one for one in read_children(loaded.root)}

    def kid(name: str) -> Entity:
        return kids.get((name,)) or Entity(path=EntityPath((name,)), kind=name, title=SafeText(name))

    sections = [_machine(state, kid("machine"))]
    sections += [_side(state, state.sides[name], kid(name)) for name in sides_shown(state)]
    sections.append(_scratch(state.scratch, kid("scratch"), next(iter(sides_meant(state)), None)))
    sections.append(_log(state.log, kid("log")))
    rows = check_rows(loaded, unfolded=False)
    findings = _findings(rows, kid("findings"))
    sections[0:0] = [_check(loaded, rows), *_targets(loaded, rows)]
    if any(row.is_fault and row.kind != "info" for row in rows):
        sections.insert(1, findings)
    else:
        sections.append(findings)
    verdict = Entry(label=NO_TEXT, text=loaded.verdict, spot=Location(EntityPath(("machine",)), value=0, pane="fields"))
    return (Section(verdict, is_verdict=True), *sections)


def _words(name: str, text: SafeText) -> Value:
    return Value(name=name, unit=Unit.TEXT, value=text.encode(), status=Status.DERIVED)


def _machine(state: State, entity: Entity) -> Section:
    machine = state.machine
    text = SafeText(f"{entity.summary}, {machine.platform.byte_order}-endian")
    head = Entry(label=SafeText("machine"), text=text, spot=Location(entity.path), value=_words("kernel", visible(machine.release or "")))
    files = plural(len(machine.files), "file")
    origin = SafeText(f"{machine.kind} of {files}")
    source = Entry(label=SafeText("source"), text=origin, spot=ListSpot(Where.SOURCES), value=_words("path", machine.path), short=origin)
    reasons = tuple(
        Entry(label=SafeText("because"), text=reason, spot=Location(entity.path), short=reason, value=_words("reason", reason))
        for reason in machine.platform_reasons
    )
    because = Group(title=Entry(label=SafeText("because"), spot=head.spot), entries=reasons, total=len(reasons), packs=2)
    return Section(head, (Group(title=source, entries=(source,), total=1, packs=2, inline=True), because), aside=True)


def _side(state: State, side: Side, entity: Entity) -> Section:
    path = entity.path
    release = state.registry.releases.of(side.writer or state.machine.release)
    step = release is not None and release.finalize is not Finalize.NONE
    untold = f"; finalized: {side.finalized.status.value}" if isinstance(side.finalized, Missing) and step and side.name == "out" else ""
    address = None if entity.address is None else Value(name="address", unit=Unit.PHYS, value=entity.address)
    place = MapPlace(side=side.name, address=entity.address, size=max(entity.size, 1), subject=path)
    text = SafeText(f"{entity.summary}{untold}")
    head = Entry(
        label=entity.title,
        text=text,
        status=entity.status,
        reason=entity.reason,
        spot=Location(path),
        place=place,
        value=address,
        short=SafeText(side.name),
    )
    parts: list[Entry | Group] = []
    subtrees: list[Entry] = []
    for child in read_children(entity):
        if child.kind == "tracker":
            parts += _preserved(side, child)
        elif child.kind == "subtree":
            subtrees.append(_subtree(child, side.name))
        elif child.kind == "copy":
            parts.append(Entry(label=child.title, text=child.summary, status=child.status, reason=child.reason, spot=Location(child.path)))
    if subtrees:
        parts.append(
            Group(
                title=Entry(label=SafeText("subtrees"), spot=Location(path)), entries=tuple(subtrees[:MOST]), total=len(subtrees), packs=2
            )
        )
    elif not side.subtrees_told:
        parts.append(Entry(label=SafeText("subtrees"), text=SafeText("not known"), spot=Location(path)))
    parts += _sessions(side)
    return Section(head, tuple(parts))


def _preserved(side: Side, entity: Entity) -> Iterator[Entry | Group]:
    fact = side.preserved
    place = MapPlace(side=side.name, subject=entity.path)
    if isinstance(fact, Missing):
        yield Entry(
            label=SafeText("preserved"), text=NO_TEXT, status=fact.status, reason=fact.reason, spot=Location(entity.path), place=place
        )
        return
    size = Value(name="bytes", unit=Unit.BYTES, value=fact.runs.bytes)
    yield Entry(
        label=SafeText("preserved"),
        text=entity.summary,
        status=entity.status,
        reason=entity.reason,
        spot=Location(entity.path),
        place=place,
        value=size,
    )
    shift, total = fact.runs.page_shift, fact.runs.bytes
    orders = []
    for number, (order, count) in enumerate(fact.runs.by_order.items()):
        each = count << (order + shift)
        text = SafeText(f"{plural(count, 'block')} of {human_size(1 << (order + shift))}, {human_size(each)}")
        # Rows of the tracker's own detail: blocks, bytes, runs, then the orders.
        spot = Location(entity.path, value=3 + number, pane="fields")
        share = each / total if total else 0.0
        value = Value(name="blocks", unit=Unit.COUNT, value=count)
        orders.append(
            Entry(
                label=SafeText(f"order {order}"),
                text=text,
                spot=spot,
                place=place,
                value=value,
                short=SafeText(str(order)),
                share=share,
                count=count,
            )
        )
    if orders:
        yield Group(
            title=Entry(label=SafeText("by order"), spot=Location(entity.path)), entries=tuple(orders[:MOST]), total=len(orders), packs=1
        )


def _subtree(entity: Entity, side: str) -> Entry:
    plain = entity.status in (Status.DECODED, Status.DERIVED)
    short = entity.title if plain else SafeText(f"{entity.title} ({entity.status.value})")
    value = _words("name", entity.title) if entity.address is None else Value(name="address", unit=Unit.PHYS, value=entity.address)
    place = MapPlace(side=side, address=entity.address, size=max(entity.size, 1), subject=entity.path)
    return Entry(
        label=entity.title,
        text=entity.summary,
        status=entity.status,
        reason=entity.reason,
        spot=Location(entity.path),
        place=place,
        value=value,
        short=short,
    )


def _sessions(side: Side) -> Iterator[Entry | Group]:
    for one in side.subtrees:
        sessions = one.sessions
        if sessions is None or one.status is Status.STALE:
            continue
        if isinstance(sessions, Missing):
            spot = Location(one.path.child("sessions"))
            yield Entry(label=SafeText("sessions"), text=NO_TEXT, status=sessions.status, reason=sessions.reason, spot=spot)
            continue
        entries = tuple(_session(session, side.name) for session in sessions.sessions[:MOST])
        title = Entry(label=SafeText("sessions"), text=NO_TEXT, status=sessions.status, reason=sessions.reason, spot=Location(one.path))
        if sessions.status is not Status.DECODED or not entries:
            yield Entry(
                label=title.label, text=sessions.count.words("session"), status=sessions.status, reason=sessions.reason, spot=title.spot
            )
        if entries:
            yield Group(title=title, entries=entries, total=len(sessions.sessions))


def _session(session: Session, side: str) -> Entry:
    label = SafeText(f"session {visible(session.name) or '(no name)'}")
    spot = Location(session.path)
    place = MapPlace(side=side, address=session.record.place.phys, size=max(len(session.record.data), 1), subject=session.path)
    value = Value(name="name", unit=Unit.TEXT, value=session.name)
    if isinstance(session.files, Missing):
        return Entry(
            label=label, text=NO_TEXT, status=session.files.status, reason=session.files.reason, spot=spot, place=place, value=value
        )
    contents = [file.content for file in session.files if not isinstance(file.content, Missing)]
    sizes = [size for size in (content.file_size() for content in contents) if size is not None]
    lacking = len(session.files) - len(sizes)
    count = session.file_count
    told = str(count.words("file"))
    if sizes:
        told += f", {'' if count.whole and not lacking else 'at least '}{human_size(sum(sizes))}"
    status, reason = session.standing()
    return Entry(label=label, text=SafeText(told), status=status, reason=reason, spot=spot, place=place, value=value)


def _scratch(scratch: Scratch | Missing, entity: Entity, side: str | None) -> Section:
    spot = ListSpot(Where.SCRATCH)
    if isinstance(scratch, Missing):
        return Section(Entry(label=SafeText("scratch"), text=NO_TEXT, status=scratch.status, reason=scratch.reason, spot=spot), aside=True)
    entries = []
    for number, area in enumerate(scratch.areas[:MOST]):
        name = SafeText(area.kind if area.node is None else f"node {area.node}")
        at = ListSpot(Where.SCRATCH, number)
        place = (
            None
            if side is None
            else MapPlace(side=side, address=area.start, size=max(area.size, 1), subject=EntityPath(("scratch", str(number))))
        )
        size = human_size(area.size) if area.size else "empty"
        start = Value(name="start", unit=Unit.PHYS, value=area.start)
        text = SafeText(f"{size} at {area.start:#x}")
        entries.append(Entry(label=name, text=text, spot=at, place=place, value=start, short=SafeText(f"{name} {size}")))
    head = Entry(label=SafeText("scratch"), text=entity.summary, status=entity.status, reason=entity.reason, spot=spot)
    return Section(head, (Group(title=head, entries=tuple(entries), total=len(scratch.areas), packs=2, inline=True),), aside=True)


def _log(lines: Sequence[LogLine], entity: Entity) -> Section:
    spot = Location(entity.path)
    counts = Counter(line.kind for line in lines)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    head = Entry(label=entity.title, text=SafeText(f"{entity.summary}: {kinds}" if kinds else entity.summary), spot=spot)
    first = max(0, len(lines) - MOST)
    entries = []
    for number, line in enumerate(lines[first:], first):
        said = SafeText(f"({line.side}) {visible(line.text)}" if line.side else visible(line.text))
        alarm = Status.DAMAGED if line.kind in ALARMS else Status.DECODED
        row = Location(entity.path, row=number, pane="rows")
        value = Value(name="line", unit=Unit.TEXT, value=line.text)
        entries.append(Entry(label=visible(line.time or "-"), text=said, spot=row, value=value, alarm=alarm))
    parts = (Group(title=head, entries=tuple(entries), total=len(lines), newest=True, counted=True),) if lines else ()
    return Section(head, parts, aside=True)


def _findings(rows: Sequence[CheckRow], entity: Entity) -> Section:
    faults = [row for row in rows if row.is_fault]
    counts = Counter(row.kind for row in faults)
    said = ", ".join(plural(counts[one], one) if one != "info" else f"{counts[one]} info" for one in WORST_FIRST if counts[one])
    head = Entry(label=entity.title, text=SafeText(said or "none"), spot=ListSpot(Where.FINDINGS))
    entries = tuple(
        Entry(
            label=SafeText(f"{row.kind} {row.code}"),
            text=row.message,
            spot=ListSpot(Where.FINDINGS, number),
            value=_words("message", row.message),
            alarm=_SEVERITY_STATUS[row.kind],
        )
        for number, row in enumerate(faults[:MOST])
    )
    return Section(head, (Group(title=head, entries=entries, total=len(faults), counted=True),) if entries else (), aside=True)


def _check(loaded: Loaded, rows: Sequence[CheckRow]) -> Section:
    at = next((number for number, row in enumerate(rows) if row.kind == CHECK), 0)
    text = verdict_line(loaded)
    return Section(Entry(label=SafeText("check"), text=text, spot=ListSpot(Where.FINDINGS, at), value=_words("verdict", text)))


def _targets(loaded: Loaded, rows: Sequence[CheckRow]) -> Iterator[Section]:
    """What each release would do with what would be handed over; in one line where there is little room."""
    judged = loaded.checking.judged
    if judged is None or judged.not_asked:
        return
    first = next(number for number, row in enumerate(rows) if row.kind == TARGET)
    by_word: dict[str, list[str]] = {}
    for found in judged.releases:
        by_word.setdefault(outcome_word(found), []).append(found.target.name)
    said = "; ".join(f"{word}: {_ranges(names, judged)}" for word, names in sorted(by_word.items(), key=lambda one: one[0] != "taken"))
    head = Entry(
        label=SafeText("releases"), text=SafeText(said), spot=ListSpot(Where.FINDINGS, first), value=_words("releases", SafeText(said))
    )
    entries = tuple(
        Entry(
            label=found.target.name,
            text=row.message,
            spot=ListSpot(Where.FINDINGS, first + number),
            value=_words("outcome", row.message),
            alarm=_ROLE_STATUS.get(row.role, Status.DECODED),
        )
        for number, (found, row) in enumerate(zip(judged.releases, rows[first:], strict=False))
    )
    yield Section(head, (Group(title=head, entries=entries, total=len(entries), packs=1, inline=True),), aside=True)


def _ranges(names: Sequence[str], judged: Judged) -> str:
    """Releases that follow on each other as the first and the last of them."""
    order = [found.target.name for found in judged.releases]
    told: list[list[str]] = []
    for name in names:
        if told and order.index(SafeText(name)) == order.index(SafeText(told[-1][-1])) + 1:
            told[-1].append(name)
        else:
            told.append([name])
    return ", ".join(f"{some[0]} to {some[-1]}" if len(some) > 1 else some[0] for some in told)
