"""``whois`` against a search over expected.json and debugfs text that knows neither the map nor the formats' code."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from captures import captures_with_truth
from expected import Document

from kho_tui.context import Context
from kho_tui.operations.map_state import Whois, map_state, whois
from kho_tui.operations.open_state import open_state

PRE = [path for path in captures_with_truth() if path.name.endswith("-pre")]
PROBES = 200

Found = tuple[str, int, int, str]
"""Kind, start, end, owner's path."""


@dataclass
class Truth:
    """What the text files say, as plain lists to be searched from end to end."""

    page: int
    blocks: list[tuple[int, int]]
    claims: list[Found] = field(default_factory=list)

    def block_of(self, address: int) -> tuple[int, int] | None:
        return next(((start, end) for start, end in self.blocks if start <= address < end), None)

    def claim(self, kind: str, start: int, end: int, owner: str) -> None:
        self.claims.append((kind, start, end, owner))

    def whole_block(self, kind: str, address: int, owner: str) -> None:
        """What was allocated for a structure: the block that starts there."""
        block = self.block_of(address)
        assert block is not None and block[0] == address, f"{owner} is preserved as a block of its own"
        self.claim(kind, *block, owner)

    def at(self, address: int) -> set[Found]:
        return {claim for claim in self.claims if claim[1] <= address < claim[2]}


def truth_of(path: Path) -> Truth:
    expected = json.loads((path / "expected.json").read_text())
    page = 65536 if "64k" in str(path) else 4096
    truth = Truth(page, [(start, start + (page << order)) for start, order in expected["preserved"]])
    starts, sizes = ((path / f"kho/out/scratch_{name}").read_text().split() for name in ("phys", "len"))
    for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        truth.claim("scratch", int(start, 16), int(start, 16) + int(size, 16), f"scratch/{number}")
    for address in expected["fdt_phys"]:
        truth.whole_block("root-fdt", address, "out")
    for subtree in expected["subtrees"]:
        _claim_subtree(truth, subtree)
    return truth


def _claim_subtree(truth: Truth, subtree: Document) -> None:
    name = f"out/{subtree['name']}"
    truth.whole_block("subtree", subtree["phys"], name)
    for region in subtree.get("reserve_mem", []):
        truth.claim("reserve_mem", region["start"], region["start"] + region["size"], f"{name}/{region['name']}")
    for row, (address, order) in enumerate(subtree.get("folios", [])):
        truth.claim("test-folio", address, address + (truth.page << order), f"{name}/folios/{row}")
    for session in subtree.get("luo", {}).get("sessions", []):
        at = f"{name}/{session['name']}"
        if session["files_pa"]:
            truth.whole_block("files", session["files_pa"], at)
        for file in session["files"]:
            owner = f"{at}/{file['token']:#x}"
            truth.whole_block("memfd", file["data"], owner)
            for row, (pfn, _, _) in enumerate(file["memfd"]["folios"]):
                truth.whole_block("folio", pfn * truth.page, f"{owner}/folios/{row}")


def probes(truth: Truth, seed: str) -> Iterator[int]:
    """Anywhere in memory, anywhere in what is kept or claimed, and at edges."""
    dice = random.Random(seed)
    stretches = [*truth.blocks, *((start, end) for _, start, end, _ in truth.claims if end > start)]
    top = max(end for _, end in stretches)
    kinds = {claim[0]: [c for c in truth.claims if c[0] == claim[0] and c[2] > c[1]] for claim in truth.claims}
    for number in range(PROBES):
        if number % 4 == 0:
            yield dice.randrange(top + (1 << 20))
        elif number % 4 == 1:
            yield dice.randrange(*dice.choice(stretches))
        elif number % 4 == 2:
            _, start, end, _ = dice.choice(kinds[dice.choice(list(kinds))])
            yield dice.randrange(start, end)
        else:
            start, end = dice.choice(stretches)
            yield dice.choice([start, end - 1, end, max(start - 1, 0)])


def said(found: Whois) -> set[Found]:
    return {(layer.hit.kind.name, layer.hit.start, layer.hit.end, str(layer.hit.path)) for layer in found.layers}


NOT_IN_THE_TEXT = {"ram", "node", "kernel", "preserved", "tracker", "sessions", "flbs", "vmalloc", "array", "scratch-table"}


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_whois_agrees_with_a_search_of_the_text_files(path: Path) -> None:
    truth = truth_of(path)
    with open_state(path, Context()) as opened:
        mapped = map_state(opened.state)
        for address in probes(truth, str(path.parts[-2:])):
            found = whois(mapped, opened.memory, address)
            layers = said(found)
            assert {layer for layer in layers if layer[0] not in NOT_IN_THE_TEXT} == truth.at(address), f"{address:#x}"
            block = truth.block_of(address)
            assert {layer[1:3] for layer in layers if layer[0] == "preserved"} == ({block} if block else set()), f"{address:#x}"
            assert found.preserved is (block is not None)
            tracker = "tracker" in {layer[0] for layer in layers}
            assert found.owned is (block is not None or tracker), (
                "on real handovers every kept page has an owner, and no other but the tracker's"
            )
            assert block is None or not {"tracker", "scratch"} & {layer[0] for layer in layers}


@pytest.mark.parametrize("path", PRE, ids=lambda p: "-".join(p.parts[-2:]))
def test_the_way_to_a_folio_names_session_token_row_and_offset(path: Path) -> None:
    truth, dice = truth_of(path), random.Random(1)
    expected = json.loads((path / "expected.json").read_text())
    sessions = [s for subtree in expected["subtrees"] for s in subtree.get("luo", {}).get("sessions", [])]
    with open_state(path, Context()) as opened:
        mapped = map_state(opened.state)
        for session, file in ((one, file) for one in sessions for file in one["files"]):
            row = dice.randrange(len(file["memfd"]["folios"]))
            pfn, _, index = file["memfd"]["folios"][row]
            address = pfn * truth.page + dice.randrange(truth.page)
            (way,) = [layer.way for layer in whois(mapped, None, address).layers if layer.hit.kind.name == "folio"]
            assert way.startswith(f"LUO / {session['name']} / token {file['token']:#x} / folios[{row}], page 1 of ")
            offset = index * truth.page + address % truth.page
            inside = offset < file["memfd"]["size"]
            assert way.endswith(f"byte {offset} of the file" if inside else f"({file['memfd']['size']} bytes)")
