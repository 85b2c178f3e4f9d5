"""All that a program knows of kernels, as a value: releases, versions of the root FDT, and what is declared of each subsystem.

A State, a Reader and a Kernel carry it, so that two of them may be open in one process. No engine reads a global one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from kho_tui.abi.format import Family, Format, Formats, Place
from kho_tui.abi.root import RootFormat, RootFormats
from kho_tui.releases.table import Release, Releases

F = TypeVar("F", bound=Format)
FS = TypeVar("FS", bound=Formats[Any])


class Facet(Protocol):
    """What one engine asks of the modules of one place. A frozen dataclass that stands beside the engine."""

    place: ClassVar[Place]
    stands_in: ClassVar[tuple[str, str]]
    """Module in the folder of a subsystem, and the name that it has there."""


T = TypeVar("T", bound=Facet)
_VERSION = re.compile(rb"-v\d+(;.*)?\Z", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Declaration(Generic[FS]):
    """A subsystem, a file handler or file-lifecycle-bound data: what it is called, its versions, and what each engine asks of it.

    ``package``: the folder whose modules hold the facets, each loaded when it is first asked for; ``facets``: those that stand elsewhere,
    by the type that stands beside the engine. ``without``: what it has by design none of, with the reason.
    """

    family: Family[FS]
    formats: FS
    package: str = ""
    facets: Mapping[type, Callable[[], object]] = field(default_factory=dict)
    without: Mapping[type, str] = field(default_factory=dict)

    @cached_property
    def version_words(self) -> frozenset[bytes]:
        """What stands before ``-v`` and a number in its compatible strings."""
        return frozenset(_VERSION.sub(b"", string) for form in self.formats for string in form.strings)

    def has_version_like(self, compatible: bytes) -> bool:
        """Whether a compatible string is of this, in a version that is known or not."""
        words = _VERSION.sub(b"", compatible)
        return words != compatible and words in self.version_words


@dataclass(frozen=True, eq=False, kw_only=True)
class Registry:
    """What is known. Compared by identity: two may hold different versions of one name.

    >>> from kho_tui.subsystems.registry import builtin
    >>> future = builtin().plus(releases=[builtin().releases.newest.next("9.9")])
    >>> future.releases.newest.name, builtin().releases.newest.name
    ('9.9', '7.3')
    """

    releases: Releases
    roots: RootFormats
    declared: tuple[Declaration[Any], ...]
    _loaded: dict[type, Mapping[bytes, Any]] = field(default_factory=dict, init=False, repr=False)

    def facets(self, facet: type[T]) -> Mapping[bytes, T]:
        """What each declaration of the facet's place has for an engine, by name. Raises TypeError for one that was forgotten."""
        if facet not in self._loaded:
            declared = [one for one in self.declared if one.family.place == facet.place and facet not in one.without]
            self._loaded[facet] = {one.family.name: _facet(one, facet) for one in declared}
        return self._loaded[facet]

    def subtree(self, name: bytes) -> Declaration[Any] | None:
        """The subtree that consumers find by this name; None for one that nobody declares."""
        return self.named("subtree", name)

    def named(self, place: Place, name: bytes) -> Declaration[Any] | None:
        """What of a place has this name; None where nobody declares it."""
        return next((one for one in self.declared if one.family.place == place and one.family.name == name), None)

    def having(self, place: Place, compatible: bytes) -> Declaration[Any] | None:
        """What of a place has this version; None where nobody declares it."""
        return next((one for one in self.declared if one.family.place == place and compatible in one.formats), None)

    def handler(self, compatible: bytes) -> Declaration[Any] | None:
        """The file handler that has this version; None for one that nobody declares."""
        return self.having("file", compatible)

    def handler_like(self, compatible: bytes) -> Declaration[Any] | None:
        """The file handler that a compatible string is of, in a version that is known or not; None for one that nobody declares."""
        return next((one for one in self.declared if one.family.place == "file" and one.has_version_like(compatible)), None)

    def handler_facet(self, compatible: bytes, facet: type[T]) -> T | None:
        """What the file handler that has this version has for an engine; None where nobody declares it, or it has none by design."""
        declared = self.handler(compatible)
        return None if declared is None else self.facets(facet).get(declared.family.name)

    def formats(self, family: Family[FS]) -> FS:
        """The versions of a format; none where nobody declares it."""
        found = next((one.formats for one in self.declared if one.family == family), family.none)
        return cast("FS", found)

    def of(self, release: Release | None, family: Family[Formats[F]]) -> F | None:
        """The version that a release writes, and the only one that it accepts; None: it has none, or is not known."""
        return self.formats(family).of(release)

    def compatibles(self, place: Place) -> frozenset[bytes]:
        """Compatible strings of all versions that are declared for a place."""
        return frozenset(form.compatible for one in self.declared if one.family.place == place for form in one.formats)

    @cached_property
    def version_words(self) -> frozenset[bytes]:
        """What stands before ``-v`` and a number in the compatible strings that an image of a kernel holds."""
        roots = frozenset(_VERSION.sub(b"", string) for form in self.roots for string in form.strings)
        return roots.union(*(declared.version_words for declared in self.declared))

    def handlers(self, release: Release | None) -> frozenset[bytes]:
        """Compatible strings of the file handlers of kernel.org's tree in a release."""
        forms = (one.formats.of(release) for one in self.declared if one.family.place == "file")
        return frozenset(form.compatible for form in forms if form is not None)

    def plus(self, *more: Declaration[Any], releases: Iterable[Release] = (), roots: Iterable[RootFormat] = ()) -> Registry:
        """The same with more: newer releases and roots behind those that are known, and declarations, whose versions come behind the known
        ones of the same family."""
        declared = {one.family: one for one in self.declared}
        for one in more:
            known = declared.get(one.family)
            declared[one.family] = (
                one
                if known is None
                else replace(
                    known,
                    formats=known.formats.with_more(*one.formats),
                    facets={**known.facets, **one.facets},
                    without={**known.without, **one.without},
                )
            )
        return Registry(
            releases=replace(self.releases, rows=(*self.releases.rows, *releases)),
            roots=self.roots.with_more(*roots),
            declared=tuple(declared.values()),
        )

    def without(self, family: Family[Any]) -> Registry:
        """The same where nobody declares this."""
        return replace(self, declared=tuple(one for one in self.declared if one.family != family))


def _facet(declared: Declaration[Any], facet: type[T]) -> T:
    load = declared.facets.get(facet)
    module, name = facet.stands_in
    if load is not None:
        loaded = load()
    elif declared.package and find_spec(f"{declared.package}.{module}") is not None:
        loaded = getattr(import_module(f"{declared.package}.{module}"), name)
    else:
        where = f" ({declared.package.rpartition('.')[2]}/{module}.py)" if declared.package else ""
        raise TypeError(f"{declared.family.name.decode()} declares no {facet.__name__}{where}, and no reason why it has none")
    assert isinstance(loaded, facet)
    return loaded
