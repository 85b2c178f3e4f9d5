"""A command as somebody types it into a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from kho_tui.text import SafeText


def command_line(words: Sequence[str], path: str, options: Sequence[str]) -> SafeText:
    """``kho-tui COMMAND PATH ...``; the options that opened the state are added unless the words have them."""
    extra = [word for option, value in zip(options[::2], options[1::2], strict=True) if option not in words for word in (option, value)]
    first, *rest = words
    # A path that looks like an option has to follow a double dash, which ends the options.
    ends = ("--", path) if path.startswith("-") else (path,)
    ordered = (first, *rest, *extra, *ends) if len(ends) > 1 else (first, path, *rest, *extra)
    return SafeText(" ".join(["kho-tui", *map(_word, ordered)]))


def _word(word: str) -> str:
    """One word for a shell; what cannot be printed as bash's escapes, so that pasting it does nothing else."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = "".join(chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in "'\\" else f"\\x{byte:02x}" for byte in os.fsencode(word))
    return f"$'{escaped}'"
