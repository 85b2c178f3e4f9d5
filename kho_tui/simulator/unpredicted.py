"""What of a simulated kernel another run on a real machine would show differently, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kho_tui.abi.luo import FLB_NODE_NAME, LUO, LUO_NAME, SESSION_NODE_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME, list_is_inline
from kho_tui.model.contents.memblock import Region
from kho_tui.model.facts import Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import ScratchArea, Side, State
from kho_tui.model.tracker import PreservedMap
from kho_tui.model.unpredictable import Spot, Unpredictable
from kho_tui.releases.table import Release
from kho_tui.simulator.consumers import Received
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.scratch import alignment
from kho_tui.text import SafeText

_OUT = EntityPath(("out",))
_LUO_POINTERS = (f"{SESSION_NODE_NAME.decode()}/luo-session-header", f"{FLB_NODE_NAME.decode()}/luo-flb-header", "sessions_pa", "flbs_pa")
_FDT_SIZES = ("totalsize", "off_dt_strings", "size_dt_struct", "blob-size")
"""What the length of an FDT's properties decides."""


def after_handover(kernel: Kernel, received: Received) -> Iterator[Unpredictable]:
    """Of a kernel that took what it was handed."""
    fresh = [one for one in kernel.regions if one not in received.incoming.regions]
    yield from _always(kernel, fresh)
    if not received.incoming.has_test:
        yield from _new_test(kernel)
    luo = kernel.registry.of(kernel.release, LUO)
    if received.incoming.liveupdate_number and luo is not None and luo.is_struct:
        yield Unpredictable(SafeText("in/LUO: the struct's memory was given back at boot, what stands there now is anybody's"))
    if fresh and kernel.release.extends_scratch:
        told = (
            f"reserve_mem: regions that were not revived lie in scratch; {kernel.release.name} may take them from memory that it adds early"
        )
        yield Unpredictable(SafeText(told), tuple(_starts(kernel, fresh)))
    if kernel.machine.arch == "aarch64":
        early = f"neither scratch nor what {kernel.release.name} adds to it early is flagged"
        flagged = early if kernel.release.extends_scratch else "scratch is not flagged"
        yield Unpredictable(SafeText(f"memblock: {flagged}, and memblock/reserved is left out"))


def after_cold_boot(kernel: Kernel, scratch: tuple[ScratchArea, ...]) -> Iterator[Unpredictable]:
    """Of a kernel that took nothing, and so makes all anew. ``scratch``: the table of the kernel before it."""
    yield from _always(kernel, kernel.regions)
    told = SafeText("scratch: a cold boot sizes it by what that boot takes, which another release and machine state change")
    align = alignment(kernel.machine, kernel.release)
    yield Unpredictable(told, tuple(Spot(f"scratch/{number}", name, align) for number in range(len(scratch)) for name in ("addr", "size")))
    yield from _new_test(kernel)


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


def _always(kernel: Kernel, fresh: Iterable[Region]) -> Iterator[Unpredictable]:
    """``fresh``: regions that were not handed over, so that the kernel finds a place for them."""
    addresses = SafeText("addresses of what the next kernel allocates for itself")
    yield Unpredictable(addresses, (*_pointers(kernel), *_starts(kernel, fresh)))
    yield Unpredictable(SafeText("contents of memory that was not kept: seeded noise stands for it"))
    yield Unpredictable(SafeText("where in scratch the next kernel lies: its image may need more room than its ranges show"))
    yield from inferred(kernel.release)


def _pointers(kernel: Kernel) -> Iterator[Spot]:
    """Each leads to whole pages."""
    page = kernel.machine.page_size
    yield Spot(_OUT.text, "preserved-memory-map", page)
    for name in (MEMBLOCK_NAME, KEXEC_METADATA_NAME, KHO_TEST_NAME, LUO_NAME):
        for pointer in kernel.registry.roots.pointers:
            yield Spot(_OUT.named(name).text, pointer, page)
    for pointer in _LUO_POINTERS:
        yield Spot(_OUT.named(LUO_NAME).text, pointer, page)


def _starts(kernel: Kernel, regions: Iterable[Region]) -> Iterator[Spot]:
    aligned = {one.name: one.align for one in kernel.options.regions}
    for one in regions:
        yield Spot(_OUT.named(MEMBLOCK_NAME).named(one.name).text, "start", aligned[one.name])


def _new_test(kernel: Kernel) -> Iterator[Unpredictable]:
    """The test module's own folios, where it makes any."""
    if kernel.config.test is None or kernel.kho is None:
        return
    told = SafeText("out/kho_test: the module fills folios of random orders with random bytes")
    path, page = _OUT.named(KHO_TEST_NAME), kernel.machine.page_size
    sizes = _FDT_SIZES if list_is_inline(kernel.release) else ()
    spots = (Spot(path.text, name) for name in ("nr_folios", "csum", *sizes))
    yield Unpredictable(told, (*spots, Spot(path.text, "folios_info", page), Spot(path.child("folios").text, "phys_order", page)))
