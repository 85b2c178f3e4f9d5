"""EntityPath: the name of everything in a state, such as ``out/LUO/vm-alpha/0x1/folios/37``; stable within that state."""

from __future__ import annotations

from dataclasses import dataclass, field

from kho_tui.text import SafeText, visible


def path_part(name: bytes) -> str:
    r"""A captured name as one part of a path: visible, and with ``/`` as ``\x2f``."""
    return visible(name).replace("/", "\\x2f")


@dataclass(frozen=True, slots=True)
class EntityPath:
    """Parts from the side down. Parts are safe to show and hold no ``/``."""

    parts: tuple[str, ...] = ()

    def child(self, part: str) -> EntityPath:
        """The path of a child with a name of ours."""
        return EntityPath((*self.parts, part))

    def named(self, name: bytes) -> EntityPath:
        """The path of a child with a captured name."""
        return self.child(path_part(name))

    @property
    def parent(self) -> EntityPath:
        """The path one step up; the root is its own parent."""
        return EntityPath(self.parts[:-1])

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def text(self) -> SafeText:
        """The path as it is shown."""
        return SafeText(str(self))


@dataclass(slots=True)
class Siblings:
    """Gives the children of one path names of their own, also where captured names repeat."""

    parent: EntityPath
    _taken: dict[str, int] = field(default_factory=dict)
    """Every name given, with the last number tried for it: a million equal names must not be tried one by one."""

    def named(self, name: bytes) -> EntityPath:
        """The path of the next child with a captured name."""
        return self.child(path_part(name))

    def child(self, part: str) -> EntityPath:
        """The path of the next child: ``part``, or ``part~2`` and so on where that is taken."""
        wanted = unique = part or "~"
        number = self._taken.get(wanted, 1)
        while unique in self._taken:
            number += 1
            unique = f"{wanted}~{number}"
        self._taken[unique] = 1
        self._taken[wanted] = number
        return self.parent.child(unique)


def parse_path(text: str) -> EntityPath:
    """The path that ``str`` of it gave."""
    return EntityPath(tuple(part for part in text.split("/") if part))
