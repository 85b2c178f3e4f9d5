"""Faults of the scratch table and of the record that passes it on: KHO027 to 032 and 150."""

from __future__ import annotations

from collections.abc import Sequence

from kho_tui.abi.boot import KHO_DATA, KHO_FDT_PROPERTY, KHO_SCRATCH_PROPERTY
from kho_tui.abi.scratch import KHO_SCRATCH, LOW_LIMIT, TABLE_ALIGNMENT
from kho_tui.layout.struct import Layout
from kho_tui.simulator.faults.case import Case, DoesNotApply
from kho_tui.simulator.faults.fault import Fault, fault, later_fault

Pairs = Sequence[tuple[int, int]]


def _pairs(case: Case) -> list[tuple[int, int]]:
    if not case.scratch.whole:
        raise DoesNotApply(str(case.scratch.reason))
    return [(area.start, area.size) for area in case.scratch.areas]


def _write(case: Case, pairs: Pairs) -> None:
    """The table in every form that the capture has."""
    texts = [f"kho/out/{name}" for name in case.names.scratch_texts]
    for column, name in enumerate(texts):
        if name in case.files:
            case.files[name] = b"".join(b"0x%x\n" % pair[column] for pair in pairs)
    table = case.scratch.table
    if table is None and texts[0] not in case.files:
        raise DoesNotApply("the scratch table is in no file of this capture")
    for row, (start, size) in enumerate(pairs if table is not None else ()):
        assert table is not None
        case.put(KHO_SCRATCH, int(table.addresses[row]), addr=start, size=size)


def _largest(pairs: Pairs, first: int = 0) -> int:
    """The row of the largest area from row ``first`` on."""
    row = max(range(first, len(pairs)), key=lambda one: pairs[one][1], default=0)
    if row < first or not pairs or not pairs[row][1]:
        raise DoesNotApply("this state has no scratch area that is not empty")
    return row


def _unaligned(case: Case) -> None:
    pairs = _pairs(case)
    row = _largest(pairs)
    start, size = pairs[row]
    pairs[row] = (start + case.page_size, size - case.page_size)
    _write(case, pairs)


def _overlapping(case: Case) -> None:
    pairs = _pairs(case)
    large = _largest(pairs)
    others = [row for row, pair in enumerate(pairs) if row not in (0, large) and pair[1]]
    if not others:
        raise DoesNotApply("this state has no two scratch areas")
    start, size = pairs[large]
    pairs[others[-1]] = (start, min(size, pairs[others[-1]][1]))
    _write(case, pairs)


def _outside_ram(case: Case) -> None:
    pairs = _pairs(case)
    row = _largest(pairs, 1)
    size = 1 << (pairs[row][1] - 1).bit_length()
    pairs[row] = (-(-case.ram_end() // size) * size, pairs[row][1])
    _write(case, pairs)


def _lowmem_high(case: Case) -> None:
    if case.state.machine.arch != "x86_64":
        raise DoesNotApply("only on x86 the limit is known: 4 GiB")
    pairs = _pairs(case)
    if not pairs[0][1]:
        raise DoesNotApply("the lowmem entry of this state is empty")
    pairs[0] = (LOW_LIMIT, pairs[0][1])
    _write(case, pairs)


def _absurd_size(case: Case) -> None:
    """What a subtraction that wraps would leave in the global entry."""
    pairs = _pairs(case)
    if len(pairs) < 2:
        raise DoesNotApply("this state has no global scratch entry")
    pairs[1] = (pairs[1][0], (1 << 64) - (1 << 32))
    _write(case, pairs)


def _turned(case: Case) -> None:
    pairs = _pairs(case)
    if len(pairs) < 2 or pairs[0] == pairs[-1]:
        raise DoesNotApply("this state has no two scratch areas that differ")
    pairs[0], pairs[-1] = pairs[-1], pairs[0]
    _write(case, pairs)


def _told(case: Case, layouts: Sequence[Layout]) -> tuple[str, Layout, dict[str, int]]:
    """The record that told this boot where to look: its file, layout and values."""
    for record in case.state.machine.boot:
        if record.layout in layouts and record.place.source in case.files:
            return record.place.source, record.layout, {one.name: record.integer(one.name) for one in record.layout.fields}
    raise DoesNotApply("this capture has no boot record (setup_data, dt-chosen): it is not of a KHO boot")


def _tell(case: Case, layouts: Sequence[Layout], **changes: int) -> None:
    name, layout, values = _told(case, layouts)
    order = "big" if layout is not KHO_DATA else case.state.machine.platform.byte_order
    case.files[name] = layout.encode({**values, **changes}, order) + case.files[name][layout.size :]


def _no_room(case: Case) -> None:
    """A crash kernel as large as all of scratch, on the command line that is used again."""
    if case.state.machine.cmdline is None:
        raise DoesNotApply("this capture has no command line")
    size = sum(size for _, size in _pairs(case))
    case.files["cmdline"] = case.files["cmdline"].rstrip(b"\n") + b" crashkernel=%dM\n" % max(size >> 20, 1)


_TABLE = (KHO_DATA, KHO_SCRATCH_PROPERTY)
_FDT = (KHO_DATA, KHO_FDT_PROPERTY)


def _table_values(case: Case) -> tuple[int, int, str, str]:
    """Address and size of the table as the boot was told, and what the record calls them."""
    _, layout, values = _told(case, _TABLE)
    address, size = ("scratch_addr", "scratch_size") if layout is KHO_DATA else ("address", "size")
    return values[address], values[size], address, size


def _move_table(case: Case, to: int) -> None:
    _, size, name, _ = _table_values(case)
    table = b"".join(KHO_SCRATCH.encode({"addr": start, "size": length}, "little") for start, length in _pairs(case))
    if case.state.machine.platform.byte_order == "big" or len(table) != size:
        raise DoesNotApply("the scratch table of this state cannot be written elsewhere")
    case.write(to, table)
    _tell(case, _TABLE, **{name: to})


def _table_outside(case: Case) -> None:
    _move_table(case, case.free((TABLE_ALIGNMENT // case.page_size).bit_length() - 1))


def _table_unaligned(case: Case) -> None:
    at, size, _, _ = _table_values(case)
    _move_table(case, at + -(-size // KHO_SCRATCH.size) * KHO_SCRATCH.size)


def _table_length(case: Case) -> None:
    _, size, _, name = _table_values(case)
    _tell(case, _TABLE, **{name: size + 8})


def _fdt_size(case: Case) -> None:
    """As if totalsize were passed on."""
    _, layout, _ = _told(case, _FDT)
    _tell(case, _FDT, **{"fdt_size" if layout is KHO_DATA else "size": len(case.root.view.blob.data)})


SCRATCH_FAULTS: tuple[Fault, ...] = (
    fault("scratch-unaligned", "KHO027", "a scratch area does not start at a multiple of its alignment", _unaligned, "109"),
    fault("scratch-overlap", "KHO028", "two scratch areas lie over each other", _overlapping, "31 109"),
    fault("scratch-outside-ram", "KHO028", "a scratch area lies behind the end of RAM", _outside_ram, "27 31 109"),
    fault(
        "scratch-absurd",
        "KHO028",
        "the global scratch area is as large as a subtraction below 0 makes it",
        _absurd_size,
        "20 22 24 27 109 135",
    ),
    fault("scratch-high", "KHO029", "the lowmem scratch area lies above 4 GiB", _lowmem_high, "28 31 109"),
    fault("crashkernel-no-room", "KHO150", "the command line asks for a crash kernel that no scratch area has room for", _no_room),
    later_fault("scratch-changed", "KHO030", "two entries of the scratch table are exchanged", _turned, "27 29", before=True),
    later_fault("table-outside-scratch", "KHO031", "the passed scratch table does not lie in scratch", _table_outside),
    later_fault("table-unaligned", "KHO031", "the passed scratch table is not aligned to 64 KiB", _table_unaligned),
    later_fault("table-length", "KHO031", "the length of the passed scratch table is no multiple of 16", _table_length),
    later_fault("passed-fdt-size", "KHO032", "the size passed for the FDT is not that of a page", _fdt_size, "114 115"),
)
