"""What of a side could not be read: every count and sum that could be larger for it is a lower bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.model.facts import Count, Missing, Status, Unknown
from kho_tui.model.luo import Luo, Memfd, NotWritten, Session
from kho_tui.model.path import EntityPath
from kho_tui.model.state import KhoTest, Memblock, Side, Subtree
from kho_tui.text import NO_TEXT, SafeText

Part: TypeAlias = Literal["root FDT", "subtrees", "tracker", "blob", "regions", "sessions", "files", "folios", "FLBs"]

_NOWHERE = SafeText("where it lies is not known")
_PART = SafeText("only part of it could be read")


@dataclass(frozen=True, slots=True)
class Gap:
    """A structure that is not here, or not whole: which part of what ``path`` names, and why.

    ``count``: of how many of its entries, where that is known.
    """

    part: Part
    path: EntityPath
    status: Status
    reason: SafeText
    count: Count | None = None

    @property
    def hides_owners(self) -> bool:
        """Whether it may name owners of memory that nothing else names."""
        return self.part != "tracker"

    @property
    def words(self) -> SafeText:
        """In a line."""
        name = self.path.text if self.part in ("blob", "root FDT") and len(self.path.parts) > 1 else f"{self.part} of {self.path}"
        return SafeText(f"{name}: {self.reason}" if self.reason else f"{name}: {self.status.value}")


def gaps(side: Side) -> tuple[Gap, ...]:
    """All of them, the tracker's first. What a kernel has not written yet, and what is of a version that nobody knows, is none.

    >>> from kho_tui.operations.open_state import open_state
    >>> [gap.words for gap in gaps(open_state(path, Context()).state.sides["out"])]
    ['folios of out/LUO/b/0x1: 0 of 5 folios could be read']
    """
    return tuple(_gaps(side))


def _gaps(side: Side) -> Iterator[Gap]:
    path, root = EntityPath((side.name,)), side.root
    if side.preserved.status is not Status.DECODED:
        yield Gap("tracker", path, side.preserved.status, side.preserved.reason)
    if isinstance(root, Missing):
        yield Gap("root FDT", path, root.status, root.reason)
    else:
        if root.view.tree.salvaged:
            yield Gap("root FDT", path, Status.PARTIAL, _PART)
        if isinstance(root.phys, Missing):
            yield Gap("root FDT", path, root.phys.status, _NOWHERE)
    if side.subtrees_told and not side.lists_all:
        yield Gap("subtrees", path, Status.PARTIAL, _PART, side.subtree_count)
    for subtree in side.handed_over:
        yield from _of_subtree(subtree)


def _of_subtree(subtree: Subtree) -> Iterator[Gap]:
    path, content = subtree.path, subtree.content
    if isinstance(subtree.phys, Missing):
        yield Gap("blob", path, subtree.phys.status, _NOWHERE)
    if subtree.lookup_name == KEXEC_METADATA_NAME:
        # It owns its blob and nothing else.
        return
    if isinstance(content, Missing):
        if not isinstance(content, Unknown):
            yield Gap("blob", path, content.status, content.reason)
        return
    if subtree.status not in (Status.DECODED, Status.UNKNOWN):
        yield Gap("blob", path, subtree.status, subtree.reason)
    if isinstance(content, KhoTest):
        yield from _of_test(content, path)
    elif isinstance(content, Memblock):
        yield from _of_memblock(content, path)
    elif isinstance(content, Luo):
        yield from _of_luo(content, path)


def _of_test(test: KhoTest, path: EntityPath) -> Iterator[Gap]:
    count = test.folio_count
    if isinstance(test.folios, Missing):
        yield Gap("folios", path, test.folios.status, test.folios.reason)
    elif not isinstance(test.area, Missing) and test.area.status is not Status.DECODED:
        # 6.16 and 6.17 have no area: the list lies in the FDT.
        yield Gap("folios", path, test.area.status, test.area.reason, count)
    elif not count.whole:
        yield Gap("folios", path, Status.PARTIAL, SafeText(f"{count.words('folio')} could be read"), count)


def _of_memblock(content: Memblock, path: EntityPath) -> Iterator[Gap]:
    if not content.count.whole:
        yield Gap("regions", path, Status.PARTIAL, _PART, content.count)
    for region in content.regions:
        for fact in (region.start, region.size):
            if isinstance(fact, Missing):
                yield Gap("blob", region.path, fact.status, fact.reason)


def _of_luo(luo: Luo, path: EntityPath) -> Iterator[Gap]:
    sessions, flbs = luo.sessions, luo.flbs
    if not isinstance(sessions, NotWritten) and sessions.status is not Status.DECODED:
        count = None if isinstance(sessions, Missing) else sessions.count
        yield Gap("sessions", path, sessions.status, sessions.reason, count)
    for session in () if isinstance(sessions, Missing) else sessions.sessions:
        yield from _of_session(session)
    if luo.flbs_at != 0 and not isinstance(flbs, NotWritten) and flbs.status is not Status.DECODED:
        yield Gap("FLBs", path, flbs.status, flbs.reason, None if isinstance(flbs, Missing) else flbs.count)


def _of_session(session: Session) -> Iterator[Gap]:
    if isinstance(session.files, Missing):
        yield Gap("files", session.path, session.files.status, session.files.reason, session.file_count)
        return
    if session.status is not Status.DECODED:
        yield Gap("files", session.path, session.status, session.reason, session.file_count)
    for file in session.files:
        content = file.content
        listed = content.folios if isinstance(content, Memfd) else content
        if listed.status is not Status.DECODED and not isinstance(listed, Unknown):
            count = content.folio_count if isinstance(content, Memfd) else None
            yield Gap("folios", file.path, listed.status, listed.reason or NO_TEXT, count)
