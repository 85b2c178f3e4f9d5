"""Readers that know nothing of the writers beside them: plain Python, on captures of real kernels as well as on states built here."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import libfdt

Read = Callable[[int, int], bytes]
"""Physical address and size to bytes."""


def u64s(data: bytes, byte_order: str = "little") -> tuple[int, ...]:
    return struct.unpack(f"{'<' if byte_order == 'little' else '>'}{len(data) // 8}Q", data)


def radix_blocks(read: Read, root: int, page: int, formula: str = "v3", byte_order: str = "little") -> Iterator[tuple[int, int]]:
    """Decoded as the ABI description says a reader does it."""
    shift = page.bit_length() - 1
    leaf_bits, table_bits, order_0 = shift + 3, shift - 3, 64 - shift
    level = 5 - (shift - 12) // 2
    if formula == "v2" and shift == 14:
        level = 3
    nodes = [(root, 0)]
    for depth in range(level, 0, -1):
        below = [
            (entry, prefix | i << ((depth - 1) * table_bits + leaf_bits))
            for node, prefix in nodes
            for i, entry in enumerate(u64s(read(node, page), byte_order))
        ]
        nodes = [(node, prefix) for node, prefix in below if node]
    for node, prefix in nodes:
        for bit in set_bits(u64s(read(node, page), byte_order)):
            key = prefix | bit
            order = order_0 - (key.bit_length() - 1)
            yield (key << (shift + order)) % (1 << 64), order


def chunk_blocks(read: Read, chunk: int, page: int, bitmap_bytes: int, byte_order: str = "little") -> Iterator[tuple[int, int]]:
    shift = page.bit_length() - 1
    while chunk:
        data = read(chunk, page)
        order, count = struct.unpack_from("<II" if byte_order == "little" else ">II", data, 8)
        (chunk,) = u64s(data[:8], byte_order)
        elements = u64s(data[16 : 16 + 16 * count], byte_order)
        for start, bitmap in zip(elements[::2], elements[1::2], strict=True):
            for bit in set_bits(u64s(read(bitmap, bitmap_bytes), byte_order)):
                yield start + (bit << (order + shift)), order


def set_bits(words: tuple[int, ...]) -> Iterator[int]:
    for i, word in enumerate(words):
        while word:
            yield i * 64 + (word & -word).bit_length() - 1
            word &= word - 1


def tracked(
    read: Read, root: int, compatible: str, page: int, byte_order: str = "little", bitmap_bytes: int | None = None
) -> list[list[int]]:
    if compatible == "kho-v1":
        found = chunk_blocks(read, root, page, bitmap_bytes or page, byte_order)
    else:
        found = radix_blocks(read, root, page, compatible[4:], byte_order)
    return [list(block) for block in sorted(found)]


def luo_says(read: Read, blob: bytes, page: int, byte_order: str = "little") -> dict[str, Any]:
    """The ``luo`` part of an expected.json from the LUO blob on."""
    luo = _Luo(read, page, byte_order)
    return luo.of_fdt(blob) if blob.startswith(b"\xd0\x0d\xfe\xed") else luo.of_struct(blob)


class _Luo:
    def __init__(self, read: Read, page: int, byte_order: str) -> None:
        self.read, self.page = read, page
        self.endian = "<" if byte_order == "little" else ">"

    def fields(self, fmt: str, address: int) -> tuple[Any, ...]:
        fmt = self.endian + fmt
        return struct.unpack(fmt, self.read(address, struct.calcsize(fmt)))

    def of_fdt(self, blob: bytes) -> dict[str, Any]:
        tree = libfdt.Fdt(bytearray(blob))

        def u64(path: str, name: str) -> int:
            return int(struct.unpack(self.endian + "Q", bytes(tree.getprop(tree.path_offset(path), name)))[0])

        compatible = bytes(tree.getprop(0, "compatible")).rstrip(b"\0").decode()
        if compatible == "luo-v2":
            number, sessions, flbs = self.fields("QQQ", u64("/", "luo-abi-header"))
            return self.said(compatible, number, self.array(sessions), flbs)
        header = u64("/luo-session", "luo-session-header")
        flbs = u64("/luo-flb", "luo-flb-header") if tree.path_offset("/luo-flb", [libfdt.NOTFOUND]) > 0 else 0
        said = self.said(compatible, u64("/", "liveupdate-number"), self.array(header), flbs)
        return {**said, "session_header": header}

    def of_struct(self, blob: bytes) -> dict[str, Any]:
        compatible, number, sessions, flbs = struct.unpack(self.endian + "8sQQQ", blob[:32])
        entries = self.array(sessions) if compatible.startswith(b"luo-v3") else list(self.chain(sessions, 80))
        return self.said(_string(compatible), number, entries, flbs)

    def array(self, address: int) -> list[int]:
        (count,) = self.fields("Q", address) if address else (0,)
        return [address + 8 + 80 * i for i in range(count)]

    def chain(self, block: int, entry_size: int) -> Iterator[int]:
        while block:
            at = block
            block, count = self.fields("QQ", at)
            assert 1 <= count <= (self.page - 16) // entry_size
            yield from (at + 16 + entry_size * i for i in range(count))

    def said(self, compatible: str, number: int, entries: list[int], flbs: int) -> dict[str, Any]:
        sessions = []
        for entry in entries:
            name, files_pa, count = self.fields("64sQQ", entry)
            chained = compatible == "luo-v5"
            places = list(self.chain(files_pa, 64)) if chained else [files_pa + 64 * i for i in range(count)]
            assert len(places) == count
            sessions.append({"name": _string(name), "files_pa": files_pa, "count": count, "files": [self.file(place) for place in places]})
        return {"compatible": compatible, "liveupdate_num": number, "sessions": sessions, "flbs": self.flbs(flbs)}

    def file(self, entry: int) -> dict[str, Any]:
        compatible, data, token = self.fields("48sQQ", entry)
        said = {"compatible": _string(compatible), "data": data, "token": token}
        if said["compatible"] == "memfd-v1":
            pos, size, count, *area = self.fields("QQQQIHH", data)
            said["memfd"] = {"pos": pos, "size": size, "folios": self.folios(count, *area)}
        if said["compatible"] == "memfd-v2":
            pos, size, seals, flags, count, *area = self.fields("QQIIQQIHH", data)
            said["memfd"] = {"pos": pos, "size": size, "seals": seals, "flags": flags, "folios": self.folios(count, *area)}
        return said

    def folios(self, count: int, chunk: int, total_pages: int, flags: int, order: int) -> list[list[int]]:
        data = b""
        while chunk:
            chunk, *entries = self.fields(f"{self.page // 8}Q", chunk)
            data += b"".join(self.read(entry, self.page << order) for entry in entries if entry)
        assert len(data) == total_pages * self.page
        assert flags in ((1, 3) if count else (0,))
        words = struct.unpack(f"{self.endian}{2 * count}Q", data[: 16 * count])
        return [[word & (1 << 52) - 1, word >> 52, index] for word, index in zip(words[::2], words[1::2], strict=True)]

    def flbs(self, page: int) -> list[dict[str, Any]]:
        if not page:
            return []
        pages, count = self.fields("QQ", page)
        assert pages == 1
        found = [self.fields("48sQQ", page + 16 + 64 * i) for i in range(count)]
        return [{"name": _string(name), "data": data, "count": users} for name, data, users in found]


def _string(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
