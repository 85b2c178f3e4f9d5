"""Scenario files that ask for too much: one line that says what, never a traceback, a hang or all of the memory."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from captures import copy_of, sample
from operations.test_simulate import SMALL, scenario_file

from kho_tui.context import Context
from kho_tui.errors import Cancelled, InputError
from kho_tui.model.facts import Missing
from kho_tui.operations.open_state import open_state
from kho_tui.operations.simulate import run_scenario
from kho_tui.simulator.contents import FilledMemory, Literal
from kho_tui.views.cli.main import run


def kernel(lines: str) -> str:
    return SMALL.replace("seed = 1\n", f"seed = 1\n{lines}\n")


def memfd(lines: str) -> str:
    return SMALL.replace('size = "64K"\n', f"{lines}\n")


def step(lines: str) -> str:
    return SMALL.replace('[[step]]\ndo = "kexec"\n', f'[[step]]\n{lines}\n[[step]]\ndo = "kexec"\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(kernel(f"test_orders = [{'9' * 5000}]"), "too long", id="digits"),
        pytest.param(kernel(f'test = "{"9" * 5000}"'), "toml:9: test: 16 EiB", id="digits-in-text"),
        pytest.param(kernel('test = "16E"'), "toml:9: test: 16 EiB of folios are more than 64 GiB", id="test-folios"),
        pytest.param(kernel(f"test_orders = [{'0,' * 200_000}]"), "toml:9: test_orders: 200000 orders", id="test-orders"),
        pytest.param(memfd('size = "15E"'), "toml:12: step 2 (memfd): alloc_pages: -ENOMEM", id="memfd"),
        pytest.param(memfd('size = "1T"\norder = 18'), "toml:12: step 2 (memfd): alloc_pages: -ENOMEM", id="memfd-of-gigabytes"),
        pytest.param(memfd('size = "4K"\ncount = 3').replace("token = 1", 'token = "0xffffffffffffffff"'), "they are u64", id="tokens"),
        pytest.param(step('do = "guests"\ncount = 1000000\nsize = "1E"'), "alloc_pages: -ENOMEM", id="guests"),
        pytest.param(step('do = "pages"\naddress = 0\npages = "0x7ffffffffffff"'), "touches scratch", id="pages"),
        pytest.param("x = " + "[" * 100_000, "nested too deeply", id="depth"),
        pytest.param("a" + ".a" * 100_000 + " = 1", "a key of 64 parts", id="dots"),
        pytest.param("x = {" + '"a" . ' * 100_000 + "a = 1}", "a key of 64 parts", id="dots-in-line"),
        pytest.param(kernel("\n".join(f"k{number} = 1" for number in range(100_000))), "toml:9: k0: unknown", id="keys"),
    ],
)
def test_too_much_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run_scenario(scenario_file(tmp_path, text), tmp_path / "run", Context())
    assert said in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", ["performing steps", "preserving files", "making x{}"])
def test_a_long_run_tells_how_far_it_is_and_can_be_stopped(what: str, tmp_path: Path) -> None:
    text = memfd("size = 1\ncount = 100000").replace("[[step]]", '[[step]]\ndo = "session"\nname = "x{}"\ncount = 100\n[[step]]', 1)
    context = Context()
    told: list[str] = []

    def report(step: str, _done: int, _total: int | None, _unit: str) -> None:
        told.append(step)
        if step == what:
            context.cancelled.set()

    context.progress = report
    with pytest.raises(Cancelled):
        run_scenario(scenario_file(tmp_path, text), tmp_path / "run", context)
    assert told[-1] == what and not (tmp_path / "run").exists()


def test_what_was_filled_last_counts_also_when_asked_in_between() -> None:
    import numpy as np

    memory = FilledMemory(4096)
    assert memory.contents_at(0x1000) is None
    first, second = Literal(b"first"), Literal(b"second")
    one, two = np.array([0x3000, 0x1000], np.uint64), np.array([0x1000], np.uint64)
    memory.fill(one, one * 0 + np.uint64(4096), one * 0, first)
    assert memory.contents_at(0x1000) is first and memory.contents_at(0x2000) is None
    memory.fill(two, two * 0 + np.uint64(4096), two * 0, second)
    assert memory.contents_at(0x1000) is second and memory.contents_at(0x3000) is first
    memory.empty(second)
    assert memory.contents_at(0x1000) is first


def test_a_root_FDT_in_the_last_page_there_is_can_be_kexeced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program header that was damaged put it there."""
    copy_of(sample("x86_64-7.1/1-pre"), tmp_path / "pre")
    with open_state(tmp_path / "pre", Context()) as opened:
        root = opened.state.sides["out"].root
        assert not isinstance(root, Missing) and isinstance(root.phys, int)
        address = root.phys
    core = bytearray((tmp_path / "pre/memory.elf").read_bytes())
    (segments,) = struct.unpack_from("<H", core, 56)
    physical = [64 + 56 * number + 24 for number in range(segments)]
    (at,) = (at for at in physical if struct.unpack_from("<Q", core, at) == (address,))
    struct.pack_into("<Q", core, at, (1 << 64) - 4096)
    (tmp_path / "pre/memory.elf").write_bytes(core)
    assert run(["sim", "kexec", str(tmp_path / "pre"), "-o", str(tmp_path / "out")]) in (1, 2)
    assert "internal error" not in capsys.readouterr().err
