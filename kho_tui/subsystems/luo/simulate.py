"""LUO in a simulated kernel: how it is built, and what it gets of the kernel before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kho_tui.abi.flb import flb_of_test_module
from kho_tui.abi.luo import HAS_FLBS, LUO, LUO_NAME
from kho_tui.analysis.receiver.check import Answer
from kho_tui.analysis.receiver.sessions import RestoredFile, RestoredSession
from kho_tui.analysis.receiver.verdict import Fails
from kho_tui.model.facts import Missing, NotWritten, known
from kho_tui.model.flbs import FlbList
from kho_tui.model.sessions import SessionList
from kho_tui.model.state import State
from kho_tui.simulator.consumers import Handed
from kho_tui.simulator.facet import FileSimulating, Module, Simulating, nothing_early
from kho_tui.simulator.scenario_table import Table
from kho_tui.simulator.scenario_values import within
from kho_tui.subsystems.luo.content import Luo
from kho_tui.subsystems.luo.orchestrator import Arrived, Flb, IncomingFile, IncomingSession, Orchestrator
from kho_tui.subsystems.luo.steps import STEPS
from kho_tui.text import visible

_FLB_DATA = 0xFEEDF00DCAFEBEE0


def _receive(handed: Handed, _built: object) -> Arrived | None:
    luo, boot, size = handed.content(LUO_NAME), handed.reception.boot, handed.page_size
    if not isinstance(luo, Luo):
        return None
    flbs = luo.flbs.flbs if isinstance(luo.flbs, FlbList) and HAS_FLBS.covers(boot.target.release.version) else ()
    arrived = Arrived(flbs=frozenset(flb.name for flb in flbs))
    number = known(luo.number)
    if number is None or boot.target.own(LUO) is None:
        return arrived
    arrived = replace(arrived, number=number)
    subtree = boot.handed.content(LUO_NAME)
    if luo.header is not None and subtree is not None and (phys := known(subtree.phys)) is not None:
        handed.freed.append((phys, size))
    if isinstance(luo.sessions, NotWritten):
        handed.doubt("LUO writes its sessions in the reboot call, after this state was captured: the next kernel is shown without them")
        at = known(luo.sessions_at)
        return replace(arrived, session_pages=((at, luo.format.sessions.bytes(size)),) if at else ())
    fault = boot.restored.fault
    why = fault.met if isinstance(fault, Fails) else ""
    if isinstance(fault, Missing):
        handed.doubt(f"whether /dev/liveupdate can be opened: {fault.reason}; taken to be so")
    if not isinstance(luo.sessions, SessionList):
        return replace(arrived, fault=why or ("" if luo.sessions_at == 0 else f"the list of sessions: {luo.sessions.reason}"))
    whole = luo.format.sessions.bytes(size)
    pages = tuple((header.place.phys, whole) for header in luo.sessions.headers if header.place.phys is not None)
    sessions = () if why else tuple(_arrived_session(restored, luo, handed) for restored in boot.restored.sessions)
    return replace(arrived, sessions=sessions, session_pages=pages, fault=why)


def _arrived_session(restored: RestoredSession, luo: Luo, handed: Handed) -> IncomingSession:
    """A session that is made. Its files that are not restored give an error when they are asked for."""
    session, size = restored.session, handed.page_size
    if isinstance(restored.files, Missing):
        handed.doubt(f"files of session {visible(restored.name)}: {restored.files.reason}; taken for none")
        return IncomingSession(restored.name, ())
    if luo.format.files.chained:
        pages = [(block.place.phys, luo.format.files.bytes(size)) for block in session.blocks if block.place.phys is not None]
    else:
        pages = [(session.files_at, luo.format.files.bytes(size))] if session.files_at else []
    for file in restored.files:
        if isinstance(file.fault, Missing):
            what = f"whether file {file.file.token:#x} of session {visible(restored.name)} comes back"
            handed.doubt(f"{what}: {file.fault.reason}; taken {'' if file.may_come_back else 'not '}to")
    files = tuple(_arrived_file(file, handed) for file in restored.files)
    return IncomingSession(restored.name, files, pages=tuple(pages))


def _arrived_file(restored: RestoredFile, handed: Handed) -> IncomingFile:
    """What a retrieve finds; a file of which anything was not kept as it was gives an error when it is asked for."""
    file, registry = restored.file, handed.reception.target.registry
    handler = registry.handler_facet(file.compatible, FileSimulating)
    retrieved = handler.retrieve(restored, handed) if handler is not None and restored.may_come_back else None
    if retrieved is None:
        declared = registry.handler(file.compatible)
        if restored.may_come_back and declared is not None and FileSimulating in declared.without:
            why_not = declared.without[FileSimulating]
            handed.doubt(f"file {file.token:#x} of a session: not simulated: {why_not}; taken not to come back")
        return IncomingFile(token=file.token, file=None, lost=restored.fault.met if isinstance(restored.fault, Fails) else "")
    return IncomingFile(token=file.token, file=retrieved[0], pages=retrieved[1], shared=restored.shared)


def _asked(kernel: Table) -> tuple[Flb, ...] | None:
    count = kernel.get("flbs", 0)
    return tuple(Flb(flb_of_test_module(number), _FLB_DATA + number) for number in range(count)) or None


def _seen(state: State, _options: Mapping[str, str] | None) -> tuple[Flb, ...] | None:
    flbs: dict[bytes, Flb] = {}
    for side in state.sides.values():
        for luo in (subtree.content for subtree in side.subtrees if isinstance(subtree.content, Luo)):
            for flb in luo.flbs.flbs if isinstance(luo.flbs, FlbList) else ():
                flbs[flb.name] = Flb(flb.name, flb.data)
    return tuple(flbs.values()) or None


def _panic_line(answer: Answer) -> str:
    """kernel/liveupdate/luo_core.c, 6.19-7.3."""
    missing = answer.check.name == "luo-flb" and "missing" in answer.met
    number = "ENOENT" if missing else "EINVAL"
    return f"Kernel panic - not syncing: The incoming tree failed to initialize properly [-{number}], disabling live update"


SIMULATING = Simulating(
    turn=2,
    log_prefix="luo",
    producer=Orchestrator,
    receive=_receive,
    module=Module(keys={"flbs": within(0, 5000)}, asked=_asked, seen=_seen),
    steps=STEPS,
    early_bytes=nothing_early,
    panic_line=_panic_line,
)
