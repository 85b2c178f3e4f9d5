"""One version of a format with its facts, and all versions of it side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

from kho_tui.abi.properties import NodeLayout
from kho_tui.layout.struct import Layout
from kho_tui.releases.ranges import Range
from kho_tui.releases.table import Release


@dataclass(frozen=True, kw_only=True)
class Format:
    """What every version of a format has: its ``compatible`` string, and the releases that write it.

    An open range ends where a later version begins. A step of a series that was never released is written by release candidates alone.
    ``written`` None: no release of kernel.org has it, a vendor's kernel may.
    """

    compatible: bytes
    written: Range | None

    @property
    def strings(self) -> tuple[bytes, ...]:
        """Compatible strings that an image of a kernel holds which has this version: its own and those of the nodes below."""
        return (self.compatible,) if self.compatible else ()

    @property
    def released(self) -> bool:
        """Whether any release writes it, and not release candidates alone."""
        return self.written is not None and not self.written.of_candidates


F = TypeVar("F", bound=Format)


@dataclass(frozen=True)
class Formats(Generic[F]):
    """The versions of one format, oldest first.

    >>> from kho_tui.abi.root import ROOT_FORMATS
    >>> from kho_tui.releases.table import RELEASES
    >>> ROOT_FORMATS.of(RELEASES.of("7.3.4")).compatible
    b'kho-v4'
    """

    versions: tuple[F, ...]

    def __iter__(self) -> Iterator[F]:
        return iter(self.versions)

    def __contains__(self, compatible: object) -> bool:
        return any(form.compatible == compatible for form in self.versions)

    def get(self, compatible: bytes | None) -> F | None:
        """The version of this string, the newest of several; None for one that is not known."""
        return next((form for form in reversed(self.versions) if form.compatible == compatible), None)

    def of(self, release: Release | None) -> F | None:
        """The version that a release writes; None where it writes none, or no release is known."""
        if release is None:
            return None
        return next((form for form in reversed(self.versions) if form.written is not None and form.written.covers(release.version)), None)

    def with_more(self, *more: F) -> Self:
        """The same with newer versions behind them."""
        return replace(self, versions=(*self.versions, *more))

    def __getitem__(self, compatible: bytes) -> F:
        form = self.get(compatible)
        if form is None:
            raise KeyError(compatible)
        return form


Place: TypeAlias = Literal["subtree", "file", "flb"]


@dataclass(frozen=True, kw_only=True)
class SubtreeFormat(Format):
    """One version of a subtree. ``node``: its blob is an FDT, whose root node this is; ``struct``: a struct."""

    node: NodeLayout | None
    struct: Layout | None


S = TypeVar("S", bound=SubtreeFormat)


@dataclass(frozen=True)
class SubtreeFormats(Formats[S]):
    """The versions of a subtree."""

    def struct_in(self, data: bytes) -> Layout | None:
        """The struct that a blob is; None for an FDT, and for what is cut before the end of the struct."""
        struct = next((form.struct for form in reversed(self.versions) if form.struct is not None), None)
        return struct if struct is not None and len(data) >= struct.size else None

    @property
    def node(self) -> NodeLayout | None:
        """The root node of the newest version that is an FDT."""
        return next((form.node for form in reversed(self.versions) if form.node is not None), None)


FS = TypeVar("FS", bound=Formats[Any], covariant=True)


@dataclass(frozen=True)
class Family(Generic[FS]):
    """What a registry finds the versions of one format by: of a subtree, of a file handler, of file-lifecycle-bound data.

    ``none``: what it finds where nobody declares any.
    """

    place: Place
    name: bytes
    none: FS
