"""Several root FDTs in one memory: what each says of its kernel, and which of them that makes the incoming, the outgoing or a guest's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.metadata import KEXEC_METADATA_NAME, KHO_KEXEC_METADATA, METADATA_VERSION
from kho_tui.decode.consistency import contradiction
from kho_tui.decode.facet import Counted, Decoding, count_at
from kho_tui.decode.reader import Reader
from kho_tui.decode.roots import RootCandidate, preserves_itself
from kho_tui.decode.side import SideSource, decode_side
from kho_tui.layout.place import Blob
from kho_tui.layout.struct import Record
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.model.state import Side
from kho_tui.releases.table import Release
from kho_tui.text import SafeText, plural, visible

_MOST_ASKED = 256
"""Candidates whose own trackers are walked; the others are copies that lie at no page, or too many."""
_MOST_OWNERS = 4
"""Root FDTs whose files are asked for the pages of the others: a machine has one or two of its own."""
_KEPT = {True: "kept by its own tracker", False: "not kept by its own tracker", None: "whether its tracker keeps it cannot be told"}


@dataclass(frozen=True, slots=True)
class Contender:
    """A root FDT in memory with what its subtrees say; None: they do not, or cannot be read.

    ``writer`` is the release that wrote it, ``count`` its kexec count, ``number`` its live update number. ``kept``: whether its own tracker
    keeps its page; None where that cannot be told.
    """

    root: RootCandidate
    kept: bool | None
    writer: str | None
    count: int | None
    number: int | None

    @property
    def words(self) -> SafeText:
        """What tells it from the others."""
        said = [
            "half-built" if self.root.half_built else _KEPT[self.kept],
            None if self.writer is None else f"written by {self.writer}",
            None if self.count is None else f"{plural(self.count, 'kexec')} in a row",
            None if self.number is None else f"live update {self.number}",
        ]
        return SafeText(f"{self.root.phys:#x} ({', '.join(part for part in said if part is not None)})")

    @property
    def _rank(self) -> tuple[bool, bool, bool, int, int, int]:
        """Low is best: whole, kept, not surely unkept, later."""
        return self.root.half_built, self.kept is not True, self.kept is False, -(self.count or 0), -(self.number or 0), self.root.phys


def contenders(reader: Reader, roots: Sequence[RootCandidate], *, placed_by_roots: bool = False) -> tuple[Contender, ...]:
    """The root FDTs in memory, the best first: those that their own trackers keep, of these the one of the latest boot.

    ``placed_by_roots``: memory lies where one of them says, so of the others it cannot be told that theirs do not.
    """
    page = reader.platform.page_size
    paged = sorted(roots, key=lambda root: (root.half_built, root.phys % page != 0, root.phys))
    found = [_contender(reader, root) for root in paged[:_MOST_ASKED]]
    if placed_by_roots:
        found = [replace(one, kept=None) if one.kept is False else one for one in found]
    found += [Contender(root, None, None, None, None) for root in paged[_MOST_ASKED:]]
    return tuple(sorted(found, key=lambda one: one._rank))


def incoming_by_release(found: Sequence[Contender], running: str | None) -> Contender | None:
    """The one root FDT that a kernel of another release than the running one wrote: that kernel handed it over.

    Equal releases prove nothing.
    """
    others = [one for one in found if running is not None and one.kept and one.writer not in (None, running)]
    return others[0] if len(others) == 1 else None


def incoming_by_counts(reader: Reader, found: Sequence[Contender], outgoing: Mapping[bytes, Blob]) -> Contender | None:
    """The one root FDT that counts one handover less than what debugfs shows as outgoing: this boot was handed it.

    One whose tracker still is whole is of memory that was dumped before the kexec; a tracker that was freed may keep its root, too.
    """
    now = counts_of_blobs(reader, outgoing)
    others = [one for one in found if follows(now, counts_of_root(reader, one.root))]
    if len(others) != 1:
        return None
    is_whole = others[0].kept and contradiction(trial_side(reader, others[0].root, None), reader.platform) is None
    return None if is_whole else others[0]


def counts_of_root(reader: Reader, root: RootCandidate) -> Mapping[bytes, int]:
    """What a kernel counts one higher at each handover, by the subtree that says it, of a root FDT in memory."""
    counts = {}
    for name, counted in _counted(reader).items():
        at = root.pointer(name, reader.platform.byte_order)
        count = None if at is None else count_at(reader, counted, at)
        if count is not None:
            counts[name] = count
    return counts


def counts_of_blobs(reader: Reader, subtrees: Mapping[bytes, Blob]) -> Mapping[bytes, int]:
    """The same of subtrees that debugfs shows."""
    counts = {name: counted.read(reader, subtrees[name].data) for name, counted in _counted(reader).items() if name in subtrees}
    return {name: count for name, count in counts.items() if count is not None}


def _counted(reader: Reader) -> Mapping[bytes, Counted]:
    """What is counted, by the subtree: first what is fixed byte for byte, which no consumer changes."""
    decodings = sorted(reader.registry.facets(Decoding).items(), key=lambda one: not one[1].bytes_fixed)
    return {name: decoding.counted for name, decoding in decodings if decoding.counted is not None}


def follows(later: Mapping[bytes, int], earlier: Mapping[bytes, int]) -> bool | None:
    """Whether counts are of the boot after another, by the first that both have; None where they have none in common."""
    name = next((name for name in later if name in earlier), None)
    return None if name is None else later[name] == earlier[name] + 1


def _contender(reader: Reader, root: RootCandidate) -> Contender:
    kept = preserves_itself(reader, root)
    if kept is not True:
        return Contender(root, kept, None, None, None)
    record = _metadata(reader, root)
    writer = None if record is None else str(visible(record.text("previous_release")))
    count = None if record is None else record.integer("kexec_count")
    return Contender(root, kept, writer, count, counts_of_root(reader, root).get(LUO_NAME))


def _metadata(reader: Reader, root: RootCandidate) -> Record | None:
    pointer = root.pointer(KEXEC_METADATA_NAME, reader.platform.byte_order)
    record = None if pointer is None else reader.record(KHO_KEXEC_METADATA, pointer)
    if record is None or isinstance(record, Missing) or record.integer("version") != METADATA_VERSION:
        return None
    return record


def guests_of(reader: Reader, found: Sequence[Contender], release: Release | None) -> Mapping[int, int]:
    """Root FDTs on pages that a memfd owns, by address, each with the root FDT that handed the memfd over: they are a guest's.

    Of one alone nothing is read: to know its files takes decoding its side.
    """
    guests: dict[int, int] = {}
    for owner in [one for one in found if one.kept][:_MOST_OWNERS] if len(found) > 1 else ():
        if owner.root.phys in guests:
            continue
        side = trial_side(reader, owner.root, release)
        kept = side.preserved
        heads = _folio_heads(side, reader.platform.page_shift)
        if isinstance(kept, Missing) or not len(heads):
            continue
        for other in found:
            block = kept.runs.block_at(other.root.phys)
            start = None if block is None else int(kept.runs.expand(block, 1)[0][0])
            if other is not owner and start is not None and start in heads:
                guests[other.root.phys] = owner.root.phys
    return guests


def trial_side(reader: Reader, root: RootCandidate, release: Release | None) -> Side:
    """What a root FDT in memory hands over, by itself; its findings are not kept."""
    unknown: Missing = Unavailable(SafeText("not asked"))
    source = SideSource(
        name="unsided",
        roots=(Blob(root.data, reader.place(root.phys)),),
        phys=root.phys,
        subtrees={},
        no_root=SafeText(""),
        finalized=unknown,
        release=release,
    )
    return decode_side(reader.on_trial(), source)


def _folio_heads(side: Side, page_shift: int) -> frozenset[int]:
    """Addresses of the folios of all files."""
    contents = (file.content for file in side.files if not isinstance(file.content, Missing))
    return frozenset(head for content in contents for head in content.heads(page_shift).tolist())
