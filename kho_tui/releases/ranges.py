"""A range of kernel versions."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.releases.version import Version

FIRST_WITH_KHO = "6.16"
"""The first series with KHO."""


@dataclass(frozen=True, slots=True)
class Range:
    """From ``since`` to ``until``, both in it, as text: ``6.16`` (the whole series), ``7.2.6``, ``7.0-rc3``. ``until`` None: to the newest.

    Raises ValueError for bounds that are no versions or no range.
    """

    since: str
    until: str | None = None

    def __post_init__(self) -> None:
        first, last = _bound(self.since), _bound(self.until or self.since)
        if last.last < first.first:
            raise ValueError(f"{self.until} comes before {self.since}")

    @property
    def of_candidates(self) -> bool:
        """Whether it ends with a release candidate, so that no release is in it."""
        return self.until is not None and _bound(self.until).rc is not None

    @property
    def inside_a_series(self) -> bool:
        """Whether a bound lies inside a series, so that a patch level decides."""
        return any(_bound(text).patch is not None or _bound(text).rc is not None for text in (self.since, self.until) if text is not None)

    def covers(self, version: Version) -> bool | None:
        """Whether a version is in it, by its numbers; None where it does not say on which side of a bound inside its series it is.

        ``Releases.covers`` also says where that is unknown because the version is not one that is known.
        """
        first = _bound(self.since).first
        last = _bound(self.until).last if self.until is not None else version.last
        if version.last < first or version.first > last:
            return False
        return True if first <= version.first and version.last <= last else None

    def turns_at_candidates_of(self, version: Version) -> bool:
        """Whether a bound is a release candidate of the series."""
        bounds = (_bound(text) for text in (self.since, self.until) if text is not None)
        return any(bound.rc is not None and bound.series == version.series for bound in bounds)

    def __str__(self) -> str:
        if self.until is None:
            return f"{self.since} on"
        return self.since if self.since == self.until else f"{self.since} to {self.until}"


def _bound(text: str) -> Version:
    version = Version.parse(text)
    if version is None or version.rest:
        raise ValueError(f"{text} is no kernel version")
    return version
