"""Same future: a kexec on each real N-pre shows what the real N-post showed, but for what is declared unpredictable."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from captures import SHARED, copy_of

from kho_tui.abi.luo import LUO_SER
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.context import Context
from kho_tui.fdt.tree import parse_fdt
from kho_tui.model.facts import Missing
from kho_tui.operations.diff_states import diff_states
from kho_tui.operations.kexec_capture import Kexeced, kexec_capture
from kho_tui.operations.open_state import open_state

pytestmark = pytest.mark.shared

CAPTURES = ("x86_64-6.18", "x86_64-6.19", "x86_64-7.1", "x86_64-7.3", "arm64-64k-7.3")
UPGRADES = {"upgrades/6.18-to-6.19": "6.19.11", "upgrades/7.1-to-7.3": "7.3.4"}
KEXECS: list[tuple[str, str | None]] = [(f"{name}/{number}", None) for name in CAPTURES for number in (1, 2)]
KEXECS += [("upgrades/6.18-to-6.19/1", UPGRADES["upgrades/6.18-to-6.19"])]

GIVEN_BACK = "kho/in/sub_fdts/LUO"
"""Recycled memory from 7.2 on."""
NEW_TEST, NEW_LUO = "kho/out/sub_fdts/kho_test", "kho/out/sub_fdts/LUO"
"""Random contents; addresses of new allocations."""


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Kexeced, Path]]:
    """Each kexec once."""
    done: dict[str, tuple[Kexeced, Path]] = {}
    for name, release in [*KEXECS, ("upgrades/7.1-to-7.3/1", UPGRADES["upgrades/7.1-to-7.3"])]:
        pre = SHARED / f"{name}-pre"
        out = tmp_path_factory.mktemp("future") / "post"
        line = (SHARED / f"{name}-post" / "cmdline").read_text().rstrip("\n")
        done[name] = kexec_capture(pre, out, Context(), release=release, cmdline=line), out
    return done


def pair(posts: dict[str, tuple[Kexeced, Path]], name: str) -> tuple[Kexeced, Path, Path]:
    result, out = posts[name]
    return result, out, SHARED / f"{name}-post"


def files(capture: Path, *folders: str) -> dict[str, bytes]:
    found = [path for folder in folders for path in (capture / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(capture)): path.read_bytes() for path in found}


@pytest.mark.parametrize("name", [name for name, _ in KEXECS])
def test_debugfs_is_that_of_the_real_kernel(posts: dict[str, tuple[Kexeced, Path]], name: str) -> None:
    result, made, real = pair(posts, name)
    assert result.reception.outcome is Outcome.TAKEN
    simulated, there = files(made, "kho"), files(real, "kho")
    assert {path: len(data) for path, data in simulated.items()} == {path: len(data) for path, data in there.items()}
    masked = {NEW_TEST, NEW_LUO} | ({GIVEN_BACK} if "7.3" in name else set())
    differing = {path for path in there if simulated[path] != there[path]}
    assert differing <= masked
    # What is masked is said to the user.
    said = " ".join(one.text for one in result.unpredictable)
    assert "addresses of what the next kernel allocates" in said
    assert "out/kho_test" in said or NEW_TEST not in there
    assert ("in/LUO" in said) == ("7.3" in name)


@pytest.mark.parametrize("name", [name for name, _ in KEXECS])
def test_the_new_luo_counts_on_and_has_no_sessions(posts: dict[str, tuple[Kexeced, Path]], name: str) -> None:
    _, made, real = pair(posts, name)
    if not (real / NEW_LUO).is_file():
        pytest.skip("no LUO")
    new, old = (made / NEW_LUO).read_bytes(), (real / NEW_LUO).read_bytes()
    if new.startswith(b"luo-v5"):
        at, _ = LUO_SER.span("flbs_pa")
        assert new[:at] == old[:at]
        assert int.from_bytes(new[16:24], "little") == 0
        return
    roots = [parse_fdt(data).root for data in (new, old)]
    numbers = [root.property(b"liveupdate-number") for root in roots if root is not None]
    assert len(numbers) == 2 and numbers[0] is not None and numbers[1] is not None and numbers[0].data == numbers[1].data
    with open_state(made, Context()) as opened:
        assert "out" in opened.state.sides


@pytest.mark.parametrize("name", [name for name, _ in KEXECS])
def test_the_boot_is_told_the_same(posts: dict[str, tuple[Kexeced, Path]], name: str) -> None:
    """Address of the FDT, address and size of the copied scratch table, and its bytes in memory."""
    _, made, real = pair(posts, name)
    folders = ("setup_data", "dt-chosen")
    simulated, there = files(made, *folders), files(real, *folders)
    assert simulated.items() <= {path: data for path, data in there.items() if path in simulated}.items()
    assert any("kho-scratch" in path or path.endswith("1/data") for path in simulated)
    with open_state(made, Context()) as one, open_state(real, Context()) as other:
        boots = [opened.sources.boot for opened in (one, other)]
        assert boots[0] is not None and boots[1] is not None and boots[0].scratch_phys is not None and boots[0].scratch_size
        assert boots[0].scratch_phys == boots[1].scratch_phys
        tables = []
        for opened in (one, other):
            assert opened.memory is not None
            if opened.memory.available(boots[0].scratch_phys, boots[0].scratch_size) == boots[0].scratch_size:
                tables.append(opened.memory.read(boots[0].scratch_phys, boots[0].scratch_size))
        assert tables and len(set(tables)) == 1


def kernel_ranges(capture: Path) -> list[tuple[int, int, str]]:
    found = re.findall(r"([0-9a-f]+)-([0-9a-f]+) : (Kernel .*)", (capture / "iomem").read_text())
    return [(int(low, 16), int(high, 16), name) for low, high, name in found]


@pytest.mark.parametrize("name", [name for name, release in KEXECS if release is None])
def test_the_kernel_loads_itself_into_scratch(posts: dict[str, tuple[Kexeced, Path]], name: str) -> None:
    """Into the same area as the real one, ranges of the same sizes."""
    result, made, real = pair(posts, name)
    ranges, there = kernel_ranges(made), kernel_ranges(real)
    assert ranges and [(high - low, what) for low, high, what in ranges] == [(high - low, what) for low, high, what in there]
    with open_state(made, Context()) as opened:
        assert not isinstance(opened.state.scratch, Missing)
        lowmem = opened.state.scratch.areas[0]
    for low, high, _ in (ranges[0], ranges[-1], there[0], there[-1]):
        assert lowmem.start <= low <= high < lowmem.start + lowmem.size
    assert ranges == there or any("where in scratch" in one.text for one in result.unpredictable)


def log(capture: Path) -> list[str]:
    lines = [re.sub(r"^<\d>\[ *[\d.]+\] ", "", line) for line in (capture / "dmesg").read_text().splitlines()]
    return [line for line in lines if re.match(r"KHO: |Revived|luo: |test_kho: |liveupdate test: ", line)]


@pytest.mark.parametrize("name", [*(name for name, _ in KEXECS), "upgrades/7.1-to-7.3/1"])
def test_the_log_says_what_the_real_one_said(posts: dict[str, tuple[Kexeced, Path]], name: str) -> None:
    _, made, real = pair(posts, name)
    assert log(made) == log(real)


def test_an_upgrade_that_is_refused_boots_cold(posts: dict[str, tuple[Kexeced, Path]]) -> None:
    result, made, real = pair(posts, "upgrades/7.1-to-7.3/1")
    assert result.reception.outcome is Outcome.IGNORED
    simulated, there = files(made, "kho", "setup_data"), files(real, "kho", "setup_data")
    assert {path: len(data) for path, data in simulated.items()} == {path: len(data) for path, data in there.items()}
    assert simulated["setup_data/1/data"] == there["setup_data/1/data"]
    assert simulated["kho/out/sub_fdts/kexec-metadata"] == there["kho/out/sub_fdts/kexec-metadata"]
    assert any("scratch" in one.text for one in result.unpredictable)
    with open_state(made, Context()) as opened:
        assert set(opened.state.sides) == {"out"}


@pytest.mark.parametrize("name", [*(name for name, _ in KEXECS), "upgrades/7.1-to-7.3/1"])
def test_whatever_differs_from_the_real_state_is_declared(posts: dict[str, tuple[Kexeced, Path]], name: str) -> None:
    """Also as the capture's own manifest says it, which is what a later comparison goes by."""
    result, made, real = pair(posts, name)
    with open_state(made, Context()) as one, open_state(real, Context()) as other:
        assert one.state.unpredictable == result.unpredictable
        for old, new in ((one.state, other.state), (other.state, one.state)):
            found = diff_states(old, new, "auto", Context())
            assert found.diff is not None and found.fates is None
            assert [(change.where.text, change.declared) for change in found.diff.changes if not change.declared] == []
            assert not found.diff.memory
            assert found.exit_code(strict=False) == 0
            assert found.verdict.startswith("as predicted, but for" if found.diff.changes else "no difference seen")
            if "7.1-to-7.3" not in name:
                assert found.not_one is not None and "two states of one boot, one of them simulated" in found.not_one.why


def test_a_difference_that_nobody_declares_is_one(posts: dict[str, tuple[Kexeced, Path]], tmp_path: Path) -> None:
    """The real kernel counts its handovers otherwise, and has another test FDT: the first was predicted, the second declared."""
    _, made, real = pair(posts, "x86_64-7.3/2")
    other = tmp_path / "post"
    copy_of(real, other)
    metadata = other / "kho/out/sub_fdts/kexec-metadata"
    data = bytearray(metadata.read_bytes())
    data[69] += 1
    metadata.write_bytes(data)
    with open_state(made, Context()) as one, open_state(other, Context()) as two:
        found = diff_states(one.state, two.state, "auto", Context())
    assert found.diff is not None
    assert [change.where.text for change in found.diff.changes if not change.declared] == ["out/kexec-metadata"]
    assert any(change.where.text == "out/kho_test" and "random" in change.declared for change in found.diff.changes)
    assert found.exit_code(strict=False) == 1
    assert "2 declared unpredictable by the simulation" in found.verdict


def out_blob(capture: Path, name: str) -> Path:
    return capture / "kho/out/sub_fdts" / name


def undeclared(made: Path, real: Path) -> list[str]:
    with open_state(made, Context()) as one, open_state(real, Context()) as two:
        found = diff_states(one.state, two.state, "auto", Context())
    assert found.diff is not None and found.exit_code(strict=False) == (not found.diff.as_predicted)
    return [change.where.text for change in found.diff.changes if not change.declared]


def replaced(path: Path, was: bytes, now: bytes) -> None:
    data = path.read_bytes()
    assert data.count(was) == 1 and len(was) == len(now)
    path.write_bytes(data.replace(was, now))


@pytest.mark.parametrize("name", ["x86_64-6.18/2", "x86_64-6.19/2", "x86_64-7.1/2", "x86_64-7.3/2"])
@pytest.mark.parametrize("of", ["start of a revived region", "magic", "null", "unaligned", "descriptor"])
def test_what_a_kernel_would_never_show_is_not_declared(posts: dict[str, tuple[Kexeced, Path]], name: str, of: str, tmp_path: Path) -> None:
    _, made, real = pair(posts, name)
    other = tmp_path / "post"
    copy_of(real, other)
    if of == "start of a revived region":
        if not out_blob(other, "memblock").is_file():
            pytest.skip("not finalized")
        replaced(out_blob(other, "memblock"), struct.pack("<Q", 0x3EE00000), struct.pack("<Q", 0x3ED00000))
        assert "out/memblock/pstore" in undeclared(made, other)
    elif of in ("magic", "descriptor"):
        test = out_blob(other, "kho_test")
        if not test.is_file():
            pytest.skip("no kho_test in this boot")
        if of == "magic":
            replaced(test, struct.pack("<I", 0x4B484F21), struct.pack("<I", 0x4B484F22))
        else:
            raw = parse_fdt(test.read_bytes())
            info = (
                None if raw.root is None else next((p for n in (raw.root, *raw.root.children) if (p := n.property(b"folios_info"))), None)
            )
            assert info is not None
            first = int.from_bytes(info.data[:8], "little")
            replaced(test, info.data, struct.pack("<Q", first + 8) + info.data[8:])
        assert "out/kho_test" in undeclared(made, other)
    else:
        luo = out_blob(other, "LUO")
        if not luo.is_file():
            pytest.skip("no LUO")
        address = luo_pointer(luo.read_bytes())
        replaced(luo, struct.pack("<Q", address), struct.pack("<Q", 0 if of == "null" else address + 8))
        assert "out/LUO" in undeclared(made, other)


def luo_pointer(data: bytes) -> int:
    if data.startswith(b"luo-v5"):
        at, size = LUO_SER.span("flbs_pa")
        return int.from_bytes(data[at : at + size], "little")
    root = parse_fdt(data).root
    assert root is not None
    node = root.child(b"luo-session")
    header = None if node is None else node.property(b"luo-session-header")
    assert header is not None
    return int.from_bytes(header.data, "little")


def test_a_subtree_that_is_gone_is_not_declared(posts: dict[str, tuple[Kexeced, Path]], tmp_path: Path) -> None:
    _, made, real = pair(posts, "x86_64-7.3/2")
    other = tmp_path / "post"
    copy_of(real, other)
    out_blob(other, "kho_test").unlink()
    assert "out/kho_test" in undeclared(made, other)
