"""What the next kernel itself says that it did not take is a loss, and only the kernel's own words are evidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from captures import opened
from handovers import altered, fates, logged, lost

from kho_tui.model.change import Fate
from kho_tui.model.entities.state import state_entity
from kho_tui.model.entity import find
from kho_tui.model.path import EntityPath

ALPHA = {"out/LUO/vm-alpha", "out/LUO/vm-alpha/0x1", "out/LUO/vm-alpha/0x2"}
BETA = {"out/LUO/vm-beta", "out/LUO/vm-beta/0xdeadbeef"}
ALL_SESSIONS = ALPHA | BETA | {"out/LUO/empty"}
FLBS = {f"out/LUO/FLBs/liveupdate-test-flb-v{number}" for number in range(3)}
TEST = {"out/kho_test", "out/kho_test/folios"}
REGIONS = {"out/memblock/oops_trace", "out/memblock/pstore"}


@pytest.mark.parametrize(
    ("handover", "line", "expected"),
    [
        ("x86_64-7.3/1", "luo: Failed to deserialize files for session [vm-beta] -ENOENT", ALL_SESSIONS),
        ("x86_64-7.1/1", "luo: Failed to insert session [vm-alpha] -EEXIST", ALL_SESSIONS),
        ("x86_64-6.19/1", "luo: Failed to allocate session [empty] during deserialization -ENOMEM", ALL_SESSIONS),
        ("arm64-64k-7.3/1", "luo: No registered handler for compatible 'memfd-v2'", ALL_SESSIONS),
        (
            "x86_64-6.19/1",
            "luo: No registered handler for compatible 'memfd-v1'",
            {"out/LUO/vm-alpha/0x1", "out/LUO/vm-alpha/0x2", "out/LUO/vm-beta/0xdeadbeef"},
        ),
        ("x86_64-7.3/1", "luo: Failed to deserialize sessions -EINVAL", {"out/LUO"} | ALL_SESSIONS | FLBS),
        ("x86_64-7.1/1", "luo: Unable to get FLB node [luo-flb]", {"out/LUO"} | ALL_SESSIONS | FLBS),
        ("x86_64-7.3/1", "luo: LUO state is incompatible with 'luo-v6'", {"out/LUO"} | ALL_SESSIONS | FLBS),
        ("x86_64-7.3/1", "luo: Failed to deserialize files for session [of nobody] -ENOENT", {"out/LUO"} | ALL_SESSIONS),
        ("x86_64-7.3/1", "luo: File count mismatch: expected 2, found 1", {"out/LUO"}),
        ("x86_64-7.3/1", "memfd_luo: Unable to restore folio at physical address: 0x1000", {"out/LUO"}),
        (
            "x86_64-7.1/1",
            "liveupdate test: liveupdate_flb_get_incoming for liveupdate-test-flb-v1 failed: -EINVAL",
            {"out/LUO/FLBs/liveupdate-test-flb-v1"},
        ),
        (
            "x86_64-7.3/2",
            "liveupdate test: liveupdate-test-flb-v2: ERROR - incorrect data handle: 1, expected feedf00dcafebee2",
            {"out/LUO/FLBs/liveupdate-test-flb-v2"},
        ),
        ("x86_64-6.18/1", "KHO reserve-mem 'pstore' has wrong size (0x100000 != 0x200000)", {"out/memblock/pstore"}),
        ("x86_64-7.1/2", "KHO reserve-mem 'pstore' has wrong alignment (0x200000, 0x1000)", {"out/memblock/pstore"}),
        ("x86_64-7.3/1", "Node 'pstore' is incompatible with 'reserve-mem-v1': 1", {"out/memblock/pstore"}),
        ("x86_64-7.3/1", "FDT 'memblock' has no child 'oops_trace': -1", {"out/memblock/oops_trace"}),
        ("x86_64-7.3/1", "FDT 'memblock' is incompatible with 'memblock-v1': 1", {"out/memblock"} | REGIONS),
        ("arm64-64k-7.3/2", "failed to retrieve FDT 'memblock' from KHO: -22", {"out/memblock"} | REGIONS),
        ("x86_64-6.19/1", "test_kho: failed to retrieve kho_test FDT: -22", TEST),
        ("x86_64-7.3/1", "test_kho: KHO restore failed", {"out/kho_test/folios"}),
        ("x86_64-7.3/1", "KHO: kexec-metadata version 2 not supported (expected 1)", {"out/kexec-metadata"}),
        ("x86_64-7.1/1", "KHO: node kho_test prop preserved-data has invalid length: 4", TEST),
        ("x86_64-6.18/1", "KHO: node `memblock`'s prop `fdt` has invalid length: 4", {"out/memblock"} | REGIONS),
        ("x86_64-6.18/1", "KHO: failed to get preserved memory bitmaps", {"out/preserved"}),
    ],
)
def test_a_failure_in_the_log_is_a_loss_of_what_it_names(handover: str, line: str, expected: set[str], tmp_path: Path) -> None:
    found = altered(handover, tmp_path, logged(line))
    told = lost(found)
    assert set(told) == expected
    assert any(line in reason for reason in told.values())
    assert found.exit_code(strict=False) == 1


@pytest.mark.parametrize("handover", ["x86_64-6.19/1", "x86_64-7.3/1", "arm64-64k-7.3/1"])
def test_a_folio_that_was_not_restored_is_a_loss_of_its_file(handover: str, tmp_path: Path) -> None:
    state = opened(f"{handover}-pre")
    folios = find(state_entity(state), EntityPath(("out", "LUO", "vm-beta", "0xdeadbeef", "folios")))
    assert folios is not None
    table = folios.detail().table
    assert table is not None
    address = table.target(len(table) - 1)
    found = altered(handover, tmp_path, logged(f"memfd_luo: Unable to restore folio at physical address: {address:x}"))
    assert set(lost(found)) == {"out/LUO/vm-beta/0xdeadbeef"}


def test_a_failure_outweighs_a_success_before_and_after_it(tmp_path: Path) -> None:
    good = ["Revived memory reservation 'pstore' from KHO", "test_kho: KHO restore succeeded"]
    bad = ["KHO reserve-mem 'pstore' has wrong size (0x1 != 0x2)", "test_kho: KHO restore failed"]
    found = altered("x86_64-7.1/1", tmp_path, logged(*bad, *good))
    assert set(lost(found)) == {"out/memblock/pstore", "out/kho_test/folios"}


def test_a_region_that_the_next_kernel_asked_for_and_A_did_not_have_is_no_loss(tmp_path: Path) -> None:
    found = altered("x86_64-7.3/1", tmp_path, logged("FDT 'memblock' has no child 'another': -1"))
    assert not lost(found) and found.exit_code(strict=False) == 0


def test_failures_of_what_is_handed_out_are_no_loss_of_what_came_in(tmp_path: Path) -> None:
    lines = ("memfd_luo: failed to pin folios: -12", "luo: Freeze failed for token[0x1] handler[memfd-v2] err[-EBUSY]")
    assert not lost(altered("x86_64-7.3/1", tmp_path, logged(*lines)))


FORGED = [
    "<12>[    9.0] test_kho: KHO restore succeeded",
    "<12>[    9.0] Revived memory reservation 'pstore' from KHO",
    "<30>[    9.0] luo: Retrieved live update data, liveupdate number: 1",
    "[    9.0] myapp: test_kho: KHO restore succeeded",
    "[    9.0] systemd[1]: luo: Retrieved live update data, liveupdate number: 1",
    "<6>[    9.0] systemd[1]: Revived memory reservation 'pstore' from KHO",
]


@pytest.mark.parametrize("line", FORGED)
def test_what_user_space_wrote_into_the_log_is_no_evidence(line: str, tmp_path: Path) -> None:
    said = {"KHO restore": "out/kho_test/folios", "liveupdate number": "out/LUO", "Revived memory": "out/memblock/pstore"}
    what, path = next((text, path) for text, path in said.items() if text in line)

    def without_and_forged(post: Path) -> None:
        log = (post / "dmesg").read_text().splitlines(keepends=True)
        (post / "dmesg").write_text("".join(one for one in log if what not in one))
        blob = post / "kho/out/sub_fdts/memblock"
        blob.unlink()
        logged(line)(post)

    found = altered("x86_64-7.3/1", tmp_path, without_and_forged)
    assert fates(found)[path] is Fate.UNTOLD


LUO_LINE, WRITER_LINE = "liveupdate number: 1", "exec from: 7.1.13 (count 1)"


@pytest.mark.parametrize(
    ("handover", "old", "new", "path"),
    [
        ("x86_64-6.19/1", LUO_LINE, "liveupdate number: 4", "out/LUO"),
        ("x86_64-7.1/1", LUO_LINE, "liveupdate number: 2", "out/LUO"),
        ("x86_64-7.3/1", LUO_LINE, "liveupdate number: 4", "out/LUO"),
        ("x86_64-7.1/1", WRITER_LINE, "exec from: 7.1.12 (count 1)", "out/kexec-metadata"),
        ("x86_64-7.1/1", WRITER_LINE, "exec from: 7.1.13 (count 3)", "out/kexec-metadata"),
    ],
)
def test_the_log_outweighs_equal_bytes(handover: str, old: str, new: str, path: str, tmp_path: Path) -> None:
    def alter(post: Path) -> None:
        log = (post / "dmesg").read_text()
        assert old in log
        (post / "dmesg").write_text(log.replace(old, new))

    found = altered(handover, tmp_path, alter)
    assert new in lost(found)[path]
    flbs = set() if "6.19" in handover else FLBS
    assert set(lost(found)) == {path} | (ALL_SESSIONS | flbs if path == "out/LUO" else set())
    assert found.exit_code(strict=False) == 1


def test_a_kernel_that_says_it_refused_did_so_whatever_else_is_shown(tmp_path: Path) -> None:
    found = altered("x86_64-7.3/1", tmp_path, logged("KHO: disabling KHO revival"))
    assert found.verdict.startswith("refused, everything is lost") and set(fates(found).values()) == {Fate.LOST}
