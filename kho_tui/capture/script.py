"""The script that makes a capture on a server where nothing of this program is installed."""

from __future__ import annotations

from importlib.resources import files

from kho_tui.capture.machine_names import CONFIGS, rows_for_script
from kho_tui.capture.obstacles import obstacles_table
from kho_tui.errors import InputError


def capture_script() -> str:
    """The POSIX sh script ``capture-kho.sh`` with the program's tables in it. Raises InputError where the installation lacks it."""
    try:
        script = files("kho_tui.capture").joinpath("capture-kho.sh").read_text("utf-8")
        script = script.replace("@obstacles@\n", obstacles_table()).replace("@rows@\n", rows_for_script())
        return script.replace("@configs@", " ".join(f'"/{place.format(release="$release")}"' for place in CONFIGS))
    except OSError as error:
        raise InputError(f"the capture script is missing from this installation: {error.strerror}") from error
