"""Loading batches into a real Postgres."""

from __future__ import annotations

import itertools
import random
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from captures import empty, extracted, load, of, rows
from content import content
from psycopg.pq import TransactionStatus
from runs import enter_run
from sqlalchemy import Connection, Engine, create_engine, event, text

from schemas.errors import LoadError, TransientLoadError
from schemas.records import (
    Batch,
    Counts,
    ExtractedPage,
    Extraction,
    Headline,
    Input,
    LoadReport,
    Part,
    Rejection,
)
from schemas.tables import SIGHTINGS_PARTITION_PAGES
from tasks.load import load_batch
from tasks.settle import settle

MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)

FERRY = Headline("Ferry to Dol delayed", "Explore", "Bo Lind", "https://gazette.example/ferry?utm_source=x")
TOLL = Headline("Toll doubles", "Most read", None, None)
NOTHING: dict[str, Any] = {
    "extraction": Extraction(is_article=False, reason="listing"),
    "article_key": None,
    "headline_keys": (),
}


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
    assert rows(
        database,
        "SELECT title, summary, authors, published_on::text, published_at, updated_on, read_minutes, body,"
        " provenance, url, word_count, fetched_at FROM articles",
    ) == [
        (
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
    ]


# --- outcomes ---------------------------------------------------------------------------------------


def test_every_outcome(database: Engine) -> None:
    monday = extracted(1, fetched_at=MONDAY)
    assert load(database, monday).counts == Counts(read=1, loaded=1)
    assert load(database, monday).counts == Counts(read=1, unchanged=1)
    assert load(database, extracted(1, fetched_at=TUESDAY)).counts == Counts(read=1, duplicate=1)
    assert load(database, extracted(1, title="Storks leave", fetched_at=WEDNESDAY)).counts == Counts(
        read=1, updated=1
    )
    older = extracted(1, title="Storks are expected", fetched_at=MONDAY - timedelta(days=1))
    assert load(database, older).counts == Counts(read=1, duplicate=1)
    listing = extracted(2, is_article=False, reason="listing")
    assert load(database, listing).counts == Counts(read=1, non_article=1)
    assert load(database, listing).counts == Counts(read=1, unchanged=1)
    rejection = Rejection("timeout", "extract", "20 s", "file:///pages", 9, content=b"slow")
    assert load(database, rejection).counts == Counts(read=1, quarantined=1)
    assert rows(database, "SELECT title FROM articles") == [("Storks leave",)]
    assert len(rows(database, "SELECT FROM article_versions")) == 3
    assert len(rows(database, "SELECT FROM pages WHERE article_id IS NOT NULL")) == 4


def test_outcomes_within_one_batch(database: Engine) -> None:
    report = load(
        database,
        extracted(1, fetched_at=MONDAY),
        extracted(1, fetched_at=MONDAY),
        extracted(1, title="Storks leave", fetched_at=TUESDAY),
        extracted(1, title="Storks are expected", fetched_at=None),
        extracted(2, is_article=False),
        extracted(3),
    )
    assert report.counts == Counts(read=6, loaded=2, updated=1, duplicate=1, unchanged=1, non_article=1)
    assert rows(database, "SELECT title FROM articles ORDER BY title") == [
        ("Storks leave",),
        ("Storks return to Dol",),
    ]


def test_newer_fields_replace_older_ones_though_the_text_is_the_same(database: Engine) -> None:
    load(database, extracted(1, fetched_at=MONDAY, section="News"))
    load(database, extracted(1, fetched_at=TUESDAY, section="Nature"))
    load(database, extracted(1, fetched_at=MONDAY - timedelta(days=1), section="Birds"))
    assert rows(database, "SELECT section, fetched_at FROM articles") == [("Nature", TUESDAY)]


def test_the_report_and_its_row_agree(database: Engine) -> None:
    rejection = Rejection("timeout", "extract", "20 s", "file:///pages", 9, content=b"slow")
    report = load(database, extracted(1, headlines=[FERRY, TOLL]), rejection)
    assert report == LoadReport(
        counts=Counts(read=2, loaded=1, quarantined=1),
        quarantined_by_reason={"timeout": 1},
        sightings=2,
    )
    assert rows(
        database, "SELECT read, loaded, quarantined, quarantined_by_reason, sightings, ignored FROM batches"
    ) == [(2, 1, 1, {"timeout": 1}, 2, 0)]


def test_outcomes_that_do_not_add_up_fail_the_batch(database: Engine) -> None:
    run_id = enter_run(database)
    wrong = replace(of(extracted(1)), read=2)
    with pytest.raises(LoadError, match="do not add up"):
        load_batch(database, Batch(1), wrong, run_id=run_id, extractor="1")
    assert rows(database, "SELECT FROM pages") == []
    with pytest.raises(Exception, match="batches_outcomes_check"), database.begin() as connection:
        connection.execute(
            text(f"INSERT INTO batches (run_id, number, extractor, read) VALUES ({run_id}, 2, '1', 1)")
        )


def test_the_same_batch_of_a_run_is_loaded_once(database: Engine) -> None:
    """The answer to a commit may get lost with the connection: the retry must tell the same."""
    run_id = enter_run(database)
    part = Part(Input("file:///pages", "f1", "html"), 0, 1)
    result = of(extracted(1, headlines=[FERRY]))
    first = load_batch(database, Batch(1, parts=(part,)), result, run_id=run_id, extractor="1")
    before = content(database)
    assert load_batch(database, Batch(1, parts=(part,)), result, run_id=run_id, extractor="1") == first
    assert content(database) == before


# --- order and company ------------------------------------------------------------------------------


def captures(seed: int, number: int) -> list[ExtractedPage]:
    """Captures of a dozen articles with sidebars that share headlines, some seen again."""
    choose = random.Random(seed)
    shared = [
        Headline(
            f"Headline {n % 9} of the week{' in full' * (n % 2)}",
            f"List {n % 3}",
            None,
            f"https://a.example/{n}",
        )
        for n in range(12)
    ] + [Headline("Headline 4 of the we…"), Headline("HEADLINE 4 of the week"), FERRY, TOLL]
    made = {}
    for _ in range(number):
        article = choose.randrange(12)
        page = extracted(
            article,
            url=f"https://{'abc'[article % 3]}.example/{article}",
            title=f"Title {choose.randrange(3)} of {article}",
            fetched_at=choose.choice([None, *(MONDAY + timedelta(hours=h) for h in range(6))]),
            section=f"Section {choose.randrange(3)}",
            is_article=article > 1,
            headlines=choose.sample(shared, 5),
        )
        made[page.key] = page
    return list(made.values())


def in_batches(pages: Sequence[ExtractedPage], size: int) -> list[Sequence[ExtractedPage]]:
    return [pages[start : start + size] for start in range(0, len(pages), size)]


def test_any_order_and_any_batches_give_the_same(database: Engine) -> None:
    pages = captures(1, 80)
    seen = []
    for seed, size in [(0, 60), (1, 7), (2, 1), (3, 20)]:
        empty(database)
        shuffled = random.Random(seed).sample(pages, len(pages))
        for batch in in_batches(shuffled, size):
            load(database, *batch)
            if seed % 2:
                settle(database)
        settle(database)
        seen.append(content(database))
    assert all(other == seen[0] for other in seen[1:])
    assert len(seen[0]["headline_sightings"]) == 5 * len(pages)
    shown = seen[0]["headlines"]
    assert any("'merged_into': None" not in row for row in shown), (
        "nothing was merged: the test shows too little"
    )
    assert any("'article_id': None" not in row for row in shown), (
        "nothing was linked: the test shows too little"
    )


def test_loaders_side_by_side(database: Engine) -> None:
    """Four loaders with overlapping pages, and a settle that does not wait: no deadlock, the same rows."""
    pages = captures(2, 400)
    for batch in in_batches(pages, 25):
        load(database, *batch)
    settle(database)
    alone = content(database)
    empty(database)

    def work(seed: int) -> list[LoadReport]:
        mine = random.Random(seed).sample(pages, len(pages))
        return [load(database, *batch) for batch in in_batches(mine, 25)]

    done = threading.Event()

    def keep_settling() -> None:
        while not done.is_set():
            settle(database)

    with ThreadPoolExecutor(5) as pool:
        settling = pool.submit(keep_settling)
        try:
            reports = list(itertools.chain(*pool.map(work, range(4))))
        finally:
            done.set()
        settling.result()
    settle(database)
    together = sum((report.counts for report in reports), Counts())
    assert content(database) == alone
    assert together.balanced
    assert together.read == 4 * len(pages)
    assert together.loaded == len(alone["articles"])
    assert together.read - together.unchanged == len(alone["pages"])


# --- sidebar headlines ------------------------------------------------------------------------------


def test_sightings_say_where_how_and_by_whom(database: Engine) -> None:
    load(database, extracted(1, fetched_at=MONDAY, headlines=[FERRY, TOLL, FERRY]))
    assert rows(
        database,
        """
        SELECT g.position, v.text, t.url, l.text, b.text
        FROM headline_sightings g
        JOIN headline_variants v ON v.id = g.variant_id
        LEFT JOIN link_targets t ON t.id = g.target_id
        LEFT JOIN sidebar_labels l ON l.id = g.label_id
        LEFT JOIN bylines b ON b.id = g.byline_id
        ORDER BY g.position
        """,
    ) == [
        (1, FERRY.text, "https://gazette.example/ferry", "Explore", "Bo Lind"),
        (2, TOLL.text, None, "Most read", None),
        (3, FERRY.text, "https://gazette.example/ferry", "Explore", "Bo Lind"),
    ]


def test_sightings_come_with_new_pages_only(database: Engine) -> None:
    page = extracted(1, fetched_at=MONDAY, headlines=[FERRY])
    assert load(database, page, page).sightings == 1
    assert load(database, page).sightings == 0
    assert load(database, replace(page, extraction=replace(page.extraction, headlines=[TOLL]))).sightings == 0
    assert load(database, extracted(1, fetched_at=TUESDAY, headlines=[FERRY])).sightings == 1
    assert len(rows(database, "SELECT FROM headline_sightings")) == 2
    assert rows(database, "SELECT text FROM headline_variants") == [(FERRY.text,)]


def test_the_next_partition_is_there_before_it_is_needed(database: Engine) -> None:
    def partitions() -> list[str]:
        return [
            name
            for (name,) in rows(database, "SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1")
            if name.startswith("headline_sightings_p") and "idx" not in name
        ]

    assert partitions() == ["headline_sightings_p0"]
    with database.begin() as connection:
        connection.execute(text(f"SELECT setval('pages_id_seq', {SIGHTINGS_PARTITION_PAGES - 2})"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: load(database, extracted(n, headlines=[FERRY, TOLL])), range(6)))
    assert partitions() == ["headline_sightings_p0", "headline_sightings_p1"]
    assert rows(database, "SELECT count(*) FROM headline_sightings_p1") == [(10,)]
    indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'headline_sightings_p"
    assert rows(database, indexes + "1'") == rows(database, indexes + "0'") == [(2,)]


# --- what the database refuses ----------------------------------------------------------------------


def test_refused_pages_are_quarantined_alone(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT polite CHECK (title NOT LIKE '%rude%')"))
    pages = [
        extracted(n, title=f"A rude title {n}" if n in (3, 4, 17) else None, headlines=[FERRY])
        for n in range(20)
    ]
    report = load(database, *pages)
    assert report.counts == Counts(read=20, loaded=17, quarantined=3)
    assert report.quarantined_by_reason == {"refused": 3}
    assert report.sightings == 17
    entries = rows(database, "SELECT origin_record, stage, detail, digest FROM quarantine ORDER BY 1")
    assert [entry[0] for entry in entries] == [3, 4, 17]
    assert all(entry[1] == "load" and "polite" in entry[2] for entry in entries)
    assert entries[0][3] == pages[3].digest


def test_finding_refused_pages_takes_no_more_locks_than_a_load(database: Engine) -> None:
    """One for each table made anew would be several a page; the server has room for a few thousand."""
    most: list[int] = []

    def locks(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        if cursor.connection.info.transaction_status != TransactionStatus.INERROR:
            asked = cursor.connection.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()")
            most[-1] = max(most[-1], *asked.fetchone())

    def load_refused(pages: Sequence[ExtractedPage]) -> int:
        most.append(0)
        event.listen(database, "before_cursor_execute", locks)
        try:
            return load(database, *pages).counts.quarantined
        finally:
            event.remove(database, "before_cursor_execute", locks)

    with database.begin() as connection:
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT polite CHECK (title NOT LIKE '%rude%')"))
    for count in (8, 64):
        pages = [extracted(1000 * count + n, title="A rude title" if n % 2 else None) for n in range(count)]
        assert load_refused(pages) == count // 2
    few, many = most
    assert many < few + 3 * 64, most


@pytest.mark.parametrize("replacing", [False, True], ids=["loaded", "read again"])
def test_pages_are_refused_that_only_others_rule_out(database: Engine, replacing: bool) -> None:
    """Each of them fits alone. The first of a title stays, and the rest is as if the others had not come."""
    pages = [
        extracted(n, title=f"Title {n % 5}", fetched_at=MONDAY, headlines=[FERRY], is_article=n != 3)
        for n in range(8)
    ]
    pages.append(extracted(1, title="Title 1 again", fetched_at=TUESDAY))
    fitting = [page for page in pages if page.origin_record not in (5, 6, 7)]

    def reports(batch: Sequence[ExtractedPage]) -> LoadReport:
        empty(database)
        if replacing:
            load(database, *(replace(page, **NOTHING) for page in pages))
        run_id = enter_run(database)
        again = Batch(1, replace=replacing)
        return load_batch(database, again, of(*batch), run_id=run_id, extractor="2")

    with database.begin() as connection:
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT once UNIQUE (title)"))
    expected = reports(fitting).counts
    wanted = content(database)["articles"]
    report = reports(pages)
    assert report.counts == replace(expected, read=expected.read + 3, quarantined=3)
    assert content(database)["articles"] == wanted
    assert [row[0] for row in rows(database, "SELECT origin_record FROM quarantine ORDER BY 1")] == [5, 6, 7]


@pytest.mark.parametrize("first", [0, 1])
def test_pages_that_fit_only_one_after_the_other(database: Engine, first: int) -> None:
    """One title moves to another article: a statement that changes both may do it in the wrong order."""
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT once UNIQUE (title)"))
    load(database, *(extracted(n, title=f"Title {n}", fetched_at=MONDAY) for n in (0, 1)))
    moved = [
        extracted(n, title=t, fetched_at=TUESDAY) for n, t in ((first, "New"), (1 - first, f"Title {first}"))
    ]
    assert load(database, *moved).counts == Counts(read=2, updated=2)


def test_what_the_database_complains_of_is_told_without_what_pages_say(database: Engine) -> None:
    """PostgreSQL's detail quotes whole rows, its message and its context the value."""
    secret = "https://gazette.example/?token=Hunter2"
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT polite CHECK (title NOT LIKE '%rude%')"))
        connection.execute(text("ALTER TABLE pages ADD CONSTRAINT known UNIQUE (origin_record)"))
        connection.execute(text("ALTER TABLE parts ADD CONSTRAINT short CHECK (byte_count < 10)"))
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT number CHECK (section::smallint > 0)"))
    load(database, extracted(3, url=secret, title=secret))
    load(
        database,
        extracted(1, url=f"{secret}1", title=f"A rude {secret}"),
        extracted(2, url=f"{secret}2", section=secret),
        extracted(3, url=f"{secret}3"),
    )
    assert rows(database, "SELECT detail FROM quarantine ORDER BY origin_record") == [
        ('new row for relation "articles" violates check constraint "polite"',),
        ('invalid input syntax for type smallint: "…"',),
        ('duplicate key value violates unique constraint "known" (table pages)',),
    ]
    part = Part(Input(secret, "f1", "html"), 0, 1, byte_count=99)
    with pytest.raises(LoadError) as refused:
        load(database, extracted(4, url=secret), parts=(part,))
    told = "".join(traceback.format_exception(refused.value))
    assert "short" in str(refused.value) and secret not in told


def test_values_that_no_column_holds(database: Engine) -> None:
    """A name of a source that no index takes, a reading time beyond the integers."""
    unlikely = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyzäöüß", k=20_000))
    report = load(
        database,
        extracted(1),
        replace(extracted(2), source=unlikely),
        extracted(3, read_minutes=10**12),
    )
    assert report.counts == Counts(read=3, loaded=1, quarantined=2)
    assert rows(database, "SELECT detail FROM quarantine WHERE origin_record = 3") == [
        ('value "…" is out of range for type integer (COPY staged_articles, line 1, column read_minutes)',)
    ]


def test_hostile_text_is_stored_without_what_postgres_cannot_hold(database: Engine) -> None:
    bad = "a\0b\ud800c"
    page = extracted(
        1,
        title=bad,
        body=(bad, "\n\n \n", "x" * 3_000_000, "word " * 300_000),
        url=f"https://gazette.example/{'x' * 5000}\0\udfff",
        headlines=[
            Headline(bad, bad, bad, bad),
            Headline("y" * 100_000, None, None, f"https://a.example/{'z' * 9999}"),
        ],
        authors=[bad],
        published_at="0000-00-00",
        updated_at="9999-12-31T23:59-14:00",
        published_raw=bad,
        provenance={bad: bad},
        reason=bad,
    )
    page = replace(page, origin_uri=f"file:///{bad}", source=bad)
    rejection = Rejection("timeout", "extract", bad, bad, 1, bad, None, None, bad, bad, b"\0")
    assert load(database, page, rejection).counts == Counts(read=2, loaded=1, quarantined=1)
    assert rows(database, "SELECT title, authors, published_on, published_raw FROM articles") == [
        ("ab?c", ["ab?c"], None, "ab?c")
    ]
    settle(database)
    assert len(rows(database, "SELECT FROM headlines")) == 2
    assert load(database, page).counts == Counts(read=1, unchanged=1)


# --- quarantine -------------------------------------------------------------------------------------


def test_quarantine_entries_are_not_multiplied(database: Engine) -> None:
    slow = Rejection("timeout", "extract", "20 s", "file:///pages", 9, content=b"slow", source="gazette")
    cut = Rejection("damaged", "read", "cut", "file:///pages", 10)
    load(database, slow, cut, slow)
    first = rows(
        database, "SELECT id, reason, attempts, first_seen_at FROM quarantine ORDER BY origin_record"
    )
    assert [(row[1], row[2]) for row in first] == [("timeout", 2), ("damaged", 1)]
    load(database, replace(slow, reason="memory"), cut)
    again = rows(
        database, "SELECT id, reason, attempts, first_seen_at FROM quarantine ORDER BY origin_record"
    )
    assert [(row[0], row[3]) for row in again] == [(row[0], row[3]) for row in first]
    assert [(row[1], row[2]) for row in again] == [("memory", 3), ("damaged", 2)]


def test_pages_that_load_after_all_are_resolved(database: Engine) -> None:
    page = extracted(1)
    slow = Rejection(
        "timeout", "extract", "20 s", "file:///other", 9, url=page.url, content=b"Storks return to Dol"
    )
    cut = Rejection("damaged", "read", "cut", page.origin_uri, page.origin_record)
    other = Rejection("damaged", "read", "cut", page.origin_uri, page.origin_record + 1)
    load(database, slow, cut, other)
    load(database, page)
    resolved = "SELECT reason, origin_record FROM quarantine WHERE resolved_at IS NOT NULL"
    assert rows(database, resolved) == [("damaged", 1)]
    load(database, cut)
    assert rows(database, resolved) == []


# --- the database goes away -------------------------------------------------------------------------


def test_a_lost_connection_is_transient_and_leaves_nothing(database: Engine) -> None:
    """The server ends the connection at each statement of a load in turn; the retry succeeds."""
    page = extracted(1, headlines=[FERRY])
    run_id = enter_run(database)
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    event.listen(database, "before_cursor_execute", count)
    load_batch(database, Batch(2), of(extracted(2, headlines=[TOLL])), run_id=run_id, extractor="1")
    event.remove(database, "before_cursor_execute", count)
    before = content(database)
    for cut_at in range(1, statements + 1):
        reached = 0

        def cut(connection: Any, *_: Any, cut_at: int = cut_at) -> None:
            nonlocal reached
            reached += 1
            if reached == cut_at:
                pid = connection.connection.driver_connection.info.backend_pid
                with psycopg.connect(connection.connection.driver_connection.info.dsn) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

        event.listen(database, "before_cursor_execute", cut)
        with pytest.raises(TransientLoadError):
            load_batch(database, Batch(1), of(page), run_id=run_id, extractor="1")
        event.remove(database, "before_cursor_execute", cut)
        assert content(database) == before
    assert load_batch(database, Batch(1), of(page), run_id=run_id, extractor="1").counts.loaded == 1


def test_a_server_that_is_not_there_is_transient() -> None:
    nowhere = create_engine("postgresql+psycopg://nobody@/nothing?host=/nonexistent")
    with pytest.raises(TransientLoadError):
        load_batch(nowhere, Batch(1), of(), run_id=1, extractor="1")


def test_other_errors_are_not(database: Engine) -> None:
    with pytest.raises(LoadError, match="batches_run_id_fkey") as caught:
        load_batch(database, Batch(1), of(extracted(1)), run_id=404, extractor="1")
    assert not isinstance(caught.value, TransientLoadError)


@pytest.mark.parametrize(("rest", "entered"), [(True, 1), (False, 2)])
def test_a_part_with_records_nobody_read_is_not_entered(database: Engine, rest: bool, entered: int) -> None:
    dump = Input("file:///pages.jsonl", "f" * 32, "jsonl")
    parts = tuple(Part(dump, first_record=first, record_count=300) for first in (0, 300))
    died = Rejection("worker_died", "read", "ended by SIGKILL", dump.uri, 305, rest=rest)
    run_id = enter_run(database)
    load_batch(database, Batch(1, parts=parts), of(died), run_id=run_id, extractor="1")
    assert rows(database, "SELECT count(*) FROM parts") == [(entered,)]
