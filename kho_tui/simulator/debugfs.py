"""/sys/kernel/debug/kho as each release shows it, with what it cuts and what it lacks (kernel/liveupdate/kexec_handover_debugfs.c)."""

from __future__ import annotations

from collections.abc import Mapping

from kho_tui.encode.facet import Encoder
from kho_tui.encode.roots import root_file, root_page
from kho_tui.encode.subtrees import subtree_blob
from kho_tui.errors import GapError
from kho_tui.memory.physical import PhysicalMemory
from kho_tui.model.handover import Handover
from kho_tui.model.registry import Registry
from kho_tui.model.state import ScratchArea
from kho_tui.releases.names import Names
from kho_tui.releases.table import Finalize, Release
from kho_tui.simulator.running import HandedIn

Files = dict[str, bytes]
"""Content by path below the capture."""


def outgoing_files(
    handover: Handover | None, registry: Registry, scratch: tuple[ScratchArea, ...], release: Release, *, finalized: bool, cold: bool
) -> Files:
    """kho/out. ``cold``: this boot took no handover. Before 6.19 there is neither FDT nor blob unless ``finalized``."""
    names = release.names
    files = {
        f"kho/out/{names.scratch_phys}": "".join(f"{area.start:#x}\n" for area in scratch).encode(),
        f"kho/out/{names.scratch_len}": "".join(f"{area.size:#x}\n" for area in scratch).encode(),
    }
    if release.has_finalize_file:
        files[f"kho/out/{names.finalize}"] = b"1\n" if finalized else b"0\n"
    if handover is None or (release.finalize is Finalize.STATEFUL and not finalized):
        return files
    if release.cold_fdt_bytes is None:
        files[f"kho/out/{names.fdt}"] = root_file(handover)
    elif cold:
        files[f"kho/out/{names.fdt}"] = root_page(handover)[: release.cold_fdt_bytes]
    encoder = Encoder(handover.platform, registry)
    for one in handover.subtrees:
        if one.content is not None:
            files[f"kho/out/{names.sub_fdts}/{_name(one.name)}"] = subtree_blob(one.content, encoder)
    return files


def incoming_files(handed: HandedIn, memory: PhysicalMemory, names: Names) -> tuple[Files, Mapping[str, str]]:
    """kho/in, and why a blob could not be shown. The blobs are what stands in memory now, whatever that is."""
    files: Files = {f"kho/in/{names.fdt}": handed.fdt}
    unreadable: dict[str, str] = {}
    for name, phys, size in handed.subtrees:
        path = f"kho/in/{names.sub_fdts}/{_name(name)}"
        try:
            files[path] = memory.read(phys, size)
        except GapError as error:
            unreadable[path] = str(error)
    return files, unreadable


def _name(name: bytes) -> str:
    """A file's name: a subtree whose name has a slash would lie in a directory that debugfs does not make."""
    return name.decode("utf-8", "surrogateescape").replace("/", "_")
