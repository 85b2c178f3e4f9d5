"""One side of a handover: its root FDT, tracker and subtrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.abi.root import PACKED_STRUCT_OFFSET, RootFormat, Tracker
from kho_tui.decode.chunks import ChunkClues, decode_chunks
from kho_tui.decode.fdts import report_fdt, view_root
from kho_tui.decode.incoming import REACHED_THROUGH_FREED, TRACKER_GIVEN_BACK, subtree_is_kept
from kho_tui.decode.nodes import property_of
from kho_tui.decode.radix import decode_radix
from kho_tui.decode.reader import Reader
from kho_tui.decode.subtrees import SubtreeSource, Trust, decode_subtree
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob, Origin, agree
from kho_tui.model.codes import CONTRADICTED, POINTER_BAD, POINTER_GAP, SOURCES_DIFFER, VERSION_UNKNOWN
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Damaged, Fact, Missing, Stale, Unavailable, Unknown, known
from kho_tui.model.path import EntityPath, Siblings
from kho_tui.model.registry import Registry
from kho_tui.model.state import FdtView, Root, Side, Subtree
from kho_tui.model.tracker import PreservedMap
from kho_tui.releases.table import Finalize, Release
from kho_tui.text import SafeText, visible

_ANOTHER_BOOT = SafeText("the memory in this capture is of another boot")
_PRESERVED = "preserved"
"""The tracker's place beside the subtrees, so no subtree's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideSource:
    """What speaks of one side.

    ``roots`` are copies of its root FDT, the one that counts first; ``phys`` is where its page lies. ``stale_tracker``: why the tracker is
    not to be believed although the side is not the incoming one.
    """

    name: str
    roots: tuple[Blob, ...]
    phys: Fact[int]
    subtrees: Mapping[bytes, Blob]
    no_root: SafeText
    finalized: Fact[bool]
    release: Release | None
    stale_tracker: Stale | None = None
    debugfs_is_memory: bool = False
    """True: debugfs shows memory as it was read, so that no copy of it is an earlier one."""
    use_memory: bool = True
    """False: memory is of another boot, so nothing of this side may be followed into it."""
    none_yet: bool = False
    """True: this release has neither root nor subtrees before they are finalized."""


def decode_side(reader: Reader, source: SideSource) -> Side:
    """The side. Incoming parts that the running kernel has given back are stale, whatever they look like."""
    where = EntityPath((source.name,))
    if not source.use_memory:
        reader = reader.without_memory(_ANOTHER_BOOT)
    root = _root(reader, source, where)
    given_back = source.name == "in" or source.stale_tracker is not None
    preserved = _preserved(reader, root, source, where.child(_PRESERVED))
    subtrees = _subtrees(reader, root, source, where, given_back=given_back)
    told = not isinstance(root, Missing) or bool(source.subtrees) or source.none_yet
    cut = None if isinstance(root, Missing) or root.view.tree.root is None else root.view.tree.root.cut_child
    if cut is not None and any(one.in_root is None and one.name.startswith(cut) for one in subtrees):
        cut = None
    return Side(
        name=source.name,
        root=root,
        finalized=source.finalized,
        preserved=preserved,
        subtrees=subtrees,
        subtrees_told=told,
        writer=_writer(subtrees),
        cut_subtree=cut,
    )


def _root(reader: Reader, source: SideSource, where: EntityPath) -> Root | Missing:
    if not source.roots:
        return Unavailable(source.no_root)
    handed = _handed(reader, source)
    if isinstance(handed, Missing):
        reader.findings.add(POINTER_GAP, where, f"{handed.reason}: the copy in debugfs is shown, which was made earlier")
    view = view_root(reader.registry.roots, source.roots[0])
    report_fdt(reader.findings, view, where)
    for copy in source.roots[1:]:
        if not agree(view.blob.data, copy.data):
            names = visible(copy.place.source), visible(view.blob.place.source)
            message = f"{names[0]} holds another root FDT than {names[1]}; the latter counts"
            reader.findings.add(SOURCES_DIFFER, where, message, known(source.phys))
            if source.name == "out":
                _contradicts(reader, view, copy, where)
    node = view.tree.root
    if node is None:
        if view.tree.truncated:
            return Unavailable(SafeText(f"the root FDT cannot be read: it ends after {view.tree.available} bytes"))
        why = Damaged(SafeText(f"the root FDT cannot be read: {view.verdict.partition(':')[0]}"))
        return Root(
            view=view, copies=source.roots[1:], phys=source.phys, compatible=None, format=None, map_address=why, values=(), handed=handed
        )
    version = compatible_of(node, reader.registry.roots)
    form = reader.registry.roots.get(version or b"")
    if form is None and (version is not None or node.has_all):
        said = "the root has no compatible string" if version is None else f"root version {visible(version)} is not known: shown as it is"
        reader.findings.add(VERSION_UNKNOWN, where, said, known(source.phys))
    address = reader.property(node, "preserved-memory-map", where) if form is not None else _lenient_map(reader, node)
    values = reader.registry.roots.node.values(node, reader.platform.byte_order, view.blob.place)
    return Root(
        view=view,
        copies=source.roots[1:],
        phys=source.phys,
        compatible=version,
        format=form,
        map_address=address,
        values=values,
        handed=handed,
    )


def _contradicts(reader: Reader, view: FdtView, copy: Blob, where: EntityPath) -> None:
    """Say where the address of the tracker is another one than in an earlier copy, though its format is one whose tracker stays."""
    node, before = view.tree.root, view_root(reader.registry.roots, copy).tree.root
    if node is None or before is None:
        return
    form, order = reader.registry.roots.get(compatible_of(node, reader.registry.roots) or b""), reader.platform.byte_order
    here, there = (integer_property(one, "preserved-memory-map", 8, order) for one in (node, before))
    if form is not None and form.tracker is Tracker.RADIX and here is not None and there is not None and here != there:
        said = f"its tracker is at {here:#x}, debugfs showed {there:#x}: it does not change within a boot"
        reader.findings.add(CONTRADICTED, where, said, view.blob.place.phys)


def _handed(reader: Reader, source: SideSource) -> Blob | Missing:
    """What the next kernel reads: memory, where there is any."""
    in_memory = next((copy for copy in source.roots if copy.place.origin is Origin.MEMORY), None)
    if in_memory is None and source.name == "out" and reader.memory is not None and not source.debugfs_is_memory:
        return Unavailable(SafeText("the root FDT was not found in memory"))
    return in_memory or source.roots[0]


def _lenient_map(reader: Reader, node: Node) -> Fact[int]:
    """The tracker's address in a root of a version that is not known: another format may well do without it."""
    value = property_of(node, "preserved-memory-map", 8, reader.platform.byte_order)
    return Unknown(value.reason) if isinstance(value, Damaged) else value


def _preserved(reader: Reader, root: Root | Missing, source: SideSource, where: EntityPath) -> PreservedMap | Missing:
    if source.name == "in":
        return Stale(SafeText(TRACKER_GIVEN_BACK))
    if source.stale_tracker is not None:
        return source.stale_tracker
    if isinstance(root, Missing):
        return _no_tracker(source)
    if isinstance(root.map_address, Missing):
        return root.map_address
    if root.format is None:
        return Unknown(SafeText("the format of the tracker is not known for this root version"))
    if root.map_address == 0:
        return _no_map(reader, root, root.format, source, where)
    if reader.memory is None:
        return Unavailable(reader.no_memory)
    if root.map_address % reader.platform.page_size:
        missing = Damaged(SafeText(f"the tracker's address {root.map_address:#x} is not page aligned"))
        reader.findings.add(POINTER_BAD, where, str(missing.reason), root.map_address)
        return missing
    if root.format.tracker is Tracker.CHUNKS:
        header = root.view.tree.header
        packed = header is not None and header.integer("off_dt_struct") == PACKED_STRUCT_OFFSET
        return decode_chunks(reader, root.map_address, where, ChunkClues(known(root.phys), packed, source.release))
    return decode_radix(reader, root.map_address, root.format.marker_counted, where)


def _no_tracker(source: SideSource) -> Unavailable:
    """Why there is no tracker where there is no root FDT to name it."""
    if source.none_yet:
        return Unavailable(source.no_root)
    if source.debugfs_is_memory and isinstance(source.phys, Missing):
        return Unavailable(source.phys.reason)
    return Unavailable(_no_root(source, "its"))


def _no_root(source: SideSource, whose: str) -> SafeText:
    """That there is no root FDT: of a running machine only its address is unknown."""
    return SafeText(f"where {whose} root FDT is, is not known" if source.debugfs_is_memory else f"{whose} root FDT is not in this capture")


def _no_map(reader: Reader, root: Root, form: RootFormat, source: SideSource, where: EntityPath) -> Missing:
    """Why a root names no tracker: in 6.19 and 7.0 it may not be finalized yet, else that cannot be."""
    if form.tracker is Tracker.CHUNKS and source.finalized is not True and not _made_at_finalize(reader, root, source.release):
        return Unavailable(SafeText("not finalized: the root FDT names no tracker yet"))
    refused = "6.19 and 7.0 refuse it, earlier kernels keep nothing" if form.tracker is Tracker.CHUNKS else "the next kernel refuses it"
    missing = Damaged(SafeText(f"the root FDT names no tracker: {refused}"))
    reader.findings.add(POINTER_BAD, where, str(missing.reason))
    return missing


def _made_at_finalize(reader: Reader, root: Root, release: Release | None) -> bool:
    """Whether the root was made whole at finalize, tracker and all, as 6.16 to 6.18 do: by release, else by structure.

    6.19 and 7.0 begin without a tracker, and pack the root as soon as it gets a subtree (kernel/liveupdate/kexec_handover.c).
    """
    if release is not None and reader.registry.roots.written_by(release).tracker is Tracker.CHUNKS:
        return release.finalize is Finalize.STATEFUL
    header, node = root.view.tree.header, root.view.tree.root
    if header is None or node is None or not node.children:
        return False
    return header.integer("off_dt_struct") != PACKED_STRUCT_OFFSET


def _subtrees(reader: Reader, root: Root | Missing, source: SideSource, where: EntityPath, *, given_back: bool) -> tuple[Subtree, ...]:
    found: list[Subtree] = []
    version = None if isinstance(root, Missing) else root.compatible
    for path, one in _sources(reader, root, source, where):
        trust = _trust(reader.registry, version, one.name, source.stale_tracker) if given_back else Trust()
        if one.in_root is False:
            message = f"{visible(one.name)} is in debugfs and not in the root FDT: it is not handed over"
            reader.findings.add(SOURCES_DIFFER, path, message)
        found.append(decode_subtree(reader, one, path, trust, memory_first=source.name != "in"))
    return tuple(found)


def _sources(reader: Reader, root: Root | Missing, source: SideSource, where: EntityPath) -> list[tuple[EntityPath, SubtreeSource]]:
    """Subtrees in the order of the root FDT, then those that only debugfs has, each with a path of its own."""
    siblings = Siblings(where)
    siblings.child(_PRESERVED)
    nodes = [] if isinstance(root, Missing) or root.view.tree.root is None else list(root.view.tree.root.children)
    place = None if isinstance(root, Missing) else root.view.blob.place
    found = []
    for node in nodes:
        assert place is not None and isinstance(root, Root)
        path = siblings.named(node.name)
        phys, size = _pointers(reader, node, root.format, path)
        values = reader.registry.roots.subtree.values(node, reader.platform.byte_order, place)
        found.append(
            (
                path,
                SubtreeSource(
                    name=node.name,
                    phys=phys,
                    size=size,
                    values=values,
                    debugfs=source.subtrees.get(node.name),
                    in_root=True,
                    root_version=root.compatible,
                ),
            )
        )
    known_names = {node.name for node in nodes}
    version = None if isinstance(root, Missing) else root.compatible
    in_root = None if isinstance(root, Missing) or not root.view.tree.lists_all else False
    why = SafeText(_no_root(source, "the") if isinstance(root, Missing) else "the root FDT, as far as it was read, does not name it")
    unknown = Unavailable(why)
    found += [
        (
            siblings.named(name),
            SubtreeSource(name=name, phys=unknown, size=unknown, values=(), debugfs=blob, in_root=in_root, root_version=version),
        )
        for name, blob in sorted(source.subtrees.items())
        if name not in known_names
    ]
    return found


def _pointers(reader: Reader, node: Node, form: RootFormat | None, where: EntityPath) -> tuple[Fact[int], Fact[int]]:
    order = reader.platform.byte_order
    names = (form.pointer,) if form is not None else reader.registry.roots.pointers
    values = (integer_property(node, name, 8, order) for name in names)
    there = next((value for value in values if value is not None), None)
    phys = reader.property(node, names[0], where) if there is None else there
    if form is not None and form.size is not None:
        return phys, reader.property(node, form.size, where)
    size = integer_property(node, "blob-size", 8, order)
    return phys, Unavailable(SafeText("this version records no size")) if size is None else size


def _trust(registry: Registry, version: bytes | None, name: bytes, why: Stale | None) -> Trust:
    """What may be believed of a subtree of a side whose memory was given back, surely or (``why``) most likely."""
    behind = why or Stale(SafeText(REACHED_THROUGH_FREED))
    return Trust(None if subtree_is_kept(registry, version, name) else behind, behind)


def _writer(subtrees: tuple[Subtree, ...]) -> str | None:
    """The release that wrote the side: as its subtrees say (kexec-metadata does); for the outgoing side it is the running kernel's too."""
    for one in subtrees:
        writer = one.content.written_by() if isinstance(one.content, SubtreeContent) else None
        if writer is not None:
            return visible(writer)
    return None
