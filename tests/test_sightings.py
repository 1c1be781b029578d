"""Sightings: every placement on every capture once, whatever is loaded again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from captures import empty, extracted, load, rows
from content import content
from sqlalchemy import Engine

from schemas.records import Counts, ExtractedPage, Headline
from tasks.settle import settle

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
FERRY = Headline("Ferry to Dol delayed", "Explore", "Bo Lind", "https://gazette.example/ferry")
FERRY_MOST_READ = replace(FERRY, label="Most read", byline=None)
TOLL = Headline("Toll doubles", "Most read", None, None)


def listing(number: int, headlines: Sequence[Headline], fetched_at: datetime | None = None) -> ExtractedPage:
    return extracted(
        number, title=None, body=(str(number),), is_article=False, headlines=headlines, fetched_at=fetched_at
    )


def count(engine: Engine) -> dict[str, int]:
    """Headlines and sightings, and the sums of sightings that settle makes."""
    queries = {
        "headlines": "SELECT count(*) FROM headlines WHERE merged_into IS NULL",
        "sightings": "SELECT count(*) FROM headline_sightings",
        "by headline": "SELECT coalesce(sum(sightings), 0) FROM headline_totals",
        "by day": "SELECT coalesce(sum(sightings), 0) FROM sighting_days",
        "by batch": "SELECT coalesce(sum(sightings), 0) FROM batches",
        "new headlines by batch": "SELECT coalesce(sum(headlines_new), 0) FROM batches",
    }
    return {name: int(rows(engine, query)[0][0]) for name, query in queries.items()}


def counted(headlines: int, sightings: int) -> dict[str, int]:
    return {
        "headlines": headlines,
        "sightings": sightings,
        "by headline": sightings,
        "by day": sightings,
        "by batch": sightings,
        "new headlines by batch": headlines,
    }


@pytest.mark.parametrize(("pages", "slots", "headlines"), [(1, 1, 1), (40, 7, 5), (90, 20, 150)])
def test_pages_times_slots(pages: int, slots: int, headlines: int, database: Engine) -> None:
    """N pages with k slots over K headlines are K headlines and N·k sightings, however they come."""
    choose = random.Random(pages)
    texts = [f"What {number} of our readers asked the ferry company" for number in range(headlines)]
    forms = ("{}", "{} | Gazette", "“{}”", "{}!")
    dealt = [texts[number % headlines] for number in range(pages * slots)]
    choose.shuffle(dealt)
    made = [
        listing(
            page,
            [
                Headline(
                    choose.choice(forms).format(text),
                    f"List {place % 3}",
                    None,
                    f"https://a.example/{text[5:8]}",
                )
                for place, text in enumerate(dealt[page * slots : (page + 1) * slots])
            ],
            choose.choice([None, MONDAY + timedelta(hours=page)]),
        )
        for page in range(pages)
    ]
    seen = []
    for size in (pages, 7, 32):
        empty(database)
        choose.shuffle(made)
        for start in range(0, pages, size):
            load(database, *made[start : start + size])
            if choose.random() < 0.5:
                settle(database)
        settle(database)
        assert count(database) == counted(headlines, pages * slots)
        seen.append(content(database))
    assert seen[0] == seen[1] == seen[2]

    again = [load(database, *made[start : start + 13]) for start in range(0, pages, 13)]
    settle(database)
    assert sum((report.counts for report in again), Counts()) == Counts(read=pages, unchanged=pages)
    assert sum(report.sightings for report in again) == 0
    assert count(database) == counted(headlines, pages * slots)
    assert content(database) == seen[0]


def test_a_later_capture_adds_its_own_sightings_with_their_own_time(database: Engine) -> None:
    """The same bytes at the same address, a day later: that is how long the headlines stayed up."""
    load(database, listing(1, [FERRY, TOLL], MONDAY))
    settle(database)
    load(database, listing(1, [FERRY, TOLL], TUESDAY))
    load(database, listing(1, [FERRY, TOLL]))
    settle(database)
    assert count(database) == counted(2, 6)
    assert rows(
        database,
        """
        SELECT p.fetched_at, g.position, v.text
        FROM headline_sightings g
        JOIN pages p ON p.id = g.page_id
        JOIN headline_variants v ON v.id = g.variant_id
        ORDER BY p.fetched_at NULLS LAST, g.position
        """,
    ) == [
        (when, place, shown)
        for when in (MONDAY, TUESDAY, None)
        for place, shown in ((1, FERRY.text), (2, TOLL.text))
    ]
    assert rows(database, "SELECT sightings, first_seen_at, last_seen_at FROM headline_totals") == [
        (3, MONDAY, TUESDAY),
        (3, MONDAY, TUESDAY),
    ]


def test_an_article_captured_later_is_a_duplicate_and_its_sightings_count(database: Engine) -> None:
    assert load(database, extracted(1, fetched_at=MONDAY, headlines=[FERRY])).counts.loaded == 1
    later = load(database, extracted(1, fetched_at=TUESDAY, headlines=[FERRY, TOLL]))
    assert later.counts == Counts(read=1, duplicate=1)
    assert later.sightings == 2
    settle(database)
    assert count(database) == counted(2, 3)


def test_other_bytes_at_the_same_address_and_time_are_another_page(database: Engine) -> None:
    page = extracted(1, fetched_at=MONDAY, headlines=[FERRY])
    changed = extracted(1, fetched_at=MONDAY, headlines=[FERRY], body=("The ferry sails again.",))
    assert page.key != changed.key
    load(database, page)
    assert load(database, changed).sightings == 1
    assert load(database, page, changed).sightings == 0
    settle(database)
    assert count(database) == counted(1, 2)


def test_two_lists_of_one_page_are_two_sightings(database: Engine) -> None:
    load(database, listing(1, [FERRY, TOLL, FERRY_MOST_READ, TOLL], MONDAY))
    settle(database)
    assert count(database) == counted(2, 4)
    assert rows(
        database,
        """
        SELECT l.text, d.sightings, d.best_position, d.day::text
        FROM sighting_days d
        JOIN headline_variants v ON v.id = d.variant_id
        JOIN sidebar_labels l ON l.id = d.label_id
        ORDER BY v.text, l.text
        """,
    ) == [
        ("Explore", 1, 1, "2026-03-02"),
        ("Most read", 1, 3, "2026-03-02"),
        ("Most read", 2, 2, "2026-03-02"),
    ]


def test_sightings_keep_the_order_of_the_page(database: Engine) -> None:
    listed = [Headline(f"Story {number} of the morning", "Latest") for number in range(300)]
    random.Random(1).shuffle(listed)
    load(database, listing(1, listed, MONDAY))
    assert rows(
        database,
        "SELECT g.position, v.text FROM headline_sightings g JOIN headline_variants v ON v.id = g.variant_id"
        " ORDER BY g.position",
    ) == [(place, headline.text) for place, headline in enumerate(listed, 1)]


def test_what_another_extractor_lists_does_not_change_what_was_seen(database: Engine) -> None:
    """Loading a known page again writes nothing, even where its sidebar is read differently now."""
    page = listing(1, [FERRY, TOLL], MONDAY)
    load(database, page)
    settle(database)
    before = content(database)
    otherwise = replace(
        page, extraction=replace(page.extraction, headlines=[TOLL]), headline_keys=page.headline_keys[1:]
    )
    assert load(database, otherwise).sightings == 0
    settle(database)
    assert content(database) == before


def test_more_headlines_than_a_position_can_count(database: Engine) -> None:
    """A page with 33,000 headlines is quarantined; the others of its batch are loaded."""
    endless = listing(
        1, [Headline(f"Story {number % 50} of the morning") for number in range(33_000)], MONDAY
    )
    report = load(database, endless, listing(2, [FERRY], MONDAY))
    assert report.counts == Counts(read=2, non_article=1, quarantined=1)
    assert report.sightings == 1
    settle(database)
    assert count(database) == counted(1, 1)


def test_a_relative_link_of_two_outlets_leads_to_two_things(database: Engine) -> None:
    """Where a page's URL is unknown the source tells links apart, and where that is unknown the page."""
    link = replace(FERRY, href="/ferry")

    def saved(number: int, source: str | None) -> ExtractedPage:
        return replace(listing(number, [link, FERRY]), url=None, source=source)

    load(database, saved(1, "gull"), saved(2, "gull"), saved(3, "tern"), saved(4, None), saved(5, None))
    settle(database)
    assert rows(
        database,
        "SELECT t.url, l.sightings FROM link_targets t"
        " JOIN headline_links l ON l.target_id = t.id ORDER BY 1, 2",
    ) == [("/ferry", 1), ("/ferry", 1), ("/ferry", 1), ("/ferry", 2), (FERRY.href, 5)]
