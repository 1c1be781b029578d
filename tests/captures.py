"""Makes captures of pages as extraction hands them over, for tests that load."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

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
from tasks.ledger import start_run
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
    run_id = start_run(engine, kind="ingest", parameters={}, flow_run_id=None, extractor="1")
    return load_batch(engine, Batch(number=1, **options), of(*pages), run_id=run_id, extractor="1")


def rows(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    """What a query answers."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


CONTENT = {
    "articles": """
        SELECT encode(a.key, 'hex'), s.name, a.title, a.summary, a.body, a.authors, a.fetched_at, a.url,
               a.search::text, encode(a.page_key, 'hex')
        FROM articles a LEFT JOIN sources s ON s.id = a.source_id""",
    "versions": """
        SELECT encode(a.key, 'hex'), v.title, v.summary, v.body, encode(v.title_key, 'hex')
        FROM article_versions v JOIN articles a ON a.id = v.article_id""",
    "pages": """
        SELECT encode(p.key, 'hex'), encode(a.key, 'hex'), s.name, p.url, p.fetched_at, p.origin_record
        FROM pages p LEFT JOIN articles a ON a.id = p.article_id LEFT JOIN sources s ON s.id = p.source_id""",
    "sightings": """
        SELECT encode(p.key, 'hex'), g.position, v.text, h.text, t.url, l.text, b.text, encode(ta.key, 'hex')
        FROM headline_sightings g
        JOIN pages p ON p.id = g.page_id
        JOIN headline_variants v ON v.id = g.variant_id
        LEFT JOIN headlines h ON h.id = v.headline_id
        LEFT JOIN link_targets t ON t.id = g.target_id
        LEFT JOIN articles ta ON ta.id = t.article_id
        LEFT JOIN sidebar_labels l ON l.id = g.label_id
        LEFT JOIN bylines b ON b.id = g.byline_id""",
    "headlines": """
        SELECT h.key, h.text, m.key, encode(a.key, 'hex'), h.linked_by, h.generic, t.sightings,
               t.first_seen_at, t.last_seen_at
        FROM headlines h
        LEFT JOIN headlines m ON m.id = h.merged_into
        LEFT JOIN articles a ON a.id = h.article_id
        LEFT JOIN headline_totals t ON t.headline_id = h.id""",
    "days": """
        SELECT v.text, d.day, s.name, l.text, d.sightings, d.best_position, d.first_seen_at, d.last_seen_at
        FROM sighting_days d
        JOIN headline_variants v ON v.id = d.variant_id
        LEFT JOIN sources s ON s.id = d.source_id
        LEFT JOIN sidebar_labels l ON l.id = d.label_id""",
    "links": """
        SELECT t.url, v.text, k.sightings, k.first_seen_at, k.last_seen_at
        FROM headline_links k
        JOIN link_targets t ON t.id = k.target_id
        JOIN headline_variants v ON v.id = k.variant_id""",
    "revisions": "SELECT target, number, revisions, headline FROM headline_revisions",
}
"""What is loaded and settled, by natural keys alone."""


def content(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All of it, so that two ways to load the same can be compared."""
    return {name: sorted(rows(engine, query), key=repr) for name, query in CONTENT.items()}


def empty(engine: Engine) -> None:
    """Take out everything that was loaded."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE runs, sources, articles, headlines, headline_variants, link_targets,"
                " headline_sightings, sighting_days, quarantine CASCADE"
            )
        )
