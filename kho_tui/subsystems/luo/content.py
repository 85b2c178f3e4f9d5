"""LUO: how many live updates, the sessions and the FLBs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kho_tui.abi.luo import FLB_NODE_NAME, LUO_STRUCT_PROPERTY, SESSION_NODE_NAME, LuoFormat
from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import FieldValue, Record, Unit, field_named
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.content import LIVE_UPDATE_NUMBER, WHOLE, Standing, SubtreeContent, worst
from kho_tui.model.entities.values import derived, header_blobs, header_values, missing_entity, property_values, record_values, words
from kho_tui.model.entity import Entity, Value
from kho_tui.model.facts import Fact, Missing, NotWritten, Status, Unknown, known
from kho_tui.model.flbs import Flb, FlbList, flbs_entity
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json, further_fields
from kho_tui.model.kinds import KIND_BLOB, KIND_FLBS, KIND_SESSIONS
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import File, SessionList
from kho_tui.model.told import place_of, places, require_whole, told
from kho_tui.model.vmalloc import DescribedArea
from kho_tui.text import c_string, visible

if TYPE_CHECKING:
    from kho_tui.model.plain import Further, PlainFlbPage, PlainSession
    from kho_tui.subsystems.luo.plain import PlainLuo

FLBS_PATH = "FLBs"
"""Beside the sessions, so no session's path."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Luo(SubtreeContent):
    """LUO's state. ``header`` is the struct of luo-v2 on; ``properties`` are those of the FDT form by node, the root's under the empty
    name.
    """

    path: EntityPath
    format: LuoFormat
    properties: Mapping[bytes, tuple[FieldValue, ...]]
    header: Record | None
    number: Fact[int]
    sessions_at: Fact[int]
    flbs_at: Fact[int]
    sessions: SessionList | Missing
    flbs: FlbList | Missing

    @property
    def files(self) -> tuple[File, ...]:
        """The files of all sessions that could be read, in the order of the lists."""
        lists = () if isinstance(self.sessions, Missing) else (session.files for session in self.sessions.sessions)
        return tuple(file for files in lists if not isinstance(files, Missing) for file in files)

    @property
    def more(self) -> Further:
        """What its version has more in its struct, or in the root node of its FDT."""
        if self.header is not None:
            return self.header.further("compatible", "liveupdate_num", "sessions_pa", "flbs_pa")
        if self.format.node is None:
            return {}
        return self.format.node.further(self.properties.get(b"", ()), "compatible", "liveupdate-number", LUO_STRUCT_PROPERTY)

    def session_list(self) -> SessionList | Missing:
        """As far as it could be read."""
        return self.sessions

    def flb_list(self) -> FlbList | Missing | None:
        """As far as it could be read; None where there is no page of them."""
        return None if self.flbs_at == 0 else self.flbs

    def summary(self) -> str:
        """How many live updates and sessions."""
        number, sessions = self.number, self.sessions
        update = f"live update {number}" if isinstance(number, int) else f"live update number {number.status.value}"
        listed = f"sessions {sessions.status.value}"
        if not isinstance(sessions, Missing) and (sessions.sessions or sessions.count.whole):
            listed = sessions.count.words("session")
        return f"{update}, {listed}"

    def standing(self) -> Standing:
        """How far its lists can be trusted with all below them. What is not there at all has a line of its own."""
        lists = [one for one in (self.sessions, self.flbs) if not isinstance(one, Missing)]
        own = next(((one.status, one.reason) for one in lists if one.status is not Status.DECODED), WHOLE)
        sessions = () if isinstance(self.sessions, Missing) else self.sessions.sessions
        return worst(own, ((f"session {visible(one.name) or '(no name)'}", one.standing()) for one in sessions))

    def values(self) -> tuple[Value, ...]:
        """The properties of its FDT or the struct, and what the lists gave."""
        sessions, form = self.sessions, self.format
        count = sessions if isinstance(sessions, Missing) else len(sessions.sessions)
        return (
            *(
                replace(value, name=f"{node.decode()}/{value.name}") if node else value
                for node, properties in self.properties.items()
                for value in property_values(properties)
            ),
            words("releases", str(form.written) if form.released else f"never released ({form.written})", "that write this version of LUO"),
            *record_values(self.header),
            *header_values("sessions", () if isinstance(sessions, Missing) else sessions.headers),
            derived("sessions", Unit.COUNT, count, "sessions that could be read"),
        )

    def blobs(self) -> tuple[Blob, ...]:
        """The headers of the session list; the struct itself is the subtree's blob, but behind the FDT of luo-v2."""
        return () if isinstance(self.sessions, Missing) else header_blobs(self.sessions.headers)

    @property
    def has_children(self) -> bool:
        """Sessions and FLBs, or why there are none."""
        return True

    def children(self, platform: Platform) -> Sequence[Entity]:
        """Sessions, then FLBs."""
        flbs = flbs_entity(self.flbs, self.path.child(FLBS_PATH), platform)
        if isinstance(self.sessions, Missing):
            return [missing_entity(self.path.child("sessions"), "sessions", self.sessions), flbs]
        return [*(session.entity(platform) for session in self.sessions.sessions), flbs]

    def claims(self, collector: ClaimCollector) -> None:
        """The struct where it is not the blob, both lists, and what the sessions hold."""
        form, page_size = self.format, collector.page_size
        if self.header is not None and not form.is_struct and self.header.place.phys is not None:
            collector.pages(KIND_BLOB, self.path, self.header.place.phys, self.header.layout.size)
        size = form.sessions.bytes(page_size)
        if not isinstance(self.sessions, Missing):
            for header in self.sessions.headers:
                if header.place.phys is not None:
                    collector.pages(KIND_SESSIONS, self.path, header.place.phys, size)
            for session in self.sessions.sessions:
                session.claims(collector, form.files)
        elif isinstance(self.sessions_at, int) and self.sessions_at and not form.sessions.chained:
            # The array is there from boot on, before any session is written.
            collector.pages(KIND_SESSIONS, self.path, self.sessions_at, size)
        if isinstance(self.flbs_at, int) and self.flbs_at:
            collector.pages(KIND_FLBS, self.path.child(FLBS_PATH), self.flbs_at, form.flbs.bytes(page_size))
        for flb in self._flbs:
            flb.claims(collector)

    def gaps(self) -> Iterator[Gap]:
        """What of the lists was not read."""
        sessions, flbs = self.sessions, self.flbs
        if not isinstance(sessions, NotWritten) and sessions.status is not Status.DECODED:
            count = None if isinstance(sessions, Missing) else sessions.count
            yield Gap("sessions", self.path, sessions.status, sessions.reason, count)
        for session in () if isinstance(sessions, Missing) else sessions.sessions:
            yield from session.gaps()
        if self.flbs_at != 0 and not isinstance(flbs, NotWritten) and flbs.status is not Status.DECODED:
            yield Gap("FLBs", self.path, flbs.status, flbs.reason, None if isinstance(flbs, Missing) else flbs.count)
        for flb in self._flbs:
            yield from flb.gaps()

    def opaque(self) -> Iterator[str]:
        """Files of handlers, and data of FLBs, that nobody declares."""
        yield from (f"file {file.path}" for file in self.files if isinstance(file.content, Unknown))
        if any(flb.is_opaque for flb in self._flbs):
            yield "the FLBs' data"

    def always_kept(self) -> Iterator[tuple[int, bytes]]:
        """None."""
        return iter(())

    def counted(self) -> tuple[str, int] | None:
        """The live updates in a row."""
        return (LIVE_UPDATE_NUMBER, self.number) if isinstance(self.number, int) else None

    def written_by(self) -> bytes | None:
        """It does not say."""
        return None

    def areas(self) -> Iterator[DescribedArea | Missing]:
        """Those of its FLBs; those of its files are theirs."""
        for flb in self._flbs:
            if not isinstance(flb.content, Missing):
                yield from flb.content.areas()

    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """The number and both lists."""
        sessions, flbs = self.sessions, self.flbs
        return {
            "liveupdate_number": known(self.number),
            "sessions_state": sessions.status.value,
            "sessions_reason": sessions.reason,
            "sessions_count": None if isinstance(sessions, Missing) else sessions.count.of,
            "sessions": None if isinstance(sessions, Missing) else [session.json(rows=rows) for session in sessions.sessions],
            "flbs_state": "absent" if isinstance(flbs, FlbList) and flbs.header is None else flbs.status.value,
            "flbs_reason": flbs.reason,
            "flbs_count": None if isinstance(flbs, Missing) else flbs.count.of,
            "flbs": None if isinstance(flbs, Missing) else flbs.json(),
            **further_fields(self.more),
        }

    def plain(self) -> PlainLuo:
        """Its values."""
        from kho_tui.subsystems.luo.plain import PlainLuo

        pages, sessions = self._plain_sessions()
        flbs_at = told(self.flbs_at, self.path)
        return PlainLuo(
            form=self.format,
            number=told(self.number, self.path),
            session_compatible=self._compatible_of(SESSION_NODE_NAME),
            pages=pages,
            sessions=sessions,
            flb_compatible=self._compatible_of(FLB_NODE_NAME),
            flb_page=self._plain_flbs(flbs_at) if flbs_at else None,
            header=0 if self.header is None or self.format.is_struct else place_of(self.header),
            more=self.more,
        )

    @property
    def _flbs(self) -> Sequence[Flb]:
        return self.flbs.flbs if isinstance(self.flbs, FlbList) else ()

    def _compatible_of(self, node: bytes) -> bytes:
        """``compatible`` of the node of this name, empty where there is none."""
        found = field_named(self.properties.get(node, ()), "compatible")
        return b"" if found is None else c_string(found.raw)

    def _plain_flbs(self, at: int) -> PlainFlbPage:
        """The page at ``at``: made at boot, and empty until the reboot call."""
        from kho_tui.model.plain import PlainFlbPage

        if isinstance(self.flbs, NotWritten):
            return PlainFlbPage(at, 1, ())
        return told(self.flbs, self.path).plain(at, self.path)

    def _plain_sessions(self) -> tuple[tuple[int, ...], tuple[PlainSession, ...]]:
        at = told(self.sessions_at, self.path)
        if isinstance(self.sessions, NotWritten):
            return ((at,) if at else ()), ()
        sessions = told(self.sessions, self.path)
        require_whole(sessions.status, sessions.reason, self.path)
        return places(sessions.headers), tuple(session.plain(self.format.files) for session in sessions.sessions)
