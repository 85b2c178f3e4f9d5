"""Scenario files broken at random: values, keys, steps, and their text."""

from __future__ import annotations

import random
import re
from functools import cache

from captures import SAMPLES

from mutations.edits import HOSTILE_NAMES, edit_text
from mutations.workers import FileMutant

_NUMBERS = "0 1 -1 3 4096 1.5 nan inf true false 0x1000 9223372036854775807 18446744073709551615 18446744073709551616 1e400"
_SIZES = ("0", "4K", "1M", "1G", "1T", "1P", "15E", "16E", "99E", "-1", "", "x", "0x", "{}", "7.3", "6.16", "9" * 5000)
_TABLES = ("[]", "[[]]", '[["0", "16E"]]', '[["1M", "1K"], ["1M", "1K"]]', "{}", "[{}]", "1979-05-27", "9" * 5000)
_VALUES = (*_NUMBERS.split(), *(f'"{size}"' for size in _SIZES), *_TABLES)
_LIKELY: dict[str, tuple[str, ...]] = {
    "size": ("1", "4095", "4097", '"64K"', '"3M"', '"7M"'),
    "count": ("1", "2", "7"),
    "order": ("0", "1", "3", "9"),
    "pos": ("0", "1", '"1M"'),
    "token": ("0", "1", "2", '"0xdeadbeef"', '"0xffffffffffffffff"'),
    "node": ("0", "1"),
    "release": ('"6.18"', '"6.19"', '"7.0"', '"7.1"', '"7.3"'),
    "seed": ("2", "12345"),
    "flbs": ("0", "1", "7"),
    "test": ("true", "false", '"1M"'),
    "session": ('"vm-alpha"', '"vm-beta"', '"empty"'),
    "name": ('"vm-alpha"', '"vm-beta"', '"x"'),
    "do": ('"session"', '"retrieve"', '"finish"', '"finalize"', '"kexec"', '"folio"'),
}
"""Values of keys that may well be right."""
_VALUE = re.compile(r"(=\s*)(.+)")
_SLOW = frozenset({"host-2tib.toml", "huge-folios.toml", "limits-6.19.toml", "limits-7.3.toml", "chain.toml"})
"""They simulate a large machine, or many kexecs, which takes its time."""


@cache
def _originals() -> tuple[tuple[str, str], ...]:
    return tuple((path.name, path.read_text()) for path in sorted((SAMPLES / "scenarios").glob("*.toml")) if path.name not in _SLOW)


def make_scenario(seed: int, number: int) -> FileMutant:
    """The scenario of this seed and number; the same at every call."""
    rng = random.Random(f"scenario {seed}:{number}")
    name, text = rng.choice(_originals())
    mutant = FileMutant("scenario", "scenario.toml", seed, number, steps=[name])
    lines = text.splitlines()
    edits = rng.choice(((_likely,), (_likely, _table), (_value, _line, _table, _name), (_value,), (_name,)))
    for _ in range(rng.choice((1, 1, 2, 3))):
        mutant.steps.append(rng.choice(edits)(rng, lines))
    mutant.data = "\n".join(lines).encode("utf-8", "replace")
    if rng.random() < 0.1:
        mutant.data, said = edit_text(rng, mutant.data)
        mutant.steps.append(said)
    return mutant


def _likely(rng: random.Random, lines: list[str]) -> str:
    known = [row for row, line in enumerate(lines) if line.split("=")[0].strip() in _LIKELY]
    if not known:
        return _value(rng, lines)
    at = rng.choice(known)
    key = lines[at].split("=")[0].strip()
    lines[at] = f"{key} = {rng.choice(_LIKELY[key])}"
    return f"line {at + 1}: {lines[at]}"


def _value(rng: random.Random, lines: list[str]) -> str:
    at = rng.choice([row for row, line in enumerate(lines) if _VALUE.search(line)] or [0])
    new = rng.choice(_VALUES)
    lines[at] = _VALUE.sub(lambda match: match[1] + new, lines[at], count=1)
    return f"line {at + 1}: {lines[at][:60]}"


def _line(rng: random.Random, lines: list[str]) -> str:
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.choice(("drop", "double", "swap", "key"))
    if kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(other, lines[at])
    elif kind == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    else:
        key = rng.choice(("size", "count", "token", "order", "holes", "node", "expect", "do", "memory", "test_orders", "flbs", "x.y.z"))
        lines.insert(at, f"{key} = {rng.choice(_VALUES)}")
    return f"{kind} line {at + 1}"


def _table(rng: random.Random, lines: list[str]) -> str:
    heads = [row for row, line in enumerate(lines) if line.startswith("[")]
    at = rng.choice(heads)
    end = next((row for row in heads if row > at), len(lines))
    kind = rng.choice(("drop", "double", "many", "move"))
    block = lines[at:end]
    if kind in ("drop", "move"):
        del lines[at:end]
    if kind != "drop":
        to = rng.choice([row for row, line in enumerate(lines) if line.startswith("[")] or [0])
        lines[to:to] = block * (6 if kind == "many" else 1)
    return f"{kind} the table at line {at + 1}"


def _name(rng: random.Random, lines: list[str]) -> str:
    hostile = rng.choice(HOSTILE_NAMES).decode("utf-8", "backslashreplace").replace("\\", "\\\\").replace('"', '\\"')
    at = rng.choice([row for row, line in enumerate(lines) if "name" in line or "cmdline" in line] or [0])
    lines[at] = _VALUE.sub(lambda match: f'{match[1]}"{hostile}"', lines[at], count=1)
    return f"hostile text in line {at + 1}"
