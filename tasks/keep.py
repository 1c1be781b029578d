"""The raw bytes of pages kept in WARC files: spooled by workers, published by the parent, read back.

A worker writes the record of each page to a spool file before it reports the page, so the bytes cross no
process border and outlive the worker. The parent copies the records worth keeping into one file a batch,
which gets its name once it is on disk. Each record is a gzip member of its own: reading can begin at any.
WARC has no place for some of what makes a page what it is (that its URL or fetch time is unknown, its
kind), so that stands in a field of our own beside those of the standard.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, get_args
from urllib.parse import quote

from schemas.errors import ConfigError, InputError, KeepError
from schemas.records import BatchResult, Kind, Limits, Page, Spooled, content_digest
from tasks.archive import make_directories, sync_directory
from tasks.inputs.containers import Stream, record_limit
from tasks.inputs.storage import check_writable, is_remote, open_input, path_of, put_file, uri_of

GZIP_LEVEL = 4
STATED_CHARACTERS = 8000
"""A URL, source or content type that is longer as JSON is not stated: headers of records have their bound."""

_OUR_FIELD = re.compile(rb"\r\nBroadsheet-Page: ([^\r\n]*)")
_IN_A_URI = "".join(set(map(chr, range(0x21, 0x7F))) - set('"<>\\^`{|}'))
_STEP_BYTES = 1024 * 1024
_LIMITS = Limits()


# --- the record of a page ---------------------------------------------------------------------------


def pack_page(page: Page, digest: bytes) -> Iterator[bytes]:
    """Yield pieces of the page's WARC record, a gzip member.

    The standard asks for a URI and a date of every record: where the page has none, these are the record's.
    """
    compress = zlib.compressobj(GZIP_LEVEL, wbits=31)
    yield compress.compress(_header(page, digest))
    for start in range(0, len(page.content), _STEP_BYTES):
        yield compress.compress(page.content[start : start + _STEP_BYTES])
    yield compress.compress(b"\r\n\r\n") + compress.flush()


def unpack_page(record: bytes) -> Page | None:
    """The page of a WARC record made by `pack_page`, headers included; None for any other or altered one."""
    end = record.find(b"\r\n\r\n")
    found = _OUR_FIELD.search(record, 0, max(0, end))
    if found is None:
        return None
    content = record[end + 4 :]
    try:
        said = json.loads(found[1])
        if said.pop("digest") != content_digest(content).hex():
            return None
        return _page(content, **said)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        return None


def _page(
    content: bytes,
    kind: Kind,
    url: str | None = None,
    fetched_at: str | None = None,
    source: str | None = None,
    content_type: str | None = None,
) -> Page:
    """Raises ValueError, TypeError or ArithmeticError for what no record of ours says."""
    time = None if fetched_at is None else datetime.fromisoformat(fetched_at)
    texts = (url, source, content_type)
    if (
        kind not in get_args(Kind)
        or (time and not time.tzinfo)
        or not all(isinstance(t, str | None) for t in texts)
    ):
        raise ValueError
    return Page(content, kind, url, time and time.astimezone(UTC), source, content_type)


def _header(page: Page, digest: bytes) -> bytes:
    name = uuid.uuid4().urn
    media = "text/html" if page.kind == "html" else "text/plain"
    stated = {
        "digest": digest.hex(),
        "kind": page.kind,
        "url": page.url,
        "fetched_at": page.fetched_at.isoformat() if page.fetched_at else None,
        "source": page.source,
        "content_type": page.content_type,
    }
    stated = {key: said for key, said in stated.items() if said and len(json.dumps(said)) < STATED_CHARACTERS}
    if re.fullmatch(r"[!-~][ -~]*", said := stated.get("content_type") or ""):
        media = said
    date = page.fetched_at or datetime.now(UTC).replace(microsecond=0)
    url = stated.get("url")
    sha1 = hashlib.sha1(page.content, usedforsecurity=False).digest()
    fields = (
        ("WARC-Type", "resource"),
        ("WARC-Record-ID", f"<{name}>"),
        ("WARC-Date", date.isoformat().replace("+00:00", "Z")),
        ("WARC-Target-URI", quote(url, safe=_IN_A_URI, errors="replace") if url else name),
        ("WARC-Block-Digest", f"sha1:{base64.b32encode(sha1).decode()}"),
        ("Broadsheet-Page", json.dumps(stated)),
        ("Content-Type", media),
        ("Content-Length", str(len(page.content))),
    )
    return "".join(["WARC/1.1\r\n", *(f"{key}: {value}\r\n" for key, value in fields), "\r\n"]).encode(
        "ascii"
    )


# --- in a worker ------------------------------------------------------------------------------------


class Spool:
    """A file to which one process appends the records of one batch. A context manager."""

    def __init__(self, directory: str, batch: int) -> None:
        self._name = f"{batch}-{os.getpid()}.warc.gz"
        self._path = os.path.join(directory, self._name)  # noqa: PTH118  no Path a batch
        self._file: BinaryIO | None = None
        self._end = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written was complained of, and is not reported
                self._file.close()

    def put(self, page: Page, *, key: bytes, digest: bytes) -> Spooled:
        """Append the page's record; it is in the hands of the system when this returns.

        Raises:
            KeepError: it cannot be written.
        """
        start = self._end
        try:
            if self._file is None:
                self._file = open(self._path, "ab", opener=_for_us)  # noqa: SIM115
                start = self._end = self._file.tell()
            for piece in pack_page(page, digest):
                self._end += self._file.write(piece)
            self._file.flush()
        except OSError as error:
            raise KeepError(f"Pages cannot be kept: {_sentence(error)}.") from error
        return Spooled(key, digest, self._name, start, self._end - start)


# --- in the parent ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """A file of records that is in its place, on disk."""

    uri: str
    records: tuple[tuple[bytes, int], ...]
    """(digest of the page, offset of its record)."""


class Keeper:
    """A directory or bucket that pages are kept in, for one run. A context manager.

    What is under way lies in a directory of the run's own, locked as long as its process lives: whoever
    comes next removes what dead runs left. It lies inside the directory that is written to, hidden there.
    """

    def __init__(self, destination: str, spools: Path) -> None:
        """
        Args:
            destination: a path, or a URI with `s3://` or `gs://`.
            spools: where to spool what goes to a bucket.
        """
        self._destination = destination
        self._directory = None if is_remote(destination) else _path(destination)
        self._token = secrets.token_hex(4)
        self._spool = (self._directory / ".spool" if self._directory else spools) / self._token
        self._lock: int | None = None

    def check(self, inputs: Sequence[str] = ()) -> None:
        """Find out at once whether pages of these inputs can be kept there.

        Raises:
            ConfigError: they cannot, or would be among the inputs the next time.
        """
        if self._directory is None:
            check_writable(self._destination)
        place = self._destination if self._directory is None else os.path.realpath(self._directory)
        for path in inputs:
            top = path if is_remote(path) else os.path.realpath(path)
            if f"{place}/".startswith(f"{top.rstrip('/')}/"):
                raise ConfigError(
                    f"Pages kept in {self._destination} would be inputs of {path}; keep them elsewhere."
                )
        with self:
            pass

    def __enter__(self) -> Keeper:
        try:
            make_directories(self._spool.parent)
            with _locked(self._spool.parent / "lock"):  # nobody sweeps between the next two lines
                self._spool.mkdir(mode=0o700)
                self._lock = _lock(self._spool / "lock")
                _sweep(self._spool.parent)
        except OSError as error:
            raise ConfigError(f"Pages cannot be kept in {self._destination}: {_sentence(error)}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._spool, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    @property
    def spool(self) -> str:
        """The directory that workers spool to."""
        return str(self._spool)

    def publish(self, name: str, records: Sequence[Spooled]) -> Published:
        """Put these records into one file of that name and the present day, in this order.

        Raises:
            KeepError: it cannot be written.
            StoreUnreachable: the bucket stays away.
        """
        stored = f"broadsheet-{name}-{self._token}.warc.gz"
        try:
            offsets = self._assemble(self._spool / stored, records)
            uri = self._put(self._spool / stored, f"{datetime.now(UTC):%Y/%m/%d}/{stored}")
        except (OSError, InputError) as error:
            raise KeepError(f"Pages cannot be kept in {self._destination}: {_sentence(error)}.") from error
        return Published(uri, tuple(zip((record.digest for record in records), offsets, strict=True)))

    def drop(self, result: BatchResult) -> None:
        """Remove the spool files of a batch."""
        for name in {spooled.file for spooled in result.spooled}:
            (self._spool / name).unlink(missing_ok=True)

    def _assemble(self, path: Path, records: Sequence[Spooled]) -> list[int]:
        """Copy the records one after another into a new file, on disk when this returns; their offsets."""
        offsets = []
        with open(path, "wb", opener=_for_us) as file:
            for name, group in groupby(records, key=lambda record: record.file):
                with (self._spool / name).open("rb") as spooled:
                    for record in group:
                        offsets.append(file.tell())
                        spooled.seek(record.offset)
                        file.write(spooled.read(record.size))
            file.flush()
            os.fsync(file.fileno())
        return offsets

    def _put(self, path: Path, name: str) -> str:
        """Move a file to where it belongs, to stay there whatever happens to this machine; its URI."""
        if self._directory is None:
            uri = f"{self._destination.rstrip('/')}/{name}"
            put_file(path, uri)
            path.unlink()
            return uri
        place = self._directory / name
        make_directories(place.parent)
        path.rename(place)
        sync_directory(place.parent)
        return uri_of(str(place))


def _path(destination: str) -> Path:
    return path_of(destination) if destination.startswith("file:///") else Path(destination).absolute()


def _for_us(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _lock(path: Path, *, wait: bool = True) -> int:
    """Open and lock a file until it is closed or the process ends; BlockingIOError where another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, mode=0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = _lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove the spools of dead runs."""
    for spool in [path for path in parent.iterdir() if path.is_dir()]:
        with suppress(OSError):  # it is in use, or another user's
            os.close(_lock(spool / "lock", wait=False))
            shutil.rmtree(spool, ignore_errors=True)


def _sentence(error: OSError | InputError) -> str:
    return str(getattr(error, "strerror", None) or error).lower()


# --- read back --------------------------------------------------------------------------------------


class KeptAt(NamedTuple):
    """Where the record of a page is."""

    uri: str
    offset: int


def is_gone(uri: str) -> bool:
    """True where a file of kept pages is not on this machine any more; of a bucket nobody is asked."""
    return not is_remote(uri) and not path_of(uri).exists()


def read_kept(places: Mapping[bytes, KeptAt]) -> Iterator[tuple[bytes, Page]]:
    """Yield (digest, page) for what is still there, file by file, one page in memory at a time.

    The page is the last capture of these bytes that was kept, without its origin. What is gone or damaged
    does not come.

    Raises:
        StoreUnreachable: a bucket stays away.
    """
    in_order = sorted(places, key=lambda digest: places[digest])
    for uri, digests in groupby(in_order, key=lambda digest: places[digest].uri):
        with suppress(OSError, InputError, ConfigError), open_input(uri) as file:
            for digest in digests:
                page = _read_record(file, places[digest].offset)
                if page is not None and page.digest == digest:
                    yield digest, page


def _read_record(file: BinaryIO, offset: int) -> Page | None:
    try:
        return unpack_page(Stream(file, "gz", offset).take_warc(record_limit(_LIMITS)).content)
    except InputError:
        return None
