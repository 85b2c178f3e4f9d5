"""The root FDT, by the calls of the release that makes it (kernel/liveupdate/kexec_handover.c; 6.16 to 6.18 kernel/kexec_handover.c)."""

from __future__ import annotations

from kho_tui.abi.root import TRACKER_PROPERTY, RootFormat
from kho_tui.encode.fdts import NodeSpec, fdt_of, properties, sequential
from kho_tui.encode.piece import Values, filled
from kho_tui.errors import EncodeError
from kho_tui.fdt.libfdt import FdtBuffer
from kho_tui.model.handover import Handover, Registered, RootStyle
from kho_tui.text import visible


def root_page(handover: Handover) -> bytes:
    """The whole page of the root FDT, with what libfdt leaves behind its end.

    Where subtrees were removed while others stay, a kernel's page holds other remains there than this one.
    """
    form = handover.form
    size = handover.platform.page_size
    if handover.style is RootStyle.FINALIZED:
        children = tuple(NodeSpec(one.name, form.subtree, _pointers(form, one)) for one in handover.subtrees)
        return sequential(size, _root(handover, children), handover.platform).data
    fdt = sequential(size, _root(handover), handover.platform)
    for one in handover.subtrees:
        _add(fdt, form, one, handover)
        fdt.pack()
    if handover.style is RootStyle.EMPTIED:
        if handover.subtrees:
            raise EncodeError("a root whose subtrees were all removed has none")
        node = _add(fdt, form, Registered(b"removed", 0, 0, None), handover)
        fdt.pack()
        fdt.open()
        fdt.delete(node)
        fdt.pack()
    return fdt.data


def root_file(handover: Handover) -> bytes:
    """The root FDT to its end, as debugfs would show it if it did not cut it."""
    return fdt_of(root_page(handover))


def _root(handover: Handover, children: tuple[NodeSpec, ...] = ()) -> NodeSpec:
    own: Values = {"compatible": handover.form.compatible, TRACKER_PROPERTY: handover.map_address}
    return NodeSpec(b"", handover.form.node, filled(handover.form.node.properties, own, handover.more), children)


def _pointers(form: RootFormat, one: Registered) -> Values:
    if form.size is None:
        return {form.pointer: one.phys}
    if one.size is None:
        raise EncodeError(f"the size of subtree {visible(one.name)} is not known, and this version records it")
    return {form.pointer: one.phys, form.size: one.size}


def _add(fdt: FdtBuffer, form: RootFormat, one: Registered, handover: Handover) -> int:
    """``kho_add_subtree`` of 6.19 and later, but for the last call."""
    fdt.open()
    node = fdt.add_subnode(one.name)
    for name, data in properties(form.subtree, _pointers(form, one), handover.platform):
        fdt.set_property(node, name, data)
    return node
