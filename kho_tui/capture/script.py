"""The script that makes a capture on a server where nothing of this program is installed."""

from __future__ import annotations

from importlib.resources import files

from kho_tui.errors import InputError


def capture_script() -> str:
    """The POSIX sh script ``capture-kho.sh`` as it is shipped. Raises InputError where the installation lacks it."""
    try:
        return files("kho_tui.capture").joinpath("capture-kho.sh").read_text("utf-8")
    except OSError as error:
        raise InputError(f"the capture script is missing from this installation: {error.strerror}") from error
