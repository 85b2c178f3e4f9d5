"""Rules on the subtrees' blobs and the pages that have to be kept for anything to be found."""

from __future__ import annotations

from kho_tui.abi.root import Payload
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.decode.facet import Decoding
from kho_tui.decode.fdts import is_fdt
from kho_tui.layout.place import Blob
from kho_tui.model.facts import Missing, Status, Unavailable, known
from kho_tui.model.state import Subtree


def _records_size(evidence: Evidence) -> bool:
    root = evidence.side.root
    form = None if isinstance(root, Missing) else root.format
    return form is not None and form.size is not None


@rule(
    "KHO009",
    "a subtree's blob is page aligned, in RAM, and has a size above 0",
    error("7.1"),
    warning(until="7.0"),
    explanation="The pointer of each subtree, and blob-size from 7.1 on. An address of 0 is an error in every "
    "release, and so is one that is no System RAM of /proc/iomem.",
    consequence="the subsystem reads other memory, or nothing: its state is lost, LUO panics",
    source="kernel/liveupdate/kexec_handover.c, kho_retrieve_subtree: the address goes to phys_to_virt as it is (6.19 to 7.3; "
    "kernel/kexec_handover.c before)",
)
def address(evidence: Evidence, found: Found) -> None:
    """Invariant 9."""
    for subtree in evidence.subtrees(found):
        phys = found.need(subtree.phys, f"address of {subtree.path}")
        if phys == 0:
            found.broken("its address is 0", subtree.path, severity="error")
        elif phys is not None and phys % evidence.page_size:
            found.broken(f"its address {phys:#x} is not page aligned", subtree.path, phys)
        elif phys is not None and evidence.no_ram(phys):
            found.broken(f"its address {phys:#x} is no RAM", subtree.path, phys, severity="error")
        if _records_size(evidence) and found.need(subtree.size, f"blob-size of {subtree.path}") == 0:
            found.broken("its blob-size is 0", subtree.path)


@rule(
    "KHO010",
    "a blob is an FDT where the version says so, and an FDT fits its blob-size",
    warning(),
    explanation="kho-v1: every blob begins with the FDT magic. From 7.1 on: a blob that is an FDT has a totalsize of at most blob-size, and"
    " exactly that for the kernel's own subtrees.",
    consequence="the subsystem refuses its state, or reads beyond it",
    source="mm/memblock.c, prepare_kho_fdt; kernel/liveupdate/kexec_handover.c, kho_add_subtree: blob_size (7.1 to 7.3)",
)
def is_an_fdt(evidence: Evidence, found: Found) -> None:
    """Invariant 10."""
    root = evidence.root(found)
    if root is None:
        return
    form = root.format
    if form is None:
        found.lack("format of the root", "its version is not known")
        return
    for subtree in evidence.subtrees(found):
        if subtree.status is Status.STALE:
            found.lack(f"blob of {subtree.path}", subtree.reason)
            continue
        blob = found.need(subtree.blob, f"blob of {subtree.path}")
        if blob is None:
            continue
        if subtree.fdt is not None and form.size is not None and isinstance(subtree.size, int):
            _size(evidence, subtree, subtree.size, found)
        elif isinstance(subtree.content, Unavailable):
            found.lack(f"blob of {subtree.path}", subtree.reason)
        elif not is_fdt(blob) and _has_to_be_fdt(evidence, subtree.lookup_name, blob):
            found.broken("it does not begin with the magic of an FDT", subtree.path, blob.place.phys, severity="error")
        elif not is_fdt(blob) and form.payload is Payload.FDT:
            found.broken("it does not begin with the magic of an FDT", subtree.path, blob.place.phys)


def _has_to_be_fdt(evidence: Evidence, name: bytes, blob: Blob) -> bool:
    """Whether the subtree of this name is an FDT, in a form that its first bytes do not tell."""
    decoding = evidence.state.registry.facets(Decoding).get(name)
    return decoding is not None and decoding.is_fdt and decoding.struct_head(evidence.state.registry, blob.data) is None


def _size(evidence: Evidence, subtree: Subtree, size: int, found: Found) -> None:
    total = None if subtree.fdt is None else subtree.fdt.tree.total_size
    decoding = evidence.state.registry.facets(Decoding).get(subtree.name)
    if total is not None and (total > size or (total != size and decoding is not None and decoding.is_fdt)):
        found.broken(f"an FDT of {total} bytes in a blob of {size}", subtree.path, known(subtree.phys))


@rule(
    "KHO011",
    "every page of every subtree's blob is preserved",
    error(),
    explanation="The pages of [address, address + size) are looked up in the tracker.",
    consequence="the pages may be given to somebody else before the subsystem reads them: then its state is lost, and LUO panics",
    source="kernel/liveupdate/kexec_handover.c, kho_add_subtree: the caller preserves the blob (6.19 to 7.3); kho_alloc_preserve",
)
def kept(evidence: Evidence, found: Found) -> None:
    """Invariant 11."""
    for subtree in evidence.subtrees(found):
        phys = found.need(subtree.phys, f"address of {subtree.path}")
        if not phys:
            continue
        size = known(subtree.size) or (len(subtree.blob.data) if isinstance(subtree.blob, Blob) else 1)
        if not evidence.is_kept(found, phys, size):
            found.broken(f"not all of its {size} bytes are preserved", subtree.path, phys)


@rule(
    "KHO012",
    "the page of the root FDT is preserved as a block of order 0",
    error(),
    explanation="The page is looked up in the tracker.",
    consequence="the page may be given to somebody else while subsystems still look for their state in it",
    source="kernel/liveupdate/kexec_handover.c, kho_init: kho_alloc_preserve of the root FDT's page (6.19 to 7.3); "
    "kernel/kexec_handover.c, __kho_finalize (6.16 to 6.18)",
)
def root_kept(evidence: Evidence, found: Found) -> None:
    """Invariant 12."""
    root = evidence.root(found)
    phys = None if root is None else found.need(root.phys, "address of the root FDT")
    if phys is not None and not evidence.is_block(found, phys, 0):
        found.broken(f"no preserved block of order 0 begins at {phys:#x}", evidence.path, phys)


RULES = (address, is_an_fdt, kept, root_kept)
