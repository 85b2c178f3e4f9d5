"""The checks that every consumer makes to find its subtree (kho_retrieve_subtree), and those of build and command line."""

from __future__ import annotations

from collections.abc import Callable

from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Ask, Check
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.sections import trips_at
from kho_tui.analysis.receiver.target import Target
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.fdt.header import probe_fault
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Origin
from kho_tui.model.facts import Missing, known
from kho_tui.model.state import Subtree
from kho_tui.releases.ranges import Range

_SIZED_STRUCTURE = 17
NOT_CAPTURED = "not all of its FDT is captured"
LUCK = "whether it still stands there by the time that it is read is luck"


def of_subtree(name: bytes, ask: Callable[[Subtree, Boot], Verdict]) -> Ask:
    """A check of the first subtree of this name; unknown where it cannot be seen."""

    def asked(boot: Boot) -> Verdict:
        subtree = boot.handed.subtree(name)
        if subtree is None or isinstance(subtree, Missing):
            return subtree or unknown("the subtrees are not at hand")
        return ask(subtree, boot)

    return asked


def properties(name: bytes) -> Ask:
    """Whether the subnode has the properties that kho_retrieve_subtree reads."""

    def ask(subtree: Subtree, boot: Boot) -> Verdict:
        wanted = boot.target.root.subtree.properties
        lengths = boot.handed.property_lengths(subtree)
        wrong = [field.name for field in wanted if lengths.get(field.name) != field.size]
        return Fails(f"{', '.join(wrong)} missing or not 8 bytes") if wrong else Holds("its properties are there")

    return of_subtree(name, ask)


def found(name: bytes, *, early: bool = False) -> Ask:
    """Whether the root is still there by the time that a subnode is looked for. ``early``: before any memory is given out."""

    def ask(boot: Boot) -> Verdict:
        if isinstance(boot.handed.subtrees, Missing):
            return boot.handed.subtrees
        root = boot.handed.root
        if not early and root is not None and boot.reserved.lost(known(root.phys)):
            return Fails(f"the page of the root FDT is not preserved: {LUCK}", Outcome.CHANCE)
        return Holds(f"{name.decode()} is found")

    return ask


def kept(name: bytes, *, early: bool = False, restored: bool = False) -> Ask:
    """Whether the blob is still there by the time that it is read. ``early``, as in ``found``. ``restored``: its page is given back then.

    Restoring a page that is not preserved prints a WARNING, whatever stands there (kho_restore_page; 7.3 booted).
    """

    def ask(subtree: Subtree, boot: Boot) -> Verdict:
        phys = known(subtree.phys)
        trips = None if phys is None else trips_at(boot.sections, phys, Outcome.PANIC)
        if trips is not None:
            return Fails(f"its blob is said to be at {phys:#x}, where no memory is: the kernel dies as it reads it", trips)
        if phys == 0:
            return Fails("its blob is said to be at 0, which is never given out")
        if not early and boot.reserved.lost(phys):
            return Fails(f"its blob is not preserved: {LUCK}", Outcome.CHANCE, warns=restored)
        if isinstance(subtree.blob, Missing) or subtree.blob.place.origin is not Origin.MEMORY:
            return unknown("its blob is not in this capture where the next kernel reads it")
        return Holds("its blob is preserved")

    return of_subtree(name, ask)


def is_cut(subtree: Subtree) -> bool:
    """Whether less of its blob is captured than there is, so that what it lacks may stand behind that."""
    size = known(subtree.size)
    if isinstance(subtree.blob, Missing) or (size == len(subtree.blob.data) and subtree.in_root):
        return False
    return subtree.fdt is not None and subtree.fdt.tree.truncated


def lacks(subtree: Subtree, node: Node, what: str) -> Verdict:
    """That a node of its FDT does not have what the kernel asks of it; unknown where not all of the node is captured."""
    return unknown(NOT_CAPTURED) if is_cut(subtree) and not node.has_all else Fails(what)


def fdt_fault(subtree: Subtree) -> Fails | None:
    """What libfdt refuses of an FDT blob before anything of it is read (fdt_ro_probe_); None for nothing, or no FDT."""
    if subtree.fdt is None:
        return None
    tree = subtree.fdt.tree
    fault = "" if tree.header is None and is_cut(subtree) else probe_fault(subtree.fdt.blob.data)
    if fault or tree.header is None or tree.root is None or tree.header.integer("version") < _SIZED_STRUCTURE:
        return Fails(fault) if fault else None
    # From version 17 on fdt_offset_ptr gives nothing behind size_dt_struct.
    inside = tree.header.integer("off_dt_struct") + tree.header.integer("size_dt_struct")
    nodes = (tree.root, *tree.root.children)
    behind = any(one.data_offset + len(one.data) > inside for node in nodes for one in node.properties)
    if not behind:
        return None
    return Fails(f"its structure block ends after {tree.header.integer('size_dt_struct')} bytes, before its last property")


def said(fact: Callable[[Target], bool | None], yes: str, no: str, untold: str) -> Ask:
    """A check of what build and command line decide."""

    def ask(boot: Boot) -> Verdict:
        if isinstance(boot.handed.subtrees, Missing):
            return boot.handed.subtrees
        told = fact(boot.target)
        return unknown(untold) if told is None else Holds(yes) if told else Fails(no)

    return ask


def own_choice(name: str, question: str, consequence: str, ask: Ask, consumer: bytes, source: str, stage: Stage = Stage.CONSUMERS) -> Check:
    """A check of the kernel's build or command line, without which a consumer's part is lost."""
    return Check(
        name=name,
        stage=stage,
        question=question,
        fails=Outcome.IGNORED,
        consequence=consequence,
        releases=EVERY,
        ask=ask,
        consumer=consumer,
        source=source,
    )


def needs_kho(consumer: bytes, consequence: str, source: str) -> Check:
    """That KHO is on: without it the consumer does not even look."""
    ask = said(lambda target: target.kho, "KHO is on", "KHO is off there: nobody looks for it", "whether KHO is on there is not known")
    return own_choice(f"{consumer.decode()}-kho-on", "is KHO on there", consequence, ask, consumer, source)


def node_checks(name: bytes, releases: Range, consequence: str, source: str, *, early: bool = False) -> tuple[Check, ...]:
    """That kho_retrieve_subtree gives a consumer its subtree, and that it is still there.

    ``early``: it looks while memory is taken over, before any of it is given out.
    """
    shown, stage = name.decode(), Stage.MEMORY if early else Stage.CONSUMERS

    def one(what: str, question: str, ask: Ask) -> Check:
        return Check(
            name=f"{shown}-{what}",
            stage=stage,
            question=question,
            fails=Outcome.IGNORED,
            consequence=consequence,
            releases=releases,
            ask=ask,
            consumer=name,
            source=source,
        )

    return (
        one("found", f"is the root still there to find {shown} in", found(name, early=early)),
        one("node", f"is the node of {shown} whole", properties(name)),
        one("kept", f"is the blob of {shown} preserved", kept(name, early=early)),
    )
