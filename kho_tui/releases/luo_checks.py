"""The checks of LUO: of its own state while it boots, where anything wrong is a panic, and of sessions and files once somebody opens
/dev/liveupdate (kho-abi.md 5.2 to 5.5 and 5.8)."""

from __future__ import annotations

from collections.abc import Callable

from kho_tui.abi.luo import LUO_NAME
from kho_tui.releases.check import FIRST, LAST, Check, Outcome, Stage, Target, Verdict
from kho_tui.releases.offered import Offered, OfferedLuo
from kho_tui.releases.sessions import unmade, without_handler
from kho_tui.releases.subtrees import found, kept, own_choice, properties, said
from kho_tui.releases.table import LuoRules
from kho_tui.text import visible

_UNREAD = "sessions are lost, their memory stays reserved"
_UNUSABLE = "every open of /dev/liveupdate fails with EIO"
_SOURCE = "kernel/liveupdate/luo_core.c, luo_session.c"


def _luo(check: Callable[[OfferedLuo, Offered, Target], Verdict]) -> Callable[[Offered, Target], Verdict]:
    def checked(offered: Offered, target: Target) -> Verdict:
        if offered.subtrees is None or offered.luo is None:
            return None, "LUO's state is not at hand"
        return check(offered.luo, offered, target)

    return checked


def _luo_exists(offered: Offered, target: Target) -> Verdict:
    if offered.subtrees is None:
        return None, "the subtrees are not at hand"
    if target.release.luo is None:
        return False, f"this release has no LUO: {_UNREAD}"
    return True, "this release has LUO"


def _luo_version(luo: OfferedLuo, _offered: Offered, target: Target) -> Verdict:
    wanted = _rules(target).compatible
    if luo.compatible is None:
        return None, "LUO's version string is not at hand"
    return luo.compatible == wanted, f"version {luo.compatible.decode('latin-1')}; this kernel takes {wanted.decode()}"


def _rules(target: Target) -> LuoRules:
    """Those of a kernel with LUO: the checks of what LUO reads begin with the first release that has it."""
    assert target.release.luo is not None
    return target.release.luo


def _luo_size(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.size is None:
        return None, "the size of LUO's struct is not at hand"
    return luo.size >= 32, f"{luo.size} bytes of 32"


def _luo_number(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    return luo.number, "liveupdate-number is there" if luo.number else "liveupdate-number is missing or not 8 bytes"


def _luo_sessions(luo: OfferedLuo, _offered: Offered, target: Target) -> Verdict:
    if luo.sessions is None:
        return None, "the session node is not at hand"
    if not luo.sessions:
        return False, "the luo-session node or its header is missing"
    return luo.session_compatible == _rules(target).session_compatible, f"sessions are {(luo.session_compatible or b'?').decode('latin-1')}"


def _luo_flb(luo: OfferedLuo, _offered: Offered, target: Target) -> Verdict:
    if luo.flb is None:
        return None, "the FLB node is not at hand"
    if not luo.flb:
        return False, "the luo-flb node is missing"
    return luo.flb_compatible == _rules(target).flb_compatible, f"FLBs are {(luo.flb_compatible or b'?').decode('latin-1')}"


def _luo_chain(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.chain_fault is None:
        return None, "the chain of session blocks is not at hand"
    return not luo.chain_fault, luo.chain_fault or "the chain of session blocks is sound"


def _luo_handlers(luo: OfferedLuo, _offered: Offered, target: Target) -> Verdict:
    if luo.handlers is None:
        return None, "the files are not at hand"
    damaged = "" if luo.listed is None else next((one.damage for one in luo.listed.sessions if one.damage), "")
    strange = without_handler(luo.handlers, target.all_handlers) or damaged
    return _handlers_known(luo.handlers, target) or (not strange, strange or "its files have handlers")


def _handlers_known(wanted: frozenset[bytes] | None, target: Target) -> Verdict | None:
    """What cannot be told of handlers that would do; None: all can."""
    if target.sure_of_handlers or not wanted or wanted - target.all_handlers:
        return None
    return None, "which file handlers are built in is not known"


def _luo_opens(luo: OfferedLuo, offered: Offered, target: Target) -> Verdict:
    if luo.listed is None or target.release.luo is None:
        return None, "the sessions are not at hand"
    rules = target.release.luo
    fault = unmade(luo.listed, rules, target.all_handlers, offered.page_size)
    if fault is not None:
        return False, f"{fault.met}: {_UNUSABLE}"
    if not luo.listed.whole:
        return None, "the sessions are not all at hand"
    if not rules.checks_files:
        return True, "its sessions can be made again"
    if luo.handlers is None:
        return None, "the files are not at hand"
    return _handlers_known(luo.handlers, target) or (True, "its sessions and files can be made again")


def _luo_names(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.listed is None:
        return None, "the sessions are not at hand"
    cut = next((one for one in luo.listed.sessions if one.made_as != one.name), None)
    if cut is not None:
        return False, f"a session's name has no NUL: it is made as {visible(cut.made_as)}"
    return (True, "every name ends") if luo.listed.whole else (None, "the sessions are not all at hand")


def _luo_restores(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.listed is None or luo.files_fault is None:
        return None, "not all of what its files restore is at hand"
    return not luo.files_fault, luo.files_fault or "its files can be restored"


def _panics(name: str, question: str, since: str, until: str, holds: Callable[[Offered, Target], Verdict]) -> Check:
    """A check of LUO's own structures, which it makes whenever KHO is on."""
    consequence = "the next kernel panics at boot, even with liveupdate=off"
    return Check(name, Stage.CONSUMERS, question, Outcome.PANIC, consequence, since, until, holds, LUO_NAME, _SOURCE)


LUO: tuple[Check, ...] = (
    Check(
        "luo",
        Stage.CONSUMERS,
        "has the kernel LUO",
        Outcome.IGNORED,
        "sessions are lost",
        FIRST,
        LAST,
        _luo_exists,
        LUO_NAME,
        _SOURCE,
    ),
    own_choice(
        "luo-built",
        "is LUO built in",
        _UNREAD,
        said(
            lambda target: target.luo,
            "LUO is built in",
            f"LUO is not built into this kernel: {_UNREAD}",
            "whether LUO is built in is not known",
        ),
        LUO_NAME,
        "kernel/liveupdate/luo_core.c",
    ),
    own_choice(
        "kho-on",
        "is KHO on there",
        _UNREAD,
        said(
            lambda target: target.kho,
            "KHO is on",
            f"KHO is off there, and LUO with it: {_UNREAD}",
            "whether KHO is on there is not known",
        ),
        LUO_NAME,
        "kernel/liveupdate/luo_core.c",
    ),
    Check(
        "luo-found",
        Stage.CONSUMERS,
        "is the root still there to find LUO in",
        Outcome.IGNORED,
        _UNREAD,
        "6.19",
        LAST,
        found(LUO_NAME),
        LUO_NAME,
        _SOURCE,
    ),
    _panics("luo-node", "is LUO's node whole", "6.19", LAST, properties(LUO_NAME)),
    _panics("luo-kept", "is LUO's blob preserved", "6.19", LAST, kept(LUO_NAME)),
    _panics("luo-size", "is LUO's struct whole", "7.2", LAST, _luo(_luo_size)),
    _panics("luo-version", "does LUO know the version", "6.19", LAST, _luo(_luo_version)),
    _panics("luo-number", "is liveupdate-number there", "6.19", "7.1", _luo(_luo_number)),
    _panics("luo-sessions", "is the session node sound", "6.19", "7.1", _luo(_luo_sessions)),
    _panics("luo-flb", "is the FLB node sound", "7.0", "7.1", _luo(_luo_flb)),
    _panics("luo-chain", "is the chain of session blocks sound", "7.2", LAST, _luo(_luo_chain)),
    own_choice(
        "liveupdate-on",
        "is LUO on there",
        _UNREAD,
        said(
            lambda target: target.liveupdate,
            "LUO is on",
            "no liveupdate=on on its command line: nobody can ask for the sessions, their memory stays reserved",
            "whether liveupdate=on stands on its command line is not known",
        ),
        LUO_NAME,
        "kernel/liveupdate/luo_core.c",
        Stage.OPEN,
    ),
    Check(
        "luo-files",
        Stage.OPEN,
        "has every file a handler",
        Outcome.PART,
        "such files are lost",
        "6.19",
        "7.0",
        _luo(_luo_handlers),
        LUO_NAME,
        _SOURCE,
    ),
    Check(
        "luo-open",
        Stage.OPEN,
        "can LUO make its sessions again",
        Outcome.IGNORED,
        f"{_UNUSABLE}: no session can be retrieved, their memory stays reserved",
        "6.19",
        LAST,
        _luo(_luo_opens),
        LUO_NAME,
        "kernel/liveupdate/luo_session.c, luo_session_deserialize",
    ),
    Check(
        "luo-names",
        Stage.OPEN,
        "does every session keep its name",
        Outcome.PART,
        "nobody finds such a session by the name that it had",
        "6.19",
        LAST,
        _luo(_luo_names),
        LUO_NAME,
        "kernel/liveupdate/luo_session.c, luo_session_alloc",
    ),
    Check(
        "luo-restored",
        Stage.RETRIEVE,
        "can every file be restored",
        Outcome.PART,
        "asking for such a file fails, its memory stays reserved",
        "6.19",
        LAST,
        _luo(_luo_restores),
        LUO_NAME,
        "mm/memfd_luo.c, memfd_luo_retrieve",
    ),
)
"""In the order in which a kernel meets them."""
