"""Checking opened states: the exit codes of a gate, what is said of one state beside the next, and that nothing is passed over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from altered import altered
from captures import SHARED, sample

from kho_tui.analysis.checks.answer import Answer
from kho_tui.analysis.checks.report import Result
from kho_tui.analysis.unowned import owner_gap
from kho_tui.context import Context
from kho_tui.errors import Cancelled, InputError
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.facts import known
from kho_tui.model.gaps import not_read
from kho_tui.model.tracker import PreservedMap, RadixTree
from kho_tui.operations.check_state import Checked, check_state
from kho_tui.operations.fault_capture import fault_capture
from kho_tui.operations.open_state import open_state
from kho_tui.views.cli.main import run


def checked(path: Path, after: Path | None = None, **options: object) -> Checked:
    with open_state(path, Context()) as opened:
        if after is None:
            return check_state(opened, Context(), **options)  # type: ignore[arg-type]
        with open_state(after, Context()) as later:
            return check_state(opened, Context(), after=later.state, **options)  # type: ignore[arg-type]


def of(found: Checked, code: str) -> Result:
    (one,) = [one for one in found.report.results if one.code == code]
    return one


def writable_copy(name: str, to: Path) -> Path:
    shutil.copytree(sample(name), to, copy_function=shutil.copy)
    for path in (to, *to.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return to


def test_a_sound_state_passes_the_gate() -> None:
    found = checked(sample("x86_64-7.3/2-pre"))
    assert found.report.verdict == "nothing wrong found"
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == (0, 0)
    cost = found.report.cost
    assert isinstance(cost.keys, int) and isinstance(cost.tracker_pages, int) and cost.keys > 0 and cost.tracker_pages > 0
    assert (cost.sessions, cost.files, cost.bound) == (2, 2, "")


def test_the_contents_of_the_test_folios_that_nobody_captured_are_named() -> None:
    found = checked(sample("x86_64-7.3/1-pre"))
    assert found.report.verdict == "nothing wrong found; 1 rule cannot be told: contents of the test module's folios: not in this capture"
    assert found.exit_code(strict=True) == 0, "a rule of severity warning does not close the gate"


@pytest.mark.parametrize("pair", [("x86_64-7.3/1-pre", "x86_64-7.3/1-post"), ("x86_64-6.19/1-pre", "x86_64-6.19/1-post")])
def test_what_arrived_is_what_was_handed_out(pair: tuple[str, str]) -> None:
    found = checked(sample(pair[0]), sample(pair[1]))
    assert {code: of(found, code).answer for code in ("KHO030", "KHO036", "KHO039", "KHO050", "KHO138")} == {
        "KHO030": Answer.HOLDS,
        "KHO036": Answer.HOLDS if "7.3" in pair[0] else Answer.NOT_ASKED,
        "KHO039": Answer.HOLDS,
        "KHO050": Answer.HOLDS,
        "KHO138": Answer.HOLDS,
    }
    assert found.exit_code(strict=True) == 0


def test_a_state_that_is_not_the_next_one_does_not_pass_for_it() -> None:
    found = checked(sample("x86_64-7.3/1-pre"), sample("x86_64-7.3/2-post"))
    assert of(found, "KHO050").answer is Answer.BROKEN
    assert "out/kho_test" in [str(case.where) for case in of(found, "KHO138").cases]
    assert of(found, "KHO039").answer is Answer.CANNOT_TELL, "the number that it hands out is not that of the next kernel"
    assert found.exit_code(strict=False) == 2


@pytest.mark.shared
def test_an_upgrade_that_was_refused_is_a_loss_and_nothing_else_is_blamed() -> None:
    upgrade = SHARED / "upgrades/7.1-to-7.3"
    found = checked(upgrade / "1-pre", upgrade / "1-post")
    errors = [one for one in found.report.of(Answer.BROKEN) if one.severity == "error"]
    assert [one.code for one in errors] == ["KHO050"]
    assert "did not take it" in errors[0].cases[0].message and "incompatible with 'kho-v4'" in errors[0].cases[0].message
    assert found.exit_code(strict=False) == 1


def test_debugfs_alone_is_not_checked(tmp_path: Path) -> None:
    copy = writable_copy("x86_64-7.3/1-pre", tmp_path / "copy")
    (copy / "memory.elf").unlink()
    found = checked(copy)
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == (2, 2)
    assert {"KHO011", "KHO012", "KHO020", "KHO021", "KHO022", "KHO041", "KHO045", "KHO048"} <= {one.code for one in found.report.untold}
    assert "no memory in this capture" in found.report.lacking
    assert found.report.verdict.startswith("1 warning; could not check: the tracker was not read: no memory in this capture")


def test_a_tracker_node_that_is_missing_closes_the_gate_and_is_named(tmp_path: Path) -> None:
    copy = writable_copy("x86_64-7.3/1-pre", tmp_path / "copy")
    with open_state(copy, Context()) as opened:
        preserved = opened.state.sides["out"].preserved
        assert isinstance(preserved, PreservedMap) and isinstance(preserved.structure, RadixTree)
        node = int(preserved.structure.addresses[-1][-1])
        assert opened.memory is not None
        image = SparseImage(4096)
        for extent in opened.memory.extents():
            for start in range(extent.start, extent.start + extent.size, 4096):
                if start != node:
                    image.write(start, opened.memory.read(start, 4096))
    with (tmp_path / "elf").open("wb") as stream:
        write_elf_core(stream, image)
    (tmp_path / "elf").replace(copy / "memory.elf")
    found = checked(copy)
    assert (found.exit_code(strict=False), found.exit_code(strict=True)) == (2, 2)
    assert f"{node:#x}" in found.report.verdict and "nothing wrong found" not in found.report.verdict
    assert f"{node:#x}" in str(of(found, "KHO017").lacks[0].reason)
    assert of(found, "KHO011").answer in (Answer.CANNOT_TELL, Answer.HOLDS)
    assert of(found, "KHO021").answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("name", ["x86_64-7.3/1-pre", "x86_64-6.18/1-pre"])
def test_whichever_page_of_a_state_was_not_read_it_is_no_pass(name: str, tmp_path: Path) -> None:
    """A node or bitmap of the tracker, a blob, sessions, files, FLBs, page lists: all count alike. What lies in no page counts not."""
    with open_state(sample(name), Context()) as opened:
        assert opened.memory is not None
        pages = [page for extent in opened.memory.extents() for page in range(extent.start, extent.start + extent.size, 4096)]
    for page in pages[::4]:
        found = checked(altered(sample(name), tmp_path / hex(page), without=[page]))
        assert (found.report.broken["error"], found.exit_code(strict=False)) == (0, 2), hex(page)
        assert "could not check: " in found.report.verdict and "nothing wrong found" not in found.report.verdict


@pytest.mark.parametrize("files", [("scratch_phys",), ("scratch_len",), ("scratch_phys", "scratch_len")], ids="+".join)
@pytest.mark.parametrize("way", ["cut", "gone", "empty"])
def test_a_scratch_table_that_was_not_read_whole_is_no_pass(files: tuple[str, ...], way: str, tmp_path: Path) -> None:
    """The lines that are missing may be those of the area in which memory is preserved."""
    copy = writable_copy("x86_64-7.3/1-pre", tmp_path / "copy")
    for name in files:
        path = copy / "kho/out" / name
        if way == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1] if way == "cut" else b"")
    found = checked(copy)
    assert (found.report.broken["error"], found.exit_code(strict=False)) == (0, 2)
    assert "could not check: not all of the state was read: scratch table: " in found.report.verdict


def test_memory_alone_need_not_show_the_scratch_table(tmp_path: Path) -> None:
    copy = writable_copy("x86_64-7.3/1-pre", tmp_path / "copy")
    shutil.rmtree(copy / "kho")
    found = checked(copy)
    assert found.exit_code(strict=False) == 0 and "scratch table" in {lack.name for one in found.report.untold for lack in one.lacks}


@pytest.mark.parametrize("debugfs", [("kexec-metadata",), ("kexec-metadata", "LUO")], ids="+".join)
def test_a_blob_that_names_no_memory_was_to_be_read_too(debugfs: tuple[str, ...], tmp_path: Path) -> None:
    """Nobody's memory is in doubt for it, yet the next kernel reads it."""
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened:
        named = next(one for one in opened.state.sides["out"].subtrees if one.name == b"kexec-metadata")
        page = known(named.phys)
        assert page is not None
    copy = altered(sample("x86_64-7.3/1-pre"), tmp_path / "copy", without=[page & -4096])
    for name in debugfs:
        (copy / "kho/out/sub_fdts" / name).unlink()
    with open_state(copy, Context()) as opened:
        side = opened.state.sides["out"]
        assert [gap.path.text for gap in not_read(side)] == ["out/kexec-metadata"] and owner_gap(side) is None
    found = checked(copy)
    assert (found.report.broken["error"], found.exit_code(strict=False)) == (0, 2)
    assert f"not all of the state was read: out/kexec-metadata: not in this capture: memory at {page:#x}" in found.report.verdict


def test_memory_cut_short_closes_the_gate(tmp_path: Path) -> None:
    copy = writable_copy("x86_64-7.3/1-pre", tmp_path / "copy")
    core = copy / "memory.elf"
    core.write_bytes(core.read_bytes()[: core.stat().st_size // 2])
    found = checked(copy)
    assert found.exit_code(strict=True) == 2
    assert "tracker" in {lack.name for one in found.report.untold for lack in one.lacks}


def test_a_scratch_table_alone_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    table = tmp_path / "scratch"
    table.write_bytes(b"".join(value.to_bytes(8, "little") for value in (1 << 30, 64 << 20, 1 << 30, 64 << 20, 2 << 30, 64 << 20)))
    found = checked(table)
    assert of(found, "KHO028").answer is Answer.BROKEN, "two areas are the same memory"
    assert found.exit_code(strict=False) == 1


def test_nothing_to_check_is_no_pass(tmp_path: Path) -> None:
    image = SparseImage(4096)
    image.write(1 << 20, bytes(4096))
    with (tmp_path / "core").open("wb") as stream:
        write_elf_core(stream, image)
    found = checked(tmp_path / "core")
    assert found.report.verdict.startswith("nothing could be checked")
    assert found.exit_code(strict=False) == 2


def test_one_rule_alone_and_one_left_out() -> None:
    assert [one.code for one in checked(sample("x86_64-7.3/1-pre"), only=("KHO021",)).report.results] == ["KHO021"]
    skipped = checked(sample("x86_64-7.3/1-pre"), skip=("KHO134", "KHO109")).report
    assert not {"KHO134", "KHO109"} & {one.code for one in skipped.results}
    with pytest.raises(InputError, match="KHO999"):
        checked(sample("x86_64-7.3/1-pre"), only=("KHO999",))
    with pytest.raises(InputError, match="no side 'in'"):
        checked(sample("x86_64-7.3/1-pre"), side="in")


def test_a_cancel_ends_it() -> None:
    context = Context()
    context.cancelled.set()
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as opened, pytest.raises(Cancelled):
        check_state(opened, context)


FOREIGN = [
    ("x86_64-7.3/1-pre", "x86_64-7.1/1-post", "B's root FDT is at"),
    ("x86_64-7.3/1-pre", "x86_64-7.3/2-post", "B's root FDT is at"),
    ("x86_64-7.3/2-pre", "x86_64-7.3/1-post", "two states of one boot"),
    ("x86_64-7.3/1-pre", "arm64-64k-7.3/1-post", "is of arm64"),
    ("x86_64-7.3/1-pre", "upgrades/7.1-to-7.3/1-post", "B refused a handover, but B's root FDT is at"),
]


@pytest.mark.parametrize(("before", "after", "why"), FOREIGN, ids=[after for _, after, _ in FOREIGN])
def test_a_state_that_is_not_the_one_after_this_kexec_is_no_evidence(before: str, after: str, why: str) -> None:
    paths = [root / after for root in (sample(""), SHARED) if (root / after).is_dir()]
    if not paths:
        pytest.skip("../shared/captures is not there")
    found = checked(sample(before), paths[0])
    assert why in found.not_after and found.exit_code(strict=False) == 2
    assert {of(found, code).answer for code in ("KHO030", "KHO036", "KHO039")} == {Answer.CANNOT_TELL}
    taken = "refused" not in why
    assert of(found, "KHO050").answer is (Answer.BROKEN if taken else Answer.CANNOT_TELL), "what was taken is not what was handed out"


@pytest.mark.parametrize("name", ["x86_64-7.3/1", "x86_64-6.19/1"])
def test_a_live_update_number_that_is_wrong_makes_nobody_panic(name: str, tmp_path: Path) -> None:
    fault_capture(sample(f"{name}-post"), "luo-number", tmp_path / "post", Context())
    found = checked(sample(f"{name}-pre"), tmp_path / "post")
    assert not found.not_after
    number = of(found, "KHO039")
    assert number.answer is Answer.BROKEN and number.consequence == "live updates are only miscounted"


def test_of_an_anomaly_asked_for_by_name_it_is_said_that_it_was_not_met() -> None:
    found = checked(sample("x86_64-7.3/1-pre"), only=("KHO101",))
    assert of(found, "KHO101").answer is Answer.HOLDS
    assert (found.report.verdict, found.exit_code(strict=True)) == ("nothing wrong found", 0)
    met = checked(sample("x86_64-7.3/1-pre"), only=("KHO102",))
    assert of(met, "KHO102").answer is Answer.HOLDS and met.exit_code(strict=False) == 0


def test_where_there_is_nothing_to_decode_an_anomaly_that_was_not_met_says_nothing(tmp_path: Path) -> None:
    image = SparseImage(4096)
    image.write(0, bytes(4096))
    folder = writable_copy("x86_64-7.3/1-pre", tmp_path / "state")
    shutil.rmtree(folder / "kho/out/sub_fdts")
    (folder / "kho/out/fdt").unlink()
    with (folder / "memory.elf").open("wb") as stream:
        write_elf_core(stream, image)
    found = checked(folder, only=("KHO101",))
    assert of(found, "KHO101").answer is Answer.CANNOT_TELL and found.exit_code(strict=False) == 2


def test_a_state_is_not_the_one_after_its_own_kexec() -> None:
    state = sample("x86_64-7.3/1-pre")
    assert run(["check", str(state), "--after", str(state)]) == 2


def test_an_oops_where_sessions_are_restored_is_a_loss(tmp_path: Path) -> None:
    """As 7.3 booted: kho_block_set_restore of the first open of /dev/liveupdate."""
    post = writable_copy("x86_64-7.3/1-post", tmp_path / "post")
    with (post / "dmesg").open("ab") as stream:
        stream.write(b"<4>[    1.511563] Oops: Oops: 0000 [#1] SMP\n<4>[    1.512122] RIP: 0010:kho_block_set_restore+0x5a/0x100\n")
    assert run(["check", str(sample("x86_64-7.3/1-pre")), "--after", str(post)]) == 1
    assert run(["diff", str(sample("x86_64-7.3/1-pre")), str(post)]) == 1


def test_without_a_log_it_cannot_be_told_whether_all_arrived(tmp_path: Path) -> None:
    post = writable_copy("x86_64-7.3/1-post", tmp_path / "post")
    (post / "dmesg").unlink()
    with open_state(sample("x86_64-7.3/1-pre"), Context()) as before, open_state(post, Context()) as after:
        found = check_state(before, Context(), after=after.state)
    assert "KHO140" in {result.code for result in found.report.untold} and found.exit_code(strict=True) == 2
