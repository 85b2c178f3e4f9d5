"""The outgoing root as the kernel keeps it: which subtrees are registered, and whether one more fits its page.

Source: kernel/liveupdate/kexec_handover.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kho_tui.abi.root import RootFormat
from kho_tui.model.handover import RootStyle
from kho_tui.model.plain import Plain

ContentNow = Callable[[], Plain | None]
"""Gives what stands in a blob at the moment it is asked."""

_BEGIN, _END, _PROPERTY = 4, 4, 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered subtree; ``size`` in bytes."""

    name: bytes
    phys: int
    size: int
    content: ContentNow


@dataclass(slots=True, kw_only=True)
class Root:
    """The root FDT's page and what is in it, oldest first."""

    form: RootFormat
    style: RootStyle
    phys: int
    page_size: int
    entries: list[Entry] = field(default_factory=list)
    had_entries: bool = False

    def add(self, entry: Entry) -> None:
        """Register one more."""
        self.entries.append(entry)
        self.had_entries = True

    @property
    def style_now(self) -> RootStyle:
        """How the FDT in the page came into being."""
        emptied = self.style is RootStyle.GROWN and self.had_entries and not self.entries
        return RootStyle.EMPTIED if emptied else self.style

    def refusal(self, name: bytes) -> str | None:
        """What does not fit any more if ``name`` is added: "node" or "property"; None where all fits."""
        header = 64 if self.style is RootStyle.FINALIZED else 56
        root, subtree = self.form.node.properties, self.form.subtree.properties
        strings = sum(len(field.name) + 1 for field in (*root, *subtree))
        lengths = (len(self.form.compatible) + 1 if field.size is None else field.size for field in root)
        empty = header + _BEGIN + 4 + sum(_padded(_PROPERTY + length) for length in lengths) + _END + 4
        properties = sum(_padded(_PROPERTY + (field.size or 0)) for field in subtree)
        nodes = [_BEGIN + _padded(len(one) + 1) + _END for one in (*(entry.name for entry in self.entries), name)]
        held = empty + sum(nodes) + len(self.entries) * properties + strings
        if held > self.page_size:
            return "node"
        return "property" if held + properties > self.page_size else None


def _padded(size: int) -> int:
    """Bytes up to the next token, which stands at a multiple of 4."""
    return -(-size // 4) * 4
