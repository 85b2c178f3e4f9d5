"""Whether a kernel fits into scratch: kexec_file_load puts every segment of a normal image there, or fails (kernel/kexec_file.c).

As kho_locate_mem_hole does it (kernel/kexec_handover.c, kernel/liveupdate/kexec_handover.c): the areas in the order of the table, and in
the first one with room the highest place, or the lowest. In the order in which the segments are asked for: scratch table, kernel, initrd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kho_tui.abi.scratch import KHO_SCRATCH, TABLE_ALIGNMENT
from kho_tui.text import SafeText, human_size

_X86_MINIMUM = 1 << 20
"""MIN_KERNEL_LOAD_ADDR (arch/x86/kernel/kexec-bzimage64.c)."""
_X86_INITRD_MINIMUM = 16 << 20
"""MIN_INITRD_LOAD_ADDR, likewise."""
_ARM64_ALIGNMENT = 2 << 20
"""MIN_KIMG_ALIGN (arch/arm64/include/asm/boot.h)."""
_ARM64_REACH = 32 << 30
"""The initrd lies within this of the kernel's GiB (arch/arm64/kernel/machine_kexec_file.c)."""
_GIB = 1 << 30
_MOST_STARTS = 64
"""Areas that an arm64 kernel is tried in: a machine has one a NUMA node, a damaged table thousands."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What is loaded: ``size`` in bytes, ``address`` physical, None where it fits nowhere."""

    name: str
    size: int
    address: int | None


@dataclass(frozen=True, slots=True)
class Loading:
    """``fits``: None where it cannot be told. ``reason`` is a sentence, ``segments`` those that were placed, and the first that was not."""

    fits: bool | None
    reason: SafeText
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """What is to be loaded, in bytes. ``init_size``: what the kernel needs from its load address on.

    ``alignment`` of that address, and ``preferred``, below which it is not loaded, are those of the bzImage; 0 for arm64.
    ``cmdline_size``: characters of a command line that it takes; None: it does not say.
    """

    init_size: int
    alignment: int
    preferred: int
    initrd: int
    cmdline_size: int | None = None


def load_x86(image: Image, areas: Sequence[tuple[int, int]], page_size: int) -> Loading:
    """Place a bzImage and its initrd in the scratch areas (start, size), given in the order of the table.

    As arch/x86/kernel/kexec-bzimage64.c asks for them. Purgatory and boot parameters, some 40 KiB, go beside the scratch table.
    """
    room = _Room(areas, page_size)
    room.take("scratch table", KHO_SCRATCH.size * len(areas), TABLE_ALIGNMENT)
    room.take("kernel", image.init_size, image.alignment, low=max(image.preferred, _X86_MINIMUM))
    room.take("initrd", image.initrd, page_size, low=_X86_INITRD_MINIMUM)
    return room.loading()


def load_arm64(image: Image, areas: Sequence[tuple[int, int]], page_size: int) -> Loading:
    """Place an Image and its initrd, likewise, as arch/arm64/kernel/kexec_image.c does: the kernel as low as its initrd fits behind it."""
    tried = []
    for low in sorted({0, *(start for start, length in areas if length >= image.init_size)})[:_MOST_STARTS]:
        room = _Room(areas, page_size)
        room.take("scratch table", KHO_SCRATCH.size * len(areas), TABLE_ALIGNMENT)
        kernel = room.take("kernel", image.init_size, _ARM64_ALIGNMENT, low=low, down=False)
        if kernel is not None:
            behind = kernel + _up(image.init_size, page_size)
            room.take("initrd", image.initrd, page_size, low=behind, high=kernel // _GIB * _GIB + _ARM64_REACH, down=False)
        tried.append(room.loading())
    return next((one for one in tried if one.fits), tried[0])


class _Room:
    """Scratch that fills up."""

    def __init__(self, areas: Sequence[tuple[int, int]], page_size: int) -> None:
        self._areas = areas
        self._page_size = page_size
        self._taken: list[tuple[int, int]] = []
        self._segments: list[Segment] = []
        self._fault: SafeText | None = None

    def take(self, name: str, size: int, alignment: int, *, low: int = 0, high: int = 1 << 64, down: bool = True) -> int | None:
        """Place a segment; nothing more once one found no room."""
        if not size or self._fault is not None:
            return None
        size = _up(size, self._page_size)
        address = _place(self._areas, self._taken, size, max(alignment, self._page_size), low, high, down=down)
        self._segments.append(Segment(name, size, address))
        if address is None:
            self._fault = _nowhere(name, size, self._areas, self._taken)
        else:
            self._taken.append((address, address + size))
        return address

    def loading(self) -> Loading:
        """What came of it."""
        return Loading(self._fault is None, self._fault or _where(self._segments), tuple(self._segments))


def _place(
    areas: Sequence[tuple[int, int]], taken: Sequence[tuple[int, int]], size: int, alignment: int, low: int, high: int, *, down: bool
) -> int | None:
    """The first area with room; in it the highest or lowest place."""
    for start, length in areas:
        floor, end = max(start, low), min(start + length, high)
        # A place ends where something begins: at the end of the area, or at a segment that is there.
        if down:
            tops = sorted({end, *(one for one, _ in taken if floor < one < end)}, reverse=True)
            places = [(top - size) // alignment * alignment for top in tops]
        else:
            places = [_up(bottom, alignment) for bottom in sorted({floor, *(one for _, one in taken if floor < one < end)})]
        for place in places:
            if floor <= place and place + size <= end and not any(place < until and since < place + size for since, until in taken):
                return place
    return None


def _nowhere(name: str, size: int, areas: Sequence[tuple[int, int]], taken: Sequence[tuple[int, int]]) -> SafeText:
    largest = max((length for _, length in areas), default=0)
    beside = "" if not taken else f", beside {human_size(sum(until - since for since, until in taken))} that are taken by then"
    return SafeText(
        f"the {name} needs {human_size(size)} in one scratch area; the largest has {human_size(largest)}{beside}: "
        "kexec_file_load would fail with EADDRNOTAVAIL"
    )


def _where(placed: Sequence[Segment]) -> SafeText:
    told = ", ".join(f"{one.name} {human_size(one.size)} at {one.address:#x}" for one in placed if one.address is not None)
    return SafeText(f"it fits into scratch: {told}")


def _up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
