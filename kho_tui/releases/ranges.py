"""A range of kernel versions."""

from __future__ import annotations

from dataclasses import dataclass

from kho_tui.releases.table import RELEASES
from kho_tui.releases.version import Version


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
    def inside_a_series(self) -> bool:
        """Whether a bound lies inside a series, so that a patch level decides."""
        return any(_bound(text).patch is not None or _bound(text).rc is not None for text in (self.since, self.until) if text is not None)

    def covers(self, version: Version | None) -> bool | None:
        """Whether the version is in it; None where that is unknown.

        Unknown are a version below the table (KHO is a backport there), one above it where the range is open (it may have changed), one
        that does not say on which side of a bound inside its series it is, and a release candidate before a change.
        """
        if version is None or version.series < RELEASES[0].version.series:
            return None
        if self.until is None and version.series > RELEASES[-1].version.series:
            return None
        bounds = [_bound(text) for text in (self.since, self.until) if text is not None]
        if version.rc is not None and not any(bound.rc is not None and bound.series == version.series for bound in bounds):
            return self._covers_candidate(version)
        first, last = bounds[0].first, bounds[-1].last if self.until is not None else version.last
        if version.last < first or version.first > last:
            return False
        return True if first <= version.first and version.last <= last else None

    def _covers_candidate(self, version: Version) -> bool | None:
        """A release candidate has what both the series before it and its own X.Y.0 have: a change came at one that is not said."""
        before = next((known.version for known in reversed(RELEASES) if known.version.series < version.series), None)
        answer = self.covers(before)
        return answer if answer is self.covers(Version(version.series, 0)) else None

    def __str__(self) -> str:
        if self.until is None:
            return f"{self.since} on"
        return self.since if self.since == self.until else f"{self.since} to {self.until}"


def _bound(text: str) -> Version:
    version = Version.parse(text)
    if version is None or version.rest:
        raise ValueError(f"{text} is no kernel version")
    return version
