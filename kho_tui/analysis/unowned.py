"""Why preserved memory has no owner that could be decoded: the likeliest reason, in the order of likelihood."""

from __future__ import annotations

from kho_tui.model.facts import Missing, Status, Unknown
from kho_tui.model.luo import FlbList, Luo, Memfd, NotWritten
from kho_tui.model.state import KhoTest, Memblock, RawContent, Side, State, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import SafeText

NOT_WRITTEN = SafeText("sessions not written yet: LUO does it inside the reboot call, so their pages have no owner before")
AMBIGUOUS = SafeText("the tracker can be read in another way too, and this reading may count memory that is not preserved")
OPAQUE = SafeText("an opaque owner: {names} may keep memory that nothing here can decode")
NOT_CAPTURED = SafeText("part of what says who owns it is not in this capture or damaged")
LEAK = SafeText("no decoded path leads to it: possibly a leak")


def unowned_reason(state: State, side: Side) -> SafeText:
    """The reason for the side's unowned memory, if it has any."""
    luo = [s.content for s in side.handed_over if isinstance(s.content, Luo)]
    if any(isinstance(one.sessions, NotWritten) for one in luo):
        return NOT_WRITTEN
    if isinstance(side.preserved, PreservedMap) and side.preserved.others:
        return AMBIGUOUS
    opaque = [*_opaque_subtrees(side.handed_over), *(name for one in luo for name in _opaque_in(one))]
    if opaque:
        return SafeText(OPAQUE.replace("{names}", ", ".join(opaque[:3])))
    if not side.subtrees_told or any(_not_captured(s) for s in side.handed_over):
        return NOT_CAPTURED
    return LEAK


def _opaque_subtrees(subtrees: tuple[Subtree, ...]) -> list[str]:
    return [f"subtree {s.path.parts[-1]}" for s in subtrees if isinstance(s.content, RawContent | Unknown)]


def _opaque_in(luo: Luo) -> list[str]:
    files = [
        f for s in ([] if isinstance(luo.sessions, Missing) else luo.sessions.sessions) if not isinstance(s.files, Missing) for f in s.files
    ]
    names = [f"file {f.path}" for f in files if isinstance(f.content, Unknown)]
    if isinstance(luo.flbs, FlbList) and luo.flbs.flbs:
        names.append("the FLBs' data")
    return names


def _not_captured(subtree: Subtree) -> bool:
    content = subtree.content
    if isinstance(content, Missing):
        return True
    if isinstance(content, KhoTest):
        return isinstance(content.folios, Missing)
    if isinstance(content, Memblock):
        return any(isinstance(region.start, Missing) or isinstance(region.size, Missing) for region in content.regions)
    if not isinstance(content, Luo):
        return False
    if isinstance(content.sessions, Missing) or content.sessions.status is not Status.DECODED:
        return True
    for session in content.sessions.sessions:
        if isinstance(session.files, Missing) or session.status is not Status.DECODED:
            return True
        for file in session.files:
            if isinstance(file.content, Memfd) and (
                isinstance(file.content.folios, Missing) or file.content.folios.status is not Status.DECODED
            ):
                return True
    return False
