"""A kernel version as ``uname -r`` prints it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_FORM = re.compile(
    r"([0-9]{1,5})\.([0-9]{1,5})(?![0-9])"
    r"(?:\.([0-9]{1,5})(?![0-9]))?"
    r"(?:-rc([0-9]{0,5})(?![0-9]))?"
    r"(.*)",
    re.DOTALL,
)
_DEBIAN = re.compile(r"\+deb[0-9]+([+~.-][a-z0-9+~.-]*)?")
_BEHIND_ALL = 1 << 30


@dataclass(frozen=True, slots=True)
class Version:
    """``series`` is (7, 3) for 7.3.4, ``patch`` 4. ``rc`` is the number of a release candidate, 0 where it is not said which.

    ``rest`` is what a vendor or a builder added. Without patch level and rc the version stands for its whole series, from X.Y.0 on.
    """

    series: tuple[int, int]
    patch: int | None = None
    rc: int | None = None
    rest: str = ""

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(uname: str | None) -> Version | None:
        """None where it does not begin with X.Y. A number of more than five digits is none."""
        form = _FORM.match(uname or "")
        if form is None:
            return None
        major, minor, patch, rc, rest = form.groups()
        return Version((int(major), int(minor)), None if patch is None else int(patch), None if rc is None else int(rc or "0"), rest)

    @property
    def is_mainline(self) -> bool:
        """Whether it is X.Y.Z of kernel.org, or Debian's build of it: only there the patch level says which fixes are in."""
        return self.patch is not None and self.rc is None and (not self.rest or _DEBIAN.fullmatch(self.rest) is not None)

    @property
    def is_vendors(self) -> bool:
        """Whether it says that somebody built it who may have added to it."""
        return bool(self.rest) and not self.is_mainline

    @property
    def first(self) -> tuple[int, ...]:
        """The earliest that it may stand for, to be compared: release candidates come before X.Y.0."""
        if self.rc is not None:
            return (*self.series, -1, self.rc)
        return (*self.series, self.patch or 0 if self.is_mainline else 0)

    @property
    def last(self) -> tuple[int, ...]:
        """The latest that it may stand for."""
        if self.rc is not None:
            return (*self.series, -1, self.rc or _BEHIND_ALL)
        return (*self.series, self.patch or 0 if self.is_mainline else _BEHIND_ALL)
