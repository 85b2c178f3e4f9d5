"""Faults of the test module: KHO049."""

from __future__ import annotations

from kho_tui.abi.test_kho import KHO_TEST_NAME
from kho_tui.layout.struct import field_named
from kho_tui.simulator.faults.case import Case, DoesNotApply, need
from kho_tui.simulator.faults.facet import Breaking
from kho_tui.simulator.faults.fault import Fault, fault
from kho_tui.simulator.faults.find import write_value
from kho_tui.subsystems.kho_test.content import KhoTest


def _test(case: Case) -> KhoTest:
    content = case.subtree(KHO_TEST_NAME).content
    if not isinstance(content, KhoTest):
        raise DoesNotApply("the test module's state could not be decoded")
    return content


def _test_integer(case: Case, name: str, delta: int) -> None:
    test = _test(case)
    found = field_named(test.properties, name)
    if found is None or not isinstance(found.value, int):
        raise DoesNotApply(f"the test module's state has no {name}")
    write_value(case, test.properties, name, ((found.value + delta) % (1 << 32)).to_bytes(4, case.state.machine.platform.byte_order))


def _test_magic(case: Case) -> None:
    _test_integer(case, "magic", 1)


def _test_more(case: Case) -> None:
    _test_integer(case, "nr_folios", 1)


def _test_folios(case: Case) -> list[tuple[int, int]]:
    return need(_test(case).folio_blocks)


def _test_sum(case: Case) -> None:
    for at, order in _test_folios(case):
        if case.image.available(at, case.page_size << order) < case.page_size << order:
            raise DoesNotApply("the contents of the test folios are not in this capture, and only they show the sum to be wrong")
    _test_integer(case, "csum", 1)


def _test_not_preserved(case: Case) -> None:
    case.forget(*_test_folios(case)[0])


_FAULTS: tuple[Fault, ...] = (
    fault("test-magic", "KHO049", "the test module's magic is wrong", _test_magic, "118"),
    fault("test-more-folios", "KHO049", "the test module claims one folio more than its list has", _test_more, "33 34 48 106"),
    fault("test-sum", "KHO049", "the sum over the test folios is wrong", _test_sum),
    fault("test-folio-not-preserved", "KHO049", "a test folio is not preserved", _test_not_preserved),
)

BREAKING = Breaking(faults=_FAULTS)
