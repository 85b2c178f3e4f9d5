"""Faults of the root FDT and of what it names: KHO001 to 012."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.fdt.header import FDT_SW_MAGIC
from kho_tui.fdt.tree import Node, Property
from kho_tui.simulator.faults.case import Case, DoesNotApply, memory_of, need
from kho_tui.simulator.faults.fault import Fault, fault, has_chunks, has_radix, has_size
from kho_tui.simulator.faults.fdt_edit import (
    header_value,
    node_record,
    property_record,
    record_span,
    spliced,
    with_header,
    with_property,
    with_reservation,
    without_property,
)
from kho_tui.simulator.faults.find import node_of, root_node

_FDT_FIRST = (MEMBLOCK_NAME, KHO_TEST_NAME)
_SMALL = (KEXEC_METADATA_NAME, MEMBLOCK_NAME, KHO_TEST_NAME)
"""Subtrees of which nothing else hangs, the plainest first."""
_ASIDE = 1024
"""Bytes into its page where a blob that may not lie there is put."""


def _header(case: Case, **values: int) -> None:
    at, fdt = memory_of(case.root.view.blob)
    case.write(at, with_header(fdt, **values))


def _hidden(case: Case, **values: int) -> None:
    """A header by which nobody finds the root FDT in memory: what shows it is the copy in debugfs."""
    if case.fdt_file not in case.files:
        raise DoesNotApply("only a copy of the root FDT in debugfs would show it, and this capture has none")
    _header(case, **values)


def _magic(case: Case) -> None:
    _hidden(case, magic=0)


def _half_built(case: Case) -> None:
    _hidden(case, magic=FDT_SW_MAGIC)


def _old_format(case: Case) -> None:
    _header(case, version=1)


def _cut(case: Case) -> None:
    _, fdt = memory_of(case.root.view.blob)
    _hidden(case, totalsize=header_value(fdt, "off_dt_strings"))


def _too_long(case: Case) -> None:
    _hidden(case, totalsize=case.page_size + 8)


def _slack(case: Case) -> None:
    _, fdt = memory_of(case.root.view.blob)
    _header(case, totalsize=header_value(fdt, "totalsize") + 8)


def _reservation(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    case.write(at, with_reservation(fdt, at, case.page_size))


def _property(node: Node, *names: bytes) -> Property:
    for name in names:
        found = node.property(name)
        if found is not None:
            return found
    raise DoesNotApply(f"no property {' or '.join(name.decode() for name in names)} in this root FDT")


def _map(case: Case) -> Property:
    return _property(root_node(case), b"preserved-memory-map")


def _swapped(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    properties = root_node(case).properties
    if len(properties) != 2:
        raise DoesNotApply("the root FDT has other properties than the two that belong there")
    (start, middle), (_, end) = (record_span(one) for one in properties)
    case.write(at, fdt[:start] + fdt[middle:end] + fdt[start:middle] + fdt[end:])


def _two_versions(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    version = _property(root_node(case), b"compatible")
    case.write(at, with_property(fdt, version, version.data + b"kho-v9\0"))


def _version(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    version = _property(root_node(case), b"compatible")
    case.write(at, with_property(fdt, version, version.data[:-2] + b"9\0"))


def _map_is(case: Case, value: int) -> None:
    at, _ = memory_of(case.root.view.blob)
    case.write(at + _map(case).data_offset, case.u64(value))


def _map_zero(case: Case) -> None:
    if need(case.root.map_address) == 0:
        raise DoesNotApply("the root names no tracker as it is")
    _map_is(case, 0)


def _map_unaligned(case: Case) -> None:
    _map_is(case, need(case.root.map_address) + 8)


def _map_short(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    case.write(at, with_property(fdt, _map(case), _map(case).data[:4]))


def _without(case: Case, names: tuple[bytes, ...]) -> None:
    at, fdt = memory_of(case.root.view.blob)
    case.write(at, without_property(fdt, _property(node_of(case, case.subtree(*_SMALL)), *names)))


def _pointers(case: Case) -> tuple[bytes, ...]:
    return tuple(name.encode() for name in case.state.registry.roots.pointers)


def _without_pointer(case: Case) -> None:
    _without(case, _pointers(case))


def _child(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    end = node_of(case, case.subtree(*_SMALL)).end - 4
    case.write(at, spliced(fdt, end, end, node_record(b"child")))


def _third_property(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    version = _property(root_node(case), b"compatible")
    properties = node_of(case, case.subtree(*_SMALL)).properties
    if not properties:
        raise DoesNotApply("the subtree's node has no property as it is")
    end = record_span(properties[-1])[1]
    case.write(at, spliced(fdt, end, end, property_record(version.name_offset, version.data)))


def _twice(case: Case) -> None:
    at, fdt = memory_of(case.root.view.blob)
    node = node_of(case, case.subtree(*_SMALL))
    case.write(at, spliced(fdt, node.end, node.end, fdt[node.offset : node.end]))


def _unaligned_blob(case: Case) -> None:
    at, _ = memory_of(case.root.view.blob)
    subtree = case.subtree(*_SMALL)
    blob_at, data = memory_of(subtree.blob)
    if len(data) > case.page_size - _ASIDE or len(data) > _ASIDE:
        raise DoesNotApply("the blobs of this state are too large to be moved within their page")
    case.write(blob_at + _ASIDE, data)
    case.write(at + _property(node_of(case, subtree), *_pointers(case)).data_offset, case.u64(blob_at + _ASIDE))


def _blob_size(case: Case, size: int, *names: bytes) -> None:
    at, _ = memory_of(case.root.view.blob)
    case.write(at + _property(node_of(case, case.subtree(*names)), b"blob-size").data_offset, case.u64(size))


def _no_blob(case: Case) -> None:
    _blob_size(case, 0, *_SMALL)


def _short_blob(case: Case) -> None:
    subtree = case.subtree(*_FDT_FIRST)
    _blob_size(case, len(memory_of(subtree.blob)[1]) - 8, *_FDT_FIRST)


def _other_version(case: Case) -> None:
    """As an FDT of a later format that older readers still take."""
    _header(case, version=18)


def _blob_refused(case: Case) -> None:
    """A property whose name lies behind the strings."""
    subtree = case.subtree(*_FDT_FIRST)
    at, fdt = memory_of(subtree.blob)
    root = None if subtree.fdt is None else subtree.fdt.tree.root
    if root is None or not root.properties:
        raise DoesNotApply("no FDT of this state has a property")
    case.write(at + root.properties[0].offset + 8, header_value(fdt, "totalsize").to_bytes(4, "big"))


def _blob_magic(case: Case) -> None:
    case.write(memory_of(case.subtree(*_FDT_FIRST).blob)[0], bytes(4))


def _forget_blob(case: Case) -> None:
    case.forget(memory_of(case.subtree(*_SMALL, LUO_NAME).blob)[0])


def _forget_root(case: Case) -> None:
    case.forget(case.root_at, 0)


def _root_in_larger(case: Case) -> None:
    at = case.root_at
    if at % (2 * case.page_size) or case.handover.runs.covers(at + case.page_size):
        raise DoesNotApply("the page behind the root FDT's is not free, or the two are no block")
    case.forget(at, 0)
    case.keep(at, 1)


def _orphan(case: Case) -> None:
    """Without the subtree, what only it names has no owner."""
    handover = case.handover
    name = case.subtree(*_SMALL).name
    case.become(replace(handover, subtrees=tuple(one for one in handover.subtrees if one.name != name)))
    case.files.pop(case.blob_file(name), None)


_NO_ROOT = "47 101 102 103 107 111 144"
ROOT_FAULTS: tuple[Fault, ...] = (
    fault("root-magic", "KHO001", "the root FDT has no magic", _magic, _NO_ROOT),
    fault("root-half-built", "KHO001", "the root FDT is half-built: fdt_finish was never called", _half_built, f"4 5 6 7 8 {_NO_ROOT}"),
    fault("root-format", "KHO001", "the root FDT is of format 1, older than libfdt takes", _old_format, "101 144"),
    fault("root-cut", "KHO001", "the root FDT ends before its strings", _cut, f"3 4 5 6 7 8 {_NO_ROOT}"),
    fault("reservation", "KHO002", "the memory reservation map of the root FDT has an entry", _reservation, "120"),
    fault("root-too-long", "KHO003", "the root FDT claims more than its page", _too_long, "1 101 102 144"),
    fault("root-slack", "KHO003", "the root FDT claims bytes behind its strings", _slack),
    fault("root-order", "KHO004", "the two properties of the root stand in the other order", _swapped),
    fault("root-two-versions", "KHO004", "the root names a second version", _two_versions, "5"),
    fault("root-version", "KHO005", "the root is of a version that no release writes", _version, "107"),
    fault("map-zero", "KHO006", "the root names no tracker", _map_zero, "104 107"),
    fault("map-unaligned", "KHO006", "the tracker's address is not page aligned", _map_unaligned, "104"),
    fault("map-short", "KHO006", "preserved-memory-map has 4 bytes", _map_short, "111"),
    fault("pointer-missing", "KHO007", "a subtree has no pointer to its blob", _without_pointer, "47 111"),
    fault("blob-size-missing", "KHO007", "a subtree has no blob-size", partial(_without, names=(b"blob-size",)), "109 111", has_size),
    fault("subtree-child", "KHO007", "a subtree's node has a child", _child),
    fault("subtree-property", "KHO007", "a subtree's node has a property that does not belong there", _third_property),
    fault("subtree-twice", "KHO008", "two subtrees have one name", _twice, "48"),
    fault("blob-unaligned", "KHO009", "a blob does not start at a page", _unaligned_blob, needs=has_radix),
    fault("blob-size-zero", "KHO009", "blob-size is 0", _no_blob, "36 37 47 104 106", has_size),
    fault("blob-magic", "KHO010", "a blob that has to be an FDT is none", _blob_magic, "37 47 49 101 107 109 144", has_chunks),
    fault("blob-short", "KHO010", "blob-size is less than the FDT needs", _short_blob, "37 47 101 102 106 107 109 144", has_size),
    fault("blob-not-preserved", "KHO011", "a blob's page is not preserved", _forget_blob),
    fault("root-not-preserved", "KHO012", "the root FDT's page is not preserved", _forget_root, "116"),
    fault("root-in-larger-block", "KHO012", "the root FDT's page is kept by a block of order 1", _root_in_larger, "23 47 48"),
    fault("fdt-version", "KHO142", "the root FDT is of version 18", _other_version, "120"),
    fault("blob-refused", "KHO144", "an FDT has a property without a name: libfdt refuses it", _blob_refused, "37 47 101 107 109"),
    fault(
        "subtree-forgotten",
        "KHO047",
        "a subtree is gone from the root FDT, its memory is still preserved (unknown beside FLBs)",
        _orphan,
        "109",
    ),
)
