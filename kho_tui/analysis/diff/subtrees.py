"""What the subtrees of both ends say of one handover, where the root FDT before is not known."""

from __future__ import annotations

from kho_tui.decode.facet import Decoding
from kho_tui.layout.place import Blob, agree
from kho_tui.model.change import Evidence
from kho_tui.model.content import SubtreeContent
from kho_tui.model.facts import Status
from kho_tui.model.registry import Registry
from kho_tui.model.state import Side, Subtree
from kho_tui.text import SafeText, visible

_BYTES = SafeText("subtrees")


def same_subtrees(before: Side, after: Side, registry: Registry) -> Evidence:
    """Blobs of one name, byte for byte. Another count of handovers speaks against one; other bytes may have been altered."""
    counterparts = {one.name: one for one in reversed(after.handed_over)}
    pairs = [(one, counterparts[one.name]) for one in before.handed_over if one.name in counterparts]
    decodings = registry.facets(Decoding)
    counted = next((one for one, other in pairs if _counts_otherwise(one, other, decodings.get(one.lookup_name))), None)
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


def _counts_otherwise(one: Subtree, other: Subtree, decoding: Decoding | None) -> bool:
    """Whether the two are of other handovers: by their bytes where these do not change within a boot, else by what they count."""
    if decoding is None or decoding.counted is None or Status.STALE in (one.status, other.status):
        return False
    if decoding.bytes_fixed:
        return isinstance(one.blob, Blob) and isinstance(other.blob, Blob) and not agree(one.blob.data, other.blob.data)
    counts = [subtree.content.counted() if isinstance(subtree.content, SubtreeContent) else None for subtree in (one, other)]
    return None not in counts and counts[0] != counts[1]
