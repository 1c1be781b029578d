"""Where inputs lie: files of this machine, and objects of S3, Google Cloud Storage and web servers.

Objects are read in ranges, so that a worker begins anywhere, and each range is checked to be of the version
that was planned. Credentials come from the environment alone: a URI that holds any is refused, and the query
of a URL, which may be a signature, never leaves this process but to the workers.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import quote_from_bytes, unquote_to_bytes

from schemas.errors import ConfigError, InputError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tasks.inputs.stores import Piece, Store, Stored

RANGE_BYTES = 1024 * 1024
"""What is asked for at once."""

AHEAD = 8
"""How many objects are asked for before they are opened: a round trip costs more than a page's extraction."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKETS = ("s3", "gs")
_REMOTE = (*_BUCKETS, "https", "http")
_GLOB = re.compile(r"[*?[]")
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_QUERY_BESIDE_GLOBS = re.compile(r"\?[\w.-]+=.*", re.DOTALL)
"""In URIs of buckets a question mark alone stands for any character."""

_queries: dict[str, str] = {}
_ahead: dict[tuple[str, int], Future[Piece]] = {}


def is_remote(path: str) -> bool:
    """True for what names an object of a store, or is a URI of any other kind: never a local path."""
    return _SCHEME.match(path) is not None and not path.startswith("file:///")


def uri_of(path: str) -> str:
    """Return the `file:///…` URI of an absolute path; undecodable names survive."""
    return "file://" + quote_from_bytes(os.fsencode(path))


def path_of(uri: str) -> Path:
    """Return the path that a `file:///…` URI names."""
    return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))


def name_of(uri: str) -> str:
    """Return what a path pattern is held against: a local path, `/bucket/key` or `/host/path`."""
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return str(path_of(uri))
    return "/" + (rest if scheme in ("s3", "gs") else os.fsdecode(unquote_to_bytes(rest)))


def shown(path: str) -> str:
    """Return a path as it may be shown: of a URI neither its query nor what may be credentials."""
    scheme = _SCHEME.match(path)
    if scheme is None:
        return path
    in_bucket = scheme[1].lower() in _BUCKETS
    rest = (_QUERY_BESIDE_GLOBS if in_bucket else _QUERY).sub("", path[scheme.end() :])
    host, slash, name = rest.partition("/")
    if "@" not in host and ":" in host and (in_bucket or "@" in name):
        return f"{scheme[0]}…"  # a secret key that holds a slash
    return f"{scheme[0]}{host.rpartition('@')[2]}{slash}{name}"


def withhold_query(path: str) -> str:
    """Return a path as it may be kept and shown: a URL without its query, which this process remembers.

    Raises:
        ConfigError: two URLs of one run differ in their queries only.
    """
    if not path.lower().startswith(("https://", "http://")):
        return path
    uri, _, query = path.partition("#")[0].partition("?")
    if query and _queries.setdefault(uri, query) != query:
        raise ConfigError(f"{uri} is named twice with different queries; load them one after another.")
    return uri


def address_of(uri: str) -> str:
    """Return where an object is asked for: its URI, with the query that was withheld of it."""
    return f"{uri}?{_queries[uri]}" if uri in _queries else uri


def look_up(uri: str) -> Stored | Iterator[Stored] | None:
    """Return the object that a URI names, or those that a prefix or glob names, in the order of their names.

    At least one is asked for at once; None where there is none.

    Raises:
        ConfigError: the URI is malformed, holds credentials, may not be read, or its extra is not installed.
        StoreUnreachable: its store stays away (also raised by going on).
    """
    _check(uri)
    store, name = _store(address_of(uri))
    try:
        found = store.stat(name)
        if found is not None or not store.lists:
            return found
        magic = _GLOB.search(name)
        if magic is None:
            top = name if name.endswith("/") else f"{name}/"
            objects = _visible(store.objects(top), top)
        else:
            wanted = glob_expression(name)
            top = name[: name.rindex("/", 0, magic.start()) + 1]
            listed = _visible(store.objects(name[: magic.start()]), top)
            objects = (each for each in listed if wanted.fullmatch(_name(each.uri)))
        first = next(objects, None)
    except InputError as error:
        raise ConfigError(f"{uri} cannot be read: {error}.") from None
    if first is None:
        return None

    return _all(uri, first, objects)


def _all(uri: str, first: Stored, others: Iterator[Stored]) -> Iterator[Stored]:
    yield first
    try:
        yield from others
    except InputError as error:
        raise InputError(f"{uri} cannot be listed to its end: {error}.") from None


def _visible(objects: Iterator[Stored], top: str) -> Iterator[Stored]:
    """Objects without hidden names between them and what was named."""
    return (each for each in objects if "/." not in "/" + _name(each.uri)[len(top) :])


def _name(uri: str) -> str:
    return uri.partition("://")[2]


def glob_expression(pattern: str) -> re.Pattern[str]:
    """Return a glob as an expression: `*` and `?` stay within one level, `**` does not.

    Raises:
        ConfigError: a range in it is none, as in `[z-a]`.
    """
    expression = ""
    for piece in re.findall(r"\*\*/?|\[!?\]?[^\]]*\]|.", pattern, re.DOTALL):
        if piece.startswith("**"):
            expression += "(?:.*/)?" if piece.endswith("/") else ".*"
        elif piece == "*":
            expression += "[^/]*"
        elif piece == "?":
            expression += "[^/]"
        elif len(piece) > 1:
            inner = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            expression += f"[{'^' + inner[1:] if inner.startswith('!') else inner}]"
        else:
            expression += re.escape(piece)
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:
        raise ConfigError(f"{pattern} is no glob that can be understood.") from None


def open_input(uri: str, version: str = "") -> BinaryIO:
    """Open a file or an object for reading; it can seek.

    Args:
        uri: `file:///…`, `s3://…`, `gs://…` or `https://…`.
        version: what the file or object must still be; "" for any.

    Raises:
        OSError: a file cannot be opened, or is a link, a device, a pipe or a directory.
        InputError: a file or object is another one, or an object cannot be read (also raised by reading it).
        StoreUnreachable: the store of an object stays away (the same).
    """
    if not is_remote(uri):
        return _open_file(path_of(uri), version)
    return io.BufferedReader(_RemoteFile(uri, version), RANGE_BYTES)


def read_ahead(places: Iterable[tuple[str, int]]) -> None:
    """Begin to fetch what will be read next: objects by (address, first byte). Local files are passed over.

    What was begun before and is not among them any more is forgotten.
    """
    wanted = [place for place in islice(places, AHEAD) if is_remote(place[0])]
    for place in _ahead.keys() - set(wanted):
        _ahead.pop(place).cancel()
    for uri, start in wanted:
        if (uri, start) not in _ahead:
            store, name = _store(uri)
            _ahead[uri, start] = store.begin(name, start, RANGE_BYTES)


def is_ranged(file: BinaryIO) -> bool:
    """True where others, too, can begin to read in the middle; known once something was read."""
    raw = getattr(file, "raw", None)
    return not isinstance(raw, _RemoteFile) or raw.ranged


def sentence(error: InputError | OSError) -> str:
    """What an error about an input says, in words for the quarantine."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)


def check_writable(uri: str) -> None:
    """Refuse at once what `put_file` could not write to; nothing is written yet.

    Raises:
        ConfigError: the URI is malformed, holds credentials, or its extra is not installed.
    """
    _check(uri)
    if uri.partition("://")[0].lower() not in _BUCKETS:
        raise ConfigError(f"Nothing can be written to {uri}; use a directory, s3:// or gs://.")
    _store(uri)


def put_file(path: Path, uri: str) -> None:
    """Copy a file to an object of S3 or Google Cloud Storage, whole or not at all.

    Raises:
        InputError: the store does not take it.
        StoreUnreachable: it stays away.
    """
    store, name = _store(uri)
    store.put(path, name)


def _check(uri: str) -> None:
    """Raises ConfigError for what no store may be asked for; its words never repeat a credential."""
    scheme = _SCHEME.match(uri)
    kind = scheme[1].lower() if scheme else ""
    if kind not in _REMOTE:
        raise ConfigError(f"{kind}:// is not known; name a path, or a URI with s3://, gs:// or https://.")
    in_bucket = kind in _BUCKETS
    host, _, name = uri[len(kind) + 3 :].partition("/")
    if "[" in host and not re.fullmatch(r"\[[0-9A-Fa-f:.]+\](?::\d+)?", host):
        raise ConfigError(f"{shown(uri)} names no host.")
    if "@" in host or (":" in host and in_bucket):
        raise ConfigError(
            f"A {kind}:// URI must not hold credentials, which would be kept with its pages; "
            "leave them to the environment (AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS, ~/.netrc …)."
        )
    if in_bucket and _QUERY_BESIDE_GLOBS.search(name):
        raise ConfigError(f"{shown(uri)} has a query, which no {kind}:// URI has.")
    if not host or (in_bucket and not re.fullmatch(r"[\w.-]+", host, re.ASCII)):
        raise ConfigError(f"{shown(uri)} names no {'bucket' if in_bucket else 'host'}.")
    if not in_bucket and "?" in name:
        raise ConfigError(
            f"{shown(uri)} has a query, which may be a secret and would be kept with the run; "
            "it can be given at the command line only."
        )
    if {".", ".."} & set(name.split("/")):
        raise ConfigError(f"{shown(uri)} has . or .. in its path; name what it leads to.")
    if kind == "http" and not re.fullmatch(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?", host):
        raise ConfigError(f"{shown(uri)} could be altered on its way; use https://.")


def _store(uri: str) -> tuple[Store, str]:
    """The store that a URI lies in, and its name there."""
    from tasks.inputs.stores import store  # late: local files need none

    kind = uri.partition("://")[0].lower()
    return store(kind), _name(uri) if kind in ("s3", "gs") else uri


def file_version(status: os.stat_result) -> str:
    """What tells a file from another that takes its place, or the place of a directory above it."""
    return f"{status.st_dev}:{status.st_ino}"


def _open_file(path: Path, version: str) -> BinaryIO:
    """Open what is a regular file at this very moment: what a scraper puts in its place is no way out."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        if version and version != file_version(status):
            raise InputError("the file is another one than when it was planned")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


class _RemoteFile(io.RawIOBase):
    """An object read in ranges, or from a copy where its server knows no ranges."""

    def __init__(self, uri: str, version: str) -> None:
        self.ranged = True
        self._uri = uri
        self._store, self._name = _store(uri)
        self._version = version
        self._position = 0
        self._size: int | None = None
        self._copy: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            if self._size is None:
                self._fetch(0, 1)
            offset += self._size or 0
        elif whence == os.SEEK_CUR:
            offset += self._position
        self._position = max(0, offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._fetch(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch(self, start: int, count: int) -> bytes:
        """At most `count` bytes from `start` on; none only at the end."""
        if self._copy is not None:
            self._copy.seek(start)
            return self._copy.read(count)
        if self._size is not None and start >= self._size:
            return b""
        begun = _ahead.pop((self._uri, start), None)
        piece = self._store.fetch(self._name, start, count, begun)
        if self._version and piece.version and piece.version != self._version:
            raise InputError("the object is another one than when it was planned")
        self._version = self._version or piece.version
        if piece.data is None:
            self.ranged = False
            self._copy = tempfile.TemporaryFile()  # noqa: SIM115  closed with this file
            self._size = self._store.download(self._name, self._copy, self._version)
            return self._fetch(start, count)
        self._size = piece.size
        if not piece.data and start < piece.size:
            raise InputError("the object ends too early")
        return piece.data[:count]

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
        super().close()
