"""What rules look at: a side of a state with its tracker, and what its subtrees hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memfd import MEMFD_VERSION
from kho_tui.analysis.checks.answer import SESSIONS, Found
from kho_tui.analysis.checks.tracker_evidence import TrackerEvidence
from kho_tui.model.contents.kho_test import KhoTest
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.memfd import FolioArray, Memfd
from kho_tui.model.contents.sessions import File, NotWritten, Session, SessionList
from kho_tui.model.facts import Missing, Stale, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.vmalloc import VmallocArea
from kho_tui.text import SafeText, visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A vmalloc area as its descriptor says it, with what was found of it."""

    path: EntityPath
    first: int
    total_pages: int
    flags: int
    order: int
    found: VmallocArea | Missing


@dataclass(frozen=True, eq=False)
class Evidence(TrackerEvidence):
    """A side, its tracker and what the subtrees hold: LUO's sessions and files, and vmalloc areas."""

    def luo(self, found: Found) -> Luo | None:
        """LUO's state."""
        subtree = self.subtree(LUO_NAME, found)
        if subtree is None:
            return None
        if not isinstance(subtree.content, Luo):
            found.lack("content of LUO", subtree.reason)
            return None
        return subtree.content

    @cached_property
    def unread(self) -> SafeText | None:
        """Why a structure was not read without which most rules mean nothing: root FDT, tracker or LUO's root; None where all were.

        A bare blob or scratch table is asked what it can answer; what LUO's root leads to is told rule by rule.
        """
        root = self.side.root
        if self.side.name not in self.state.sides or (self.side.name == "unsided" and self.held is None):
            return None
        if isinstance(root, Missing):
            return SafeText(f"the root FDT was not read: {root.reason}")
        if root.view.tree.root is None or root.version_unread:
            why = root.map_address.reason if isinstance(root.map_address, Missing) else "its version could not be read"
            return SafeText(f"the root FDT was not read: {why}")
        if root.format is None:
            return SafeText(f"the root FDT is of a version that is not known here: {visible(root.compatible or b'none')}")
        preserved = self.side.preserved
        if isinstance(preserved, Missing) and preserved.status in (Status.UNAVAILABLE, Status.DAMAGED):
            return SafeText(f"the tracker was not read: {preserved.reason}")
        if not isinstance(preserved, Missing) and preserved.status is not Status.DECODED and not preserved.runs.blocks:
            return SafeText(f"nothing that the tracker lists was read: {preserved.reason}")
        cut = f", of which there are {root.view.tree.extent}" if root.view.tree.truncated else ""
        if isinstance(root.handed, Missing):
            return SafeText(f"the root FDT was not read but for an earlier copy{cut}: {root.handed.reason}")
        if cut:
            return SafeText(f"the root FDT was read in part only: {root.view.tree.extent}")
        luo = self.named(LUO_NAME)
        if luo is None or luo.status is Status.STALE:
            return None
        if isinstance(luo.content, Missing):
            return SafeText(f"LUO's state was not read: {luo.reason}")
        return SafeText(f"LUO's state was not read: {luo.outdated}") if luo.outdated else None

    def session_list(self, found: Found) -> SessionList | None:
        """The list of sessions as far as it was read; whether that is all is for the rule to say."""
        luo = self.luo(found)
        if luo is None:
            return None
        if isinstance(luo.sessions, NotWritten):
            found.lack(SESSIONS, luo.sessions.reason)
            return None
        return found.need(luo.sessions, SESSIONS)

    def sessions(self, found: Found) -> tuple[Session, ...]:
        """The sessions; that some could not be read is noted as a lack."""
        listed = self.session_list(found)
        if listed is None:
            return ()
        if listed.status is not Status.DECODED:
            found.lack(SESSIONS, listed.reason)
        return listed.sessions

    def files(self, found: Found) -> Iterator[tuple[Session, File]]:
        """All files of all sessions; that some could not be read is noted as a lack."""
        some = False
        for number, session in enumerate(self.sessions(found)):
            if number % 64 == 0:
                self.context.step("checking sessions", number)
            name = f"files of session {visible(session.name)}"
            for file in found.need(session.files, name) or ():
                some = True
                yield session, file
            if not isinstance(session.files, Missing) and session.status is not Status.DECODED:
                found.lack(name, session.reason)
        if not some and not found.lacks:
            found.not_here("no file is preserved")

    def memfd_files(self, found: Found) -> Iterator[File]:
        """All files with a memfd's handler, whether their struct can be read or not."""
        some = False
        for _, file in self.files(found):
            if isinstance(file.content, Memfd) or (isinstance(file.content, Missing) and file.content.status is not Status.UNKNOWN):
                some = True
                yield file
            elif MEMFD_VERSION.fullmatch(file.compatible):
                found.lack(f"memfd struct of {file.path}", f"{visible(file.compatible)} is a version that is not known here")
        if not some and not found.lacks:
            found.not_here("no memfd is preserved")

    def memfds(self, found: Found) -> Iterator[tuple[File, Memfd]]:
        """All memfds; one whose struct cannot be read is noted as a lack."""
        for file in self.memfd_files(found):
            if isinstance(file.content, Memfd):
                yield file, file.content
            elif isinstance(file.content, Missing):
                found.lack(f"memfd struct of {file.path}", file.content.reason)

    def folios(self, found: Found) -> Iterator[tuple[File, Memfd, FolioArray]]:
        """All memfds whose folios were read; that some were not is noted as a lack."""
        for file, memfd in self.memfds(found):
            folios = found.need(memfd.folios, f"folios of {file.path}")
            if folios is not None:
                if folios.status is not Status.DECODED:
                    found.lack(f"folios of {file.path}", folios.reason)
                yield file, memfd, folios

    def areas(self, found: Found) -> Iterator[Area]:
        """All vmalloc areas: folio arrays of memfds, and the test module's list."""
        some = False
        for area in self._areas(found):
            some = True
            yield area
        if some:
            found.not_here("")
        elif not found.lacks:
            found.not_here("no vmalloc area is preserved")

    def _areas(self, found: Found) -> Iterator[Area]:
        for subtree in self.side.handed_over:
            content = subtree.content
            if isinstance(content, KhoTest) and subtree.status is not Status.STALE:
                if isinstance(content.area, Stale):
                    found.lack("test module's list", content.area.reason)
                elif isinstance(content.area, VmallocArea):
                    area = content.area
                    yield Area(
                        path=subtree.path.child("folios"),
                        first=area.first,
                        total_pages=area.total_pages,
                        flags=area.flags,
                        order=area.order,
                        found=area,
                    )
        if self.named(LUO_NAME) is None:
            self.subtrees(found)
            return
        for file, memfd in self.memfds(found):
            first, total, flags, order = (memfd.record.integer(f"folios.{name}") for name in ("first", "total_pages", "flags", "order"))
            if first or total or memfd.nr_folios:
                folios = memfd.folios
                yield Area(
                    path=file.path.child("folios"),
                    first=first,
                    total_pages=total,
                    flags=flags,
                    order=order,
                    found=folios if isinstance(folios, Missing) else folios.area,
                )

    def owners(self, found: Found) -> None:
        """Note what is not known of who owns which memory."""
        for subtree in self.subtrees(found):
            if isinstance(subtree.content, Missing) and subtree.status is not Status.UNKNOWN:
                found.lack(f"content of {subtree.path}", subtree.reason)
            elif isinstance(subtree.content, KhoTest):
                found.need(subtree.content.folios, "list of the test module's folios")
        for _ in self.folios(found) if self.named(LUO_NAME) is not None else ():
            pass
        found.not_here("")
