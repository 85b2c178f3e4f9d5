"""A release that renames what KHO shows and is told by, and a subtree with a text of its own in the log, declared here: no edit elsewhere.

The simulator writes a kernel of 9.9 by that release's names; a capture is read by the names of every release that is known.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from captures import copy_of, sample

from kho_tui.abi.format import Family, Format, Formats
from kho_tui.analysis.checks.facet import Judging
from kho_tui.analysis.diff.facet import Diffing
from kho_tui.analysis.receiver.facet import Receiving
from kho_tui.capture.facet import LogText, Naming
from kho_tui.context import Context
from kho_tui.decode.facet import Decoding, SubtreeBlob, no_struct
from kho_tui.decode.reader import Reader
from kho_tui.encode.facet import Encoding
from kho_tui.model.facts import Missing, Unavailable
from kho_tui.model.registry import Declaration, Registry
from kho_tui.model.state import State
from kho_tui.operations.open_state import open_state
from kho_tui.operations.simulate import run_scenario
from kho_tui.releases.cmdline import Explicit, Scaled, read_cmdline
from kho_tui.releases.names import Names
from kho_tui.releases.ranges import Range
from kho_tui.simulator.facet import Simulating
from kho_tui.simulator.faults.facet import Breaking
from kho_tui.subsystems.registry import builtin
from kho_tui.text import SafeText

from .release import NAMES

RENAMED = [(getattr(Names(), field), name) for field, name in NAMES.items()]
NEXT = builtin().releases.newest.next("9.9", names=NAMES)

SCENARIO = """
[machine]
arch = "aarch64"
low_limit = "4G"
[[machine.node]]
memory = [["1G", "4G"]]
[kernel]
release = "9.9"
cmdline = "kho=on liveupdate=on kho_bootmem=64M,32M,32M"
seed = 1
[[step]]
do = "session"
name = "vm"
[[step]]
do = "kexec"
"""


def _decode(reader: Reader, blob: SubtreeBlob) -> Missing:
    return Unavailable(SafeText("made up"))


PCI: Declaration[Formats[Format]] = Declaration(
    family=Family("subtree", b"pci", Formats(())),
    formats=Formats((Format(compatible=b"pci-v1", written=Range("9.9")),)),
    facets={
        Naming: lambda: Naming(
            words=(b"pci_luo",),
            texts=(LogText("subtree-failed", "in", rb"pci_luo: no state of device (\S+)"),),
            rest=(LogText("pci", None, rb"pci_luo: "),),
            functions=(b"pci_luo_",),
            restoring=(b"pci_luo_retrieve",),
        ),
        Decoding: lambda: Decoding(
            decode=_decode,
            recognises=lambda data, compatible: False,
            first_words=(),
            struct_head=no_struct,
            least=lambda registry, data: 0,
            stays=lambda registry, version: True,
            bytes_fixed=True,
            counted=None,
            owns_memory=False,
            is_fdt=True,
        ),
    },
    without=dict.fromkeys((Encoding, Receiving, Judging, Diffing, Simulating, Breaking), "not asked in these tests"),
)


@cache
def future() -> Registry:
    """All that is known, and what this file declares."""
    return builtin().plus(releases=[NEXT])


def _read(path: Path, registry: Registry) -> State:
    with open_state(path, Context(), registry=registry) as opened:
        return opened.state


def _areas(state: State) -> list[tuple[int, int]]:
    assert not isinstance(state.scratch, Missing)
    return [(area.start, area.size) for area in state.scratch.areas]


def _subtrees(state: State) -> dict[str, list[bytes]]:
    return {name: [subtree.name for subtree in side.subtrees] for name, side in state.sides.items()}


def _told(state: State) -> list[tuple[int, int]]:
    return [(record.integer("address"), record.integer("size")) for record in state.machine.boot]


def _renamed(path: Path) -> Path:
    """The capture with the names of 9.9 instead of its own."""
    for old, new in RENAMED:
        for file in list(path.rglob(old)):
            file.rename(file.with_name(new))
    return path


def test_a_kernel_of_it_is_written_and_read_by_its_names(tmp_path: Path) -> None:
    (tmp_path / "story.toml").write_text(SCENARIO)
    run_scenario(tmp_path / "story.toml", tmp_path / "run", Context(), registry=future())
    post = tmp_path / "run" / "1-post"
    files = {str(path.relative_to(post)) for path in post.rglob("*") if path.is_file()}
    assert files >= {
        "kho/out/bootmem_phys",
        "kho/out/bootmem_len",
        "kho/in/subtrees/LUO",
        "dt-chosen/linux,kho-fdt",
        "dt-chosen/linux,kho-bootmem",
    }
    assert not [name for name in files for old, _ in RENAMED if old in name]
    state = _read(post, future())
    areas = _areas(state)
    assert [size >> 20 for _, size in areas] == [64, 32, 32] and not isinstance(state.scratch, Missing)
    assert state.scratch.source == "kho/out/bootmem_phys, bootmem_len"
    assert b"LUO" in _subtrees(state)["in"]
    assert len(_told(state)) == 2 and _told(state)[1][1] == 16 * len(areas)
    assert not [finding for finding in state.findings if finding.severity != "info"]


@pytest.mark.parametrize("name", ["x86_64-7.3/1-post", "x86_64-6.18/1-pre", "arm64-64k-7.3/1-pre"])
def test_a_capture_is_read_by_the_names_that_it_has(tmp_path: Path, name: str) -> None:
    expected = _read(sample(name), builtin())
    copy_of(sample(name), tmp_path / "copy")
    for path in (sample(name), _renamed(tmp_path / "copy")):
        state = _read(path, future())
        assert _areas(state) == _areas(expected) and _subtrees(state) == _subtrees(expected)
        assert [finding.code for finding in state.findings] == [finding.code for finding in expected.findings]


def test_a_part_of_a_capture_is_known_by_them(tmp_path: Path) -> None:
    copy_of(sample("x86_64-7.3/1-post"), tmp_path / "copy")
    out = _renamed(tmp_path / "copy") / "kho" / "out"
    areas = _areas(_read(sample("x86_64-7.3/1-post"), builtin()))
    assert _areas(_read(out / "bootmem_len", future())) == areas
    assert _areas(_read(out, future())) == areas
    assert list(_read(out / "subtrees" / "LUO", future()).sides) == ["out"]


def test_the_command_line_is_read_by_the_word_of_the_release() -> None:
    line = read_cmdline("kho_bootmem=1M,2M,3M kho_scratch=4M,5M,6M")
    known = future().releases
    assert line.options(NEXT, known).scratch == Explicit(1 << 20, 2 << 20, 3 << 20)
    assert line.options(builtin().releases.newest, known).scratch == Explicit(4 << 20, 5 << 20, 6 << 20)
    assert read_cmdline("kho_scratch=4M,5M,6M").options(NEXT, known).scratch == Scaled()


def test_lines_of_the_log_are_evidence_of_what_is_declared(tmp_path: Path) -> None:
    copy_of(sample("x86_64-7.3/1-post"), tmp_path / "copy")
    log = tmp_path / "copy" / "dmesg"
    before = _read(tmp_path / "copy", future()).log
    with log.open("ab") as stream:
        stream.write(b"<3>[    2.0] pci_luo: no state of device 0000:00:03.0\n<6>[    2.1] pci_luo: something new\n")
        stream.write(b"<4>[    2.2] WARNING: CPU: 0 PID: 1 at drivers/pci/luo.c:7 pci_luo_retrieve_bus+0x1/0x2\n")
    more = _read(tmp_path / "copy", builtin().plus(PCI, releases=[NEXT])).log[len(before) :]
    assert [(line.kind, line.side, line.subject) for line in more] == [
        ("subtree-failed", "in", b"0000:00:03.0"),
        ("pci", None, None),
        ("restore-failed", "in", None),
    ]
