"""What reading the kernel's log asks of the module of a subtree or a file handler: the facets that stand beside this engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from kho_tui.abi.format import Place

Side = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class LogText:
    """A message of the kernel: a pattern from its first byte on. Its one group, if any, is what the message speaks of."""

    kind: str
    side: Side | None
    pattern: bytes


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What the code of one subtree says in the kernel's log. Raises TypeError for a text with none of the ``words``.

    ``texts`` are tried in their order; ``rest`` is what the lines of this code begin with of which no text is known. ``words``: each line
    that any of them matches has one of these, by which it is picked from the others. ``functions``: how the names of its functions begin;
    ``restoring``: those of the functions that only take over what was handed in, so that a WARNING in one of them is a restore that
    failed.
    """

    place: ClassVar[Place] = "subtree"
    stands_in: ClassVar[tuple[str, str]] = ("naming", "NAMING")

    words: tuple[bytes, ...]
    texts: tuple[LogText, ...]
    rest: tuple[LogText, ...] = ()
    functions: tuple[bytes, ...] = ()
    restoring: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        for text in (*self.texts, *self.rest):
            if not any(word in text.pattern for word in self.words):
                raise TypeError(f"no line is looked at for {text.pattern!r}, which has none of the words {self.words!r}")


@dataclass(frozen=True, kw_only=True)
class FileNaming(Naming):
    """What a file handler says in the kernel's log."""

    place: ClassVar[Place] = "file"
