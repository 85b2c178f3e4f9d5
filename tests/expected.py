"""The words of ``expected.json`` (what an independent decoder read) from what ``show --json --blocks`` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from kho_tui.context import Context
from kho_tui.decode.platform import Overrides
from kho_tui.model.state import State
from kho_tui.operations.open_state import open_state
from kho_tui.text import visible
from kho_tui.views.export.json_stream import json_pieces
from kho_tui.views.export.state_json import state_json

Document = dict[str, Any]


def shown(path: Path, overrides: Overrides | None = None, context: Context | None = None) -> Document:
    """All that is printed about the state at ``path``."""
    with open_state(path, context or Context(), overrides) as opened:
        return document(opened.state)


def document(state: State) -> Document:
    """All that is printed about an opened state, read back from the text."""
    parsed: Document = json.loads("".join(json_pieces(state_json(state, blocks=True))))
    return parsed


def number(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


def seen_subtree(one: Document, *, deep: bool, byte_order: Literal["little", "big"] = "little") -> Document:
    """A shown subtree in the words of expected.json; its content too where ``deep``."""
    seen: Document = {"name": one["name"], "phys": number(one["phys"]), "size": one["size"]}
    content = one["content"]
    if one["name"] in ("memblock", "kho_test"):
        seen["compatible"] = one["compatible"]
    if not deep or content is None or "hexdump" in content:
        return seen
    if one["name"] == "memblock":
        seen["reserve_mem"] = [{"name": r["name"], "start": number(r["start"]), "size": r["size"]} for r in content["regions"]]
    if one["name"] == "kexec-metadata":
        seen["metadata"] = content
    if one["name"] == "kho_test":
        seen["nr_folios"] = content["folios"]
        csum = number(content["csum"])
        assert csum is not None
        seen["csum"] = csum.to_bytes(4, byte_order).hex()
        seen["folios"] = [[number(address), order] for address, order in content["folio_list"]]
    if one["name"] == "LUO":
        seen["luo"] = seen_luo(one)
    return seen


def seen_luo(one: Document) -> Document:
    content = one["content"]
    return {
        "compatible": one["compatible"],
        "liveupdate_num": content["liveupdate_number"],
        "sessions": [seen_session(s) for s in content["sessions"]],
        "flbs": [{"name": f["name"], "data": number(f["data"]), "count": f["count"]} for f in content["flbs"]],
    }


def seen_session(session: Document) -> Document:
    if session["files"] is None and session["count"] is None:
        return {"name": session["name"]}
    files = [seen_file(f) for f in session["files"]]
    return {"name": session["name"], "files_pa": number(session["files_at"]), "count": session["count"], "files": files}


def seen_file(file: Document) -> Document:
    seen: Document = {"compatible": file["compatible"], "data": number(file["data"]), "token": number(file["token"])}
    if "memfd" not in file:
        assert file["state"] != "decoded"
        return seen
    memfd = {"pos": file["memfd"]["pos"], "size": file["memfd"]["size"], "folios": file["memfd"]["folio_list"]}
    if file["compatible"] == "memfd-v2":
        memfd |= {"seals": file["memfd"]["seals"], "flags": file["memfd"]["flags"]}
    assert file["memfd"]["folios"] == len(file["memfd"]["folio_list"])
    return seen | {"memfd": memfd}


def expected_subtree(expected: Document) -> Document:
    """A subtree of expected.json as it is to be seen.

    Names as they are shown, and less the address of the session header, which the contract of ``show`` does not name.
    """
    if "luo" in expected:
        expected = {**expected, "luo": {k: v for k, v in expected["luo"].items() if k != "session_header"}}
    visibly: Document = _visibly(expected)
    return visibly


def _visibly(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _visibly(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_visibly(one) for one in value]
    return visible(value) if isinstance(value, str) else value


def assert_side_is(side: Document, expected: Document, page_size: int, byte_order: Literal["little", "big"] = "little") -> None:
    """A side with memory behind it says all that ``expected`` says."""
    assert_root_is(side, expected)
    assert [seen_subtree(s, deep=True, byte_order=byte_order) for s in side["subtrees"]] == [
        expected_subtree(s) for s in expected["subtrees"]
    ]
    assert side["preserved"]["state"] == "decoded"
    assert_blocks_are(side["preserved"], expected["preserved"], page_size)


def assert_root_is(side: Document, expected: Document) -> None:
    assert side["abi"] == expected["compatible"]
    assert number(side["preserved"]["map"]) == expected["map"]
    assert number(side["fdt"]["phys"]) in expected["fdt_phys"]
    assert side["fdt"]["total_size"] == side["fdt"]["available"] == expected["totalsize"]
    assert side["fdt"]["libfdt"] == "ok"


def assert_blocks_are(preserved: Document, blocks: list[list[int]], page_size: int) -> None:
    """The printed blocks and every count over them."""
    assert [[number(address), order] for address, order in preserved["block_list"]] == blocks
    assert preserved["blocks"] == len(blocks)
    assert preserved["bytes"] == sum(page_size << order for _, order in blocks)
    orders = [order for _, order in blocks]
    assert preserved["by_order"] == {str(order): orders.count(order) for order in sorted(set(orders))}
