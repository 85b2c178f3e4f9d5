"""What the first open of /dev/liveupdate and the retrieves behind it give back (luo_session_deserialize, luo_file_deserialize).

kernel/liveupdate/luo_session.c, luo_file.c 6.19-7.3: what fails there fails every open, so one session decides on all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from kho_tui.abi.luo import IGNORES_FILE_ERRORS, LUO, LUO_NAME, LUO_SESSION_SER
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.files import receiving_of
from kho_tui.analysis.receiver.ledger import Owner, settle
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.analysis.receiver.reserved import Reserved
from kho_tui.analysis.receiver.sections import Sections, known_outside
from kho_tui.analysis.receiver.sessions import Restored, RestoredFile, RestoredSession
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, unknown
from kho_tui.layout.table import PageArray
from kho_tui.model.facts import Damaged, Missing, NotWritten, Status, known
from kho_tui.model.sessions import File, Session, SessionList
from kho_tui.releases.fixes import FILE_ERRORS_IGNORED
from kho_tui.subsystems.luo.content import Luo
from kho_tui.text import SafeText, plural, visible

_UNREAD = "the sessions are not all at hand"


def made_as(name: bytes) -> bytes:
    """The name under which a receiver makes a session again: strscpy of luo_session_alloc cuts one that has no NUL."""
    return name[: LUO_SESSION_SER.span("name")[1] - 1]


def restored_sessions(boot: Boot, booting: Mapping[bytes, Owner]) -> Restored:
    """What of the sessions comes back, each file asked for once, in the order in which they are listed.

    ``booting``: what consumers restore while the kernel boots, in the order in which they do.
    """
    reserved, sections, target = boot.reserved, boot.sections, boot.target
    registry = boot.handed.state.registry
    subtree = boot.handed.content(LUO_NAME)
    luo = subtree.content if subtree is not None and isinstance(subtree.content, Luo) else None
    listed = luo.sessions if luo is not None and isinstance(luo.sessions, SessionList) else None
    files = [file for session in (listed.sessions if listed else ()) for file in _files(session)]
    early = (*booting.values(), *_open_owners(luo, target))
    first, shift = len(early), reserved.runs.page_shift
    owners = [
        Owner(
            SafeText(f"file {file.token:#x}"),
            receiving_of(file, registry).restores(file.content, shift),
            frees=receiving_of(file, registry).frees(file),
        )
        for file in files
    ]
    ledger = settle((*early, *owners, *_finish_owners(luo)))
    structs = Counter(file.data for file in files)
    own_faults = [_own_fault(file, structs[file.data], reserved, sections, target) for file in files]

    def contest_outcome(number: int) -> Outcome | None:
        """What comes of a contest that a file loses: where the winner fails itself, nobody knows how far it gets."""
        contest = ledger.lost[first + number]
        if contest is None:
            return None
        winner = contest.owner - first
        if winner >= 0 and winner != number and isinstance(own_faults[winner], Fails):
            return Outcome.CHANCE
        content = files[number].content
        heads = np.empty(0, np.uint64) if isinstance(content, Missing) else content.heads(shift)
        late = len(heads) > 0 and contest.address in heads[1:].tolist() and contest.address != int(heads[0])
        return Outcome.MISREAD if late and bool(IGNORES_FILE_ERRORS.covers(target.release.version)) else None

    lost, shared = ledger.lost[first:], ledger.shared[first:]
    in_order = (
        RestoredFile(file, own_faults[number], lost[number], shared[number], contest_outcome(number)) for number, file in enumerate(files)
    )

    def restored_files(session: Session) -> tuple[RestoredFile, ...] | Missing:
        """In its array form the list of a session without files is never looked at (7.1 booted)."""
        if not isinstance(session.files, Missing):
            return _retrievable(tuple(islice(in_order, len(session.files))), target)
        return () if luo is not None and not luo.format.files.chained and session.count == 0 else session.files

    # In their order: each takes its files of ``in_order``.
    sessions = tuple(
        RestoredSession(session, made_as(session.name), restored_files(session)) for session in (listed.sessions if listed else ())
    )
    fault = None if luo is None or target.own(LUO) is None else _open_fault(luo, sessions, reserved, sections, target)
    return Restored(sessions, fault, {name: ledger.lost[number] for number, name in enumerate(booting)})


def _files(session: Session) -> tuple[File, ...]:
    return () if isinstance(session.files, Missing) else session.files


def _own_fault(file: File, same_struct: int, reserved: Reserved, sections: Sections | Missing, target: Target) -> Fails | Missing | None:
    """What is wrong with a file whoever comes first. ``same_struct``: how many files name its struct."""
    if same_struct > 1 and isinstance(file.content, Damaged):
        met = f"its struct at {file.data:#x} is that of another file, which frees it: what stands there then is luck"
        return Fails(met, Outcome.CHANCE)
    return receiving_of(file, target.registry).retrieve_fault(file, file.content, reserved, sections, target)


def _open_owners(luo: Luo | None, target: Target) -> Iterator[Owner]:
    """What the first open of /dev/liveupdate restores: the pages that list sessions and files."""
    if target.own(LUO) is None or luo is None or not isinstance(luo.sessions, SessionList):
        return
    headers = [header.place.phys for header in luo.sessions.headers if header.place.phys is not None]
    for session in luo.sessions.sessions if luo.format.files.chained else ():
        headers += [block.place.phys for block in session.blocks if block.place.phys is not None]
    # A page that cannot be restored is only not freed, so that nobody loses a thing but whoever comes later.
    yield Owner(SafeText("LUO, whose list it is,"), np.unique(np.array(headers, np.uint64)), early=True)


def _finish_owners(luo: Luo | None) -> Iterator[Owner]:
    """Who restores pages behind all files: in its array form the list of a session's files is given back when that is finished."""
    if luo is None or luo.format.files.chained or not isinstance(luo.sessions, SessionList):
        return
    lists = [session.files_at for session in luo.sessions.sessions if session.files_at]
    yield Owner(SafeText("LUO, whose list it is,"), np.unique(np.array(lists, np.uint64)))


def _retrievable(files: tuple[RestoredFile, ...], target: Target) -> tuple[RestoredFile, ...]:
    """The files with what keeps them from being found: a token that is there before, no handler for it or, until 7.0, for one before."""
    seen, found = set[int](), list[RestoredFile]()
    # Until 7.0 the first file without a handler ends the list, and the open goes on.
    ends_there, stopped = bool(IGNORES_FILE_ERRORS.covers(target.release.version)), ""
    for one in files:
        handler = _handler_fault((one.file.compatible,), target)
        strange = handler.met if isinstance(handler, Fails) else ""
        stopped = stopped or (f"{strange}: luo_file_deserialize ends there" if strange and ends_there else "")
        fault = Fails(strange or stopped) if strange or stopped else one.own_fault
        if one.file.token in seen and not isinstance(fault, Fails):
            fault = Fails(f"token {one.file.token:#x} is there twice: asking for it gives the first one")
        seen.add(one.file.token)
        if not isinstance(fault, Fails) and isinstance(handler, Missing):
            fault = handler
        found.append(replace(one, own_fault=fault))
    return tuple(found)


def _open_fault(
    luo: Luo, sessions: tuple[RestoredSession, ...], reserved: Reserved, sections: Sections | Missing, target: Target
) -> Fails | Missing | None:
    """The first thing that fails the open; unknown; or None."""
    page = 1 << reserved.runs.page_shift
    listed = luo.sessions
    at = known(luo.sessions_at)
    if luo.format.sessions.chained and at == 0 and not isinstance(listed, SessionList):
        return listed if isinstance(listed, NotWritten) else None
    if at is not None and not luo.format.sessions.chained and (not at or known_outside(sections, at)):
        return Fails(f"the list of sessions is said to be at {at:#x}: the kernel takes for sessions what stands there", Outcome.OOPS)
    if at is not None and not luo.format.sessions.chained and at % page:
        return Fails(f"the list of sessions is said to be at {at:#x}, in the middle of a page: what stands there decides", Outcome.WILD)
    if isinstance(listed, Missing):
        return Fails(f"the list of sessions: {listed.reason}") if isinstance(listed, Damaged) and at else listed
    whole = luo.format.sessions.bytes(page)
    names: set[bytes] = set()
    open_question: Missing | None = None
    chance: Fails | None = _overwritten((header.place.phys for header in listed.headers), whole, "sessions", reserved)
    for restored in sessions:
        if restored.name in names:
            return Fails(f"two sessions are named {visible(restored.name)}")
        names.add(restored.name)
        fault = _files_fault(restored, luo, reserved, sections, target) if restored.session.files_at else None
        if isinstance(fault, Fails) and fault.outcome is Outcome.CHANCE:
            chance = chance or fault
        elif isinstance(fault, Fails):
            return fault
        elif fault is not None:
            open_question = open_question or fault
    if listed.status is Status.DAMAGED:
        return Fails(f"the list of sessions: {listed.reason}")
    if chance is not None:
        return chance
    return unknown(_UNREAD) if listed.status is Status.PARTIAL else open_question


def _overwritten(places: Iterable[int | None], size: int, what: str, reserved: Reserved) -> Fails | None:
    at = next((place for place in places if reserved.lost(place, size)), None)
    if at is None:
        return None
    return Fails(f"the list of {what} at {at:#x} is not preserved: overwritten by then, it makes the kernel oops or fail", Outcome.CHANCE)


def _nowhere(session: Session, sections: Sections | Missing) -> int | None:
    """Where the list of files leads out of memory. The chain of blocks is followed to its end before a count is looked at."""
    if not session.count and not session.blocks:
        return None
    follows = [session.files_at or 0, *(block.integer("next") for block in session.blocks if "next" in block.layout)]
    return next((address for address in follows if address and known_outside(sections, address)), None)


def _files_fault(
    restored: RestoredSession, luo: Luo, reserved: Reserved, sections: Sections | Missing, target: Target
) -> Fails | Missing | None:
    """What of the files of one session fails the open. Until 7.0 nothing of them does."""
    session, page, shown = restored.session, 1 << reserved.runs.page_shift, visible(restored.name)
    if restored.files == () and not luo.format.files.chained:
        return None
    outside = _nowhere(session, sections)
    if outside is not None:
        return Fails(f"session {shown}: its files are said to be at {outside:#x}, where no memory is: the open oopses", Outcome.OOPS)
    if session.files_at and session.files_at % page and session.count:
        met = f"session {shown}: its files are said to be at {session.files_at:#x}, in the middle of a page: what stands there decides"
        return Fails(met, Outcome.WILD)
    lenient = target.has(FILE_ERRORS_IGNORED, by_release=bool(IGNORES_FILE_ERRORS.covers(target.release.version)))
    in_blocks = luo.format.files.chained
    places = (block.place.phys for block in session.blocks) if in_blocks else (session.files_at,)
    chance = _overwritten(places, luo.format.files.bytes(page), f"files of session {shown}", reserved)
    if lenient:
        return chance
    fault = _strict_fault(restored, luo.format.files, target, page)
    if lenient is None and isinstance(fault, Fails):
        return chance or unknown(f"{fault.met}: whether that fails the open is not known of its version")
    if isinstance(fault, Fails):
        return fault
    return chance or fault


def _strict_fault(restored: RestoredSession, listed: PageArray, target: Target, page: int) -> Fails | Missing | None:
    """What of the files of one session fails the open where every file has to be made again."""
    session, shown = restored.session, visible(restored.name)
    counts = [block.integer("count") for block in session.blocks] if listed.chained else []
    wrong = next((count for count in counts if not 1 <= count <= listed.capacity(page)), None)
    if wrong is not None:
        return Fails(f"session {shown}: a block of {wrong} files")
    handler = _handler_fault((file.compatible for file in _files(session)), target)
    if isinstance(handler, Fails):
        return Fails(f"session {shown}: {handler.met}")
    if isinstance(session.files, Damaged) or session.status is Status.DAMAGED:
        return Fails(f"session {shown}: {session.files.reason if isinstance(session.files, Damaged) else session.reason}")
    if isinstance(session.files, Missing) or session.status is Status.PARTIAL:
        return unknown("the files are not at hand")
    return handler


def _handler_fault(wanted: Iterable[bytes], target: Target) -> Fails | Missing | None:
    """Which of the wanted handlers are not there; unknown; None: all are."""
    there = {name: target.has_handler(name) for name in sorted(set(wanted))}
    missing = [visible(name) for name, has in there.items() if has is False]
    if missing:
        return Fails(f"no handler for {', '.join(missing)} is built in")
    unsure = [visible(name) for name, has in there.items() if has is None]
    return unknown(f"whether there is a handler for {', '.join(unsure)} is not known") if unsure else None


def lost_files(sessions: Iterable[RestoredSession]) -> Fails | Missing | None:
    """What becomes of the files when they are asked for, in one sentence: the worst, and how many share its fate."""
    faults: list[tuple[RestoredSession, RestoredFile, Fails]] = []
    files, open_question = 0, None
    for session in sessions:
        if isinstance(session.files, Damaged):
            return Fails(f"session {visible(session.name)}: {session.files.reason}", warns=True)
        if isinstance(session.files, Missing):
            open_question = open_question or session.files
            continue
        files += len(session.files)
        for file in session.files:
            if isinstance(file.fault, Fails):
                faults.append((session, file, file.fault))
            elif file.fault is not None:
                open_question = open_question or file.fault
    if not faults:
        return open_question
    session, file, fault = max(faults, key=lambda one: (one[2].outcome or Outcome.PART).rank)
    more = f" ({len(faults)} of {plural(files, 'file')} cannot be restored)" if files > 1 else ""
    warns = any(one.warns for _, _, one in faults)
    return Fails(f"file {file.file.token:#x} of {visible(session.name)}: {fault.met}{more}", fault.outcome, warns=warns)
