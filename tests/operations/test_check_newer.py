"""A state that is newer than what is known here: rules that need the format are unknown, nothing is called wrong for being new."""

from __future__ import annotations

from pathlib import Path

import pytest
from altered import altered
from captures import sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.context import Context
from kho_tui.model.state import Root
from kho_tui.operations.check_state import Checked, check_state
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"


def checked(path: Path) -> Checked:
    with open_state(path, Context()) as opened:
        return check_state(opened, Context(), side="out")


def of_release(name: str, uname: str, tmp_path: Path) -> Path:
    """A capture whose running kernel is of another release."""
    copy = altered(sample(name), tmp_path / "state")
    text = (copy / "version").read_text()
    (copy / "version").write_text(text.replace(text.split()[2], uname))
    (copy / "dmesg").unlink(missing_ok=True)
    return copy


def errors(found: Checked) -> dict[str, list[str]]:
    return {one.code: [str(case.message) for case in one.cases] for one in found.report.of(Answer.BROKEN) if one.severity == "error"}


def unknown(found: Checked) -> set[str]:
    return {one.code for one in found.report.untold}


@pytest.mark.parametrize(
    ("name", "needed", "exits"),
    [
        ("kho-v5", {"KHO005", "KHO007", "KHO012", "KHO017", "KHO018", "KHO021"}, (2, 2)),
        ("fut-luo6-74", {"KHO005", "KHO039", "KHO041", "KHO042", "KHO043", "KHO045", "KHO136"}, (2, 2)),
        ("fut-memfd3-74", {"KHO005", "KHO043", "KHO045"}, (0, 2)),
    ],
)
def test_a_format_of_a_newer_kernel_is_unknown_and_no_error(name: str, needed: set[str], exits: tuple[int, int]) -> None:
    if not CASES.exists():
        pytest.skip("../shared/cases is not there")
    found = checked(CASES / name)
    assert errors(found) == {} and needed <= unknown(found)
    said = " ".join(one.consequence for one in found.report.of(Answer.BROKEN))
    assert "panics" not in said and "refuses" not in said
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == exits


def test_a_newer_kernel_with_formats_that_are_known_is_checked_by_them(tmp_path: Path) -> None:
    found = checked(of_release("x86_64-7.3/1-pre", "7.9.1", tmp_path))
    assert errors(found) == {} and {"KHO005", "KHO027", "KHO147"} <= unknown(found)
    assert {"KHO021", "KHO041", "KHO045"} <= {one.code for one in found.report.of(Answer.HOLDS)}
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == (0, 2)


@pytest.mark.parametrize("fault", ["root-version", "luo-version", "handler-unknown", "metadata-version"])
def test_a_version_that_is_not_known_is_no_error_where_a_newer_kernel_wrote_it(fault: str, tmp_path: Path) -> None:
    fault_capture(sample("x86_64-7.3/1-pre"), fault, tmp_path / "broken", Context())
    old = checked(tmp_path / "broken")
    copy = tmp_path / "broken"
    (copy / "version").write_text((copy / "version").read_text().replace("7.3.4", "7.9.1"))
    new = checked(copy)
    primary = {"root-version": "KHO005", "luo-version": "KHO039", "handler-unknown": "KHO043", "metadata-version": "KHO036"}[fault]
    assert primary in {one.code for one in old.report.of(Answer.BROKEN)}
    assert primary in unknown(new) and errors(new) == {}


def test_one_known_version_among_others_is_enough(tmp_path: Path) -> None:
    """Two strings, of which 7.3.4 took the second: fdt_node_check_compatible looks for membership."""
    if not CASES.exists():
        pytest.skip("../shared/cases is not there")
    path = CASES / "root_list_v5_v4.tar.xz"
    with open_state(path, Context()) as opened:
        root = opened.state.sides["out"].root
        assert isinstance(root, Root) and root.compatible == b"kho-v4"
    found = checked(path)
    assert errors(found) == {} and found.exit_code(strict=True) == 0
