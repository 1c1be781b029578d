"""Where articles, headlines, pages and quarantined pages come from."""

from __future__ import annotations

import hashlib

import pytest
from captures import extracted, load, rows
from sqlalchemy import Engine, text

from flows import why as command
from schemas.records import Headline, Rejection
from tasks.postgres import quarantine
from tasks.postgres.lineage import why_article, why_headline, why_page, why_quarantined, why_url
from tasks.settle import settle

FERRY = "https://gazette.example/ferry"


def the_id(engine: Engine, query: str) -> int:
    [(found,)] = rows(engine, query)
    return int(found)


def test_an_article_tells_its_pages_failures_and_headlines(newsroom: Engine) -> None:
    found = why_article(newsroom, the_id(newsroom, "SELECT id FROM articles WHERE title LIKE 'Storks%'"))
    assert found is not None and found.versions == 1
    assert [each.gives for each in found.captures] == ["the current text", "the same text"]
    first = found.captures[0]
    assert first.fetched_at is not None and first.fetched_at.day == 3, "the greatest fetch time"
    assert (first.origin_uri, first.batch_number, first.run_kind) == ("file:///pages/news.jsonl", 1, "ingest")
    assert (first.extractor, first.kept_uri) == ("1", None)
    shown = "\n".join(command._article(found))
    assert "run 1 (ingest, partial, started" in shown and "extracted by version 1" in shown


def test_a_headline_tells_its_texts_and_why_it_has_its_article(newsroom: Engine) -> None:
    whole = the_id(newsroom, "SELECT id FROM headlines WHERE merged_into IS NULL AND text ILIKE 'ferry%'")
    found = why_headline(newsroom, whole)
    assert found is not None and (found.id, found.linked_by) == (whole, "target")
    assert sorted(each.joined for each in found.variants) == [
        "cut off from it",
        "the same words",
        "the same words",
    ]
    assert found.first is not None and found.last is not None
    assert (found.first.url, found.last.url) == ("https://gazette.example/storks", "https://gazette.example/")
    assert found.last.gives == "no article: listing"
    assert "its links lead there" in "\n".join(command._headline(found))


@pytest.mark.parametrize("spelling", [FERRY, "https://GAZETTE.example/ferry", f"{FERRY}#top"])
def test_a_url_is_found_in_any_spelling(newsroom: Engine, spelling: str) -> None:
    found = why_url(newsroom, spelling)
    assert len(found.captures) == len(found.article_ids) == 1
    assert [each.linked_by for each in found.headlines] == ["target"]


def test_a_url_that_is_not_loaded_may_be_where_headlines_lead(newsroom: Engine) -> None:
    toll = why_url(newsroom, "https://gazette.example/toll")
    assert (toll.captures, toll.article_ids) == ([], [])
    assert [each.text for each in toll.headlines] == ["Toll on the old bridge doubles"]
    assert "No page with this URL is loaded" in "\n".join(command._url(toll))
    unknown = "\n".join(command._url(why_url(newsroom, "https://gazette.example/none")))
    assert "No sidebar headline leads to it either." in unknown


def test_a_quarantined_page_tells_its_run_and_what_became_of_it(database: Engine) -> None:
    page = extracted(1, headlines=[Headline("Toll on the old bridge doubles")])
    load(database, Rejection("damaged", "read", "cut", page.origin_uri, page.origin_record, url=page.url))
    entry = why_quarantined(database, 1)
    assert entry is not None and (entry.run_kind, entry.batch_number, entry.page_id) == ("ingest", 1, None)
    load(database, page)
    settle(database)
    found = why_url(database, str(page.url))
    assert [each.resolution for each in found.quarantined] == ["loaded"]
    assert "loaded" in "\n".join(command._url(found))
    assert why_page(database, found.captures[0].id) == found.captures[0]


@pytest.mark.parametrize("find", [why_article, why_headline, why_page, why_quarantined])
def test_what_is_not_there_is_none(newsroom: Engine, find: object) -> None:
    assert callable(find)
    assert [find(newsroom, number) for number in (0, 10**30)] == [None, None]


def test_captures_are_found_by_indexes(newsroom: Engine) -> None:
    with newsroom.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.scalars(text("EXPLAIN SELECT FROM pages WHERE url_key = '\\x00'")).all())
    assert "pages_url_key_idx" in plan


# --- the quarantine, looked at -------------------------------------------------------------------------


def test_quarantine_is_counted_by_reason(newsroom: Engine) -> None:
    counts = [
        (row.reason, row.stage, row.waiting, row.resolved) for row in quarantine.count_quarantine(newsroom)
    ]
    assert counts == [("timeout", "extract", 2, 0), ("damaged", "read", 1, 0)]


def test_quarantine_is_listed(newsroom: Engine) -> None:
    assert [
        row.reason for row in quarantine.list_quarantine(newsroom, quarantine.Chosen(reason="timeout"))
    ] == ["timeout"] * 2
    assert len(quarantine.list_quarantine(newsroom)) == 3
    assert len(quarantine.list_quarantine(newsroom, limit=1)) == 1


def test_a_quarantined_page_is_shown(newsroom: Engine) -> None:
    [damaged] = quarantine.list_quarantine(newsroom, quarantine.Chosen(reason="damaged"))
    found = quarantine.find_quarantined(newsroom, damaged.id)
    assert found is not None
    assert (found.origin_uri, found.origin_record) == ("file:///pages/a.warc.gz", 7)
    assert (found.detail, found.digest, found.resolved_at) == ("The gzip stream is cut.", None, None)
    slow = next(row for row in quarantine.list_quarantine(newsroom) if row.url)
    kept = quarantine.find_quarantined(newsroom, slow.id)
    assert kept is not None
    assert kept.digest == hashlib.blake2b(b"slow", digest_size=16).hexdigest()
    assert quarantine.find_quarantined(newsroom, 0) is None
