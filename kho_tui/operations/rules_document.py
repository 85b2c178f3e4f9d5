"""``docs/checks.md``, made of the rules: ``python -m kho_tui.operations.rules_document > docs/checks.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from kho_tui.analysis.checks.registry import rules_of
from kho_tui.model.codes import CODES
from kho_tui.subsystems.registry import builtin

_HEAD = """# Checks

Made from the rules by `python -m kho_tui.operations.rules_document`; a test holds that it is up to date.

`kho-tui check` asks every rule of one side of a state. A rule holds, is broken, cannot be told (an input is missing, damaged or stale:
it is named), or is not asked (the state has nothing that it speaks of). KHO001 to KHO050 are the invariants of the KHO ABI by their
numbers; codes from KHO131 on are rules of this program; the others are met while a state is decoded, and count in the verdict like rules.

Which faults of the simulator break each rule, or why none can, stands in [simulator.md](simulator.md#faults); each of them is found by its
rule (`tests/operations/test_check_faults.py`).
"""


def lines() -> Iterator[str]:
    """The document, line by line."""
    yield from _HEAD.splitlines()
    yield ""
    yield "## Rules"
    for one in rules_of(builtin()).values():
        yield ""
        yield f"### {one.code}: {one.title}"
        yield ""
        yield f"* Severity: {'; '.join(map(str, one.spans))}" + (". Asked only with `--after`." if one.across else "")
        yield f"* Checked: {one.explanation}"
        yield f"* If broken: {one.consequence}."
        yield f"* Source: {one.source}"
    yield ""
    yield "## Met while decoding"
    yield ""
    yield "| code | severity | what |"
    yield "|---|---|---|"
    for code in sorted(CODES):
        yield f"| {code} | {CODES[code].severity} | {CODES[code].meaning} |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
