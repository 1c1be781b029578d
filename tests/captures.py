"""Makes captures of pages as extraction hands them over, for tests that load."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from runs import enter_run
from sqlalchemy import Engine, text

from schemas.records import (
    Batch,
    BatchResult,
    ExtractedPage,
    Extraction,
    Headline,
    LoadReport,
    Page,
    Rejection,
)
from tasks.dedupe import article_key, headline_key, story_key
from tasks.load import load_batch


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
    page = Page(repr((title, body)).encode(), "html", url=url, fetched_at=fetched_at)
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
        title_key=headline_key(title) if is_article and title else None,
    )


def of(*pages: ExtractedPage | Rejection) -> BatchResult:
    """What extraction would hand over."""
    return BatchResult(
        number=0,
        pages=tuple(page for page in pages if isinstance(page, ExtractedPage)),
        rejections=tuple(page for page in pages if isinstance(page, Rejection)),
        read=len(pages),
    )


def load(engine: Engine, *pages: ExtractedPage | Rejection, **options: Any) -> LoadReport:
    """Load pages as the only batch of a new run."""
    run_id = enter_run(engine)
    return load_batch(engine, Batch(number=1, **options), of(*pages), run_id=run_id, extractor="1")


def rows(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    """What a query answers."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def empty(engine: Engine) -> None:
    """Take out everything that was loaded."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE runs, sources, articles, headlines, headline_variants, link_targets,"
                " headline_sightings, sighting_days, quarantine CASCADE"
            )
        )
