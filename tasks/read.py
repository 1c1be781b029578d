"""Parts opened: a part's records become pages, or the reason why they do not.

What a worker runs first. WARC records are found by `tasks.inputs.containers`, which notices cuts, and
understood by FastWARC, which knows their headers and how HTTP encodes a payload.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from fastwarc.warc import WarcRecord, WarcRecordType

from schemas.errors import DamagedInput, InputError, PageError, PageTooLarge, UnknownRecord
from schemas.records import Ignored, Kind, Limits, Page, Part, Rejection, Selection
from tasks.clean import plain
from tasks.fields.urls import MAX_LENGTH, matches_domain
from tasks.inputs.containers import Record, Stream, record_limit, take_record, unpack_records
from tasks.inputs.path_pattern import PathFacts, read_path
from tasks.inputs.storage import name_of, open_input, sentence
from tasks.keep import unpack_page

Found = Page | Rejection | Ignored
"""What becomes of one record."""

CONTENT_KEPT = 4
"""A page too large is kept for the archive up to this many times the limit."""

_KEYS = ("html", "text", "url", "fetched_at", "source", "content_type")
_MEDIA: dict[str, Kind] = {"text/html": "html", "application/xhtml+xml": "html", "text/plain": "text"}
_MARKUP = re.compile(rb"[\s\xef\xbb\xbf]*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_SNIFFED_BYTES = 512
_LONGEST_NAME = 200
_STEP_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b\x08"
_DECODING: tuple[Literal["all", "transfer", "content", "none"], ...] = ("all", "transfer", "content", "none")


def read_part(
    part: Part, selection: Selection, limits: Limits, condemned: tuple[int, PageError] | None = None
) -> Iterator[Found]:
    """Yield what becomes of each record of a part, one item a record, in order.

    `condemned`: how many records stand before one that is not to be parsed, and what it is rejected for.
    A rejection follows where the input is damaged right behind them. Where the input cannot be opened or read
    as planned, one rejection stands for all the records left.
    """
    reader = _Reader(part, selection, limits)
    number = part.first_record
    try:
        for record in read_records(part, limits):
            if condemned and number == part.first_record + condemned[0]:
                yield reader.refused(condemned[1], record, number)
            else:
                yield reader.read(record, number)
            number += 1
    except (InputError, OSError) as error:
        yield reader.unread(error, number)
    else:
        if part.damage is not None:
            yield reader.unread(DamagedInput(part.damage), number)
        if part.unreadable is not None:
            yield reader.unread(InputError(part.unreadable), number)


def parse_time(stated: object) -> datetime | None:
    """Return a stated fetch time in UTC, None when it is none.

    Understood are ISO 8601, the dates of HTTP and mail, `20250517100000`, and seconds or milliseconds since
    1970. A time without a zone is taken as UTC.
    """
    try:
        if isinstance(stated, bool) or stated is None:
            return None
        if isinstance(stated, int | float):
            found = datetime.fromtimestamp(stated / 1000 if abs(stated) >= 1e11 else stated, UTC)
        else:
            found = _parse_time(str(stated).strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None
    return found if 1990 <= found.year <= 2200 else None


def _parse_time(stated: str) -> datetime:
    if len(stated) > 64:
        raise ValueError(stated)
    if re.fullmatch(r"\d{14}", stated):
        return datetime.strptime(stated, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if re.fullmatch(r"\d{9,13}(?:\.\d{1,9})?", stated):
        number = float(stated)
        return datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, UTC)
    try:
        return datetime.fromisoformat(stated)
    except ValueError:
        from email.utils import parsedate_to_datetime  # late: rarely needed and slow to import

        return parsedate_to_datetime(stated)


def read_records(part: Part, limits: Limits) -> Iterator[Record]:
    """Yield the records of a part as they are stored.

    Raises:
        InputError: the input is damaged, or not what was planned.
        OSError: it cannot be opened or read.
    """
    if part.payload is not None:
        yield from unpack_records(part.payload)
        return
    keep = record_limit(limits)
    with open_input(part.input.place, part.input.version) as file:
        stream = Stream(file, part.input.compression, part.offset)
        if part.input.format in ("txt", "html"):
            yield stream.take_rest(keep)
            stream.more()  # tells what is wrong behind the page
            return
        for _ in range(part.record_count):
            if not stream.more():
                raise InputError("the input has fewer records than it had when it was planned")
            yield take_record(stream, part.input.format, keep)


class _Reader:
    """Reads the records of one part."""

    def __init__(self, part: Part, selection: Selection, limits: Limits) -> None:
        self._part = part
        self._selection = selection
        self._limits = limits
        self._names = {name: name for name in _KEYS} | dict(selection.fields)
        pattern = selection.path_pattern
        self._facts = read_path(name_of(part.input.uri), pattern) if pattern else PathFacts()

    def read(self, record: Record, number: int) -> Found:
        """Return the page of a record, or what else becomes of it."""
        kind = self._part.input.format
        if kind == "jsonl":
            return self._line(record, number)
        if kind == "warc":
            return self._warc(record, number)
        return self._page(record.content, "html" if kind == "html" else "text", number, size=record.size)

    def unread(self, error: InputError | OSError, number: int) -> Rejection:
        """Return the one quarantine entry for what could not be read from record `number` on."""
        known = error if isinstance(error, InputError) else InputError(sentence(error))
        return replace(self._reject(known, number, None), rest=not isinstance(known, DamagedInput))

    def refused(self, error: PageError, record: Record, number: int) -> Rejection:
        """Return the quarantine entry of a record that is not parsed."""
        return self._reject(error, number, record.content)

    def _line(self, record: Record, number: int) -> Found:
        if not record.whole:
            # What it says of itself is out of reach, so no selection can leave it out unseen.
            return self._reject(self._too_large(record.size), number, None)
        try:
            said = _json(record.content)
            kind, content = self._content(said)
        except (DamagedInput, UnknownRecord) as error:
            return self._reject(error, number, record.content)
        media = str(said.get(self._names["content_type"]) or "").partition(";")[0].strip()
        media = media if re.fullmatch(r"[\w.+-]+/[\w.+-]+", media) else _media(kind)
        stated = said.get(self._names["fetched_at"])
        return self._page(
            content.encode("utf-8", "replace"),
            kind,
            number,
            url=_string(said.get(self._names["url"])),
            fetched_at=(fetched_at := parse_time(stated)),
            misdated=bool(stated) and fetched_at is None,
            source=_string(said.get(self._names["source"])),
            content_type=f"{media}; charset=utf-8",  # whatever it was before it became JSON
        )

    def _content(self, said: dict[str, Any]) -> tuple[Kind, str]:
        kinds: tuple[Kind, Kind] = ("html", "text")
        for kind in kinds:
            if isinstance(content := said.get(self._names[kind]), str):
                return kind, content
        wanted = f"{self._names['html']!r} or {self._names['text']!r}"
        has = ", ".join(repr(key[:40]) for key in list(said)[:20]) or "none"
        raise UnknownRecord(f"no text under {wanted}; the keys of this line are: {has}")

    def _warc(self, record: Record, number: int) -> Found:
        if kept := unpack_page(record.content):
            return self._page(
                kept.content,
                kept.kind,
                number,
                url=kept.url,
                fetched_at=kept.fetched_at,
                source=kept.source,
                content_type=kept.content_type,
            )
        try:
            warc = _parse_warc(record)
            kind, content_type = _warc_kind(warc)
        except OSError as error:
            broken = DamagedInput(f"the WARC record cannot be parsed: {error}")
            return self._reject(broken, number, record.content)
        if kind is None:
            return Ignored()
        content, size = _payload(record, CONTENT_KEPT * self._limits.page_bytes)
        return self._page(
            content,
            kind,
            number,
            size=size,
            url=_string((warc.headers.get("WARC-Target-URI") or "").strip().strip("<>")),
            fetched_at=parse_time(warc.headers.get("WARC-Date")),
            content_type=_string(content_type),
        )

    def _page(
        self,
        content: bytes,
        kind: Kind,
        number: int,
        *,
        size: int | None = None,
        url: str | None = None,
        fetched_at: datetime | None = None,
        source: str | None = None,
        content_type: str | None = None,
        misdated: bool = False,
    ) -> Found:
        """Return the page, Ignored where the selection leaves it out, a rejection where it is too large."""
        page = Page(
            content,
            kind,
            url=url if url and len(url) <= MAX_LENGTH else None,
            fetched_at=fetched_at or self._facts.fetched_at,
            source=self._selection.source or _name(source) or _name(self._facts.source),
            content_type=content_type,
            origin_uri=self._part.input.uri,
            origin_record=number,
            misdated=misdated,
        )
        if not self._wanted(page):
            return Ignored()
        size = len(content) if size is None else size
        if size > self._limits.page_bytes:
            most = CONTENT_KEPT * self._limits.page_bytes
            kept = len(content) == size <= most
            return self._reject(self._too_large(size), number, content if kept else None, page)
        return page

    def _too_large(self, size: int) -> PageTooLarge:
        most = CONTENT_KEPT * self._limits.page_bytes
        stated = f"{size:,} bytes" if size <= most else f"more than {most:,} bytes"
        return PageTooLarge(f"{stated}; the limit for one page is {self._limits.page_bytes:,}")

    def _wanted(self, page: Page) -> bool:
        wanted = self._selection
        if wanted.domains and not matches_domain(page.url, wanted.domains):
            return False
        if wanted.since is None and wanted.until is None:
            return True
        if page.fetched_at is None:
            return False
        fetched = page.fetched_at.date()
        return (wanted.since is None or wanted.since <= fetched) and (
            wanted.until is None or fetched <= wanted.until
        )

    def _reject(
        self, error: InputError | PageError, number: int, content: bytes | None, page: Page | None = None
    ) -> Rejection:
        return Rejection(
            reason=error.reason,
            stage=error.stage,
            detail=str(error),
            origin_uri=self._part.input.uri,
            origin_record=number,
            url=page.url if page else None,
            kind=page.kind if page else None,
            fetched_at=page.fetched_at if page else self._facts.fetched_at,
            source=page.source if page else self._selection.source or _name(self._facts.source),
            content_type=page.content_type if page else None,
            content=content,
        )


def _json(line: bytes) -> dict[str, Any]:
    """Raises DamagedInput for what is no JSON, UnknownRecord for JSON that is no object."""
    line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            said = json.loads(line.decode("utf-8", "replace"))  # Python writes NaN and lone surrogates
    except json.JSONDecodeError as error:
        raise DamagedInput(f"the line is no JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedInput(f"the line is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise UnknownRecord("the line is no JSON object")
    return said


def _parse_warc(record: Record) -> WarcRecord:
    """Raises OSError for what is no WARC record. Bare line feeds are taken as line ends too."""
    return WarcRecord.from_reader(io.BytesIO(record.content), quirks_mode=True)


def _warc_kind(warc: WarcRecord) -> tuple[Kind | None, str | None]:
    """What a record holds, and its content type as stated; (None, …) for what is no page.

    Pages are responses and resources of HTML or plain text, and conversions. A redirect is no page; an error
    page is one, as the server meant it to be read.
    """
    stated = warc.headers.get("Content-Type")
    if warc.record_type == WarcRecordType.conversion:
        stated = stated if "charset" in (stated or "") else "text/plain; charset=utf-8"  # so WET is defined
    elif warc.record_type == WarcRecordType.response and warc.is_http:
        size = warc.content_length
        warc.parse_http("none", quirks_mode=True)
        if size and warc.http_headers.status_code is None and not warc.http_headers.keys():
            raise OSError("the response has no HTTP header")
        if 300 <= (warc.http_headers.status_code or 0) < 400:
            return None, None
        stated = warc.http_headers.get("Content-Type")
    elif warc.record_type != WarcRecordType.resource:
        return None, None
    identified = warc.headers.get("WARC-Identified-Payload-Type")
    for said in (stated, identified):
        kind = _MEDIA.get(re.split("[;,]", said or "", maxsplit=1)[0].strip().lower())
        if kind:
            return kind, stated or identified
    if not stated and _MARKUP.match(warc.reader.read(_SNIFFED_BYTES)):
        return "html", None
    return None, None


def _payload(record: Record, most: int) -> tuple[bytes, int]:
    """The payload as the server meant it, and its size: more than `most` bytes are neither kept nor counted.

    Many archives hold payloads that were decoded already under headers that say otherwise; so what cannot
    be decoded as stated is taken as it is.
    """
    if not record.whole:
        return b"", record.size
    for decoding in _DECODING:
        try:
            warc = _parse_warc(record)
            if warc.is_http:
                warc.parse_http(decoding, quirks_mode=True)
            content = bytearray()
            while len(content) <= most and (more := warc.reader.read(_STEP_BYTES)):
                content += more
        except OSError:
            continue
        if content.startswith(_GZIP):  # sent as `x-gzip`, or stored without saying so
            with suppress(zlib.error):
                content = bytearray(zlib.decompressobj(wbits=31).decompress(content, most + 1))
        size = len(content)
        del content[most + 1 :]
        return bytes(content), size
    return b"", 0


def _string(value: object) -> str | None:
    """A text that says something, as a row can hold it: the page is known by it, here and when read again."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode().replace("\0", "") or None


def _name(stated: str | None) -> str | None:
    """What can be the name of a source: one line, and no longer than names are."""
    name = plain(stated[: 2 * _LONGEST_NAME]) if stated else ""
    return name if 0 < len(name) <= _LONGEST_NAME else None


def _media(kind: Kind) -> str:
    return "text/html" if kind == "html" else "text/plain"
