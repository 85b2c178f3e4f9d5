"""``kho-tui sim``: commands of the simulator. Heavy imports happen inside the commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kho_tui.errors import InputError

sim = typer.Typer(name="sim", help="Simulate handovers, and boot real kernels on them.", rich_markup_mode=None)


@sim.callback(invoke_without_command=True)
def common(context: typer.Context) -> None:
    """Simulate handovers, and boot real kernels on them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="A capture with memory; its outgoing side is meant.")]
OutOption = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write: a new or empty directory.")]


@sim.command("new")
def new_command() -> None:
    """Print a scenario that runs, with every key explained: kho-tui sim new > my.toml"""
    from kho_tui.simulator.new_scenario import new_scenario

    sys.stdout.write(new_scenario())


@sim.command("run")
def run_command(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A TOML file: machine, kernel, steps (see `sim new`).")],
    out: OutOption,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Instead of the scenario's seed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What came of each stage as JSON (schema kho-tui.run/1).")] = False,
) -> None:
    """Play a scenario: one capture a stage, DIR/1-pre before the first kexec, DIR/1-post after it, and so on.

    Exit code 0: nothing was lost, 1: something preserved was lost, or a kernel panicked, 2: it could not be played, or that cannot be told.
    """
    from kho_tui.views.cli import sim_text

    raise typer.Exit(sim_text.run(scenario, out, seed, as_json=as_json))


@sim.command("kexec")
def kexec_command(
    path: PathArgument,
    out: OutOption,
    kernel: Annotated[
        str | None, typer.Option("--kernel", metavar="REL", help="The release to boot, as 7.3 or 7.3.4; the same one unless given.")
    ] = None,
    cmdline: Annotated[
        str | None, typer.Option("--cmdline", metavar="WORDS", help="Its command line; that of the state unless given.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Same seed, same addresses and same noise.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="What came of it as JSON (schema kho-tui.kexec/1).")] = False,
) -> None:
    """Kexec a state into a simulated kernel and write what that one shows then. What that does with the state is printed.

    Exit code 0: nothing is lost, 1: something preserved is lost, or it panics, 2: it could not be simulated, or that cannot be told.
    """
    from kho_tui.views.cli import sim_text
    from kho_tui.views.cli.request import split_side

    where, side = split_side(path, None)
    raise typer.Exit(sim_text.kexec(where, side, out, kernel, cmdline, seed, as_json=as_json))


@sim.command("replay")
def replay_command(
    path: PathArgument,
    out: OutOption,
    as_json: Annotated[bool, typer.Option("--json", help="What was written as JSON (schema kho-tui.replay/1).")] = False,
) -> None:
    """Decode a state, keep only its meaning, and write its structures again at their own addresses."""
    from kho_tui.views.cli import sim_text
    from kho_tui.views.cli.request import split_side

    where, side = split_side(path, None)
    sim_text.replay(where, side, out, as_json=as_json)


@sim.command("fault")
def fault_command(
    path: Annotated[str | None, typer.Argument(metavar="PATH", help="A capture directory, or a bare core.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which fault: one of --list.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where to write: a new or empty directory.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List all faults, and nothing else.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The list, or what was changed, as JSON (kho-tui.faults/1, kho-tui.fault/1).")
    ] = False,
) -> None:
    """Break a state on purpose: a capture like it, with one fault."""
    from kho_tui.views.cli import sim_text

    if listing:
        sim_text.faults(as_json=as_json)
        return
    if path is None or name is None or out is None:
        raise InputError("sim fault takes PATH NAME -o DIR (or --list)")
    sim_text.fault(path, name, out, as_json=as_json)


@sim.command("boot")
def boot_command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A capture with memory; its outgoing side is handed over.")],
    kernel: Annotated[Path, typer.Option("--kernel", metavar="BZIMAGE", help="The x86_64 kernel to boot.")],
    initrd: Annotated[Path | None, typer.Option("--initrd", metavar="FILE", help="Its initrd.")] = None,
    append: Annotated[str, typer.Option("--append", metavar="WORDS", help="More words for its command line.")] = "",
    limit: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="When to end a guest that goes on.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as JSON (schema kho-tui.boot/1).")] = False,
) -> None:
    """Boot a real kernel in QEMU on a state.

    Exit code 0: handover taken whole, or there was none to lose; 1: taken in part, ignored, or panic; 2: could not run, or no verdict.
    """
    from kho_tui.operations.boot_state import BootRequest
    from kho_tui.views.cli.boot_text import boot

    raise typer.Exit(boot(path, BootRequest(kernel=kernel, initrd=initrd, append=append, limit=limit), as_json=as_json))
