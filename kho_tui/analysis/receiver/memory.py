"""What a kernel trips over, or misreads, while it takes over what is preserved: kho_mem_init checks none of it."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.root import Tracker
from kho_tui.analysis.memory_map import owned_memory
from kho_tui.analysis.receiver.acceptance import names_map
from kho_tui.analysis.receiver.boot import Boot
from kho_tui.analysis.receiver.check import EVERY, Ask, Check
from kho_tui.analysis.receiver.outcome import Outcome, Stage
from kho_tui.analysis.receiver.sections import Sections, known_outside
from kho_tui.analysis.receiver.verdict import Fails, Holds, Verdict, unknown
from kho_tui.analysis.unowned import owner_gap
from kho_tui.model.facts import Missing, Status, known
from kho_tui.model.intervals import Intervals, spans
from kho_tui.model.tracker import ChunkList, PreservedMap, RadixTree
from kho_tui.releases.fixes import NARROW_BLOCK_SIZES
from kho_tui.releases.ranges import Range
from kho_tui.text import human_size, plural

_SOURCE = "kernel/liveupdate/kexec_handover.c, kho_mem_init"
_NO_BLOCKS = unknown("the preserved blocks are not at hand")
_STRUCT_PAGE = 64
"""sizeof(struct page) on a 64-bit kernel (include/linux/mm_types.h)."""
_BOOT_MARGIN = 8 << 20
"""Bytes of scratch that a boot may need beside; how many is not known."""
_IMAGE = 32 << 20
"""Bytes that a kernel and its initrd may need where they are not at hand."""


def _of_tracker(ask: Ask) -> Ask:
    """A check of the tracker, of which there is none where the root names none."""
    return lambda boot: Holds("there is no tracker to walk") if boot.handed.names_no_map else ask(boot)


def _tracker(boot: Boot) -> Verdict:
    """The walk is unchecked: a pointer out of memory is a fault, any other damage reads what stands there."""
    preserved, sections = boot.handed.side.preserved, boot.sections
    if isinstance(sections, Sections):
        outside = next((at for at in _pointers(boot) if known_outside(sections, at)), None)
        if outside is not None:
            taken = sections.unmapped.holds(outside) or sections.cut.holds(outside)
            where = "which its command line takes away" if taken else "where no memory is"
            return Fails(f"the tracker points to {outside:#x}, {where}: the walk faults", Outcome.PANIC)
    if isinstance(preserved, Missing):
        damaged = preserved.status is Status.DAMAGED
        return Fails(f"the tracker is damaged: {preserved.reason}") if damaged else unknown("not all of the tracker is at hand")
    if preserved.damaged:
        return Fails(f"the tracker is damaged: {preserved.reason}")
    return Holds("the tracker is sound") if preserved.status is Status.DECODED else unknown("not all of the tracker is at hand")


def _pointers(boot: Boot) -> Iterator[int]:
    """Addresses that the walk follows, first the tracker's own."""
    address = known(boot.handed.map_address)
    if address is not None:
        yield address
    preserved = boot.handed.side.preserved
    if isinstance(preserved, Missing) or not isinstance(boot.sections, Sections):
        return
    match preserved.structure:
        case ChunkList(chunks=chunks):
            for chunk in chunks:
                yield from filter(None, (chunk.header.integer("next"),))
                yield from boot.sections.outside(chunk.elements.column("bitmap")).tolist()
        case RadixTree(words=words):
            yield from boot.sections.outside(words.value).tolist()


def _heads(boot: Boot) -> Verdict:
    """The head page of each block is marked in its struct page, which has to exist."""
    reserved, sections = boot.reserved, boot.sections
    if isinstance(sections, Missing):
        return unknown(f"which memory this kernel will have is not known: {sections.reason}")
    outside = sections.head_outside(reserved.runs)
    if outside is not None and sections.added.holds(outside):
        return unknown(f"the block at {outside:#x} is in memory added since this machine was booted: whether the next kernel has it")
    if outside is not None:
        return Fails(f"the block at {outside:#x} begins in a memory section without RAM: its struct page does not exist")
    return Holds("every block begins where memory is") if reserved.whole else _NO_BLOCKS


def _words(boot: Boot) -> Verdict:
    """mem= and memmap= take RAM away under what is handed over: the kernel panics, or hangs before its console speaks."""
    sections, cmdline = boot.sections, boot.target.cmdline
    if cmdline is None or isinstance(sections, Missing):
        return unknown("which memory this kernel will have is not known")
    if cmdline.unmodelled:
        return unknown(f"what {', '.join(cmdline.unmodelled)} on its command line changes is not known here")
    unmapped = boot.reserved.memory & sections.unmapped
    if len(unmapped):
        where = f"its command line reserves memory at {int(unmapped.start[0]):#x}, which is handed over"
        return Fails(f"{where}: the kernel does not map it, and dies of what it reads there", Outcome.WILD)
    if not len(sections.cut):
        return Holds("its command line takes no memory away that is handed over")
    scratch = boot.handed.state.scratch
    under = (boot.reserved.memory | spans(() if isinstance(scratch, Missing) else scratch.areas)) & sections.cut
    if not len(under):
        return Holds("its command line takes no memory away that is handed over")
    where = f"its command line takes away memory at {int(under.start[0]):#x}, which is handed over"
    if boot.handed.state.machine.arch != "x86_64":
        return unknown(f"{where}: what becomes of that was seen on x86_64 only")
    return Fails(where)


def _early(boot: Boot) -> Verdict:
    """Struct pages are allocated before memory is taken over, when memblock gives scratch alone; the kernel itself lies there too.

    Booted, 7.1 and 6.19 with 8 GiB: 128 MiB of scratch panics, 144 MiB is enough for 128 MiB of struct pages, image and initrd.
    """
    state, ram = boot.handed.state, boot.handed.state.host.boot_ram
    scratch = state.scratch
    if isinstance(ram, Missing) or isinstance(scratch, Missing) or not scratch.whole:
        return unknown("how much memory and scratch there is is not at hand")
    pages = sum(area.size for area in ram) // boot.handed.page_size
    room, needed = sum(area.size for area in scratch.areas), pages * _STRUCT_PAGE + (boot.target.loaded or 0)
    words = f"scratch has {human_size(room)}, struct pages and the kernel need {human_size(needed)} of it before memory is taken over"
    if needed > room:
        return Fails(words)
    margin = needed // 16 + _BOOT_MARGIN + (0 if boot.target.loaded is not None else _IMAGE)
    return Holds(words) if needed + margin <= room else unknown(f"{words}: whether the rest is enough to boot")


def _blocks(boot: Boot) -> Verdict:
    reserved, scratch = boot.reserved, boot.handed.state.scratch
    if reserved.overlap is not None:
        met = f"the block at {reserved.overlap:#x} begins inside another one: memory is restored with the wrong size, or twice"
        return Fails(met, Outcome.WILD if boot.target.debug_vm is not False else Outcome.MISREAD)
    inside = reserved.memory & spans(() if isinstance(scratch, Missing) else scratch.areas)
    if len(inside):
        return _in_scratch(inside, boot)
    known_all = reserved.whole and not isinstance(scratch, Missing) and scratch.whole
    return (
        Holds("the blocks lie apart, and outside scratch")
        if known_all
        else unknown("not all preserved blocks and scratch areas are at hand")
    )


def _in_scratch(inside: Intervals, boot: Boot) -> Verdict:
    """What lies in scratch is written over; where nobody owns it, nobody misses it (7.3 booted)."""
    handed = boot.handed
    missed = inside & owned_memory(handed.side, handed.state, handed.context)
    if len(missed):
        return Fails(f"preserved memory at {int(missed.start[0]):#x} lies in scratch, where the next kernel boots and writes")
    words = f"preserved memory at {int(inside.start[0]):#x} lies in scratch"
    gap = owner_gap(handed.side)
    return unknown(f"{words}, and whose it is is not known: {gap.reason}") if gap is not None else Holds(f"{words}, and nobody owns it")


def _bitmaps(boot: Boot) -> Verdict:
    """The same string stands for bitmaps of 512 bytes until 6.17 and of a page from 6.18 on."""
    preserved, target = boot.handed.side.preserved, boot.target
    if target.root.tracker is not Tracker.CHUNKS:
        return Holds("a radix tree")
    if not isinstance(preserved, PreservedMap) or not isinstance(preserved.structure, ChunkList):
        return unknown("the size of the bitmaps is not at hand")
    if isinstance(target.bitmap_bytes, Missing):
        return target.bitmap_bytes
    written, own = preserved.structure.bitmap_bytes, target.bitmap_bytes or boot.handed.page_size
    if written == own:
        return Holds(f"bitmaps of {own} bytes")
    read, reserved = f"bitmaps of {written} bytes are read as {own}", boot.reserved
    if own > written:
        if reserved.whole and reserved.runs.same_as(preserved.runs):
            return Holds(f"{read}, and the same blocks come of it")
        if reserved.whole:
            made = [f"{plural(runs.blocks, 'block')} of {human_size(runs.bytes)}" for runs in (reserved.runs, preserved.runs)]
            return Fails(f"{read}: {made[0]} instead of {made[1]}")
        return Fails(f"{read}: whatever stands behind them is taken for blocks, in memory that may not exist", Outcome.WILD)
    if not reserved.whole:
        return unknown(f"{read}, and not all blocks are at hand")
    lost = preserved.runs.blocks - reserved.runs.blocks
    words = f"{read}: {plural(lost, 'block')} beyond the first {8 * own} bits {'is' if lost == 1 else 'are'} lost"
    return Fails(words) if lost else Holds(words)


def _shift(boot: Boot) -> Verdict:
    if isinstance(boot.handed.side.preserved, Missing):
        return _NO_BLOCKS
    limit = 31 - (boot.handed.page_size.bit_length() - 1)
    high = max(boot.handed.side.preserved.runs.by_order, default=0)
    affected = NARROW_BLOCK_SIZES.affects(boot.target.precise_version, boot.target.registry.releases)
    if high < limit or affected is False:
        return Holds(f"highest order {high}")
    words = f"highest order {high}; from order {limit} on the 32-bit shift of {boot.target.release.name} overflows"
    # What is reserved then is in ``reserved``, and asked thing by thing.
    return Holds(words) if affected else unknown(f"{words} unless it has the fix of it, which is not known of its version")


MEMORY: tuple[Check, ...] = (
    Check(
        name="memory-map",
        stage=Stage.MEMORY,
        question="does the root name a memory map",
        fails=Outcome.CHANCE,
        consequence="nothing is reserved: whatever was preserved is given out to others",
        releases=Range("6.16", "6.18"),
        ask=names_map,
    ),
    Check(
        name="memory-words",
        stage=Stage.MEMORY,
        question="does its command line leave it the memory that is handed over",
        fails=Outcome.PANIC,
        consequence="the kernel does not boot: it panics, or hangs before its console speaks",
        releases=EVERY,
        ask=_words,
        source=_SOURCE,
    ),
    Check(
        name="early-memory",
        stage=Stage.MEMORY,
        question="does the boot have enough memory in scratch",
        fails=Outcome.PANIC,
        consequence="it runs out of memory before its console speaks",
        releases=Range("6.16", "7.2"),
        ask=_early,
        source="mm/sparse-vmemmap.c; kernel/liveupdate/kexec_handover.c, kho_populate: memblock_set_kho_scratch_only",
    ),
    Check(
        name="tracker",
        stage=Stage.MEMORY,
        question="can the tracker be walked",
        fails=Outcome.WILD,
        consequence="the walk checks nothing: wrong memory is kept, the kernel dies of it, or the boot never ends",
        releases=EVERY,
        ask=_of_tracker(_tracker),
        source=_SOURCE,
    ),
    Check(
        name="bitmaps",
        stage=Stage.MEMORY,
        question="are bitmaps of the size that the kernel reads",
        fails=Outcome.MISREAD,
        consequence="wrong memory is kept",
        releases=Range("6.16", "7.0"),
        ask=_of_tracker(_bitmaps),
        source=_SOURCE,
    ),
    Check(
        name="sections",
        stage=Stage.MEMORY,
        question="does every block begin where there is memory",
        fails=Outcome.PANIC,
        consequence="the kernel dies as it marks the block, often before its console speaks",
        releases=EVERY,
        ask=_of_tracker(_heads),
        source=_SOURCE,
    ),
    Check(
        name="blocks",
        stage=Stage.MEMORY,
        question="do blocks lie apart, and outside scratch",
        fails=Outcome.MISREAD,
        consequence="nothing of it is checked: what was preserved there is overwritten, or restored twice",
        releases=EVERY,
        ask=_of_tracker(_blocks),
        source=_SOURCE,
    ),
    Check(
        name="shift",
        stage=Stage.MEMORY,
        question="is it known how large blocks are reserved",
        fails=Outcome.MISREAD,
        consequence="of large blocks too much or next to nothing is reserved",
        releases=EVERY,
        ask=_of_tracker(_shift),
        source=_SOURCE,
    ),
)
"""In the order in which a kernel meets them."""
