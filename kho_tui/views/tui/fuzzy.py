"""How well something typed fits a text: its characters in order, better at the starts of words and side by side."""

from __future__ import annotations

_AT_WORD = 8
_NEXT_TO = 5


def fit_of(query: str, text: str) -> int | None:
    """The larger the better; None where the text does not hold all characters of the query in order. Case does not matter."""
    wanted, given = query.casefold(), text.casefold()
    if not wanted:
        return 0
    whole = given.find(wanted)
    if whole >= 0:
        return 2 * (_AT_WORD + _NEXT_TO) * len(wanted) + (_AT_WORD if _starts_word(given, whole) else 0) - whole
    score = 0
    at = -1
    for char in wanted:
        if char == " ":
            continue
        found = given.find(char, at + 1)
        if found < 0:
            return None
        if _starts_word(given, found):
            score += _AT_WORD
        elif found == at + 1:
            score += _NEXT_TO
        score -= found - at - 1
        at = found
    return score


def _starts_word(text: str, at: int) -> bool:
    return at == 0 or not text[at - 1].isalnum()
