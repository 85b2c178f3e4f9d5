"""kexec-metadata: one struct."""

from __future__ import annotations

import re

from kho_tui.abi.metadata import KHO_KEXEC_METADATA, METADATA_VERSION
from kho_tui.decode.facet import Counted, Decoding, no_struct
from kho_tui.decode.reader import Reader
from kho_tui.layout.place import Blob
from kho_tui.model.codes import COUNT_BAD, VERSION_UNKNOWN
from kho_tui.model.content import KEXEC_COUNT
from kho_tui.model.facts import Damaged, Missing, Unknown
from kho_tui.model.path import EntityPath
from kho_tui.subsystems.kexec_metadata.content import KexecMetadata
from kho_tui.text import SafeText


def decode_metadata(reader: Reader, blob: Blob, where: EntityPath) -> KexecMetadata | Missing:
    """Who wrote the handover."""
    if len(blob.data) < KHO_KEXEC_METADATA.size:
        missing = Damaged(SafeText(f"{len(blob.data)} bytes where {KHO_KEXEC_METADATA.size} are needed"))
        reader.findings.add(COUNT_BAD, where, str(missing.reason), blob.place.phys)
        return missing
    record = KHO_KEXEC_METADATA.record(blob.data, reader.platform.byte_order, blob.place)
    if record.integer("version") != METADATA_VERSION:
        said = SafeText(f"kexec-metadata version {record.integer('version')} is not known: shown as it is")
        reader.findings.add(VERSION_UNKNOWN, where, str(said), blob.place.phys)
        return Unknown(said)
    return KexecMetadata(record)


_RELEASE_NAME = re.compile(rb"[0-9]{1,3}\.[0-9]{1,3}[!-~]*\0")
_METADATA_WORDS = (METADATA_VERSION.to_bytes(4, "little"), METADATA_VERSION.to_bytes(4, "big"))


def _begins_as_metadata(data: bytes, _compatible: bytes | None) -> bool:
    return data[:4] in _METADATA_WORDS and _RELEASE_NAME.match(data[4 : KHO_KEXEC_METADATA.span("kexec_count")[0]]) is not None


def _kexec_count(reader: Reader, data: bytes) -> int | None:
    if len(data) < KHO_KEXEC_METADATA.size or int.from_bytes(data[:4], reader.platform.byte_order) != METADATA_VERSION:
        return None
    offset, size = KHO_KEXEC_METADATA.span("kexec_count")
    return int.from_bytes(data[offset : offset + size], reader.platform.byte_order)


DECODING = Decoding(
    decode=lambda reader, one: decode_metadata(reader, one.blob, one.path),
    recognises=_begins_as_metadata,
    first_words=_METADATA_WORDS,
    struct_head=no_struct,
    least=lambda _registry, _data: KHO_KEXEC_METADATA.size,
    stays=lambda _registry, _root: True,
    bytes_fixed=True,
    counted=Counted(KEXEC_COUNT, _kexec_count),
    owns_memory=False,
    is_fdt=False,
)
