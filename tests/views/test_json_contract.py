"""The shape of ``show --json``, written down by hand from its contract. It may grow, never shrink or change type."""

from __future__ import annotations

import re
from typing import Any

import pytest
from captures import all_captures
from expected import shown

HEX = re.compile(r"0x[0-9a-f]+")


class Hex:
    """A "0x..." string."""


class OneOf:
    def __init__(self, *values: str) -> None:
        self.values = values


Shape = Any
NODE = {"kind": OneOf("lowmem", "global", "node"), "node": int | None, "start": Hex, "size": int}
FINDING = {"code": str, "severity": OneOf("error", "warning", "info"), "message": str, "where": str}
FDT = {
    "phys": (Hex, None),
    "total_size": int | None,
    "available": int,
    "origin": OneOf("debugfs", "memory", "file"),
    "truncated": bool,
    "libfdt": str,
}
PRESERVED = {
    "state": OneOf("decoded", "partial", "stale", "unavailable", "damaged", "unknown"),
    "reason": str,
    "map": (Hex, None),
    "blocks": int | None,
    "bytes": int | None,
    "by_order": (dict, None),
}
SUBTREE = {
    "name": str,
    "phys": (Hex, None),
    "size": int | None,
    "compatible": str | None,
    "state": OneOf("decoded", "partial", "stale", "unavailable", "damaged", "unknown"),
    "origin": (OneOf("debugfs", "memory", "file"), None),
    "content": (dict, None),
}
SIDE = {
    "abi": str | None,
    "writer": str | None,
    "finalized": bool | None,
    "fdt": (FDT, None),
    "preserved": PRESERVED,
    "subtrees": [SUBTREE],
}
DOCUMENT = {
    "schema": OneOf("kho-tui.state/1"),
    "source": {
        "path": str,
        "kind": str,
        "kernel": str | None,
        "arch": str | None,
        "byte_order": OneOf("little", "big"),
        "page_size": int,
        "files": [{"path": str, "size": int | None, "gave": str, "note": str}],
    },
    "scratch": ([NODE], None),
    "sides": {"in": (SIDE, None), "out": (SIDE, None), "unsided": (SIDE, None)},
    "findings": [FINDING],
}
MEMFD = {"size": int, "pos": int, "seals": int | None, "folios": int | None}
FILE = {"token": Hex, "compatible": str, "data": Hex, "state": str}
SESSION = {"name": str, "files_at": (Hex, None), "files": ([FILE], None)}
CONTENT = {
    "memblock": {"regions": [{"name": str, "start": (Hex, None), "size": int | None}]},
    "kexec-metadata": {"version": int, "previous_release": str, "kexec_count": int},
    "kho_test": {"folios": int | None, "csum": (Hex, None)},
    "LUO": {
        "liveupdate_number": int | None,
        "sessions": ([SESSION], None),
        "flbs": ([{"name": str, "data": Hex, "count": int}], None),
    },
}


def check(value: Any, shape: Shape, where: str) -> None:
    if isinstance(shape, tuple):
        if value is not None:
            check(value, shape[0], where)
    elif shape is Hex:
        assert isinstance(value, str) and HEX.fullmatch(value), where
    elif isinstance(shape, OneOf):
        assert value in shape.values, where
    elif isinstance(shape, dict):
        assert isinstance(value, dict), where
        assert shape.keys() <= value.keys(), (where, shape.keys() - value.keys())
        for key, inner in shape.items():
            check(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for number, item in enumerate(value):
            check(item, shape[0], f"{where}[{number}]")
    else:
        assert isinstance(value, shape), where
        assert not (isinstance(value, bool) and shape is not bool and shape != bool | None), where


@pytest.mark.parametrize("capture", [pytest.param(path, id="-".join(path.parts[-2:])) for path in all_captures()])
def test_every_capture_keeps_the_contract(capture: Any) -> None:
    document = shown(capture)
    check(document, DOCUMENT, "state")
    for name, side in document["sides"].items():
        for subtree in side["subtrees"] if side else ():
            content, where = subtree["content"], f"{name}.{subtree['name']}"
            if content is None:
                assert subtree["state"] != "decoded", where
                continue
            check(content, CONTENT[subtree["name"]], where)
            for session in (content.get("sessions") or ()) if subtree["name"] == "LUO" else ():
                for file in session["files"]:
                    check(file["memfd"], MEMFD, where)


def test_a_number_that_could_not_be_read_is_null() -> None:
    for capture in all_captures():
        for side in shown(capture)["sides"].values():
            if side is not None and side["preserved"]["state"] in ("stale", "unavailable"):
                assert side["preserved"]["blocks"] is None and side["preserved"]["bytes"] is None and side["preserved"]["by_order"] is None
