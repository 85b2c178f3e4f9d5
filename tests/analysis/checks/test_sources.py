"""Each rule names where it can be read: a file of the kernel and the release."""

from __future__ import annotations

import re
import sys

import pytest
from captures import CHECKOUT, sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.registry import rules_of
from kho_tui.analysis.checks.rule import Rule
from kho_tui.context import Context
from kho_tui.operations.check_state import check_state
from kho_tui.operations.open_state import open_state
from kho_tui.subsystems.registry import builtin

KERNEL_FILE = re.compile(r"\b(kernel|mm|arch|drivers|include|lib|scripts)/[\w/.-]+\.[ch]\b")


@pytest.mark.parametrize("rule", rules_of(builtin()).values(), ids=lambda rule: rule.code)
def test_a_source_is_a_file_of_the_kernel_with_its_release(rule: Rule) -> None:
    if rule.code == "KHO139":
        assert "gABI" in rule.source, "of the ELF core, which is no kernel's"
        return
    assert KERNEL_FILE.search(rule.source) and re.search(r"\b[67]\.\d", rule.source)


def test_nothing_cites_a_document_that_nobody_has() -> None:
    paths = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md"), *(CHECKOUT / "kho_tui").rglob("*.py")]
    assert [path.name for path in paths if re.search(r"kho-abi|gotcha|design\.md", path.read_text())] == []


def test_without_libfdt_its_verdict_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libfdt", None)
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        found = check_state(opened, Context())
    (result,) = [one for one in found.report.results if one.code == "KHO144"]
    assert result.answer is Answer.CANNOT_TELL and "pylibfdt not installed" in result.lacks[0].reason
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == (0, 2)
