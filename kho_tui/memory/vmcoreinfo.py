"""The VMCOREINFO of a dump: lines KEY=VALUE that the kernel writes for whoever reads its memory later."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType

from kho_tui.layout.platform import ByteOrder

NOTES_LIMIT = 8 << 20
"""Bytes of notes looked through for VMCOREINFO: a host of 4096 CPUs has about 2 MiB of registers in front of it."""

NOTHING: Mapping[str, str] = MappingProxyType({})


def vmcoreinfo_lines(text: bytes) -> Mapping[str, str]:
    """The lines KEY=VALUE, untrusted; other lines are left out."""
    pairs = (line.partition("=") for line in text.decode("utf-8", "surrogateescape").splitlines())
    return MappingProxyType({key: value for key, equals, value in pairs if equals})


def vmcoreinfo_note(notes: bytes, byte_order: ByteOrder) -> bytes | None:
    """The content of the first ELF note named VMCOREINFO; names and contents are padded to 4 bytes."""
    note_header = struct.Struct("<3I" if byte_order == "little" else ">3I")
    position = 0
    while position + note_header.size <= len(notes):
        name_size, content_size, _ = note_header.unpack_from(notes, position)
        name_at = position + note_header.size
        content_at = name_at + (name_size + 3 & ~3)
        if notes[name_at : name_at + name_size] == b"VMCOREINFO\0":
            return notes[content_at : content_at + content_size]
        position = content_at + (content_size + 3 & ~3)
    return None
