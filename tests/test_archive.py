"""The archive: what goes in comes out, once, whole and private."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
import zstandard

from schemas.records import Page
from tasks.archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "home" / "archive")


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe not text", b"<p>news</p>" * 100_000])
def test_bytes_come_back_as_they_were(archive: Archive, content: bytes) -> None:
    assert archive.get(archive.put(content)) == content


def test_the_digest_is_that_of_the_page(archive: Archive) -> None:
    assert archive.put(b"news") == Page(b"news", "text").digest.hex()


def test_what_was_never_kept_is_none(archive: Archive) -> None:
    assert archive.get("00" * 16) is None


def test_the_same_bytes_are_written_once(archive: Archive, tmp_path: Path) -> None:
    archive.put(b"news")
    (path,) = files(tmp_path)
    before = path.stat()
    archive.put(b"news")
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("damage", [b"", b"no zstd", zstandard.compress(b"other news")])
def test_a_damaged_file_is_as_good_as_none(archive: Archive, tmp_path: Path, damage: bytes) -> None:
    digest = archive.put(b"news")
    (path,) = files(tmp_path)
    path.write_bytes(damage)
    assert archive.get(digest) is None


def test_more_than_is_ever_kept_is_not_unpacked(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.archive._MOST_BYTES", 1000)
    assert archive.get(archive.put(bytes(1000))) == bytes(1000)
    assert archive.get(archive.put(bytes(1001))) is None


def test_nobody_else_may_look(archive: Archive, tmp_path: Path) -> None:
    archive.put(b"news")
    archive.spool_stdin(io.BytesIO(b"{}\n"))
    directory = tmp_path / "home" / "archive"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in files(directory)} == {0}


def test_until_it_is_whole_nobody_foresees_the_name_of_a_file(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made under that name, whatever lies there, and never opened."""
    made: dict[str, int] = {}
    moved: list[str] = []
    opens, renames = os.open, os.rename

    def note_open(path: str | Path, flags: int, *mode: int, **more: int) -> int:
        made[str(path)] = flags
        return opens(path, flags, *mode, **more)

    def note_rename(source: Path, target: Path) -> None:
        moved.append(str(source))
        renames(source, target)

    monkeypatch.setattr("os.open", note_open)
    monkeypatch.setattr("os.rename", note_rename)
    for _ in range(2):
        archive.put(b"news")
        archive.spool_stdin(io.BytesIO(b"{}\n"))
        for path in files(tmp_path):
            path.unlink()
    assert len(set(moved)) == len(moved) == 4
    assert all(made[name] & os.O_EXCL for name in moved)


def test_writers_do_not_disturb_each_other(archive: Archive, tmp_path: Path) -> None:
    contents = [os.urandom(1000) for _ in range(20)]
    threads = [
        threading.Thread(target=lambda: [archive.put(content) for content in contents]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(tmp_path)) == len(contents)
    assert all(archive.get(archive.put(content)) == content for content in contents)


def test_stdin_is_spooled_whole_and_once(archive: Archive) -> None:
    lines = b'{"url": "https://example.org/"}\n' * 200_000
    first = archive.spool_stdin(io.BytesIO(lines))
    assert first.name.endswith(".jsonl.zst")
    with zstandard.open(first, "rb") as opened:
        assert opened.read() == lines
    before = first.stat()
    assert archive.spool_stdin(io.BytesIO(lines)) == first
    after = first.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert files(first.parent) == [first]
    assert archive.spool_stdin(io.BytesIO(b"{}\n")) != first


def test_a_broken_stream_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("gone")
            return super().read(4)

    with pytest.raises(OSError, match="gone"):
        archive.spool_stdin(Broken(b"{}\n{}\n"))
    assert files(tmp_path) == []
