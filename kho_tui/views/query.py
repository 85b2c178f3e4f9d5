"""The filter language of long lists: ``size>=2M and owner~vm-alpha``, ``not (order=0 or addr<4G)``, ``vm-beta``.

A comparison is column, operator, value. Numbers take ``= != < <= > >=`` and are typed as addresses are (``2M``, ``0x1000``, ``pfn:0x10``);
text takes ``=`` and ``!=`` (the whole text) and ``~`` and ``!~`` (contains, whatever the case). A word alone is looked for in all text
columns. ``not`` binds more tightly than ``and`` (which may be left out), and that more tightly than ``or``. Quotes take any word as it is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kho_tui.errors import InputError
from kho_tui.layout.struct import Unit
from kho_tui.text import visible
from kho_tui.views.format import parse_address

Bools = npt.NDArray[np.bool_]

_LONGEST = 1000
_TOKEN = re.compile(r'\s+|"(?P<quoted>[^"]*)"|(?P<sign>[()]|!=|<=|>=|!~|[=<>~])|(?P<word>[^\s()=<>~!"]+)')
_COMPARE: Mapping[str, Callable[[Any, int], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OF_TEXT = ("=", "!=", "~", "!~")
_BINDS = {"or": 1, "and": 2, "not": 3}
_SHOWN = 40


@dataclass(frozen=True, eq=False)
class Words:
    """A text column of n rows: the number of each row's text (shape (n,)) and the texts."""

    numbers: npt.NDArray[np.integer]
    texts: Sequence[str]


@dataclass(frozen=True, eq=False)
class Numbers:
    """A number column of n rows, some of which are not known; both of shape (n,)."""

    values: npt.NDArray[np.integer]
    known: Bools


Data: TypeAlias = npt.NDArray[np.integer] | Numbers | Words


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One column held against a number or a text."""

    column: str
    sign: str
    value: int | str

    def holds(self, data: Data) -> tuple[Bools, Bools]:
        """Where it is true, and where it is false; neither where the value is not known."""
        if isinstance(data, Words):
            value = str(self.value)
            folded = value.casefold()
            fits = np.array([text == value if self.sign in "!=" else folded in text.casefold() for text in data.texts], np.bool_)
            yes = fits[data.numbers] != (self.sign[0] == "!") if len(fits) else np.zeros(len(data.numbers), np.bool_)
            return yes, ~yes
        values = data.values if isinstance(data, Numbers) else data
        yes = np.asarray(_COMPARE[self.sign](values, int(self.value)), np.bool_)
        return (yes & data.known, ~yes & data.known) if isinstance(data, Numbers) else (yes, ~yes)


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that was understood. ``steps``: comparisons, and what joins those before it (``and``, ``or``, ``not``)."""

    steps: tuple[_Comparison | str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns it looks at."""
        return frozenset(step.column for step in self.steps if isinstance(step, _Comparison))

    def constants(self, column: str) -> tuple[int, ...]:
        """The numbers that a column is compared with."""
        return tuple(s.value for s in self.steps if isinstance(s, _Comparison) and s.column == column and isinstance(s.value, int))

    def mask(self, data: Mapping[str, Data]) -> Bools:
        """The rows that fit, of columns of one length. What is not known fits nothing, nor the contrary of it."""
        stack: list[tuple[Bools, Bools]] = []
        for step in self.steps:
            if isinstance(step, _Comparison):
                stack.append(step.holds(data[step.column]))
                continue
            yes, no = stack.pop()
            if step == "not":
                stack.append((no, yes))
                continue
            also, nor = stack.pop()
            stack.append((yes & also, no | nor) if step == "and" else (yes | also, no & nor))
        return stack.pop()[0]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    column: int
    is_sign: bool
    is_quoted: bool

    @property
    def shown(self) -> str:
        return visible(self.text[:_SHOWN])


def parse_query(text: str, columns: Mapping[str, Unit], page_size: int) -> Query:
    """A filter over columns of these units (TEXT: text, else numbers). Raises InputError that says in one line what is wrong where."""
    if len(text) > _LONGEST:
        raise InputError(f"a filter has at most {_LONGEST} characters")
    return _Parser(_tokens(text), columns, page_size, len(text) + 1).parse()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            wrong = "expected a closing quote" if text[at] == '"' else f"unclear what {visible(text[at])} means"
            raise InputError(f"{wrong} at column {at + 1}")
        if match.lastgroup is not None:
            found.append(_Token(match[match.lastgroup], at + 1, match.lastgroup == "sign", match.lastgroup == "quoted"))
        at = match.end()
    return found


class _Parser:
    """Operators wait on a stack until those that bind less come: no recursion, however deep the parentheses."""

    def __init__(self, tokens: list[_Token], columns: Mapping[str, Unit], page_size: int, end: int) -> None:
        self._tokens = tokens
        self._columns = columns
        self._page_size = page_size
        self._end = end
        self._at = 0
        self._steps: list[_Comparison | str] = []
        self._waiting: list[_Token] = []

    def parse(self) -> Query:
        complete = False
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            word = "" if token.is_quoted else token.text.lower()
            if complete and word in ("and", "or"):
                self._join(token)
                complete = False
            elif complete and word == ")":
                self._close(token)
            elif complete:
                self._join(_Token("and", token.column, False, False))
                complete = False
                continue
            elif word in ("not", "("):
                self._waiting.append(token)
            else:
                self._operand(token)
                complete = True
            self._at += 1
        if not complete:
            after = f" after {self._tokens[-1].shown}" if self._tokens else ""
            raise InputError(f"expected a comparison or a word{after} at column {self._end}")
        self._unstack(0)
        if self._waiting:
            raise InputError(f"( at column {self._waiting[-1].column} is not closed")
        return Query(tuple(self._steps))

    def _unstack(self, least: int) -> None:
        """Let what waits and binds at least so tightly take effect."""
        while self._waiting and self._waiting[-1].text != "(" and _BINDS[self._waiting[-1].text.lower()] >= least:
            self._steps.append(self._waiting.pop().text.lower())

    def _join(self, token: _Token) -> None:
        self._unstack(_BINDS[token.text.lower()])
        self._waiting.append(token)

    def _close(self, token: _Token) -> None:
        self._unstack(0)
        if not self._waiting:
            raise InputError(f") at column {token.column} closes nothing")
        self._waiting.pop()

    def _operand(self, token: _Token) -> None:
        if token.is_sign or (not token.is_quoted and token.text.lower() in ("and", "or")):
            raise InputError(f"expected a comparison or a word, not {token.shown}, at column {token.column}")
        sign = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None
        if token.is_quoted or sign is None or not sign.is_sign or sign.text in "()":
            self._word(token)
            return
        self._at += 2
        self._steps.append(self._comparison(token, sign))

    def _word(self, token: _Token) -> None:
        """A word in any of the text columns."""
        texts = [name for name, unit in self._columns.items() if unit is Unit.TEXT]
        for number, name in enumerate(texts):
            self._steps.append(_Comparison(name, "~", token.text))
            if number:
                self._steps.append("or")

    def _comparison(self, name: _Token, sign: _Token) -> _Comparison:
        column = name.text.lower()
        unit = self._columns.get(column)
        if unit is None:
            raise InputError(f"no column {name.shown} at column {name.column}: there are {', '.join(self._columns)}")
        if sign.text not in (_OF_TEXT if unit is Unit.TEXT else _COMPARE):
            signs = " ".join(_OF_TEXT if unit is Unit.TEXT else _COMPARE)
            raise InputError(f"{column} takes {signs}, not {sign.text}, at column {sign.column}")
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token.is_sign:
            where = self._end if token is None else token.column
            what = "a text" if unit is Unit.TEXT else "a number"
            raise InputError(f"expected {what} after {column}{sign.text} at column {where}")
        return _Comparison(column, sign.text, token.text if unit is Unit.TEXT else self._number(column, sign, token, unit))

    def _number(self, column: str, sign: _Token, token: _Token, unit: Unit) -> int:
        is_pfn = token.text[:4].lower() == "pfn:"
        if token.text[:1].isdigit() or (is_pfn and unit in (Unit.PHYS, Unit.PFN)):
            try:
                return parse_address(token.text, self._page_size if unit is Unit.PHYS else 1)
            except InputError:
                pass
        raise InputError(f"expected a number after {column}{sign.text} at column {token.column}, not {token.shown}")
