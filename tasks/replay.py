"""Quarantined pages brought back: their bytes from the archive or from where they came, as batches."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, Row, select

from schemas.errors import ConfigError, InputError
from schemas.records import Batch, Input, KnownPart, Limits, Page, Part, Selection
from schemas.tables import QuarantineEntry
from tasks.archive import Archive
from tasks.inputs.containers import Record, pack_record, path_of
from tasks.plan import BATCH_BYTES, BATCH_PAGES, format_of, plan
from tasks.read import read_part, read_records

_COLUMNS = (
    QuarantineEntry.id,
    QuarantineEntry.digest,
    QuarantineEntry.origin_uri,
    QuarantineEntry.origin_record,
    QuarantineEntry.url,
    QuarantineEntry.kind,
    QuarantineEntry.fetched_at,
    QuarantineEntry.source,
    QuarantineEntry.content_type,
)
Entry = Row[Any]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """An entry that gives no page: gone from archive and input alike, or as unreadable as before.

    An input that holds another page in its place by now does not have the entry's page any more.
    """

    entry_id: int


def replay(
    engine: Engine,
    archive: Archive,
    selection: Selection,
    *,
    ids: Sequence[int] = (),
    reason: str | None = None,
) -> Iterator[Batch | Unavailable]:
    """Yield the pages that wait in quarantine as batches: those with these ids, or of this reason, or all.

    The bytes come from the archive, which has them by digest, else from the input; `selection` tells how to
    read that. A page that loads this time is resolved by its loading.
    """
    number, pages, held = 1, list[Page](), 0
    for found in _pages(_waiting(engine, ids, reason), archive, selection):
        if isinstance(found, Unavailable):
            yield found
            continue
        if pages and (len(pages) >= BATCH_PAGES or held + len(found.content) > BATCH_BYTES):
            yield Batch(number, pages=tuple(pages), selection=selection)
            number, pages, held = number + 1, [], 0
        pages.append(found)
        held += len(found.content)
    if pages:
        yield Batch(number, pages=tuple(pages), selection=selection)


def _waiting(engine: Engine, ids: Sequence[int], reason: str | None) -> list[Entry]:
    """The entries, without bytes, in the order of their origins."""
    statement = select(*_COLUMNS).where(QuarantineEntry.resolved_at.is_(None))
    if ids:
        statement = statement.where(QuarantineEntry.id.in_(ids))
    if reason:
        statement = statement.where(QuarantineEntry.reason == reason)
    statement = statement.order_by(QuarantineEntry.origin_uri, QuarantineEntry.origin_record)
    with engine.connect() as connection:
        return list(connection.execute(statement))


def _pages(entries: Sequence[Entry], archive: Archive, selection: Selection) -> Iterator[Page | Unavailable]:
    for uri, of_one_input in groupby(entries, key=lambda entry: str(entry.origin_uri)):
        # An input that failed, changed and failed again has several entries for one record.
        missing: defaultdict[int, list[Entry]] = defaultdict(list)
        for entry in of_one_input:
            content = archive.get(entry.digest.hex()) if entry.digest is not None else None
            page = None if content is None else _page(entry, content, selection)
            if page is None:
                missing[entry.origin_record].append(entry)
            else:
                yield page
        for number, record in _records(uri, frozenset(missing), selection):
            for entry in missing.pop(number):
                yield _same_page(entry, record, selection) or Unavailable(entry.id)
        yield from (Unavailable(entry.id) for entries in missing.values() for entry in entries)


def _page(entry: Entry, content: bytes, selection: Selection) -> Page | None:
    """The page that archived bytes are, or that the record they are holds."""
    if entry.kind is None:
        return _read(entry, Record(content, len(content)), selection)
    return Page(
        content,
        entry.kind,
        url=entry.url,
        fetched_at=entry.fetched_at,
        source=entry.source,
        content_type=entry.content_type,
        origin_uri=entry.origin_uri,
        origin_record=entry.origin_record,
    )


def _same_page(entry: Entry, record: Record, selection: Selection) -> Page | None:
    """The page of a record read again, unless its bytes are known to have been others when it failed."""
    page = _read(entry, record, selection)
    if page is None or entry.digest is None:
        return page
    failed = page.content if entry.kind else record.content  # without a kind it was no page yet
    return page if hashlib.blake2b(failed, digest_size=16).digest() == entry.digest else None


def _read(entry: Entry, record: Record, selection: Selection) -> Page | None:
    named = format_of(entry.origin_uri)
    if named is None:
        return None
    source = Input(entry.origin_uri, "", *named)
    part = Part(source, entry.origin_record, 1, payload=pack_record(record))
    found = next(read_part(part, selection, Limits()), None)
    return found if isinstance(found, Page) else None


def _records(uri: str, wanted: Set[int], selection: Selection) -> Iterator[tuple[int, Record]]:
    """The records wanted of an input, which is read up to the last of them or to where it is damaged."""
    path = path_of(uri)
    if not wanted or not os.path.isfile(path):  # noqa: PTH113  never raises; a directory names other inputs
        return
    last = max(wanted)
    with suppress(ConfigError, InputError, OSError):  # gone, not to be read, damaged: what is left is missing
        for part in plan([str(path)], selection, _EmptyLedger()):
            if not isinstance(part, Part):
                continue
            for number, record in enumerate(read_records(part, Limits()), part.first_record):
                if number in wanted:
                    yield number, record
                if number >= last:
                    return


class _EmptyLedger:
    def parts(self, inputs: Sequence[Input], selection: str) -> Mapping[str, Sequence[KnownPart]]:
        return {}
