"""What the blob of a subtree says, or what lies at the data of a file: it answers for itself, so that no walk knows it by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from kho_tui.layout.place import Blob
from kho_tui.layout.platform import Platform
from kho_tui.layout.struct import Record
from kho_tui.model.claims import ClaimCollector
from kho_tui.model.entities.values import bytes_of, record_values
from kho_tui.model.entity import Entity, Value
from kho_tui.model.facts import Fact, Missing, Status
from kho_tui.model.gap import Gap
from kho_tui.model.json_value import Json
from kho_tui.model.vmalloc import DescribedArea
from kho_tui.text import NO_TEXT, SafeText

if TYPE_CHECKING:
    from kho_tui.layout.arrays import U64s
    from kho_tui.model.flbs import FlbList
    from kho_tui.model.plain import Plain
    from kho_tui.model.sessions import File, SessionList
    from kho_tui.releases.table import Release

Standing: TypeAlias = tuple[Status, SafeText]
"""How far something can be trusted, and why not further."""

WHOLE: Standing = (Status.DECODED, NO_TEXT)
_LACKING = frozenset({Status.PARTIAL, Status.UNAVAILABLE, Status.STALE})


KEXEC_COUNT, LIVE_UPDATE_NUMBER = "kexec count", "live update number"
"""What kernels count one higher with each handover."""


class Content(ABC):
    """Frozen, made by decode; asks no registry and no engine. It keeps its own path.

    A subclass that leaves a question out cannot be made: a TypeError names what is missing.
    """

    @abstractmethod
    def summary(self) -> str:
        """A few words behind its version: counts, sizes."""

    @abstractmethod
    def standing(self) -> Standing:
        """How far it can be trusted with all below it."""

    @abstractmethod
    def values(self) -> tuple[Value, ...]:
        """Its own fields."""

    @abstractmethod
    def blobs(self) -> tuple[Blob, ...]:
        """Bytes that hold its values, without the blob of the subtree itself."""

    @property
    @abstractmethod
    def has_children(self) -> bool:
        """Whether anything is below it, told without making it."""

    @abstractmethod
    def children(self, platform: Platform) -> Sequence[Entity]:
        """What is below it."""

    @abstractmethod
    def claims(self, collector: ClaimCollector) -> None:
        """Hands over the memory that it owns: arrays, one claim an entity, never one a page."""

    @abstractmethod
    def gaps(self) -> Iterator[Gap]:
        """What of it was not read. What is of a version that nobody knows, or not written yet, is none."""

    @abstractmethod
    def areas(self) -> Iterator[DescribedArea | Missing]:
        """The preserved vmalloc areas whose descriptors it holds, but for those of files; Missing for one that may not be looked at."""

    @abstractmethod
    def json(self, *, rows: bool) -> Mapping[str, Json]:
        """Its object; ``rows`` adds its long lists."""

    @abstractmethod
    def plain(self) -> Plain:
        """Its values without records or places, all that encode may see. Raises InputError that names what is not told whole."""


@dataclass(frozen=True)
class OneStruct(Content):
    """A struct with nothing below it: what its bytes mean, and which memory it owns, is for the subclass to say."""

    record: Record

    def standing(self) -> Standing:
        """It is there whole, or not at all."""
        return WHOLE

    def values(self) -> tuple[Value, ...]:
        """The struct."""
        return record_values(self.record)

    def blobs(self) -> tuple[Blob, ...]:
        """The struct."""
        return (bytes_of(self.record),)

    @property
    def has_children(self) -> bool:
        """It has none."""
        return False

    def children(self, platform: Platform) -> Sequence[Entity]:
        """None."""
        return ()

    def gaps(self) -> Iterator[Gap]:
        """None."""
        return iter(())

    def areas(self) -> Iterator[DescribedArea | Missing]:
        """None."""
        return iter(())


class SubtreeContent(Content):
    """What the blob of a subtree says."""

    def not_as_written_by(self, release: Release) -> str | None:
        """How it differs from what ``release`` writes, where one version string stands for two formats; None: it does not."""
        return None

    @property
    def files(self) -> Sequence[File]:
        """The files of its sessions that could be read; none of a subtree that keeps no files."""
        return ()

    def session_list(self) -> SessionList | Missing | None:
        """The sessions that it keeps; None of a subtree that keeps none."""
        return None

    def flb_list(self) -> FlbList | Missing | None:
        """The file-lifecycle-bound data that it keeps; None of a subtree that has no place for any."""
        return None

    def region_sizes(self) -> Sequence[tuple[bytes, Fact[int]]] | None:
        """Name and size in bytes of each ``reserve_mem=`` region that it keeps, in its order; None of a subtree that keeps none."""
        return None

    @abstractmethod
    def opaque(self) -> Iterator[str]:
        """Names of parts that may keep memory which nothing here can decode."""

    @abstractmethod
    def always_kept(self) -> Iterator[tuple[int, bytes]]:
        """(physical address, whose it is) of memory besides the blob that every kernel preserves with it."""

    @abstractmethod
    def counted(self) -> tuple[str, int] | None:
        """What a kernel counts one higher than the one before it, 1 after a cold boot: its name and the number."""

    @abstractmethod
    def written_by(self) -> bytes | None:
        """``uname -r`` of the kernel that wrote the handover, where it says so."""


class FileContent(Content):
    """What lies at the data of a file."""

    json_key: ClassVar[str] = "content"
    """Under which key the file's object shows it."""

    @property
    @abstractmethod
    def nr_folios(self) -> int:
        """Folios that it claims as the file's contents; those that could be read may be fewer."""

    @abstractmethod
    def heads(self, page_shift: int) -> U64s:
        """Physical addresses of the folios that are the file's contents, as far as they could be read; ``page_shift``: log2 of a page."""

    def file_size(self) -> int | None:
        """Bytes of the file; None of a handler that does not say."""
        return None

    def offset_of_row(self, row: int, page_size: int) -> int | None:
        """The byte of the file at which a row of its folios that was read begins; None of a handler that does not say."""
        return None


class FlbContent(Content):
    """What lies at the data of file-lifecycle-bound data."""


def worst(own: Standing, parts: Iterable[tuple[str, Standing]]) -> Standing:
    """The own standing, or that of the first part that is damaged, else of the first that is not all there.

    A part that nobody knows is there, and opaque: the whole is none the worse for it.
    """
    found = own
    for name, (status, reason) in parts:
        if found[0] is Status.DAMAGED:
            break
        if status is Status.DAMAGED or (status in _LACKING and found[0] is Status.DECODED):
            found = (Status.DAMAGED if status is Status.DAMAGED else Status.PARTIAL), SafeText(f"{name}: {status.value}: {reason}")
    return found
