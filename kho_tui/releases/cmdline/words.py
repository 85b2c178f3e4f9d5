"""The words of a kernel command line, as next_arg and parse_args take them apart (lib/cmdline.c, kernel/params.c; 6.16 to 7.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

BLANKS = " \t\n\v\f\r\xa0"
"""What the kernel's isspace calls blank, as latin-1: the byte 0xa0 is one of them, also within UTF-8."""

_WORD = re.compile(rb'(?:[^ \t-\r\xa0"]+|"[^"]*"?)+')


@dataclass(frozen=True, slots=True)
class Word:
    """``name=value``, or a bare ``name`` (``value`` None). Bytes that are no UTF-8 are surrogates; the name is as it was written."""

    name: str
    value: str | None

    def is_named(self, parameter: str) -> bool:
        """Whether it sets ``parameter``: ``-`` and ``_`` are the same in names."""
        return self.name.replace("-", "_") == parameter


def split_words(text: bytes) -> tuple[Word, ...]:
    """The words up to the first NUL, or to a ``--`` of its own, behind which the arguments of init stand."""
    words: list[Word] = []
    for match in _WORD.finditer(text.split(b"\0", 1)[0]):
        word = _word(match[0])
        if word == Word("--", None):
            break
        words.append(word)
    return tuple(words)


def _word(raw: bytes) -> Word:
    """Only a quote at the beginning of the word or of its value, and one at the end, are taken off."""
    quoted = raw.startswith(b'"')
    body = raw[1:] if quoted else raw
    # A "=" that comes first does not end a name.
    equals = body.find(b"=", 1)
    if equals < 0:
        return Word(_text(body[:-1] if quoted and body.endswith(b'"') else body), None)
    name, value = body[:equals], body[equals + 1 :]
    if value.startswith(b'"'):
        quoted, value = True, value[1:]
    return Word(_text(name), _text(value[:-1] if quoted and value.endswith(b'"') else value))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
