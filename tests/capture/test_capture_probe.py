"""What a path is taken for, and that nothing hostile gets further than one clear line or a note."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import random
import re
import socket
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kho_tui.capture import probe
from kho_tui.capture.probe import open_sources
from kho_tui.capture.sources import Sources
from kho_tui.context import Budget, Context
from kho_tui.errors import BudgetError, Cancelled, InputError, KhoError
from kho_tui.memory.pieces import Piece
from kho_tui.subsystems.registry import builtin

FDT = bytes.fromhex("d00dfeed") + struct.pack(">9I", 56, 40, 56, 40, 17, 16, 0, 0, 16) + bytes(16)
FILES = {
    "kho/out/fdt": FDT,
    "kho/out/scratch_phys": b"0x10000000\n",
    "kho/out/scratch_len": b"0x400000\n",
    "kho/in/sub_fdts/a b\n\x1b[31m": b"blob",
    "iomem": b"00001000-0009fbff : System RAM\n",
    "cmdline": b"kho=on\n",
}


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def notes_of(sources: Sources) -> str:
    return "\n".join(f"{note.path}: {note.message}" for note in sources.notes)


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_a_capture_of_little(tmp_path: Path) -> None:
    with open_sources(make(tmp_path, FILES), Context(), builtin()) as sources:
        assert sources.kind == "capture"
        assert sources.outgoing is not None and sources.outgoing.fdt is not None and sources.outgoing.fdt.data == FDT
        assert sources.incoming is not None and set(sources.incoming.subtrees) == {b"a b\n\x1b[31m"}
        assert all("\x1b" not in file.path + file.gave for file in sources.files)
        assert ("kho/out/fdt", "root FDT, outgoing") in [(file.path, file.gave) for file in sources.files]


@pytest.mark.parametrize(
    "name, data, kind",
    [
        ("a.dtb", FDT, "fdt"),
        ("half", bytes.fromhex("2ff20112") + bytes(60), "fdt"),
        ("table", struct.pack("<4Q", 0x10000000, 0x400000, 0x3F400000, 0), "scratch"),
        ("table-be", struct.pack(">2Q", 0x10000000, 0x400000), "scratch"),
        ("zeros", bytes(4096), "raw"),
        ("image", random.Random(1).randbytes(9000), "raw"),
        ("short", b"\x01\x02\xff", "blob"),
    ],
)
def test_single_files(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with open_sources(path, Context(), builtin()) as sources:
        assert sources.kind == kind
        held = sources.memory.read(0, len(data)) if sources.memory else sources.bare and sources.bare.data
        assert held == data
        assert sources.bare_side is None


def test_a_scratch_table_says_its_byte_order(tmp_path: Path) -> None:
    (tmp_path / "table").write_bytes(struct.pack(">2Q", 0x10000000, 0x400000))
    with open_sources(tmp_path / "table", Context(), builtin()) as sources:
        assert [(hint.what, hint.value) for hint in sources.hints] == [("byte_order", "big")]


def test_raw_base_overrides_the_looks(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(FDT)
    with open_sources(tmp_path / "image", Context(), builtin(), base=[Piece(0x1000)]) as sources:
        assert sources.kind == "raw" and sources.memory is not None
        assert sources.memory.read(0x1000, 4) == FDT[:4]


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "is empty"),
        (b"just text\n" * 900, "a text file"),
        (b"KDUMP   " + bytes(5000), "makedumpfile"),
        (b"\x28\xb5\x2f\xfd" + bytes(5000), "zstd"),
        (gzip.compress(gzip.compress(b"x" * 9000)), "compressed twice"),
        (b"\x1f\x8b" + b"\xff" * 50, "damaged gzip"),
        (b"PK\x03\x04" + bytes(500), "damaged zip"),
        (b"\x7fELF" + bytes(60), "ELF"),
    ],
    ids=["empty", "text", "kdump", "zstd", "gzip-in-gzip", "damaged-gzip", "damaged-zip", "elf"],
)
def test_files_that_are_refused_in_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as error:
        open_sources(path, Context(), builtin())
    assert "\n" not in str(error.value)


def test_things_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    (tmp_path / "empty").mkdir()
    for name in ("fifo", "socket", "empty", "missing", "bad\0name"):
        with pytest.raises(InputError) as error:
            open_sources(tmp_path / name, Context(), builtin())
        assert "\n" not in str(error.value)
    server.close()


def test_links_fifos_and_loops_in_a_directory(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    capture = make(tmp_path / "capture", FILES)
    (capture / "kho/out/sub_fdts").mkdir()
    (capture / "kho/out/sub_fdts/leak").symlink_to(outside)
    (capture / "kho/out/sub_fdts/self").symlink_to("self")
    (capture / "kho/out/sub_fdts/inside").symlink_to("../fdt")
    (capture / "kho/loop").symlink_to(capture)
    os.mkfifo(capture / "version")
    with open_sources(capture, Context(), builtin()) as sources:
        assert sources.outgoing is not None
        assert set(sources.outgoing.subtrees) == {b"inside"}
        said = notes_of(sources)
        assert "leak: a symlink out of the capture" in said
        assert "version: a device, fifo or socket" in said
        assert "self: " in said and "kho/loop: " in said


def test_a_tar_of_debugfs_itself_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", {"kho/in/fdt": b"", "kho/out/scratch_phys": b"", "kho/in/sub_fdts/LUO": b"", "cmdline": b""})
    with pytest.raises(InputError, match="stat says 0 for debugfs files: this tar holds no bytes of them; copy with cat"):
        open_sources(path, Context(), builtin())


def test_members_that_cannot_be_read_are_not_called_empty(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("kho/in/fdt", FDT)
    with pytest.raises(InputError, match="the kho tree could not be read: compressed in the zip by method 14"):
        open_sources(tmp_path / "x.zip", Context(), builtin())


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("kho/in/fdt", FDT)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(InputError, match="an encrypted zip; unpack it"):
        open_sources(tmp_path / "x.zip", Context(), builtin())


def test_names_in_archives_are_only_names(tmp_path: Path) -> None:
    hostile = {f"../../{name}": data for name, data in FILES.items()} | {"/etc/passwd": b"x", "../../../iomem": b"evil"}
    (tmp_path / "work").mkdir()
    with open_sources(tar_of(tmp_path / "work/x.tar", hostile), Context(), builtin()) as sources:
        assert sources.outgoing is not None
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["work", "x.tar"]


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(tar_of(path, FILES), "a") as archive:
        link = tarfile.TarInfo("kho/out/finalize")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with open_sources(path, Context(), builtin()) as sources:
        assert "kho/out/finalize: a link or device" in notes_of(sources)


def zip_entry(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = kind << 16
    return info


def test_links_in_a_zip_lead_to_members_and_nowhere_else(tmp_path: Path) -> None:
    """A link's content is the path that it leads to: no file of the capture."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("cap/blobs/root", FDT)
        archive.writestr("cap/kho/out/finalize", b"1\n")
        archive.writestr(zip_entry("cap/kho/out/fdt", stat.S_IFLNK | 0o777), "../../blobs/root")
        archive.writestr(zip_entry("cap/kho/in/fdt", stat.S_IFLNK | 0o777), "/etc/passwd")
        archive.writestr(zip_entry("cap/kho/in/sub_fdts/a", stat.S_IFLNK | 0o777), "../../../../../../etc/passwd")
        archive.writestr(zip_entry("cap/kho/in/sub_fdts/b", stat.S_IFIFO | 0o644), "")
    with open_sources(tmp_path / "x.zip", Context(), builtin()) as sources:
        assert sources.outgoing is not None and sources.outgoing.fdt is not None and sources.outgoing.fdt.data == FDT
        assert sources.incoming is None
        said = notes_of(sources)
        assert said.count("a link that leads to no file of the archive: not followed") == 2
        assert "a device, fifo or socket in the archive: not read" in said


@pytest.mark.parametrize("packed", [False, True])
def test_what_lies_beside_a_capture_is_listed(packed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "case-4711"
    for name, data in FILES.items():
        path = folder / "server/cap" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "mail\x1b.txt").write_bytes(b"please look")
    (folder / "server/uptime").write_bytes(b"1")
    where = folder
    if packed:
        where = tmp_path / "x.tar"
        with tarfile.open(where, "w") as archive:
            archive.add(folder, "case-4711")
    with open_sources(where, Context(), builtin()) as sources:
        beside = {str(one.path): one for one in sources.files if one.gave == "not used"}
        prefix = "case-4711/" if packed else ""
        assert {f"{prefix}mail\\x1b.txt", f"{prefix}server/uptime"} <= set(beside)
        assert f"beside the capture, which is {prefix}server/cap" in beside[f"{prefix}server/uptime"].note


def test_a_sparse_member_keeps_its_holes(tmp_path: Path) -> None:
    # Old GNU sparse format: one run of 512 bytes at offset 4096 of a file of 8192 bytes.
    info = tarfile.TarInfo("memory.raw")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"%011o\0%011o\0" % (4096, 512)
    block[483:495] = b"%011o\0" % 8192
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    body = tar_of(tmp_path / "rest.tar", FILES).read_bytes()
    (tmp_path / "x.tar").write_bytes(bytes(block) + b"A" * 512 + body)
    with open_sources(tmp_path / "x.tar", Context(), builtin()) as sources:
        assert sources.memory is not None
        assert sources.memory.read(0, 8192) == bytes(4096) + b"A" * 512 + bytes(3584)


@pytest.mark.parametrize("cut", [700, 1600, 3000, 4200])
def test_a_cut_tar_gives_what_is_there(tmp_path: Path, cut: int) -> None:
    whole = tar_of(tmp_path / "x.tar", FILES).read_bytes()
    for name, data in (("cut.tar", whole[:cut]), ("cut.tar.bz2", bz2.compress(whole[:cut])), ("cut.tar.gz", gzip.compress(whole)[:-20])):
        (tmp_path / name).write_bytes(data)
        with open_sources(tmp_path / name, Context(), builtin()) as sources:
            assert sources.notes
            assert sources.outgoing is not None and sources.outgoing.fdt is not None


def test_a_huge_declared_size_costs_nothing(tmp_path: Path) -> None:
    info = tarfile.TarInfo("kho/out/fdt")
    info.size = 1 << 50
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + FDT)
    with open_sources(tmp_path / "x.tar", Context(), builtin()) as sources:
        assert sources.outgoing is not None and sources.outgoing.fdt is not None
        assert sources.outgoing.fdt.data == FDT
        assert "ends after" in notes_of(sources)


def test_bombs_are_stopped_by_the_budget(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kho/in/fdt", bytes(8 << 20))
    for name in ("bomb.gz", "bomb.zip"):
        with pytest.raises(BudgetError):
            open_sources(tmp_path / name, Context(Budget(temporary_bytes=1 << 20)), builtin())


def test_cancel_ends_the_work(tmp_path: Path) -> None:
    context = Context()
    context.cancelled.set()
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(8192)))
    with pytest.raises(Cancelled):
        open_sources(tmp_path / "x.gz", context, builtin())


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = open_files()
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(tar_of(tmp_path / "x.tar", FILES).read_bytes()))
    open_sources(tmp_path / "x.tar.gz", Context(), builtin()).close()
    with pytest.raises(BudgetError):
        open_sources(tmp_path / "x.tar.gz", Context(Budget(temporary_bytes=10)), builtin())
    assert open_files() == before


def test_manifest_is_optional_and_never_believed_blindly(tmp_path: Path) -> None:
    capture = make(tmp_path, FILES)
    (capture / "capture.json").write_bytes(b"[" * 100_000)
    with open_sources(capture, Context(), builtin()) as sources:
        assert sources.manifest is None and "capture.json: not a JSON object" in notes_of(sources)
    (capture / "capture.json").write_bytes(
        b'{"page_size": 16384, "byte_order": "big", "machine": ["x"], "kernel": 7,'
        b' "unreadable": [{"path": "kho/in/fdt", "reason": "EIO\\u001b"}, 3],'
        b' "changed_while_reading": ["kho/out/fdt"]}'
    )
    with open_sources(capture, Context(), builtin()) as sources:
        assert [(hint.what, hint.value) for hint in sources.hints] == [("page_size", 16384), ("byte_order", "big")]
        assert sources.release is None and sources.arch is None
        assert r"kho/in/fdt: could not be captured: EIO\x1b" in notes_of(sources)
        assert "kho/out/fdt: changed while it was captured" in notes_of(sources)
    (capture / "capture.json").write_bytes(b'{"page_size": 3, "byte_order": ["little"]}')
    with open_sources(capture, Context(), builtin()) as sources:
        assert sources.hints == ()


@pytest.mark.parametrize(
    "files, words",
    [
        ({"config": b"# CONFIG_KEXEC_HANDOVER is not set\n", "cmdline": b"kho=on\n"}, "built without KHO"),
        ({"config": b"CONFIG_KEXEC_HANDOVER=y\n", "cmdline": b"kho=on kho=0\n"}, "switched off"),
        ({"config": b"CONFIG_KEXEC_HANDOVER=y\n", "cmdline": b"quiet\n"}, "not switched on"),
        (
            {"config": b"CONFIG_KEXEC_HANDOVER=y\n# CONFIG_KEXEC_HANDOVER_DEBUGFS is not set\n", "cmdline": b"kho=1\n"},
            "without CONFIG_KEXEC_HANDOVER_DEBUGFS",
        ),
        ({"cmdline": b"quiet\n", "capture.json": b'{"kho": {"message": "debugfs not \\u001bmounted"}}'}, r"says: debugfs not \\x1bmounted"),
        ({"cmdline": b"quiet\n"}, "no copy of /sys/kernel/debug/kho.*no kho=on"),
    ],
)
def test_why_there_is_no_tree(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    with open_sources(make(tmp_path, files | {"iomem": FILES["iomem"], "dmesg": b"x\n"}), Context(), builtin()) as sources:
        assert re.search(words, sources.absent)


def test_memory_under_another_name(tmp_path: Path) -> None:
    core = bytearray(64 + 56)
    core[:16] = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    struct.pack_into("<HHIQQQIHHHHHH", core, 16, 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    struct.pack_into("<IIQQQQQQ", core, 64, 1, 7, 120, 0, 0x1000, 4, 4, 0)
    with open_sources(
        make(tmp_path, FILES | {"vmcore": bytes(core) + b"DATA", "z.core": bytes(core) + b"MORE"}), Context(), builtin()
    ) as sources:
        assert sources.memory is not None and sources.memory.read(0x1000, 4) == b"DATA"
        assert "vmcore: taken for the memory of this capture" in notes_of(sources)
        assert sources.arch == "x86_64"


@pytest.mark.parametrize("name", ["debug/kho/in/fdt", "khotree/in/fdt", "in/fdt", "kho/in/fdt"])
def test_the_tree_may_lie_elsewhere_in_a_capture(tmp_path: Path, name: str) -> None:
    with open_sources(
        make(tmp_path, {name: FDT, "cmdline": b"kho=on\n", "version": b"Linux version 7.3.4 (x)\n"}), Context(), builtin()
    ) as sources:
        assert sources.kind == "capture"
        assert sources.incoming is not None and sources.incoming.fdt is not None and sources.incoming.fdt.data == FDT
        assert sources.release == "7.3.4"
        assert len(sources.notes) == (0 if name == "kho/in/fdt" else 1)


def test_captures_below_a_folder_with_stray_files_are_listed(tmp_path: Path) -> None:
    make(tmp_path, {"cmdline": b"x", "version": b"x", "a/kho/in/fdt": FDT, "b/kho/in/fdt": FDT})
    with pytest.raises(InputError, match="several captures: a, b; name one"):
        open_sources(tmp_path, Context(), builtin())


def test_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "LIVE_ROOT", tmp_path)
    here = tmp_path / "sys/kernel/debug/kho"
    with pytest.raises(InputError, match="/proc does not say whether debugfs is mounted"):
        open_sources(here, Context(), builtin())
    make(tmp_path, {"proc/filesystems": b"nodev\tproc\n"})
    with pytest.raises(InputError, match="this kernel offers no debugfs"):
        open_sources(here, Context(), builtin())
    make(tmp_path, {"proc/filesystems": b"nodev\tdebugfs\n"})
    with pytest.raises(InputError, match="debugfs is not mounted: as root run  mount"):
        open_sources(here, Context(), builtin())
    make(tmp_path, {"sys/kernel/debug/other": b"", "proc/cmdline": b"quiet\n", "proc/config.gz": gzip.compress(b"CONFIG_X86_64=y\n")})
    with pytest.raises(InputError, match="built without KHO"):
        open_sources(here, Context(), builtin())
    make(
        tmp_path,
        {
            "sys/kernel/debug/kho/in/fdt": FDT,
            "sys/kernel/debug/memblock/memory": b"   0: 0x1000..0x1fff    0 NONE\n",
            "sys/kernel/boot_params/setup_data/0/type": b"0xa\n",
            "sys/kernel/boot_params/setup_data/0/data": struct.pack("<4Q", 0x5000, 4096, 0x6000, 64),
            "sys/devices/system/node/node0/meminfo": b"Node 0 MemTotal: 8 kB\n",
            "proc/version": b"Linux version 7.3.4 (x)\n",
            "dev/kmsg": b"6,1,1500000,-;KHO: found kexec handover data.\n",
        },
    )
    with open_sources(here, Context(), builtin()) as sources:
        assert sources.kind == "live"
        assert sources.incoming is not None and sources.incoming.fdt is not None and sources.incoming.fdt.data == FDT
        assert sources.release == "7.3.4" and sources.arch == "x86_64"
        assert sources.boot is not None and sources.boot.fdt_phys == 0x5000
        assert sources.node_meminfo == {0: {"MemTotal": 8 << 10}}
        assert [one.node for one in sources.node_ranges(4096)] == [0]
        assert sources.hints[0].value == os.sysconf("SC_PAGE_SIZE")
        assert [one.kind for one in sources.evidence] == ["found"]
    (tmp_path / "dev/kmsg").write_bytes(b"12,1,1500000,-;KHO: found kexec handover data.\n")
    with open_sources(here, Context(), builtin()) as sources:
        assert sources.evidence == ()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["tar", "zip-stored", "zip-deflated", "gz"]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6),
    keep=st.floats(0.05, 1),
)
def test_a_mangled_archive_is_read_or_refused_with_one_line(
    tmp_path: Path, kind: str, edits: list[tuple[float, bytes]], keep: float
) -> None:
    base = tmp_path / f"base-{kind}"
    if not base.exists():
        if kind in ("tar", "gz"):
            tar_of(base, FILES)
            if kind == "gz":
                base.write_bytes(gzip.compress(base.read_bytes()))
        else:
            with zipfile.ZipFile(base, "w", zipfile.ZIP_STORED if kind == "zip-stored" else zipfile.ZIP_DEFLATED) as archive:
                for name, data in FILES.items():
                    archive.writestr(name, data)
    mangled = bytearray(base.read_bytes())
    for where, what in edits:
        at = int(where * len(mangled))
        mangled[at : at + len(what)] = what
    path = tmp_path / "mangled"
    path.write_bytes(bytes(mangled[: max(int(keep * len(mangled)), 1)]))
    try:
        open_sources(path, Context(Budget(temporary_bytes=1 << 24)), builtin()).close()
    except KhoError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["vmcore.dump", "memory.elf"])
def test_a_damaged_dump_inside_a_capture_is_not_taken_for_memory(tmp_path: Path, name: str) -> None:
    (tmp_path / "kho/out").mkdir(parents=True)
    (tmp_path / "kho/out/fdt").write_bytes(FDT)
    (tmp_path / name).write_bytes(b"KDUMP   " + bytes(8192))
    with open_sources(tmp_path, Context(), builtin()) as sources:
        assert sources.memory is None
        assert any("makedumpfile" in note.message for note in sources.notes)
