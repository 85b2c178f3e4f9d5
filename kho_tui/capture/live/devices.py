"""What each PCI device is, from sysfs: a state names devices by their address alone."""

from __future__ import annotations

import os
from pathlib import Path

_FILES = ("vendor", "device", "class", "subsystem_vendor", "subsystem_device")
_MOST_DEVICES = 4096


def device_files(root: Path) -> dict[str, str]:
    """``pci/ADDRESS/vendor`` and so on, as names in a capture, to the files of the machine."""
    folder = root / "sys/bus/pci/devices"
    try:
        addresses = sorted(os.listdir(folder))[:_MOST_DEVICES]  # noqa: PTH208 - names alone
    except OSError:
        return {}
    paths = {f"pci/{address}/{name}": folder / address / name for address in addresses for name in _FILES}
    return {name: str(path) for name, path in paths.items() if os.path.isfile(path)}  # noqa: PTH113 - never raises
