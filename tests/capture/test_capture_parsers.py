"""Text files of /proc and /sys: what is read from them, and that garbage is never fatal and never a silent zero."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kho_tui.capture import boot_record as boot
from kho_tui.capture import proc
from kho_tui.capture.dmesg import parse_dmesg
from kho_tui.capture.files import Notes
from kho_tui.model.facts import Damaged, Missing, Unavailable
from kho_tui.subsystems.registry import builtin

IOMEM = b"00001000-0009fbff : System RAM\n  00002000-00002fff : Kernel code\nfd00000000-ffffffffff : Reserved\n"
ZONEINFO = (
    b"Node 1, zone    DMA32\n  pages free     5\n        spanned  7\n"
    b"        present  6\n        managed  4\n      nr_free_cma  3\n  start_pfn:  9\n"
)
MEMBLOCK = b"   0: 0x0000000040000000..0x00000000bfffffff    0 NONE\n   1: 0xc0000000..0xcfffffff    x KHO_SCRATCH\n   2: 0x1000..0x1fff\n"
DMESG = b"<6>[    0.000000] KHO: found kexec handover data.\n[    1.5][    T1] luo: Retrieved live update data, liveupdate number: 2\n"
PARSERS: list[Callable[[bytes], object]] = [
    proc.parse_iomem,
    proc.parse_zoneinfo,
    proc.parse_meminfo,
    proc.parse_version,
    proc.parse_cmdline,
    proc.parse_config,
    proc.parse_memblock,
    proc.parse_addresses,
    proc.parse_finalize,
    partial(parse_dmesg, registry=builtin()),
    boot.setup_data_type,
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Real text with bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from([IOMEM, ZONEINFO, MEMBLOCK, DMESG, b"0x10\n0x0\n", gzip.compress(b"CONFIG_A=y\n")])))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@given(st.one_of(st.binary(max_size=300), mutated()))
def test_no_bytes_make_a_parser_raise(data: bytes) -> None:
    for parse in PARSERS:
        parse(data)


@given(st.dictionaries(st.text(max_size=8), st.tuples(st.binary(max_size=12), st.binary(max_size=40)), max_size=3))
def test_no_setup_data_makes_the_boot_parser_raise(nodes: dict[str, tuple[bytes, bytes]]) -> None:
    boot.boot_from_setup_data(nodes, Notes())
    for kind, data in nodes.values():
        boot.boot_from_chosen(("a", kind), ("b", data), Notes())


def rows(lines: proc.Lines[Any] | Missing) -> tuple[Any, ...]:
    assert isinstance(lines, proc.Lines)
    return lines.rows


def test_iomem_is_a_flattened_tree() -> None:
    assert rows(proc.parse_iomem(IOMEM)) == (
        proc.IomemEntry(0x1000, 0x9EC00, b"System RAM", 0),
        proc.IomemEntry(0x2000, 0x1000, b"Kernel code", 1),
        proc.IomemEntry(0xFD00000000, 0x300000000, b"Reserved", 0),
    )


def test_iomem_without_root_is_unavailable_not_zero() -> None:
    hidden = proc.parse_iomem(b"00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n")
    assert isinstance(hidden, Unavailable)
    assert hidden.reason == "/proc/iomem was read without root: all addresses are 0"


def test_lines_that_cannot_be_read_are_counted() -> None:
    lines = proc.parse_iomem(IOMEM + b"nonsense\n")
    assert isinstance(lines, proc.Lines)
    assert (len(lines.rows), lines.skipped) == (3, 1)
    assert isinstance(proc.parse_iomem(b"nonsense\n"), Damaged)


def test_zoneinfo_keeps_what_an_empty_zone_does_not_say() -> None:
    zones = rows(proc.parse_zoneinfo(ZONEINFO + b"Node 1, zone   Normal\n        spanned  0\n"))
    assert zones == (
        proc.Zone(node=1, name=b"DMA32", start_pfn=9, spanned=7, present=6, managed=4, free=5, free_cma=3),
        proc.Zone(node=1, name=b"Normal", start_pfn=None, spanned=0, present=None, managed=None, free=None, free_cma=None),
    )


def test_memblock_names_nodes_where_it_does() -> None:
    assert rows(proc.parse_memblock(MEMBLOCK)) == (
        proc.MemblockRange(0, 0x40000000, 0x80000000, 0, b"NONE"),
        proc.MemblockRange(1, 0xC0000000, 0x10000000, None, b"KHO_SCRATCH"),
        proc.MemblockRange(2, 0x1000, 0x1000, None, b""),
    )


def test_nodes_come_from_memblock_before_zones() -> None:
    zones = (
        proc.Zone(node=0, name=b"DMA", start_pfn=1, spanned=4, present=4, managed=4, free=0, free_cma=0),
        proc.Zone(node=1, name=b"Normal", start_pfn=None, spanned=0, present=0, managed=0, free=0, free_cma=0),
    )
    memory = (proc.MemblockRange(0, 0x1000, 0x2000, 7, b"NONE"),)
    assert proc.node_ranges(memory, zones, 65536) == (proc.NodeRange(7, 0x1000, 0x2000, 0x2000),)
    assert proc.node_ranges((), zones, 65536) == (proc.NodeRange(0, 65536, 4 * 65536, 4 * 65536),)


def test_a_node_inside_the_span_of_another_is_no_part_of_it() -> None:
    zones = (
        proc.Zone(node=0, name=b"DMA32", start_pfn=1, spanned=10, present=6, managed=6, free=0, free_cma=0),
        proc.Zone(node=1, name=b"DMA32", start_pfn=4, spanned=4, present=4, managed=4, free=0, free_cma=0),
        proc.Zone(node=2, name=b"Normal", start_pfn=20, spanned=8, present=5, managed=5, free=0, free_cma=0),
    )
    assert [(one.node, one.start, one.size, one.present) for one in proc.node_ranges((), zones, 1)] == [
        (0, 1, 3, 3),
        (0, 8, 3, 3),
        (1, 4, 4, 4),
        (2, 20, 8, 5),
    ]


def test_a_command_line_without_its_newline_may_have_lost_its_end() -> None:
    whole, cut = proc.parse_cmdline(b"kho=on quiet\n"), proc.parse_cmdline(b"kho=on qui")
    assert (whole.text, whole.whole, whole.kho) == (b"kho=on quiet", True, True)
    assert (cut.text, cut.whole, cut.kho) == (b"kho=on qui", False, True)


def test_a_damaged_config_is_not_a_config_without_options() -> None:
    packed = gzip.compress(b"CONFIG_KEXEC_HANDOVER=y\n# CONFIG_NUMA is not set\n")
    assert proc.parse_config(packed) == {"CONFIG_KEXEC_HANDOVER": "y", "CONFIG_NUMA": "n"}
    assert isinstance(proc.parse_config(packed[:-9]), Damaged)
    bomb = gzip.compress(b"\n" * (17 << 20))
    assert isinstance(proc.parse_config(bomb), Damaged)


def test_scratch_text_and_finalize() -> None:
    assert proc.parse_addresses(b"0x10\n0x0\n") == proc.AddressLines((16, 0), cut=False)
    assert proc.parse_addresses(b"0x10\n0x20") == proc.AddressLines((16,), cut=True)
    assert isinstance(proc.parse_addresses(b"0x10\n0y0\n"), Damaged)
    assert isinstance(proc.parse_addresses(b""), Damaged)
    assert (proc.parse_finalize(b"1\n"), proc.parse_finalize(b"0\n")) == (True, False)
    assert isinstance(proc.parse_finalize(b"2\n"), Damaged)


@pytest.mark.parametrize("text, value", [(b"0xa\n", 10), (b"10", 10), (b"\n\0\0\0", 10), (b"\0\0\0\n", 10), (b"", None), (b"ten", None)])
def test_setup_data_type_is_text_or_binary(text: bytes, value: int | None) -> None:
    assert boot.setup_data_type(text) == value


@pytest.mark.parametrize("order", ["little", "big"])
def test_setup_data_in_either_byte_order(order: str) -> None:
    payload = b"".join(value.to_bytes(8, order) for value in (0x584000, 0x1000, 0x3EBF0000, 0x40))  # type: ignore[arg-type]
    found = boot.boot_from_setup_data({"0/data": (b"0x9\n", b""), "1/data": (b"0xa\n", payload)}, Notes())
    assert found is not None
    assert (found.fdt_phys, found.fdt_size, found.scratch_phys, found.scratch_size) == (0x584000, 0x1000, 0x3EBF0000, 0x40)
    assert found.byte_order == order
    assert found.source == "1/data"


def test_one_property_of_chosen_alone() -> None:
    notes = Notes()
    found = boot.boot_from_chosen(
        ("dt-chosen/linux,kho-fdt", None),
        ("dt-chosen/linux,kho-scratch", (0x21FFF0000).to_bytes(8, "big") + (64).to_bytes(8, "big")),
        notes,
    )
    assert found is not None
    assert (found.fdt_phys, found.scratch_phys, found.scratch_size) == (None, 0x21FFF0000, 64)
    assert len(list(notes)) == 1


@pytest.mark.parametrize(
    "line, expected",
    [
        (b"<4>[    0.000000] KHO: disabling KHO revival: -22", ("disabled", "in", "0.000000", None)),
        (b"[    0.000000] KHO: setup: handover FDT (0x10116b000) is invalid: -9", ("disabled", "in", "0.000000", None)),
        (b"Nov 22 11:26:47 host kernel: KHO: exec from: 7.1.13 (count 2)", ("exec-from", "in", "Nov 22 11:26:47", b"7.1.13")),
        (b"[    0.285771] Revived memory reservation 'pstore' from KHO", ("revived", "in", "0.285771", b"pstore")),
        (b"<6>[    0.0] KHO: scratch areas: lowmem: 512MiB global: 512MiB pernode: 512MiB", ("scratch", "out", "0.0", None)),
        (b"[   24.520739] liveupdate test: flb-v2: preserve was triggered", ("flb", "out", "24.520739", b"flb-v2")),
        (b"[    1.0][    T1] Kernel panic - not syncing: luo", ("crash", None, "1.0", None)),
        (b"[    1.0] luo: something new", ("luo", None, "1.0", None)),
        (b"kern  :info  : [    0.5] KHO: found kexec handover data.", ("found", "in", "0.5", None)),
        (b"[    0.000000] host kernel: KHO: found kexec handover data.", ("found", "in", "0.000000", None)),
        (
            b"Sat 2026-11-22 11:26:47 UTC host kernel: test_kho: KHO restore failed",
            ("test-restore", "in", "Sat 2026-11-22 11:26:47 UTC", None),
        ),
        (
            b"[Sun Nov 22 11:26:47 2026] luo: Failed to insert session [a] b] -EEXIST",
            ("session-list-failed", "in", "[Sun Nov 22 11:26:47 2026]", b"a] b"),
        ),
        (b"<4>[    2.0] memfd_luo: Unable to restore folio at physical address: 3ee00000", ("folio-failed", "in", "2.0", b"3ee00000")),
        (b"<4>[    2.0] memfd_luo: failed to pin folios: -12", ("luo", None, "2.0", None)),
        (b"KHO: something new", ("kho", None, None, None)),
    ],
)
def test_evidence(line: bytes, expected: tuple[str, str | None, str | None, bytes | None]) -> None:
    (found,) = parse_dmesg(b"first\n" + line + b"\nlast", builtin())
    assert (found.kind, found.side, found.time, found.subject) == expected
    assert found.line == 2


def test_the_command_line_in_the_log_is_no_evidence() -> None:
    assert parse_dmesg(b"[ 0.0] Command line: kho=on luo: KHO: panic=-1\n[ 0.0] report a bug\n", builtin()) == ()


@pytest.mark.parametrize(
    "line",
    [
        b"<12>[    1.0] KHO: found kexec handover data.",
        b"<30>[    1.0] luo: Retrieved live update data, liveupdate number: 2",
        b"<99999>[    1.0] KHO: found kexec handover data.",
        b"user  :warn  : [    1.0] KHO: found kexec handover data.",
        b"[    1.0] myapp: KHO restore succeeded",
        b"[    1.0] systemd[1]: Kernel panic, Revived memory reservation 'x' from KHO",
        b"Nov 22 11:26:47 host myapp[12]: KHO: exec from: 7.1.13 (count 2)",
        b"[    1.0] x luo: Failed to insert session [a] -EEXIST",
    ],
)
def test_what_user_space_says_in_the_log_is_no_evidence(line: bytes) -> None:
    assert parse_dmesg(b"first\n" + line + b"\nlast", builtin()) == ()
