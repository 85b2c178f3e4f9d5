"""Files are read as far as they go, and only files."""

import os
from pathlib import Path

import pytest

from kho_tui.errors import InputError, ReadError
from kho_tui.memory.source import BytesSource, FileSource, open_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(bytes(range(100)))
    return path


def test_reads_anywhere_and_less_at_the_end(path: Path) -> None:
    with open_file(path) as source:
        assert (source.name, source.size) == ("blob", 100)
        assert source.read_at(10, 3) == bytes((10, 11, 12))
        assert source.read_at(98, 50) == bytes((98, 99))
        assert source.read_at(100, 1) == source.read_at(1 << 70, 1 << 70) == b""
        assert BytesSource(bytes(range(100))).read_at(98, 50) == bytes((98, 99))


def test_views_see_only_their_part(path: Path) -> None:
    with open_file(path) as source:
        member = source.view(20, 30, "member")
        inner = member.view(5, 100, "inner")
        assert (member.name, member.size, inner.size) == ("member", 30, 25)
        assert member.read_at(28, 10) == bytes((48, 49))
        assert inner.read_at(0, 100) == bytes(range(25, 50))
        assert source.view(200, 10, "behind").read_at(0, 10) == b""


def test_a_closed_file_is_never_read_again_through_a_reused_descriptor(path: Path, tmp_path: Path) -> None:
    source = open_file(path)
    member = source.view(0, 10, "member")
    source.close()
    source.close()
    (tmp_path / "other").write_bytes(b"x" * 100)
    with open_file(tmp_path / "other"):
        for closed in (source, member):
            with pytest.raises(ReadError, match="closed"):
                closed.read_at(0, 1)


def test_a_descriptor_of_the_caller_stays_open(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        with FileSource(fd, "mine", 90) as source:
            assert source.read_at(0, 100) == bytes(range(90, 100))
        assert os.pread(fd, 1, 0) == b"\0"
    finally:
        os.close(fd)


def test_short_reads_of_the_system_are_continued(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: pread(fd, min(size, 7), offset))
    with open_file(path) as source:
        assert source.read_at(0, 100) == bytes(range(100))


def test_a_failing_disk_is_a_read_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    with open_file(path) as source, pytest.raises(ReadError, match=r"blob: .*0x5.*Input/output error"):
        source.read_at(5, 1)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, words in (("fifo", "fifo"), (".", "is a directory"), ("absent", "No such file"), ("a\0b", "not a file name")):
        with pytest.raises(InputError, match=words):
            open_file(tmp_path / name)
    with pytest.raises(InputError, match="device"):
        open_file(Path("/dev/null"))
    with pytest.raises(InputError, match=r"\\x1b\[31m: No such file"):
        open_file(tmp_path / "\x1b[31m")


def test_holes_are_told_apart_from_data(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as out:
        out.seek(1 << 20)
        out.write(b"x" * 4096)
        out.truncate(1 << 40)
    with open_file(path) as source:
        assert list(source.data_ranges(0, 1 << 40)) == [(1 << 20, 4096)]
        assert list(source.data_ranges((1 << 20) + 1, 100)) == [((1 << 20) + 1, 100)]
        assert list(source.data_ranges(1 << 30, 1 << 40)) == []
        assert list(source.data_ranges(1 << 50, 1)) == []
        # A view counts from its own start, and ends where it ends.
        assert list(source.view(4096, 1 << 20, "part").data_ranges(0, 1 << 40)) == [((1 << 20) - 4096, 4096)]


def test_a_file_system_that_cannot_tell_has_no_holes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _position: int, _whence: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "lseek", refuse)
    with open_file(path) as source:
        assert list(source.data_ranges(10, 1000)) == [(10, 90)]


def test_ranges_of_a_file_that_was_closed_meanwhile_are_not_those_of_another(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as out:
        for at in (0, 1 << 20, 2 << 20):
            out.seek(at)
            out.write(b"x" * 4096)
    source = open_file(path)
    ranges = source.data_ranges(0, 3 << 20)
    assert next(ranges) == (0, 4096)
    source.close()
    with open_file(path), pytest.raises(ReadError, match="closed"):
        next(ranges)
    with pytest.raises(ReadError, match="closed"):
        list(source.data_ranges(0, 1))
