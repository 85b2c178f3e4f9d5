"""The two trackers: what preserved-memory-map points to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from .image import Image
from .preserved import Block

DepthFormula = Literal["v2", "v3"]


def chunks(image: Image, blocks: Iterable[Block], bitmap_bytes: int, removed: Iterable[Block] = ()) -> int:
    """Write the chunk list of kho-v1 and return the address of the first chunk (0: nothing was ever preserved).

    ``bitmap_bytes`` is 512 (6.16, 6.17: slab objects, several in a page) or the page size. ``removed`` blocks were
    preserved once: their bitmaps exist with the bit clear.
    """
    shift = image.page_size.bit_length() - 1
    bits = bitmap_bytes * 8
    set_bits: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for phys, order in removed:
        index = (phys >> shift >> order) // bits
        set_bits[order][index].extend(())
    for phys, order in blocks:
        index, bit = divmod(phys >> shift >> order, bits)
        set_bits[order][index].append(bit)

    capacity = (image.page_size - 16) // 16
    slab: list[int] = []
    lists: list[tuple[int, list[tuple[int, int]]]] = []
    for order, elements in sorted(set_bits.items()):
        written: list[tuple[int, int]] = []
        for index, wanted in sorted(elements.items()):
            if not slab:
                page = image.alloc()
                slab = list(range(page, page + image.page_size, bitmap_bytes))
            bitmap = slab.pop(0)
            image.set_bits(bitmap, wanted)
            written.append((index * bits << (order + shift), bitmap))
        lists += [(order, written[i : i + capacity]) for i in range(0, len(written), capacity)]

    addresses = [image.alloc() for _ in lists]
    for i, (order, part) in enumerate(lists):
        following = addresses[i + 1] if i + 1 < len(addresses) else 0
        image.write(addresses[i], image.pack("QII", following, order, len(part)))
        for slot, element in enumerate(part):
            image.write(addresses[i] + 16 + 16 * slot, image.pack("QQ", *element))
    return addresses[0] if addresses else 0


def radix_depth(page_size: int, formula: DepthFormula = "v3") -> int:
    """Levels of the tree, leaf included."""
    shift = page_size.bit_length() - 1
    order_0_bit, table_bits, leaf_bits = 64 - shift, shift - 3, shift + 3
    wide = order_0_bit - leaf_bits + (1 if formula == "v3" else 0)
    return -(-wide // table_bits) + 1


def radix_key(page_size: int, phys: int, order: int) -> int:
    shift = page_size.bit_length() - 1
    return 1 << (64 - shift - order) | phys >> (shift + order)


def radix_path(page_size: int, key: int, formula: DepthFormula = "v3") -> tuple[list[int], int]:
    """The indexes from the root down to level 1, and the bit in the leaf."""
    shift = page_size.bit_length() - 1
    table_bits, leaf_bits = shift - 3, shift + 3
    levels = range(radix_depth(page_size, formula) - 1, 0, -1)
    return [key >> ((level - 1) * table_bits + leaf_bits) & ((1 << table_bits) - 1) for level in levels], key & ((1 << leaf_bits) - 1)


def radix(image: Image, blocks: Iterable[Block], depth_formula: DepthFormula = "v3", removed: Iterable[Block] = ()) -> int:
    """Write the radix tree of kho-v2 and later and return the address of its root.

    The formula of v2 drops the order-0 marker on 16 KiB pages, as the kernel of that time did. ``removed`` blocks leave
    their nodes behind, empty.
    """
    root = image.alloc()
    nodes: dict[tuple[int, ...], int] = {(): root}
    leaves: dict[int, list[int]] = defaultdict(list)

    def leaf_and_bit(block: Block) -> tuple[int, int]:
        indexes, bit = radix_path(image.page_size, radix_key(image.page_size, *block), depth_formula)
        return _grow(image, nodes, tuple(indexes)), bit

    for block in sorted(blocks):
        leaf, bit = leaf_and_bit(block)
        leaves[leaf].append(bit)
    for block in removed:
        leaf_and_bit(block)
    for leaf, bits in leaves.items():
        image.set_bits(leaf, bits)
    return root


def _grow(image: Image, nodes: dict[tuple[int, ...], int], path: tuple[int, ...]) -> int:
    if path in nodes:
        return nodes[path]
    for depth in range(1, len(path) + 1):
        if path[:depth] not in nodes:
            nodes[path[:depth]] = image.alloc()
            image.u64(nodes[path[: depth - 1]] + 8 * path[depth - 1], nodes[path[:depth]])
    return nodes[path]
