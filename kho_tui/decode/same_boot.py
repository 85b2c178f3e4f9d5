"""Whether a root FDT in memory is of the boot that debugfs was copied from: a vote of what does not change within a boot."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_tui.abi.properties import compatible_of, integer_property
from kho_tui.abi.root import RootFormat, Tracker
from kho_tui.capture.sources import DebugfsSide
from kho_tui.decode.facet import Decoding, count_at
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import RootCandidate
from kho_tui.fdt.tree import Node
from kho_tui.layout.place import Blob
from kho_tui.model.facts import Missing
from kho_tui.releases.table import Release
from kho_tui.text import visible


@dataclass(slots=True)
class _Votes:
    """``agreeing``: addresses that both name, which another boot allocates elsewhere. ``alike``: whether contents are equal, as those of
    every boot of one machine may be, so that all of them count once. ``differing``: sentences. ``decided``: one of them settles it."""

    agreeing: int = 0
    alike: bool = False
    differing: list[str] = field(default_factory=list)
    decided: bool = False

    def result(self, *, keeps: bool | None) -> tuple[bool | None, str | None]:
        """One thing that differs where as many agree is damage, which no earlier copy may hide.

        Equal contents alone prove nothing of a root FDT that its own tracker does not keep, if anything differs.
        """
        agreeing = self.agreeing + self.alike
        if self.decided or len(self.differing) > agreeing:
            return False, self.differing[0]
        if keeps is False and self.differing and not self.agreeing:
            return None, None
        return (True if agreeing else None), None


def same_boot(
    reader: Reader, window: Node | None, debugfs: DebugfsSide, candidate: RootCandidate, release: Release | None, *, keeps: bool | None
) -> tuple[bool | None, str | None]:
    """True with proof, False with what speaks against it, else None.

    ``window``: the root node of out/fdt, as far as debugfs has it; ``keeps``: whether the candidate's own tracker keeps it.
    """
    votes = _Votes()
    version = (None if window is None else compatible_of(window, reader.registry.roots)) or (
        None if release is None else reader.registry.roots.version_of(release)
    )
    if version is not None and version != candidate.version:
        votes.differing.append(f"its root FDT is {visible(candidate.version)}, the running kernel writes {visible(version)}")
        kinds = {form.tracker for form in map(reader.registry.roots.get, (version, candidate.version)) if form is not None}
        # Nothing that is damaged leads through a tracker of another kind back to itself.
        votes.decided = bool(keeps) and len(kinds) > 1
    named = candidate.names if window is None else candidate.names | {child.name for child in window.children}
    # Behind damage names are unread, not absent.
    if candidate.lists_all and (lacking := sorted(frozenset(debugfs.subtrees) - named)):
        votes.differing.append(f"its root FDT does not name {', '.join(map(visible, lacking))}, which debugfs showed")
    form = reader.registry.roots.get(version or candidate.version)
    if window is not None and form is not None and form.tracker is Tracker.RADIX:
        _vote_on_tracker(reader, window, candidate, votes)
    for name, blob in debugfs.subtrees.items():
        pointer = candidate.pointer(name, reader.platform.byte_order)
        if pointer is not None:
            _vote_on_subtree(reader, name, blob, pointer, _pointer(reader, window, name, form), votes)
    return votes.result(keeps=keeps)


def _vote_on_tracker(reader: Reader, window: Node, candidate: RootCandidate, votes: _Votes) -> None:
    there, here = (integer_property(node, "preserved-memory-map", 8, reader.platform.byte_order) for node in (window, candidate.root))
    if there is not None and there == here:
        votes.agreeing += 1
    elif there is not None:
        votes.differing.append(f"its tracker is not the one that out/fdt names ({there:#x}), which does not change within a boot")


def _vote_on_subtree(reader: Reader, name: bytes, blob: Blob, pointer: int, shown: int | None, votes: _Votes) -> None:
    """``blob`` is the copy of debugfs; ``pointer`` is where the candidate has it, ``shown`` where out/fdt does, if it does."""
    decoding = reader.registry.facets(Decoding).get(name)
    if shown is not None and shown != pointer:
        # What lies at another place is no further vote: equal contents are another boot's, others follow from the address.
        if decoding is not None and (decoding.bytes_fixed or decoding.counted is not None):
            votes.differing.append(f"its {visible(name)} is at {pointer:#x}, by out/fdt at {shown:#x}, which does not change within a boot")
        return
    votes.agreeing += shown == pointer
    if decoding is not None and decoding.bytes_fixed:
        memory = reader.blob(pointer, len(blob.data))
        if isinstance(memory, Missing):
            return
        if memory.data == blob.data:
            votes.alike = True
        else:
            votes.differing.append(f"its {visible(name)} differs from that of debugfs, which does not change within a boot")
    elif decoding is not None and decoding.counted is not None:
        there, here = decoding.counted.read(reader, blob.data), count_at(reader, decoding.counted, pointer)
        if there is None or here is None:
            return
        if there == here:
            votes.alike = True
        else:
            votes.differing.append(f"its {decoding.counted.name} is {here}, that of debugfs {there}")


def _pointer(reader: Reader, window: Node | None, name: bytes, form: RootFormat | None) -> int | None:
    node = None if window is None or form is None else window.child(name)
    return None if node is None or form is None else integer_property(node, form.pointer, 8, reader.platform.byte_order)
