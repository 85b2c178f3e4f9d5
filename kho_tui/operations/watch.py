"""Whether what lies at a path is still what it was: asked again and again, cheap, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

from kho_tui.capture.probe import is_this_machine, path_to_watch
from kho_tui.context import Context
from kho_tui.errors import KhoError
from kho_tui.operations.fingerprint import Fingerprint, fingerprint
from kho_tui.operations.open_state import Opened, open_state


class Watch:
    """Looks at a directory, a single file, an archive or the running machine whenever it is asked. Any one thread at a time.

    Of the running machine the pages of its state are read again too: what is preserved shows in memory alone.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._watched = path_to_watch(path)
        self._is_live = is_this_machine(path)
        self._seen: Fingerprint | None = None
        self._opened: Opened | None = None

    def changed(self) -> bool:
        """Whether anything is different from the last time this was asked; False the first time.

        A path that vanished, or that cannot be read, has changed once, and once more when it is back.
        """
        before, self._seen = self._seen, fingerprint(self._watched)
        memory = self._is_live and self._memory_changed()
        return before is not None and (before != self._seen or memory)

    def _memory_changed(self) -> bool:
        """Where no memory can be read, files alone tell, and nothing is opened for it again."""
        opened = self._opened
        if opened is not None:
            running = opened.sources.running
            if running is None or not running.differing():
                return False
            opened.close()
        self._opened = None
        try:
            self._opened = open_state(self._path, Context())
        except KhoError:
            return opened is not None
        return True
