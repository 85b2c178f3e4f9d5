"""What a capture's surroundings say about its platform, and why it has no kho tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kho_tui.capture.boot_record import BootHandover
from kho_tui.capture.obstacles import MachineFacts
from kho_tui.capture.sources import Arch, Hint
from kho_tui.layout.platform import PAGE_SIZES, ByteOrder
from kho_tui.memory.physical import MemoryFile
from kho_tui.model.facts import Missing, known
from kho_tui.text import SafeText, visible

_LIVE, _MANIFEST, _BOOT, _VMCOREINFO, _ELF, _CONFIG, _ARCH = range(70, 0, -10)
_ORDERS: dict[object, ByteOrder] = {"little": "little", "big": "big"}
_ARCHES: dict[object, Arch] = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_LONGEST = 400
"""Characters of a manifest's text that are shown."""


def architecture(
    memory: MemoryFile | None,
    config: Mapping[str, str] | Missing,
    setup_data: bool,
    chosen: bool,
    manifest: Mapping[str, object] | None,
) -> Arch | None:
    """The machine's architecture, from the most to the least trustworthy witness."""
    options = known(config) or {}
    witnesses: Iterable[object] = (
        memory.machine if memory is not None else None,
        "x86_64" if options.get("CONFIG_X86_64") == "y" else "arm64" if options.get("CONFIG_ARM64") == "y" else None,
        "x86_64" if setup_data and not chosen else "arm64" if chosen and not setup_data else None,
        (manifest or {}).get("machine"),
    )
    return next((arch for witness in witnesses if isinstance(witness, str) and (arch := _ARCHES.get(witness))), None)


def platform_hints(
    *,
    live: tuple[int, ByteOrder] | None,
    manifest: Mapping[str, object] | None,
    boot: BootHandover | None,
    memory: MemoryFile | None,
    config: Mapping[str, str] | Missing,
    arch: Arch | None,
) -> tuple[Hint, ...]:
    """All hints, the most trustworthy first. ``live`` is page size and byte order of this machine, where it is the one looked at."""
    options = known(config) or {}
    sizes: list[tuple[object, str, int]] = [
        ((manifest or {}).get("page_size"), "the manifest says so", _MANIFEST),
        (boot.fdt_size if boot else None, "size of the FDT page that the boot was given", _BOOT),
        (_number(memory.vmcoreinfo.get("PAGESIZE")) if memory is not None else None, "PAGESIZE of the core's VMCOREINFO", _VMCOREINFO),
        (_config_page_size(options), "the kernel's configuration", _CONFIG),
        (4096 if arch == "x86_64" else None, "x86_64 has no other", _ARCH),
    ]
    orders: list[tuple[object, str, int]] = [
        ((manifest or {}).get("byte_order"), "the manifest says so", _MANIFEST),
        (boot.byte_order if boot else None, "the setup_data payload reads well so", _BOOT),
        (memory.byte_order if memory is not None else None, "header of the memory dump", _ELF),
        (_config_byte_order(options), "the kernel's configuration", _CONFIG),
        ("little" if arch == "x86_64" else None, "x86_64 has no other", _ARCH),
    ]
    if live is not None:
        sizes.insert(0, (live[0], "this machine's", _LIVE))
        orders.insert(0, (live[1], "this machine's", _LIVE))
    found = [Hint("page_size", size, reason, strength) for size, reason, strength in sizes if isinstance(size, int) and size in PAGE_SIZES]
    for word, reason, strength in orders:
        order = _ORDERS.get(word) if isinstance(word, str) else None
        if order is not None:
            found.append(Hint("byte_order", order, reason, strength))
    return tuple(found)


def _number(word: str | None) -> int | None:
    return int(word) if word is not None and word.isdecimal() and len(word) <= 9 else None


def _config_page_size(options: Mapping[str, str]) -> int | None:
    """CONFIG_PAGE_SHIFT (6.9+), else the names the architectures used before."""
    shift = _number(options.get("CONFIG_PAGE_SHIFT"))
    if shift is not None:
        return 1 << min(shift, 64)
    for kib in (4, 16, 64):
        if "y" in (options.get(f"CONFIG_ARM64_{kib}K_PAGES"), options.get(f"CONFIG_PAGE_SIZE_{kib}KB")):
            return kib << 10
    return None


def _config_byte_order(options: Mapping[str, str]) -> ByteOrder | None:
    if options.get("CONFIG_CPU_BIG_ENDIAN") == "y":
        return "big"
    return "little" if "y" in (options.get("CONFIG_CPU_LITTLE_ENDIAN"), options.get("CONFIG_X86_64")) else None


def incomplete(manifest: Mapping[str, object] | None) -> SafeText | None:
    """Why a capture is not whole, where its manifest says so."""
    if manifest is None or manifest.get("complete", True) is not False:
        return None
    why = manifest.get("incomplete")
    return SafeText(f"the capture is incomplete: {visible(why if isinstance(why, str) and why else 'no reason given')[:_LONGEST]}")


def why_absent(facts: MachineFacts, manifest: Mapping[str, object] | None, reading_problem: str) -> SafeText:
    """Why there is no kho tree, as far as its surroundings show; always says something."""
    if (why := incomplete(manifest)) is not None and not reading_problem:
        return why
    answer = facts.obstacle("tree")
    assert answer is not None  # its last row needs no facts
    if reading_problem and answer.code in ("unknown", "not-copied"):
        return SafeText(f"the kho tree could not be read: {reading_problem}")
    told = (manifest or {}).get("kho")
    message = told.get("message") if isinstance(told, dict) else None
    if answer.code == "not-copied" and isinstance(message, str) and message:
        return SafeText(f"the capture's manifest says: {visible(message)[:_LONGEST]}")
    return answer.words
