"""The base of all values that encode may see: what a kernel wrote, without a captured byte and without what follows from the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Further: TypeAlias = Mapping[str, int | bytes]
"""Values of fields that a version has more than those that are named here."""


@dataclass(frozen=True)
class Plain:
    """Values of one content. Counts, ``next`` pointers and leaf bits are left out, so that encoding proves the rules."""


@dataclass(frozen=True)
class RawBytes(Plain):
    """Of something nobody knows: its bytes are its value."""

    data: bytes
