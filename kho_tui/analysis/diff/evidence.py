"""Whether two states are the two ends of one handover: only on evidence, which is shown."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.boot import KHO_DATA, KHO_FDT_PROPERTY
from kho_tui.analysis.diff.log import HandoverLog, read_log
from kho_tui.analysis.diff.scratch import area_fields, comparable_areas
from kho_tui.analysis.diff.subtrees import same_subtrees
from kho_tui.fdt.tree import Property
from kho_tui.layout.place import Origin, agree
from kho_tui.model.change import Evidence
from kho_tui.model.facts import Missing, Stale, known
from kho_tui.model.sides import handover_counts, outgoing_or_none, side_untold
from kho_tui.model.state import Machine, Root, Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.text import NO_TEXT, SafeText, plural

_ROOT = SafeText("root FDT")
_ADDRESS = SafeText("address of the root FDT")
_SCRATCH = SafeText("scratch table")
_SIDE = SafeText("side of the root FDT")
_ORDER = SafeText("order of the states")


@dataclass(frozen=True, eq=False, kw_only=True)
class OneHandover:
    """The evidence, and whether it shows one handover (``shown``; None: it cannot be told); ``why`` not.

    ``refused``: the next kernel took nothing.
    """

    before: Side | None
    after: Side | None
    evidence: tuple[Evidence, ...]
    shown: bool | None
    refused: bool
    why: SafeText

    @property
    def contradicted(self) -> bool:
        """Whether B was offered a handover, and its root FDT or where that lay is not A's."""
        return not self.shown and any(one.holds is False for one in self.evidence if one.name != _SCRATCH)


def handover_evidence(old: State, new: State, log: HandoverLog) -> OneHandover:
    """What speaks for ``new`` having been booted with what ``old`` was to hand over, or for it being the other way round."""
    one = _evidence(old, new, log)
    return one if one.shown else _reversed(old, new) or one


def _reversed(old: State, new: State) -> OneHandover | None:
    """B is the state before A: what B was to hand over is what A was handed. None where that is not shown."""
    if not _evidence(new, old, read_log(old.log)).shown:
        return None
    was, now = (handover_counts(outgoing_or_none(state)) for state in (old, new))
    counts = [f"{name} {was[name]} -> {now[name]}" for name in sorted(was.keys() & now)]
    why = SafeText(f"B is the state before A: {', '.join(counts) or 'A was handed what B was to hand over'}")
    return OneHandover(
        before=outgoing_or_none(old),
        after=new.sides.get("in"),
        evidence=(Evidence(_ORDER, False, why),),
        shown=False,
        refused=False,
        why=why,
    )


def _evidence(old: State, new: State, log: HandoverLog) -> OneHandover:
    before, after = outgoing_or_none(old), new.sides.get("in")
    if before is None:
        hidden = side_untold(old, "out")
        why = SafeText(f"A does not tell its outgoing side: {hidden}" if hidden else "A has no outgoing side")
        return _one_boot(old, new) or OneHandover(
            before=None, after=after, evidence=(), shown=None if hidden else False, refused=False, why=why
        )
    root = before.root
    told_at = fdt_address(new.machine)
    if isinstance(root, Missing):
        return _one_boot(old, new) or _without_root(old, new, before, root, told_at)
    if after is None:
        return _unsided(before, root, new) or _without_incoming(before, root, new, told_at if told_at is not None else log.refused_at, log)
    same_bytes = _same_bytes(root, after.root)
    same_address = _same_address(root, _given_at(new, after))
    scratch = _same_scratch(old, new)
    evidence = (same_bytes, same_address, scratch.evidence)
    sure = bool(same_address.holds and scratch.evidence.holds)
    # A root FDT that is cut or gone speaks neither way: that it lay where A's did, beside the same table, is enough. A kernel with KHO
    # off shows neither in debugfs, and takes over what it is handed all the same: its log says so.
    unread = same_bytes.holds is None and (sure or (same_address.holds and log.found is not None))
    related = same_bytes.holds or unread or ((same_address.holds or scratch.evidence.holds) and _related(before, after, sure=sure))
    if related and not _speaks_against(same_address, scratch):
        return OneHandover(before=before, after=after, evidence=evidence, shown=True, refused=False, why=NO_TEXT)
    return _one_boot(old, new) or _not_shown(before, after, evidence)


def _speaks_against(address: Evidence, scratch: _ScratchEvidence) -> bool:
    """What no equal bytes make up for: another address, another table. A table that differs in part was altered, if the address agrees."""
    if address.holds is False:
        return True
    return scratch.evidence.holds is False and not (address.holds and scratch.in_part)


def _not_shown(before: Side, after: Side | None, evidence: tuple[Evidence, ...]) -> OneHandover:
    """Whether one handover is ruled out, or only not shown: nothing speaks against it."""
    against = [one.text for one in evidence if one.holds is False]
    reasons = against or [one.text for one in evidence if one.holds is None]
    return OneHandover(
        before=before, after=after, evidence=evidence, shown=False if against else None, refused=False, why=SafeText("; ".join(reasons))
    )


def _one_boot(old: State, new: State) -> OneHandover | None:
    """Two states that were handed the same root FDT have no handover between them. None where they were not."""
    one, other = old.sides.get("in"), new.sides.get("in")
    if one is None or other is None or isinstance(one.root, Missing) or not _same_bytes(one.root, other.root).holds:
        return None
    if isinstance(one.root.phys, int) and _same_address(one.root, _given_at(new, other)).holds is False:
        return None
    told = Evidence(_ROOT, False, SafeText("A and B were handed the same root FDT, byte for byte"))
    simulated = ", one of them simulated" if bool(old.unpredictable) != bool(new.unpredictable) else ""
    return OneHandover(
        before=outgoing_or_none(old),
        after=other,
        evidence=(told,),
        shown=False,
        refused=False,
        why=SafeText(f"two states of one boot{simulated}"),
    )


def _without_root(old: State, new: State, before: Side, root: Missing, told_at: int | None) -> OneHandover:
    """A does not tell its root FDT (debugfs of a kernel that booted through KHO): what it hands over may speak for or against."""
    after = new.sides.get("in")
    unknown = Evidence(_ROOT, None, SafeText(f"A's root FDT is not known: {root.reason}"))
    if after is None:
        hidden = side_untold(new, "in")
        no_side = SafeText("B shows no incoming side, so it was not booted with a handover")
        why = SafeText(f"{unknown.text}; B does not tell its incoming side: {hidden}") if hidden else no_side
        return OneHandover(
            before=before, after=None, evidence=(unknown,) if hidden else (), shown=None if hidden else False, refused=False, why=why
        )
    where = f"; B was given one at {told_at:#x}" if told_at is not None else ""
    address = Evidence(_ADDRESS, None, SafeText(f"where A's root FDT lay is not known{where}"))
    scratch = _same_scratch(old, new)
    return _not_shown(before, after, (unknown, address, scratch.evidence, same_subtrees(before, after, old.registry)))


def _unsided(before: Side, root: Root, new: State) -> OneHandover | None:
    """B does not tell its side, but holds A's root FDT where A had it, without its tracker: it was handed this root. None where not so."""
    side = new.sides.get("unsided")
    if side is None or (before.name == "unsided" and isinstance(before.preserved, Stale)):
        return None
    same_bytes, same_address = _same_bytes(root, side.root), _same_address(root, _phys(side.root))
    if not (same_bytes.holds and same_address.holds):
        return None
    if not isinstance(side.preserved, Stale):
        keeps = (
            "its own tracker keeps what it hands over, as before a kexec"
            if isinstance(side.preserved, PreservedMap)
            else "its tracker is not known"
        )
        why = SafeText(f"B does not tell whether its root FDT was handed in or is to be handed out: {keeps}")
        return OneHandover(before=before, after=None, evidence=(same_bytes, same_address), shown=None, refused=False, why=why)
    told = SafeText(
        "B does not tell which side its root FDT is of: taken as handed in, for it lies where A's did and its tracker is given back"
    )
    return OneHandover(
        before=before, after=side, evidence=(same_bytes, same_address, Evidence(_SIDE, None, told)), shown=True, refused=False, why=NO_TEXT
    )


def fdt_address(machine: Machine) -> int | None:
    """Where the boot record says the root FDT lies."""
    for record in machine.boot:
        if record.layout is KHO_DATA:
            return record.integer("fdt_addr")
        if record.layout is KHO_FDT_PROPERTY:
            return record.integer("address")
    return None


def _without_incoming(before: Side, root: Root, new: State, told_at: int | None, log: HandoverLog) -> OneHandover:
    """B shows no incoming side: it does not tell it, it was handed nothing, or it refused what it was handed."""
    hidden = side_untold(new, "in") or (log.found if log.found is not None else NO_TEXT)
    if not log.refusals:
        why = f"B does not tell its incoming side: {hidden}" if hidden else "B shows no incoming side, so it was not booted with a handover"
        evidence = (_same_address(root, told_at),) if hidden and told_at is not None else ()
        against = not hidden or any(one.holds is False for one in evidence)
        return OneHandover(before=before, after=None, evidence=evidence, shown=False if against else None, refused=False, why=SafeText(why))
    address = _same_address(root, told_at)
    said = Evidence(SafeText("kernel log"), True, log.refusals[0])
    why = "" if address.holds else f"B refused a handover, but {address.text}"
    return OneHandover(before=before, after=None, evidence=(address, said), shown=address.holds, refused=True, why=SafeText(why))


def _given_at(new: State, after: Side) -> int | None:
    told_at = fdt_address(new.machine)
    return told_at if told_at is not None else _phys(after.root)


def _phys(root: Root | Missing) -> int | None:
    return None if isinstance(root, Missing) else known(root.phys)


def _same_bytes(one: Root, other: Root | Missing) -> Evidence:
    """Equal bytes count where they hold what tells one root FDT from another: the tracker's address and that of a subtree."""
    if isinstance(other, Missing):
        return Evidence(_ROOT, None, SafeText(f"B's root FDT is not known: {other.reason}"))
    before, after = one.data, other.data
    if not agree(before, after):
        return Evidence(_ROOT, False, SafeText("B's root FDT holds other bytes than A's"))
    length = min(len(before), len(after))
    cut = "" if len(before) == len(after) else f", as far as they are captured (of {max(len(before), len(after))})"
    if not _tells_it_apart(one if len(before) >= len(after) else other, length):
        said = f"the {length} bytes that both have are the same, but do not reach the address of the tracker and of a subtree"
        return Evidence(_ROOT, None, SafeText(said))
    return Evidence(_ROOT, True, SafeText(f"B's root FDT is A's, byte for byte: {length} bytes{cut}"))


def _tells_it_apart(root: Root, length: int) -> bool:
    node = root.view.tree.root
    pointer = None if node is None else node.property(b"preserved-memory-map")
    if node is None or pointer is None or not _within(pointer, length):
        return False
    names = frozenset() if root.format is None else frozenset({root.format.pointer.encode()})
    addresses = [one for child in node.children for one in child.properties if one.name in names]
    return any(_within(one, length) for one in addresses) or (not addresses and length == root.view.tree.total_size)


def _within(one: Property, length: int) -> bool:
    return one.data_offset + len(one.data) <= length


def _same_address(one: Root, told_at: int | None) -> Evidence:
    if isinstance(one.phys, Missing) or told_at is None:
        reason = one.phys.reason if isinstance(one.phys, Missing) else "B does not tell"
        return Evidence(_ADDRESS, None, SafeText(f"where the root FDT lay cannot be compared: {reason}"))
    if one.phys == told_at:
        return Evidence(_ADDRESS, True, SafeText(f"B's root FDT is at {told_at:#x}, where A's was"))
    return Evidence(_ADDRESS, False, SafeText(f"B's root FDT is at {told_at:#x}, A's at {one.phys:#x}"))


@dataclass(frozen=True, slots=True)
class _ScratchEvidence:
    """``in_part``: the tables differ, and have an area in common."""

    evidence: Evidence
    in_part: bool


def _same_scratch(old: State, new: State) -> _ScratchEvidence:
    if isinstance(old.scratch, Missing) or isinstance(new.scratch, Missing):
        return _ScratchEvidence(Evidence(_SCRATCH, None, SafeText("the scratch table of one of the two is not known")), in_part=False)
    before, after = old.scratch.areas, new.scratch.areas
    pairs = list(comparable_areas(old.scratch, new.scratch))
    if not pairs:
        return _ScratchEvidence(Evidence(_SCRATCH, None, SafeText("no area is told by both scratch tables")), in_part=False)
    same = sum(one is not None and other is not None and not area_fields(before[one], after[other]) for one, other in pairs)
    if same == len(pairs):
        cut = ", of those that both tell" if old.scratch.lacks_some or new.scratch.lacks_some else ""
        said = SafeText(f"the scratch table is the same, {plural(len(pairs), 'area')}{cut}")
        return _ScratchEvidence(Evidence(_SCRATCH, True, said), in_part=False)
    told = f"of {plural(len(pairs), 'area')} {same} are the same" if same else "no area is the same"
    return _ScratchEvidence(Evidence(_SCRATCH, False, SafeText(f"the scratch tables differ: {told}")), in_part=same > 0)


def _related(before: Side, after: Side, *, sure: bool) -> bool:
    """Whether another root FDT still is of this handover: it names the same tracker, or all of A's subtrees that it names where they were.

    6.19 and 7.0 write the tracker anew inside the reboot call, after debugfs could be read
    (kernel/liveupdate/kexec_handover.c). ``sure``: address and scratch table agree, so that a root FDT that differs in the tracker alone
    was altered.
    """
    one, other = before.root, after.root
    if isinstance(one, Missing) or isinstance(other, Missing):
        return False
    tracker = known(one.map_address)
    if tracker and tracker == known(other.map_address):
        return True
    if tracker and one.view.blob.place.origin is Origin.MEMORY:
        return sure and _differ_in_the_tracker_alone(one, other)
    places = {subtree.name: subtree.phys for subtree in before.handed_over if isinstance(subtree.phys, int)}
    shared = [subtree for subtree in after.handed_over if subtree.name in places]
    return bool(shared) and all(subtree.phys == places[subtree.name] for subtree in shared)


def _differ_in_the_tracker_alone(one: Root, other: Root) -> bool:
    before, after = (bytearray(root.data) for root in (one, other))
    node = one.view.tree.root
    pointer = None if node is None else node.property(b"preserved-memory-map")
    if pointer is None:
        return False
    for data in (before, after):
        data[pointer.data_offset : pointer.data_offset + len(pointer.data)] = b""
    return before == after
