"""Raw bytes kept by digest, compressed: what quarantine can be replayed from, and all of standard input."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from schemas.errors import LoadError
from schemas.records import content_digest

_CHUNK_BYTES = 1024 * 1024
_MOST_BYTES = 64 * 1024 * 1024
"""More than any page or record that is kept has: a file that claims more is damaged."""


class Archive:
    """A directory of zstd files that only its owner may enter; safe for several writers at once.

    `pages/ab/cdef….zst` holds the bytes whose digest (`Page.digest`, as hex) is `abcdef…`;
    `stdin/….jsonl.zst` holds one spooled standard input each.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        """Keep these bytes and return their digest in hex; bytes already kept are not written again.

        They are on disk when this returns.

        Raises:
            LoadError: the directory cannot take them, as when the disk is full.
        """
        digest = content_digest(content).hex()
        path = self._path(digest)
        if self.get(digest) is None:
            with self._temporary(path.parent) as (file, temporary):
                file.write(zstandard.compress(content))
                _settle(file, temporary, path)
        return digest

    def get(self, digest: str) -> bytes | None:
        """The bytes with this digest (hex), None where they were never kept or are damaged."""
        try:
            stored = self._path(digest).read_bytes()
            if zstandard.frame_content_size(stored) > _MOST_BYTES:
                return None
            content = zstandard.decompress(stored)
        except (OSError, zstandard.ZstdError):
            return None
        return content if content_digest(content).hex() == digest else None

    def spool_stdin(self, stream: BinaryIO) -> Path:
        """Copy a stream of JSONL to a file named by its digest, in constant memory.

        The same bytes give the same file, untouched, so the ledger knows them again.

        Raises:
            LoadError: the directory cannot take them.
        """
        spooled = hashlib.blake2b(digest_size=16)
        with self._temporary(self._directory / "stdin") as (file, temporary):
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as compressed:
                while chunk := stream.read(_CHUNK_BYTES):
                    spooled.update(chunk)
                    compressed.write(chunk)
            path = temporary.with_name(f"{spooled.hexdigest()}.jsonl.zst")
            if not path.exists():
                _settle(file, temporary, path)
        return path

    def _path(self, digest: str) -> Path:
        return self._directory / "pages" / digest[:2] / f"{digest[2:]}.zst"

    @contextlib.contextmanager
    def _temporary(self, directory: Path) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file in a directory made where missing; removed at the end unless it was moved away."""
        try:
            make_directories(directory)
            descriptor, name = tempfile.mkstemp(suffix=".tmp", dir=directory)
            temporary = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file, temporary
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            if error.errno is None:  # not of the file system: the stream that is copied broke
                raise
            said = (error.strerror or str(error)).lower()
            raise LoadError(f"The archive {self._directory} cannot be written: {said}.") from error


def _settle(file: BinaryIO, temporary: Path, path: Path) -> None:
    """Give a written file its name once its bytes are on disk: a name never stands for half a file."""
    file.flush()
    os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def make_directories(directory: Path) -> None:
    """Make a directory and those above it, for its owner alone, each on disk."""
    if directory.is_dir():
        return
    make_directories(directory.parent)
    with contextlib.suppress(FileExistsError):  # another run was as fast, or what follows tells
        directory.mkdir(mode=0o700)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
