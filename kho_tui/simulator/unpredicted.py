"""What of a simulated kernel another run on a real machine would show differently, field by field."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import ScratchArea, Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.releases.table import Release
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.scratch import alignment
from kho_tui.text import SafeText

_OUT = EntityPath(("out",))


def after_handover(kernel: Kernel) -> Iterator[Unpredictable]:
    """Of a kernel that took what it was handed."""
    yield from _always(kernel)
    for producer in kernel.producers.values():
        yield from producer.unpredictable()
    if kernel.machine.arch == "aarch64":
        early = f"neither scratch nor what {kernel.release.name} adds to it early is flagged"
        flagged = early if kernel.release.extends_scratch else "scratch is not flagged"
        yield Unpredictable(SafeText(f"memblock: {flagged}, and memblock/reserved is left out"))


def after_cold_boot(kernel: Kernel, scratch: tuple[ScratchArea, ...]) -> Iterator[Unpredictable]:
    """Of a kernel that took nothing, and so makes all anew. ``scratch``: the table of the kernel before it."""
    yield from _always(kernel)
    told = SafeText("scratch: a cold boot sizes it by what that boot takes, which another release and machine state change")
    align = alignment(kernel.machine, kernel.release)
    yield Unpredictable(told, tuple(Spot(f"scratch/{number}", name, align) for number in range(len(scratch)) for name in ("addr", "size")))
    for producer in kernel.producers.values():
        yield from producer.unpredictable()


def of_tracker(state: State, side: Side) -> Iterator[Unpredictable]:
    """Of what was handed over, where its tracker does not tell all."""
    preserved = side.preserved
    if isinstance(preserved, PreservedMap) and preserved.status is not Status.DECODED:
        yield Unpredictable(SafeText(f"the tracker was read in part ({preserved.reason}): blocks that it hides are shown as lost"))
    if isinstance(preserved, PreservedMap) and preserved.others and state.registry.releases.of(state.machine.release) is None:
        yield Unpredictable(SafeText("the tracker can be read in two ways, and the release that wrote it is not known"))


def inferred(release: Release) -> tuple[Unpredictable, ...]:
    """Of a release whose sources nobody here has read."""
    return (Unpredictable(SafeText(release.caveat)),) if release.caveat else ()


def _always(kernel: Kernel) -> Iterator[Unpredictable]:
    addresses = SafeText("addresses of what the next kernel allocates for itself")
    yield Unpredictable(addresses, tuple(_addresses(kernel)))
    yield Unpredictable(SafeText("contents of memory that was not kept: seeded noise stands for it"))
    yield Unpredictable(SafeText("where in scratch the next kernel lies: its image may need more room than its ranges show"))
    yield from inferred(kernel.release)


def _addresses(kernel: Kernel) -> Iterator[Spot]:
    """Those of the tracker and of subtrees lead to whole pages."""
    page = kernel.machine.page_size
    yield Spot(_OUT.text, "preserved-memory-map", page)
    for name in kernel.producers:
        for pointer in kernel.registry.roots.pointers:
            yield Spot(_OUT.named(name).text, pointer, page)
    for producer in kernel.producers.values():
        yield from producer.addresses()
