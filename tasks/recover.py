"""Known pages brought back: their bytes from the archive, from where they were read, or from kept files.

What is found by digest costs one look; an input is read once for all of its pages that are wanted. Bytes
count only where their digest is the one that is known: an input that changed does not have the page any more.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Engine, select

from schemas.errors import ConfigError, InputError, StoreUnreachable
from schemas.records import (
    Batch,
    Input,
    Kind,
    KnownPart,
    Limits,
    Page,
    Part,
    Rejection,
    Selection,
    content_digest,
)
from schemas.tables import LoadedBatch, LoadedPart, Run
from tasks.archive import Archive
from tasks.inputs.containers import Record, pack_record
from tasks.inputs.storage import is_remote, path_of
from tasks.ledger import KnownParts
from tasks.plan import Known, format_of, plan
from tasks.postgres.kept import read_kept_pages
from tasks.postgres.patience import patient
from tasks.read import Found, read_part, read_records

_LIMITS = Limits()
_DEFAULT = Selection()


@dataclass(frozen=True, slots=True)
class LostPage:
    """What is known of a page whose bytes are wanted: a row of `pages` or of `quarantine`."""

    id: int
    """Of that row."""
    digest: bytes
    origin_uri: str
    origin_record: int
    kind: Kind | None
    """None: the digest is that of a record in which no page was found."""
    url: str | None = None
    fetched_at: datetime | None = None
    source: str | None = None
    content_type: str | None = None
    """As stated; where the row does not have it, that of the place in which the bytes are found."""


BYTES_GONE = "had no bytes left in archive, input or kept pages"
STORE_AWAY = "lay in a store that stays away"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A page that cannot be had again."""

    id: int
    why: str = BYTES_GONE
    """In words that go on a number of pages."""


@dataclass(slots=True)
class Away:
    """Stores that were found to stay away: they are not asked again."""

    missed: StoreUnreachable | None = None
    """What is said of one whose pages are not to be had elsewhere either."""
    _stores: dict[str, StoreUnreachable] = field(default_factory=dict)

    def note(self, uri: str, error: StoreUnreachable) -> None:
        self._stores[_store_of(uri)] = error

    def __contains__(self, uri: str) -> bool:
        return _store_of(uri) in self._stores

    def unavailable(self, id: int, uri: str) -> Unavailable | None:
        """What becomes of a page that was not found, if that is its store's fault."""
        if uri not in self:
            return None
        self.missed = self._stores[_store_of(uri)]
        return Unavailable(id, STORE_AWAY)


def _store_of(uri: str) -> str:
    """Scheme and host or bucket of an object's URI."""
    return "/".join(uri.split("/", 3)[:3])


def recover(
    engine: Engine, archive: Archive, lost: Sequence[LostPage], away: Away, given: Selection = _DEFAULT
) -> Iterator[tuple[LostPage, Page | None]]:
    """Bring pages back, each with what its row says of it; None with one whose bytes are not to be had.

    A store that stays away is noted in `away` and left alone: others may have the bytes, and other pages.

    They come one at a time, and not in the order given. A record in which no page was found is read as the
    run that met it was told, but for what `given` says otherwise.
    """
    missing: list[LostPage] = []
    for page in sorted(lost, key=attrgetter("origin_uri", "origin_record", "id")):
        content = archive.get(page.digest.hex())
        found = None if content is None else _from_bytes(engine, page, content, given)
        if found is None:
            missing.append(page)
        else:
            yield page, found
    gone: list[LostPage] = []
    for uri, of_one_input in groupby(missing, key=attrgetter("origin_uri")):
        for page, found in _from_origin(engine, str(uri), list(of_one_input), away, given):
            if found is None:
                gone.append(page)
            else:
                yield page, found
    kept: defaultdict[bytes, list[LostPage]] = defaultdict(list)
    for page in gone:
        kept[page.digest].append(page)
    for digest, copy in read_kept_pages(engine, list(kept)):
        for page in kept.pop(digest):
            yield page, page.kind and _page(page, page.kind, copy.content, copy.content_type)
    yield from ((page, None) for pages in kept.values() for page in pages)


@patient
def selections(engine: Engine, uri: str) -> list[Selection]:
    """The ways in which an input was read, in their order; the default one where it was not loaded."""
    read = (
        select(LoadedPart.selection, LoadedBatch.run_id)
        .join(LoadedBatch, LoadedBatch.id == LoadedPart.batch_id)
        .where(LoadedPart.uri == uri)
        .distinct()
        .subquery()
    )
    statement = select(read.c.selection, Run.parameters).join(Run, Run.id == read.c.run_id).order_by(Run.id)
    found: dict[str, Selection] = {}
    with engine.connect() as connection:
        for digest, parameters in connection.execute(statement):
            said = _selection(parameters) if digest else Selection()
            if said.digest == digest:
                found.setdefault(digest, said)
    return list(found.values()) or [Selection()]


def _selection(parameters: Mapping[str, Any]) -> Selection:
    """What the parameters of a run that loads told of its inputs."""
    since, until = (parameters.get(name) for name in ("since", "until"))
    return Selection(
        fields=tuple(sorted((parameters.get("fields") or {}).items())),
        source=parameters.get("source"),
        path_pattern=parameters.get("path_pattern"),
        domains=tuple(parameters.get("domains") or ()),
        languages=tuple(parameters.get("languages") or ()),
        since=date.fromisoformat(since) if since else None,
        until=date.fromisoformat(until) if until else None,
    )


def input_name(uri: str, *, linked: bool) -> str | None:
    """What the planner knows an input by; None where no input is there any more.

    Args:
        linked: whether it may be behind a link. The planner follows one that is named, and here it may be
            newer than the name: only what is compared with a known digest may come from behind it.
    """
    if is_remote(uri):
        return uri
    path = str(path_of(uri))
    if not os.path.exists(path):  # noqa: PTH110  never raises
        return None
    return path if linked or os.path.realpath(path) == path else None


def batch_pages(batch: Batch, keys: Set[bytes]) -> Iterator[Page]:
    """Read these pages of a batch again, one at a time, as a worker does."""
    left = set(keys)
    read = chain.from_iterable(read_part(part, batch.selection, batch.limits) for part in batch.parts)
    for found in chain(read, batch.pages):
        if isinstance(found, Page) and found.key in left:
            left.remove(found.key)
            yield found
        if not left:
            return


# --- bytes at hand ----------------------------------------------------------------------------------


def _page(page: LostPage, kind: Kind, content: bytes, content_type: str | None = None) -> Page:
    return Page(
        content,
        kind,
        url=page.url,
        fetched_at=page.fetched_at,
        source=page.source,
        content_type=page.content_type or content_type,
        origin_uri=page.origin_uri,
        origin_record=page.origin_record,
    )


def _from_bytes(engine: Engine, page: LostPage, content: bytes, given: Selection) -> Page | None:
    """The page that kept bytes are, or that the record they are holds."""
    if page.kind is not None:
        return _page(page, page.kind, content)
    return _from_record(page, Record(content, len(content)), _ways(engine, page.origin_uri, given))


def _ways(engine: Engine, uri: str, given: Selection) -> list[Selection]:
    said = {
        field.name: getattr(given, field.name)
        for field in fields(given)
        if getattr(given, field.name) != getattr(_DEFAULT, field.name)
    }
    return [replace(way, **said) for way in selections(engine, uri)]


def _from_record(page: LostPage, record: Record, ways: Iterable[Selection]) -> Page | None:
    """The page of a record, unless its bytes are known to have been others."""
    if page.kind is None and content_digest(record.content) != page.digest:
        return None
    for way in ways:
        found = _read(page, record, way)
        if page.kind is None:
            if isinstance(found, Page):
                return found
            continue
        if not isinstance(found, Page | Rejection) or found.content is None:
            continue
        if content_digest(found.content) == page.digest:
            return _page(page, page.kind, found.content, found.content_type)
    return None


def _read(page: LostPage, record: Record, way: Selection) -> Found | None:
    if page.kind is not None:  # it was wanted when it was read
        way = Selection(fields=way.fields)
    part = Part(_input(page.origin_uri), page.origin_record, 1, payload=pack_record(record))
    return next(read_part(part, way, _LIMITS), None)


# --- bytes in their input ---------------------------------------------------------------------------


def _from_origin(
    engine: Engine, uri: str, lost: Sequence[LostPage], away: Away, given: Selection
) -> Iterator[tuple[LostPage, Page | None]]:
    wanted: defaultdict[int, list[LostPage]] = defaultdict(list)
    for page in lost:
        wanted[page.origin_record].append(page)
    known = given_ways = [Selection()]
    if not _holds_one_page(uri):
        known, given_ways = selections(engine, uri), _ways(engine, uri, given)
    try:
        if uri not in away:
            for number, record in _records(engine, uri, frozenset(wanted), known[0]):
                for page in wanted.pop(number, ()):  # a prefix by now may hold that record many times
                    yield page, _from_record(page, record, known if page.kind else given_ways)
    except StoreUnreachable as error:
        away.note(uri, error)
    yield from ((page, None) for pages in wanted.values() for page in pages)


def _records(engine: Engine, uri: str, wanted: Set[int], way: Selection) -> Iterator[tuple[int, Record]]:
    """The records wanted of an input, which is read up to the last of them or to where it is damaged."""
    name, last = input_name(uri, linked=True), max(wanted)
    if name is None or os.path.isdir(name):  # noqa: PTH112  a directory names other inputs
        return
    known = None if _holds_one_page(uri) else KnownParts(engine)
    with suppress(ConfigError, InputError, OSError):  # gone, not to be read, damaged: what is left is missing
        for part in plan([name], _DEFAULT, _Around(known, way, wanted)):
            if not isinstance(part, Part):
                continue
            for number, record in enumerate(read_records(part, _LIMITS), part.first_record):
                if number in wanted:
                    yield number, record
                if number >= last:
                    return


def _input(uri: str) -> Input:
    return Input(uri, "", *(format_of(uri) or ("txt", "")))


def _holds_one_page(uri: str) -> bool:
    return _input(uri).format in ("txt", "html")


@dataclass(frozen=True, slots=True)
class _Around:
    """A ledger that lacks some records of an input: the planner seeks to them past what it knows."""

    known: Known | None
    way: Selection
    """How the input was read."""
    lacking: Set[int]

    def parts(self, inputs: Sequence[Input], selection: str) -> Mapping[str, Sequence[KnownPart]]:
        found = self.known.parts(inputs, self.way.digest) if self.known else {}
        return {
            fingerprint: [part for part in parts if not self._has_lacking(part)]
            for fingerprint, parts in found.items()
        }

    def _has_lacking(self, part: KnownPart) -> bool:
        records = range(part.first_record, part.first_record + part.record_count)
        if len(records) > len(self.lacking):
            return any(number in records for number in self.lacking)
        return any(number in self.lacking for number in records)
