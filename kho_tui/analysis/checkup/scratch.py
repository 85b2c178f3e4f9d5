"""Questions about scratch: is it there, what does it cost, what is in it, and is it enough for the next kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.analysis.checkup.question import Finding, Question, ok, unknown, wrong
from kho_tui.analysis.compat import Compatibility
from kho_tui.analysis.symptoms.case import Case
from kho_tui.analysis.symptoms.checks import counter, counter_evidence, kho_is_off, quoted, scratch_evidence
from kho_tui.analysis.symptoms.kexec import LARGER_SCRATCH
from kho_tui.analysis.symptoms.symptom import Certainty
from kho_tui.model.facts import Missing
from kho_tui.model.intervals import spans
from kho_tui.model.state import Scratch
from kho_tui.text import SafeText, human_size, plural

MEMORY_MAP, CRASHKERNEL = "memory map (until 7.2)", "crashkernel="
_STRUCT_PAGE = 64
"""sizeof(struct page) on a 64-bit kernel (include/linux/mm_types.h)."""
NO_SCRATCH = "KHO is not on, so there is no scratch"


@dataclass(frozen=True, slots=True)
class Need:
    """A part of what the next kernel needs of scratch, in bytes."""

    name: str
    size: int


def is_off(case: Case) -> bool:
    """Whether KHO is known not to be on, and not by a reservation of scratch that failed."""
    return kho_is_off(case).certainty is Certainty.CERTAIN and not case.saying("disabled", side="out")


def _scratch(case: Case) -> Scratch | Missing | None:
    return None if case.state is None else case.state.scratch


def _why_unread(case: Case, scratch: Missing | None) -> str:
    if case.live and case.sources is not None and case.sources.absent:
        return case.sources.absent
    return "no state" if scratch is None else scratch.reason


def _allocated(case: Case) -> Finding:
    scratch = _scratch(case)
    if is_off(case):
        return unknown(NO_SCRATCH)
    if scratch is None or isinstance(scratch, Missing):
        failed = case.saying("disabled", pattern=rb"scratch", side="out")
        if failed:
            return wrong("scratch could not be reserved at boot", "kho-tui why scratch-failed", *quoted(failed))
        return unknown(f"the scratch table was not read: {_why_unread(case, scratch)}")
    assert case.state is not None
    total, ram = sum(area.size for area in scratch.areas), case.state.host.whole_ram
    ram_bytes = None if isinstance(ram, Missing) else sum(one.size for one in ram)
    share = f", {100 * total / ram_bytes:.1f} % of RAM ({human_size(ram_bytes)})" if ram_bytes else ", share of RAM unknown (/proc/iomem)"
    bound = "" if scratch.whole else f"at least (not all areas known: {scratch.reason}) "
    says = f"scratch is allocated: {bound}{human_size(total)} in {plural(len(scratch.areas), 'area')}{share}"
    evidence = scratch_evidence(case)
    if not total and scratch.whole:
        return wrong("every scratch area has size 0: no kernel can be loaded that takes a handover", LARGER_SCRATCH, *evidence)
    return ok(says, *evidence)


def _used(case: Case) -> Finding:
    """Where the segments of a loaded image go is in the kernel's struct kimage alone; what booted the running kernel can be seen.

    Until the jump they are in pages from anywhere (kernel/kexec_core.c, kimage_load_segment), so that CmaFree says nothing of them.
    """
    says = "how much of scratch a loaded image will use: the kernel shows its segments nowhere, and copies them to scratch only at the jump"
    if is_off(case):
        return unknown(NO_SCRATCH)
    scratch = _scratch(case)
    if scratch is None or isinstance(scratch, Missing) or case.state is None:
        return unknown(says)
    details: list[SafeText] = []
    areas = spans(scratch.areas)
    kernel = case.state.host.kernel
    if "in" in case.state.sides and not isinstance(kernel, Missing) and kernel:
        inside = spans(kernel) & areas
        if len(inside):
            details.append(SafeText(f"of the load that booted this kernel: its image holds {human_size(inside.bytes)} of scratch (iomem)"))
    free, total = counter(case, "CmaFree"), counter(case, "CmaTotal")
    evidence = (counter_evidence(case, "CmaFree", "CmaTotal"),) if free is not None and total is not None else ()
    if free is not None and total == 0 and scratch.whole:
        used = max(areas.bytes - free, 0)
        details.append(SafeText(f"{human_size(used)} of scratch is in use by movable pages now, which does not keep an image from loading"))
    return unknown(says, *evidence, details=tuple(details))


def needs(case: Case, found: Compatibility | None) -> Iterator[Need]:
    """What the next kernel needs of scratch at least, as far as it is known. ``found``: of an image that was looked at."""
    image = None if found is None else found.target.image
    if image is not None and image.init_size:
        yield Need("kernel while it unpacks", image.init_size)
    if image is not None and image.initrd:
        yield Need("initrd", image.initrd)
    state = case.state
    if state is None:
        return
    ram, release = state.host.boot_ram, case.release
    if isinstance(ram, Missing):
        return
    bytes_of_ram = sum(one.size for one in ram)
    next_release = None if found is None else found.target.release
    # With an extended scratch (7.3) the memory map lies beside the areas.
    if next_release is None or not next_release.extends_scratch:
        yield Need(MEMORY_MAP, bytes_of_ram // state.machine.platform.page_size * _STRUCT_PAGE)
    if case.cmdline is not None and release is not None:
        crash = case.cmdline.crashkernel(release, bytes_of_ram)
        if crash is not None and crash.size:
            yield Need(CRASHKERNEL, crash.size)


def _enough(case: Case) -> Finding:
    scratch = _scratch(case)
    here = None if case.state is None else case.state.machine.arch
    images = [(one, one.found) for one in case.kernels if one.found is not None and one.found.target.image is not None]
    told = [(one, found) for one, found in images if here is None or found.target.arch in (None, here)]
    if is_off(case):
        return unknown(NO_SCRATCH)
    if scratch is None or isinstance(scratch, Missing):
        return unknown("whether scratch is enough for the next kernel: its size is not known")
    room, largest = sum(one.size for one in scratch.areas), max((one.size for one in scratch.areas), default=0)
    has = f"scratch has {human_size(room)}, its largest area {human_size(largest)}"
    if not told:
        parts = list(needs(case, None))
        some = "; ".join(f"{one.name} {human_size(one.size)}" for one in parts)
        return unknown(
            f"whether scratch is enough for the next kernel: no image was looked at ({has})",
            remedy="--images DIR looks at the kernels of a directory, and at the initrd of each",
            details=(SafeText(f"needed beside the image and its initrd, at least: {some}"),) if parts else (),
        )
    details: list[SafeText] = []
    short = False
    fits = 0
    for kernel, found in told:
        parts = list(needs(case, found))
        total, segment = sum(one.size for one in parts), max((one.size for one in parts if one.name in _SEGMENTS), default=0)
        # Without room for crashkernel= the next kernel boots, and kdump is not armed.
        needed = total - sum(one.size for one in parts if one.name == CRASHKERNEL)
        listed = ", ".join(f"{one.name} {human_size(one.size)}" for one in parts)
        details.append(SafeText(f"{kernel.path}: at least {human_size(total)} ({listed}); largest segment {human_size(segment)}"))
        details += [SafeText(f"{one.word} does not fit: {one.consequence}") for one in found.without_room]
        bad = scratch.whole and (needed > room or found.loads is False)
        short |= bad
        fits += not bad
    evidence = scratch_evidence(case)
    if short and not fits:
        return wrong(f"scratch is too small for every image that was looked at: {has}", LARGER_SCRATCH, *evidence, details=tuple(details))
    return ok(f"scratch has room for {fits} of {plural(len(told), 'image')}: {has}", *evidence, details=tuple(details))


_SEGMENTS = frozenset({"kernel while it unpacks", "initrd"})

QUESTIONS = (
    Question(name="scratch", title="scratch", ask=_allocated, decides=True),
    Question(name="scratch-used", title="scratch used", ask=_used),
    Question(name="scratch-needed", title="scratch needed", ask=_enough),
)
