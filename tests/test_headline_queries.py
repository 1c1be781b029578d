"""What the command line shows of sidebar headlines: lists, a timeline, the texts of a link."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from captures import extracted, load, rows
from sqlalchemy import Engine

from schemas.errors import ConfigError
from schemas.records import Headline
from tasks.postgres.headlines import (
    HeadlineDetail,
    HeadlineRow,
    find_headline,
    hourly,
    list_headlines,
    revisions,
    search_headlines,
    top_headlines,
)
from tasks.postgres.query import search_articles
from tasks.settle import settle

FERRY = "FERRY to Arna delayed by storm"
TOLL = "Toll on the old bridge doubles"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def shown(engine: Engine, headline: HeadlineRow, limit: int | None = 20) -> HeadlineDetail:
    found = find_headline(engine, headline.id, limit=limit)
    assert found is not None
    return found


# --- lists -------------------------------------------------------------------------------------------


def test_headlines_are_ranked_by_sightings(newsroom: Engine) -> None:
    ferry, toll = top_headlines(newsroom)
    assert (ferry.text, ferry.sightings, toll.sightings) == (FERRY, 3, 1)
    assert ferry.first_seen_at == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert ferry.last_seen_at == datetime(2026, 3, 4, 6, 0, 0, 250_000, tzinfo=UTC)
    assert (ferry.generic, ferry.article_id is not None, toll.article_id) == (False, True, None)
    assert top_headlines(newsroom, limit=1) == [ferry]


def test_sightings_are_counted_since_a_day(newsroom: Engine) -> None:
    [ferry] = top_headlines(newsroom, since=date(2026, 3, 3))
    assert ferry.sightings == 2
    assert ferry.first_seen_at == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert top_headlines(newsroom, since=date(2026, 3, 5)) == []


def test_headlines_are_listed_once_each(newsroom: Engine) -> None:
    listed = list_headlines(newsroom)
    assert sorted((row.text, row.sightings) for row in listed) == [(FERRY, 3), (TOLL, 1)]
    assert [row.id for row in listed] == sorted((row.id for row in listed), reverse=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ferry", [FERRY]),
        ("STORM arna", [FERRY]),
        ('"delayed by storm"', [FERRY]),
        ('"storm delayed"', []),
        ("bridge or storm", [FERRY, TOLL]),
        ("bridge -toll", []),
        ("again", []),
        ("'); DROP TABLE headlines; --", []),
        ("", []),
    ],
)
def test_headlines_are_searched(newsroom: Engine, words: str, expected: list[str]) -> None:
    assert [row.text for row in search_headlines(newsroom, words)] == expected


def test_frequent_words_are_found_the_other_way_round(
    newsroom: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = search_headlines(newsroom, "ferry or bridge")
    monkeypatch.setattr("tasks.postgres.headlines.FREQUENT", 1)
    assert search_headlines(newsroom, "ferry or bridge") == few
    assert search_headlines(newsroom, "ferry or bridge", limit=1) == few[:1]


def test_words_without_spaces_between_them_are_found_inside_a_text(database: Engine) -> None:
    tea, coast = "台湾紅茶の故郷、日月潭を歩く", "夜行列車が北の海岸に戻る"
    shown = [Headline(text, None, None, None) for text in (tea, coast, "100% 台湾 tea")]
    load(database, extracted(1, headlines=shown))
    settle(database)
    found = {words: [row.text for row in search_headlines(database, words)] for words in
             ("台湾紅茶", "日月潭 紅茶", "海岸", "台湾 100%", "紅茶 海岸", "茶_")}  # fmt: skip
    assert found == {
        "台湾紅茶": [tea], "日月潭 紅茶": [tea], "海岸": [coast], "台湾 100%": ["100% 台湾 tea"],
        "紅茶 海岸": [], "茶_": [],
    }  # fmt: skip


def test_an_empty_database_has_no_headlines(database: Engine) -> None:
    assert list_headlines(database) == top_headlines(database) == search_headlines(database, "ferry") == []
    assert top_headlines(database, since=date(2026, 3, 1)) == []
    assert revisions(database) == []


@pytest.mark.parametrize(("kind", "seed"), [("database", 1), ("postgres15", 2)])
def test_the_top_since_any_day_is_that_of_a_recount(
    kind: str, seed: int, request: pytest.FixtureRequest
) -> None:
    """Lives of all lengths, times unknown and days without pages, asked for any day and any limit."""
    database: Engine = request.getfixturevalue(kind)
    chance = random.Random(seed)
    texts = [f"Headline number {number} of the spring" for number in range(60)]
    lives = [(chance.randrange(40), chance.choice([1, 1, 2, 5, 40])) for _ in texts]
    pages = []
    for number in range(240):
        day = chance.randrange(40)
        up = [
            text for text, (begins, long) in zip(texts, lives, strict=True) if begins <= day < begins + long
        ]
        fetched = NOON + timedelta(days=day, minutes=number) if chance.random() > 0.1 else None
        seen = [Headline(text) for text in chance.choices(up, k=6)] if up else []
        pages.append(extracted(number, title=f"Page {number}", fetched_at=fetched, headlines=seen))
    load(database, *pages)
    settle(database)
    for since in range(-1, 42, 3):
        first = (NOON + timedelta(days=since)).date()
        counted = rows(
            database,
            f"""SELECT v.headline_id, count(*)
                FROM headline_sightings g JOIN pages p ON p.id = g.page_id
                JOIN headline_variants v ON v.id = g.variant_id
                WHERE p.fetched_at >= '{first} 00:00Z' GROUP BY 1 ORDER BY 2 DESC, 1 DESC""",
        )
        for limit in (1, 3, 20, 1000):
            top = top_headlines(database, since=first, limit=limit)
            assert [(row.id, row.sightings) for row in top] == counted[:limit]
    for row in list_headlines(database, limit=5):
        assert sum(hour.sightings for hour in hourly(database, row.id)) <= row.sightings
        assert shown(database, row).sightings == row.sightings
        assert search_headlines(database, f'"{row.text}"') == [row]


def test_equal_totals_are_not_all_counted(database: Engine) -> None:
    """Where the time asked for takes in all of their lives, their totals say enough."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            """
            INSERT INTO headlines (key_digest, key, truncated, text)
            SELECT sha256(n::text::bytea), 'key ' || n, false, 'Text ' || n FROM generate_series(1, 3000) n
            """
        )
        connection.exec_driver_sql(
            """
            INSERT INTO headline_variants (headline_id, digest, text, key, key_digest)
            SELECT id, key_digest, text, key, key_digest FROM headlines
            """
        )
        connection.exec_driver_sql(
            f"""
            INSERT INTO sighting_days
                (variant_id, day, sightings, best_position, first_seen_at, last_seen_at, last_page_id)
            SELECT id, '{NOON:%Y-%m-%d}', 1, 1, '{NOON}', '{NOON}', 1 FROM headline_variants
            """
        )
        connection.exec_driver_sql(
            f"""
            INSERT INTO headline_totals (headline_id, sightings, first_seen_at, last_seen_at)
            SELECT id, 1, '{NOON}', '{NOON}' FROM headlines
            """
        )
        connection.exec_driver_sql("ANALYZE")
    before = scans(database)
    top = [row.id for row in top_headlines(database, since=NOON.date(), limit=5)]
    assert scans(database) - before < 100
    assert top == [number for (number,) in rows(database, "SELECT id FROM headlines ORDER BY 1 DESC LIMIT 5")]


def scans(engine: Engine) -> int:
    """How often the days of headlines were looked for."""
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    [(count,)] = rows(
        engine,
        "SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'headline_variants'",
    )
    return int(count)


@pytest.mark.parametrize("search", [search_headlines, search_articles])
@pytest.mark.parametrize(
    "words", ["-" * 1000, "- " * 400, "!-" * 400, '"a"-' * 200, "a " * 100_000, "a or " * 50_000, "a-" * 9000]
)
def test_a_search_of_too_many_words_is_refused(
    newsroom: Engine, search: Callable[[Engine, str], object], words: str
) -> None:
    with pytest.raises(ConfigError, match="1,000 characters"):
        search(newsroom, words)


@pytest.mark.parametrize("search", [search_headlines, search_articles])
@pytest.mark.parametrize(
    "words", ["-" * 20, "!-" * 20, "a " * 500, "a or " * 200, "a-b" * 333, '"' + "a-" * 499]
)
def test_the_longest_searches_are_answered(
    newsroom: Engine, search: Callable[[Engine, str], Sequence[object]], words: str
) -> None:
    assert isinstance(search(newsroom, words), list)


# --- one headline ------------------------------------------------------------------------------------


def test_a_headline_is_shown_with_wordings_links_and_timeline(newsroom: Engine) -> None:
    found = shown(newsroom, top_headlines(newsroom)[0])
    assert (found.text, found.sightings, found.generic) == (FERRY, 3, False)
    assert found.article_title == 'Ferry to Arna delayed by "storm", again'
    assert found.article_url == "https://gazette.example/ferry"
    assert sorted(wording.text for wording in found.wordings) == [
        "FERRY to Arna delayed by storm",
        "Ferry to Arna delayed by storm",
        "Ferry to Arna delayed by …",
    ]
    [link] = found.links
    assert (link.target, link.sightings, link.article_id) == (found.article_url, 3, found.article_id)
    assert [(row.day, row.source, row.label, row.best_position) for row in found.timeline] == [
        (date(2026, 3, 4), "gazette", None, 1),
        (date(2026, 3, 3), "gazette", "Explore", 1),
        (date(2026, 3, 2), "gazette", "Explore", 1),
    ]
    assert found.timeline[0].page_url == "https://gazette.example/"
    assert found.timeline[0].first_seen_at == found.last_seen_at


def test_as_much_is_shown_as_asked_for(newsroom: Engine) -> None:
    ferry = top_headlines(newsroom)[0]
    found = shown(newsroom, ferry, limit=1)
    assert (len(found.wordings), len(found.timeline), len(found.links)) == (1, 1, 1)
    assert (found.wording_count, found.timeline_count, found.link_count) == (3, 3, 1)
    assert len(shown(newsroom, ferry, limit=None).timeline) == 3


def test_a_merged_headline_shows_its_survivor(newsroom: Engine) -> None:
    survivors = {row.id for row in list_headlines(newsroom)}
    [merged] = rows(newsroom, "SELECT id, merged_into FROM headlines WHERE merged_into IS NOT NULL")
    found = find_headline(newsroom, merged[0])
    assert found is not None
    assert found.id == merged[1]
    assert found.id in survivors
    assert [row.headline_id for row in revisions(newsroom, str(merged[0]))] == [found.id]


def test_what_is_no_headline_is_none(newsroom: Engine) -> None:
    assert find_headline(newsroom, 0) is None
    assert find_headline(newsroom, 10**30) is None


def test_unknown_times_are_none_and_come_last(database: Engine) -> None:
    seen = [Headline("Ferry to Arna delayed by storm", "Explore")]
    load(
        database,
        extracted(1, headlines=seen),
        extracted(2, fetched_at=NOON, headlines=seen),
        extracted(3, headlines=[Headline(TOLL)]),
    )
    settle(database)
    ferry, toll = top_headlines(database)
    assert (ferry.first_seen_at, ferry.sightings) == (NOON, 2)
    assert (toll.first_seen_at, toll.last_seen_at) == (None, None)
    assert [row.day for row in shown(database, ferry).timeline] == [NOON.date(), None]
    assert top_headlines(database, since=NOON.date())[0].sightings == 1


def test_a_generic_headline_is_told_apart_by_its_links(database: Engine) -> None:
    text = "Morning briefing: five things to know today"
    for number in range(4):
        load(
            database,
            extracted(
                number,
                url=f"https://gazette.example/front?{number}",
                fetched_at=NOON + timedelta(days=number),
                headlines=[Headline(text, "Explore", None, f"https://gazette.example/briefing/{number}")],
            ),
            extracted(
                title=f"What to know on day {number}",
                url=f"https://gazette.example/briefing/{number}",
                fetched_at=NOON + timedelta(days=number, hours=1),
            ),
        )
    settle(database)
    [briefing] = [row for row in top_headlines(database) if row.text == text]
    assert (briefing.generic, briefing.article_id, briefing.sightings) == (True, None, 4)
    links = shown(database, briefing).links
    assert [link.target[-1] for link in links] == ["3", "2", "1", "0"]
    assert [link.first_seen_at for link in links] == [NOON + timedelta(days=n) for n in (3, 2, 1, 0)]
    assert [link.article_title for link in links] == [f"What to know on day {n}" for n in (3, 2, 1, 0)]
    promoted = rows(
        database, "SELECT title, sightings, first_promoted_at FROM article_promotion ORDER BY title"
    )
    assert {row[1:] for row in promoted if not row[0].startswith("What")} == {(0, None)}
    assert [row for row in promoted if row[0].startswith("What")] == [
        (f"What to know on day {n}", 1, NOON + timedelta(days=n)) for n in range(4)
    ]


def test_sightings_by_the_hour(newsroom: Engine) -> None:
    ferry = top_headlines(newsroom)[0]
    assert [(hour.hour, hour.source, hour.sightings) for hour in hourly(newsroom, ferry.id)] == [
        (datetime(2026, 3, day, 6, tzinfo=UTC), "gazette", 1) for day in (2, 3, 4)
    ]


# --- the headlines of a link -------------------------------------------------------------------------

LINK = "https://gazette.example/bridge"
WORDED = (
    (1, "Bridge closed after cracks are found"),
    (3, "The county knew of the cracks in the bridge"),
    (3, "THE COUNTY knew of the cracks in the bridge | Gazette"),
    (5, "Bridge to stay closed until summer"),
)


@pytest.fixture
def reworded(database: Engine) -> Engine:
    """A link that carried three texts, the later ones loaded first; another that carried one."""
    for day, text in reversed(WORDED):
        headlines = [Headline(text, None, None, LINK), Headline(TOLL, None, None, f"{LINK}/toll")]
        load(database, extracted(day, title=text, fetched_at=NOON + timedelta(days=day), headlines=headlines))
        settle(database)
    return database


def test_the_texts_of_a_link_come_in_the_order_of_time(reworded: Engine) -> None:
    found = revisions(reworded, LINK)
    assert [row.number for row in found] == [1, 2, 3]
    assert [row.text for row in found] == [WORDED[0][1], WORDED[1][1], WORDED[3][1]]
    assert [row.sightings for row in found] == [1, 2, 1]
    assert [row.first_seen_at for row in found] == [NOON + timedelta(days=day) for day in (1, 3, 5)]
    assert {(row.target, row.revisions) for row in found} == {(LINK, 3)}


def test_texts_are_found_by_any_headline_of_the_link(reworded: Engine) -> None:
    found = revisions(reworded, LINK)
    for row in found:
        assert revisions(reworded, str(row.headline_id)) == found
    assert revisions(reworded) == found, "a link that carried one text is no rewording"
    assert revisions(reworded, limit=2) == found[:2]


def test_texts_at_unknown_times_come_first(reworded: Engine) -> None:
    load(reworded, extracted(9, title="Saved", headlines=[Headline("Bridge news", None, None, LINK)]))
    settle(reworded)
    first, *others = revisions(reworded, LINK)
    assert (first.text, first.number, first.first_seen_at) == ("Bridge news", 1, None)
    assert [row.number for row in others] == [2, 3, 4]


def test_texts_of_equal_times_come_in_one_order_whichever_was_loaded_first(database: Engine) -> None:
    texts = [text for _, text in WORDED[:2]]
    orders = []
    for number, text in enumerate([*texts, *reversed(texts)]):
        link = f"{LINK}/{number // 2}"
        load(database, extracted(number, title="Saved", headlines=[Headline(text, None, None, link)]))
        settle(database)
        if number % 2:
            orders.append([row.text for row in revisions(database, link)])
            assert orders[-1] == [
                shown
                for (shown,) in rows(
                    database,
                    f"SELECT headline FROM headline_revisions WHERE target = '{link}' ORDER BY number",
                )
            ]
            with database.begin() as connection:
                connection.exec_driver_sql(
                    "TRUNCATE headlines, headline_variants, headline_sightings, sighting_days CASCADE"
                )
    assert orders == [texts, texts]


@pytest.mark.parametrize(
    "name", ["0", "9" * 30, "https://gazette.example/absent", "no url\0", "http://[", ""]
)
def test_what_carried_nothing_has_no_revisions(newsroom: Engine, name: str) -> None:
    assert revisions(newsroom, name) == []


def test_views_say_the_same(reworded: Engine) -> None:
    found = revisions(reworded, LINK)
    assert rows(
        reworded, "SELECT number, headline, sightings FROM headline_revisions WHERE revisions > 1 ORDER BY 1"
    ) == [(row.number, row.text, row.sightings) for row in found]
    county = found[1].headline_id
    assert rows(
        reworded,
        f"SELECT day, source, label, sightings, page_url FROM headline_timeline WHERE headline_id = {county}",
    ) == [
        (date(2026, 5, 4), "gazette.example", None, 2, "https://gazette.example/news/3"),
    ]
