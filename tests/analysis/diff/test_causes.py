"""One root of change for what one thing did: everything else stands below it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from captures import sample

from kho_tui.analysis.diff.states import diff_states
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.change import Change, ChangeKind, Diff, Part
from kho_tui.model.facts import Stale, Status, Unavailable
from kho_tui.model.runs import make_runs
from kho_tui.model.sessions import Session, SessionList
from kho_tui.model.state import Side, State, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.memblock.content import Memblock
from kho_tui.subsystems.memfd.content import FolioArray, Memfd
from kho_tui.text import SafeText

PAGE = 4096


@cache
def before() -> State:
    with open_state(sample("x86_64-7.1/1-pre"), Context()) as opened:
        return opened.state


def side() -> Side:
    return before().sides["out"]


def with_side(**parts: object) -> State:
    return replace(before(), sides={"out": replace(side(), **parts)})  # type: ignore[arg-type]


def luo() -> tuple[int, Luo]:
    number = next(number for number, one in enumerate(side().subtrees) if one.name == b"LUO")
    content = side().subtrees[number].content
    assert isinstance(content, Luo)
    return number, content


def with_sessions(sessions: tuple[Session, ...], **parts: object) -> State:
    number, content = luo()
    assert isinstance(content.sessions, SessionList)
    changed = replace(content, sessions=replace(content.sessions, sessions=sessions))
    subtrees = (*side().subtrees[:number], replace(side().subtrees[number], content=changed), *side().subtrees[number + 1 :])
    return with_side(subtrees=subtrees, **parts)


def sessions() -> tuple[Session, ...]:
    _, content = luo()
    assert isinstance(content.sessions, SessionList)
    return content.sessions.sessions


def renamed(session: Session, name: bytes) -> Session:
    path = session.path.parent.named(name)
    record = replace(session.record, data=name.ljust(64, b"\0") + session.record.data[64:])
    assert isinstance(session.files, tuple)
    files = tuple(replace(file, path=path.child(file.path.parts[-1])) for file in session.files)
    return replace(session, path=path, record=record, files=files)


def only(diff: Diff) -> Change:
    (change,) = diff.changes
    return change


def test_a_renamed_session_is_the_same_session_under_another_name() -> None:
    alpha, *rest = sessions()
    change = only(diff_states(before(), with_sessions((renamed(alpha, b"vm-omega"), *rest))))
    assert change.kind is ChangeKind.CARRIED and change.entity == "session"
    assert [field.name for field in change.fields] == ["name"]
    assert not change.consequences and not change.memory


def test_the_count_of_a_session_follows_from_a_file_that_goes() -> None:
    alpha, *rest = sessions()
    assert isinstance(alpha.files, tuple)
    record = replace(alpha.record, data=alpha.record.data[:72] + (1).to_bytes(8, "little"))
    change = only(diff_states(before(), with_sessions((replace(alpha, record=record, files=alpha.files[:1]), *rest))))
    assert (change.kind, change.entity, str(change.path)) == (ChangeKind.REMOVED, "file", "out/LUO/vm-alpha/0x2")
    (session,) = change.consequences
    assert [(field.name, field.old, field.new) for field in session.fields] == [("count", 2, 1)]


def test_a_list_that_is_shorter_than_its_count_is_not_taken_for_a_file_less() -> None:
    alpha, *rest = sessions()
    assert isinstance(alpha.files, tuple)
    diff = diff_states(before(), with_sessions((replace(alpha, files=alpha.files[:1]), *rest)))
    # What is not told of a session is not told of what holds it.
    assert diff.same and {one.entity for one in diff.untold} == {"subtree", "session", "file"}


def test_a_folio_that_moved_moves_its_block_too() -> None:
    alpha, *rest = sessions()
    preserved = side().preserved
    assert isinstance(alpha.files, tuple) and isinstance(preserved, PreservedMap)
    file = alpha.files[1]
    assert isinstance(file.content, Memfd) and isinstance(file.content.folios, FolioArray)
    folios = file.content.folios
    rows = folios.table.rows.copy()
    was = int(rows["word0"][0]) & ((1 << 52) - 1)
    rows["word0"][0] += np.uint64(0x30000)
    moved = replace(file, content=replace(file.content, folios=replace(folios, table=replace(folios.table, rows=rows))))
    runs = preserved.runs
    start, order = runs.expand(0, runs.blocks)
    start = start.copy()
    assert (start == was * PAGE).sum() == 1
    start[start == was * PAGE] += np.uint64(0x30000 * PAGE)
    after = make_runs(start, np.ones(len(start), np.uint32), order, 12)
    state = with_sessions(
        (replace(alpha, files=(alpha.files[0], moved)), *rest),
        preserved=replace(preserved, runs=after),
    )
    diff = diff_states(before(), state)
    change = only(diff)
    assert (change.kind, change.entity) == (ChangeKind.MOVED, "folios")
    assert [(field.name, field.old, field.new) for field in change.fields] == [("0.pfn", was, was + 0x30000)]
    assert [(one.part, one.size) for one in change.memory] == [(Part.OLD, PAGE), (Part.NEW, PAGE)]
    assert not diff.memory


def test_a_block_that_its_owner_still_needs_went_with_the_words_of_the_tracker() -> None:
    preserved = side().preserved
    assert isinstance(preserved, PreservedMap)
    memblock = next(one.content for one in side().subtrees if isinstance(one.content, Memblock))
    region = memblock.regions[0]
    assert isinstance(region.start, int)
    runs = preserved.runs
    keep = (runs.start < np.uint64(region.start)) | (runs.start >= np.uint64(region.start + (4 << 20)))
    after = make_runs(runs.start[keep], runs.count[keep], runs.order[keep], 12)
    diff = diff_states(before(), with_side(preserved=replace(preserved, runs=after)))
    change = only(diff)
    assert change.entity == "tracker" and not diff.memory
    assert [(one.part, str(one.owner), one.size) for one in change.memory] == [(Part.OLD, str(region.path), 4 << 20)]


def test_the_order_of_subtrees_is_compared() -> None:
    change = only(diff_states(before(), with_side(subtrees=side().subtrees[::-1])))
    assert change.kind is ChangeKind.REORDERED and change.entity == "side"


def test_what_could_not_be_read_is_never_taken_for_removed() -> None:
    gone = Unavailable(SafeText("not in this capture"))
    number, content = luo()
    subtree = replace(side().subtrees[number], content=replace(content, sessions=gone))
    state = with_side(subtrees=(*side().subtrees[:number], subtree, *side().subtrees[number + 1 :]), preserved=gone)
    for diff in (diff_states(before(), state), diff_states(state, before())):
        assert diff.same
        assert {"session", "tracker"} <= {one.entity for one in diff.untold}


def test_what_is_stale_is_not_compared_as_fact() -> None:
    number, _ = luo()
    one = side().subtrees[number]
    reason = SafeText("given back")
    stale: Subtree = replace(one, content=Stale(reason), status=Status.STALE, reason=reason, values=one.values)
    state = with_side(subtrees=(*side().subtrees[:number], stale, *side().subtrees[number + 1 :]))
    diff = diff_states(before(), state)
    assert diff.same and [u.entity for u in diff.untold] == ["subtree"]


def test_states_without_anything_in_common_are_refused() -> None:
    empty = replace(before(), sides={}, scratch=Unavailable(SafeText("not in this capture")))
    with pytest.raises(InputError, match="nothing to compare"):
        diff_states(before(), empty)
