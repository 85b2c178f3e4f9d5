"""One exception family. Its message is one line for the user: what, where, what to do."""

from __future__ import annotations


class KhoError(Exception):
    """Anything that ends an action with a message instead of a traceback."""

    exit_code = 2


class InputError(KhoError):
    """A file or directory that cannot be opened, or is not what it claims to be."""


class GapError(KhoError):
    """A physical address that the opened memory does not hold."""

    def __init__(self, address: int, size: int, source: str = "memory") -> None:
        super().__init__(f"{source} does not hold {size} bytes at {address:#x}")
        self.address = address
        self.size = size


class ReadError(KhoError):
    """The file that should hold the bytes gave fewer than it promised, or failed."""


class EncodeError(KhoError):
    """A value that does not fit the field it is to be written to."""


class BudgetError(KhoError):
    """The state asks for more work or memory than the budget of this run allows."""


class Cancelled(KhoError):
    """The user ended the work."""

    exit_code = 130
