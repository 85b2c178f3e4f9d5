"""Blobs to FDT views: our tokenizer's tree beside libfdt's verdict, anomalies as findings."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.abi.root import RootFormats
from kho_tui.decode.reader import Findings
from kho_tui.fdt.libfdt import verdict
from kho_tui.fdt.tree import NO_NAMES, AnomalyCode, FdtTree, looks_like_fdt, parse_fdt
from kho_tui.layout.place import Blob
from kho_tui.model.codes import FDT_CUT, FDT_DAMAGED
from kho_tui.model.path import EntityPath
from kho_tui.model.state import FdtView
from kho_tui.text import name_start, visible

_SHOWN_ANOMALIES = 10


def is_fdt(blob: Blob) -> bool:
    """Whether the bytes begin like a finished or half-built FDT."""
    return looks_like_fdt(blob.data)


def view_fdt(blob: Blob, names: Mapping[int, bytes] = NO_NAMES) -> FdtView:
    """The FDT at the start of a blob. ``names``: property names by offset, for a blob cut before its string block."""
    return FdtView(blob, parse_fdt(blob.data, fallback_names=names, place=blob.place), verdict(blob.data))


def view_root(formats: RootFormats, blob: Blob) -> FdtView:
    """A root FDT; a cut one gets the names that its version is known to have at those offsets."""
    first = parse_fdt(blob.data)
    return view_fdt(blob, formats.names_of_cut(first.root) if first.root is not None and first.truncated else NO_NAMES)


def report_fdt(findings: Findings, view: FdtView, where: EntityPath) -> None:
    """Say what is wrong with an FDT: one line for a cut file, one for each other anomaly."""
    tree = view.tree
    source = visible(view.blob.place.source)
    for anomaly in tree.anomalies[:_SHOWN_ANOMALIES]:
        if anomaly.code is AnomalyCode.TRUNCATED:
            findings.add(FDT_CUT, where, f"{source} ends after {tree.extent}; {_salvaged(tree)}", view.blob.place.phys)
        else:
            findings.add(FDT_DAMAGED, where, f"{source}: {anomaly.message}", view.blob.place.phys)
    if len(tree.anomalies) > _SHOWN_ANOMALIES:
        findings.add(FDT_DAMAGED, where, f"{source}: {len(tree.anomalies) - _SHOWN_ANOMALIES} further anomalies", view.blob.place.phys)


def _salvaged(tree: FdtTree) -> str:
    if tree.root is None:
        return "nothing of it could be salvaged"
    guessed = any(p.name_is_guess for node in (tree.root, *tree.root.children) for p in node.properties)
    names = [str(visible(child.name)) for child in tree.root.children]
    if tree.root.cut_child is not None:
        names.append(f"one more node, {name_start(tree.root.cut_child)}")
    how = "; property names are known from the version, not from the file" if guessed else ""
    return f"salvaged: {', '.join(names) or 'the root node'}{how}"
