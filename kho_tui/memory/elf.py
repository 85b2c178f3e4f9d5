"""ELF cores: own captures, QEMU's dump-guest-memory, kdump's vmcore. Physical addresses come from p_paddr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from kho_tui.errors import InputError
from kho_tui.layout.arrays import U64s
from kho_tui.layout.platform import ByteOrder
from kho_tui.layout.table import Rows
from kho_tui.memory.elf_format import MACHINES, OTHER_MACHINE, PN_XNUM, PT_LOAD, PT_NOTE, program_header_dtype
from kho_tui.memory.extents import arrange
from kho_tui.memory.physical import ADDRESS_END
from kho_tui.memory.segmented import SegmentedMemory
from kho_tui.memory.source import ByteSource
from kho_tui.memory.virtual import VirtualMap, virtual_map
from kho_tui.memory.vmcoreinfo import NOTES_LIMIT, NOTHING, vmcoreinfo_lines, vmcoreinfo_note
from kho_tui.text import SafeText, visible

_MAGIC = b"\x7fELF"
_HEADER_SIZE = 64
_CLASSES: Mapping[bytes, int] = MappingProxyType({b"\1": 32, b"\2": 64})
_BYTE_ORDERS: Mapping[bytes, ByteOrder] = MappingProxyType({b"\1": "little", b"\2": "big"})
_SEGMENT_LIMIT = 1 << 20
"""Program headers accepted. The bitmaps of a 12 TiB host are 10^5 pages, scattered at worst."""
_WORTH_SAYING = 4096
"""Bytes that no segment and no section header names: fewer are padding."""

_PADDED = "take it with LiME in format=padded (format=raw leaves the gaps out, and with them where anything lay), or dump it as ELF"
_UNSUPPORTED = (
    (
        (b"DISKDUMP",),
        "a dump of diskdump, which no kernel with KHO has: take it by kdump and makedumpfile, or as ELF (cp /proc/vmcore)",
    ),
    ((b"QFI\xfb",), "a qcow2 disk image is not read: dump the guest with virsh dump --memory-only, or QEMU's dump-guest-memory"),
    ((b"QEVM", b"LibvirtQemudSave"), "a saved guest is not read: dump it with virsh dump --memory-only, or QEMU's dump-guest-memory"),
    ((b"EMiL",), f"a LiME dump is not read: {_PADDED}"),
    ((b"AVML",), f"an AVML dump (LiME with compressed blocks) is not read: {_PADDED}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    bits: int
    byte_order: ByteOrder
    machine: str
    table_offset: int
    segments: int
    sections_end: int


def is_elf(head: bytes) -> bool:
    """Whether a file that begins with ``head`` claims to be ELF."""
    return head.startswith(_MAGIC)


def describe_unsupported(head: bytes) -> str | None:
    """One line of advice for a file of memory that is known but not read, by its first 16 bytes or more; else None."""
    return next((advice for magics, advice in _UNSUPPORTED if head.startswith(magics)), None)


def open_elf(source: ByteSource, *, running: bool = False) -> SegmentedMemory:
    """The memory in an ELF core, 32 or 64 bit, of either byte order.

    A segment holds p_filesz bytes from p_paddr on; the rest up to p_memsz, and what lies behind the end of the file, is a
    gap. Where segments overlap, the one first in the table counts. Segments without a physical address (p_paddr all ones:
    kcore's vmalloc) are left out, which of a ``running`` kernel's own core is no news. Where no segment names one, they lie
    to each other as their virtual addresses do.
    Raises InputError where the file is no usable core, ReadError where reading fails.
    """
    shown = visible(source.name)
    header = _read_header(source, shown)
    table = _program_headers(source, header, shown)
    loads = table[table["p_type"] == PT_LOAD]
    if not len(loads):
        raise InputError(f"{shown}: an ELF core without any memory (no PT_LOAD segment)")

    no_address = int(np.iinfo(loads["p_paddr"].dtype).max)
    placed = loads[loads["p_paddr"] != no_address]
    names_none = not placed["p_paddr"].any()
    address = "p_vaddr" if names_none and len(placed) > 1 else "p_paddr"
    starts, offsets, promised = (placed[name].astype(np.uint64) for name in (address, "p_offset", "p_filesz"))
    sizes = _clip(promised, offsets, source.size)
    cut = np.flatnonzero(sizes < promised)
    sizes = np.where(starts > 0, np.minimum(sizes, np.uint64(0) - starts), sizes)
    notes: list[str] = []
    # Room for one header whose size is damaged; a table of aliases must not make a small file a large memory.
    aliases = np.cumsum(sizes, dtype=np.float64) > 2 * source.size
    if aliases.any():
        notes.append(f"{shown}: its segments hold far more bytes than the file: the last {int(aliases.sum())} are left out")
        sizes = np.where(aliases, np.uint64(0), sizes)
    extents, overlap = arrange(starts, sizes, offsets)
    ends = ""
    if len(cut):
        ends = (
            f"{shown} ends too early: {len(cut)} of {len(placed)} segments are cut or missing, "
            f"the first of them listed at {int(starts[cut[0]]):#x}"
        )
        notes.append(ends)
    if names_none and len(placed) > 1:
        how = "only its virtual ones say how its segments lie to each other" if starts.any() else "only its first segment can be reached"
        notes.append(f"{shown} names no physical addresses (every p_paddr is 0): {how}")
        if not starts.any():
            ends = ends or notes[-1]
    elif overlap and (overlaps := _overlaps(placed, starts, sizes, offsets)):
        notes.append(f"{shown}: {overlaps} segments overlap others; where they do, the one first in the table is read")
    if len(placed) < len(loads) and not running:
        notes.append(f"{shown}: {len(loads) - len(placed)} segments without a physical address are left out")
    unnamed = source.size - max(header.sections_end, _end_of_segments(table, source.size))
    if unnamed >= _WORTH_SAYING:
        notes.append(f"{shown}: {unnamed} bytes behind its last segment are not read")
    vmcoreinfo = _vmcoreinfo(source, table[table["p_type"] == PT_NOTE], header.byte_order)
    return SegmentedMemory(
        source=source,
        segments=extents,
        byte_order=header.byte_order,
        machine=header.machine,
        notes=tuple(notes),
        vmcoreinfo=vmcoreinfo,
        # One segment at 0 may well lie there; where it has a virtual address, or is one of many, nobody said so.
        placed_by="nothing" if names_none and (len(placed) > 1 or placed["p_vaddr"].any()) else "file",
        cut=ends,
    )


def open_virtual(source: ByteSource) -> VirtualMap:
    """The virtual addresses of the same core. Raises as ``open_elf`` does."""
    shown = visible(source.name)
    table = _program_headers(source, _read_header(source, shown), shown)
    loads = table[table["p_type"] == PT_LOAD]
    virtual, physical, offsets, sizes = (loads[name].astype(np.uint64) for name in ("p_vaddr", "p_paddr", "p_offset", "p_filesz"))
    no_address = int(np.iinfo(loads["p_paddr"].dtype).max)
    return virtual_map(source, virtual, physical, offsets, _clip(sizes, offsets, source.size), no_address=no_address)


def _read_header(source: ByteSource, shown: SafeText) -> _Header:
    head = source.read_at(0, _HEADER_SIZE)
    if not is_elf(head):
        raise InputError(f"{shown}: not an ELF file")
    # Here, for most of what is opened is no core; and not ELFFile, which brings all of DWARF.
    from elftools.elf.enums import ENUM_E_MACHINE
    from elftools.elf.structs import ELFStructs

    bits, byte_order = _CLASSES.get(head[4:5]), _BYTE_ORDERS.get(head[5:6])
    if bits is None or byte_order is None:
        raise InputError(f"{shown}: damaged ELF header (no such class or byte order)")
    structs: Any
    try:
        structs = ELFStructs(little_endian=byte_order == "little", elfclass=bits)
        structs.create_basic_structs()
        elf = structs.Elf_Ehdr.parse(head)
        kind, machine, entry_size = elf["e_type"], elf["e_machine"], int(elf["e_phentsize"])
        table_offset, segments, sections = int(elf["e_phoff"]), int(elf["e_phnum"]), int(elf["e_shoff"])
        sections_end = sections + int(elf["e_shnum"]) * int(elf["e_shentsize"])
        structs.create_advanced_structs()
        expected_size = int(structs.Elf_Phdr.sizeof())
        section_size = int(structs.Elf_Shdr.sizeof())
    except Exception as error:  # the package lets errors of struct, construct and its own out
        raise InputError(f"{shown}: damaged ELF header ({visible(str(error) or type(error).__name__)})") from None
    if kind != "ET_CORE":
        raise InputError(f"{shown}: an ELF file, but not a core dump (type {visible(str(kind))})")
    if segments == PN_XNUM and sections:
        raw = source.read_at(sections, section_size)
        if len(raw) < section_size:
            raise InputError(f"{shown}: section header 0, which has the number of segments, lies behind the end of the file")
        segments = int(structs.Elf_Shdr.parse(raw)["sh_info"])
    if segments and entry_size != expected_size:
        raise InputError(f"{shown}: program headers of {entry_size} bytes where ELF has {expected_size}")
    number = machine if isinstance(machine, int) else int(ENUM_E_MACHINE[machine])
    name = MACHINES.get(number, f"{OTHER_MACHINE}{number}")
    return _Header(bits=bits, byte_order=byte_order, machine=name, table_offset=table_offset, segments=segments, sections_end=sections_end)


def _program_headers(source: ByteSource, header: _Header, shown: SafeText) -> Rows:
    dtype = program_header_dtype(header.bits, header.byte_order)
    size = header.segments * dtype.itemsize
    if header.segments > _SEGMENT_LIMIT:
        raise InputError(f"{shown}: {header.segments} segments; at most {_SEGMENT_LIMIT} are read")
    data = source.read_at(header.table_offset, size)
    if len(data) < size:
        raise InputError(f"{shown}: the file ends inside its program header table or before it")
    rows: Rows = np.frombuffer(data, dtype=dtype)
    return rows


def _end_of_segments(table: Rows, file_size: int) -> int:
    """Where the last segment ends in the file."""
    offsets, sizes = (table[name].astype(np.uint64) for name in ("p_offset", "p_filesz"))
    return int((np.minimum(offsets, np.uint64(file_size)) + _clip(sizes, offsets, file_size)).max(initial=0))


def _clip(sizes: U64s, offsets: U64s, file_size: int) -> U64s:
    """``sizes`` less what would lie behind the end of the file."""
    end = np.uint64(min(file_size, ADDRESS_END - 1))
    return np.minimum(sizes, end - np.minimum(offsets, end))


def _vmcoreinfo(source: ByteSource, segments: Rows, byte_order: ByteOrder) -> Mapping[str, str]:
    """The lines KEY=VALUE of the first VMCOREINFO note; empty where there is none."""
    left = NOTES_LIMIT
    for segment in segments[:64]:
        data = source.read_at(int(segment["p_offset"]), min(int(segment["p_filesz"]), left))
        left -= len(data)
        text = vmcoreinfo_note(data, byte_order)
        if text is not None:
            return vmcoreinfo_lines(text)
    return NOTHING


def _overlaps(placed: Rows, starts: U64s, sizes: U64s, offsets: U64s) -> int:
    """How many segments overlap others in memory and may differ from them there.

    Left out are those that say the same twice: the kernel's text of kcore and of kdump's vmcore, whose bytes are RAM that another segment
    holds too; and segments that lie on the same bytes of the file, as those of a dump by page tables do (QEMU's paging=true). Text is
    known by its virtual address: RAM segments all lie in the direct map, so the difference to the physical address is one and the same.
    """
    virtual = placed["p_vaddr"].astype(np.uint64)
    shifts = virtual - starts
    known, inverse = np.unique(shifts, return_inverse=True)
    bytes_of = np.bincount(inverse, np.where(virtual > 0, sizes, np.uint64(0)), len(known))
    direct = inverse == int(bytes_of.argmax())
    ram, _ = arrange(starts[direct], sizes[direct], offsets[direct])
    alias = np.zeros(len(starts), np.bool_)
    if len(ram) and virtual[direct].any():
        rows = np.maximum(np.searchsorted(ram.starts, starts, side="right"), 1) - 1
        inside = (starts >= ram.starts[rows]) & (starts <= ram.reach[rows]) & (ram.reach[rows] - starts >= sizes - np.uint64(1))
        alias = ~direct & (virtual > 0) & inside & (sizes > 0)
    kept = np.flatnonzero(~alias & (sizes > 0))
    return arrange(*_united(starts[kept], sizes[kept], offsets[kept]))[1]


def _united(starts: U64s, sizes: U64s, offsets: U64s) -> tuple[U64s, U64s, U64s]:
    """Segments that overlap each other and lie on the same bytes of the file, as one."""
    shifts = offsets - starts
    order = np.lexsort((starts, shifts))
    lasts = starts + (sizes - np.uint64(1))
    rows: list[list[int]] = []
    for shift, start, last in zip(*(column[order].tolist() for column in (shifts, starts, lasts)), strict=True):
        if rows and rows[-1][0] == shift and start <= rows[-1][2]:
            rows[-1][2] = max(rows[-1][2], last)
        else:
            rows.append([shift, start, last])
    merged = np.array(rows, np.uint64).reshape(-1, 3).T
    return merged[1], merged[2] - merged[1] + np.uint64(1), merged[0] + merged[1]
