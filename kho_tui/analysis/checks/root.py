"""Rules on the root FDT and its nodes."""

from __future__ import annotations

from collections import Counter

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, rule, warning
from kho_tui.analysis.finalizing import is_map_pending
from kho_tui.fdt.header import header_fault
from kho_tui.fdt.tree import AnomalyCode
from kho_tui.model.facts import Missing, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.state import FdtView
from kho_tui.releases.table import Finalize
from kho_tui.text import visible

_LAYOUTS = {(48, 64), (40, 56)}
_PROPERTIES = ("compatible", "preserved-memory-map")
_IGNORED = "the next kernel refuses the whole handover and boots cold: everything is lost and overwritten"


def _one_page_fdts(evidence: Evidence, found: Found) -> list[tuple[EntityPath, FdtView]]:
    """The root FDT and those of the kernel's own subtrees that have to fit a page."""
    root = evidence.root(found)
    fdts = [] if root is None else [(evidence.path, root.view)]
    own = [one for one in evidence.side.handed_over if one.lookup_name in (LUO_NAME, MEMBLOCK_NAME) and one.status is not Status.STALE]
    for subtree in own:
        found.need(subtree.blob, f"blob of {subtree.path}")
    return fdts + [(one.path, one.fdt) for one in own if one.fdt is not None]


@rule(
    "KHO001",
    "the root FDT has a valid header",
    error(),
    explanation="The header fields of the root FDT are looked at as fdt_check_header does, with the alignments of libfdt from 7.1 on: magic"
    " d00dfeed (2ff20112 is a half-built FDT), version, total size, blocks inside it.",
    consequence=_IGNORED,
    source="scripts/dtc/libfdt/fdt.c, fdt_check_header; kernel/liveupdate/kexec_handover.c, kho_populate (6.19 to 7.3; "
    "kernel/kexec_handover.c before)",
)
def header(evidence: Evidence, found: Found) -> None:
    """Invariant 1."""
    root = evidence.root(found)
    if root is None:
        return
    strict = any(release.checks_fdt_alignment for release in evidence.releases)
    phys = None if isinstance(root.phys, Missing) else root.phys
    page = found.need(root.handed, "page of the root FDT")
    if page is None:
        return
    fault = header_fault(page.data, phys, strict=strict)
    if page is root.view.blob and any(one.code is AnomalyCode.HALF_BUILT for one in root.view.tree.anomalies):
        fault = "the FDT is half-built: fdt_finish was never called"
    if fault:
        found.broken(fault, evidence.path, phys)


@rule(
    "KHO002",
    "FDTs are laid out as the kernel's libfdt calls leave them, with an empty reservation map",
    warning(),
    explanation="Reservation map and structure stand at offsets 48/64 (never packed) or 40/56 (packed), and the reservation map is its "
    "terminator alone. Looked at in the root FDT and in those of LUO and memblock.",
    consequence="none by itself: somebody other than the kernel wrote or changed the FDT",
    source="scripts/dtc/libfdt/fdt_sw.c, fdt_create_with_flags and fdt_finish; fdt_rw.c, fdt_pack (6.16 to 7.3)",
)
def layout(evidence: Evidence, found: Found) -> None:
    """Invariant 2."""
    for path, view in _one_page_fdts(evidence, found):
        tree = view.tree
        if tree.header is None:
            found.lack(f"header of the FDT of {path}", "too few bytes")
            continue
        at = tree.header.integer("off_mem_rsvmap"), tree.header.integer("off_dt_struct")
        if at not in _LAYOUTS:
            found.broken(f"reservation map at {at[0]}, structure at {at[1]}: neither 48/64 nor 40/56", path, view.blob.place.phys)
        endless = any(one.code is AnomalyCode.BAD_RESERVATIONS for one in tree.anomalies)
        if tree.reservations or endless:
            said = "its reservation map does not end" if endless else f"{len(tree.reservations)} reservations, the kernel writes none"
            found.broken(said, path, view.blob.place.phys)


@rule(
    "KHO003",
    "an FDT's blocks follow each other without a gap and end with it, within one page",
    warning(),
    explanation="totalsize = off_dt_strings + size_dt_strings, off_dt_strings = off_dt_struct + size_dt_struct, totalsize at most the page "
    "size (an error where it is more). Looked at in the root FDT and in those of LUO and memblock.",
    consequence="beyond a page: the next kernel maps one page only and reads what follows it; a gap: somebody other than the kernel wrote "
    "it",
    source="scripts/dtc/libfdt/fdt_sw.c, fdt_finish; kernel/liveupdate/kexec_handover.c, kho_populate, which maps one page (6.19 to 7.3)",
)
def sizes(evidence: Evidence, found: Found) -> None:
    """Invariant 3."""
    for path, view in _one_page_fdts(evidence, found):
        if view.tree.header is None:
            found.lack(f"header of the FDT of {path}", "too few bytes")
            continue
        value = view.tree.header.integer
        at, total = view.blob.place.phys, value("totalsize")
        if total > evidence.page_size:
            found.broken(f"totalsize {total} is more than a page of {evidence.page_size} bytes", path, at, severity="error")
        if value("off_dt_strings") != value("off_dt_struct") + value("size_dt_struct"):
            found.broken(
                f"strings at {value('off_dt_strings')}, structure ends at {value('off_dt_struct') + value('size_dt_struct')}", path, at
            )
        if total != value("off_dt_strings") + value("size_dt_strings"):
            found.broken(f"totalsize {total}, strings end at {value('off_dt_strings') + value('size_dt_strings')}", path, at)


@rule(
    "KHO004",
    "the root has the properties compatible and preserved-memory-map, in that order, and one compatible string",
    warning(),
    explanation="The properties of the root node by name and order, and the strings in compatible.",
    consequence="none by itself for extra ones; somebody other than the kernel wrote the FDT",
    source="kernel/liveupdate/kexec_handover.c, kho_out_fdt_setup (6.19 to 7.3); kernel/kexec_handover.c, __kho_finalize (6.16 to 6.18)",
)
def properties(evidence: Evidence, found: Found) -> None:
    """Invariant 4."""
    node = evidence.root_node(found)
    if node is None:
        return
    names = tuple("?" if one.name is None else visible(one.name) for one in node.properties)
    root = evidence.side.root
    form = None if isinstance(root, Missing) else root.format
    wanted = _PROPERTIES if form is None else tuple(field.name for field in form.node.properties)
    if names != wanted and evidence.root_damaged and (None in (one.name for one in node.properties) or not node.complete):
        found.lack("properties of the root", evidence.root_damaged)
    elif names != wanted:
        found.broken(f"its properties are {', '.join(names) or 'none'}", evidence.path)
    compatible = node.property(b"compatible")
    if compatible is not None and (compatible.data.count(b"\0") != 1 or not compatible.data.endswith(b"\0")):
        found.broken(f"compatible is {visible(compatible.data)}: not one string with its NUL", evidence.path)


@rule(
    "KHO005",
    "the root's version is the one that its writer's release writes, and a known one",
    error(),
    explanation="The compatible string against the releases known, and against the running kernel's where it is the writer.",
    consequence=_IGNORED + "; a kernel of the release that runs here takes only its own version",
    source="include/linux/kho/abi/kexec_handover.h, KHO_FDT_COMPATIBLE (7.0 to 7.3); kernel/liveupdate/kexec_handover.c, kho_populate",
)
def version(evidence: Evidence, found: Found) -> None:
    """Invariant 5."""
    root = evidence.root(found)
    if root is None:
        return
    if root.compatible is None:
        if evidence.root_damaged:
            found.lack("compatible string of the root", evidence.root_damaged)
        else:
            found.broken("the root has no compatible string", evidence.path)
        return
    known = evidence.state.registry.roots.get(root.compatible)
    if evidence.newer:
        found.lack("version of the root", evidence.newer)
    elif known is not None and not known.released:
        found.broken(f"no release writes {visible(root.compatible)}", evidence.path)
    elif evidence.release is not None and (wanted := evidence.state.registry.roots.version_of(evidence.release).decode()) != visible(
        root.compatible
    ):
        found.broken(f"{visible(root.compatible)}, yet {evidence.release.name} writes and takes {wanted}", evidence.path)


@rule(
    "KHO006",
    "the root names its memory map: 8 bytes, not 0, page aligned, in RAM",
    error(),
    explanation='The property preserved-memory-map. Where 0 stands for "not finalized yet" (6.19, 7.0), it is a fault only if something '
    "shows that the reboot call was made: out/finalize, or LUO's sessions.",
    consequence=_IGNORED + " (6.16 to 6.18: taken without its memory, which is overwritten)",
    source="kernel/liveupdate/kexec_handover.c, kho_populate and kho_get_mem_map_phys (6.19 to 7.3); kernel/kexec_handover.c, "
    "kho_mem_deserialize (6.16 to 6.18)",
)
def memory_map(evidence: Evidence, found: Found) -> None:
    """Invariant 6."""
    root, node = evidence.root(found), evidence.root_node(found)
    if root is None or node is None:
        return
    found_property = node.property(b"preserved-memory-map")
    if found_property is None:
        if evidence.root_damaged:
            found.lack("preserved-memory-map", evidence.root_damaged)
        else:
            found.broken("the root has no preserved-memory-map", evidence.path)
    elif len(found_property.data) != 8:
        found.broken(f"preserved-memory-map has {len(found_property.data)} bytes instead of 8", evidence.path)
    elif isinstance(root.map_address, Missing):
        found.lack("preserved-memory-map", root.map_address.reason)
    elif root.map_address == 0 and is_map_pending(evidence.side, evidence.releases):
        found.lack("finalized memory map", "it is 0 until out/finalize is written or LUO finalizes in the reboot call")
    elif root.map_address == 0:
        found.broken("preserved-memory-map is 0", evidence.path)
    elif root.map_address % evidence.page_size:
        found.broken(f"preserved-memory-map {root.map_address:#x} is not page aligned", evidence.path, root.map_address)
    elif evidence.no_ram(root.map_address):
        found.broken(f"preserved-memory-map {root.map_address:#x} is no RAM", evidence.path, root.map_address)


@rule(
    "KHO007",
    "a subtree's node has exactly the properties of its version, 8 bytes each, and no children",
    error(),
    explanation="fdt in kho-v1; blob-size and preserved-data in kho-v3 and v4, in any order. Further properties or children are a warning.",
    consequence="the subsystem does not find its state: it is lost; LUO panics",
    source="kernel/liveupdate/kexec_handover.c, kho_add_subtree and kho_retrieve_subtree (6.19 to 7.3; kernel/kexec_handover.c before)",
)
def subtree_properties(evidence: Evidence, found: Found) -> None:
    """Invariant 7."""
    root = evidence.root(found)
    if root is None:
        return
    if root.format is None:
        found.lack("format of the root", "its version is not known")
        return
    wanted = {field.name for field in root.format.subtree.properties}
    for node in evidence.subtree_nodes(found):
        path = evidence.path.named(node.name)
        if evidence.root_damaged and any(one.name is None for one in node.properties):
            found.lack(f"properties of {path}", evidence.root_damaged)
            continue
        there = {"?" if one.name is None else visible(one.name): len(one.data) for one in node.properties}
        for name in sorted(wanted):
            if there.get(name) != 8:
                found.broken(f"{name} {'is missing' if name not in there else f'has {there[name]} bytes instead of 8'}", path)
        more = sorted(set(there) - wanted)
        if more or len(node.properties) != len(there):
            found.broken(f"further properties: {', '.join(more) or 'one of them twice'}", path, severity="warning")
        if node.children:
            found.broken(f"{len(node.children)} nodes below it", path, severity="warning")


@rule(
    "KHO008",
    "no two subtrees have the same name",
    error(),
    explanation="The names of the root's subnodes.",
    consequence="a kernel finds the first one only: the state of the other is lost",
    source="kernel/liveupdate/kexec_handover.c, kho_add_subtree: -EEXIST (6.19 to 7.3); scripts/dtc/libfdt/fdt_ro.c, fdt_subnode_offset",
)
def subtree_names(evidence: Evidence, found: Found) -> None:
    """Invariant 8."""
    for name, count in Counter(node.name for node in evidence.subtree_nodes(found)).items():
        if count > 1:
            found.broken(f"{count} subtrees are named {visible(name)}", evidence.path.named(name))


@rule(
    "KHO131",
    "a kexec now hands something over",
    warning(until="7.0"),
    explanation="Up to 7.0 the outgoing side has to be finalized: 6.16 to 6.18 by writing 1 to out/finalize before the image is loaded, "
    "6.19 and 7.0 by writing it, or by LUO in the reboot call.",
    consequence="6.17, 6.18: the next kernel gets nothing; 6.16, 6.19, 7.0: it refuses what it gets",
    source="kernel/kexec_handover.c, kho_fill_kimage and kho_finalize (6.16 to 6.18); kernel/liveupdate/luo_core.c, liveupdate_reboot "
    "(6.19, 7.0)",
)
def finalized(evidence: Evidence, found: Found) -> None:
    """Gotchas 9 and 10."""
    release = evidence.release
    if evidence.side.name != "out":
        found.not_here("a question for the outgoing side")
        return
    if release is None:
        found.lack("release of the writer", "it decides what finalizes the handover")
        return
    done = found.need(evidence.side.finalized, "out/finalize")
    by_luo = release.finalize is Finalize.SERIALIZE and any(one.lookup_name == LUO_NAME for one in evidence.side.handed_over)
    if done is False and not by_luo:
        found.broken(f"not finalized, and {release.name} does not do it by itself", evidence.path)


RULES = (header, layout, sizes, properties, version, memory_map, subtree_properties, subtree_names, finalized)
