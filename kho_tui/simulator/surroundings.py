"""What /proc and /sys of a simulated kernel say, as far as the captures of real ones hold it."""

from __future__ import annotations

from collections.abc import Iterator

from kho_tui.abi.boot import KHO_DATA, KHO_FDT_PROPERTY, KHO_SCRATCH_PROPERTY, SETUP_KEXEC_KHO
from kho_tui.analysis.receiver.facet import in_turn
from kho_tui.analysis.receiver.outcome import Outcome
from kho_tui.layout.struct import Layout
from kho_tui.model.host import MemoryRange
from kho_tui.releases.cmdline import Explicit
from kho_tui.releases.table import Finalize
from kho_tui.simulator.debugfs import Files
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.machine import Machine
from kho_tui.simulator.ranges import Ranges
from kho_tui.simulator.running import Running

_RNG_SEED = 9
"""A setup_data node that every kexec of the captured kernels brings, emptied by its reader."""
_LOW = 1 << 32


def surrounding_files(running: Running) -> Files:
    """cmdline, version, iomem, zoneinfo, meminfo, node, memblock, dmesg, and what the boot was told."""
    kernel = running.kernel
    machine = kernel.machine
    free = {node.number: kernel.allocator.free_of(node.number) for node in machine.nodes}
    cma = {node.number: _scratch_bytes(kernel, node.number) for node in machine.nodes}
    files = {
        "cmdline": f"{kernel.cmdline}\n".encode(),
        "version": f"{_banner(kernel)}\n".encode(),
        "iomem": _iomem(machine, () if running.arrival is None else running.arrival.image),
        "zoneinfo": "".join(_zones(machine, node.number, free[node.number], cma[node.number]) for node in machine.nodes).encode(),
        "meminfo": _meminfo("", Ranges(machine.memory()).bytes, sum(free.values()) + sum(cma.values()), sum(cma.values())),
        "dmesg": b"".join(line.encode("utf-8", "replace") + b"\n" for line in _log(running)),
    }
    for node in machine.nodes:
        total = sum(size for _, size in node.ranges)
        files[f"node/node{node.number}.meminfo"] = _meminfo(f"Node {node.number} ", total, free[node.number] + cma[node.number], None)
    if machine.arch == "aarch64":
        files["memblock/memory"] = _memblock(machine)
    for producer in kernel.producers.values():
        files |= producer.files()
    return files | _boot_record(running)


def _banner(kernel: Kernel) -> str:
    return f"Linux version {kernel.uname} (kho-tui) (simulated) #1 SMP"


def _iomem(machine: Machine, image: tuple[MemoryRange, ...]) -> bytes:
    lines = []
    for start, end in Ranges(machine.memory()):
        lines.append(f"{start:08x}-{end - 1:08x} : System RAM\n")
        inside = [one for one in image if start <= one.start < end]
        lines += [f"  {one.start:08x}-{one.start + one.size - 1:08x} : {one.name}\n" for one in inside]
    return "".join(lines).encode()


def _zones(machine: Machine, node: int, free: int, cma: int) -> str:
    """DMA32 below 4 GiB on x86, Normal above; arm64 has Normal alone, as the captured machine."""
    border = _LOW if machine.arch == "x86_64" else 0
    ranges = machine.memory(node)
    low = [(start, min(end, border)) for start, end in ranges if start < border]
    high = [(max(start, border), end) for start, end in ranges if end > border]
    told = []
    size = machine.page_size
    whole = sum(end - start for start, end in ranges) or 1
    for name, zone in (("DMA32", low), ("Normal", high)):
        if not zone:
            continue
        present = sum(end - start for start, end in zone)
        spanned = zone[-1][1] - zone[0][0]
        free_here, cma_here = free * present // whole // size, cma * present // whole // size
        told.append(
            f"Node {node}, zone {name:>8}\n  pages free     {free_here + cma_here}\n        spanned  {spanned // size}\n"
            f"        present  {present // size}\n        managed  {present // size}\n        cma      {cma_here}\n"
            f"      nr_free_pages {free_here + cma_here}\n      nr_free_cma  {cma_here}\n  start_pfn:           {zone[0][0] // size}\n"
        )
    return "".join(told)


def _meminfo(prefix: str, total: int, free: int, cma: int | None) -> bytes:
    rows = {"MemTotal": total, "MemFree": free}
    if cma is not None:
        rows |= {"MemAvailable": free, "CmaTotal": 0, "CmaFree": cma}
    return "".join(f"{prefix}{name + ':':<16}{value >> 10:>8} kB\n" for name, value in rows.items()).encode()


def _memblock(machine: Machine) -> bytes:
    pieces = sorted((start, start + size, node.number) for node in machine.nodes for start, size in node.ranges)
    return "".join(f"{row:4}: 0x{start:016x}..0x{end - 1:016x} {node:4} NONE\n" for row, (start, end, node) in enumerate(pieces)).encode()


def _scratch_bytes(kernel: Kernel, node: int) -> int:
    return sum(area.size for area in kernel.scratch if area.size and kernel.machine.node_of(area.start) == node)


def _boot_record(running: Running) -> Files:
    kernel, arrival = running.kernel, running.arrival
    machine, order = kernel.machine, kernel.machine.platform.byte_order
    given = None
    if arrival is not None and arrival.fdt is not None and arrival.table is not None:
        given = (arrival.fdt, machine.page_size, *arrival.table)
    if machine.arch == "aarch64":
        files = {"dt-chosen/bootargs": kernel.cmdline.encode() + b"\0", "dt-chosen/name": b"chosen\0"}
        if arrival is not None:
            files["dt-chosen/linux,booted-from-kexec"] = b""
        if given is not None:
            files[f"dt-chosen/{kernel.release.names.chosen_fdt}"] = _cells(KHO_FDT_PROPERTY, given[:2])
            files[f"dt-chosen/{kernel.release.names.chosen_scratch}"] = _cells(KHO_SCRATCH_PROPERTY, given[2:])
        return files
    if arrival is None:
        return {}
    files = {"setup_data/0/type": f"{_RNG_SEED:#x}\n".encode(), "setup_data/0/data": b""}
    if given is not None:
        files["setup_data/1/type"] = f"{SETUP_KEXEC_KHO:#x}\n".encode()
        files["setup_data/1/data"] = KHO_DATA.encode(dict(zip((f.name for f in KHO_DATA.fields), given, strict=True)), order)
    return files


def _cells(layout: Layout, values: tuple[int, ...]) -> bytes:
    return layout.encode(dict(zip((field.name for field in layout.fields), values, strict=True)), "big")


def _log(running: Running) -> Iterator[str]:
    """The lines about KHO that such a kernel prints, with the kernel's own texts. Times of a simulated boot are 0."""
    kernel = running.kernel
    yield _line(5, _banner(kernel))
    yield _line(6, f"Command line: {kernel.cmdline}")
    yield from _arrival_lines(running)
    scratch = kernel.options.scratch
    if isinstance(scratch, Explicit):
        sizes = (f"{size >> 20}MiB" for size in (scratch.lowmem, scratch.anywhere, scratch.per_node))
        yield _line(5, "KHO: scratch areas: lowmem: {} global: {} pernode: {}".format(*sizes))
    if kernel.options.kho and not kernel.scratch:
        yield _line(4, "KHO: Failed to reserve scratch area, disabling kexec handover")
    if running.arrival is not None and running.arrival.received is not None:
        for name in in_turn(kernel.registry):
            if name in kernel.producers:
                yield from (_line(*line) for line in kernel.producers[name].taken_lines())
    for producer in kernel.producers.values():
        yield from (_line(*line) for line in producer.started_lines())


def _arrival_lines(running: Running) -> Iterator[str]:
    arrival, release = running.arrival, running.kernel.release
    if arrival is None or arrival.fdt is None:
        return
    if arrival.received is not None:
        more = " Will skip init for some devices" if release.finalize is Finalize.STATEFUL else ""
        yield _line(6, f"KHO: found kexec handover data.{more}")
        return
    reception = arrival.reception
    assert reception.worst is Outcome.IGNORED and reception.deciding is not None
    what = f"KHO: setup: handover FDT ({arrival.fdt:#x}) is"
    if reception.deciding.check.name == "fdt-header":
        yield _line(4, f"{what} invalid: -9")
    elif reception.deciding.check.name == "root-version":
        yield _line(4, f"{what} incompatible with '{running.kernel.registry.roots.version_of(release).decode()}': 1")
    code = ": -22" if release.finalize is Finalize.STATEFUL else ""
    yield _line(4, f"KHO: disabling KHO revival{code}")


def _line(level: int, text: str) -> str:
    return f"<{level}>[    0.000000] {text}"
