"""What the subtrees of both ends say of one handover, where the root FDT before is not known."""

from __future__ import annotations

from kho_tui.abi.metadata import KEXEC_METADATA_NAME
from kho_tui.layout.place import Blob, agree
from kho_tui.model.change import Evidence
from kho_tui.model.contents.luo import Luo
from kho_tui.model.facts import Status, known
from kho_tui.model.state import Side, Subtree
from kho_tui.text import SafeText, visible

_BYTES = SafeText("subtrees")


def same_subtrees(before: Side, after: Side) -> Evidence:
    """Blobs of one name, byte for byte. Another count of handovers speaks against one; other bytes may have been altered."""
    counterparts = {one.name: one for one in reversed(after.handed_over)}
    pairs = [(one, counterparts[one.name]) for one in before.handed_over if one.name in counterparts]
    counted = next((one for one, other in pairs if _counts_otherwise(one, other)), None)
    if counted is not None:
        said = f"B was handed another {visible(counted.name)} than A has, which does not change within a boot"
        return Evidence(_BYTES, False, SafeText(said))
    blobs = [(one.name, one.blob, other.blob) for one, other in pairs]
    told = [(name, agree(one.data, other.data)) for name, one, other in blobs if isinstance(one, Blob) and isinstance(other, Blob)]
    same, differing = (sorted(visible(name) for name, equal in told if equal is wanted) for wanted in (True, False))
    if not told:
        return Evidence(_BYTES, None, SafeText("no subtree has bytes that are known on both sides"))
    texts = [f"the same bytes in both: {', '.join(same)}"] if same else []
    texts += [f"other bytes in B: {', '.join(differing)}"] if differing else []
    return Evidence(_BYTES, True if same and not differing else None, SafeText("; ".join(texts)))


def _counts_otherwise(one: Subtree, other: Subtree) -> bool:
    if Status.STALE in (one.status, other.status):
        return False
    if isinstance(one.content, Luo) and isinstance(other.content, Luo):
        numbers = known(one.content.number), known(other.content.number)
        return None not in numbers and numbers[0] != numbers[1]
    if one.name == KEXEC_METADATA_NAME and isinstance(one.blob, Blob) and isinstance(other.blob, Blob):
        return not agree(one.blob.data, other.blob.data)
    return False
