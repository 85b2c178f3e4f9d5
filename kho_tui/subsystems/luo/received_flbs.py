"""What a booting kernel makes of the file-lifecycle-bound data that it is handed (kernel/liveupdate/luo_flb.c, 7.0 to 7.3)."""

from __future__ import annotations

from kho_tui.abi.flb import TEST_FLB_NAMES
from kho_tui.abi.luo import FLB_NODE_NAME, LUO
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.sections import known_outside
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.model.facts import Missing, NotWritten, known
from kho_tui.model.flbs import FlbList
from kho_tui.model.state import Subtree
from kho_tui.subsystems.luo.content import Luo
from kho_tui.text import visible


def flb_page(subtree: Subtree, boot: Boot) -> Verdict:
    """liveupdate_flb_get_incoming looks names up in the page when the user of an FLB asks, which the test module does while it boots."""
    luo = subtree.content
    at = known(luo.flbs_at) if isinstance(luo, Luo) else None
    if at is None:
        return unknown("where the page of FLBs is is not at hand")
    if boot.target.flb_test is False:
        return Holds("nobody in this kernel asks for FLBs")
    if known_outside(boot.sections, at) or (not at and isinstance(luo, Luo) and not luo.format.is_struct):
        return Fails(f"the page of FLBs is said to be at {at:#x}: who asks for an FLB reads what stands there, and oopses", Outcome.CHANCE)
    if at and boot.reserved.lost(at, boot.handed.page_size):
        return Fails(f"the page of FLBs at {at:#x} is not preserved: who asks for an FLB oopses where it is overwritten", Outcome.CHANCE)
    header = luo.flbs.header if isinstance(luo, Luo) and isinstance(luo.flbs, FlbList) else None
    form = boot.target.own(LUO)
    assert form is not None  # asked of a kernel with LUO only
    most = form.flbs.capacity(boot.handed.page_size)
    if header is not None and header.integer("count") > most:
        met = f"{header.integer('count')} FLBs are claimed where {most} fit the page: who asks for one that is not there reads on behind it"
        return Fails(met, Outcome.WILD)
    return Holds("the page of FLBs is preserved")


def flb_names(subtree: Subtree, boot: Boot) -> Verdict:
    """Who asks for the FLBs: in the kernel's own tree the test module alone does (lib/tests/liveupdate.c)."""
    luo, target = subtree.content, boot.target
    if not isinstance(luo, Luo) or isinstance(luo.flbs, NotWritten):
        return Holds("no FLBs are there yet") if isinstance(luo, Luo) else unknown("the FLBs are not at hand")
    if not isinstance(luo.flbs, FlbList):
        return Holds("there is no page of FLBs") if luo.flbs_at == 0 else unknown("the FLBs are not at hand")
    asked = {name: _asks_for(name, target) for name in (flb.name for flb in luo.flbs.flbs)}
    lost = [visible(name) for name, asks in asked.items() if asks is False]
    if lost:
        return Fails(f"nobody in this kernel asks for the FLB {', '.join(lost)}")
    unsure = [visible(name) for name, asks in asked.items() if asks is None]
    if unsure:
        return unknown(f"whether somebody in this kernel asks for the FLB {', '.join(unsure)} is not known")
    return Holds("somebody asks for every FLB")


def knows_flbs(subtree: Subtree, boot: Boot) -> Verdict:
    """A kernel of a release before 7.0 never looks at the luo-flb node, unless FLBs were added to it."""
    flbs, target = subtree.flbs, boot.target
    if target.flb_test or (target.may_hold is not None and target.may_hold(FLB_NODE_NAME)):
        return Holds("FLBs were added to it")
    if subtree.sessions is None or (isinstance(flbs, Missing) and not isinstance(flbs, NotWritten)):
        return unknown("the FLBs are not at hand")
    names = ", ".join(dict.fromkeys(visible(flb.name) for flb in flbs.flbs)) if isinstance(flbs, FlbList) else ""
    return Fails(f"{target.release.name} has no FLBs: nobody asks for {names}") if names else Holds("no FLBs are handed over")


def _asks_for(name: bytes, target: Target) -> bool | None:
    if name in TEST_FLB_NAMES:
        return target.flb_test is not False
    return False if target.may_hold is not None and not target.may_hold(name) else None


def finish_warning(subtree: Subtree, boot: Boot) -> Verdict:
    """liveupdate_flb_put_incoming warns of an FLB of the handler that is not there when a file is finished (7.1 and 7.3 booted)."""
    luo, target = subtree.content, boot.target
    files = [file for session in boot.restored.sessions if not isinstance(session.files, Missing) for file in session.files]
    if not target.panics(Stage.RETRIEVE).on_warn or target.flb_test is False or not files:
        return Holds("no WARNING that could end it")
    if not isinstance(luo, Luo) or (not isinstance(luo.flbs, FlbList) and luo.flbs_at != 0):
        return unknown("the FLBs are not at hand")
    there = {flb.name for flb in luo.flbs.flbs} if isinstance(luo.flbs, FlbList) else set()
    missing = [visible(name) for name in TEST_FLB_NAMES if name not in there]
    if not missing:
        return Holds("the FLBs that depend on files are there")
    met = f"the state has files and no FLB {missing[0]}: the test module of this kernel warns when a file is finished"
    return Fails(met, warns=True) if target.flb_test else unknown(f"{met}, if it has one")
