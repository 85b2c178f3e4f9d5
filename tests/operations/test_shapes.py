"""The same real states in every shape people have them: each opens, and says what it cannot know."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from captures import SAMPLES, all_captures, sample
from expected import shown

from kho_tui.memory.elf import open_elf
from kho_tui.memory.elf_writer import write_elf_core
from kho_tui.memory.source import open_file
from kho_tui.memory.sparse import SparseImage

Pack = Callable[[Path, Path], Path]


def packed_tar(capture: Path, folder: Path) -> Path:
    with tarfile.open(folder / "capture.tar", "w") as archive:
        archive.add(capture, capture.name)
    return folder / "capture.tar"


def packed_tar_gz(capture: Path, folder: Path) -> Path:
    with tarfile.open(folder / "capture.tar.gz", "w:gz") as archive:
        archive.add(capture, capture.name)
    return folder / "capture.tar.gz"


def packed_zip(capture: Path, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "capture.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(capture.rglob("*")):
            archive.write(path, path.relative_to(capture.parent))
    return folder / "capture.zip"


def without(capture: Path, folder: Path, *names: str) -> Path:
    copy = folder / "copy"
    shutil.copytree(capture, copy, ignore=shutil.ignore_patterns(*names))
    return copy


def said(document: dict[str, Any]) -> dict[str, Any]:
    """What a state says, less the path it was opened at."""
    return {**document, "source": {**document["source"], "path": ""}}


def by_memory(side: dict[str, Any]) -> list[dict[str, Any]]:
    """The subtrees less the copies that debugfs had."""
    return [{**subtree, "copies": []} for subtree in side["subtrees"]]


CAPTURES = [pytest.param(path, id="-".join(path.parts[-2:])) for path in all_captures()]
PRE = [pytest.param(path, id="-".join(path.parts[-2:])) for path in all_captures() if path.name == "1-pre"]
COLD_CUT = [p for p in PRE if "6.18" not in str(p.id)]


@pytest.mark.parametrize("pack", [packed_tar, packed_tar_gz, packed_zip])
@pytest.mark.parametrize("name", ["x86_64-7.3/2-pre", "x86_64-6.19/1-post", "arm64-64k-7.3/1-pre"])
def test_an_archive_says_what_the_directory_says(name: str, pack: Pack, tmp_path: Path) -> None:
    assert said(shown(pack(sample(name), tmp_path))) == said(shown(sample(name)))


@pytest.mark.parametrize("capture", CAPTURES)
def test_without_memory_pointers_lead_nowhere(capture: Path, tmp_path: Path) -> None:
    document = shown(without(capture, tmp_path, "memory.elf"))
    assert document["scratch"] == shown(capture)["scratch"]
    for name, side in document["sides"].items():
        if side is None:
            continue
        assert side["preserved"]["blocks"] is None
        assert side["preserved"]["state"] == ("stale" if name == "in" else "unavailable")
        for subtree in side["subtrees"]:
            if subtree["name"] == "LUO" and subtree["content"] is not None:
                assert subtree["content"]["sessions"] is None
            if subtree["name"] == "kho_test":
                assert subtree["content"]["folio_list"] is None
    assert not [f for f in document["findings"] if f["code"] in ("KHO103", "KHO104")], "no memory is said once, not at every pointer"


@pytest.mark.parametrize("capture", PRE)
def test_without_debugfs_memory_tells_the_outgoing_side(capture: Path, tmp_path: Path) -> None:
    document, whole = shown(without(capture, tmp_path, "kho")), shown(capture)
    if not (capture / "dmesg").exists():
        assert document["sides"]["unsided"]["preserved"] == whole["sides"]["out"]["preserved"]
        return
    assert document["sides"]["out"]["preserved"] == whole["sides"]["out"]["preserved"]
    assert by_memory(document["sides"]["out"]) == by_memory(whole["sides"]["out"])
    assert document["sides"]["in"] is None
    assert document["scratch"] is None


def test_without_debugfs_the_boot_record_tells_the_incoming_side(tmp_path: Path) -> None:
    whole = shown(sample("x86_64-7.3/2-pre"))
    document = shown(without(sample("x86_64-7.3/2-pre"), tmp_path, "kho"))
    assert document["sides"]["out"]["preserved"] == whole["sides"]["out"]["preserved"]
    assert document["sides"]["in"]["fdt"] is None or document["sides"]["in"]["preserved"]["state"] == "stale"


@pytest.mark.parametrize("capture", PRE)
def test_memory_alone_tells_the_state_but_not_its_side(capture: Path, tmp_path: Path) -> None:
    alone = tmp_path / "memory.elf"
    shutil.copy(capture / "memory.elf", alone)
    document, whole = shown(alone), shown(capture)
    assert document["sides"]["in"] is None and document["sides"]["out"] is None
    side, out = document["sides"]["unsided"], whole["sides"]["out"]
    assert side["preserved"]["block_list"] == out["preserved"]["block_list"]
    assert by_memory(side) == by_memory(out)
    assert document["source"]["page_size"] == whole["source"]["page_size"]
    assert document["source"]["kernel"] is None
    assert "side unknown" in document["verdict"]


def test_memory_alone_of_a_running_kernel_states_no_stale_count(tmp_path: Path) -> None:
    for capture in all_captures():
        if capture.name not in ("1-post", "2-post") or not (capture / "memory.elf").exists():
            continue
        alone = tmp_path / f"{capture.parent.name}-{capture.name}.elf"
        shutil.copy(capture / "memory.elf", alone)
        side = shown(alone)["sides"]["unsided"]
        if side is not None:
            assert side["preserved"]["blocks"] is None, capture
            assert side["preserved"]["state"] in ("stale", "unavailable"), capture


@pytest.mark.parametrize("capture", [p for p in CAPTURES if (Path(str(p.values[0])) / "kho/in/fdt").exists()])
def test_a_single_incoming_fdt(capture: Path, tmp_path: Path) -> None:
    alone = tmp_path / "fdt"
    shutil.copy(capture / "kho/in/fdt", alone)
    document, whole = shown(alone), shown(capture)
    side = document["sides"]["unsided"]
    assert side["abi"] == whole["sides"]["in"]["abi"]
    assert side["preserved"]["state"] == "unavailable"
    assert [s["name"] for s in side["subtrees"]] == [s["name"] for s in whole["sides"]["in"]["subtrees"]]
    assert [s["phys"] for s in side["subtrees"]] == [s["phys"] for s in whole["sides"]["in"]["subtrees"]]
    assert all(s["content"] is None for s in side["subtrees"])


@pytest.mark.parametrize("capture", COLD_CUT)
def test_the_cut_outgoing_fdt_is_salvaged(capture: Path, tmp_path: Path) -> None:
    blob = capture / "kho/out/fdt"
    if not blob.exists():
        pytest.skip("this kernel has no out/fdt")
    alone = tmp_path / "fdt"
    shutil.copy(blob, alone)
    side = shown(alone)["sides"]["unsided"]
    assert side["fdt"]["truncated"] and side["fdt"]["available"] in (152, 233)
    assert side["fdt"]["libfdt"].startswith("FDT_ERR_TRUNCATED")
    whole = shown(capture)["sides"]["out"]
    assert side["abi"] == whole["abi"]
    if side["preserved"]["map"] != whole["preserved"]["map"]:
        # 6.19 writes the map anew inside the reboot call, after debugfs was copied: both are shown.
        assert next(f["where"] for f in shown(capture)["findings"] if f["code"] == "KHO109") == "out"
    names = [s["name"] for s in whole["subtrees"]]
    salvaged = [s["name"] for s in side["subtrees"]]
    assert salvaged == names[: len(salvaged)] and salvaged
    for mine, real in zip(side["subtrees"], whole["subtrees"], strict=False):
        assert mine["phys"] in (real["phys"], None)
        assert mine["size"] in (real["size"], None)


def test_every_sample_is_there() -> None:
    assert {str(p.relative_to(SAMPLES)) for p in SAMPLES.glob("*/*-p*")} >= {
        *(f"x86_64-{release}/1-{when}" for release in ("6.18", "6.19", "7.1", "7.3") for when in ("pre", "post")),
        "x86_64-7.3/2-pre",
        "x86_64-7.3/2-post",
        "arm64-64k-7.3/1-pre",
    }


def test_a_boot_record_in_memory_names_the_incoming_side(tmp_path: Path) -> None:
    """In a dump of all memory the setup_data node of this boot is there too: then a core alone tells the side."""
    capture = sample("x86_64-7.3/2-post")
    image = SparseImage(4096)
    with open_file(capture / "memory.elf") as source:
        memory = open_elf(source)
        for extent in memory.extents():
            image.write(extent.start, memory.read(extent.start, extent.size))
    payload = (capture / "setup_data/1/data").read_bytes()
    image.write(0x90000, bytes(8) + (10).to_bytes(4, "little") + len(payload).to_bytes(4, "little") + payload)
    with (tmp_path / "vmcore").open("wb") as stream:
        write_elf_core(stream, image)
    document = shown(tmp_path / "vmcore")
    assert document["sides"]["unsided"] is None
    incoming = document["sides"]["in"]
    assert incoming["fdt"]["phys"] == shown(capture)["sides"]["in"]["fdt"]["phys"]
    assert incoming["preserved"]["state"] == "stale"
    assert incoming["preserved"]["blocks"] is None
