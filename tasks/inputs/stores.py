"""The three kinds of store that objects are read from, each by its fsspec file system.

Of those file systems the sessions are used: their credentials, signatures and connections. Listing comes a
page of a thousand objects at a time, reading one range at a time, and patience is ours, so that a store which
does not answer costs a bounded time. No message repeats a URL as asked for: its query may be a signature.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from schemas.errors import InputError, StoreUnreachable, missing_extra
from schemas.records import Limits

if TYPE_CHECKING:
    from concurrent.futures import Future

REQUEST_SECONDS = 15.0
"""What one request may take: a range of a megabyte, or a page of a listing."""
PATIENCE_SECONDS = 20.0
"""After this long a request is not repeated."""
PROBE_SECONDS = 5.0
"""What a store may then take to answer anything else. A worker may be silent for longer than all three."""
QUIET_SECONDS = 30.0
"""How long a store that stayed away is left alone: what is wanted of it meanwhile fails at once."""
DOWNLOAD_SECONDS = 3600.0
CONNECT_SECONDS = 10.0
REDIRECTS = 5
LISTED_AT_ONCE = 1000
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""From here alone plain http is taken."""

_EXTRAS = {"s3": "s3", "gs": "gs", "https": "http", "http": "http"}
_WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_BYTES = 256 * 1024

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as its store lists it."""

    uri: str
    """As it may be kept and shown."""
    address: str = field(repr=False)
    """Where it is asked for: the same, or a URL with its query."""
    size: int | None
    """None where its server does not say."""
    version: str
    """ETag, generation or time of modification; "" where the server states none of them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of an object."""

    data: bytes | None
    """None where the server would only send all of it."""
    size: int
    """Bytes of the whole object."""
    version: str


class Store(Protocol):
    """What can be asked of a store.

    Every method raises, in words that may be kept, InputError when the store refuses or fails what is asked,
    and StoreUnreachable when it stays away.
    """

    lists: bool
    """True where names have prefixes that can be listed."""

    def stat(self, name: str) -> Stored | None:
        """The object of that name, None where there is none."""

    def objects(self, prefix: str) -> Iterator[Stored]:
        """The objects whose names begin so, in order, a page at a time."""

    def begin(self, name: str, start: int, count: int) -> Future[Piece]:
        """Ask once for a range that `fetch` will be called for."""

    def fetch(self, name: str, start: int, count: int, begun: Future[Piece] | None = None) -> Piece:
        """At most `count` bytes of an object, none of them behind its end."""

    def download(self, name: str, file: IO[bytes], version: str) -> int:
        """Copy an object whose server knows no ranges to a file; return its size."""

    def put(self, path: Path, name: str) -> None:
        """Copy a file to an object, whole or not at all."""


@lru_cache(maxsize=8)
def store(kind: str) -> Store:
    """Return the store of a URI scheme; connections are made when they are needed.

    Raises:
        ConfigError: its extra is not installed.
    """
    try:
        if kind == "s3":
            return _S3()
        return _Google() if kind == "gs" else _Web()
    except ImportError:
        raise missing_extra(f"{kind}://", _EXTRAS[kind]) from None


class _Refused(Exception):
    """(status or None, words): an answer that says no; None where there was no answer at all."""

    @property
    def status(self) -> int | None:
        status: int | None = self.args[0]
        return status

    @property
    def worth_repeating(self) -> bool:
        return self.status is None or self.status in _WORTH_REPEATING


_WORDS = {
    401: "the store asks for credentials",
    403: "the store denies access",
    404: "there is no such object",
    412: "the object is another one than when it was planned",
}


class _Patience:
    """Asks one kind of store. Thread-safe."""

    def __init__(self, loop: asyncio.AbstractEventLoop, refusal: Callable[[Exception], _Refused]) -> None:
        self._loop = loop
        self._refusal = refusal
        self._quiet: dict[str, tuple[float, str]] = {}

    def begin(self, request: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Make a request once, beside this thread."""
        return asyncio.run_coroutine_threadsafe(request, self._loop)

    def ask(
        self,
        place: str,
        request: Callable[[], Coroutine[Any, Any, Answer]],
        probe: Callable[[], Coroutine[Any, Any, object]],
        seconds: float = REQUEST_SECONDS,
        begun: Future[Answer] | None = None,
    ) -> Answer:
        """Make a request, unless it is `begun`, and again with growing pauses while that may help.

        Args:
            place: the bucket or server that is asked, in words that may be kept.
            probe: asks it for something else, to tell a store that is away from one object that fails.

        Raises:
            _Refused: the store says no, or answers other things, and not this within `PATIENCE_SECONDS`.
            StoreUnreachable: it answers nothing, now or a moment ago.
        """
        from fsspec.asyn import sync

        started = time.monotonic()
        until, words = self._quiet.get(place, (0.0, ""))
        if started < until:
            raise StoreUnreachable(words)
        pause = 0.2
        while True:
            wait = pause * random.uniform(0.5, 1.5)  # noqa: S311  no secret
            try:
                if begun is not None:
                    return begun.result(seconds)
                answer: Answer = sync(self._loop, request, timeout=seconds)
            except Exception as error:  # noqa: BLE001  every client has errors of its own; all become words
                refused = self._refusal(error)
                if not refused.worth_repeating:
                    raise refused from None
                if time.monotonic() - started + wait > PATIENCE_SECONDS:
                    if not self._answers(probe):
                        words = f"{place} stayed away: {refused.args[1]}"
                        self._quiet[place] = time.monotonic() + QUIET_SECONDS, words
                        raise StoreUnreachable(words) from None
                    raise refused from None
            else:
                return answer
            begun = None
            time.sleep(wait)
            pause = min(2 * pause, 4.0)

    def _answers(self, probe: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Whether the store answers at all, be it with a refusal."""
        from fsspec.asyn import sync

        try:
            sync(self._loop, probe, timeout=PROBE_SECONDS)
        except Exception as error:  # noqa: BLE001  as above
            return not self._refusal(error).worth_repeating
        return True


def _input_error(refused: _Refused) -> InputError:
    return InputError(_WORDS.get(refused.status or 0, "") or refused.args[1])


def _silence(error: Exception) -> str:
    """Words for an error without an answer; the error's own may repeat a URL."""
    if isinstance(error, TimeoutError):
        return "the store does not answer in time"
    return f"the store cannot be reached ({type(error).__name__})"


# --- buckets ---------------------------------------------------------------------------------------------


class _Bucket:
    """What S3 and Google Cloud Storage have in common. Subclasses make the requests."""

    lists = True
    scheme: str

    def __init__(self, fs: Any) -> None:
        self._fs = fs
        self._patience = _Patience(fs.loop, self._refusal)

    def stat(self, name: str) -> Stored | None:
        bucket, _, key = name.partition("/")
        if not key or key.endswith("/"):
            return None
        try:
            return self._ask(name, lambda: self._stat(bucket, key))
        except _Refused as refused:
            if refused.status == 404:
                return None
            raise _input_error(refused) from None

    def objects(self, prefix: str) -> Iterator[Stored]:
        bucket, _, key = prefix.partition("/")
        token: str | None = None
        while True:
            try:
                objects, token = self._ask(prefix, lambda after=token: self._page(bucket, key, after))  # type: ignore[misc]
            except _Refused as refused:
                if refused.status == 404:
                    raise InputError(f"there is no bucket {bucket}") from None
                raise _input_error(refused) from None
            yield from objects
            if not token:
                return

    def begin(self, name: str, start: int, count: int) -> Future[Piece]:
        return self._patience.begin(self._range(name, start, count))

    def fetch(self, name: str, start: int, count: int, begun: Future[Piece] | None = None) -> Piece:
        try:
            return self._ask(name, lambda: self._range(name, start, count), begun=begun)
        except _Refused as refused:
            if refused.status == 416:  # the object ends before, or is empty
                return Piece(b"", start, "")
            raise _input_error(refused) from None

    def download(self, name: str, file: IO[bytes], version: str) -> int:
        raise NotImplementedError  # every bucket knows ranges

    def put(self, path: Path, name: str) -> None:
        try:
            self._ask(name, lambda: self._put(path, name), seconds=DOWNLOAD_SECONDS)
        except _Refused as refused:
            raise _input_error(refused) from None

    def _ask(
        self,
        name: str,
        request: Callable[[], Coroutine[Any, Any, Answer]],
        seconds: float = REQUEST_SECONDS,
        begun: Future[Answer] | None = None,
    ) -> Answer:
        bucket, _, key = name.partition("/")
        place = f"{self.scheme}://{bucket}"
        return self._patience.ask(place, request, lambda: self._page(bucket, key, None), seconds, begun)

    def _stored(self, bucket: str, key: str, size: int, version: str) -> Stored:
        uri = f"{self.scheme}://{bucket}/{key}"
        return Stored(uri, uri, size, version)

    def _refusal(self, error: Exception) -> _Refused:
        raise NotImplementedError

    async def _stat(self, bucket: str, key: str) -> Stored:
        raise NotImplementedError

    async def _page(self, bucket: str, prefix: str, token: str | None) -> tuple[list[Stored], str | None]:
        raise NotImplementedError

    async def _range(self, name: str, start: int, count: int) -> Piece:
        bucket, _, key = name.partition("/")
        if {".", ".."} & set(key.split("/")):
            raise _Refused(400, "its name has . or .. in it, which clients lead elsewhere")
        return await self._piece(bucket, key, start, count)

    async def _piece(self, bucket: str, key: str, start: int, count: int) -> Piece:
        raise NotImplementedError

    async def _put(self, path: Path, name: str) -> None:
        raise NotImplementedError


class _S3(_Bucket):
    scheme = "s3"

    def __init__(self) -> None:
        from s3fs import S3FileSystem

        timeouts = {"connect_timeout": CONNECT_SECONDS, "read_timeout": REQUEST_SECONDS}
        config = {**timeouts, "retries": {"total_max_attempts": 1}}
        super().__init__(S3FileSystem(config_kwargs=config, skip_instance_cache=True))
        self._fs.retries = 1

    async def _stat(self, bucket: str, key: str) -> Stored:
        said = await self._fs._call_s3("head_object", Bucket=bucket, Key=key)
        return self._stored(bucket, key, said["ContentLength"], said.get("ETag", ""))

    async def _page(self, bucket: str, prefix: str, token: str | None) -> tuple[list[Stored], str | None]:
        after = {"ContinuationToken": token} if token else {}
        said = await self._fs._call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=LISTED_AT_ONCE, **after
        )
        objects = [
            self._stored(bucket, each["Key"], each["Size"], each.get("ETag", ""))
            for each in said.get("Contents", ())
        ]
        return objects, said.get("NextContinuationToken")

    async def _piece(self, bucket: str, key: str, start: int, count: int) -> Piece:
        wanted = f"bytes={start}-{start + count - 1}"
        said = await self._fs._call_s3("get_object", Bucket=bucket, Key=key, Range=wanted)
        stated = said.get("ContentRange")
        async with said["Body"] as body:
            if said["ContentLength"] > count or (start and not stated):
                raise _Refused(400, "the store knows no ranges")
            data = await body.read()
        return Piece(data, int(stated.rpartition("/")[2]) if stated else len(data), said.get("ETag", ""))

    async def _put(self, path: Path, name: str) -> None:
        await self._fs._put_file(str(path), name, chunksize=8 * 1024 * 1024, max_concurrency=2)

    def _refusal(self, error: Exception) -> _Refused:
        from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

        if isinstance(error, _Refused):
            return error
        answer = error if isinstance(error, ClientError) else error.__cause__
        if isinstance(answer, ClientError):
            said = answer.response
            status = said.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            return _Refused(status, f"the store answers {said.get('Error', {}).get('Code') or status}")
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return _Refused(401, "")
        return _Refused(None, _silence(error))


class _Google(_Bucket):
    scheme = "gs"

    def __init__(self) -> None:
        from gcsfs.core import GCSFileSystem

        super().__init__(GCSFileSystem(requests_timeout=REQUEST_SECONDS, skip_instance_cache=True))

    async def _stat(self, bucket: str, key: str) -> Stored:
        return self._of(bucket, await self._fs._call("GET", "b/{}/o/{}", bucket, key, json_out=True))

    async def _page(self, bucket: str, prefix: str, token: str | None) -> tuple[list[Stored], str | None]:
        said = await self._fs._call(
            "GET",
            "b/{}/o",
            bucket,
            prefix=prefix,
            pageToken=token,
            maxResults=LISTED_AT_ONCE,
            fields="nextPageToken,items(name,size,generation)",
            json_out=True,
        )
        return [self._of(bucket, each) for each in said.get("items", ())], said.get("nextPageToken")

    async def _piece(self, bucket: str, key: str, start: int, count: int) -> Piece:
        headers, data = await self._fs._call(
            "GET",
            self._fs.url(f"{bucket}/{key}"),
            headers={"Range": f"bytes={start}-{start + count - 1}", "Accept-Encoding": "gzip"},
        )
        stated = headers.get("Content-Range")
        size = int(stated.rpartition("/")[2]) if stated else len(data)
        return Piece(data, size, headers.get("X-Goog-Generation", ""))

    async def _put(self, path: Path, name: str) -> None:
        await self._fs._put_file(str(path), name, chunksize=8 * 1024 * 1024)

    def _of(self, bucket: str, said: dict[str, Any]) -> Stored:
        return self._stored(bucket, said["name"], int(said.get("size", 0)), str(said.get("generation", "")))

    def _refusal(self, error: Exception) -> _Refused:
        from google.auth.exceptions import GoogleAuthError

        if isinstance(error, _Refused):
            return error
        if isinstance(error, FileNotFoundError):
            return _Refused(404, "")
        if isinstance(error, GoogleAuthError):
            return _Refused(401, "")
        if isinstance(error, OSError) and str(error).startswith("Forbidden"):
            return _Refused(403, "")
        code = getattr(error, "code", None)
        status = int(str(code)) if str(code).isdigit() else 400 if isinstance(error, ValueError) else None
        return _Refused(status, f"the store answers {status}" if status else _silence(error))


# --- web servers -----------------------------------------------------------------------------------------


class _Web:
    lists = False

    def __init__(self) -> None:
        import aiohttp
        from fsspec.implementations.http import HTTPFileSystem

        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_check_redirect)
        self._fs = HTTPFileSystem(
            skip_instance_cache=True,
            client_kwargs={
                "auto_decompress": False,  # .gz files come with a Content-Encoding from many servers
                "timeout": aiohttp.ClientTimeout(
                    total=None, connect=CONNECT_SECONDS, sock_read=REQUEST_SECONDS
                ),
                "trace_configs": [tracing],
                "trust_env": True,  # ~/.netrc and proxies
            },
        )
        self._patience = _Patience(self._fs.loop, self._refusal)

    def stat(self, name: str) -> Stored | None:
        async def ask() -> Stored:
            async with await self._get(name, 0, 1) as answer:
                return Stored(name.partition("?")[0], name, _size(answer), _version(answer))

        try:
            return self._ask(name, ask)
        except _Refused as refused:
            if refused.status in (404, 410):
                return None
            raise _input_error(refused) from None

    def objects(self, prefix: str) -> Iterator[Stored]:
        raise NotImplementedError  # a page of links is no listing

    def begin(self, name: str, start: int, count: int) -> Future[Piece]:
        return self._patience.begin(self._range(name, start, count))

    def fetch(self, name: str, start: int, count: int, begun: Future[Piece] | None = None) -> Piece:
        try:
            return self._ask(name, lambda: self._range(name, start, count), begun=begun)
        except _Refused as refused:
            raise _input_error(refused) from None

    async def _range(self, name: str, start: int, count: int) -> Piece:
        async with await self._get(name, start, count) as answer:
            size = _size(answer)
            if answer.status == 416:
                return Piece(b"", start, "")
            if answer.status == 206:
                return Piece(await _read(answer, count), size or 0, _version(answer))
            if size is not None and start == 0 and size <= count:
                return Piece(await _read(answer, size), size, _version(answer))
            return Piece(None, size or 0, _version(answer))

    def download(self, name: str, file: IO[bytes], version: str) -> int:
        async def ask() -> int:
            file.seek(0)
            file.truncate()
            async with await self._get(name, 0, None) as answer:
                if version and _version(answer) != version:
                    raise _Refused(412, "")
                # A page without a stated size ends where it is too large for a page anyway.
                most = _size(answer)
                left = 5 * Limits().page_bytes if most is None else most
                while left > 0 and (data := await answer.content.read(min(left, _CHUNK_BYTES))):
                    file.write(data)
                    left -= len(data)
            return file.tell()

        try:
            return self._ask(name, ask, DOWNLOAD_SECONDS)
        except _Refused as refused:
            raise _input_error(refused) from None

    def put(self, path: Path, name: str) -> None:
        raise NotImplementedError

    def _ask(
        self,
        url: str,
        request: Callable[[], Coroutine[Any, Any, Answer]],
        seconds: float = REQUEST_SECONDS,
        begun: Future[Answer] | None = None,
    ) -> Answer:
        place = "/".join(url.split("/", 3)[:3])

        async def probe() -> None:
            (await self._get(f"{place}/", 0, 1)).close()

        return self._patience.ask(place, request, probe, seconds, begun)

    async def _get(self, url: str, start: int, count: int | None) -> Any:
        """The answer to a request for a range, or for all; to be entered and left."""
        session = await self._fs.set_session()
        headers = {"Accept-Encoding": "identity"}
        if count is not None:
            headers["Range"] = f"bytes={start}-{start + count - 1}"
        answer = await session.get(
            self._fs.encode_url(url), headers=headers, allow_redirects=True, max_redirects=REDIRECTS
        )
        if answer.status >= 400 and answer.status != 416:
            answer.close()
            raise _Refused(answer.status, f"the server answers {answer.status}")
        return answer

    def _refusal(self, error: Exception) -> _Refused:
        import aiohttp

        if isinstance(error, _Refused):
            return error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return _Refused(400, "its certificate is not to be trusted")
        if isinstance(error, aiohttp.TooManyRedirects):
            return _Refused(400, f"it is redirected more than {REDIRECTS} times")
        if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | ValueError):
            return _Refused(400, "its address is malformed")
        return _Refused(None, _silence(error))


async def _check_redirect(session: Any, context: Any, asked: Any) -> None:
    """Follow a redirect only where the way stays as closed to others as it was."""
    target = asked.url.join(type(asked.url)(asked.response.headers.get("Location", "")))
    here = asked.url.scheme == "http" and target.scheme == "http" and target.host in LOOPBACK
    if target.scheme != "https" and not here:
        raise _Refused(400, "it is redirected to an open way")


async def _read(answer: Any, most: int) -> bytes:
    """The body, of which a server may send no more than was asked for."""
    data = bytearray()
    while more := await answer.content.read(_CHUNK_BYTES):
        data += more
        if len(data) > most:
            raise _Refused(400, "the server sends more than was asked for")
    return bytes(data)


def _size(answer: Any) -> int | None:
    """Bytes of the whole object, as an answer states it."""
    if answer.status in (206, 416):
        stated = answer.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        stated = answer.headers.get("Content-Length", "")
    return int(stated) if stated.isdigit() else None


def _version(answer: Any) -> str:
    return str(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
