"""What a capture holds of a machine: its name there, and where a machine, or a copy of its file system, keeps it.

One table for the program, for capture-kho.sh and for the reader of captures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``name`` in a capture and ``path`` below the root of a file system; both those of a folder where the name ends in a slash.

    ``absence``: what it means where a machine has no such thing; empty where another row tells. ``special``: it is not just copied.
    """

    name: str
    path: str
    absence: str = ""
    special: bool = False


SCHEMA = "kho-tui.capture/1"
"""What the manifest of a capture calls its own form (docs/capture.md)."""
NOT_SHOWN = "this kernel does not show it"
DEBUGFS = "sys/kernel/debug"
"""Where debugfs usually is; paths below it are to be looked for where it is mounted."""
ROWS = (
    Row("kho/", f"{DEBUGFS}/kho"),
    Row("memblock/", f"{DEBUGFS}/memblock", NOT_SHOWN),
    Row("cma/", f"{DEBUGFS}/cma", NOT_SHOWN),
    *(Row(name, f"proc/{name}", NOT_SHOWN) for name in ("iomem", "cmdline", "version", "zoneinfo", "buddyinfo", "meminfo")),
    Row("config.gz", "proc/config.gz"),
    Row("config", "proc/config.gz", "the configuration of this kernel was not found", special=True),
    Row("node/", "sys/devices/system/node", "this kernel shows no memory nodes", special=True),
    # Up to 6.18 the state of kexec stands in single files, from 6.19 on also in a folder.
    Row("kexec/", "sys/kernel/kexec"),
    Row("kexec/kexec_loaded", "sys/kernel/kexec_loaded", "this kernel does not show its kexec state"),
    Row("kexec/kexec_crash_loaded", "sys/kernel/kexec_crash_loaded"),
    Row("kexec/kexec_crash_size", "sys/kernel/kexec_crash_size"),
    Row("pci/", "sys/bus/pci/devices", "no PCI devices", special=True),
    Row("setup_data/", "sys/kernel/boot_params/setup_data", "the boot loader passed no setup_data, or this is not x86"),
    Row("dt-chosen/", "proc/device-tree/chosen", "no device tree"),
    Row("firmware-memmap/", "sys/firmware/memmap", "this kernel does not show the firmware's memory map (CONFIG_FIRMWARE_MEMMAP)"),
)
FOLDERS = {row.name: row.path for row in ROWS if row.name.endswith("/") and not row.special}
"""Folders that are copied, by their names in a capture."""
FILES = {row.name: row.path for row in ROWS if not row.name.endswith("/") and not row.special}
"""Single files likewise."""
TEXTS = frozenset(name for name in FILES if "/" not in name) | {"dmesg"}
"""Text files at the top of a capture, by which it is recognised: no ``config``, which may be anything."""
CONFIGS = ("boot/config-{release}", "lib/modules/{release}/config", "usr/lib/modules/{release}/config")
"""Where the configuration of a kernel stands that does not show it, the first that is there."""
_CONFIG = re.compile("|".join(re.escape(place).replace(re.escape("{release}"), "[^/]+") for place in CONFIGS))
_NODE = re.compile(r"sys/devices/system/node/(node\d{1,9})/meminfo")
_LOG = ("sos_commands/kernel/dmesg", "var/log/dmesg")
"""Where sosreport and distributions keep the kernel log."""
_NAMES = {path: name for name, path in FILES.items()} | dict.fromkeys(_LOG, "dmesg")


def name_in_capture(path: str) -> str:
    """A file of a machine's file system under its name in a capture; one that a capture has no name for keeps its own.

    >>> name_in_capture("sys/kernel/debug/kho/out/fdt"), name_in_capture("proc/iomem"), name_in_capture("etc/hosts")
    ('kho/out/fdt', 'iomem', 'etc/hosts')
    """
    for name, folder in FOLDERS.items():
        if path.startswith(f"{folder}/"):
            return name + path[len(folder) + 1 :]
    node = _NODE.fullmatch(path)
    if node is not None:
        return f"node/{node[1]}.meminfo"
    return "config" if _CONFIG.fullmatch(path) else _NAMES.get(path, path)


def rows_for_script() -> str:
    """The table for capture-kho.sh: name, path and absence of one row a line."""
    return "".join(f"{row.name}|{row.path}|{row.absence}\n" for row in ROWS)
