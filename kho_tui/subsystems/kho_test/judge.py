"""The rule on the test module's state."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.test_kho import KHO_TEST_MAGIC, KHO_TEST_NAME, checksum_chunks, folio_sum
from kho_tui.analysis.checks.answer import Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.facet import Judging, no_losses, no_names
from kho_tui.analysis.checks.rule import rule, warning
from kho_tui.errors import BudgetError, GapError, ReadError
from kho_tui.layout.struct import field_named
from kho_tui.subsystems.kho_test.content import KhoTest
from kho_tui.text import visible

_CONTENTS = "contents of the test module's folios"


@rule(
    "KHO049",
    "the test module's state is whole: magic, list, blocks, checksum",
    warning(),
    explanation="The magic; nr_folios against the list; a block of the listed order at every folio; the ones-complement sum of all contents"
    " against csum, modulo 65535. A folio without its block is an error.",
    consequence="the test module fails its restore, nothing else depends on it; a folio without its block is memory that others write to, "
    "which kernels up to 6.17 give out all the same and later ones warn of",
    source="lib/test_kho.c, kho_test_save and kho_test_restore_data (6.16 to 7.3)",
)
def test_state(evidence: Evidence, found: Found) -> None:
    """Invariant 49."""
    content = evidence.content(KHO_TEST_NAME, KhoTest, found)
    if content is None:
        return
    told = field_named(content.properties, "magic")
    magic = None if told is None else told.value
    if magic != KHO_TEST_MAGIC:
        found.broken("magic is missing" if not isinstance(magic, int) else f"magic is {magic:#x}", content.path)
    number = found.need(content.nr_folios, "nr_folios of kho_test")
    blocks = found.need(content.folio_blocks, f"folios of {content.path}")
    if number is None or blocks is None:
        return
    if len(blocks) != number:
        found.broken(f"nr_folios is {number}, the list holds {len(blocks)}", content.path)
        return
    torn = 0
    for address, order in blocks:
        if order > evidence.max_order:
            torn += 1
            found.broken(f"a folio of order {order} at {address:#x}", content.path.child("folios"), address)
        elif not evidence.is_block(found, address, order):
            torn += 1
            said = f"no block of order {order} begins at folio {address:#x}"
            found.broken(said, content.path.child("folios"), address, severity="error")
    csum = found.need(content.csum, "csum of kho_test")
    if csum is None or torn:
        return
    total = _sum(evidence, blocks, found)
    if total is not None and total != csum % 0xFFFF:
        found.broken(f"the contents add up to {total:#x}, csum is {csum % 0xFFFF:#x} (modulo 65535)", content.path)


def _sum(evidence: Evidence, blocks: list[tuple[int, int]], found: Found) -> int | None:
    """The 16-bit words of all folios, added modulo 65535; None where some of them are not at hand."""
    if evidence.held is None:
        found.lack(_CONTENTS, f"no memory {evidence.here}")
        return None
    if evidence.side.name == "in":
        found.lack(_CONTENTS, "the running kernel gives them back once the test module has restored them")
        return None
    held = evidence.held
    for address, order in blocks:
        size = evidence.page_size << order
        if (there := held.available(address, size)) < size:
            found.lack(_CONTENTS, evidence.why_absent(address + there))
            return None

    def contents() -> Iterator[bytes]:
        for at, size in checksum_chunks((address, evidence.page_size << order) for address, order in blocks):
            evidence.context.step("adding up the test module's folios")
            evidence.context.spend_read(size)
            yield held.read(at, size)

    try:
        return folio_sum(contents(), evidence.state.machine.platform.byte_order)
    except (BudgetError, GapError, ReadError) as problem:
        found.lack(_CONTENTS, visible(str(problem)))
        return None


JUDGING = Judging(rules=(test_state,), names=no_names, losses=no_losses, taken_back=True)
