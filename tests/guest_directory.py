"""The root directory of the guests of tests/guests: one that make_root.sh has made, else this machine's own."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

MARK: Final = ".kho-guest-root"
"""In a directory of make_root.sh that is whole."""
OWN: Final = Path("/")
"""This machine's root directory."""
GUEST_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where agent.c looks for programs, in either root."""
SHOWN: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "var", "opt")
"""What of a root directory agent.c shows in the guest."""
RECIPE: Final = "tests/guests/make_root.sh"

_TOOLS: Final = {"dash": "dash", "kexec": "kexec-tools", "makedumpfile": "makedumpfile", "python3": "python3"}
"""What a guest runs, by the package of Debian that has it."""
_PYTHON: Final = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def chosen() -> Path:
    """$KHO_GUEST_ROOT, also where nothing is there; else what make_root.sh has made at its usual place; else this machine's own."""
    named = os.environ.get("KHO_GUEST_ROOT")
    if named:
        return Path(named)
    usual = Path("/var/tmp/kho-guest-root")
    return usual if (usual / MARK).is_file() else OWN


def why_not(root: Path) -> str | None:
    """Why this directory cannot be the root of a guest; None where it can."""
    if root != OWN:
        known = "" if shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") else " (needs debootstrap)"
        return None if (root / MARK).is_file() else f"{root} is no root directory of a guest: {RECIPE} {root} makes it{known}"
    made = f"as the guest's root, and there is none that {RECIPE} has made"
    machine = os.uname()
    if (machine.sysname, machine.machine) != ("Linux", "x86_64"):
        return f"a machine that is {machine.sysname} {machine.machine} does not do {made}"
    for tool, package in _TOOLS.items():
        found = shutil.which(tool, path=GUEST_PATH)
        if found is None or Path(found).resolve().parts[1] not in SHOWN:
            return f"this machine has no {tool} of its own (package {package}) and does not do {made}"
    if _python_of(OWN) != _PYTHON:
        return f"this machine's own python3 is {_python_of(OWN)}, the tests run in {_PYTHON}: it does not do {made}"
    if packages(OWN) is None:
        return f"textual is not in {sysconfig.get_path('platlib')}: this machine does not do {made}"
    return None


def packages(root: Path) -> Path | None:
    """The directory of Python packages that a guest gets beside its root: a root of make_root.sh has them inside."""
    path = Path(sysconfig.get_path("platlib"))
    return path if root == OWN and (path / "textual").is_dir() and (path / "numpy").is_dir() else None


def compiles_for(root: Path) -> bool:
    """What this interpreter compiles runs in a guest of this root, too."""
    return _python_of(root) == _PYTHON


def _python_of(root: Path) -> str:
    """As python3.11: distributions make python3 a link to it."""
    found = shutil.which("python3", path=":".join(f"{root}/{each}" for each in GUEST_PATH.split(":")))
    return Path(found).resolve().name if found else "missing"
