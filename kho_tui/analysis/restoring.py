"""What goes wrong with a state that was accepted: the tracker is walked without a check, consumers look for their subtrees, and LUO makes
its sessions again at the first open.

Beyond ``releases.receiver`` because it takes the decoded state to see it (kho-abi.md 5.4, 5.5 and section 9, stage 2).
"""

from __future__ import annotations

from collections import Counter

from kho_tui.abi.block import KHO_BLOCK_HEADER_SER, block_of
from kho_tui.abi.luo import LUO_FILE_SER, LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.root import ROOT_FORMATS
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.model.facts import Damaged, Missing, Status
from kho_tui.model.luo import Luo, Session
from kho_tui.model.state import Side
from kho_tui.releases.receiver import Check, Offered, Outcome, Stage, Target, Verdict
from kho_tui.releases.table import RELEASES, release_of
from kho_tui.text import visible

_LAST = "99.0"
_U64_BYTES = 8
_UNUSABLE = "every open of /dev/liveupdate fails with EIO"


def restoring_checks(side: Side) -> tuple[Check, ...]:
    """The checks of what happens to ``side`` after it was accepted."""
    return (
        Check(
            "tracker",
            Stage.MEMORY,
            "can the tracker be walked",
            Outcome.MISREAD,
            "the kernel walks it without any check: it may keep the wrong memory, hang or crash before its console is there",
            RELEASES[0].name,
            _LAST,
            lambda _offered, _target: _tracker(side),
            source="kernel/liveupdate/kexec_handover.c, kho_mem_init",
        ),
        _found(MEMBLOCK_NAME, RELEASES[0].name, "its regions are allocated anew, inside scratch", "mm/memblock.c"),
        _found(KEXEC_METADATA_NAME, "7.1", "the kexec count starts anew", "kernel/liveupdate/kexec_handover.c"),
        _found(KHO_TEST_NAME, RELEASES[0].name, "the test's folios stay reserved", "lib/test_kho.c"),
        Check(
            "luo-open",
            Stage.CONSUMERS,
            "can LUO make its sessions again",
            Outcome.IGNORED,
            f"{_UNUSABLE}: no session can be retrieved, their memory stays reserved",
            "6.19",
            _LAST,
            lambda offered, target: _sessions(side, offered, target),
            LUO_NAME,
            "kernel/liveupdate/luo_session.c, luo_session_deserialize",
        ),
    )


def _found(name: bytes, since: str, consequence: str, source: str) -> Check:
    """That kho_retrieve_subtree gives its consumer a subtree (LUO's own, which panics, is a check of ``releases.receiver``)."""

    def holds(offered: Offered, target: Target) -> Verdict:
        subtree, root = offered.subtree(name), ROOT_FORMATS[target.release.root]
        if subtree is None or not subtree.properties:
            return None, "its node is not at hand: the root FDT is cut short"
        wanted = (root.pointer, "blob-size") if root.has_size else (root.pointer,)
        wrong = [one for one in wanted if subtree.properties.get(one) != _U64_BYTES]
        return not wrong, f"{', '.join(wrong)} missing or not 8 bytes: {consequence}" if wrong else "its node is whole"

    question = f"is the node of {name.decode()} whole"
    return Check(f"{name.decode()}-node", Stage.CONSUMERS, question, Outcome.IGNORED, consequence, since, _LAST, holds, name, source)


def _tracker(side: Side) -> Verdict:
    kept = side.preserved
    if isinstance(kept, Damaged):
        return False, f"the tracker is damaged: {kept.reason}"
    if isinstance(kept, Missing):
        return None, f"the tracker is not known: {kept.reason}"
    if kept.status is Status.DECODED:
        return True, "the tracker can be walked to its end"
    return (False if kept.status is Status.DAMAGED else None), f"the tracker was read in part: {kept.reason}"


def _sessions(side: Side, offered: Offered, target: Target) -> Verdict:
    subtree = next((one for one in side.handed_over if one.name == LUO_NAME), None)
    luo = None if subtree is None or subtree.status is Status.STALE else subtree.content
    if not isinstance(luo, Luo) or isinstance(luo.sessions, Missing):
        # Where LUO's state is not at hand, its other checks say so.
        return True, "nothing is known of sessions"
    sessions = luo.sessions.sessions
    twice = next((name for name, count in Counter(one.name for one in sessions).items() if count > 1), None)
    if twice is not None:
        return False, f"two sessions are named {visible(twice)}: {_UNUSABLE}"
    series = RELEASES.index(target.release)
    if series < _index("7.1"):
        return True, "its sessions have names of their own"
    for session in sessions:
        fault = _files(session, offered.page_size, target, counted=series >= _index("7.2"))
        if fault:
            return False, f"session {visible(session.name)}: {fault}: {_UNUSABLE}"
    return True, "its sessions and files can be made again"


def _files(session: Session, page_size: int, target: Target, *, counted: bool) -> str:
    """What fails the files of a session, empty for nothing that is known. ``counted``: of 7.2 on, which count and check blocks."""
    if session.files_at == 0:
        # A session that claims files and has no list of them only gets a warning.
        return ""
    if counted:
        capacity = block_of(LUO_FILE_SER).capacity(page_size)
        for header in session.blocks:
            if header.layout is KHO_BLOCK_HEADER_SER and not 1 <= header.integer("count") <= capacity:
                return f"a block of {header.integer('count')} files"
        if isinstance(session.files, Damaged):
            return str(session.files.reason)
        if session.status is Status.DAMAGED:
            return str(session.reason)
    if isinstance(session.files, Missing):
        return ""
    if counted and session.status is Status.DECODED and session.count not in (None, len(session.files)):
        return f"{session.count} files are claimed, {len(session.files)} are there"
    luo = target.release.luo
    own = None if luo is None else luo.memfd_compatible
    strange = next((file.compatible for file in session.files if file.compatible != own), None)
    return "" if strange is None else f"no handler for {visible(strange)}"


def _index(name: str) -> int:
    release = release_of(name)
    assert release is not None  # a name of the table
    return RELEASES.index(release)
