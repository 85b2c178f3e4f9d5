"""The command line: arguments in, exit code out. Heavy imports happen inside the commands, so that --help is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kho_tui.errors import InputError, KhoError
from kho_tui.views.cli.request import THIS_MACHINE
from kho_tui.views.cli.sim import sim

if TYPE_CHECKING:
    from kho_tui.layout.platform import ByteOrder
    from kho_tui.views.cli.request import Request

INTERRUPTED = 130
COMMANDS = ("open", "show", "map", "whois", "check", "diff", "why", "sim", "capture", "capture-script")

app = typer.Typer(
    name="kho-tui",
    help="Inspect Linux Kexec HandOver (KHO) and Live Update (LUO) states.\n\n`kho-tui PATH` opens the app on a capture "
    "directory, an archive of one, a dumped FDT or a memory dump; `kho-tui A B` compares two of them; without a path it looks at this "
    "machine.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(sim)

PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="What to open; PATH:in or PATH:out picks a side.")]
OptionalPath = Annotated[str, typer.Argument(metavar="[PATH]", help="What to open, this machine unless given; PATH:in, PATH:out: a side.")]
SideOption = Annotated[str | None, typer.Option("--side", metavar="in|out", help="Only this side.")]
PageSizeOption = Annotated[int | None, typer.Option("--page-size", metavar="BYTES", help="Page size, where the program gets it wrong.")]
ByteOrderOption = Annotated[str | None, typer.Option("--byte-order", metavar="little|big", help="Byte order, likewise.")]
RootOption = Annotated[
    str | None, typer.Option("--root", metavar="ADDR", help="Physical address of the root FDT to show, where memory holds several.")
]
_BASE_HELP = "Physical address of the first byte of a raw image, or of pieces of it: 0:0-2G,4G:2G- (address:offsets in the file)."
SearchOption = Annotated[
    bool,
    typer.Option("--search", help="Look through all RAM of this machine for root FDTs, where its kernel does not say where they are."),
]
BaseOption = Annotated[str | None, typer.Option("--base", metavar="ADDR", help=_BASE_HELP)]


def _version(wanted: bool) -> None:
    if wanted:
        from kho_tui.version import program_version

        typer.echo(f"kho-tui {program_version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Options before any command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("open")
def open_command(
    path: OptionalPath = THIS_MACHINE,
    other: Annotated[str | None, typer.Argument(metavar="PATH2", help="Another state, to be compared with the first.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look for changes again and again, read anew, mark what changed.")] = False,
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="How often --watch looks.", min=0.1, max=86400)] = 2,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw with nothing but ASCII characters.")] = False,
    side: SideOption = None,
    page_size: PageSizeOption = None,
    byte_order: ByteOrderOption = None,
    base: BaseOption = None,
    root: RootOption = None,
    search: SearchOption = False,
) -> None:
    """Open the app (the default: `kho-tui PATH`, `kho-tui A B` to compare). Without a terminal: what `show` or `diff` prints."""
    request = _request(path, side, page_size, byte_order, base, root, search)
    against = None if other is None else _request(other, side, page_size, byte_order, base, root)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        from kho_tui.views.cli import opened

        if against is not None:
            from kho_tui.views.cli.diff_text import DiffRequest, diff

            typer.echo("kho-tui: not a terminal, so this is `kho-tui diff`; in a terminal the app opens", err=True)
            raise typer.Exit(diff(request, against, DiffRequest("auto", (), False, False, False), as_json=False))
        typer.echo("kho-tui: not a terminal, so this is `kho-tui show`; in a terminal the app opens", err=True)
        raise typer.Exit(opened.show(request, as_json=False, blocks=False, files=False))
    from kho_tui.views.cli.open_app import open_app

    second = "" if against is None else f"{against.path}:{against.side}" if against.side else against.path
    raise typer.Exit(open_app(request, second, watch=interval if watch else None, ascii=ascii_only))


@app.command("show")
def show_command(
    path: OptionalPath = THIS_MACHINE,
    as_json: Annotated[bool, typer.Option("--json", help="The whole state as JSON (schema kho-tui.state/1).")] = False,
    blocks: Annotated[bool, typer.Option("--blocks", help="Also every preserved block and every folio.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also every file of the input: what it gave, or that it was not read.")
    ] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Instead: what scratch, preserved memory and KHO itself cost.")] = False,
    side: SideOption = None,
    page_size: PageSizeOption = None,
    byte_order: ByteOrderOption = None,
    base: BaseOption = None,
    root: RootOption = None,
    search: SearchOption = False,
) -> None:
    """Print the verdict of what was read and the decoded tree."""
    from kho_tui.views.cli import opened

    request = _request(path, side, page_size, byte_order, base, root, search)
    if memory and blocks:
        raise InputError("--memory and --blocks are two different outputs: take one")
    if memory:
        raise typer.Exit(opened.memory(request, as_json=as_json))
    raise typer.Exit(opened.show(request, as_json=as_json, blocks=blocks, files=verbose))


@app.command("map")
def map_command(
    path: OptionalPath = THIS_MACHINE,
    window: Annotated[str | None, typer.Option("--range", metavar="LO-HI", help="Only from LO to below HI: 0x..., 4G, pfn:0x...")] = None,
    width: Annotated[int | None, typer.Option("--width", metavar="N", help="Characters of a line; the terminal's unless given.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", metavar="NAME", help="List only this kind; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole map as JSON (schema kho-tui.map/1).")] = False,
    side: SideOption = None,
    page_size: PageSizeOption = None,
    byte_order: ByteOrderOption = None,
    base: BaseOption = None,
    root: RootOption = None,
    search: SearchOption = False,
) -> None:
    """Print the memory map: what lies where, whose it is, and whether the sums agree."""
    from kho_tui.views.cli import opened

    request = _request(path, side, page_size, byte_order, base, root, search)
    raise typer.Exit(opened.map_memory(request, opened.MapRequest(window, width, tuple(kind or ())), as_json=as_json))


@app.command("whois")
def whois_command(
    path: PathArgument,
    address: Annotated[str, typer.Argument(metavar="ADDR", help="Physical address: 0x12345000, decimal, 4G, pfn:0x12345.")],
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON (schema kho-tui.whois/1).")] = False,
    side: SideOption = None,
    page_size: PageSizeOption = None,
    byte_order: ByteOrderOption = None,
    base: BaseOption = None,
    root: RootOption = None,
    search: SearchOption = False,
) -> None:
    """Print who owns a physical address. Exit code 0: owned, 1: nobody owns it, 2: cannot be told."""
    from kho_tui.views.cli import opened

    request = _request(path, side, page_size, byte_order, base, root, search)
    raise typer.Exit(opened.whois(request, address, as_json=as_json))


@app.command("check")
def check_command(
    path: OptionalPath = THIS_MACHINE,
    after: Annotated[str | None, typer.Option("--after", metavar="POST", help="The state after the kexec: did everything arrive?")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="CODE", help="Ask only this rule; may be repeated.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="CODE", help="Leave this code out; may be repeated.")] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="T", help="Would this kernel take it? A release (7.3), a capture of it, or a kernel image."),
    ] = None,
    target_cmdline: Annotated[
        str | None,
        typer.Option("--target-cmdline", metavar="WORDS", help="The target's command line; that of its capture unless given."),
    ] = None,
    target_initrd: Annotated[
        Path | None, typer.Option("--target-initrd", metavar="FILE", help="The initrd to be loaded with the target's image: does it fit?")
    ] = None,
    assume: Annotated[
        str,
        typer.Option("--assume", metavar="own|none", help="What is not known of the target: as it is here, or unknown."),
    ] = "own",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 2 also where a rule of severity error is unknown, or the target was assumed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON (schema kho-tui.check/1).")] = False,
    explain: Annotated[str | None, typer.Option("--explain", metavar="CODE", help="Say what a code stands for, and nothing else.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List all codes, and nothing else.")] = False,
    side: SideOption = None,
    page_size: PageSizeOption = None,
    byte_order: ByteOrderOption = None,
    base: BaseOption = None,
    root: RootOption = None,
    search: SearchOption = False,
) -> None:
    """Check whether a state is sound, and whether another kernel would take it.

    Exit code 0: nothing wrong found (and the target takes all of it), 1: errors (or the target loses some), 2: could not be checked.
    """
    from kho_tui.operations.check_target import TargetRequest
    from kho_tui.views.cli import check_text

    if listing or explain is not None:
        raise typer.Exit(check_text.list_codes() if explain is None else check_text.explain(explain))
    request = _request(path, side, page_size, byte_order, base, root, search)
    if target is None and (target_cmdline is not None or target_initrd is not None):
        raise InputError("--target-cmdline and --target-initrd speak of a --target")
    if assume not in ("own", "none"):
        raise InputError("--assume takes own or none")
    kernel = None if target is None else TargetRequest(target, target_cmdline, target_initrd, assume == "own")
    wanted = check_text.CheckRequest(after, tuple(only or ()), tuple(skip or ()), strict, kernel)
    raise typer.Exit(check_text.check(request, wanted, as_json=as_json))


@app.command("diff")
def diff_command(
    old: Annotated[str, typer.Argument(metavar="A", help="The state before; A:in or A:out picks a side.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The state after, likewise.")],
    view: Annotated[
        str, typer.Option("--as", metavar="auto|plain|handover", help="As two ends of one handover, or plain; auto: by the evidence.")
    ] = "auto",
    only: Annotated[list[str] | None, typer.Option("--only", metavar="KIND", help="List only this kind; may be repeated.")] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only counts.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 2 also where something cannot be told.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON (schema kho-tui.diff/1).")] = False,
    side: SideOption = None,
    page_size: PageSizeOption = None,
    byte_order: ByteOrderOption = None,
    base: BaseOption = None,
    root: RootOption = None,
) -> None:
    """Compare two states by meaning. Exit code 0: the same, or no loss; 1: they differ, or a loss; 2: could not be compared."""
    from kho_tui.views.cli.diff_text import DiffRequest, diff

    requests = [_request(path, side, page_size, byte_order, base, root) for path in (old, new)]
    wanted = DiffRequest(view, tuple(only or ()), stat, quiet, strict)
    raise typer.Exit(diff(requests[0], requests[1], wanted, as_json=as_json))


# An errno may be typed as -EIO or -99.
@app.command("why", context_settings={"ignore_unknown_options": True})
def why_command(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD...] [PATH]",
            help="What you see: an error (EBUSY), words (sessions gone), a line of the kernel's log; then a capture, this machine unless "
            "given. - reads a kernel's log from standard input.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Kernels that might be loaded next; on this machine those of /boot.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON (schema kho-tui.why/1).")] = False,
) -> None:
    """Say why: from a symptom to its causes with evidence and remedy; without one, what is amiss with this machine or capture.

    Exit code 0: nothing amiss was found, 1: a cause was found, 2: unknown.
    """
    from kho_tui.views.cli.why_request import read_arguments
    from kho_tui.views.cli.why_text import why

    raise typer.Exit(why(read_arguments(arguments or [], images), as_json=as_json))


@app.command("capture")
def capture_command(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="What to write: .tar.gz, .tar or .tar.zst is one file, else a directory."),
    ] = None,
    memory: Annotated[
        str,
        typer.Option("--memory", metavar="metadata|none", help="Of memory: pages of KHO's own structures, or none; contents never."),
    ] = "metadata",
    search: SearchOption = False,
) -> None:
    """Write a capture of this machine (as root). Exit code 0: all of it, 1: something could not be read, which is said."""
    from kho_tui.views.cli.capture_text import capture

    if memory not in ("metadata", "none"):
        raise InputError("--memory takes metadata or none")
    if search and memory == "none":
        raise InputError("--search looks through memory, and --memory none takes none")
    raise typer.Exit(capture(output, "none" if memory == "none" else "metadata", search=search))


@app.command("capture-script")
def capture_script_command() -> None:
    """Print a POSIX sh script that makes a capture on any server (as root: sh SCRIPT [DIR])."""
    from kho_tui.capture.script import capture_script

    sys.stdout.write(capture_script())


def with_command(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``open`` put in front where the first word is a path: one that exists, or no command's name."""
    words = list(arguments)
    first = next((word for word in words if not word.startswith("-")), None)
    before = words if first is None else words[: words.index(first)]
    if "--help" in before or "--version" in before:
        return words
    if first in COMMANDS and not (Path(first).exists() and len(words) == 1):
        return words
    return ["open", *words]


@cache
def commands(first: str = "") -> Callable[..., Any]:
    """``app`` as it runs, with no other command than ``first`` where that is one: all of them take a fifth of the program's start.

    Calling ``app`` itself makes them anew from their signatures.
    """
    chosen = copy(app)
    if first in COMMANDS:
        chosen.registered_commands = [one for one in app.registered_commands if one.name == first]
        chosen.registered_groups = [one for one in app.registered_groups if one.typer_instance is sim and first == "sim"]
    return typer.main.get_command(chosen)


def run(arguments: Sequence[str]) -> int:
    """The whole program; the exit code. Never a traceback."""
    try:
        words = with_command(arguments)
        code = commands(words[0] if words else "")(words, standalone_mode=False, prog_name="kho-tui")
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.Exit as done:
        return done.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except KhoError as error:
        _complain(str(error))
        return error.exit_code
    except Exception as error:
        from kho_tui.text import visible

        show = getattr(error, "format_message", None)
        if show is not None:
            _complain(f"{visible(show())} (kho-tui --help)")
        else:
            _complain(f"internal error, please report it: {type(error).__name__}: {visible(str(error))}")
        return KhoError.exit_code


def _complain(message: str) -> None:
    print(f"kho-tui: {message}", file=sys.stderr)


def _request(
    path: str,
    side: str | None,
    page_size: int | None,
    byte_order: str | None,
    base: str | None,
    root: str | None = None,
    search: bool = False,
) -> Request:
    """What every command that opens a state is told."""
    from kho_tui.layout.platform import PAGE_SIZES
    from kho_tui.views.cli.request import Request, parse_pieces, split_side

    where, chosen = split_side(path, side)
    if page_size is not None and page_size not in PAGE_SIZES:
        raise InputError(f"--page-size takes one of {', '.join(map(str, PAGE_SIZES))}")
    return Request(
        path=where,
        side=chosen,
        page_size=page_size,
        byte_order=_byte_order(byte_order),
        base=() if base is None else parse_pieces(base),
        root=_address(root),
        search=search,
    )


def _byte_order(text: str | None) -> ByteOrder | None:
    if text is None:
        return None
    if text == "little":
        return "little"
    if text == "big":
        return "big"
    raise InputError("--byte-order takes little or big")


def _address(text: str | None) -> int | None:
    if text is None:
        return None
    from kho_tui.layout.platform import PAGE_SIZES
    from kho_tui.views.format import parse_address

    return parse_address(text, PAGE_SIZES[0])
