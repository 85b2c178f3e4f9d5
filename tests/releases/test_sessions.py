"""What luo_session_deserialize refuses, release by release, typed by hand from kho-abi.md 5.4 and 5.5."""

from __future__ import annotations

import pytest

from kho_tui.releases.sessions import OfferedSession, OfferedSessions, SessionFault, unmade
from kho_tui.releases.table import release_of

MEMFD = {"6.19": b"memfd-v1", "7.0": b"memfd-v1", "7.1": b"memfd-v2", "7.3": b"memfd-v2"}


def fault(release: str, *sessions: OfferedSession, damage: str = "", handlers: frozenset[bytes] | None = None) -> SessionFault | None:
    found = release_of(release)
    assert found is not None and found.luo is not None
    own = frozenset({MEMFD[release]}) if handlers is None else handlers
    made = unmade(OfferedSessions(sessions, damage), found.luo, own, 4096)
    return None if made is None else made.fault


def session(*handlers: bytes, name: bytes = b"vm", blocks: tuple[int, ...] = (), damage: str = "") -> OfferedSession:
    return OfferedSession(name, bool(handlers), blocks, handlers, damage)


@pytest.mark.parametrize("handler", [b"filename-v1", b"vfio-v1"])
@pytest.mark.parametrize(
    ("release", "expected"), [("6.19", None), ("7.0", None), ("7.1", SessionFault.HANDLER), ("7.3", SessionFault.HANDLER)]
)
def test_a_file_without_a_handler_fails_the_open_from_7_1_on_whatever_its_name(
    handler: bytes, release: str, expected: SessionFault | None
) -> None:
    assert fault(release, session(MEMFD[release], handler)) is expected
    assert fault(release, session(MEMFD[release], handler), handlers=frozenset({MEMFD[release], handler})) is None


@pytest.mark.parametrize("release", list(MEMFD))
def test_every_release_refuses_a_name_that_is_there_twice_and_a_damaged_list(release: str) -> None:
    assert fault(release, session(), session()) is SessionFault.NAME_TWICE
    assert fault(release, session(), session(name=b"other")) is None
    assert fault(release, session(), damage="cut short") is SessionFault.LIST


@pytest.mark.parametrize(("count", "expected"), [(0, SessionFault.BLOCK), (1, None), (63, None), (64, SessionFault.BLOCK)])
def test_a_block_of_files_holds_1_to_63(count: int, expected: SessionFault | None) -> None:
    assert fault("7.3", session(b"memfd-v2", blocks=(count,))) is expected


def test_what_is_wrong_with_files_was_not_looked_at_until_7_0() -> None:
    assert fault("6.19", session(b"memfd-v1", damage="too many")) is None
    assert fault("7.1", session(b"memfd-v2", damage="too many")) is SessionFault.FILES
