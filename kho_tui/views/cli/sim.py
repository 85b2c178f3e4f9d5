"""``kho-tui sim``: commands of the simulator. Heavy imports happen inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

sim = typer.Typer(name="sim", help="Simulate handovers, and boot real kernels on them.", rich_markup_mode=None, no_args_is_help=True)


@sim.callback()
def common() -> None:
    """Simulate handovers, and boot real kernels on them."""


@sim.command("boot")
def boot_command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A capture with memory; its outgoing side is handed over.")],
    kernel: Annotated[Path, typer.Option("--kernel", metavar="BZIMAGE", help="The x86_64 kernel to boot.")],
    initrd: Annotated[Path | None, typer.Option("--initrd", metavar="FILE", help="Its initrd.")] = None,
    append: Annotated[str, typer.Option("--append", metavar="WORDS", help="More words for its command line.")] = "",
    limit: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="When to end a guest that goes on.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as JSON (schema kho-tui.boot/1).")] = False,
) -> None:
    """Boot a real kernel in QEMU on a state. Exit code 0: handover taken, 1: ignored or panic, 2: could not run, or no verdict."""
    from kho_tui.operations.boot_state import BootRequest
    from kho_tui.views.cli.boot_text import boot

    raise typer.Exit(boot(path, BootRequest(kernel, initrd, append, limit), as_json=as_json))
