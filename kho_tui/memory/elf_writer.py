"""Physical memory to an ELF core that this program, QEMU's and kdump's tools can read."""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO

import numpy as np

from kho_tui.context import Context
from kho_tui.errors import EncodeError
from kho_tui.layout.platform import ByteOrder
from kho_tui.memory.elf_format import MACHINES, OTHER_MACHINE, PN_XNUM, PT_LOAD, program_header_dtype
from kho_tui.memory.physical import Extent, PhysicalMemory

_CHUNK = 4 << 20
_DATA_ALIGNMENT = 4096
_READ_WRITE_EXECUTE = 7
_ET_CORE = 4
_ELF_HEADER = "16sHHIQQQIHHHHHH"
_SECTION_HEADER = "IIQQQQIIQQ"


def write_elf_core(
    stream: BinaryIO, memory: PhysicalMemory, machine: str = "x86_64", byte_order: ByteOrder = "little", context: Context | None = None
) -> None:
    """Write all of ``memory`` front to back as a 64-bit ET_CORE, one PT_LOAD (p_paddr, p_vaddr 0) a range without gaps.

    The stream can seek, and holds nothing behind where it is. Holes of the memory's file, and long zeros, become holes of the core.
    Raises EncodeError for an unknown ``machine``, Cancelled, and what reading the memory and writing the stream raise.
    """
    context, origin = context or Context(), stream.tell()
    ranges = _ranges(memory.extents())
    sign = "<" if byte_order == "little" else ">"
    dtype = program_header_dtype(64, byte_order)
    extended = len(ranges) >= PN_XNUM
    header_size, section_size = struct.calcsize(sign + _ELF_HEADER), struct.calcsize(sign + _SECTION_HEADER)
    sections_at = header_size + len(ranges) * dtype.itemsize
    headers_end = _headers_end(len(ranges))
    data_at = _data_at(len(ranges))

    ident = b"\x7fELF" + bytes((2, 1 if byte_order == "little" else 2, 1))
    stream.write(
        struct.pack(
            sign + _ELF_HEADER,
            ident,
            _ET_CORE,
            _machine_number(machine),
            1,  # version
            0,  # entry
            header_size,
            sections_at if extended else 0,
            0,  # flags
            header_size,
            dtype.itemsize,
            PN_XNUM if extended else len(ranges),
            section_size if extended else 0,
            1 if extended else 0,
            0,  # no section names
        )
    )
    stream.write(_program_headers(ranges, dtype, data_at))
    if extended:
        stream.write(struct.pack(sign + _SECTION_HEADER, 0, 0, 0, 0, 0, 1, 0, len(ranges), 0, 0))
    stream.write(bytes(data_at - headers_end))
    total = sum(size for _, size in ranges)
    starts = [start for start, _ in ranges]
    offsets = [0, *accumulate(size for _, size in ranges)]
    for extent in memory.stored():
        row = bisect_right(starts, extent.start) - 1
        at = offsets[row] + extent.start - starts[row]
        for done in range(0, extent.size, _CHUNK):
            context.step("writing memory", at + done, total, "bytes")
            data = memory.read(extent.start + done, min(_CHUNK, extent.size - done))
            if data.count(0) < len(data):
                stream.seek(origin + data_at + at + done)
                stream.write(data)
    # What was left out at the end is a hole, too.
    if stream.seek(0, os.SEEK_END) < origin + data_at + total:
        stream.seek(origin + data_at + total - 1)
        stream.write(b"\0")


def core_size(memory: PhysicalMemory) -> int:
    """Bytes of the file that ``write_elf_core`` makes."""
    return _data_at(len(_ranges(memory.extents()))) + memory.total_bytes


def _data_at(ranges: int) -> int:
    """Where the bytes of memory begin, behind the headers of so many ranges."""
    return -(-_headers_end(ranges) // _DATA_ALIGNMENT) * _DATA_ALIGNMENT


def _headers_end(ranges: int) -> int:
    headers = struct.calcsize("<" + _ELF_HEADER) + ranges * program_header_dtype(64, "little").itemsize
    return headers + (struct.calcsize("<" + _SECTION_HEADER) if ranges >= PN_XNUM else 0)


def _ranges(extents: Sequence[Extent]) -> list[tuple[int, int]]:
    """(address, bytes) of the stretches without gaps, wherever they lie in their file."""
    ranges: list[tuple[int, int]] = []
    for extent in extents:
        if ranges and sum(ranges[-1]) == extent.start:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + extent.size)
        else:
            ranges.append((extent.start, extent.size))
    return ranges


def _program_headers(ranges: list[tuple[int, int]], dtype: np.dtype[np.void], data_at: int) -> bytes:
    table = np.zeros(len(ranges), dtype=dtype)
    starts, sizes = np.array(ranges, dtype=np.uint64).reshape(-1, 2).T
    table["p_type"], table["p_flags"], table["p_paddr"] = PT_LOAD, _READ_WRITE_EXECUTE, starts
    table["p_filesz"] = table["p_memsz"] = sizes
    table["p_offset"] = np.cumsum(sizes, dtype=np.uint64) - sizes + np.uint64(data_at)
    return table.tobytes()


def _machine_number(machine: str) -> int:
    known = {name: number for number, name in MACHINES.items()}
    digits = machine.removeprefix(OTHER_MACHINE)
    if machine not in known and (digits == machine or not digits.isdecimal() or int(digits) > 0xFFFF):
        raise EncodeError(f"no ELF machine number is known for {machine!r}")
    return known[machine] if machine in known else int(digits)
