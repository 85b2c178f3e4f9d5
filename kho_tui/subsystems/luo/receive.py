"""The checks of LUO: of its own state while it boots, where anything wrong is a panic, and of sessions and files once somebody opens
/dev/liveupdate (kernel/liveupdate/luo_core.c, luo_session.c, luo_flb.c, 6.19-7.3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kho_tui.abi.block import MAX_BLOCKS
from kho_tui.abi.luo import (
    CHECKS_NAMES,
    HAS_FLBS,
    LUO,
    LUO_NAME,
    VERSION_BYTES,
    ListNode,
    LuoFormat,
)
from kho_tui.abi.properties import compatible_of
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Ask, Check
from kho_tui.analysis.receiver.facet import BuildOption, Receiving
from kho_tui.analysis.receiver.handed import Handed
from kho_tui.analysis.receiver.ledger import Owner
from kho_tui.analysis.receiver.node import LUCK, fdt_fault, found, kept, lacks, of_subtree, own_choice, properties, said
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.sections import known_outside, trips_at
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.fdt.tree import Node
from kho_tui.layout.struct import field_named
from kho_tui.model.facts import Damaged, Missing, NotWritten, Status, known
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import Subtree
from kho_tui.releases.ranges import Range
from kho_tui.subsystems.luo.arrivals import arrived_sessions
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.received_flbs import finish_warning, flb_names, flb_page, knows_flbs
from kho_tui.subsystems.luo.restored_sessions import lost_files, restored_sessions
from kho_tui.text import SafeText, c_string, visible

_UNREAD = "sessions are lost, their memory stays reserved"
_UNUSABLE = "every open of /dev/liveupdate fails with EIO"
_SOURCE = "kernel/liveupdate/luo_core.c, luo_session.c"
_NOT_AT_HAND = unknown("LUO's state is not at hand")


def _luo(ask: Callable[[Subtree, Boot], Verdict]) -> Ask:
    """A check of LUO's blob, which has to be at hand as fact."""

    def asked(subtree: Subtree, boot: Boot) -> Verdict:
        if isinstance(subtree.blob, Missing) or subtree.status is Status.STALE:
            return _NOT_AT_HAND
        if subtree.fdt is not None and subtree.fdt.tree.truncated:
            return unknown("LUO's FDT is longer than what is at hand of it: the kernel reads on to its end")
        return ask(subtree, boot)

    return of_subtree(LUO_NAME, asked)


def _root(subtree: Subtree) -> Node | None:
    return None if subtree.fdt is None else subtree.fdt.tree.root


def _luo_exists(boot: Boot) -> Verdict:
    if isinstance(boot.handed.subtrees, Missing):
        return boot.handed.subtrees
    return Holds("this release has LUO") if boot.target.own(LUO) is not None else Fails(f"this release has no LUO: {_UNREAD}")


def _own(target: Target) -> LuoFormat:
    """What a kernel with LUO accepts: the checks of what LUO reads begin with the first release that has it."""
    form = target.own(LUO)
    assert form is not None
    return form


def _luo_version(subtree: Subtree, boot: Boot) -> Verdict:
    refused_by_libfdt = fdt_fault(subtree)
    if refused_by_libfdt is not None:
        return refused_by_libfdt
    wanted, root = _own(boot.target).compatible, _root(subtree)
    assert not isinstance(subtree.blob, Missing)  # asked before
    data = subtree.blob.data
    head = data[:VERSION_BYTES]
    if root is None and len(head) < VERSION_BYTES and b"\0" not in head:
        return unknown("LUO's version string is not at hand")
    version = c_string(head) if root is None else compatible_of(root, (wanted,)) or b""
    words = f"version {visible(version)}; this kernel takes {wanted.decode()}"
    if version == wanted:
        return Holds(words)
    return lacks(subtree, root, words) if root is not None and not version else Fails(words)


def _luo_size(subtree: Subtree, boot: Boot) -> Verdict:
    """The size that the root FDT tells, however impossible; that of the bytes at hand only where it tells none."""
    told = field_named(subtree.values, "blob-size")
    size = told.value if told is not None and isinstance(told.value, int) else known(subtree.size)
    if size is None:
        return unknown("the size of LUO's struct is not at hand")
    needed = boot.target.registry.formats(LUO).struct_of(_own(boot.target).compatible).size
    words = f"{size} bytes of {needed}"
    return Holds(words) if size >= needed else Fails(words)


def _has_u64(node: Node, name: bytes) -> bool:
    found_property = node.property(name)
    return found_property is not None and len(found_property.data) == 8


def _luo_number(subtree: Subtree, _boot: Boot) -> Verdict:
    root = _root(subtree)
    if root is None:
        return _NOT_AT_HAND
    if _has_u64(root, b"liveupdate-number"):
        return Holds("liveupdate-number is there")
    return lacks(subtree, root, "liveupdate-number is missing or not 8 bytes")


def _node_of(of: Callable[[LuoFormat], ListNode | None], missing: str, what: str) -> Ask:
    """A check of a node of LUO's FDT that says where a list is: there, with its pointer, and of the version that this kernel accepts."""

    def ask(subtree: Subtree, boot: Boot) -> Verdict:
        root, wanted = _root(subtree), of(_own(boot.target))
        if root is None or wanted is None:
            return _NOT_AT_HAND
        node = root.child(wanted.name)
        if node is None or not _has_u64(node, wanted.pointer.encode()):
            return lacks(subtree, node or root, missing)
        version = compatible_of(node, (wanted.written,))
        words = f"{what} are {visible(version or b'?')}"
        if version == wanted.written:
            return Holds(words)
        return lacks(subtree, node, words) if version is None else Fails(words)

    return _luo(ask)


def _luo_chain(subtree: Subtree, boot: Boot) -> Verdict:
    """What ``kho_block_set_restore`` finds wrong with the session blocks (kernel/liveupdate/kho_block.c 7.2-7.3)."""
    luo, nothing = subtree.content, unknown("the chain of session blocks is not at hand")
    if not isinstance(luo, Luo):
        return nothing
    sound = Holds("the chain of session blocks is sound")
    if luo.sessions_at == 0 and not isinstance(luo.sessions, NotWritten):
        return sound
    at = known(luo.sessions_at)
    trips = trips_at(boot.sections, at, Outcome.PANIC) if at else None
    if trips is not None:
        return Fails(f"the LUO block at {at:#x} is where no memory is", trips)
    if at and at % boot.handed.page_size:
        return Fails(f"the LUO block at {at:#x} is in the middle of a page: what stands there decides", Outcome.WILD)
    if not isinstance(luo.sessions, SessionList):
        return Fails(str(luo.sessions.reason)) if luo.sessions.status is Status.DAMAGED else luo.sessions
    page = boot.handed.page_size
    capacity = luo.format.sessions.capacity(page)
    headers = luo.sessions.headers if luo.format.sessions.chained else ()
    places = {one.place.phys for one in headers}
    if headers and headers[-1].integer("next") in places:
        return Fails(f"block at {headers[-1].place.phys:#x} leads back to {headers[-1].integer('next'):#x}: a loop")
    for header in headers:
        count = header.integer("count")
        if not 1 <= count <= capacity:
            kind = "empty LUO block" if count == 0 else f"LUO block of {count} entries"
            return Fails(f"{kind} at {header.place.phys or 0:#x}")
    whole = luo.format.sessions.bytes(page)
    lost = next((one.place.phys for one in headers if boot.reserved.lost(one.place.phys, whole)), None)
    if lost is not None:
        return Fails(f"the LUO block at {lost:#x} is not preserved: {LUCK}", Outcome.CHANCE)
    if len(headers) > MAX_BLOCKS:
        return Fails(f"{len(headers)} blocks, allowed are {MAX_BLOCKS}")
    if headers and (behind := headers[-1].integer("next")):
        outside = known_outside(boot.sections, behind)
        return Fails(f"the LUO block at {behind:#x} is where no memory is") if outside else nothing
    return sound


def _luo_opens(boot: Boot) -> Verdict:
    fault = boot.restored.fault
    if isinstance(fault, Fails) and fault.outcome is None:
        return Fails(f"{fault.met}: {_UNUSABLE}")
    if fault is not None:
        return fault
    return Holds("its sessions can be made again") if _content(boot) else _NOT_AT_HAND


def _content(boot: Boot) -> bool:
    subtree = boot.handed.content(LUO_NAME)
    return subtree is not None and isinstance(subtree.content, Luo)


def _luo_names(subtree: Subtree, boot: Boot) -> Verdict:
    listed = subtree.content.sessions if isinstance(subtree.content, Luo) else None
    if not isinstance(listed, SessionList):
        return listed or unknown("the sessions are not at hand")
    for session in boot.restored.sessions:
        if session.name != session.session.name:
            return Fails(f"a session's name has no NUL: it is made as {visible(session.name)}")
        if not session.name and CHECKS_NAMES.covers(boot.target.release.version):
            return Fails("a session has no name: nobody can ask for it")
    return Holds("every name ends") if listed.status is not Status.PARTIAL else unknown("the sessions are not all at hand")


def _luo_restores(subtree: Subtree, boot: Boot) -> Verdict:
    listed = subtree.content.sessions if isinstance(subtree.content, Luo) else None
    if isinstance(listed, NotWritten):
        return listed
    if isinstance(listed, Damaged):
        return Fails(str(listed.reason))
    if not isinstance(listed, SessionList):
        return unknown("not all of what its files restore is at hand")
    return lost_files(boot.restored.sessions) or Holds("its files can be restored")


def _panics(name: str, question: str, releases: Range, ask: Ask) -> Check:
    """A check of LUO's own structures, which it makes whenever KHO is on."""
    consequence = "the next kernel panics at boot, even with liveupdate=off"
    return Check(
        name=name,
        stage=Stage.CONSUMERS,
        question=question,
        fails=Outcome.PANIC,
        consequence=consequence,
        releases=releases,
        ask=ask,
        consumer=LUO_NAME,
        source=_SOURCE,
    )


_BUILT = said(
    lambda target: target.has_consumer(LUO_NAME),
    "LUO is built in",
    f"LUO is not built into this kernel: {_UNREAD}",
    "whether LUO is built in is not known",
)
_ON = said(
    lambda target: target.kho,
    "KHO is on",
    f"KHO is off there, and LUO with it: {_UNREAD}",
    "whether KHO is on there is not known",
)
_LIVEUPDATE = said(
    lambda target: target.liveupdate,
    "LUO is on",
    "no liveupdate=on on its command line: nobody can ask for the sessions, their memory stays reserved",
    "whether liveupdate=on stands on its command line is not known",
)


_OPEN = Check(
    name="luo-open",
    stage=Stage.OPEN,
    question="can LUO make its sessions again",
    fails=Outcome.IGNORED,
    consequence=f"{_UNUSABLE}: no session can be retrieved, their memory stays reserved",
    releases=Range("6.19"),
    ask=_luo_opens,
    consumer=LUO_NAME,
    source="kernel/liveupdate/luo_session.c, luo_session_deserialize",
)
"""The first open of /dev/liveupdate."""

_CHECKS: tuple[Check, ...] = (
    Check(
        name="luo",
        stage=Stage.CONSUMERS,
        question="has the kernel LUO",
        fails=Outcome.IGNORED,
        consequence="sessions are lost",
        releases=EVERY,
        ask=_luo_exists,
        consumer=LUO_NAME,
        source=_SOURCE,
    ),
    own_choice("luo-built", "is LUO built in", _UNREAD, _BUILT, LUO_NAME, "kernel/liveupdate/luo_core.c"),
    own_choice("kho-on", "is KHO on there", _UNREAD, _ON, LUO_NAME, "kernel/liveupdate/luo_core.c"),
    Check(
        name="luo-found",
        stage=Stage.CONSUMERS,
        question="is the root still there to find LUO in",
        fails=Outcome.IGNORED,
        consequence=_UNREAD,
        releases=Range("6.19"),
        ask=found(LUO_NAME),
        consumer=LUO_NAME,
        source=_SOURCE,
    ),
    _panics("luo-node", "is LUO's node whole", Range("6.19"), properties(LUO_NAME)),
    _panics("luo-kept", "is LUO's blob preserved", Range("6.19", "7.1"), kept(LUO_NAME)),
    _panics("luo-struct-kept", "is LUO's struct preserved", Range("7.2"), kept(LUO_NAME, restored=True)),
    _panics("luo-size", "is LUO's struct whole", Range("7.2"), _luo(_luo_size)),
    _panics("luo-version", "does LUO know the version", Range("6.19"), _luo(_luo_version)),
    _panics("luo-number", "is liveupdate-number there", Range("6.19", "7.1"), _luo(_luo_number)),
    _panics(
        "luo-sessions",
        "is the session node sound",
        Range("6.19", "7.1"),
        _node_of(lambda form: form.session_node, "the luo-session node or its header is missing", "sessions"),
    ),
    _panics(
        "luo-flb",
        "is the FLB node sound",
        Range("7.0", "7.1"),
        _node_of(lambda form: form.flb_node, "the luo-flb node is missing", "FLBs"),
    ),
    _panics("luo-chain", "is the chain of session blocks sound", Range("7.2"), _luo(_luo_chain)),
    _panics("luo-flb-page", "is the page of FLBs preserved", Range("7.0"), _luo(flb_page)),
    Check(
        name="luo-flb-names",
        stage=Stage.CONSUMERS,
        question="does somebody ask for every FLB",
        fails=Outcome.PART,
        consequence="what such an FLB holds is lost, its memory stays reserved",
        releases=HAS_FLBS,
        ask=_luo(flb_names),
        consumer=LUO_NAME,
        source="kernel/liveupdate/luo_flb.c, luo_flb_retrieve_one",
    ),
    own_choice("liveupdate-on", "is LUO on there", _UNREAD, _LIVEUPDATE, LUO_NAME, "kernel/liveupdate/luo_core.c", Stage.OPEN),
    _OPEN,
    Check(
        name="luo-names",
        stage=Stage.OPEN,
        question="does every session keep its name",
        fails=Outcome.PART,
        consequence="nobody finds such a session by the name that it had",
        releases=Range("6.19"),
        ask=_luo(_luo_names),
        consumer=LUO_NAME,
        source="kernel/liveupdate/luo_session.c, luo_session_alloc",
    ),
    Check(
        name="luo-restored",
        stage=Stage.RETRIEVE,
        question="can every file be restored",
        fails=Outcome.PART,
        consequence="asking for such a file fails, its memory stays reserved",
        releases=Range("6.19"),
        ask=_luo(_luo_restores),
        consumer=LUO_NAME,
        source="kernel/liveupdate/luo_file.c; mm/memfd_luo.c, memfd_luo_retrieve",
    ),
    Check(
        name="luo-flbs",
        stage=Stage.RETRIEVE,
        question="does the kernel know FLBs",
        fails=Outcome.PART,
        consequence="what the FLBs hold is lost, its memory stays reserved",
        releases=Range("6.19", "6.19"),
        ask=_luo(knows_flbs),
        consumer=LUO_NAME,
        source="kernel/liveupdate/luo_core.c (6.19); luo_flb.c is of 7.0",
    ),
    Check(
        name="luo-finish",
        stage=Stage.RETRIEVE,
        question="can files be finished without a WARNING",
        fails=Outcome.PANIC,
        consequence="the machine panics when the session is finished",
        releases=Range("7.0"),
        ask=_luo(finish_warning),
        consumer=LUO_NAME,
        source="kernel/liveupdate/luo_flb.c, luo_flb_file_finish",
    ),
)
"""In the order in which a kernel meets them."""


def _restores(handed: Handed, target: Target) -> Owner | None:
    """The page of its struct, which it gives back at early initcall."""
    subtree = handed.content(LUO_NAME)
    luo, phys = (None, None) if subtree is None else (subtree.content, known(subtree.phys))
    if target.own(LUO) is None or not isinstance(luo, Luo) or luo.header is None or phys is None:
        return None
    return Owner(SafeText("LUO, whose struct it is,"), np.array([phys], np.uint64), early=True)


RECEIVING = Receiving(
    turn=1,
    option=BuildOption("CONFIG_LIVEUPDATE", tristate=False),
    checks=_CHECKS,
    restores=_restores,
    sessions=restored_sessions,
    arrivals=lambda reception: {"sessions": tuple(arrived_sessions(reception, _OPEN))},
)
