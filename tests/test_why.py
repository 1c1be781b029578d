"""Where articles, headlines, pages and quarantined pages come from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from captures import extracted, load, rows
from sqlalchemy import Engine, event, text

from flows.cli import main
from schemas.records import Headline, Rejection
from schemas.settings import Settings
from schemas.tables import metadata
from tasks.postgres import quarantine
from tasks.postgres.database import downgrade, upgrade
from tasks.postgres.lineage import why_article, why_headline, why_page, why_quarantined, why_url
from tasks.postgres.rows import url_key
from tasks.settle import settle

FERRY, TOLL, FRONT = (f"https://gazette.example/{path}" for path in ("ferry", "toll", ""))
LOST = "https://gazette.example/lost?b=2&a=1"
MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
TUESDAY, WEDNESDAY = (MONDAY + timedelta(days) for days in (1, 2))
DELAYED = Headline("Ferry to Arna delayed by storm", "Explore", None, FERRY)
CUT = replace(DELAYED, text="Ferry to Arna delayed by …", href=None)
LIVE = [Headline("Live updates", None, None, f"https://gazette.example/live/{number}") for number in range(3)]

Say = Callable[..., str]


@pytest.fixture
def gazette(database: Engine) -> Engine:
    """An article with captures of every kind, a front page loaded latest first, what failed."""
    pages = [
        extracted(number, title="Ferry delayed", body=[said], url=FERRY, fetched_at=fetched)
        for number, (said, fetched) in enumerate(
            [("By fog.", MONDAY), ("By a storm.", TUESDAY), ("By a storm.", WEDNESDAY), ("By a gull.", None)]
        )
    ]
    front = [
        extracted(9, url=FRONT, fetched_at=fetched, headlines=listed, is_article=False, reason="listing")
        for fetched, listed in ((WEDNESDAY, [CUT]), (TUESDAY, [DELAYED, *LIVE]), (MONDAY, [DELAYED]))
    ]
    failed = [
        Rejection("timeout", "extract", "20 s", "file:///pages", 20, url=f"{FERRY}?utm_source=x#top"),
        Rejection("damaged", "read", "cut", "file:///pages", 21, url=LOST),
    ]
    for page in front:
        load(database, page)
    load(database, *pages, *failed)
    settle(database)
    return database


@pytest.fixture
def why(
    gazette: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """Runs `broadsheet why` and returns what it said on the stream that its exit code is for."""
    monkeypatch.setenv("BROADSHEET_HOME", str(settings.home))
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", str(settings.database_url))

    def said(*arguments: object, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["why", *map(str, arguments)])
        shown = capsys.readouterr()
        assert ended.value.code == code, shown.err
        return shown.err if code else shown.out

    return said


def the_id(engine: Engine, query: str) -> int:
    [(found,)] = rows(engine, query)
    return int(found)


def headline_id(engine: Engine, said: str) -> int:
    return the_id(engine, f"SELECT id FROM headlines WHERE text = '{said}'")


# --- articles ----------------------------------------------------------------------------------------


def test_an_article_tells_what_each_capture_came_to(gazette: Engine, why: Say) -> None:
    article, leader = next(
        iter(
            rows(gazette, f"SELECT article_id, id FROM pages WHERE fetched_at = '{WEDNESDAY}' AND is_article")
        )
    )
    said = why("article", article)
    outcomes = [line.partition(": ")[2] for line in said.splitlines() if line.startswith("- page")]
    assert outcomes == [
        f"gives article {article} its text, newer than those of other captures",
        f"the same text as page {leader}, of article {article}",
        f"an older text than page {leader}, of article {article}",
        f"another text than page {leader}, of article {article}, at the same or an unknown time",
    ]
    assert "It has had 3 texts" in said
    assert "- quarantined page 2: timeout in extract, tried once, waits" in said
    assert "Sidebar headlines that lead to it\n- sidebar headline" in said
    assert "read from file:///pages, record 2 (counted from 0)\n" in said
    assert "in batch 1 of run 4 (ingest, running, started" in said
    shown = json.loads(why("article", article, "--json"))
    told = [(each["outcome"], each["text_page_id"]) for each in shown["captures"]]
    assert told == [(said, leader) for said in ("newer_text", "same_text", "older_text", "other_text")]
    assert [each["reason"] for each in shown["quarantined"]] == ["timeout"]


# --- headlines ---------------------------------------------------------------------------------------


def test_a_headline_tells_where_it_was_seen_first_and_last(gazette: Engine, why: Say) -> None:
    """By fetch time: pages were loaded in another order."""
    merged, whole = headline_id(gazette, CUT.text), headline_id(gazette, DELAYED.text)
    said = why("headline", merged)
    assert said.startswith(f"Sidebar headline {whole} ({merged} was merged into it): {DELAYED.text}\n")
    assert "its links lead there." in said
    assert f"- {CUT.text} (cut off from it)" in said
    first, last = (page.splitlines() for page in said.partition("First seen")[2].split("Last seen"))
    assert (first[0], last[0]) == (" 2026-03-02 06:00Z on", " 2026-03-04 06:00Z on")
    for lines, fetched in ((first, MONDAY), (last, WEDNESDAY)):
        page = the_id(gazette, f"SELECT id FROM pages WHERE fetched_at = '{fetched}' AND NOT is_article")
        assert lines[1].startswith(f"- page {page}, fetched") and lines[1].endswith("no article: listing")
        assert "    read from file:///pages, record 9 (counted from 0)" in lines
    shown = json.loads(why("headline", whole, "--json"))
    assert [shown[end]["exact"] for end in ("first", "last")] == [True, True]


def test_where_sightings_were_dropped_a_page_of_that_day_stands_in(gazette: Engine, why: Say) -> None:
    with gazette.begin() as connection:
        connection.execute(text("TRUNCATE headline_sightings"))
    said = why("headline", headline_id(gazette, DELAYED.text))
    assert "First seen 2026-03-02 06:00Z on a page whose sightings were dropped for their age; one of" in said


def test_a_generic_headline_has_no_article(gazette: Engine, why: Say) -> None:
    assert "Generic: one text that leads to many things" in why(
        "headline", headline_id(gazette, LIVE[0].text)
    )


# --- URLs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", [FERRY, "https://GAZETTE.example:443/ferry", f"{FERRY}?utm_medium=y#top"]
)
def test_a_url_is_found_in_any_spelling(why: Say, spelling: str) -> None:
    shown = json.loads(why(spelling, "--json"))
    assert (len(shown["captures"]), len(shown["article_ids"])) == (4, 1)
    assert [each["linked_by"] for each in shown["headlines"]] == ["target"]
    assert [each["url"] for each in shown["quarantined"]] == [f"{FERRY}?utm_source=x#top"]
    assert "(broadsheet why article" in why(spelling)


@pytest.mark.parametrize("spelling", ["www.gazette.example/ferry/", "http://Gazette.example/ferry?utm_id=1"])
def test_a_url_that_is_not_known_is_found_as_people_write_it(why: Say, spelling: str) -> None:
    shown = json.loads(why(spelling, "--json"))
    assert (shown["asked"], len(shown["captures"])) == (spelling, 4)
    assert why(spelling).startswith(f"{shown['url']}\nNothing is known of {spelling}.\nArticles: ")


@pytest.mark.parametrize("spelling", [LOST, "https://gazette.example/lost?a=1&b=2&utm_source=y"])
def test_a_page_that_was_only_quarantined_is_found(why: Say, spelling: str) -> None:
    said = why(spelling)
    assert f"- quarantined page 1: damaged in read, tried once, waits\n    {LOST}\n" in said
    assert "record 21" in said and "Captures" not in said


def test_a_url_may_only_be_where_headlines_lead(why: Say) -> None:
    said = why(LIVE[1].href)
    assert "No page with this URL is loaded or quarantined." in said
    assert said.rstrip().endswith(": Live updates")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("article", 99), "There is no article 99."),
        (("headline", 10**30), f"There is no sidebar headline {10**30}."),
        (("page", 99), "There is no page 99."),
        (("quarantine", 99), "There is no quarantined page 99."),
        ((f"{TOLL}\x1b[2J",), f"There is no page, quarantined page or sidebar headline of {TOLL} [2J."),
        (("article",), "'article' has no ID; name it by its number, as in: why article 12."),
        (("page", "x"), "'page' has 'x' for its ID; name it by its number, as in: why page 12."),
        ((12,), "'12' is neither a URL nor one of article, headline, page, quarantine with an ID."),
        ((TOLL, 3), f"'{TOLL}' is neither a URL nor one of article,"),
    ],
)
def test_what_is_not_known_is_refused_in_one_sentence(
    why: Say, asked: tuple[Any, ...], sentence: str
) -> None:
    said = why(*asked, code=2)
    assert sentence in said and len(said.splitlines()) == 1


# --- quarantined pages ---------------------------------------------------------------------------------


def test_a_quarantined_page_tells_its_run_and_what_became_of_it(gazette: Engine, why: Say) -> None:
    said = why("quarantine", 1)
    assert said.startswith("quarantined page 1: damaged in read, tried once, waits\n")
    assert "in batch 1 of run 4 (ingest, running" in said
    load(gazette, extracted(21, url=LOST))
    assert "quarantined page 1: damaged in read, tried once, loaded 20" in why(LOST)
    found = why_url(gazette, LOST)
    assert found is not None and why_page(gazette, found.captures[0].id) == found.captures[0]


def test_entries_from_before_their_urls_had_keys_take_those_of_pages(gazette: Engine) -> None:
    load(gazette, Rejection("timeout", "extract", "20 s", "file:///pages", 30, url=FERRY))
    before = rows(gazette, "SELECT id, url_key FROM quarantine ORDER BY id")
    assert [key for _, key in before] == [url_key(LOST), url_key(FERRY), url_key(FERRY)]
    downgrade(gazette, "broadsheet", "0006")
    upgrade(gazette, "broadsheet")
    assert rows(gazette, "SELECT id, url_key FROM quarantine ORDER BY id") == [
        (1, None),
        (2, None),
        before[2],
    ]
    load(gazette, Rejection("damaged", "read", "cut", "file:///pages", 21, url=LOST))
    assert rows(gazette, "SELECT url_key FROM quarantine WHERE id = 1") == [(url_key(LOST),)]


# --- at a size that matters ------------------------------------------------------------------------------

KEY = "decode(md5(n::text), 'hex')"
COPIES = {
    "articles": {"id": "n", "key": KEY, "page_key": KEY},
    "article_versions": {"article_id": "n"},
    "pages": {
        "id": "n",
        "article_id": "CASE WHEN n % 25 > 0 THEN n END",
        "key": KEY,
        "digest": KEY,
        "url_key": f"CASE WHEN n % 25 > 0 THEN {KEY} ELSE :front END",
    },
    "parts": {"first_record": "n", "uri": "uri || n % 100"},
    "kept_pages": {"digest": KEY},
    "headlines": {"id": "n", "key_digest": KEY, "merged_into": "NULL", "article_id": "n"},
    "headline_variants": {"id": "n", "headline_id": "n", "digest": KEY},
    "headline_totals": {"headline_id": "n"},
    "headline_sightings": {"page_id": "n", "variant_id": "n"},
    "sighting_days": {"variant_id": "n"},
    "link_targets": {"id": "n", "key": KEY},
    "headline_links": {"target_id": "n", "variant_id": "n"},
    "quarantine": {"id": "n", "key": KEY, "url_key": KEY},
}
"""Tables with a row a page or so, or many: one row of each becomes thousands, with these columns changed."""


def fill(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO kept_files (uri) VALUES ('file:///kept')"))
        connection.execute(text("INSERT INTO kept_pages VALUES ('', 0, 1)"))
        part = "INSERT INTO parts VALUES ('f', '', 0, 1, 0, true, 'file:///pages', 1, NULL, 1)"
        connection.execute(text(part))
        for table, changed in COPIES.items():
            names = [column.name for column in metadata.tables[table].columns if column.computed is None]
            values = ", ".join(changed.get(name, name) for name in names)
            filled = text(
                f"INSERT INTO {table} ({', '.join(names)}) OVERRIDING SYSTEM VALUE SELECT {values}"
                f" FROM (SELECT * FROM {table} LIMIT 1) one, generate_series(1000, 39999) n"
            )
            connection.execute(filled, {"front": url_key(FRONT)} if table == "pages" else {})
        connection.execute(text("ANALYZE"))


def asked_by(engine: Engine, questions: Iterable[Callable[[], object]]) -> Iterator[tuple[str, Any]]:
    """The statements of questions, with what is bound to them."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _k: object, statement: str, values: Any, *_rest: object) -> None:
        asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    for question in questions:
        assert question() is not None
    event.remove(engine, "before_cursor_execute", note)
    yield from asked


def test_nothing_is_searched_from_end_to_end(gazette: Engine) -> None:
    ferry = the_id(gazette, "SELECT article_id FROM pages WHERE origin_record = 2 AND id < 100")
    headline = headline_id(gazette, CUT.text)
    fill(gazette)
    questions: list[Callable[[], object]] = [
        *(lambda n=number: why_article(gazette, n) for number in (ferry, 5000)),
        *(lambda n=number: why_headline(gazette, n) for number in (headline, 5000)),
        *(lambda n=number: why_page(gazette, n) for number in (1, 5000)),
        *(lambda n=number: why_quarantined(gazette, n) for number in (1, 5000)),
        *(lambda url=url: why_url(gazette, url) for url in (FERRY, LOST, FRONT, str(LIVE[0].href))),
    ]
    statements = list(asked_by(gazette, questions))
    assert len(statements) > 25
    with gazette.connect() as connection:
        for statement, values in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars().all()
            read_whole = {match[1] for line in plan if (match := re.search(r"Seq Scan on (\w+)", line))}
            assert read_whole <= {"runs", "batches", "kept_files"}, "\n".join([statement, str(values), *plan])


@pytest.mark.parametrize("find", [why_article, why_headline, why_page, why_quarantined])
def test_what_is_not_there_is_none(newsroom: Engine, find: Callable[[Engine, int], object]) -> None:
    assert [find(newsroom, number) for number in (0, 10**30)] == [None, None]


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
