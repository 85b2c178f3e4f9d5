"""Scenarios played up to their first kexec, and images opened again."""

from __future__ import annotations

from io import BytesIO

from captures import CHECKOUT

from kho_tui.abi.luo import LUO_NAME
from kho_tui.abi.memblock import MEMBLOCK_NAME
from kho_tui.capture.sources import Sources
from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.decode.state import decode_state
from kho_tui.layout.platform import Platform
from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_format import ElfMachine
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import BytesSource
from kho_tui.memory.sparse import SparseImage
from kho_tui.model.handover import Handover
from kho_tui.model.handover_of import handover_of
from kho_tui.releases.table import RELEASES, Release
from kho_tui.simulator.allocator import PageAllocator
from kho_tui.simulator.kernel import Kernel
from kho_tui.simulator.kho import Kho
from kho_tui.simulator.machine import Machine, MemoryNode
from kho_tui.simulator.scenario import Scenario, parse_scenario
from kho_tui.simulator.steps import Userspace
from kho_tui.subsystems.luo.orchestrator import Orchestrator
from kho_tui.subsystems.memblock.plain import Region
from kho_tui.subsystems.memblock.simulate import ReservedMemory
from kho_tui.subsystems.memfd.open_memfd import OpenMemfd
from kho_tui.subsystems.registry import builtin

SCENARIOS = CHECKOUT / "samples" / "scenarios"
MIB, GIB = 1 << 20, 1 << 30
RELEASE = {release.name: release for release in RELEASES}


def scenario(name: str) -> Scenario:
    return parse_scenario((SCENARIOS / f"{name}.toml").read_text(), f"{name}.toml", builtin())


def first_stage(user: Userspace, one: Scenario) -> Handover | None:
    """All that happens before the first kexec, and what that hands over."""
    user.perform(one.stages[0].steps)
    user.kernel.kexec_file_load()
    return user.kernel.reboot()


def machine(page_size: int = 4096, arch: ElfMachine = "x86_64", **more: object) -> Machine:
    """Two nodes of 2 GiB, the second one from 4 GiB on."""
    nodes = (MemoryNode(0, ((MIB, 2047 * MIB),)), MemoryNode(1, ((4 * GIB, 2 * GIB),)))
    return Machine(arch=arch, platform=Platform("little", page_size), nodes=nodes, **more)  # type: ignore[arg-type]


def bare_kho(release: str, page_size: int = 4096) -> Kho:
    """KHO without producers and without scratch."""
    one = machine(page_size)
    return Kho(builtin(), one, RELEASE[release], PageAllocator(one), (), debug=True)


def kernel(release: str | Release, cmdline: str = "kho=on liveupdate=on kho_scratch=64M,64M,64M", **more: object) -> Kernel:
    known = RELEASE[release] if isinstance(release, str) else release
    return Kernel(builtin(), machine(), known, cmdline, **more)  # type: ignore[arg-type]


def luo_of(one: Kernel) -> Orchestrator:
    luo = one.producers[LUO_NAME]
    assert isinstance(luo, Orchestrator)
    return luo


def memfd_of(user: Userspace, session: bytes, token: int) -> OpenMemfd:
    """The memfd that a program holds open."""
    file = user.files[session, token]
    assert isinstance(file, OpenMemfd)
    return file


def regions_of(one: Kernel) -> tuple[Region, ...]:
    memblock = one.producers[MEMBLOCK_NAME]
    assert isinstance(memblock, ReservedMemory)
    return memblock.regions


def free_bytes(one: Kernel) -> int:
    """Bytes that the allocator can still give."""
    return sum(one.allocator.free_of(node.number) for node in one.machine.nodes)


def opened(image: SparseImage, platform: Platform) -> Handover:
    """What kho-tui makes of the image when it is opened as a bare core."""
    stream = BytesIO()
    write_elf_core(stream, image, byte_order=platform.byte_order)
    memory = open_elf(BytesSource(stream.getvalue(), "memory.elf"))
    sources = Sources(path="memory.elf", kind="core", container="file", memory=memory)
    state = decode_state(sources, Context(), Overrides(platform.page_size, platform.byte_order), builtin())
    return handover_of(state, "unsided")
