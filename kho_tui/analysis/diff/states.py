"""Two states compared: sides paired, entities matched, memory subtracted, and everything put below its cause."""

from __future__ import annotations

from kho_tui.analysis.diff.carried import join_carried
from kho_tui.analysis.diff.causes import Owners, settle
from kho_tui.analysis.diff.half import Half
from kho_tui.analysis.diff.match import Found, compare_halves
from kho_tui.analysis.diff.memory import NOTHING, Differing, compare_runs, owners_of
from kho_tui.analysis.diff.node import Node
from kho_tui.analysis.diff.scratch import compare_scratch
from kho_tui.analysis.diff.trackers import compare_trackers, tracker_entity
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import ChangeKind, Diff, MemoryChange, Part, Untold
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import Entity
from kho_tui.model.facts import Missing, Status
from kho_tui.model.sides import side_untold, sides_shown
from kho_tui.model.state import Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import NO_TEXT, SafeText

_UNSIDED = SafeText("which of its sides this one would be is not known")


def diff_states(old: State, new: State, context: Context | None = None) -> Diff:
    """What differs from ``old`` (A) to ``new`` (B). Raises InputError where they have nothing that can be compared, Cancelled."""
    context = context or Context()
    tops = [_by_name(state_entity(state)) for state in (old, new)]
    pairs = paired_sides(old, new)
    scratch_told = not isinstance(old.scratch, Missing) and not isinstance(new.scratch, Missing)
    if not pairs and not scratch_told:
        raise InputError("nothing to compare: the two have no side in common, and no scratch table")
    changes = compare_scratch(old.scratch, new.scratch, (tops[0]["scratch"], tops[1]["scratch"]))
    roots = [node.change() for node in changes]
    memory: list[MemoryChange] = []
    untold = _scratch_untold(old, new, tops[0]["scratch"])
    for name, other in pairs:
        side = _diff_sides((old, old.sides[name], tops[0][name]), (new, new.sides[other], tops[1][other]), context)
        roots += side.changes
        memory += side.memory
        untold += side.untold
    left = _left_over(old, new, pairs, tops)
    roots += [node.change() for node in left.nodes]
    return Diff(pairs, tuple(roots), tuple(memory), (*untold, *left.untold))


def paired_sides(old: State, new: State) -> tuple[tuple[str, str], ...]:
    """Sides of one name; where none is, and each state has but one, these two."""
    common = tuple((name, name) for name in sides_shown(old) if name in new.sides)
    if not common and len(old.sides) == len(new.sides) == 1:
        return ((next(iter(old.sides)), next(iter(new.sides))),)
    return common


def _by_name(top: Entity) -> dict[str, Entity]:
    return {one.path.parts[0]: one for one in top.children()}


def _scratch_untold(old: State, new: State, entity: Entity) -> list[Untold]:
    """Nothing where both tables are known."""
    reasons = [state.scratch.reason for state in (old, new) if isinstance(state.scratch, Missing) or state.scratch.lacks_some]
    return [Untold("scratch", entity.path, SafeText("scratch"), reason) for reason in reasons[:1]]


def _diff_sides(a: tuple[State, Side, Entity], b: tuple[State, Side, Entity], context: Context) -> Diff:
    (old_state, old, old_entity), (new_state, new, new_entity) = a, b
    before = Half(registry=old_state.registry, side=old, entity=old_entity)
    after = Half(registry=new_state.registry, side=new, entity=new_entity)
    found = compare_halves(before, after, context)
    roots = settle(join_carried(found.nodes, before, after, context), before)
    owners = Owners(roots)
    left: list[MemoryChange] = []
    differing = Differing(NOTHING, NOTHING, NOTHING)
    preserved, other = old.preserved, new.preserved
    if isinstance(preserved, PreservedMap) and isinstance(other, PreservedMap):
        differing = compare_runs(preserved.runs, other.runs, context)
        parts = [(Part.OLD, differing.old, old, old_state), (Part.NEW, differing.new, new, new_state)]
        parts.append((Part.ORDER, differing.order, old, old_state))
        for part, memory, side, state in parts:
            if _may_be_unread(part, preserved, other):
                continue
            left += [change for kind, change in owners_of(part, memory, side, state, context) if not owners.explain(kind, change)]
    trackers = compare_trackers(old, new, (tracker_entity(old_entity), tracker_entity(new_entity)), differing, left)
    if trackers is not None:
        pointer = (node for node in roots if node.entity is old_entity and any(f.name == "preserved-memory-map" for f in node.fields))
        next((node.below for node in pointer), roots).append(trackers)
    found.untold += _tracker_untold(old, new, old_entity)
    return Diff(((old.name, new.name),), tuple(node.change() for node in roots), tuple(left), tuple(found.untold))


def _may_be_unread(part: Part, old: PreservedMap, new: PreservedMap) -> bool:
    """Whether memory that one tracker lacks may only stand in a part of it that could not be read."""
    partial = {Part.OLD: (new,), Part.NEW: (old,), Part.ORDER: (old, new)}[part]
    return any(one.status is not Status.DECODED and not one.damaged for one in partial)


def _tracker_untold(old: Side, new: Side, entity: Entity) -> list[Untold]:
    for fact in (old.preserved, new.preserved):
        if isinstance(fact, Missing) or fact.status is not Status.DECODED:
            path = entity.path.child("preserved")
            reason = fact.reason or SafeText("not all of the tracker could be read")
            return [Untold("tracker", path, SafeText("preserved memory"), reason)]
    return []


def _left_over(old: State, new: State, pairs: tuple[tuple[str, str], ...], tops: list[dict[str, Entity]]) -> Found:
    """Sides that only one of the states has."""
    found = Found()
    used = [{name for name, _ in pairs}, {name for _, name in pairs}]
    for number, (state, other) in enumerate(((old, new), (new, old))):
        for name in (name for name in sides_shown(state) if name not in used[number]):
            entity = tops[number][name]
            reason = side_untold(other, name) or (_UNSIDED if name == "unsided" else NO_TEXT)
            if reason:
                told = SafeText(f"the other state does not tell this side: {reason}")
                found.untold.append(Untold(entity.kind, entity.path, entity.title, told))
            elif number == 0:
                found.nodes.append(Node(kind=ChangeKind.REMOVED, old=entity, new=None, note=entity.summary))
            else:
                found.nodes.append(Node(kind=ChangeKind.ADDED, old=None, new=entity, note=entity.summary))
    return found
