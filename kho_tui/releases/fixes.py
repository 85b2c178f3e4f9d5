"""Faults of kernels that a fix ended inside a series, so that the release alone does not say whether a kernel has them."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Releases
from kho_tui.releases.version import Version


@dataclass(frozen=True, slots=True)
class Fix:
    """``affected``: the versions that surely have the fault. ``perhaps``: those where it is not known. ``effect``: what it does.

    ``source``: the kernel's file, with the function and the release where the fix can be read, a commit, or the CVE.
    """

    name: str
    affected: tuple[Range, ...]
    effect: str
    source: str
    perhaps: tuple[Range, ...] = ()

    def affects(self, version: Version | None, known: Releases) -> bool | None:
        """Whether a kernel has the fault; None where that is unknown. ``known``: the releases that are known.

        A vendor's kernel has fixes that its patch level does not tell: only a series that has the fault, or has it not, as a whole decides.
        """
        affected = {known.covers(span, version) for span in self.affected}
        if True in affected:
            return True
        unknown = None in affected or any(known.covers(span, version) is not False for span in self.perhaps)
        return None if unknown else False


KEXEC_UNFINALIZED = Fix(
    name="image filled only when finalized",
    affected=(Range("6.16", "6.17.1"),),
    perhaps=(Range("6.17.2", "6.17.7"),),
    effect="an image that is loaded while out/finalize is 0 gets an uninitialised page as its root FDT, which the next kernel refuses",
    source="kernel/kexec_handover.c, kho_fill_kimage, 6.17.8",
)
BITMAPS_IN_SCRATCH = Fix(
    name="bitmaps of a page",
    affected=(Range("6.16", "6.17.8"),),
    perhaps=(Range("6.17.9", "6.17"),),
    effect="bitmaps are slab objects of 512 bytes, which may lie in scratch, and of which a kernel with the fix reads a page",
    source="kernel/kexec_handover.c, struct kho_mem_phys_bits, 6.18",
)
MEMORYLESS_NODES = Fix(
    name="memory-less nodes",
    affected=(Range("6.16", "6.18"),),
    effect="an online node without memory makes the reservation of scratch fail, and KHO switches itself off",
    source="kernel/liveupdate/kexec_handover.c, kho_reserve_scratch, 6.19 (427b2535f513)",
)
FOLIO_FLAGS = Fix(
    name="folio flags",
    affected=(Range("6.19", "6.19.8"),),
    effect="folios of a memfd are handed over as clean or not uptodate: the next kernel may reclaim them, or reads them as zeros",
    source="CVE-2026-43389 (mm/memfd_luo.c)",
)
RETRIEVE_AGAIN = Fix(
    name="retrieve status",
    affected=(Range("6.19", "6.19.0"),),
    perhaps=(Range("6.19.1", "6.19"),),
    effect="a retrieve that failed may be tried again, on pages that are half restored",
    source="CVE-2026-43489 (kernel/liveupdate/luo_file.c)",
)
FILE_ERRORS_IGNORED = Fix(
    name="file errors reported at open",
    affected=(Range("6.19", "6.19.11"),),
    perhaps=(Range("6.19.12", "7.0"),),
    effect="/dev/liveupdate opens although files of a session could not be made again: they are lost without a word",
    source="kernel/liveupdate/luo_session.c, luo_session_deserialize, 7.1",
)
MEMFD_TWICE = Fix(
    name="one memfd preserved twice",
    affected=(Range("6.19", "7.0"),),
    effect="one memfd can be preserved in two files: the second retrieve fails with -EIO and a WARNING in kho_restore_page",
    source="kernel/liveupdate/luo_file.c, luo_preserve_file, 7.1",
)
NARROW_PAGE_COUNT = Fix(
    name="64-bit page count",
    affected=(Range("6.18", "6.19"),),
    perhaps=(Range("7.0", "7.0"),),
    effect="kho_preserve_pages counts pages in 32 bits: of a region of 16 TiB or more a part is not preserved",
    source="kernel/liveupdate/kexec_handover.c, kho_preserve_pages, 7.1 (840fe43d371f)",
)
NARROW_BLOCK_SIZES = Fix(
    name="32-bit shift of the reserve callback",
    affected=(Range("6.16", "7.1"),),
    perhaps=(Range("7.2", "7.2.5"),),
    effect="the size of a block of 2 GiB or more overflows when the next kernel reserves it: its memory is overwritten",
    source="kernel/liveupdate/kexec_handover.c, the callback that reserves a block, 7.2.6",
)
REBOOT_RACE = Fix(
    name="sessions changed during the reboot call",
    affected=(Range("6.19", "7.1"),),
    effect="a session that changes during the reboot call is handed over with a count that is not that of its list",
    source="kernel/liveupdate/luo_session.c, luo_session_serialize, 7.2",
)
DATA_ZERO = Fix(
    name="data after a failed first kexec",
    affected=(),
    perhaps=(Range("6.19", "7.0"),),
    effect="files are handed over with data 0 where a first kexec failed",
    source="kernel/liveupdate/luo_file.c, 7.0",
)
EMPTY_BLOCK = Fix(
    name="empty block behind full ones",
    affected=(Range("7.2", "7.3.4"),),
    perhaps=(Range("7.3.5"),),
    effect="creating a session under a name that exists while the last block of sessions is full (51 with 4K pages) leaves an empty block, "
    "on which the next kernel panics",
    source="kernel/liveupdate/luo_session.c, luo_session_insert, 7.3.4",
)
KDUMP_KEEPS_KHO = Fix(
    name="kdump kernel keeps KHO on",
    affected=(Range("7.2", "7.2.13"), Range("7.3", "7.3.3")),
    perhaps=(Range("6.16", "7.1"), Range("7.2.14", "7.2")),
    effect="a kdump kernel (elfcorehdr=) takes scratch out of the little memory that it has",
    source="kernel/liveupdate/kexec_handover.c, 7.3.4",
)

FIXES: tuple[Fix, ...] = (
    KEXEC_UNFINALIZED,
    BITMAPS_IN_SCRATCH,
    MEMORYLESS_NODES,
    FOLIO_FLAGS,
    RETRIEVE_AGAIN,
    FILE_ERRORS_IGNORED,
    MEMFD_TWICE,
    NARROW_PAGE_COUNT,
    NARROW_BLOCK_SIZES,
    REBOOT_RACE,
    DATA_ZERO,
    EMPTY_BLOCK,
    KDUMP_KEEPS_KHO,
)
