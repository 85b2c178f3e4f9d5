"""Whether what lies at a path is still what it was: asked again and again, cheap, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

from kho_tui.capture.probe import path_to_watch
from kho_tui.operations.fingerprint import Fingerprint, fingerprint


class Watch:
    """Looks at a directory, a single file, an archive or a live kho tree whenever it is asked. Any one thread at a time."""

    def __init__(self, path: str | Path) -> None:
        self._path = path_to_watch(path)
        self._seen: Fingerprint | None = None

    def changed(self) -> bool:
        """Whether anything is different from the last time this was asked; False the first time.

        A path that vanished, or that cannot be read, has changed once, and once more when it is back.
        """
        before, self._seen = self._seen, fingerprint(self._path)
        return before is not None and before != self._seen
