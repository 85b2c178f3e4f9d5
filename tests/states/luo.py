"""Live update: sessions, files, memfds and FLBs in the five forms the LUO blob has had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .fdt import Node, build, text
from .preserved import Preserved
from .producers import Subtree, blob, shown, vmalloc


@dataclass(frozen=True, slots=True)
class Folio:
    """Address, order, page index in the file; flags 1 dirty, 2 uptodate."""

    phys: int
    order: int
    index: int
    flags: int = 3


@dataclass(frozen=True, slots=True)
class Memfd:
    size: int
    folios: tuple[Folio, ...] = ()
    pos: int = 0
    seals: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A preserved file: of a memfd handler if ``memfd`` is given, else of any other with opaque ``data``."""

    token: int
    compatible: bytes = b"memfd-v2"
    memfd: Memfd | None = None
    data: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    name: bytes
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Flb:
    name: bytes
    data: int
    count: int


def folio_array(preserved: Preserved, folios: Sequence[Folio]) -> bytes:
    shift = preserved.image.page_size.bit_length() - 1
    words = [word for folio in folios for word in (folio.phys >> shift | folio.flags << 52, folio.index)]
    return preserved.image.pack(f"{len(words)}Q", *words)


def memfd_struct(preserved: Preserved, compatible: bytes, memfd: Memfd, count: int, descriptor: bytes) -> int:
    """Write the struct of a memfd in a page of its own and return its address. v1 has no seals."""
    image = preserved.image
    middle = b"" if compatible == b"memfd-v1" else image.pack("II", memfd.seals, 0)
    phys = preserved.alloc()
    image.write(phys, image.pack("QQ", memfd.pos, memfd.size) + middle + image.pack("Q", count) + descriptor)
    return phys


def _write_memfd(preserved: Preserved, compatible: bytes, memfd: Memfd) -> int:
    for folio in memfd.folios:
        preserved.folio(folio.phys, folio.order)
    descriptor = vmalloc(preserved, folio_array(preserved, memfd.folios)) if memfd.folios else bytes(16)
    return memfd_struct(preserved, compatible, memfd, len(memfd.folios), descriptor)


def block_chain(preserved: Preserved, entry_size: int, entries: Sequence[bytes]) -> int:
    """The serialization blocks of 7.2: address of the first, 0 for none. Unlike vmalloc chunks an exact fit has no empty last block."""
    image = preserved.image
    capacity = (image.page_size - 16) // entry_size
    parts = [entries[i : i + capacity] for i in range(0, len(entries), capacity)]
    chain = [preserved.alloc() for _ in parts]
    for i, part in enumerate(parts):
        following = chain[i + 1] if i + 1 < len(chain) else 0
        image.write(chain[i], image.pack("QQ", following, len(part)) + b"".join(part))
    return chain[0] if chain else 0


def session_array(preserved: Preserved, entries: Sequence[bytes]) -> int:
    """The 16-page array of luo-v1 to luo-v3."""
    phys = preserved.alloc(16 * preserved.image.page_size)
    preserved.image.write(phys, preserved.image.pack("Q", len(entries)) + b"".join(entries))
    return phys


def file_array(preserved: Preserved, entries: Sequence[bytes]) -> int:
    """The 2-page array of luo-v1 to luo-v4, without a header; 0 for none."""
    if not entries:
        return 0
    phys = preserved.alloc(2 * preserved.image.page_size)
    preserved.image.write(phys, b"".join(entries))
    return phys


def flb_page(preserved: Preserved, flbs: Sequence[Flb]) -> int:
    image = preserved.image
    entries = b"".join(image.pack("48sQQ", flb.name, flb.data, flb.count) for flb in flbs)
    phys = preserved.alloc()
    image.write(phys, image.pack("QQ", 1, len(flbs)) + entries)
    return phys


def _write_session(preserved: Preserved, session: Session, version: int) -> tuple[bytes, dict[str, Any]]:
    image = preserved.image
    entries, truths = [], []
    for file in session.files:
        data = file.data if file.memfd is None else _write_memfd(preserved, file.compatible, file.memfd)
        entries.append(image.pack("48sQQ", file.compatible, data, file.token))
        truth: dict[str, Any] = {"compatible": shown(file.compatible), "data": data, "token": file.token}
        if file.memfd is not None:
            truth["memfd"] = _memfd_truth(file.compatible, file.memfd, image.page_size)
        truths.append(truth)
    files = block_chain(preserved, 64, entries) if version >= 5 else file_array(preserved, entries)
    name = session.name[:64]
    truth = {"name": shown(name), "files_pa": files, "count": len(entries), "files": truths}
    return image.pack("64sQQ", name, files, len(entries)), truth


def _memfd_truth(compatible: bytes, memfd: Memfd, page_size: int) -> dict[str, Any]:
    folios = [[folio.phys // page_size, folio.flags, folio.index] for folio in memfd.folios]
    sealed = {} if compatible == b"memfd-v1" else {"seals": memfd.seals, "flags": 0}
    return {"pos": memfd.pos, "size": memfd.size, **sealed, "folios": folios}


def luo(preserved: Preserved, version: int, number: int, sessions: Sequence[Session], flbs: Sequence[Flb] | None = ()) -> Subtree:
    """The LUO subtree ``luo-v<version>``, 1 to 5. ``flbs`` None: without FLB part (6.19)."""
    written = [_write_session(preserved, session, version) for session in sessions]
    entries = [entry for entry, _ in written]
    if version <= 2:
        sessions_pa = session_array(preserved, entries)
    elif version == 3:
        sessions_pa = session_array(preserved, entries) if entries else 0
    else:
        sessions_pa = block_chain(preserved, 80, entries)
    flbs_pa = 0 if flbs is None else flb_page(preserved, flbs)
    truth: dict[str, Any] = {
        "compatible": f"luo-v{version}",
        "liveupdate_num": number,
        "sessions": [session for _, session in written],
        "flbs": [{"name": shown(flb.name), "data": flb.data, "count": flb.count} for flb in flbs or ()],
    }
    if version == 1:
        truth["session_header"] = sessions_pa
        data = _luo_v1(preserved, number, b"luo-session-v2", sessions_pa, None if flbs is None else flbs_pa)
        return blob(preserved, b"LUO", data, {"luo": truth})
    values = preserved.image.pack("QQQ", number, sessions_pa, flbs_pa)
    if version == 2:
        header = preserved.alloc()
        preserved.image.write(header, values)
        properties = (b"compatible", text(b"luo-v2")), (b"luo-abi-header", preserved.image.pack("Q", header))
        return blob(preserved, b"LUO", build(Node(b"", properties)), {"luo": truth})
    return blob(preserved, b"LUO", f"luo-v{version}".encode().ljust(8, b"\0") + values, {"luo": truth})


def luo_first_draft(preserved: Preserved, number: int, names: Sequence[bytes]) -> Subtree:
    """``luo-v1`` with ``luo-session-v1``, of the 6.19 cycle only: a session is its name."""
    header = session_array(preserved, [name.ljust(64, b"\0") for name in names])
    sessions = [{"name": shown(name)} for name in names]
    truth = {"compatible": "luo-v1", "liveupdate_num": number, "sessions": sessions, "flbs": [], "session_header": header}
    return blob(preserved, b"LUO", _luo_v1(preserved, number, b"luo-session-v1", header, None), {"luo": truth})


def _luo_v1(preserved: Preserved, number: int, session_compatible: bytes, sessions_pa: int, flbs_pa: int | None) -> bytes:
    u64 = preserved.image.pack
    parts = [Node(b"luo-session", ((b"compatible", text(session_compatible)), (b"luo-session-header", u64("Q", sessions_pa))))]
    if flbs_pa is not None:
        parts.append(Node(b"luo-flb", ((b"compatible", text(b"luo-flb-v1")), (b"luo-flb-header", u64("Q", flbs_pa)))))
    return build(Node(b"", ((b"compatible", text(b"luo-v1")), (b"liveupdate-number", u64("Q", number))), tuple(parts)))
