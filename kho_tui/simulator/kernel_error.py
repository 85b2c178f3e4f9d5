"""The error that a simulated kernel call ends with."""

from __future__ import annotations

import errno as errnos

from kho_tui.errors import KhoError


class KernelError(KhoError):
    """A kernel call that failed. ``errno`` is positive; ``call`` the kernel's name of it, ``why`` one clause for the user.

    ``name`` where the number is no errno: some calls pass on what libfdt gave them.
    """

    def __init__(self, errno: int, call: str, why: str, *, name: str | None = None) -> None:
        name = name or errnos.errorcode.get(errno, str(errno))
        super().__init__(f"{call}: -{name}: {why}")
        self.errno = errno
        self.call = call
        self.why = why
