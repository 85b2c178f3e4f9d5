"""The texts of the kernel's log: what real logs are evidence of, and that no order of the declarations matters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import CHECKOUT

from kho_tui.capture.dmesg import Evidence, parse_dmesg
from kho_tui.capture.facet import FileNaming, LogText, Naming
from kho_tui.capture.log_texts import CRASHES, KHO
from kho_tui.subsystems.registry import builtin

GOLDEN = Path(__file__).with_name("log_evidence.txt")
"""A path from the checkout, then number, time, kind, side and subject of each line in that log which is evidence."""


def _shown(evidence: Evidence) -> str:
    subject = "" if evidence.subject is None else f" {evidence.subject.decode()}"
    return f"  {evidence.line} {evidence.time} {evidence.kind} {evidence.side}{subject}"


def _golden() -> Iterator[tuple[str, list[str]]]:
    for section in re.split(r"\n(?=\S)", GOLDEN.read_text().rstrip("\n")):
        path, *lines = section.split("\n")
        yield path, lines


@pytest.mark.parametrize(("path", "expected"), [pytest.param(*section, id=section[0]) for section in _golden()])
def test_real_logs(path: str, expected: list[str]) -> None:
    log = CHECKOUT / path
    if not log.exists():
        pytest.skip(f"{path} is not beside this checkout")
    assert [_shown(evidence) for evidence in parse_dmesg(log.read_bytes(), builtin())] == expected


def test_no_line_is_named_by_two_declarations() -> None:
    """So that one may be declared before another, or taken out, and all other lines keep their names."""
    namings = {**builtin().facets(Naming), **builtin().facets(FileNaming), b"KHO": KHO, b"crash": CRASHES}
    said = set()
    for path, _ in _golden():
        if (log := CHECKOUT / path).exists():
            said |= {evidence.text for evidence in parse_dmesg(log.read_bytes(), builtin())}
    for text in said:
        assert len([name for name, naming in namings.items() if any(re.match(one.pattern, text) for one in naming.texts)]) <= 1, text


def test_a_text_whose_lines_nobody_would_look_at_is_refused() -> None:
    with pytest.raises(TypeError, match="none of the words"):
        Naming(words=(b"pci",), texts=(LogText("found", "in", b"vfio: found"),))


@pytest.mark.parametrize(
    ("line", "kind", "subject"),
    [
        (b"luo: Failed to deserialize files for session [to disable] -EINVAL", "session-failed", b"to disable"),
        (b"luo: Unable to finish session [disabled-guest] on release", "luo", None),
        (b"luo: The incoming tree failed to initialize properly [-22], disabling live update", "disabled", None),
        (b"luo: No registered handler for compatible 'x disabled'", "handler-failed", b"x disabled"),
        (b"KHO: broken KHO subnode 'disabled scratch'", "subtree-failed", b"disabled scratch"),
        (b"luo: disabled by the command line", "disabled", None),
    ],
)
def test_a_name_in_a_line_is_no_word_of_the_kernel(line: bytes, kind: str, subject: bytes | None) -> None:
    assert [(evidence.kind, evidence.subject) for evidence in parse_dmesg(line, builtin())] == [(kind, subject)]
