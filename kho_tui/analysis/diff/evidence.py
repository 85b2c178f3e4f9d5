"""Whether two states are the two ends of one handover: only on evidence, which is shown."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.boot import KHO_DATA, KHO_FDT_PROPERTY
from kho_tui.analysis.diff.log import HandoverLog
from kho_tui.analysis.diff.scratch import area_fields, paired_areas
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.layout.place import Origin, agree
from kho_tui.model.change import Evidence
from kho_tui.model.facts import Missing, known
from kho_tui.model.sides import outgoing_or_none
from kho_tui.model.state import Machine, Root, Side, State
from kho_tui.text import NO_TEXT, SafeText, plural

_ROOT = SafeText("root FDT")
_ADDRESS = SafeText("address of the root FDT")
_SCRATCH = SafeText("scratch table")


@dataclass(frozen=True, eq=False)
class OneHandover:
    """The evidence, and whether it shows one handover; ``why`` not, where it does not. ``refused``: the next kernel took nothing."""

    before: Side | None
    after: Side | None
    evidence: tuple[Evidence, ...]
    shown: bool
    refused: bool
    why: SafeText

    @property
    def contradicted(self) -> bool:
        """Whether B was offered a handover, and its root FDT or where that lay is not A's."""
        return not self.shown and any(one.holds is False for one in self.evidence if one.name != _SCRATCH)


def handover_evidence(old: State, new: State, log: HandoverLog) -> OneHandover:
    """What speaks for ``new`` having been booted with what ``old`` was to hand over."""
    before = outgoing_or_none(old)
    after = new.sides.get("in")
    if before is None:
        return _one_boot(old, new) or OneHandover(None, after, (), False, False, SafeText("A has no outgoing side"))
    root = before.root
    if isinstance(root, Missing):
        unknown = SafeText(f"A's root FDT is not known: {root.reason}")
        return _one_boot(old, new) or OneHandover(before, after, (), False, False, unknown)
    told_at = fdt_address(new.machine)
    if after is None:
        return _refused(before, root, told_at if told_at is not None else log.refused_at, log)
    same_bytes = _same_bytes(root, after.root)
    same_address = _same_address(root, told_at if told_at is not None else _phys(after.root))
    same_scratch = _same_scratch(old, new)
    evidence = (same_bytes, same_address, same_scratch)
    related = _related(before, after)
    if same_bytes.holds or (related and same_address.holds is not False and (same_address.holds or same_scratch.holds)):
        return OneHandover(before, after, evidence, True, False, NO_TEXT)
    if one_boot := _one_boot(old, new):
        return one_boot
    reason = "; ".join(one.text for one in evidence if not one.holds)
    return OneHandover(before, after, evidence, False, False, SafeText(reason))


def _one_boot(old: State, new: State) -> OneHandover | None:
    """Two states that were handed the same root FDT have no handover between them. None where they were not."""
    one, other = old.sides.get("in"), new.sides.get("in")
    if one is None or other is None or isinstance(one.root, Missing) or not _same_bytes(one.root, other.root).holds:
        return None
    told = Evidence(_ROOT, False, SafeText("A and B were handed the same root FDT, byte for byte"))
    simulated = ", one of them simulated" if bool(old.unpredictable) != bool(new.unpredictable) else ""
    return OneHandover(outgoing_or_none(old), other, (told,), False, False, SafeText(f"two states of one boot{simulated}"))


def fdt_address(machine: Machine) -> int | None:
    """Where the boot record says the root FDT lies."""
    for record in machine.boot:
        if record.layout is KHO_DATA:
            return record.integer("fdt_addr")
        if record.layout is KHO_FDT_PROPERTY:
            return record.integer("address")
    return None


def _refused(before: Side, root: Root, told_at: int | None, log: HandoverLog) -> OneHandover:
    """B has no incoming side: it was handed nothing, or it refused what it was handed."""
    if not log.refusals:
        return OneHandover(before, None, (), False, False, SafeText("B shows no incoming side, so it was not booted with a handover"))
    address = _same_address(root, told_at)
    said = Evidence(SafeText("kernel log"), True, log.refusals[0])
    why = SafeText("" if address.holds else f"B refused a handover, but {address.text}")
    return OneHandover(before, None, (address, said), bool(address.holds), True, why)


def _phys(root: Root | Missing) -> int | None:
    return None if isinstance(root, Missing) else known(root.phys)


def _same_bytes(one: Root, other: Root | Missing) -> Evidence:
    if isinstance(other, Missing):
        return Evidence(_ROOT, None, SafeText(f"B's root FDT is not known: {other.reason}"))
    before, after = (root.view.blob.data[: root.view.tree.total_size] for root in (one, other))
    length = min(len(before), len(after))
    if length > FDT_HEADER.size and agree(before, after):
        cut = "" if len(before) == len(after) else f", as far as they are captured (of {max(len(before), len(after))})"
        return Evidence(_ROOT, True, SafeText(f"in/fdt after is the root FDT before, byte for byte: {length} bytes{cut}"))
    return Evidence(_ROOT, False, SafeText("in/fdt after holds other bytes than the root FDT before"))


def _same_address(one: Root, told_at: int | None) -> Evidence:
    if isinstance(one.phys, Missing) or told_at is None:
        reason = one.phys.reason if isinstance(one.phys, Missing) else "B does not tell"
        return Evidence(_ADDRESS, None, SafeText(f"where the root FDT lay cannot be compared: {reason}"))
    if one.phys == told_at:
        return Evidence(_ADDRESS, True, SafeText(f"B was given {told_at:#x}, where the root FDT lay before"))
    return Evidence(_ADDRESS, False, SafeText(f"B was given a root FDT at {told_at:#x}, A's lies at {one.phys:#x}"))


def _same_scratch(old: State, new: State) -> Evidence:
    if isinstance(old.scratch, Missing) or isinstance(new.scratch, Missing):
        return Evidence(_SCRATCH, None, SafeText("the scratch table of one of the two is not known"))
    before, after = old.scratch.areas, new.scratch.areas
    pairs = list(paired_areas(old.scratch, new.scratch))
    if all(one is not None and other is not None and not area_fields(before[one], after[other]) for one, other in pairs):
        return Evidence(_SCRATCH, True, SafeText(f"the scratch table is the same, {plural(len(before), 'area')}"))
    return Evidence(_SCRATCH, False, SafeText("the scratch tables differ"))


def _related(before: Side, after: Side) -> bool:
    """Whether another root FDT still is of this handover: it names the same tracker, or all of A's subtrees that it names where they were.

    6.19 and 7.0 write the tracker anew inside the reboot call, after debugfs could be read (kho-abi.md 8.1).
    """
    one, other = before.root, after.root
    if isinstance(one, Missing) or isinstance(other, Missing):
        return False
    tracker = known(one.map_address)
    if tracker and tracker == known(other.map_address):
        return True
    if tracker and one.view.blob.place.origin is Origin.MEMORY:
        return False
    places = {subtree.name: subtree.phys for subtree in before.handed_over if isinstance(subtree.phys, int)}
    shared = [subtree for subtree in after.handed_over if subtree.name in places]
    return bool(shared) and all(subtree.phys == places[subtree.name] for subtree in shared)
