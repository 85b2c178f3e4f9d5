"""``whois`` as text: where an address stands, every layer that holds it, the bytes around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from kho_tui.model.facts import Missing
from kho_tui.operations.map_state import ByteRow, Layer, Whois
from kho_tui.text import human_size
from kho_tui.views.format import hex_rows

_HEX_WIDTH = 16 * 3


def print_whois(found: Whois) -> None:
    """Write what is known of the address to stdout."""
    for line in whois_lines(found):
        sys.stdout.write(f"{line}\n")


def whois_lines(found: Whois) -> Iterator[str]:
    """The lines of the answer."""
    yield f"{found.address:#x}, pfn {found.address // found.page_size:#x}, side {found.side}: {found.whose}"
    yield f"  {found.standing}"
    for layer in found.layers:
        yield from _layer(layer)
    if found.unknown:
        yield f"not known here: {', '.join(f'{kind.name} ({fact.reason})' for kind, fact in found.unknown.items())}"
    yield "bytes around it"
    yield from _bytes(found.around, found.address)


def _layer(layer: Layer) -> Iterator[str]:
    hit, kind = layer.hit, layer.hit.kind
    yield f"{kind.name}  {hit.start:#x}-{hit.end:#x}  {human_size(hit.end - hit.start)}  {layer.way}"
    yield f"  {kind.meaning}; {kind.duty.value}; {hit.path}"


def _bytes(around: tuple[ByteRow, ...], address: int) -> Iterator[str]:
    reasons = {row.data.reason for row in around if isinstance(row.data, Missing)}
    if len(reasons) == 1 and all(isinstance(row.data, Missing) for row in around):
        yield f"  {reasons.pop()}"
        return
    for row in around:
        mark = ">" if row.address <= address < row.address + 16 else " "
        if isinstance(row.data, Missing):
            yield f"{mark} {row.address:#x}  {row.data.reason}"
            continue
        (shown,) = hex_rows(row.data)
        yield f"{mark} {row.address:#x}  {shown.hex:<{_HEX_WIDTH}}  {shown.text}"
