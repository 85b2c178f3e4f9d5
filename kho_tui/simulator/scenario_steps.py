"""The steps of a scenario file: which there are, and what each may say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from kho_tui.releases.table import Releases
from kho_tui.simulator.scenario_table import Table
from kho_tui.simulator.scenario_values import (
    Convert,
    a_boolean,
    a_byte_string,
    a_release,
    a_size,
    a_string,
    a_uname,
    an_errno,
    an_order,
    hex_bytes,
    some_pairs,
    some_seals,
    within,
)
from kho_tui.simulator.steps import (
    Action,
    AddSubtree,
    CreateSession,
    Finish,
    Kexec,
    PreserveAgain,
    PreserveFolio,
    PreserveGuests,
    PreserveMemfd,
    PreservePages,
    ReleaseSession,
    RemoveSubtree,
    Retrieve,
    Step,
    WriteFinalize,
)
from kho_tui.toml import TomlLines

_COUNT = within(1, 1_000_000)

Build = Callable[[Table], Action | Kexec]


def _memfd(t: Table) -> PreserveMemfd:
    data = t.get("text", t.get("hex"))
    return PreserveMemfd(
        session=t.need("session"),
        token=t.need("token"),
        size=t.get("size", len(data) if data is not None else 0),
        pos=t.get("pos", 0),
        seals=t.get("seals", 0),
        order=t.get("order", 0),
        holes=t.get("holes", ()),
        data=data,
        tag=t.get("tag"),
        node=t.get("node"),
        hugetlb=t.get("hugetlb", False),
        count=t.get("count", 1),
    )


_STEPS: Mapping[str, tuple[Mapping[str, Convert], Build]] = {
    "session": ({"name": a_byte_string, "count": _COUNT}, lambda t: CreateSession(t.need("name"), t.get("count", 1))),
    "release": ({"name": a_byte_string}, lambda t: ReleaseSession(t.need("name"))),
    "memfd": (
        {
            "session": a_byte_string,
            "token": a_size,
            "size": a_size,
            "pos": a_size,
            "seals": some_seals,
            "order": an_order,
            "holes": some_pairs,
            "text": a_byte_string,
            "hex": hex_bytes,
            "tag": within(0, (1 << 24) - 1),
            "node": within(0, 1023),
            "hugetlb": a_boolean,
            "count": _COUNT,
        },
        _memfd,
    ),
    "again": (
        {"session": a_byte_string, "token": a_size, "from_session": a_byte_string, "from_token": a_size},
        lambda t: PreserveAgain(t.need("session"), t.need("token"), t.need("from_session"), t.need("from_token")),
    ),
    "guests": (
        {"name": a_byte_string, "count": _COUNT, "size": a_size, "order": an_order},
        lambda t: PreserveGuests(t.get("name", b"vm-{}"), t.need("count"), t.need("size"), t.get("order", 0)),
    ),
    "folio": ({"order": an_order, "address": a_size}, lambda t: PreserveFolio(t.get("order", 0), t.get("address"))),
    "pages": ({"address": a_size, "pages": a_size}, lambda t: PreservePages(t.need("address"), t.need("pages"))),
    "subtree": (
        {"name": a_byte_string, "text": a_byte_string, "hex": hex_bytes, "count": _COUNT},
        lambda t: AddSubtree(t.need("name"), t.get("text", t.get("hex", b"")), t.get("count", 1)),
    ),
    "remove": ({"name": a_byte_string}, lambda t: RemoveSubtree(t.need("name"))),
    "finalize": ({}, lambda t: WriteFinalize(1)),
    "abort": ({}, lambda t: WriteFinalize(0)),
    "retrieve": ({"session": a_byte_string}, lambda t: Retrieve(t.need("session"))),
    "finish": ({"session": a_byte_string}, lambda t: Finish(t.need("session"))),
}


def steps_known(known: Releases) -> Mapping[str, tuple[Mapping[str, Convert], Build]]:
    """The steps by name: which keys each may have, and what is made of them. ``known``: the releases that a kexec may go to."""
    releases = {"release": lambda value: a_release(known)(value).name, "uname": a_uname(known), "cmdline": a_string}
    return {**_STEPS, "kexec": (releases, lambda t: Kexec(t.get("release"), t.get("uname"), t.get("cmdline")))}


def parse_step(values: Mapping[str, Any], number: int, lines: TomlLines, known: Releases) -> Step | Kexec:
    """The step that the table ``number`` of ``[[step]]`` says. ``known``: the releases that are known. Raises InputError."""
    steps = steps_known(known)
    do = values.get("do")
    if not isinstance(do, str) or do not in steps:
        near = get_close_matches(do, steps, 1) if isinstance(do, str) else []
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(sorted(steps))}"
        raise Table("step", {}, {}, lines, number).error("do" if "do" in values else None, f"no such step: {hint}")
    keys, build = steps[do]
    table = Table("step", values, {"do": a_string, "expect": an_errno, **keys}, lines, number)
    action = build(table)
    where = f"{lines.where('step', number, None)}: step {number + 1} ({do})"
    if isinstance(action, Kexec):
        if "expect" in values:
            raise table.error("expect", "a kexec does not fail with an errno")
        return replace(action, where=where)
    return Step(action, where, table.get("expect"))
