"""What several faults look for in a decoded state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kho_tui.encode.facet import Encoder
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob, Origin
from kho_tui.layout.struct import FieldValue
from kho_tui.model.plain import Plain
from kho_tui.model.state import Subtree
from kho_tui.simulator.faults.case import Case, DoesNotApply, memory_of, need


def with_content(case: Case, name: bytes, content: Plain) -> None:
    """The subtree with other content; the root FDT and debugfs tell of its new size. Raises DoesNotApply, EncodeError."""
    handover = case.handover
    one = handover.by_name()[name]
    size = len(subtree_blob(content, Encoder(handover.platform, case.state.registry)))
    file = case.blob_file(name)
    shown = file in case.files and case.files[file] == case.read(one.phys, len(case.files[file]))
    subtrees = tuple(replace(old, content=content, size=size) if old is one else old for old in handover.subtrees)
    case.become(replace(handover, subtrees=subtrees))
    if shown:
        case.files[file] = case.read(one.phys, size)


def write_value(case: Case, values: tuple[FieldValue, ...], name: str, data: bytes) -> None:
    """A property's data in memory. Raises DoesNotApply."""
    found = next((value for value in values if value.field.name == name and len(value.raw) == len(data)), None)
    if found is None or found.place.phys is None:
        raise DoesNotApply(f"no property {name} in the memory of this capture")
    case.write(found.place.phys, data)


def scratch_pages(case: Case, order: int = 0) -> Iterator[int]:
    """Where each scratch area begins with a block of this order. Raises DoesNotApply behind the last."""
    size = case.page_size << order
    for area in case.scratch.areas:
        at = -(-area.start // size) * size
        if at + size <= area.start + area.size:
            yield at
    raise DoesNotApply("this state has no scratch area that is large enough")


def outgoing_blob(case: Case, name: bytes) -> Subtree:
    """What the kernel that took the state has prepared in its turn."""
    side = case.state.sides.get("out")
    found = None if side is None else next((one for one in side.subtrees if one.name == name and isinstance(one.blob, Blob)), None)
    if found is None:
        raise DoesNotApply(f"this state has no out/{name.decode()}")
    return found


def add_one(case: Case, subtree: Subtree, offset: int, size: int) -> None:
    """One to an integer of a blob, wherever the capture shows it."""
    blob, order = need(subtree.blob), case.state.machine.platform.byte_order
    before = blob.data[offset : offset + size]
    after = (int.from_bytes(before, order) + 1).to_bytes(size, order)
    if blob.place.origin is Origin.MEMORY:
        case.write(memory_of(blob)[0] + offset, after)
    file = case.blob_file(subtree.name, "out")
    shown = case.files.get(file, b"")
    if shown[offset : offset + size] == before:
        case.files[file] = shown[:offset] + after + shown[offset + size :]


def root_node(case: Case) -> Node:
    """The root of the root FDT. Raises DoesNotApply where it has none."""
    node = case.root.view.tree.root
    if node is None:
        raise DoesNotApply("the root FDT has no root node")
    return node


def node_of(case: Case, subtree: Subtree) -> Node:
    """The node of a subtree in the root FDT."""
    found = root_node(case).child(subtree.name)
    assert found is not None
    return found
