"""What rules look at: a side of a state with its tracker, and what its subtrees hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from kho_tui.abi.luo import LUO_NAME
from kho_tui.analysis.checks.answer import FLBS, SCRATCH, SESSIONS, Found
from kho_tui.analysis.checks.tracker_evidence import TrackerEvidence
from kho_tui.model.codes import POINTER_GAP
from kho_tui.model.content import Content, FileContent, FlbContent, SubtreeContent
from kho_tui.model.facts import Missing, Status
from kho_tui.model.flbs import Flb
from kho_tui.model.gaps import not_read
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import File, Session, SessionList
from kho_tui.model.state import Scratch, Subtree
from kho_tui.model.vmalloc import DescribedArea
from kho_tui.text import SafeText, plural, visible

C = TypeVar("C", bound=SubtreeContent)


@dataclass(frozen=True, eq=False)
class Evidence(TrackerEvidence):
    """A side, its tracker and what the subtrees hold: LUO's sessions and files, and vmalloc areas."""

    def scratch(self, found: Found) -> Scratch | None:
        """The scratch areas."""
        scratch = found.need(self.state.scratch, SCRATCH)
        if scratch is not None and scratch.reason:
            found.lack(SCRATCH, scratch.reason)
        return scratch

    def content(self, name: bytes, kind: type[C], found: Found) -> C | None:
        """What the subtree of this name says; None where there is none, and where it cannot be read, which is noted as a lack."""
        subtree = self.subtree(name, found)
        if subtree is None:
            return None
        if not isinstance(subtree.content, kind):
            found.lack(f"content of {visible(name)}", subtree.reason)
            return None
        return subtree.content

    @cached_property
    def unread(self) -> SafeText | None:
        """Why this is no check of the whole state: a structure of it was not read, or only in part; None where all were.

        The worst first: root FDT, tracker, LUO's root, then whatever else of the side, and the scratch table. A bare blob or scratch
        table is asked what it can answer. What no capture has by its nature (contents, another boot, files beside the state) is none of it.
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
        if luo is not None and luo.status is not Status.STALE:
            if isinstance(luo.content, Missing):
                return SafeText(f"LUO's state was not read: {luo.reason}")
            if luo.outdated:
                return SafeText(f"LUO's state was not read: {luo.outdated}")
        lacking = [*self._unread_pages, *(gap.words for gap in not_read(self.side)), *self._unread_blobs]
        if (scratch := self.state.scratch_unread) is not None:
            lacking.append(SafeText(f"{SCRATCH}: {scratch}"))
        more = f", and {plural(len(lacking) - 1, 'more part')}" if len(lacking) > 1 else ""
        return SafeText(f"not all of the state was read: {lacking[0]}{more}") if lacking else None

    @property
    def _unread_pages(self) -> Iterator[SafeText]:
        """The pages of the tracker that could not be read."""
        return (one.message for one in self.met(self.tracker_path, POINTER_GAP.name))

    @property
    def _unread_blobs(self) -> Iterator[SafeText]:
        """Blobs that only an earlier copy shows; what debugfs of the running machine shows is as late as memory."""
        if self.state.machine.kind == "live":
            return
        for subtree in self.side.handed_over:
            if subtree.status is not Status.STALE and self.only_earlier(subtree):
                yield SafeText(f"blob of {subtree.path} in memory: only an earlier copy in debugfs")

    def session_list(self, found: Found) -> SessionList | None:
        """The list of sessions as far as it was read; whether that is all is for the rule to say."""
        luo = self._keeper(found)
        return None if luo is None or luo.sessions is None else found.need(luo.sessions, SESSIONS)

    def _keeper(self, found: Found) -> Subtree | None:
        """The subtree that keeps sessions and FLBs; None where there is none, and where it cannot be read, which is noted as a lack."""
        luo = self.subtree(LUO_NAME, found)
        if luo is None or luo.sessions is not None:
            return luo
        found.lack(f"content of {visible(LUO_NAME)}", luo.reason)
        return None

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

    def handled_files(self, found: Found, handler: bytes = b"") -> Iterator[tuple[File, FileContent]]:
        """All files whose handler is declared, or those of one ``handler``; one whose content cannot be read is noted as a lack.

        >>> for file, content in evidence.handled_files(found, b"memfd"):
        ...     print(file.path, content.summary())
        """
        some = False
        for _, file in self.files(found):
            declared = self.state.registry.handler_like(file.compatible)
            if declared is None or handler not in (b"", declared.family.name):
                continue
            some = True
            if not isinstance(file.content, Missing):
                yield file, file.content
                continue
            unknown = file.content.status is Status.UNKNOWN
            reason = f"{visible(file.compatible)} is a version that is not known here" if unknown else file.content.reason
            found.lack(f"{declared.family.name.decode()} struct of {file.path}", reason)
        if handler and not some and not found.lacks:
            found.not_here(f"no {visible(handler)} is preserved")

    def flbs(self, found: Found) -> tuple[Flb, ...]:
        """The file-lifecycle-bound data; that some could not be read is noted as a lack."""
        luo = self._keeper(found)
        listed = None if luo is None or luo.flbs is None else found.need(luo.flbs, FLBS)
        if listed is None:
            return ()
        if listed.status is not Status.DECODED:
            found.lack(FLBS, listed.reason)
        return listed.flbs

    def handled_flbs(self, found: Found, name: bytes) -> Iterator[tuple[Flb, FlbContent]]:
        """The FLBs of one name; one whose content cannot be read is noted as a lack.

        >>> for flb, content in evidence.handled_flbs(found, b"pci"):
        ...     print(flb.path, content.summary())
        """
        flbs = [flb for flb in self.flbs(found) if flb.name == name]
        for flb in flbs:
            content = found.need(flb.content, f"content of {flb.path}")
            if content is not None:
                yield flb, content
        if not flbs and not found.lacks:
            found.not_here(f"no FLB {visible(name)} is handed over")

    def areas(self, found: Found) -> Iterator[DescribedArea]:
        """All vmalloc areas, of subtrees and of files."""
        some = False
        for area in self._areas(found):
            some = True
            yield area
        if some:
            found.not_here("")
        elif not found.lacks:
            found.not_here("no vmalloc area is preserved")

    def _areas(self, found: Found) -> Iterator[DescribedArea]:
        for subtree in self.side.handed_over:
            if isinstance(subtree.content, SubtreeContent) and subtree.status is not Status.STALE:
                yield from self._described(subtree.content, subtree.path, found)
        if self.named(LUO_NAME) is None:
            self.subtrees(found)
            return
        for file, content in self.handled_files(found):
            yield from self._described(content, file.path, found)

    def _described(self, content: Content, path: EntityPath, found: Found) -> Iterator[DescribedArea]:
        for area in content.areas():
            if isinstance(area, Missing):
                found.lack(f"page list of {path}", area.reason)
            else:
                yield area

    def owners(self, found: Found) -> None:
        """Note what is not known of who owns which memory."""
        for subtree in self.subtrees(found):
            if isinstance(subtree.content, Missing) and subtree.status is not Status.UNKNOWN:
                found.lack(f"content of {subtree.path}", subtree.reason)
        # What of the lists of sessions and files is not there, files() notes.
        contents = (content for content in self.side.contents if content.session_list() is None)
        has_luo = self.named(LUO_NAME) is not None
        files, flbs = (self.handled_files(found), self.flbs(found)) if has_luo else ((), ())
        owners: list[Content | Flb] = [*contents, *(content for _, content in files), *flbs]
        for owner in owners:
            for gap in owner.gaps():
                # A list that was read whole may lie in an area that is damaged.
                if gap.count is None or not gap.count.whole:
                    found.lack(f"{gap.part} of {gap.path}", gap.reason)
        found.not_here("")
