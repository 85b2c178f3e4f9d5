"""Where a machine, or a copy of its file system, keeps what a capture names."""

from __future__ import annotations

import re

PROC = ("iomem", "cmdline", "version", "zoneinfo", "buddyinfo", "meminfo", "config.gz")
"""Files of /proc, under the same names in a capture."""
FOLDERS = {
    "kho/": "sys/kernel/debug/kho",
    "memblock/": "sys/kernel/debug/memblock",
    "cma/": "sys/kernel/debug/cma",
    "kexec/": "sys/kernel/kexec",
    "setup_data/": "sys/kernel/boot_params/setup_data",
    "firmware-memmap/": "sys/firmware/memmap",
    "dt-chosen/": "proc/device-tree/chosen",
}
"""Folders by their names in a capture."""
FILES = {f"kexec/{name}": f"sys/kernel/{name}" for name in ("kexec_loaded", "kexec_crash_loaded", "kexec_crash_size")}
"""Single files likewise: up to 6.18 the state of kexec stands in them, from 6.19 on also in a folder."""
_NODE = re.compile(r"sys/devices/system/node/(node\d{1,9})/meminfo")
_LOG = ("sos_commands/kernel/dmesg", "var/log/dmesg")
"""Where sosreport and distributions keep the kernel log."""


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
    if path.startswith("boot/config-"):
        return "config"
    folder, _, last = path.rpartition("/")
    return last if folder == "proc" and last in PROC else "dmesg" if path in _LOG else path
