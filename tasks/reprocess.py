"""Stored pages read again by this version of the extractor: as batches whose pages replace what they said.

A page is due while another version than this one has read it, so a run that was ended goes on where it was.
Rows are walked by their ids, some thousands at a time and without bytes; the bytes come from wherever they
still are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice

from sqlalchemy import ColumnElement, Engine, and_, select, true

from schemas.records import Batch, Page, Selection
from schemas.tables import QuarantineEntry, Source, StoredPage
from tasks.archive import Archive
from tasks.extract import EXTRACTOR_VERSION
from tasks.fields.urls import matches_domain
from tasks.postgres.patience import patient
from tasks.recover import Away, LostPage, Unavailable, recover
from tasks.replay import in_batches

PAGES_AT_ONCE = 10_000
"""Rows that are held at a time: an input is read once for all of its pages among them."""

_DUE = StoredPage.extractor != EXTRACTOR_VERSION
_LEADS_UNREAD = StoredPage.extractor == ""


@dataclass(frozen=True, slots=True)
class Barrier:
    """What follows depends on the batches before it: they must have ended."""


@dataclass(frozen=True, slots=True)
class _Row:
    key: bytes
    page: LostPage


def reprocess(engine: Engine, archive: Archive, wanted: Selection) -> Iterator[Batch | Unavailable | Barrier]:
    """Yield the pages that are due, of this source, these domains and fetch dates, up to the limit.

    Then, wherever they are, those that lead an article by now because the page that led it left: only their
    text is stored, so the other fields must be read again.

    Raises:
        StoreUnreachable: at the end, when a store stayed away whose pages are not to be had elsewhere.
    """
    away = Away()
    due = (row for row in _rows(engine, and_(_DUE, _chosen(wanted))) if _of_domain(row.page, wanted))
    yield from _batches(engine, archive, islice(due, wanted.limit), away)
    tried: set[int] = set()
    before = -1
    while len(tried) > before:
        before = len(tried)
        yield Barrier()
        leaders = [row for row in _rows(engine, _LEADS_UNREAD) if row.page.id not in tried]
        tried.update(row.page.id for row in leaders)
        yield from _batches(engine, archive, iter(leaders), away)
    if away.missed:
        raise away.missed


def _chosen(wanted: Selection) -> ColumnElement[bool]:
    """The condition on stored pages; their domains are compared as those of inputs are, by `_of_domain`."""
    condition: ColumnElement[bool] = true()
    if wanted.source is not None:
        condition &= Source.name == wanted.source
    if wanted.since is not None:
        condition &= StoredPage.fetched_at >= datetime.combine(wanted.since, time(), UTC)
    if wanted.until is not None:
        condition &= StoredPage.fetched_at < datetime.combine(wanted.until + timedelta(days=1), time(), UTC)
    return condition


def _of_domain(page: LostPage, wanted: Selection) -> bool:
    return not wanted.domains or matches_domain(page.url, wanted.domains)


def _rows(engine: Engine, condition: ColumnElement[bool]) -> Iterator[_Row]:
    last = 0
    while found := _next_rows(engine, condition, last):
        yield from found
        last = found[-1].page.id


@patient
def _next_rows(engine: Engine, condition: ColumnElement[bool], last: int) -> list[_Row]:
    """The rows behind an id, in the order of their ids. What quarantine knew of a page is known still."""
    statement = (
        select(StoredPage.__table__, Source.name.label("source"), QuarantineEntry.content_type)
        .outerjoin(Source, Source.id == StoredPage.source_id)
        .outerjoin(QuarantineEntry, QuarantineEntry.key == StoredPage.key)
        .where(condition, StoredPage.id > last)
        .order_by(StoredPage.id)
        .limit(PAGES_AT_ONCE)
    )
    with engine.connect() as connection:
        return [
            _Row(
                row.key,
                LostPage(
                    row.id,
                    row.digest,
                    row.origin_uri,
                    row.origin_record,
                    row.kind,
                    row.url,
                    row.fetched_at and row.fetched_at.astimezone(UTC),
                    row.source,
                    row.content_type,
                ),
            )
            for row in connection.execute(statement)
        ]


def _batches(
    engine: Engine, archive: Archive, rows: Iterator[_Row], away: Away
) -> Iterator[Batch | Unavailable]:
    while some := list(islice(rows, PAGES_AT_ONCE)):
        unavailable: list[Unavailable] = []
        pages = _pages(engine, archive, some, away, unavailable)
        for batch in in_batches(pages, Selection()):
            yield replace(batch, replace=True)
            yield from unavailable
            unavailable.clear()
        yield from unavailable


def _pages(
    engine: Engine, archive: Archive, rows: list[_Row], away: Away, unavailable: list[Unavailable]
) -> Iterator[Page]:
    """The pages of rows; of those that cannot be had, or not as the page that is known, a note."""
    keys = {row.page.id: row.key for row in rows}
    for lost, page in recover(engine, archive, [row.page for row in rows], away):
        if page is not None and page.key == keys[lost.id]:
            yield page
        else:
            unavailable.append(away.unavailable(lost.id, lost.origin_uri) or Unavailable(lost.id))
