"""Rules on where LUO keeps its lists: arrays up to 7.1, chains of blocks from 7.2 on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kho_tui.abi.block import MAX_BLOCKS
from kho_tui.abi.luo import (
    LUO_NAME,
    LUO_V1,
    LUO_V5,
)
from kho_tui.analysis.checks.answer import SESSIONS, Found
from kho_tui.analysis.checks.evidence import Evidence
from kho_tui.analysis.checks.rule import error, info, rule
from kho_tui.layout.struct import Record
from kho_tui.layout.table import PageArray
from kho_tui.model.facts import Missing, NotWritten, Status
from kho_tui.model.path import EntityPath
from kho_tui.model.sessions import SessionList
from kho_tui.releases.fixes import EMPTY_BLOCK
from kho_tui.releases.version import Version
from kho_tui.subsystems.luo.content import Luo
from kho_tui.text import plural, visible

_PANIC = "the next kernel panics at boot, even with liveupdate=off"
_NO_OPEN = "every open of /dev/liveupdate fails with -EIO in the next kernel, and all sessions are lost"
_FREED_SESSIONS = "the block is freed memory when LUO reads it at boot: where somebody has overwritten it the next kernel panics"
_FREED_FILES = (
    "the block is freed memory at the first open of /dev/liveupdate, which oopses or fails with -EIO where somebody has overwritten it"
)
_HALF_FULL = "none by itself: the next kernel reads the block by its count; no kernel writes it so"


_4K = 4096
_ARRAYS, _BLOCKS = LUO_V1, LUO_V5
"""The first versions that keep sessions and files in arrays, and in blocks."""


def _of_form(evidence: Evidence, found: Found, *, in_blocks: bool) -> Luo | None:
    luo = evidence.content(LUO_NAME, Luo, found)
    if luo is not None and luo.format.sessions.chained != in_blocks:
        found.not_here(f"{luo.format.compatible.decode()} keeps its lists in {'arrays' if in_blocks else 'blocks'}")
        return None
    return luo


@rule(
    "KHO040",
    "LUO's arrays hold what they claim, each preserved as one block",
    error("6.19", "7.1"),
    explanation=f"{_ARRAYS.compatible.decode()}: at most {_ARRAYS.sessions.capacity(_4K)} sessions (4K pages) in {_ARRAYS.sessions.pages} "
    f"pages preserved as one block of order {_ARRAYS.sessions.order}; at most {_ARRAYS.files.capacity(_4K)} files a session in "
    f"{_ARRAYS.files.pages} pages preserved as one block of order {_ARRAYS.files.order}.",
    consequence="the next kernel trusts the counts: it reads what follows the array as sessions or files; an array not kept is lost",
    source="kernel/liveupdate/luo_session.c, luo_session_deserialize; luo_file.c, luo_file_deserialize (6.19 to 7.1)",
)
def arrays(evidence: Evidence, found: Found) -> None:
    """Invariant 40."""
    luo = _of_form(evidence, found, in_blocks=False)
    if luo is None:
        return
    where = evidence.path.named(LUO_NAME)
    at = found.need(luo.sessions_at, "address of the session array")
    if at is not None:
        _array(evidence, found, luo.format.sessions, at, where, "session array")
    listed = luo.sessions
    if not isinstance(listed, SessionList):
        if at:
            found.lack(SESSIONS, listed.reason)
        return
    count = listed.headers[0].integer("count")
    if count > (fit := luo.format.sessions.capacity(evidence.page_size)):
        found.broken(f"{count} sessions are claimed, {fit} fit", where, at)
    elif listed.status is not Status.DECODED:
        found.lack(SESSIONS, listed.reason)
    for session in listed.sessions:
        if session.files_at:
            _array(evidence, found, luo.format.files, session.files_at, session.path, "list of files")
        if session.count is not None and session.count > (fit := luo.format.files.capacity(evidence.page_size)):
            found.broken(f"{session.count} files are claimed, {fit} fit", session.path)


def _array(evidence: Evidence, found: Found, array: PageArray, at: int, where: EntityPath, what: str) -> None:
    order = array.order
    if at == 0 or at % evidence.page_size:
        found.broken(f"the {what} is at {at:#x}", where, at or None)
    elif not evidence.is_block(found, at, order):
        found.broken(f"no preserved block of order {order} begins at the {what} at {at:#x}", where, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """A chain of blocks as far as it was read."""

    what: str
    path: EntityPath
    first: int
    headers: tuple[Record, ...]
    form: PageArray
    status: Status
    reason: str


def _chains(evidence: Evidence, luo: Luo, found: Found) -> Iterator[_Chain]:
    where, at = evidence.path.named(LUO_NAME), luo.sessions_at if isinstance(luo.sessions_at, int) else 0
    listed = luo.sessions
    if isinstance(listed, Missing):
        if at and not isinstance(listed, NotWritten):
            yield _Chain(
                what="sessions", path=where, first=at, headers=(), form=luo.format.sessions, status=listed.status, reason=listed.reason
            )
        else:
            found.lack(SESSIONS, listed.reason)
        return
    yield _Chain(
        what="sessions", path=where, first=at, headers=listed.headers, form=luo.format.sessions, status=listed.status, reason=listed.reason
    )
    for session in listed.sessions if luo.format.files.chained else ():
        if isinstance(session.files, Missing) and session.files_at:
            yield _Chain(
                what="files",
                path=session.path,
                first=session.files_at,
                headers=(),
                form=luo.format.files,
                status=session.files.status,
                reason=session.files.reason,
            )
        elif session.files_at:
            yield _Chain(
                what="files",
                path=session.path,
                first=session.files_at,
                headers=session.blocks,
                form=luo.format.files,
                status=session.status,
                reason=session.reason,
            )


@rule(
    "KHO041",
    "LUO's chains of blocks end, hold what they claim, and every block is preserved",
    error("7.2"),
    explanation=f"{_BLOCKS.compatible.decode()}: each chain of sessions or files has at most {MAX_BLOCKS} blocks and no loop; each "
    "block holds 1 to C entries, all but the last are full, and each is preserved as a block of order 0. An empty block behind full blocks "
    "of sessions is what a known bug of 7.2 and of 7.3 up to 7.3.4 leaves: a session whose name exists is refused while the number of "
    f"sessions is a multiple of C ({_BLOCKS.sessions.capacity(_4K)} with 4K pages), and the block that was made for it stays.",
    consequence=f"a chain of sessions that cannot be read: {_PANIC}; a chain of files: {_NO_OPEN}; a half-full block is read all the same",
    source="kernel/liveupdate/kho_block.c, kho_block_set_restore; luo_session.c, luo_session_insert (7.2, 7.3)",
)
def chains(evidence: Evidence, found: Found) -> None:
    """What kho_block_set_restore checks, and what kernels write."""
    luo = _of_form(evidence, found, in_blocks=True)
    if luo is None:
        return
    for chain in _chains(evidence, luo, found):
        _chain(evidence, chain, found)


def _chain(evidence: Evidence, chain: _Chain, found: Found) -> None:
    capacity = chain.form.capacity(evidence.page_size)
    if not chain.headers:
        _unread(evidence, chain, chain.first, found)
        return
    if len(chain.headers) > MAX_BLOCKS:
        found.broken(f"{len(chain.headers)} blocks, allowed are {MAX_BLOCKS}", chain.path, chain.first)
    for number, header in enumerate(chain.headers):
        at, count, last = header.place.phys or 0, header.integer("count"), number == len(chain.headers) - 1
        if count == 0:
            _empty(evidence, chain, number, found)
        elif count > capacity:
            found.broken(f"the block at {at:#x} claims {count} entries, {capacity} fit", chain.path, at)
        elif count < capacity and not last and chain.headers[number + 1].integer("count"):
            said = f"the block at {at:#x} holds {count} of {capacity} entries, and another follows"
            found.broken(said, chain.path, at, consequence=_HALF_FULL)
        if not evidence.is_block(found, at, chain.form.order):
            _not_preserved(chain, at, found)
    behind = chain.headers[-1].integer("next")
    if behind and (behind % evidence.page_size or behind in {header.place.phys for header in chain.headers}):
        wrong = "which is not page aligned" if behind % evidence.page_size else "where it has been: a loop"
        found.broken(f"{chain.what}: the last block leads to {behind:#x}, {wrong}", chain.path, behind)
    elif behind:
        _unread(evidence, chain, behind, found)


def _empty(evidence: Evidence, chain: _Chain, number: int, found: Found) -> None:
    """An empty block, which no reader takes; the known bug is its cause only where all blocks before it are full."""
    header, capacity = chain.headers[number], chain.form.capacity(evidence.page_size)
    at, before = header.place.phys or 0, [one.integer("count") for one in chain.headers[:number]]
    known = EMPTY_BLOCK.affects(Version.parse(evidence.writer), evidence.state.registry.releases)
    left_behind = (
        chain.what == "sessions" and number > 0 and header.integer("next") == 0 and set(before) == {capacity} and known is not False
    )
    if left_behind:
        cause = "the known bug of" if known else "perhaps the known bug of"
        full = f"behind {plural(sum(before), 'session')}, which fill their blocks: {cause} 7.2, and of 7.3 up to 7.3.4"
        found.broken(f"empty block at {at:#x} {full}", chain.path, at, consequence=f"{_PANIC}; create one more session before the kexec")
    else:
        found.broken(f"empty block at {at:#x}", chain.path, at, consequence=_PANIC if chain.what == "sessions" else _NO_OPEN)


def _not_preserved(chain: _Chain, at: int, found: Found) -> None:
    said = f"no preserved block of order {chain.form.order} begins at the block at {at:#x}"
    found.broken(said, chain.path, at, consequence=_FREED_SESSIONS if chain.what == "sessions" else _FREED_FILES)


def _unread(evidence: Evidence, chain: _Chain, at: int, found: Found) -> None:
    """The block at which reading a chain ended: damaged, or not at hand and perhaps not even preserved."""
    if chain.status is Status.DAMAGED or evidence.no_ram(at):
        found.broken(f"{chain.what}: no block at {at:#x}: {chain.reason}", chain.path, at)
        return
    if not evidence.is_block(found, at, chain.form.order):
        _not_preserved(chain, at, found)
    found.lack(f"{chain.what} of {chain.path}", chain.reason)


@rule(
    "KHO137",
    "the sessions do not fill their blocks to the last entry",
    info("7.2"),
    explanation=f"Where they do ({_BLOCKS.sessions.capacity(_4K)} sessions a block with 4K pages), in 7.2 and in 7.3 up to 7.3.4 an "
    "attempt to create a session with a name that exists leaves an empty block behind (KHO041). Not a fault yet.",
    consequence="after such an attempt the next kernel would panic: create one more session, or none that exists",
    source="kernel/liveupdate/luo_session.c, luo_session_insert: grows the blocks before it looks for the name (7.2, 7.3)",
)
def full_blocks(evidence: Evidence, found: Found) -> None:
    """The known bug of KHO041, before it happens."""
    if EMPTY_BLOCK.affects(Version.parse(evidence.writer), evidence.state.registry.releases) is False:
        found.not_here(f"{visible(evidence.writer or '')} leaves no empty block behind")
        return
    luo = _of_form(evidence, found, in_blocks=True)
    listed = None if luo is None else evidence.session_list(found)
    if luo is None or listed is None:
        return
    capacity = luo.format.sessions.capacity(evidence.page_size)
    if listed.status is not Status.DECODED:
        found.lack(SESSIONS, listed.reason)
    elif len(listed.sessions) % capacity == 0:
        said = f"{plural(len(listed.sessions), 'session')} fill {plural(len(listed.headers), 'block')} of {capacity}"
        found.broken(said, evidence.path.named(LUO_NAME))


RULES = (arrays, chains, full_blocks)
