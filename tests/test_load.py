"""Loading batches into a real Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from schemas.records import Batch, BatchResult, Counts, ExtractedPage, Extraction, Headline, Input, Page, Part, Rejection
from tasks.dedupe import article_key, headline_key, story_key
from tasks.ledger import start_run
from tasks.load import load_batch

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


def extracted(
    number: int = 0,
    *,
    title: str | None = "Storks return to Dol",
    body: Sequence[str] = ("The first pair was seen on Sunday.", "More are on their way."),
    url: str | None = None,
    fetched_at: datetime | None = None,
    headlines: Sequence[Headline] = (),
    is_article: bool = True,
    **fields: Any,
) -> ExtractedPage:
    url = url or f"https://gazette.example/news/{number}"
    page = Page(f"{title}{body}{fetched_at}".encode(), "html", url=url, fetched_at=fetched_at)
    found = Extraction(
        is_article=is_article,
        title=title,
        body=list(body),
        headlines=list(headlines),
        word_count=sum(len(paragraph.split()) for paragraph in body),
        **fields,
    )
    return ExtractedPage(
        key=page.key,
        digest=page.digest,
        kind="html",
        url=url,
        fetched_at=fetched_at,
        source=None,
        origin_uri="file:///pages",
        origin_record=number,
        byte_count=len(page.content),
        extraction=found,
        article_key=article_key(found, url) if is_article else None,
        story_key=story_key(found) if is_article else None,
        headline_keys=tuple(headline_key(headline.text) for headline in headlines),
    )


def of(*pages: ExtractedPage | Rejection) -> BatchResult:
    """What extraction would hand over."""
    return BatchResult(
        number=0,
        pages=tuple(page for page in pages if isinstance(page, ExtractedPage)),
        rejections=tuple(page for page in pages if isinstance(page, Rejection)),
        read=len(pages),
    )


@pytest.fixture
def load(database: Engine) -> Any:
    """Loads pages as a batch of a new run."""

    def run(*pages: ExtractedPage | Rejection, **options: Any) -> Any:
        run_id = start_run(database, kind="ingest", parameters={}, flow_run_id=None, extractor="1")
        return load_batch(database, Batch(number=1, **options), of(*pages), run_id=run_id, extractor="1")

    return run


def rows(database: Engine, statement: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_new_article_is_loaded_with_all_its_fields(database: Engine, load: Any) -> None:
    page = extracted(
        summary="A standfirst.",
        authors=["Ana Kos", "Bo Lind"],
        published_at="2026-03-01T23:30-05:00",
        published_raw="March 1, 2026 11:30pm EST",
        published_precision="minute",
        updated_at="2026-03",
        read_minutes=2,
        provenance={"title": "jsonld"},
    )
    assert load(page).counts == Counts(read=1, loaded=1)
    [row] = rows(
        database,
        "SELECT title, summary, authors, published_on::text, published_at, updated_on, read_minutes, body,"
        " provenance, url, word_count, fetched_at FROM articles",
    )
    assert row == (
        "Storks return to Dol",
        "A standfirst.",
        ["Ana Kos", "Bo Lind"],
        "2026-03-01",
        datetime(2026, 3, 2, 4, 30, tzinfo=UTC),
        None,
        2,
        "The first pair was seen on Sunday.\n\nMore are on their way.",
        {"title": "jsonld"},
        "https://gazette.example/news/0",
        12,
        None,
    )
