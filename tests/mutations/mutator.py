"""Mutants: a capture and what was done to it, made again at any time from a seed and a number."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import re
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutations.edits import EXTREMES, GENERAL, HOSTILE_NAMES, edit_blob, edit_core, edit_text
from mutations.originals import Original

_BINARY = ("kho/", "setup_data/", "dt-chosen/")
_SPOKEN = frozenset({"kho/out/scratch_phys", "kho/out/scratch_len", "kho/out/finalize"})


@dataclass(slots=True)
class Mutant:
    """What lies at a path: a tree of ``files``, or one file of bytes where ``single`` is set. ``links``: symlink targets, None a fifo."""

    seed: int
    number: int
    original: str
    files: dict[str, bytes]
    links: dict[str, str | None] = field(default_factory=dict)
    single: tuple[str, bytes] | None = None
    steps: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"seed {self.seed} number {self.number}: {self.original}: {'; '.join(self.steps)}"

    def write(self, folder: Path) -> Path:
        """Put it below ``folder``, which exists and is empty; the path to open."""
        if self.single is not None:
            name, data = self.single
            (folder / name).write_bytes(data)
            return folder / name
        top = folder / "capture"
        top.mkdir()
        for name, content in (*self.files.items(), *self.links.items()):
            target = top / name
            # A name may be both a file and a folder of others: the first one stands.
            with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    target.write_bytes(content)
                    continue
                target.unlink(missing_ok=True)
                if content is None:
                    os.mkfifo(target)
                else:
                    target.symlink_to(content)
        return top


def make_mutant(originals: Sequence[Original], seed: int, number: int) -> Mutant:
    """The mutant of this seed and number; the same at every call."""
    rng = random.Random(f"{seed}:{number}")
    original = rng.choice(originals)
    mutant = Mutant(seed, number, original.name, dict(original.files))
    form = rng.choices(_FORMS, _FORM_WEIGHTS)[0]
    if form not in _ARCHIVES or rng.random() < 0.3:
        for _ in range(rng.choice((1, 1, 2, 4))):
            _edit(rng, mutant, original)
    if form in _ARCHIVES:
        _archive(rng, mutant, form)
    elif form == "kho tree":
        mutant.files = {name.removeprefix("kho/"): data for name, data in mutant.files.items() if name.startswith("kho/")}
    elif form != "directory":
        _single(rng, mutant, form)
    mutant.steps.append(f"as {form}")
    return mutant


_ARCHIVES = ("tar", "tar.gz", "tar.xz", "tar.bz2", "zip")
_FORMS = ("directory", "kho tree", "core", "fdt", "pages", "scratch", *_ARCHIVES)
_FORM_WEIGHTS = (66, 4, 5, 3, 2, 1, 7, 3, 1, 1, 6)


def _edit(rng: random.Random, mutant: Mutant, original: Original) -> None:
    core = original.core
    kinds = rng.choices(("core", "binary", "text", "tree", "manifest"), (12 if core else 0, 5, 4, 3, 1))[0]
    if kinds == "tree":
        _edit_tree(rng, mutant)
        return
    if kinds == "manifest":
        mutant.files["capture.json"], said = _manifest(rng)
        mutant.steps.append(f"capture.json: {said}")
        return
    if kinds == "core":
        name = "memory.elf"
    else:
        of_kind = [n for n in mutant.files if n != "memory.elf" and (n.startswith(_BINARY) and n not in _SPOKEN) is (kinds == "binary")]
        name = rng.choice(of_kind or ["version"])
    data = mutant.files.get(name)
    if data is None:
        return
    if core is not None and name == "memory.elf":
        data, said = edit_core(rng, data, core)
    else:
        data, said = edit_blob(rng, data) if kinds == "binary" else edit_text(rng, data)
    mutant.files[name] = data
    mutant.steps.append(f"{name}: {said}")


def hostile_file_name(rng: random.Random) -> str:
    """A name that a file may have and that no terminal should see as it is."""
    raw = rng.choice(HOSTILE_NAMES).replace(b"\0", b"\x01").replace(b"/", b"\\")
    return os.fsdecode(raw[:200])


def _edit_tree(rng: random.Random, mutant: Mutant) -> None:
    names = list(mutant.files)
    kind = rng.choice(
        ("remove", "add subtree", "add subtree", "rename", "add", "swap", "link", "fifo", "file for folder", "folder for file")
    )
    name = rng.choice([n for n in names if n.startswith("kho/")] or names)
    if kind == "remove":
        del mutant.files[rng.choice((name, "memory.elf" if "memory.elf" in names else name))]
    elif kind == "add subtree":
        new = f"kho/{rng.choice(('in', 'out', 'out'))}/sub_fdts/{hostile_file_name(rng)}"
        mutant.files[new] = rng.choice((mutant.files[name], b"", rng.randbytes(100)))
        name = repr(new)
    elif kind == "rename":
        new = str(Path(name).with_name("x")).removesuffix("x") + hostile_file_name(rng)
        mutant.files[new] = mutant.files.pop(name)
        name = repr(new)
    elif kind == "add":
        new = rng.choice(("", "kho/", "setup_data/", "node/", "kho/out/sub_fdts/deeper/", "other/kho/out/")) + hostile_file_name(rng)
        mutant.files[new] = mutant.files[rng.choice(names)]
        name = repr(new)
    elif kind == "swap":
        other = rng.choice(names)
        mutant.files[name], mutant.files[other] = mutant.files[other], mutant.files[name]
        name += f" with {other}"
    elif kind == "link":
        mutant.links[name] = rng.choice(("/dev/zero", "/etc/passwd", ".", "loop\x1b[31m", Path(name).name, "../../../..", "/dev/tty"))
    elif kind == "fifo":
        mutant.links[name] = None
    elif kind == "file for folder":
        folder = name.split("/")[0]
        mutant.files = {n: d for n, d in mutant.files.items() if not n.startswith(folder + "/")} | {folder: b"\x1b[31m"}
        mutant.links.clear()
    else:
        data = mutant.files.pop(name)
        mutant.files[f"{name}/{hostile_file_name(rng)}"] = data
        mutant.links = {n: link for n, link in mutant.links.items() if n != name}
    mutant.steps.append(f"{kind} {name}")


def _manifest(rng: random.Random) -> tuple[bytes, str]:
    hostile = rng.choice(HOSTILE_NAMES).decode("utf-8", "replace")
    odd: list[object] = [hostile, None, -1, 1 << 70, 1.5, float("nan"), True, [], {}, [hostile], {"path": hostile, "reason": hostile}]
    odd += ["little", "big", 4096, 65536, *EXTREMES]
    keys = ("kernel", "machine", "page_size", "byte_order", "kho", "unreadable", "changed_while_reading", "tool", "time", "format")
    manifest: dict[str, object] = {key: rng.choice(odd) for key in keys}
    if rng.random() < 0.5:
        manifest["unreadable"] = [{"path": hostile, "reason": hostile}, rng.choice(odd)]
        manifest["changed_while_reading"] = [hostile, rng.choice(odd)]
        manifest["kho"] = {"message": hostile}
    text = json.dumps(manifest, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
    choices = {
        "hostile manifest": text,
        "deep manifest": b"[" * 100_000,
        "manifest of a huge number": b'{"page_size": ' + b"9" * 6000 + b"}",
        "manifest that is no object": b"[1]",
        "manifest cut": text[: rng.randrange(len(text))],
    }
    said = rng.choices(tuple(choices), (6, 1, 1, 1, 1))[0]
    return choices[said], said


def _single(rng: random.Random, mutant: Mutant, form: str) -> None:
    files = mutant.files
    if form == "scratch":
        words = rng.choice((b"", rng.randbytes(16 * rng.randrange(1, 40)), bytes(4096)))
        entries = b"".join((rng.randrange(1 << 20) << 12).to_bytes(8, "little") for _ in range(2 * rng.randrange(1, 10)))
        mutant.single = "scratch", rng.choice((words, entries, entries + words))
        return
    if form == "fdt":
        fdts = [n for n in files if n.startswith("kho/") and n not in _SPOKEN]
        name = rng.choice(fdts or list(files))
        data, said = edit_blob(rng, files.get(name, b""))
        mutant.steps.append(f"{name}: {said}")
        mutant.single = rng.choice(("fdt", "blob.bin", hostile_file_name(rng))), data
        return
    data = files.get("memory.elf", b"")
    mutant.single = ("vmcore", data) if form == "core" else ("image.raw", data[4096:])


_SQUEEZE: dict[str, Callable[[bytes], bytes]] = {
    "tar.gz": lambda data: gzip.compress(data, 1, mtime=0),
    "tar.xz": lambda data: lzma.compress(data, preset=0),
    "tar.bz2": lambda data: bz2.compress(data, 1),
}


def _archive(rng: random.Random, mutant: Mutant, form: str) -> None:
    packed = _zip(rng, mutant) if form == "zip" else _tar(rng, mutant)
    if rng.random() < 0.8 and form in ("tar", "zip"):
        for _ in range(rng.choice((1, 1, 3))):
            packed, said = rng.choice(GENERAL)(rng, packed)
            mutant.steps.append(f"archive: {said}")
    if form == "tar" and rng.random() < 0.6:
        packed, said = _tar_header(rng, packed)
        mutant.steps.append(f"archive: {said}")
    if form in _SQUEEZE:
        packed = _SQUEEZE[form](packed)
        if rng.random() < 0.8:
            packed, said = rng.choice(GENERAL)(rng, packed)
            mutant.steps.append(f"archive: {said}")
    mutant.single = f"capture.{form}", packed


def _member_name(rng: random.Random, name: str) -> str:
    if rng.random() < 0.97:
        return "capture/" + name
    return rng.choice(("../" * 5 + name, "/" + name, "./" * 300 + name, "a/" * 60 + name, "capture//" + name, "capture/../" + name, name))


def _tar(rng: random.Random, mutant: Mutant) -> bytes:
    packed = io.BytesIO()
    kind = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.GNU_FORMAT))
    with tarfile.open(fileobj=packed, mode="w", format=kind, errors="surrogateescape") as tar:
        for name, data in mutant.files.items():
            info = tarfile.TarInfo(_member_name(rng, name))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if rng.random() < 0.2:
            odd = tarfile.TarInfo("capture/" + rng.choice(("version", "kho/out/sub_fdts/x", hostile_file_name(rng))))
            odd.type = rng.choice((tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"Z"))
            odd.linkname = rng.choice(("capture/version", "/etc/passwd", odd.name, "../x", "\x1b[31m"))
            tar.addfile(odd)
    return packed.getvalue()


def _tar_header(rng: random.Random, packed: bytes) -> tuple[bytes, str]:
    """A field of a member's header changed, and its checksum made right again, so that the change gets through."""
    headers = [at for at in range(0, len(packed) - 512, 512) if packed[at + 257 : at + 262] == b"ustar"]
    if not headers:
        return packed, "no header to change"
    at = rng.choice(headers)
    block = bytearray(packed[at : at + 512])
    where, size, values = rng.choice(
        (
            (124, 12, (b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-1\0", b"00000000000\0", b"\x80" + bytes(10) + b"\x10")),
            (156, 1, (b"0", b"1", b"2", b"5", b"L", b"K", b"x", b"g", b"S", b"D", b"V", b"\0")),
            (0, 100, tuple(HOSTILE_NAMES)),
            (157, 100, tuple(HOSTILE_NAMES)),
            (345, 155, tuple(HOSTILE_NAMES)),
            (386, 96, (b"00000000000\0" * 8, b"77777777777\0" * 8, b"\xff" * 96)),
        )
    )
    block[where : where + size] = rng.choice(values)[:size].ljust(size, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return packed[:at] + bytes(block) + packed[at + 512 :], f"tar header at {at}, field at {where} changed"


def _zip(rng: random.Random, mutant: Mutant) -> bytes:
    packed = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(packed, "w", method, compresslevel=1) as whole:
        for name, data in mutant.files.items():
            safe = os.fsencode(_member_name(rng, name)).decode("utf-8", "replace")
            whole.writestr(zipfile.ZipInfo(safe), data, method)
    data = packed.getvalue()
    if rng.random() < 0.6:
        table = [m.start() for m in re.finditer(b"PK\x01\x02" if rng.random() < 0.5 else b"PK\x05\x06", data)]
        at = rng.choice(table) + rng.choice((6, 8, 10, 16, 20, 24, 28, 30, 32, 42))
        new = rng.choice((b"\xff\xff\xff\xff", bytes(4), b"\x01\x08", rng.randbytes(4)))
        data = data[:at] + new + data[at + len(new) :]
        mutant.steps.append(f"zip table at {at} set to {new.hex()}")
    return data
