"""The real captures: what they hold, by hand from their files; the same in every container."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kho_tui.capture.probe import open_sources
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.errors import InputError
from kho_tui.model.facts import Unavailable, known
from kho_tui.subsystems.registry import builtin

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
pytestmark = pytest.mark.shared

# capture: (release, fdt address, fdt size, scratch table address, its size), typed from setup_data/1/data and dt-chosen.
BOOT: dict[str, tuple[str, int | None, int | None, int | None, int | None]] = {
    "x86_64-7.3/1-pre": ("7.3.4", None, None, None, None),
    "x86_64-7.3/1-post": ("7.3.4", 0x584000, 0x1000, 0x3EBF0000, 0x40),
    "arm64-64k-7.3/1-pre": ("7.3.4", None, None, None, None),
    "arm64-64k-7.3/2-pre": ("7.3.4", 0x60450000, 0x10000, 0x21FFF0000, 0x40),
    "upgrades/7.1-to-7.3/1-post": ("7.3.4", 0x20135000, 0x1000, 0x3EDF0000, 0x40),
}
ALL = ["/".join(path.parent.relative_to(CAPTURES).parts) for path in sorted(CAPTURES.rglob("version"))] if CAPTURES.is_dir() else []
SAMPLES = ["x86_64-6.18/1-pre", "x86_64-7.3/1-post", "arm64-64k-7.3/2-pre"]


def facts(sources: Sources) -> dict[str, object]:
    """What must not depend on the container."""
    sides = {
        name: side and (side.fdt and side.fdt.data, {k: v.data for k, v in side.subtrees.items()}, side.finalize)
        for name, side in (("in", sources.incoming), ("out", sources.outgoing))
    }
    memory = sources.memory
    return {
        "sides": sides,
        "scratch": sources.scratch,
        "memory": memory and [(one.start, memory.read(one.start, one.size)) for one in memory.extents()],
        "boot": sources.boot,
        "release": sources.release,
        "arch": sources.arch,
        "hints": sources.hints,
        "texts": (sources.cmdline, sources.config, sources.iomem, sources.zones, sources.memblock_memory, sources.memblock_reserved),
        "counters": (sources.meminfo, sources.node_meminfo),
        "evidence": sources.evidence,
        "files": [(file.path, file.gave) for file in sources.files],
        "absent": sources.absent,
    }


@pytest.mark.parametrize("name", ALL)
def test_every_capture_opens_without_a_complaint(name: str) -> None:
    with open_sources(CAPTURES / name, Context(), builtin()) as sources:
        assert sources.kind == "capture"
        assert sources.notes == ()
        assert sources.absent == ""
        assert sources.arch == ("arm64" if name.startswith("arm64") else "x86_64")
        assert (sources.memory is not None) == (CAPTURES / name / "memory.elf").exists()
        assert (sources.incoming is not None) == (CAPTURES / name / "kho/in").exists()
        assert sources.outgoing is not None
        page_sizes = {hint.value for hint in sources.hints if hint.what == "page_size"}
        assert page_sizes == {65536 if name.startswith("arm64") else 4096}
        assert {hint.value for hint in sources.hints if hint.what == "byte_order"} == {"little"}
        assert len(sources.node_meminfo) == 2
        assert isinstance(sources.iomem, tuple) and sources.iomem
        assert {one.node for one in sources.node_ranges(4096)} == {0, 1}


def test_there_are_captures() -> None:
    assert len(ALL) == 24


@pytest.mark.parametrize("name", BOOT)
def test_where_the_boot_was_told_to_look(name: str) -> None:
    release, *addresses = BOOT[name]
    with open_sources(CAPTURES / name, Context(), builtin()) as sources:
        assert sources.release == release
        boot = sources.boot
        found = [boot.fdt_phys, boot.fdt_size, boot.scratch_phys, boot.scratch_size] if boot else [None] * 4
        assert found == addresses


def test_cold_boot_of_6_18_is_finalized_and_has_no_incoming_side() -> None:
    with open_sources(CAPTURES / "x86_64-6.18/1-pre", Context(), builtin()) as sources:
        assert sources.incoming is None
        out = sources.outgoing
        assert out is not None and out.fdt is not None
        assert out.finalize is True
        assert len(out.fdt.data) == 236
        assert set(out.subtrees) == {b"kho_test", b"memblock"}
        config = known(sources.config)
        assert config is not None
        assert (config["CONFIG_KEXEC_HANDOVER"], config["CONFIG_PAGE_SHIFT"]) == ("y", "12")


def test_kho_boot_of_7_3_has_no_out_fdt_and_no_finalize() -> None:
    with open_sources(CAPTURES / "x86_64-7.3/1-post", Context(), builtin()) as sources:
        assert sources.outgoing is not None and sources.incoming is not None
        assert sources.outgoing.fdt is None
        assert isinstance(sources.outgoing.finalize, Unavailable)
        assert set(sources.incoming.subtrees) == {b"LUO", b"kexec-metadata", b"kho_test", b"memblock"}


def test_scratch_nodes_command_line_of_7_3() -> None:
    with open_sources(CAPTURES / "x86_64-7.3/2-pre", Context(), builtin()) as sources:
        assert sources.scratch is not None
        assert sources.scratch.phys == (0x3AC00000, 0x3F400000, 0x1D000000, 0x39800000)
        assert sources.scratch.lengths == (0x4000000, 0, 0x2400000, 0x1400000)
        line = known(sources.cmdline)
        assert line is not None
        assert (line.kho, line.liveupdate, line.values("kho_scratch"), line.whole) == (True, True, (), True)
        assert line.values("reserve_mem") == ("4M:4096:oops_trace", "1M:2M:pstore")
        assert sources.node_meminfo[0]["MemTotal"] == 514880 << 10
        zones = known(sources.zones)
        assert zones is not None
        assert next((zone.node, zone.name, zone.spanned, zone.free_cma) for zone in zones if zone.spanned) == (0, b"DMA32", 131071, 7123)


def test_memblock_gives_exact_nodes_on_arm64() -> None:
    with open_sources(CAPTURES / "arm64-64k-7.3/1-pre", Context(), builtin()) as sources:
        assert [(one.node, one.start, one.size) for one in sources.node_ranges(65536)] == [
            (0, 0x40000000, 0x100000000),
            (1, 0x140000000, 0x100000000),
        ]


def test_log_says_refused_by_7_3() -> None:
    with open_sources(CAPTURES / "upgrades/7.1-to-7.3/1-post", Context(), builtin()) as sources:
        assert sources.incoming is None
        refused = [one for one in sources.evidence if one.kind == "disabled"]
        assert [(one.side, one.text) for one in refused] == [
            ("in", b"KHO: setup: handover FDT (0x20135000) is incompatible with 'kho-v4': 1"),
            ("in", b"KHO: disabling KHO revival"),
        ]


def test_log_says_what_the_boot_received() -> None:
    with open_sources(CAPTURES / "x86_64-7.3/1-post", Context(), builtin()) as sources:
        said = {(one.kind, one.side, one.subject) for one in sources.evidence}
        assert ("found", "in", None) in said
        assert ("revived", "in", b"oops_trace") in said
        assert ("liveupdate", "in", b"1") in said
        assert ("exec-from", "in", b"7.3.4") in said
        assert ("test-restore", "in", None) in said
        assert ("flb", "in", b"liveupdate-test-flb-v0") in said


def _tar(mode: str, folder: str) -> Callable[[Path, Path], Path]:
    def make(source: Path, target: Path) -> Path:
        path = target / "capture.archive"
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.add(source, arcname=folder)
        return path

    return make


def _zip(method: int) -> Callable[[Path, Path], Path]:
    def make(source: Path, target: Path) -> Path:
        path = target / "capture.archive"
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in sorted(source.rglob("*")):
                archive.write(file, "taken/" + str(file.relative_to(source)))
        return path

    return make


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "pack",
    [
        _tar("w", "."),
        _tar("w", "a/b"),
        _tar("w:gz", "a"),
        _tar("w:xz", "a"),
        _tar("w:bz2", "a"),
        _zip(zipfile.ZIP_STORED),
        _zip(zipfile.ZIP_DEFLATED),
    ],
    ids=["tar", "tar-in-folders", "tar.gz", "tar.xz", "tar.bz2", "zip-stored", "zip-deflated"],
)
def test_an_archive_gives_what_the_directory_gives(name: str, pack: Callable[[Path, Path], Path], tmp_path: Path) -> None:
    archive = pack(CAPTURES / name, tmp_path)
    with open_sources(CAPTURES / name, Context(), builtin()) as plain, open_sources(archive, Context(), builtin()) as packed:
        assert packed.container in ("tar", "zip")
        assert facts(packed) == facts(plain)
        assert packed.notes == ()


def test_a_directory_of_captures_lists_them() -> None:
    with pytest.raises(InputError, match="holds several captures: 1-post, 1-pre, 2-post, 2-pre; name one"):
        open_sources(CAPTURES / "x86_64-7.3", Context(), builtin())


def test_a_bare_kho_tree_and_one_side_of_it() -> None:
    with open_sources(CAPTURES / "x86_64-7.3/1-post/kho", Context(), builtin()) as tree:
        assert tree.kind == "debugfs"
        assert tree.incoming is not None and tree.outgoing is not None and tree.scratch is not None
        assert any("has more" in note.message for note in tree.notes)
    with open_sources(CAPTURES / "x86_64-7.3/1-post/kho/in", Context(), builtin()) as side:
        assert side.outgoing is None
        assert side.incoming is not None and side.incoming.fdt is not None and len(side.incoming.fdt.data) == 405


@pytest.mark.parametrize("path, kind", [("kho/in/fdt", "fdt"), ("kho/in/sub_fdts/memblock", "fdt"), ("kho/in/sub_fdts/LUO", "blob")])
def test_a_single_file_of_a_tree_knows_its_side(path: str, kind: str) -> None:
    # LUO here is recycled memory that happens to begin as an ELF file.
    file = CAPTURES / "x86_64-7.3/1-post" / path
    with open_sources(file, Context(), builtin()) as sources:
        assert (sources.kind, sources.bare_side) == (kind, "in")
        assert sources.bare is not None and sources.bare.data == file.read_bytes()


def test_a_core_alone_and_packed(tmp_path: Path) -> None:
    core = CAPTURES / "x86_64-6.19/1-pre/memory.elf"
    packed = tmp_path / "memory.elf.gz"

    packed.write_bytes(gzip.compress(core.read_bytes(), 1))
    with open_sources(core, Context(), builtin()) as plain, open_sources(packed, Context(), builtin()) as unpacked:
        assert plain.kind == unpacked.kind == "core"
        assert plain.memory is not None and unpacked.memory is not None
        assert plain.arch == "x86_64"
        assert [(one.start, one.size) for one in plain.memory.extents()] == [(one.start, one.size) for one in unpacked.memory.extents()]
