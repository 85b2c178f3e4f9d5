"""Which symptoms a user means: by a line of the kernel's log, a call, the name of an error, or words."""

from __future__ import annotations

import errno as numbers
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

from kho_tui.analysis.symptoms.calls import Call, calls_named
from kho_tui.analysis.symptoms.symptom import Symptom
from kho_tui.capture.dmesg import Evidence

MAX_WORDS = 4096
"""Characters of what the user says that are looked at."""
_WORD = re.compile(r"[\w/.+-]*\w", re.ASCII)
_NUMBER = re.compile(r"-(\d{1,3})")
_INFLECTED = re.compile(r"[a-z]{0,4}")
"""What may follow the beginning of a word that a phrase has: fail, failed, failing, failure."""
_LIKE = 0.7
"""Likeness of two words, of at most 1, from which on one may have been meant by the other."""
_LINE, _NAMED = 300, 200
_CALL, _PHRASE, _EACH_WORD = 50, 30, 10
_ERRNO, _ERRNO_OF_CALL = 20, 40
"""What a match counts for. An error alone says little, since many calls answer with it: telling words, or a call, outweigh it; an error
that a cause has from the very call that is named outweighs those."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the user said: ``text`` in small letters, its ``words``, and the ``calls`` that it names."""

    text: str
    words: frozenset[str]
    calls: frozenset[Call]

    def says(self, word: str) -> bool:
        """Whether a word, or an inflection of it, is said."""
        return any(
            said == word or (len(word) > 3 and said.startswith(word) and _INFLECTED.fullmatch(said[len(word) :]) is not None)
            for said in self.words
        )

    def names(self, error: str) -> bool:
        """Whether an error is named: ENOMEM, -12, or "cannot allocate memory"."""
        return error.lower() in self.words or _strerror(error) in self.text


def spoken(text: str) -> Spoken:
    """What a text says: words without signs around them, negations also as one word, an error also by its name.

    >>> sorted(spoken("kexec: EBUSY (-16), no kho").words)
    ['-16', 'ebusy', 'kexec', 'kho', 'no', 'no-kho']
    """
    text = text[:MAX_WORDS]
    tokens = _WORD.findall(text)
    words = {token.lower() for token in tokens}
    # A macro is also the words in it; a parameter or function of the kernel is not: kho_scratch says nothing of KHO itself.
    words |= {part.lower() for token in tokens if token.isupper() for part in token.split("_") if part}
    words |= {f"no-{after.lower()}" for token, after in pairwise(tokens) if token.lower() == "no"}
    errors = {name.lower() for word in words if (match := _NUMBER.fullmatch(word)) and (name := numbers.errorcode.get(int(match[1])))}
    words |= {word.lstrip("-") for word in words if word.startswith("-e")}
    # "= -1 EIO": what a call returns, not an error of its own.
    if "eperm" in errors and (len(errors) > 1 or any(name.lower() in words for name in numbers.errorcode.values())):
        errors.discard("eperm")
    return Spoken(text.lower(), frozenset(words | errors), calls_named(text))


@dataclass(frozen=True, slots=True)
class Selected:
    """Symptoms that are meant, the best first; ``others`` match less well."""

    symptoms: tuple[Symptom, ...]
    others: tuple[Symptom, ...] = ()


def select(said: Spoken, lines: Sequence[Evidence], known: Iterable[Symptom]) -> Selected:
    """The symptoms of what was said; ``lines``: what of it is a line of the kernel's log."""
    symptoms = tuple(known)
    an_error_is_named = any(said.names(error) for symptom in symptoms for error in symptom.errno)
    scores = {symptom.name: _score(symptom, said, lines, an_error_is_named=an_error_is_named) for symptom in symptoms}
    best = max(scores.values(), default=0)
    if not best:
        return Selected(())
    ranked = sorted(symptoms, key=lambda symptom: -scores[symptom.name])
    return Selected(
        tuple(symptom for symptom in ranked if scores[symptom.name] == best),
        tuple(symptom for symptom in ranked if best > scores[symptom.name] >= best * 0.3),
    )


def _score(symptom: Symptom, said: Spoken, lines: Sequence[Evidence], *, an_error_is_named: bool) -> int:
    score = max((_LINE for line in lines if symptom.names_line(line.kind, line.text)), default=0)
    if said.text.strip() == symptom.name:
        score = max(score, _NAMED)
    named = any(said.names(error) for error in symptom.errno)
    if named:
        return score + _ERRNO + (_ERRNO_OF_CALL if any(cause.calls & said.calls for cause in symptom.causes) else 0)
    if symptom.errno and an_error_is_named:
        return score  # another error than its own is named
    telling = [_PHRASE + _EACH_WORD * len(phrase) for phrase in symptom.phrases if all(said.says(word) for word in phrase)]
    if symptom.name in said.words:
        telling.append(_PHRASE + _EACH_WORD)
    return score + max((*telling, _CALL if symptom.calls & said.calls else 0))


def nearest(said: Spoken, known: Iterable[Symptom]) -> tuple[Symptom, ...]:
    """The symptoms whose words are like what was said, the nearest first."""
    words = [word for word in said.words if len(word) > 2] or [said.text]

    def likeness(symptom: Symptom) -> tuple[float, float]:
        own = {symptom.name, *(error.lower() for error in symptom.errno), *(word for phrase in symptom.phrases for word in phrase)}
        best = [max(SequenceMatcher(None, word[:64], name).ratio() for name in own) for word in words]
        # All words count, the best one most: a word that one symptom alone is like must not be drowned by others.
        return max(best), max(best) + sum(best) / len(best)

    like = [(symptom, *likeness(symptom)) for symptom in known]
    return tuple(symptom for symptom, best, _ in sorted(like, key=lambda row: -row[2]) if best >= _LIKE)


def _strerror(name: str) -> str:
    number = getattr(numbers, name, None)
    return "\0" if number is None else os.strerror(number).lower()
