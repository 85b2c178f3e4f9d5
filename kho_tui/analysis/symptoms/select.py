"""Which symptoms a user means: by a line of the kernel's log, the name of an error, or words."""

from __future__ import annotations

import errno as numbers
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from kho_tui.analysis.symptoms.symptom import Symptom
from kho_tui.capture.dmesg import Evidence
from kho_tui.text import SafeText, visible

MAX_WORDS = 4096
"""Characters of what the user says that are looked at."""
_WORD = re.compile(r"[\w/.+-]*\w", re.ASCII)
_NUMBER = re.compile(r"-?(\d{1,3})")
_LINE, _ERRNO, _NAMED = 300, 200, 250
"""What a match counts for; a phrase counts ten for each of its words."""


@dataclass(frozen=True, slots=True)
class Selected:
    """Symptoms that are meant, the best first; ``others`` match less well."""

    symptoms: tuple[Symptom, ...]
    others: tuple[Symptom, ...] = ()


def said_words(text: str) -> frozenset[str]:
    """The words of a text, small, without signs around them; what names an error also by its name.

    >>> sorted(said_words("kexec: EBUSY (-16)"))
    ['-16', 'ebusy', 'kexec']
    """
    found = {word.lower() for word in _WORD.findall(text[:MAX_WORDS])}
    for word in tuple(found):
        match = _NUMBER.fullmatch(word)
        name = None if match is None or not word.startswith("-") else numbers.errorcode.get(int(match[1]))
        if name is not None:
            found.add(name.lower())
    return frozenset(found | {word.lstrip("-") for word in found if word.lstrip("-").startswith("e")})


def select(text: str, lines: Sequence[Evidence], known: Iterable[Symptom]) -> Selected:
    """The symptoms of a text; ``lines``: what of it is a line of the kernel's log."""
    spoken, whole = said_words(text), text.lower()
    scores: dict[str, int] = {}
    symptoms = tuple(known)
    for symptom in symptoms:
        score = max((_LINE for line in lines if symptom.names_line(line.kind, line.text)), default=0)
        if symptom.name in spoken:
            score = max(score, _NAMED)
        if any(name.lower() in spoken or _strerror(name) in whole for name in symptom.errno):
            score = max(score, _ERRNO)
        score += max((10 * len(phrase) for phrase in symptom.phrases if all(_is_said(word, spoken) for word in phrase)), default=0)
        if score:
            scores[symptom.name] = score
    best = max(scores.values(), default=0)
    ranked = sorted((one for one in symptoms if one.name in scores), key=lambda one: -scores[one.name])
    return Selected(tuple(one for one in ranked if scores[one.name] == best), tuple(one for one in ranked if scores[one.name] < best))


def nearest(text: str, known: Iterable[Symptom]) -> tuple[SafeText, ...]:
    """All words that are known, those most like the text first: names and errors of the symptoms."""
    spoken = said_words(text) or frozenset({""})

    def likeness(symptom: Symptom) -> float:
        words = (symptom.name, *symptom.errno, *(word for phrase in symptom.phrases for word in phrase))
        return max(SequenceMatcher(None, said[:64], word.lower()).ratio() for word in words for said in spoken)

    return tuple(visible(one.errno[0] if one.errno else one.name) for one in sorted(known, key=lambda one: -likeness(one)))


def _is_said(word: str, spoken: frozenset[str]) -> bool:
    """Whether a word, or one that begins with it, is said."""
    return any(one == word or (len(word) > 2 and one.startswith(word)) for one in spoken)


def _strerror(name: str) -> str:
    number = getattr(numbers, name, None)
    return "\0" if number is None else os.strerror(number).lower()
