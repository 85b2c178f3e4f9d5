"""Where this boot was told to look for its KHO state: setup_data on x86, /chosen of the device tree on arm64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kho_tui.abi.boot import KHO_DATA, KHO_FDT_PROPERTY, KHO_SCRATCH_PROPERTY, SETUP_KEXEC_KHO
from kho_tui.capture.files import Notes
from kho_tui.layout.place import Origin, Place
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder
from kho_tui.layout.struct import Layout, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class BootHandover:
    """Physical addresses and sizes in bytes as the boot loader (the previous kernel) gave them. None: not given.

    That they were given does not mean that the kernel took the state: see the evidence of dmesg.
    """

    fdt_phys: int | None
    fdt_size: int | None
    scratch_phys: int | None
    scratch_size: int | None
    source: str
    """Files of the capture that say so."""
    byte_order: ByteOrder | None
    """Of the machine, where the payload shows it (setup_data); the device tree is big-endian on every machine."""
    records: tuple[Record, ...]


def setup_data_type(data: bytes) -> int | None:
    """A setup_data type file: text ("0xa", "10") as sysfs gives it, or the binary u32."""
    word = data.strip()
    if len(word) <= 10:
        try:
            return int(word, 0)
        except ValueError:
            pass
    if len(data) == 4:
        return min(int.from_bytes(data, "little"), int.from_bytes(data, "big"))
    return None


def boot_from_setup_data(nodes: Mapping[str, tuple[bytes, bytes]], notes: Notes) -> BootHandover | None:
    """The first KHO node among setup_data nodes: path of its data file -> (content of type, content of data)."""
    found: BootHandover | None = None
    for path, (kind, data) in nodes.items():
        number = setup_data_type(kind)
        if number is None:
            notes.add(path, "the type of this setup_data node cannot be read")
        if number != SETUP_KEXEC_KHO:
            continue
        if len(data) < KHO_DATA.size:
            notes.add(path, f"setup_data of type 10 with {len(data)} bytes, {KHO_DATA.size} are needed")
            continue
        if len(data) > KHO_DATA.size:
            notes.add(path, f"setup_data of type 10 with {len(data)} bytes, only the first {KHO_DATA.size} are used")
        if found is not None:
            notes.add(path, "a second setup_data node of type 10: only the first is shown")
            continue
        found = _from_payload(path, data, notes)
    return found


def _from_payload(path: str, data: bytes, notes: Notes) -> BootHandover:
    place = Place(Origin.FILE, path)
    orders: Sequence[ByteOrder] = ("little", "big")
    fitting = [record for order in orders if _plausible(record := KHO_DATA.record(data, order, place))]
    if not fitting:
        notes.add(path, "implausible addresses in setup_data; read as little-endian")
    record = fitting[0] if fitting else KHO_DATA.record(data, "little", place)
    return boot_of_record(record, order_shown=bool(fitting))


def boot_of_record(record: Record, *, order_shown: bool = True) -> BootHandover:
    """What the payload of a KHO node of setup_data says. ``order_shown``: whether its values show its byte order."""
    fdt_phys, fdt_size, scratch_phys, scratch_size = (record.integer(field.name) for field in KHO_DATA.fields)
    return BootHandover(
        fdt_phys=fdt_phys,
        fdt_size=fdt_size,
        scratch_phys=scratch_phys,
        scratch_size=scratch_size,
        source=record.place.source,
        byte_order=record.byte_order if order_shown else None,
        records=(record,),
    )


def _plausible(record: Record) -> bool:
    size = record.integer("fdt_size")
    return size in PAGE_SIZES and record.integer("fdt_addr") % size == 0


def boot_from_chosen(fdt: tuple[str, bytes | None], scratch: tuple[str, bytes | None], notes: Notes) -> BootHandover | None:
    """/chosen of the device tree: path and content of the property of the root FDT and of that of the scratch table."""
    fdt_cells = _cells(KHO_FDT_PROPERTY, *fdt, notes)
    scratch_cells = _cells(KHO_SCRATCH_PROPERTY, *scratch, notes)
    given = tuple(record for record in (fdt_cells, scratch_cells) if record is not None)
    if not given:
        return None
    if len(given) == 1:
        names = " and ".join(path.rpartition("/")[2] for path, _ in (fdt, scratch))
        notes.add(given[0].place.source, f"only one of {names} is there: the kernel ignores it")
    return BootHandover(
        fdt_phys=fdt_cells.integer("address") if fdt_cells else None,
        fdt_size=fdt_cells.integer("size") if fdt_cells else None,
        scratch_phys=scratch_cells.integer("address") if scratch_cells else None,
        scratch_size=scratch_cells.integer("size") if scratch_cells else None,
        source=", ".join(record.place.source for record in given),
        byte_order=None,
        records=given,
    )


def _cells(layout: Layout, path: str, data: bytes | None, notes: Notes) -> Record | None:
    if data is None:
        return None
    if len(data) != layout.size:
        notes.add(path, f"{len(data)} bytes where an address and a size of {layout.size} bytes are needed: the kernel ignores it")
        return None
    return layout.record(data, "big", Place(Origin.FILE, path))
