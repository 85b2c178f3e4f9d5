"""One subtree: which of its copies counts, what it is, and its content."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.abi.properties import compatible_of
from kho_tui.capture.reader import LIVE_BLOB_LIMIT
from kho_tui.decode.facet import Decoding, SubtreeBlob, declared_size, struct_head
from kho_tui.decode.fdts import is_fdt, report_fdt, view_fdt
from kho_tui.decode.reader import Reader
from kho_tui.fdt.header import FDT_HEADER
from kho_tui.fdt.tree import looks_like_fdt, lookup_name
from kho_tui.layout.place import Blob, Origin
from kho_tui.layout.struct import FieldValue
from kho_tui.model.codes import (
    CONTRADICTED,
    COUNT_BAD,
    NAME_UNKNOWN,
    NOT_ONE_BOOT,
    POINTER_BAD,
    POINTER_GAP,
    SOURCE_NOTE,
    SOURCE_PROBLEM,
    SOURCES_DIFFER,
    STALE_LOOKS_WHOLE,
)
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Damaged, Fact, Missing, Stale, Status, Unavailable, known
from kho_tui.model.path import EntityPath
from kho_tui.model.registry import Registry
from kho_tui.model.state import FdtView, RawContent, Subtree
from kho_tui.text import NO_TEXT, SafeText, plural, visible

MOST_BLOB_BYTES = 16 << 20
_UNKNOWN_SHOWN = 4096
"""Bytes shown of a blob whose size nothing tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtreeSource:
    """What speaks of one subtree: its node in the root FDT (if any) and its copy in debugfs (if any)."""

    name: bytes
    phys: Fact[int]
    size: Fact[int]
    values: tuple[FieldValue, ...]
    debugfs: Blob | None
    in_root: bool | None
    """None: the root FDT is not there, or cut, so that it cannot be told."""
    root_version: bytes | None
    """Version of the handover that the subtree is part of."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What may be believed of a side. ``blob``: why the blob itself is stale; ``behind``: why what it points at is."""

    blob: Stale | None = None
    behind: Stale | None = None


def decode_subtree(reader: Reader, source: SubtreeSource, where: EntityPath, trust: Trust, *, memory_first: bool) -> Subtree:
    """The subtree. ``memory_first``: memory was taken later than the debugfs copy, so it counts where both are there."""
    from_memory = _memory_copy(reader, source, where, quiet=source.debugfs is not None or trust.blob is not None)
    blobs = [b for b in (from_memory, source.debugfs) if isinstance(b, Blob)]
    if not memory_first:
        blobs.reverse()
    # Where the root leads to nothing, an earlier copy is none of what the next kernel finds.
    misled = memory_first and isinstance(from_memory, Damaged) and trust.blob is None
    primary = from_memory if misled or not blobs else blobs[0]
    copies = tuple(blob for blob in blobs if blob is not primary and (misled or _differ(reader, blob, blobs[0])))
    for copy in () if misled else copies:
        if trust.blob is None:
            later = ": memory was taken later" if memory_first else ""
            message = f"{visible(copy.place.source)} holds other bytes than {visible(blobs[0].place.source)}; the latter counts{later}"
            reader.findings.add(SOURCES_DIFFER, where, message, known(source.phys))
            constant = _contradiction(reader, source.name, blobs[0], copy) if memory_first else ""
            if constant:
                reader.findings.add(CONTRADICTED, where, constant, known(source.phys))
    if memory_first and reader.memory is not None and isinstance(from_memory, Missing) and not isinstance(source.phys, Missing) and blobs:
        counts = "no earlier copy stands for it" if misled else "the copy in debugfs is shown, which was made earlier"
        reader.findings.add(POINTER_BAD if misled else SOURCES_DIFFER, where, f"{from_memory.reason}: {counts}", source.phys)
    told = known(source.size) if source.in_root else None
    if told is not None and isinstance(primary, Blob) and primary is source.debugfs and told < len(primary.data):
        foreign = SafeText(f"{visible(primary.place.source)} has {len(primary.data)} bytes, the root FDT says {told}: not of one boot")
        reader.findings.add(NOT_ONE_BOOT, where, foreign)
        copies = (primary, *copies)
        primary = Unavailable(foreign)
    fdt = view_fdt(primary) if isinstance(primary, Blob) and is_fdt(primary) else None
    outdated = _outdated(reader, source, primary) if memory_first and trust.blob is None else NO_TEXT
    content, status, reason = _content(reader, source, primary, fdt, where, trust, outdated)
    decoding = _decoding(reader, source.name)
    return Subtree(
        name=source.name,
        path=where,
        phys=source.phys,
        size=source.size,
        values=source.values,
        blob=primary,
        copies=copies,
        fdt=fdt,
        compatible=None if trust.blob is not None else _version(reader, primary, fdt),
        content=content,
        status=status,
        reason=reason,
        owns_memory=decoding is None or decoding.owns_memory,
        in_root=source.in_root,
        outdated=outdated,
    )


def _differ(reader: Reader, one: Blob, other: Blob) -> bool:
    """Whether two copies hold other bytes; of a running machine as much as was read of both."""
    most = min(len(one.data), len(other.data)) if reader.live else None
    return one.data[:most] != other.data[:most]


def is_blob_of_kho(registry: Registry, data: bytes) -> bool:
    """Whether a blob begins as one that a kernel writes: an FDT, or a struct that is known."""
    return looks_like_fdt(data) or struct_head(registry, data) is not None


def _outdated(reader: Reader, source: SubtreeSource, primary: Blob | Missing) -> SafeText:
    """Blobs in FDT form are complete when they are registered; LUO's struct is written in the reboot call, and others nobody knows."""
    if reader.memory is None or isinstance(source.phys, Missing) or not isinstance(primary, Blob) or primary is not source.debugfs:
        return NO_TEXT
    if is_fdt(primary) or _is_fixed(reader, source.name):
        return NO_TEXT
    return SafeText("its blob is not in the captured memory, and the copy in debugfs was made earlier")


def _contradiction(reader: Reader, name: bytes, there: Blob, copy: Blob) -> str:
    """What two copies of a subtree differ in that does not change within a boot; empty for nothing."""
    # One may be captured to a shorter length.
    size = min(len(there.data), len(copy.data))
    if _is_fixed(reader, name) and there.data[:size] != copy.data[:size]:
        return "its bytes do not change within a boot, and are not those that debugfs showed"
    decoding = _decoding(reader, name)
    counted = None if decoding is None or decoding.bytes_fixed else decoding.counted
    if counted is not None:
        here, before = counted.read(reader, there.data), counted.read(reader, copy.data)
        if here is not None and before is not None and here != before:
            return f"its {counted.name} is {here}, debugfs showed {before}: it does not change within a boot"
    return ""


def _is_fixed(reader: Reader, name: bytes) -> bool:
    """Whether the bytes of a subtree do not change within a boot."""
    decoding = _decoding(reader, name)
    return decoding is not None and decoding.bytes_fixed


def _memory_copy(reader: Reader, source: SubtreeSource, where: EntityPath, *, quiet: bool) -> Blob | Missing:
    if isinstance(source.phys, Missing):
        return source.phys
    if source.phys == 0:
        return Damaged(SafeText("its address is 0, which stands for none"))
    if reader.memory is None:
        return Unavailable(reader.no_memory)
    told = known(source.size)
    if told is not None and not 0 < told <= MOST_BLOB_BYTES:
        reader.findings.add(COUNT_BAD, where, f"a size of {told} bytes cannot be right: read by what stands there", source.phys)
        told = None if source.debugfs is None else len(source.debugfs.data)
    size = _size_in_memory(reader, source.phys, told)
    if reader.live and not isinstance(size, Missing):
        most, why = _most_needed(reader, source, source.phys, size)
        if most < size:
            reader.findings.add(SOURCE_NOTE, where, f"only the first {plural(most, 'byte')} of {size} were read: {why}", source.phys)
            size = most
    if isinstance(size, Missing):
        blob: Blob | Missing = size
    else:
        there = reader.available(source.phys, size)
        blob = reader.blob(source.phys, there or size)
        if there and there < size and not quiet:
            reader.findings.add(POINTER_GAP, where, f"{there} of {size} bytes of its blob are {reader.here}", source.phys)
    if isinstance(blob, Missing) and not quiet:
        reader.unreadable(blob, where, "its blob", source.phys)
    return blob


def _most_needed(reader: Reader, source: SubtreeSource, phys: int, size: int) -> tuple[int, str]:
    """Bytes of a blob of ``size`` bytes that are worth reading, and why no more: those that its format declares, where that is known."""
    head = reader.blob(phys, FDT_HEADER.size)
    if size <= reader.platform.page_size or isinstance(head, Missing):
        return min(size, reader.platform.page_size), "how it begins could not be read"
    limit = min(size, LIVE_BLOB_LIMIT), "no more is read of a blob on a running machine"
    if is_fdt(head):
        claimed = _total_size(head)
        return (claimed, "its header says that it has no more") if FDT_HEADER.size <= claimed < limit[0] else limit
    # What goes by a name that nobody declares is not read as a struct.
    declared = None if _decoding(reader, source.name) is None else declared_size(reader.registry, source.name, head.data)
    return limit if declared is None else (declared, "its format has no more")


def _total_size(head: Blob) -> int:
    """What the header of an FDT says of its size."""
    return FDT_HEADER.record(head.data, "big", head.place).integer("totalsize")


def _size_in_memory(reader: Reader, phys: int, size: int | None) -> int | Missing:
    """Bytes of the blob: as the root FDT says, else as the blob's own FDT header says (kho-v1 and v2)."""
    if size is not None:
        return size
    head = reader.blob(phys, FDT_HEADER.size)
    if isinstance(head, Missing):
        return head
    if is_fdt(head):
        claimed = _total_size(head)
        return claimed if FDT_HEADER.size <= claimed <= MOST_BLOB_BYTES else reader.platform.page_size
    struct = struct_head(reader.registry, head.data)
    return min(_UNKNOWN_SHOWN, max(1, reader.available(phys, _UNKNOWN_SHOWN))) if struct is None else struct.size


def _version(reader: Reader, blob: Blob | Missing, fdt: FdtView | None) -> bytes | None:
    if fdt is not None:
        return None if fdt.tree.root is None else compatible_of(fdt.tree.root, reader.registry.compatibles("subtree"))
    head = struct_head(reader.registry, blob.data) if isinstance(blob, Blob) else None
    return None if head is None else head.version


def _content(
    reader: Reader, source: SubtreeSource, blob: Blob | Missing, fdt: FdtView | None, where: EntityPath, trust: Trust, outdated: SafeText
) -> tuple[SubtreeContent | RawContent | Missing, Status, SafeText]:
    if trust.blob is not None:
        if isinstance(blob, Blob) and (struct_head(reader.registry, blob.data) is not None or (fdt is not None and not fdt.tree.anomalies)):
            reader.findings.add(STALE_LOOKS_WHOLE, where, f"its bytes still look whole, but {trust.blob.reason}", blob.place.phys)
        return trust.blob, Status.STALE, trust.blob.reason
    if isinstance(blob, Missing):
        return blob, blob.status, blob.reason
    if fdt is not None:
        report_fdt(reader.findings, fdt, where)
    content = _known_content(reader, source, blob, fdt, where, trust, outdated)
    if isinstance(content, Missing):
        return content, content.status, content.reason
    if isinstance(content, RawContent):
        return content, Status.UNKNOWN, SafeText("no release in the table has a subtree of this name")
    if fdt is not None and fdt.tree.salvaged:
        return content, Status.PARTIAL, SafeText("its FDT is damaged: what could be read is shown")
    return content, Status.DECODED, SafeText("")


def _known_content(
    reader: Reader, source: SubtreeSource, blob: Blob, fdt: FdtView | None, where: EntityPath, trust: Trust, outdated: SafeText
) -> SubtreeContent | RawContent | Missing:
    name = lookup_name(source.name)
    cut = _cut(reader, source, blob, fdt)
    if cut is not None:
        reader.findings.add(SOURCE_PROBLEM, where, f"{visible(blob.place.source)}: {cut.reason}")
        return cut
    decoding = _decoding(reader, name)
    if decoding is None:
        reader.findings.add(NAME_UNKNOWN, where, f"subtree {visible(name)} is not known: its bytes are shown as they are", blob.place.phys)
        return RawContent()
    one = SubtreeBlob(
        blob=blob,
        fdt=fdt,
        path=where,
        size=known(source.size),
        root_version=source.root_version,
        behind=trust.behind,
        outdated=outdated,
    )
    return decoding.decode(reader, one)


def _decoding(reader: Reader, name: bytes) -> Decoding | None:
    """How the blob of a subtree is read; None for a name that nobody declares."""
    return reader.registry.facets(Decoding).get(lookup_name(name))


def _cut(reader: Reader, source: SubtreeSource, blob: Blob, fdt: FdtView | None) -> Missing | None:
    """Why a blob is too short where it is the file of debugfs that ends early: nothing says that the kernel's own is so short."""
    told = known(source.size) if source.in_root else None
    if told == len(blob.data):
        return None
    if fdt is not None:
        cut = fdt.tree.truncated and fdt.tree.root is None
        return Unavailable(SafeText(f"only {len(blob.data)} bytes of its FDT are {reader.here}")) if cut else None
    if blob.place.origin is not Origin.DEBUGFS:
        return None
    decoding = _decoding(reader, source.name)
    needed = 0 if decoding is None else decoding.least(reader.registry, blob.data)
    return Unavailable(SafeText(f"only {len(blob.data)} of its bytes are {reader.here}")) if len(blob.data) < needed else None
