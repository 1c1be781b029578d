"""Loading batches into a real Postgres."""

from __future__ import annotations

from datetime import UTC, datetime

from captures import extracted, load, rows
from sqlalchemy import Engine

from schemas.records import Counts


def test_a_new_article_is_loaded_with_all_its_fields(database: Engine) -> None:
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
    assert load(database, page).counts == Counts(read=1, loaded=1)
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
