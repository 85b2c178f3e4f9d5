"""The version of an FDT node that has one only."""

from __future__ import annotations

from kho_tui.decode.nodes import version_of
from kho_tui.decode.reader import Reader
from kho_tui.fdt.tree import Node
from kho_tui.model.codes import VERSION_UNKNOWN
from kho_tui.model.facts import Missing, Unknown
from kho_tui.model.path import EntityPath
from kho_tui.text import SafeText, visible


def other_version(reader: Reader, node: Node, known: bytes, where: EntityPath) -> Missing | None:
    """Why a node is not of the version that is known; None where it is."""
    found = version_of(node, (known,))
    if found == known:
        return None
    if isinstance(found, Missing):
        return found
    said = SafeText("it has no compatible string" if found is None else f"version {visible(found)} is not known: shown as it is")
    reader.findings.add(VERSION_UNKNOWN, where, str(said))
    return Unknown(said)
