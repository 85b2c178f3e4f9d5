"""What each kernel release does, as far as KHO itself goes. Read in full were 6.17.8, 6.18.15, 6.19.11, 7.1.13, 7.2.12 and 7.3.4.

A row says only what changed against the release before it, as far as the whole series has it: what a fix changed inside a series is in
``fixes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

from kho_tui.releases.names import Names
from kho_tui.releases.ranges import Range
from kho_tui.releases.version import Version


class Finalize(Enum):
    """When the outgoing side becomes complete."""

    STATEFUL = "by writing 1 to out/finalize, before kexec-load"
    SERIALIZE = "by writing 1 to out/finalize, or by LUO inside the reboot call"
    NONE = "always complete"


class Attach(Enum):
    """When kexec_file_load hands the outgoing side to the kernel that it loads."""

    ENABLED = "whenever KHO is on"
    FINALIZED = "only while it is finalized"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchRules:
    """How scratch areas are sized (kernel/liveupdate/kexec_handover.c, kho_reserve_scratch)."""

    aligned_to_max_order: bool = False
    """Alignment is a page of MAX_PAGE_ORDER, else a pageblock (CMA_MIN_ALIGNMENT)."""
    rounds_explicit: bool = False
    """Lowmem and global sizes of ``kho_scratch=`` are rounded up; per-node ones always are."""
    subtracts_rounded: bool = True
    """The scaled global size is less the rounded lowmem size, else less the unrounded one."""
    memoryless_nodes: bool = True
    """Every online node gets an entry, also one without memory, which makes the whole allocation fail."""
    counts_hugetlb: bool = True
    """Boot-time hugetlb pages are multiplied by the scale too."""
    strict: bool = False
    """Single sizes may be 0 and nothing may follow the last; else each must be above 0 and trailing text is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release series. ``bitmap_bytes`` is None where a bitmap is one page, or where there are no bitmaps.

    ``inferred``: not read from its sources, so every result has to say so.
    """

    name: str
    bitmap_bytes: int | None
    finalize: Finalize
    names: Names
    inferred: bool = False
    attach: Attach = Attach.FINALIZED
    scratch: ScratchRules = ScratchRules()
    vmalloc_reports_failure: bool = False
    """kho_preserve_vmalloc tells of a failure behind the first chunk; 6.18 gives 0 though all was undone."""
    splits_at_nodes: bool = False
    """A block of a preserved range never crosses a NUMA node."""
    checks_fdt_alignment: bool = False
    """fdt_check_header refuses a root whose blocks are not aligned (scripts/dtc/libfdt/fdt.c)."""
    restores_large_folios: bool = False
    """kho_restore_folio takes a folio of any order; before, none above MAX_PAGE_ORDER."""
    extends_scratch: bool = False
    """A KHO boot adds memory to scratch before it takes over what was preserved (kho_extend_scratch, 7.3)."""
    page_count_bits: int = 32
    """Width of the page count of kho_preserve_pages."""
    cold_fdt_bytes: int | None = None
    """Length that out/fdt of debugfs is frozen to, only on a boot without KHO; None: whole, while finalized."""
    checks_scratch: bool = False
    """A kernel built with CONFIG_KEXEC_HANDOVER_DEBUG refuses to preserve memory inside scratch."""
    checks_init: bool = False
    """Preserving before KHO init, or with KHO off, is refused with -EINVAL."""

    def next(
        self,
        name: str,
        *,
        inferred: bool = False,
        scratch: Mapping[str, bool] = MappingProxyType({}),
        names: Mapping[str, str] = MappingProxyType({}),
        **changes: Any,
    ) -> Release:
        """The series after it, with what it changed. Raises TypeError for a fact that no row has."""
        return replace(
            self, name=name, inferred=inferred, scratch=replace(self.scratch, **scratch), names=replace(self.names, **names), **changes
        )

    @property
    def version(self) -> Version:
        """The whole series."""
        version = Version.parse(self.name)
        assert version is not None  # a row of the table
        return version

    @property
    def caveat(self) -> str:
        """What has to be said beside every result of an inferred release; empty for the others."""
        return f"what a kernel of {self.name} does was inferred from its neighbours, not read from its sources" if self.inferred else ""

    @property
    def has_finalize_file(self) -> bool:
        """Whether debugfs has out/finalize."""
        return self.finalize is not Finalize.NONE


_6_16 = Release(name="6.16", bitmap_bytes=512, finalize=Finalize.STATEFUL, names=Names(), attach=Attach.ENABLED)
_6_17 = _6_16.next("6.17", attach=Attach.FINALIZED)
_6_18 = _6_17.next(
    "6.18",
    bitmap_bytes=None,
    checks_scratch=True,
    scratch={"strict": True},
)
_6_19 = _6_18.next(
    "6.19",
    finalize=Finalize.SERIALIZE,
    attach=Attach.ENABLED,
    scratch={"memoryless_nodes": False},
    vmalloc_reports_failure=True,
    cold_fdt_bytes=152,
)
_7_0 = _6_19.next("7.0", inferred=True)
_7_1 = _7_0.next(
    "7.1",
    finalize=Finalize.NONE,
    scratch={"rounds_explicit": True, "subtracts_rounded": False},
    checks_fdt_alignment=True,
    restores_large_folios=True,
    splits_at_nodes=True,
    page_count_bits=64,
    cold_fdt_bytes=233,
    checks_init=True,
)
_7_2 = _7_1.next(
    "7.2",
    scratch={"aligned_to_max_order": True},
)
_7_3 = _7_2.next("7.3", extends_scratch=True, scratch={"counts_hugetlb": False})


@dataclass(frozen=True, slots=True)
class Releases:
    """The series that are known, oldest first."""

    rows: tuple[Release, ...]

    def __iter__(self) -> Iterator[Release]:
        return iter(self.rows)

    @property
    def oldest(self) -> Release:
        """The first series with KHO."""
        return self.rows[0]

    @property
    def newest(self) -> Release:
        """What a newer kernel does is unknown."""
        return self.rows[-1]

    @property
    def names(self) -> tuple[Names, ...]:
        """All names that any of them uses, the oldest first."""
        return tuple(dict.fromkeys(row.names for row in self.rows))

    @property
    def words(self) -> str:
        """From which to which."""
        return f"{self.oldest.name} to {self.newest.name}"

    def of(self, uname: str | None) -> Release | None:
        """The series of a ``uname -r``; None for one that is not known.

        >>> RELEASES.of("7.3.4-1-amd64").name
        '7.3'
        """
        version = Version.parse(uname)
        return next((row for row in self.rows if version is not None and row.version.series == version.series), None)

    def names_of(self, uname: str | None) -> Names:
        """What the series of a ``uname -r`` calls things; for one that is not known, what the newest does."""
        return (self.of(uname) or self.newest).names

    def is_newer(self, uname: str | None) -> bool:
        """Whether the series of a ``uname -r`` is newer than all that are known: what such a kernel does is unknown."""
        version = Version.parse(uname)
        return version is not None and version.series > self.newest.version.series

    def before(self, version: Version) -> Release | None:
        """The newest series that is older; None where none is known."""
        return next((row for row in reversed(self.rows) if row.version.series < version.series), None)

    def covers(self, span: Range, version: Version | None) -> bool | None:
        """Whether a kernel is in a range; None where that is unknown.

        Unknown are a version before the oldest (KHO is a backport there), one after the newest where the range is open (it may have
        changed), one that does not say on which side of a bound inside its series it is, and a release candidate before a change.
        """
        if version is None or version.series < self.oldest.version.series:
            return None
        if span.until is None and version.series > self.newest.version.series:
            return None
        if version.rc is None or span.turns_at_candidates_of(version):
            return span.covers(version)
        # A candidate has what both the series before it and its own X.Y.0 have: a change came at one that is not said.
        before = self.before(version)
        answer = None if before is None else self.covers(span, before.version)
        return answer if answer is self.covers(span, Version(version.series, 0)) else None


RELEASES = Releases((_6_16, _6_17, _6_18, _6_19, _7_0, _7_1, _7_2, _7_3))

MAX_REGIONS = 8
"""``reserve_mem=`` regions (mm/memblock.c, all releases)."""
