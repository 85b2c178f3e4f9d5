"""The blob of a subtree that is an FDT of one version."""

from __future__ import annotations

from collections.abc import Callable

from kho_tui.decode.facet import MAGIC_BYTES, Decoding, SubtreeBlob, no_struct
from kho_tui.decode.nodes import version_of
from kho_tui.decode.reader import Reader
from kho_tui.fdt.tree import Node
from kho_tui.model.codes import VERSION_UNKNOWN
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Damaged, Missing, Unknown
from kho_tui.model.path import EntityPath
from kho_tui.model.state import FdtView
from kho_tui.text import SafeText, visible


def fdt_decoding(
    compatible: bytes, decode: Callable[[Reader, SubtreeBlob, FdtView, Node], SubtreeContent], *, bytes_fixed: bool
) -> Decoding:
    """How a subtree is read that is an FDT, of this version and no other, and that stays while the kernel runs that accepted it.

    ``decode``: its content by its FDT and the root node of that, which has this version. ``bytes_fixed``: as in ``Decoding``.
    """

    def decode_known(reader: Reader, one: SubtreeBlob) -> SubtreeContent | Missing:
        if one.fdt is None or one.fdt.tree.root is None:
            return Damaged(SafeText("not a readable FDT"))
        root = one.fdt.tree.root
        return _other_version(reader, root, compatible, one.path) or decode(reader, one, one.fdt, root)

    return Decoding(
        decode=decode_known,
        recognises=lambda _data, found: found == compatible,
        first_words=(),
        struct_head=no_struct,
        least=lambda _registry, _data: MAGIC_BYTES,
        stays=lambda _registry, _root: True,
        bytes_fixed=bytes_fixed,
        counted=None,
        owns_memory=True,
        is_fdt=True,
    )


def _other_version(reader: Reader, node: Node, known: bytes, where: EntityPath) -> Missing | None:
    """Why a node is not of the version that is known; None where it is."""
    found = version_of(node, (known,))
    if found == known:
        return None
    if isinstance(found, Missing):
        return found
    said = SafeText("it has no compatible string" if found is None else f"version {visible(found)} is not known: shown as it is")
    reader.findings.add(VERSION_UNKNOWN, where, str(said))
    return Unknown(said)
