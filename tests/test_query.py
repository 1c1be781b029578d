"""What the command line shows, asked of a database with a few pages."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from captures import extracted, load
from sqlalchemy import Engine

from tasks.postgres import query
from tasks.settle import settle

STORKS = "Storks return to Dol"
FERRY = 'Ferry to Arna delayed by "storm", again'


def titles(rows: list[query.ArticleRow] | list[query.ArticleMatch]) -> list[str | None]:
    return [row.title for row in rows]


# --- articles ----------------------------------------------------------------------------------------


def test_articles_are_listed_newest_first(newsroom: Engine) -> None:
    first, second = query.list_articles(newsroom)
    assert (first.title, first.published) == (FERRY, "2026-03-02")
    assert second == query.ArticleRow(
        id=second.id,
        published="2026-03-02T04:30Z",
        source="gazette",
        section="Nature",
        language="en",
        title=STORKS,
        authors=["Ana Kos", "Bo Lind"],
        url="https://gazette.example/storks",
        word_count=9,
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"source": "gazette"}, [FERRY, STORKS]),
        ({"source": "other"}, []),
        ({"section": "nature"}, [STORKS]),
        ({"since": date(2026, 3, 2)}, [FERRY]),
        ({"until": date(2026, 3, 1)}, [STORKS]),
        ({"since": date(2026, 3, 1), "until": date(2026, 3, 2)}, [FERRY, STORKS]),
        ({"limit": 1}, [FERRY]),
    ],
)
def test_articles_are_filtered(newsroom: Engine, filters: dict[str, object], expected: list[str]) -> None:
    assert titles(query.list_articles(newsroom, **filters)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tower", [STORKS]),
        ("STORKS tower", [STORKS]),
        ('"circled the tower"', [STORKS]),
        ('"tower circled"', []),
        ("storks -tower", []),
        ("ferry or storks", [STORKS, FERRY]),
        ("ünïcödé", [FERRY]),
        ("absent", []),
        ("'); DROP TABLE articles; --", []),
        ("", []),
    ],
)
def test_articles_are_searched(newsroom: Engine, words: str, expected: list[str]) -> None:
    assert sorted(titles(query.search_articles(newsroom, words)), key=str) == sorted(expected)


def test_a_match_in_the_title_ranks_before_one_in_the_text(newsroom: Engine) -> None:
    ferry, *_ = query.search_articles(newsroom, "ferry or way")
    assert ferry.title == FERRY
    [storks] = query.search_articles(newsroom, "tower")
    assert "circled the tower" in storks.snippet


@pytest.mark.parametrize(
    "name", ["id", "https://gazette.example/storks", "https://gazette.example/storks#top"]
)
def test_an_article_is_found_by_id_and_by_url(newsroom: Engine, name: str) -> None:
    if name == "id":
        name = str(query.list_articles(newsroom)[1].id)
    found = query.find_article(newsroom, name)
    assert found is not None
    assert (found.title, found.source, found.version_count) == (STORKS, "gazette", 1)
    assert found.body == "Two storks circled the tower.\n\nMore are on their way."
    assert found.provenance == {"title": "jsonld"}
    assert [page.fetched_at for page in found.pages] == [
        datetime(2026, 3, 3, 6, tzinfo=UTC),
        datetime(2026, 3, 2, 6, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    "name", ["0", "9" * 30, "https://gazette.example/absent", "no url\0at all", "http://[", ""]
)
def test_what_is_no_article_is_none(newsroom: Engine, name: str) -> None:
    assert query.find_article(newsroom, name) is None


# --- status ------------------------------------------------------------------------------------------


def test_status(newsroom: Engine) -> None:
    found = query.find_status(newsroom)
    assert (found.articles, found.pages, found.headlines, found.sightings) == (2, 4, 2, 4)
    assert (found.sources, found.quarantined) == (1, 3)
    assert found.bytes > 100_000
    [run] = found.runs
    assert (run.state, run.read, run.loaded, run.duplicate) == ("partial", 7, 2, 1)
    assert (run.non_article, run.quarantined, run.ignored, run.skipped) == (1, 3, 2, 1)


def test_an_empty_database_has_a_status(database: Engine) -> None:
    found = query.find_status(database)
    assert (found.articles, found.sightings, found.runs) == (0, 0, [])
    assert not query.list_articles(database)


def test_batches_that_wait_to_be_settled_are_counted(database: Engine) -> None:
    assert query.count_unsettled(database) == 0
    load(database, extracted(1))
    assert query.count_unsettled(database) == 1
    settle(database)
    assert query.count_unsettled(database) == 0
