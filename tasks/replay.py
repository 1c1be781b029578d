"""Quarantined pages brought back: their bytes from the archive or from where they came, as batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, Row, select

from schemas.errors import ConfigError
from schemas.records import Batch, Input, KnownPart, Limits, Page, Part, Selection
from schemas.tables import QuarantineEntry
from tasks.archive import Archive
from tasks.inputs.containers import Record, pack_record, path_of
from tasks.plan import BATCH_BYTES, BATCH_PAGES, format_of, plan
from tasks.read import read_part

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
    """An entry that gives no page: gone from archive and input alike, or as unreadable as before."""

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


def _pages(entries: list[Entry], archive: Archive, selection: Selection) -> Iterator[Page | Unavailable]:
    for uri, of_one_input in groupby(entries, key=lambda entry: str(entry.origin_uri)):
        missing: dict[int, Entry] = {}
        for entry in of_one_input:
            content = archive.get(entry.digest.hex()) if entry.digest is not None else None
            page = None if content is None else _page(entry, content, selection)
            if page is None:
                missing[entry.origin_record] = entry
            else:
                yield page
        for page in _read_again(uri, missing, selection):
            del missing[page.origin_record]
            yield page
        yield from (Unavailable(entry.id) for entry in missing.values())


def _page(entry: Entry, content: bytes, selection: Selection) -> Page | None:
    """The page that archived bytes are, or that the record they are holds."""
    if entry.kind is not None:
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
    named = format_of(entry.origin_uri)
    if named is None:
        return None
    payload = pack_record(Record(content, len(content)))
    part = Part(Input(entry.origin_uri, "", *named), entry.origin_record, 1, payload=payload)
    found = next(read_part(part, selection, Limits()), None)
    return found if isinstance(found, Page) else None


def _read_again(uri: str, wanted: Mapping[int, Entry], selection: Selection) -> Iterator[Page]:
    """The pages wanted of an input, which is read up to the last of them."""
    last = max(wanted, default=-1)
    for number, found in _records(uri, selection) if wanted else ():
        if number in wanted and isinstance(found, Page):
            yield found
        if number >= last:
            return


def _records(uri: str, selection: Selection) -> Iterator[tuple[int, object]]:
    try:
        parts = plan([str(path_of(uri))], selection, _EmptyLedger())
    except ConfigError:  # it is gone, or may not be read
        return
    for part in parts:
        if isinstance(part, Part):
            yield from enumerate(read_part(part, selection, Limits()), part.first_record)


class _EmptyLedger:
    def parts(self, inputs: Sequence[Input], selection: str) -> Mapping[str, Sequence[KnownPart]]:
        return {}
