"""What a booting kernel checks and does with a state that it is handed, stage by stage (kho-abi.md 1.1, 5.8 and section 9).

Declared once: the simulator's kexec and the question whether another kernel would take a state both run these stages. A check sees only
``Offered``, so that it holds for a captured state, a simulated one, or one put together by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.root import ROOT_FORMATS, Tracker
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.place import Origin, Place
from kho_tui.releases.sessions import OfferedSessions, unmade, without_handler
from kho_tui.releases.table import Release

FDT_MAGIC = 0xD00DFEED
_INT_MAX = 2**31 - 1


class Outcome(Enum):
    """What becomes of a state, or of one consumer's part of it. The value is the word shown; in the order of ``rank``."""

    TAKEN = "taken"
    PART = "taken in part"
    IGNORED = "ignored"
    MISREAD = "misread silently"
    PANIC = "panic"

    @property
    def rank(self) -> int:
        """How bad it is."""
        return list(Outcome).index(self)


class Stage(Enum):
    """When a check is made. The value is the word shown."""

    FIND = "finding the handover"
    ACCEPT = "accepting it"
    MEMORY = "taking over memory"
    CONSUMERS = "consumers"
    OPEN = "opening /dev/liveupdate"


@dataclass(frozen=True, slots=True)
class OfferedLuo:
    """LUO's part as its reader meets it; None: cannot be told.

    ``form``: "fdt" or "struct". ``chain_fault`` says what is wrong with the chain of session blocks, empty: nothing.
    ``listed``: its sessions, None where they cannot be read.
    """

    form: str | None
    compatible: bytes | None = None
    number: bool | None = None
    sessions: bool | None = None
    session_compatible: bytes | None = None
    flb: bool | None = None
    flb_compatible: bytes | None = None
    size: int | None = None
    chain_fault: str | None = None
    listed: OfferedSessions | None = None

    @property
    def handlers(self) -> frozenset[bytes] | None:
        """Compatible strings of the files; None where they cannot be read."""
        return None if self.listed is None else self.listed.handlers


@dataclass(frozen=True, slots=True)
class OfferedSubtree:
    """A subnode of the root: lengths of its properties by name, the address and size they tell, and whether its bytes can be read.

    ``lost``: its blob is known not to be preserved.
    """

    name: bytes
    properties: Mapping[str, int]
    phys: int | None
    size: int | None
    readable: bool | None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class OfferedRegion:
    """A memblock region; None for a property that is missing or not 8 bytes."""

    name: bytes
    start: int | None
    size: int | None
    compatible: bool


@dataclass(frozen=True, eq=False)
class Offered:
    """What a kernel is handed, as far as it looks at it. None wherever it cannot be told from what is at hand.

    ``attached``: the old kernel gives it to the next one at all (6.16-6.18: finalized before the load). ``fdt``: the page of the root FDT.
    ``compatibles`` are the strings of its list, ``map_length`` the bytes of the map property (0: absent), ``map_address`` its value.
    ``bitmap_bytes``: size of kho-v1 bitmaps. ``highest_order`` of all preserved blocks. ``tracker_fault``: what is wrong with the
    tracker's structure, empty for nothing. A memblock blob that cannot be read is one region that cannot be. ``root_lost``: the page of the
    root FDT is known not to be preserved.
    """

    page_size: int
    attached: bool | None
    not_attached: str
    fdt: bytes | None
    fdt_phys: int | None
    compatibles: tuple[bytes, ...] | None
    map_length: int | None
    map_address: int | None
    scratch: bool | None
    bitmap_bytes: int | None
    highest_order: int | None
    subtrees: tuple[OfferedSubtree, ...] | None
    luo: OfferedLuo | None
    luo_readable: bool
    metadata_version: int | None
    test_inline: bool | None
    regions: tuple[OfferedRegion, ...] | None
    tracker_fault: str | None = ""
    root_lost: bool = False

    def subtree(self, name: bytes) -> OfferedSubtree | None:
        """The first subnode of this name, which is the one that a kernel finds."""
        return next((one for one in self.subtrees or () if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Target:
    """The kernel that would take the state. ``built``: with KHO in it. ``page_size`` None: the same as the writer's.

    ``kho`` and ``liveupdate``: what is on once it has read its command line. ``kho=off`` does not stop it from taking a handover but
    switches LUO off. ``luo``: CONFIG_LIVEUPDATE; ``test``: CONFIG_TEST_KEXEC_HANDOVER, as a module too. None: not known; then KHO and LUO
    are taken to be on, so that a panic that is found is one unless they are off.
    """

    release: Release
    kho: bool | None = True
    built: bool = True
    page_size: int | None = None
    asked_regions: tuple[tuple[bytes, int, int], ...] | None = None
    """(name, size, alignment) of each ``reserve_mem=``; None: the command line is not known."""
    luo: bool | None = True
    liveupdate: bool | None = True
    handlers: frozenset[bytes] | None = None
    """Compatible strings of the file handlers in it; None: the release's own."""
    sure_of_handlers: bool = True
    """Whether it is known that ``handlers`` are built in."""
    test: bool | None = True

    @property
    def all_handlers(self) -> frozenset[bytes]:
        """Compatible strings of the file handlers that are taken to be in it."""
        if self.handlers is not None:
            return self.handlers
        return frozenset() if self.release.luo is None else frozenset({self.release.luo.memfd_compatible})


Verdict = tuple[bool | None, str]
"""Whether a check holds (None: cannot be told) and what was met."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a kernel looks at. ``fails`` is what a failure leads to; ``consumer`` None: it decides on the whole handover."""

    name: str
    stage: Stage
    question: str
    fails: Outcome
    consequence: str
    since: str
    until: str
    holds: Callable[[Offered, Target], Verdict]
    consumer: bytes | None = None
    source: str = "kernel/liveupdate/kexec_handover.c, kho_populate"

    def applies(self, release: Release) -> bool:
        """Whether this release makes the check."""
        return _key(self.since) <= _key(release.name) <= _key(self.until)


@dataclass(frozen=True, slots=True)
class Answer:
    """A check as it went."""

    check: Check
    holds: bool | None
    met: str


@dataclass(frozen=True, slots=True)
class Reception:
    """What a target does with a state: the checks as they went, in order, and what becomes of each consumer's part.

    ``deciding`` is the check that made the outcome, None where all is taken. ``open`` are checks that cannot be told.
    """

    target: Target
    outcome: Outcome
    deciding: Answer | None
    answers: tuple[Answer, ...]
    consumers: Mapping[bytes, tuple[Outcome, str]] = field(default_factory=dict)

    @property
    def open(self) -> tuple[Answer, ...]:
        """What cannot be told; with any of these, "taken" means "nothing against it was found"."""
        return tuple(one for one in self.answers if one.holds is None)

    def read_at_boot(self, consumer: bytes) -> bool:
        """Whether the boot itself takes a consumer's part, whatever becomes of it when somebody asks for it."""
        return not any(one.holds is False and one.check.consumer == consumer and _ends(one.check) for one in self.answers)


def receive(offered: Offered, target: Target) -> Reception:
    """Run the stages in the kernel's order. A check that decides on the whole handover ends them where it fails."""
    answers: list[Answer] = []
    consumers: dict[bytes, tuple[Outcome, str]] = {}
    worst: Answer | None = None
    for check in CHECKS:
        if not check.applies(target.release) or (check.consumer is not None and _is_absent(offered, check.consumer)):
            continue
        if check.consumer in consumers and consumers[check.consumer][0] in (Outcome.IGNORED, Outcome.PANIC):
            continue
        holds, met = check.holds(offered, target)
        answer = Answer(check, holds, met)
        answers.append(answer)
        if holds is not False:
            continue
        if worst is None or check.fails.rank > worst.check.fails.rank:
            worst = answer
        if check.consumer is None and check.fails in (Outcome.IGNORED, Outcome.PANIC):
            return Reception(target, check.fails, answer, tuple(answers), _all_lost(offered, check.fails, met))
        if check.consumer is not None:
            consumers[check.consumer] = check.fails, met
            if check.fails is Outcome.PANIC:
                return Reception(target, Outcome.PANIC, answer, tuple(answers), consumers)
    for subtree in offered.subtrees or ():
        consumers.setdefault(subtree.name, _untouched(subtree.name))
    return Reception(target, _overall(worst), worst, tuple(answers), consumers)


def _ends(check: Check) -> bool:
    return check.stage is not Stage.OPEN and check.fails in (Outcome.IGNORED, Outcome.PANIC)


def _overall(worst: Answer | None) -> Outcome:
    if worst is None:
        return Outcome.TAKEN
    # A consumer's state that is ignored is a part of the whole.
    return Outcome.PART if worst.check.fails is Outcome.IGNORED else worst.check.fails


def _all_lost(offered: Offered, outcome: Outcome, met: str) -> dict[bytes, tuple[Outcome, str]]:
    return {one.name: (outcome, met) for one in offered.subtrees or ()}


def _untouched(name: bytes) -> tuple[Outcome, str]:
    if name in _IN_TREE:
        return Outcome.TAKEN, ""
    return Outcome.PART, "nobody in the kernel's own tree asks for it; its memory stays reserved"


def _is_absent(offered: Offered, consumer: bytes) -> bool:
    return offered.subtrees is not None and offered.subtree(consumer) is None


_IN_TREE = frozenset({LUO_NAME, MEMBLOCK_NAME, KEXEC_METADATA_NAME, KHO_TEST_NAME})


def _key(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


# Stage 0


def _is_built(_offered: Offered, target: Target) -> Verdict:
    return target.built, "KHO is built in" if target.built else "KHO is not built into this kernel"


def _is_attached(offered: Offered, _target: Target) -> Verdict:
    return offered.attached, offered.not_attached


def _same_page_size(offered: Offered, target: Target) -> Verdict:
    there = target.page_size
    return there in (None, offered.page_size), f"pages of {offered.page_size} bytes" + (
        "" if there is None else f", the kernel has {there}"
    )


# Stage 1


def _header(offered: Offered, target: Target) -> Verdict:
    if offered.fdt is None:
        return None, "the page of the root FDT is not at hand"
    fault = header_fault(offered.fdt, offered.fdt_phys, strict=_key(target.release.name) >= (7, 1))
    return not fault, fault or "the header is sound"


def header_fault(fdt: bytes, phys: int | None, *, strict: bool) -> str:
    """What ``fdt_check_header`` finds wrong, empty for nothing. ``strict``: with the alignments of 7.1 on (scripts/dtc/libfdt/fdt.c)."""
    if phys is not None and phys % 8:
        return f"the FDT lies at {phys:#x}, not 8-byte aligned"
    if len(fdt) < FDT_HEADER.size:
        return f"{len(fdt)} bytes are no FDT header"
    header = FDT_HEADER.record(fdt, "big", Place(Origin.MEMORY, "root FDT", None))
    value = header.integer
    size = value("totalsize")
    if value("magic") != FDT_MAGIC:
        return f"magic {value('magic'):#x} instead of {FDT_MAGIC:#x}"
    if value("version") < 2 or value("last_comp_version") > 17 or value("version") < value("last_comp_version"):
        return f"version {value('version')}, compatible down to {value('last_comp_version')}"
    if not FDT_HEADER.size <= size <= _INT_MAX:
        return f"total size {size}"
    for block, extent in (("off_mem_rsvmap", 0), ("off_dt_struct", value("size_dt_struct")), ("off_dt_strings", value("size_dt_strings"))):
        if not FDT_HEADER.size <= value(block) <= size or value(block) + extent > size:
            return f"{block} {value(block)} leads out of the {size} bytes"
    if strict and (value("off_mem_rsvmap") % 8 or value("off_dt_struct") % 4):
        return "blocks of the FDT are not aligned"
    return ""


def _root_version(offered: Offered, target: Target) -> Verdict:
    if offered.compatibles is None:
        return None, "the root's compatible string is not at hand"
    wanted = target.release.root
    told = ", ".join(one.decode("latin-1") for one in offered.compatibles) or "none"
    return wanted in offered.compatibles, f"handed over: {told}; this kernel takes only {wanted.decode()}"


def _map(offered: Offered, target: Target) -> Verdict:
    if offered.map_length is None or (offered.map_length == 8 and offered.map_address is None):
        return None, "the root's memory map property is not at hand"
    if offered.map_length != 8:
        return False, f"preserved-memory-map has {offered.map_length} bytes instead of 8"
    return bool(offered.map_address), "preserved-memory-map is 0: never finalized" if not offered.map_address else "there is a memory map"


def _scratch(offered: Offered, _target: Target) -> Verdict:
    if offered.scratch is None:
        return None, "the scratch table is not at hand"
    return offered.scratch, "the scratch table can be read" if offered.scratch else "the scratch table cannot be read"


# Stage 2


def _bitmaps(offered: Offered, target: Target) -> Verdict:
    known = ROOT_FORMATS.get(target.release.root)
    if known is None or known.tracker is not Tracker.CHUNKS:
        return True, "a radix tree"
    if offered.bitmap_bytes is None:
        return None, "the size of the bitmaps is not at hand"
    own = target.release.bitmap_bytes or offered.page_size
    if offered.bitmap_bytes == own:
        return True, f"bitmaps of {own} bytes"
    harm = "memory beyond the real blocks is reserved too" if own > offered.bitmap_bytes else "bits beyond the first 4096 are lost"
    return False, f"bitmaps of {offered.bitmap_bytes} bytes are read as {own}: {harm}"


def _tracker(offered: Offered, _target: Target) -> Verdict:
    if offered.tracker_fault is None:
        return None, "not all of the tracker is at hand"
    fault = offered.tracker_fault
    return not fault, f"the tracker is damaged: {fault}" if fault else "the tracker is sound"


def _shift(offered: Offered, target: Target) -> Verdict:
    if offered.highest_order is None:
        return None, "the preserved blocks are not at hand"
    limit = 31 - (offered.page_size.bit_length() - 1)
    high = offered.highest_order
    return high < limit, f"highest order {high}" + ("" if high < limit else f"; from order {limit} on this kernel's 32-bit shift overflows")


# Stage 3


def _properties(name: bytes) -> Callable[[Offered, Target], Verdict]:
    def check(offered: Offered, target: Target) -> Verdict:
        subtree = offered.subtree(name)
        if subtree is None:
            return None, "the subtrees are not at hand"
        root = ROOT_FORMATS[target.release.root]
        wanted = (root.pointer, *(("blob-size",) if root.has_size else ()))
        wrong = [one for one in wanted if subtree.properties.get(one) != 8]
        return not wrong, f"{', '.join(wrong)} missing or not 8 bytes" if wrong else "its properties are there"

    return check


def _found(name: bytes) -> Callable[[Offered, Target], Verdict]:
    def check(offered: Offered, _target: Target) -> Verdict:
        if offered.subtrees is None:
            return None, "the subtrees are not at hand"
        fault = f"the page of the root FDT is {_OVERWRITTEN}" if offered.root_lost else ""
        return not fault, fault or f"{name.decode()} is found"

    return check


def _kept(name: bytes) -> Callable[[Offered, Target], Verdict]:
    def check(offered: Offered, _target: Target) -> Verdict:
        subtree = offered.subtree(name)
        if subtree is None:
            return None, "the subtrees are not at hand"
        return not subtree.lost, f"its blob is {_OVERWRITTEN}" if subtree.lost else "its blob is preserved"

    return check


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


def _said(fact: Callable[[Target], bool | None], yes: str, no: str, untold: str) -> Callable[[Offered, Target], Verdict]:
    """A check of what build and command line decide."""

    def check(offered: Offered, target: Target) -> Verdict:
        if offered.subtrees is None:
            return None, "the subtrees are not at hand"
        told = fact(target)
        return told, untold if told is None else yes if told else no

    return check


def _luo_version(luo: OfferedLuo, _offered: Offered, target: Target) -> Verdict:
    wanted = _luo_root(target.release)
    if luo.compatible is None:
        return None, "LUO's version string is not at hand"
    return luo.compatible == wanted, f"version {luo.compatible.decode('latin-1')}; this kernel takes {wanted.decode()}"


def _luo_root(release: Release) -> bytes:
    return b"luo-v5" if _key(release.name) >= (7, 2) else b"luo-v1"


def _luo_size(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.size is None:
        return None, "the size of LUO's struct is not at hand"
    return luo.size >= 32, f"{luo.size} bytes of 32"


def _luo_number(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    return luo.number, "liveupdate-number is there" if luo.number else "liveupdate-number is missing or not 8 bytes"


def _luo_sessions(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.sessions is None:
        return None, "the session node is not at hand"
    if not luo.sessions:
        return False, "the luo-session node or its header is missing"
    return luo.session_compatible == b"luo-session-v2", f"sessions are {(luo.session_compatible or b'?').decode('latin-1')}"


def _luo_flb(luo: OfferedLuo, _offered: Offered, _target: Target) -> Verdict:
    if luo.flb is None:
        return None, "the FLB node is not at hand"
    if not luo.flb:
        return False, "the luo-flb node is missing"
    return luo.flb_compatible == b"luo-flb-v1", f"FLBs are {(luo.flb_compatible or b'?').decode('latin-1')}"


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


def _kept_regions(offered: Offered, target: Target) -> Verdict:
    if target.asked_regions is None or offered.regions is None:
        return None, "the next command line is not known" if target.asked_regions is None else "the regions are not at hand"
    asked = {name: (size, align) for name, size, align in target.asked_regions}
    lost = []
    for region in offered.regions:
        wanted = asked.get(region.name)
        shown = region.name.decode("latin-1")
        if not region.compatible or region.start is None or region.size is None:
            lost.append(f"{shown} cannot be read")
        elif wanted is None:
            lost.append(f"{shown} is not asked for")
        elif region.size != wanted[0]:
            lost.append(f"{shown} has {region.size:#x} bytes, asked for are {wanted[0]:#x}")
        elif region.start & (max(wanted[1], 64) - 1):
            lost.append(f"{shown} at {region.start:#x} is not aligned to {wanted[1]:#x}")
    return not lost, "; ".join(lost) if lost else "every region is asked for again"


def _metadata(offered: Offered, _target: Target) -> Verdict:
    if offered.metadata_version is None:
        return None, "the metadata is not at hand"
    return offered.metadata_version == 1, f"version {offered.metadata_version}"


def _test_payload(offered: Offered, target: Target) -> Verdict:
    if offered.test_inline is None:
        return None, "the test's list is not at hand"
    inline = _key(target.release.name) <= (6, 17)
    forms = ("a vmalloc descriptor", "an inline list")
    return offered.test_inline == inline, f"the list is {forms[offered.test_inline]}, this kernel reads {forms[inline]}"


_OVERWRITTEN = "not preserved: it is overwritten by then"
_FIRST, _LAST = "6.16", "99.0"
_UNREAD = "sessions are lost, their memory stays reserved"
_UNUSABLE = "every open of /dev/liveupdate fails with EIO"
_LUO_SOURCE = "kernel/liveupdate/luo_core.c, luo_session.c"
_LOST = "the next kernel boots cold: everything handed over is lost and overwritten"
_PANIC = "the next kernel panics at boot, even with liveupdate=off"


def _own_choice(
    name: str,
    question: str,
    consequence: str,
    holds: Callable[[Offered, Target], Verdict],
    consumer: bytes,
    source: str,
    stage: Stage = Stage.CONSUMERS,
) -> Check:
    """A check of the kernel's build or command line, without which a consumer's part is lost."""
    return Check(name, stage, question, Outcome.IGNORED, consequence, _FIRST, _LAST, holds, consumer, source)


def _node(name: bytes, since: str, consequence: str, source: str) -> tuple[Check, ...]:
    """That kho_retrieve_subtree gives a consumer its subtree, and that it is still there."""
    shown = name.decode()

    def one(what: str, question: str, holds: Callable[[Offered, Target], Verdict]) -> Check:
        return Check(f"{shown}-{what}", Stage.CONSUMERS, question, Outcome.IGNORED, consequence, since, _LAST, holds, name, source)

    return (
        one("found", f"is the root still there to find {shown} in", _found(name)),
        one("node", f"is the node of {shown} whole", _properties(name)),
        one("kept", f"is the blob of {shown} preserved", _kept(name)),
    )


CHECKS: tuple[Check, ...] = (
    Check("built", Stage.FIND, "is KHO built into the kernel", Outcome.IGNORED, _LOST, _FIRST, _LAST, _is_built),
    Check("attached", Stage.FIND, "is the handover given to the next kernel at all", Outcome.IGNORED, _LOST, _FIRST, _LAST, _is_attached),
    Check(
        "page-size",
        Stage.FIND,
        "have both kernels the same page size",
        Outcome.MISREAD,
        "every structure is misread",
        _FIRST,
        _LAST,
        _same_page_size,
    ),
    Check("fdt-header", Stage.ACCEPT, "is the root an FDT", Outcome.IGNORED, _LOST, _FIRST, _LAST, _header),
    Check(
        "root-version", Stage.ACCEPT, "does the kernel know this version of the root", Outcome.IGNORED, _LOST, _FIRST, _LAST, _root_version
    ),
    Check("memory-map", Stage.ACCEPT, "does the root name a memory map", Outcome.IGNORED, _LOST, "6.19", _LAST, _map),
    Check("scratch", Stage.ACCEPT, "can the scratch table be read", Outcome.IGNORED, _LOST, _FIRST, _LAST, _scratch),
    Check(
        "memory-map",
        Stage.MEMORY,
        "does the root name a memory map",
        Outcome.PART,
        "nothing is reserved: the subtrees are found, their memory is overwritten",
        _FIRST,
        "6.18",
        _map,
    ),
    Check(
        "tracker",
        Stage.MEMORY,
        "can the tracker be walked",
        Outcome.MISREAD,
        "the walk checks nothing: wrong memory is kept, or the boot never ends",
        _FIRST,
        _LAST,
        _tracker,
        source="kernel/liveupdate/kexec_handover.c, kho_mem_init",
    ),
    Check(
        "bitmaps",
        Stage.MEMORY,
        "are bitmaps of the size that the kernel reads",
        Outcome.MISREAD,
        "wrong memory is kept",
        _FIRST,
        "7.0",
        _bitmaps,
    ),
    Check(
        "shift",
        Stage.MEMORY,
        "do all orders fit a 32-bit shift",
        Outcome.MISREAD,
        "of large blocks too much or next to nothing is reserved",
        _FIRST,
        "7.1",
        _shift,
    ),
    Check(
        "luo",
        Stage.CONSUMERS,
        "has the kernel LUO",
        Outcome.IGNORED,
        "sessions are lost",
        _FIRST,
        _LAST,
        _luo_exists,
        LUO_NAME,
        _LUO_SOURCE,
    ),
    _own_choice(
        "luo-built",
        "is LUO built in",
        _UNREAD,
        _said(
            lambda target: target.luo,
            "LUO is built in",
            f"LUO is not built into this kernel: {_UNREAD}",
            "whether LUO is built in is not known",
        ),
        LUO_NAME,
        "kernel/liveupdate/luo_core.c",
    ),
    _own_choice(
        "kho-on",
        "is KHO on there",
        _UNREAD,
        _said(
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
        _LAST,
        _found(LUO_NAME),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    Check(
        "luo-node",
        Stage.CONSUMERS,
        "is LUO's node whole",
        Outcome.PANIC,
        _PANIC,
        "6.19",
        _LAST,
        _properties(LUO_NAME),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    Check(
        "luo-kept",
        Stage.CONSUMERS,
        "is LUO's blob preserved",
        Outcome.PANIC,
        _PANIC,
        "6.19",
        _LAST,
        _kept(LUO_NAME),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    Check(
        "luo-size", Stage.CONSUMERS, "is LUO's struct whole", Outcome.PANIC, _PANIC, "7.2", _LAST, _luo(_luo_size), LUO_NAME, _LUO_SOURCE
    ),
    Check(
        "luo-version",
        Stage.CONSUMERS,
        "does LUO know the version",
        Outcome.PANIC,
        _PANIC,
        "6.19",
        _LAST,
        _luo(_luo_version),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    Check(
        "luo-number",
        Stage.CONSUMERS,
        "is liveupdate-number there",
        Outcome.PANIC,
        _PANIC,
        "6.19",
        "7.1",
        _luo(_luo_number),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    Check(
        "luo-sessions",
        Stage.CONSUMERS,
        "is the session node sound",
        Outcome.PANIC,
        _PANIC,
        "6.19",
        "7.1",
        _luo(_luo_sessions),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    Check("luo-flb", Stage.CONSUMERS, "is the FLB node sound", Outcome.PANIC, _PANIC, "7.0", "7.1", _luo(_luo_flb), LUO_NAME, _LUO_SOURCE),
    Check(
        "luo-chain",
        Stage.CONSUMERS,
        "is the chain of session blocks sound",
        Outcome.PANIC,
        _PANIC,
        "7.2",
        _LAST,
        _luo(_luo_chain),
        LUO_NAME,
        _LUO_SOURCE,
    ),
    _own_choice(
        "liveupdate-on",
        "is LUO on there",
        _UNREAD,
        _said(
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
        _LUO_SOURCE,
    ),
    Check(
        "luo-open",
        Stage.OPEN,
        "can LUO make its sessions again",
        Outcome.IGNORED,
        f"{_UNUSABLE}: no session can be retrieved, their memory stays reserved",
        "6.19",
        _LAST,
        _luo(_luo_opens),
        LUO_NAME,
        "kernel/liveupdate/luo_session.c, luo_session_deserialize",
    ),
    *_node(MEMBLOCK_NAME, _FIRST, "its regions are allocated anew, inside scratch", "mm/memblock.c"),
    Check(
        "reserve_mem",
        Stage.CONSUMERS,
        "are the regions asked for again",
        Outcome.PART,
        "a region not revived is allocated anew, inside scratch",
        _FIRST,
        _LAST,
        _kept_regions,
        MEMBLOCK_NAME,
        "mm/memblock.c",
    ),
    *_node(KEXEC_METADATA_NAME, "7.1", "the kexec count starts anew", "kernel/liveupdate/kexec_handover.c"),
    Check(
        "metadata",
        Stage.CONSUMERS,
        "is the metadata's version known",
        Outcome.IGNORED,
        "the kexec count starts anew",
        "7.1",
        _LAST,
        _metadata,
        KEXEC_METADATA_NAME,
    ),
    _own_choice(
        "test-built",
        "is the test module there",
        "the test's folios stay reserved",
        _said(
            lambda target: target.test,
            "the test module is there",
            "the test module is not built: its folios stay reserved",
            "whether the test module is built is not known",
        ),
        KHO_TEST_NAME,
        "lib/test_kho.c",
    ),
    *_node(KHO_TEST_NAME, _FIRST, "the test's folios stay reserved", "lib/test_kho.c"),
    Check(
        "test-payload",
        Stage.CONSUMERS,
        "is the test's list of the kind the kernel reads",
        Outcome.IGNORED,
        "the test's folios are lost",
        _FIRST,
        _LAST,
        _test_payload,
        KHO_TEST_NAME,
        "lib/test_kho.c",
    ),
)
"""In the order in which a kernel meets them."""
