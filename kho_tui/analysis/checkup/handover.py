"""Questions about what would be handed over: is it complete, whose is it, who would accept it, and what does the log say."""

from __future__ import annotations

from collections import defaultdict

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checkup.question import Finding, Question, ok, unknown, wrong
from kho_tui.analysis.checkup.scratch import is_off
from kho_tui.analysis.memory_map import memory_map
from kho_tui.analysis.symptoms.case import Case, said
from kho_tui.analysis.symptoms.kexec import GATE, NOT_FINALIZED
from kho_tui.analysis.symptoms.symptom import Symptom
from kho_tui.analysis.symptoms.table import SYMPTOMS
from kho_tui.model.facts import Missing, Status
from kho_tui.model.gaps import gaps
from kho_tui.model.intervals import Intervals, intervals
from kho_tui.model.path import path_part
from kho_tui.model.sides import outgoing_or_none
from kho_tui.model.verdict import root_fault
from kho_tui.releases.table import Finalize
from kho_tui.text import SafeText, human_size, plural

_MOST_OWNERS = 12
_MOST_LINES = 6


def _finalized(case: Case) -> Finding:
    release = case.release
    if is_off(case):
        return unknown("KHO is not on, so there is nothing to finalize")
    if release is None:
        return unknown("whether the outgoing side has to be finalized: the release is not known here", case.release_evidence)
    if release.finalize is Finalize.NONE:
        return ok(f"{release.name} needs no finalize: the outgoing side is always complete", case.release_evidence)
    side = None if case.state is None else outgoing_or_none(case.state)
    if side is None:
        return unknown("whether the outgoing side is finalized: there is none in sight")
    if isinstance(side.finalized, Missing):
        return unknown(f"whether the outgoing side is finalized: {side.finalized.reason}")
    evidence = said("kho/out/finalize", "1" if side.finalized else "0")
    if side.finalized:
        return ok("the outgoing side is finalized", evidence)
    if release.finalize is Finalize.SERIALIZE and any(one.sessions is not None for one in side.subtrees):
        return ok("not finalized: LUO does that inside the reboot call", evidence)
    return wrong(f"not finalized: {release.name} hands nothing over that the next kernel accepts", NOT_FINALIZED.remedy, evidence)


def _owners(case: Case) -> Finding:
    side = None if case.state is None else outgoing_or_none(case.state)
    if case.state is None or side is None:
        return unknown("who preserved what: there is no outgoing side in sight")
    if not isinstance(side.root, Missing) and (fault := root_fault(side.root)) is not None:
        return wrong(f"the outgoing side has {fault}", "kho-tui check  says where", said("kho/out/fdt", str(side.root.view.verdict)))
    preserved = side.preserved
    if isinstance(preserved, Missing):
        return unknown(f"who preserved what: {preserved.reason}")
    memory = memory_map(case.state, side, case.context)
    keeping_sessions = {path_part(one.name) for one in side.subtrees if one.sessions is not None}
    parts: dict[SafeText, Intervals] = defaultdict(lambda: intervals((), ()))
    for claim in memory.claims:
        if claim.kind.is_owner:
            # out/LUO/NAME/...: a session is an owner of its own.
            names = claim.path.parts[1:3] if claim.path.parts[1:2] and claim.path.parts[1] in keeping_sessions else claim.path.parts[1:2]
            owner = SafeText("/".join(names)) or SafeText("root FDT")
            parts[owner] = parts[owner] | intervals(claim.start, claim.end)
    ranked = sorted(((name, part.bytes) for name, part in parts.items()), key=lambda one: (-one[1], one[0]))
    details = tuple(SafeText(f"{human_size(size)}  {name}") for name, size in ranked[:_MOST_OWNERS])
    if len(ranked) > _MOST_OWNERS:
        details = (*details, SafeText(f"and {len(ranked) - _MOST_OWNERS} more: kho-tui map"))
    bound = "" if preserved.status is Status.DECODED else f"at least ({preserved.reason}) "
    lacking = preserved.reason if preserved.status is not Status.DECODED else None if memory.owner_gap is None else memory.owner_gap.reason
    if lacking is not None:
        size = f"{human_size(preserved.runs.bytes)} in {plural(preserved.runs.blocks, 'block')}"
        return unknown(f"who preserved what is known in part: {bound}{size}; {lacking}", details=details)
    return ok(f"preserved: {bound}{human_size(preserved.runs.bytes)} in {plural(preserved.runs.blocks, 'block')}", details=details)


def _sound(case: Case) -> Finding:
    report = case.report
    if report is None:
        return unknown("whether the state keeps the rules of its format: there is no outgoing side in sight", decides=False)
    errors, warnings = report.broken["error"], report.broken["warning"]
    if errors:
        broken = [one for one in report.of(Answer.BROKEN) if one.severity == "error"]
        details = tuple(SafeText(f"{one.code}: {one.cases[0].message if one.cases else one.title}") for one in broken[:_MOST_LINES])
        return wrong(f"{plural(errors, 'rule')} of severity error violated", f"kho-tui check  says where; {GATE}", details=details)
    if not report.told or report.unread is not None:
        return unknown(f"whether the state keeps the rules of its format: {report.verdict}", remedy="kho-tui check  says what is missing")
    side = None if case.state is None else outgoing_or_none(case.state)
    unread = () if side is None else gaps(side)
    if unread:
        return unknown(
            f"whether the state keeps the rules of its format: {plural(len(unread), 'part')} of it could not be read",
            remedy="kho-tui check  says what is missing",
            decides=False,
        )
    if case.changed:
        return unknown(f"whether the state keeps the rules of its format: {case.changed}", remedy="capture it again")
    more = f", {plural(warnings, 'warning')} (kho-tui check)" if warnings else ""
    unsure = f"; unknown: {plural(len(report.untold), 'rule')}" if report.untold else ""
    return ok(f"no rule of severity error is violated{more}{unsure}")


def _accepted(case: Case) -> Finding:
    if case.state is None or outgoing_or_none(case.state) is None:
        return unknown("which kernels would accept this state: there is no outgoing side in sight")
    if not case.kernels:
        return unknown(
            "which kernels would accept this state: none was looked at", remedy="--images DIR looks at the kernels of a directory"
        )
    details = tuple(
        SafeText(
            f"{one.path}: {one.reason if one.found is None else one.found.verdict}" + (f" (initrd {one.initrd})" if one.initrd else "")
        )
        for one in case.kernels
    )
    whole = [one for one in case.kernels if one.found is not None and one.found.taken_whole]
    open_ones = [one for one in case.kernels if one.found is None or one.found.taken_whole is None]
    count = f"{len(whole)} of {plural(len(case.kernels), 'image')}"
    if whole:
        return ok(f"{count} accept this state whole", details=details)
    if open_ones:
        return unknown(f"{count} accept this state whole, and of {len(open_ones)} it is unknown", remedy=GATE, details=details)
    return wrong("no image that was looked at accepts this state whole", f"install a kernel that accepts it; {GATE}", details=details)


def named_by(case: Case) -> dict[str, tuple[Symptom, list[int]]]:
    """The symptoms that lines of the log are, by name, with the numbers of their lines, in the order of the log."""
    found: dict[str, tuple[Symptom, list[int]]] = {}
    for number, line in enumerate(case.lines):
        for symptom in SYMPTOMS:
            if symptom.names_line(line.kind, line.text):
                found.setdefault(symptom.name, (symptom, []))[1].append(number)
    return found


def _log(case: Case) -> Finding:
    found = named_by(case)
    if not found:
        if case.log_whole:
            return ok(
                "the kernel's log has no message of KHO or LUO that names a cause", said("dmesg", plural(len(case.lines), "KHO message"))
            )
        if case.lines:
            return unknown(
                "the kernel's log does not begin at boot; what is there of it names no cause",
                said("dmesg", f"{len(case.lines)} KHO messages"),
            )
        return unknown("the kernel's log is not at hand", remedy="run this as root, or add dmesg to the capture")
    shown = sorted({number for _, numbers in found.values() for number in numbers})[:_MOST_LINES]
    path = "" if case.state is None or case.live else f" {case.state.machine.path}"
    asks = ", ".join(f"kho-tui why {name}{path}" for name in found)
    return wrong(
        f"the kernel's log names {plural(len(found), 'cause')}",
        asks,
        *(case.lines[number].evidence for number in shown),
        details=tuple(SafeText(f"{name}: {symptom.title}") for name, (symptom, _) in found.items()),
    )


QUESTIONS = (
    Question(name="finalized", title="finalize", ask=_finalized, decides=True),
    Question(name="owners", title="preserved", ask=_owners),
    Question(name="sound", title="state sound", ask=_sound, decides=True),
    Question(name="kernels", title="next kernels", ask=_accepted),
    Question(name="log", title="kernel log", ask=_log),
)
