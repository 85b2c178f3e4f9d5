"""What became of sessions, files and FLBs: all of them are reached through LUO's own memory."""

from __future__ import annotations

from kho_tui.analysis.diff.carried import folio_contents
from kho_tui.analysis.diff.ends import Ends, as_expected, kept, made, text_of
from kho_tui.analysis.diff.expected import NOT_WRITTEN_YET
from kho_tui.analysis.diff.failed import sessions_failed
from kho_tui.model.change import EntityFate, Fate
from kho_tui.model.contents.luo import Luo
from kho_tui.model.contents.sessions import NotWritten
from kho_tui.model.entity import Entity
from kho_tui.model.path import EntityPath
from kho_tui.text import plural


def session_fate(entity: Entity, ends: Ends) -> EntityFate:
    """Retrieved where one of its files is preserved again, lost where the log says that none can be retrieved."""
    again = [again for again in (_again(child, ends) for child in entity.children()) if again is not None]
    if again:
        return kept(entity, f"retrieved: B preserves pages of its files again, as {again[0]}", again[0].parent)
    return _unless_no_session(entity, ends)


def file_fate(entity: Entity, ends: Ends) -> EntityFate:
    """Retrieved where the next kernel preserves the same folios again."""
    again = _again(entity, ends)
    if again is not None:
        count = len(ends.before.folios[entity.path.child("folios")].table)
        return kept(entity, f"retrieved: B preserves the same {plural(count, 'folio')} again, as {again}", again)
    return _unless_no_session(entity, ends)


def flb_fate(entity: Entity, ends: Ends) -> EntityFate:
    """By the line of the one that asks for it."""
    said = ends.log.flbs.get(text_of(entity, "name"))
    return kept(entity, said) if said is not None else _unless_off(entity, ends)


def unread_list_fate(entity: Entity, ends: Ends) -> EntityFate:
    """A list of sessions or FLBs that is not told before: written later, or not to be read."""
    subtree = ends.before.subtrees.get(entity.path.parent)
    luo = subtree.content if subtree is not None and isinstance(subtree.content, Luo) else None
    lists = [] if luo is None else [luo.sessions if entity.kind == "sessions" else luo.flbs]
    if any(isinstance(one, NotWritten) for one in lists):
        return made(Fate.MAY, entity, NOT_WRITTEN_YET)
    return made(Fate.UNTOLD, entity, f"not known before: {entity.reason or entity.status.value}")


def _unless_no_session(entity: Entity, ends: Ends) -> EntityFate:
    failure = sessions_failed(ends)
    if failure is not None:
        return made(Fate.LOST, entity, f"no session can be retrieved: {failure.said}")
    return _unless_off(entity, ends)


def _unless_off(entity: Entity, ends: Ends) -> EntityFate:
    return as_expected(entity, ends) if ends.off.luo is None else made(Fate.LOST, entity, f"nobody can retrieve it: {ends.off.luo}")


def _again(entity: Entity, ends: Ends) -> EntityPath | None:
    folios = ends.before.folios.get(entity.path.child("folios"))
    held = None if folios is None else folio_contents(folios)
    return None if held is None else ends.again.get(held)
