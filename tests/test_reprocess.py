"""Pages read again by another extractor: what is stored is what that one alone would have loaded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from captures import empty, extracted, of, rows
from click.testing import CliRunner
from content import content, differences
from runs import enter_run
from sqlalchemy import Engine, event, text

from flows.cli import broadsheet as cli
from schemas.errors import TransientLoadError
from schemas.records import (
    Batch,
    Counts,
    ExtractedPage,
    Extraction,
    Headline,
    LoadReport,
    Selection,
)
from schemas.settings import Settings
from schemas.tables import SIGHTINGS_PARTITION_PAGES
from tasks.archive import Archive
from tasks.batch import extract_batch
from tasks.dedupe import article_key, headline_key, story_key
from tasks.extract import EXTRACTOR_VERSION
from tasks.ledger import KnownParts
from tasks.load import load_batch
from tasks.maintain import maintain
from tasks.plan import NothingKnown, pack, plan
from tasks.postgres.database import open_database
from tasks.postgres.partitions import drop_partition, old_partitions
from tasks.recover import Unavailable
from tasks.reprocess import Barrier, reprocess
from tasks.settle import _STEPS, BATCHES_AT_ONCE, _Noted, settle

MONDAY = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
TEXTS = [
    "Ferry to Dol delayed by storm",
    "FERRY TO DOL DELAYED BY STORM",
    "Ferry to Dol delayed by …",
    "Ferry to Dol d…",
    "Ferry to Dol delayed by strike",
    "Storks return to the tower of Dol",
    "Storks return to the t…",
    "Live updates",
    "Live updates | Gazette",
]
HOSTS = ("gazette.example", "courier.example")
PATHS = ("ferry", "storks", "live/1", "live/2", "live/3")
TARGETS = [None, "/ferry", *(f"https://{host}/{path}" for host in HOSTS for path in PATHS)]
SETTLING = _STEPS["settling_batches"]
assert isinstance(SETTLING, _Noted)
NEVER_DROPPED = ("sources", "sidebar_labels", "bylines")
"""Small dictionaries: words that nothing shows any more may stay."""


def read(page: ExtractedPage, found: Extraction) -> ExtractedPage:
    """The page as an extractor reads it that finds this."""
    return replace(
        page,
        extraction=found,
        article_key=article_key(found, page.url) if found.is_article else None,
        story_key=story_key(found) if found.is_article else None,
        headline_keys=tuple(headline_key(headline.text) for headline in found.headlines),
        title_key=headline_key(found.title) if found.is_article and found.title else None,
    )


def add(engine: Engine, pages: Sequence[ExtractedPage], extractor: str = "1", **options: bool) -> LoadReport:
    run_id = enter_run(engine, extractor=extractor)
    return load_batch(engine, Batch(1, **options), of(*pages), run_id=run_id, extractor=extractor)


def again(engine: Engine, *pages: ExtractedPage) -> Counts:
    """Read pages again by extractor 2, as one batch."""
    return add(engine, pages, "2", replace=True).counts


def to_be_read(engine: Engine) -> set[bytes]:
    return {key for (key,) in rows(engine, "SELECT key FROM pages WHERE extractor <> '2'")}


def finish(engine: Engine, pages: Iterable[ExtractedPage]) -> None:
    """Read again what is left, and what became due by that."""
    by_key = {page.key: page for page in pages}
    while left := to_be_read(engine):
        for key in sorted(left):
            again(engine, by_key[key])
    settle(engine)


def assert_same(engine: Engine, expected: dict[str, list[str]]) -> None:
    found = content(engine)
    wrong = [line for line in differences(expected, found) if not line.startswith(ALLOWED)]
    assert not wrong, "\n".join(wrong)


ALLOWED = tuple(f"+ {table} " for table in NEVER_DROPPED)


# --- any pages, read in two ways --------------------------------------------------------------------


def some_pages(choose: random.Random, number: int) -> list[ExtractedPage]:
    made = []
    for n in range(number):
        page = extracted(
            n,
            title=str(choose.randrange(100)),
            body=(str(n),),
            url=f"https://{choose.choice(HOSTS)}/{choose.choice(PATHS)}",
            fetched_at=choose.choice([None, *(MONDAY + timedelta(hours=hours) for hours in (0, 1, 2, 48))]),
        )
        without_url = choose.random() < 0.15
        made.append(
            replace(
                page,
                url=None if without_url else page.url,
                source=choose.choice([None, "gazette", "courier"]),
            )
        )
    return list({page.key: page for page in made}.values())


def a_reading(choose: random.Random, page: ExtractedPage) -> ExtractedPage:
    host = choose.choice(HOSTS) if page.url is None else page.url.split("/")[2]
    headlines = [
        Headline(
            choose.choice(TEXTS),
            choose.choice([None, "Explore", "Most read"]),
            choose.choice([None, "Bo Lind"]),
            choose.choice(TARGETS),
        )
        for _ in range(choose.choice([0, 1, 3, 5]))
    ]
    if choose.random() < 0.3:
        reason = choose.choice(["listing", "consent"])
        return read(page, Extraction(is_article=False, reason=reason, headlines=headlines))
    return read(
        page,
        Extraction(
            is_article=True,
            title=choose.choice([*TEXTS, None]),
            summary=choose.choice([None, "A standfirst."]),
            authors=choose.choice([[], ["Ana Kos"]]),
            section=choose.choice(["World", "Nature"]),
            canonical_url=choose.choice([None, f"https://{host}/{choose.choice(PATHS)}"]),
            body=[choose.choice(["It is late.", "It is very late.", "They are back."])],
            word_count=3,
            headlines=headlines,
        ),
    )


def otherwise(choose: random.Random, page: ExtractedPage) -> ExtractedPage:
    """The page as another extractor might have read it: the same, a little different, or wholly."""
    kind = choose.random()
    if kind < 0.25:
        return page
    if kind < 0.5:
        return a_reading(choose, page)
    found = page.extraction
    changes = [
        {"headlines": found.headlines[1:]},
        {"headlines": choose.sample(found.headlines, len(found.headlines))},
        {"headlines": [*found.headlines, Headline(choose.choice(TEXTS))]},
        {"title": choose.choice(TEXTS)},
        {"canonical_url": None},
        {"authors": ["Someone Else"]},
    ]
    return read(page, replace(found, **choose.choice(changes)))  # type: ignore[arg-type]


def batches(choose: random.Random, pages: Sequence[ExtractedPage]) -> Iterable[list[ExtractedPage]]:
    left = choose.sample(pages, len(pages))
    while left:
        size = choose.randint(1, max(1, len(left)))
        yield left[:size]
        left = left[size:]


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_clean_load(database: Engine, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = random.Random(seed)
    if seed % 2:  # so that some that was taken back waits while other batches are settled
        query = SETTLING.query.replace(f"LIMIT {BATCHES_AT_ONCE}", "LIMIT 1")
        monkeypatch.setitem(_STEPS, "settling_batches", replace(SETTLING, query=query))
    pages = [a_reading(choose, page) for page in some_pages(choose, choose.choice([4, 8, 20]))]
    add(database, pages, "2")
    settle(database)
    clean = content(database)
    empty(database)

    known = choose.sample(pages, choose.randint(1, len(pages)))
    for batch in batches(choose, known):
        add(database, [otherwise(choose, page) for page in batch])
        if choose.random() < 0.5:
            settle(database)
    some_again = choose.sample(known, choose.randint(0, len(known)))
    work = [(batch, True) for part in (known, some_again) for batch in batches(choose, part)]
    work += [(batch, False) for batch in batches(choose, [page for page in pages if page not in known])]
    for batch, is_known in choose.sample(work, len(work)):
        counts = again(database, *batch) if is_known else add(database, batch, "2").counts
        assert counts.balanced
        if choose.random() < 0.3:
            settle(database)
    finish(database, pages)
    assert_same(database, clean)
    assert rows(database, "SELECT FROM retracted_sightings UNION ALL SELECT FROM retracted_claims") == []
    for page in pages:
        assert again(database, page) == Counts(read=1, unchanged=1)


# --- one thing at a time ----------------------------------------------------------------------------

FERRY = Headline("Ferry to Dol delayed by storm", "Explore", None, "https://gazette.example/ferry")
STORKS = Headline("Storks return to the tower of Dol", "Explore", None, "https://gazette.example/storks")


def listing(number: int, *headlines: Headline, fetched_at: datetime | None = MONDAY) -> ExtractedPage:
    return extracted(number, title=None, is_article=False, headlines=headlines, fetched_at=fetched_at)


def lists(page: ExtractedPage, *headlines: Headline) -> ExtractedPage:
    return read(page, replace(page.extraction, headlines=list(headlines)))


def says(page: ExtractedPage, **fields: object) -> ExtractedPage:
    return read(page, replace(page.extraction, **fields))  # type: ignore[arg-type]


def test_each_page_has_one_outcome(database: Engine) -> None:
    pages = [extracted(n, fetched_at=MONDAY, headlines=[FERRY]) for n in range(8)]
    add(database, pages)
    settle(database)
    counts = again(
        database,
        pages[0],
        says(pages[1], title="Storks leave"),
        says(pages[2], authors=["Ana Kos"]),
        says(pages[3], is_article=False, reason="listing"),
        says(pages[4], canonical_url="https://gazette.example/news/40"),
        says(pages[5], canonical_url="https://gazette.example/news/0"),
        lists(pages[6], STORKS),
        says(pages[7], canonical_url="https://gazette.example/news/40"),
    )
    # 4 and 7 are one new article; 5 may or may not lead that of page 0, by the digests of their keys.
    assert (counts.loaded, counts.non_article, counts.unchanged) == (1, 1, 1)
    assert counts.updated + counts.duplicate == 5
    assert rows(database, "SELECT count(*) FROM pages WHERE extractor = '2'") == [(8,)]


def test_what_did_not_change_keeps_its_batch_and_writes_nothing(database: Engine) -> None:
    page = extracted(1, fetched_at=MONDAY, headlines=[FERRY])
    add(database, [page])
    settle(database)
    queries = (
        "SELECT id, batch_id FROM pages",
        "SELECT ctid::text, xmin::text FROM articles",
        "SELECT ctid::text, xmin::text FROM headline_sightings",
        "SELECT ctid::text, xmin::text FROM sighting_days",
    )
    before = [rows(database, query) for query in queries]
    assert again(database, page) == Counts(read=1, unchanged=1)
    settle(database)
    assert [rows(database, query) for query in queries] == before


def test_fields_of_an_article_whose_leader_left_are_read_again(database: Engine) -> None:
    older, newer = (
        extracted(1, fetched_at=MONDAY + timedelta(days=day), section=section, body=(section,))
        for day, section in enumerate(("World", "Nature"))
    )
    add(database, [older, newer])
    settle(database)
    again(database, older)
    assert to_be_read(database) == {newer.key}
    again(database, older, says(newer, canonical_url="https://gazette.example/news/2"))
    article = "SELECT body, section FROM articles WHERE url = 'https://gazette.example/news/1'"
    assert rows(database, article) == [("World", "Nature")]
    assert to_be_read(database) == {older.key}, "its section is not stored: it must be read again"
    again(database, older)
    assert rows(database, article) == [("World", "World")]
    assert to_be_read(database) == set()


def test_an_article_without_pages_goes_or_is_claimed_again(database: Engine) -> None:
    pages = [extracted(n, fetched_at=MONDAY, headlines=[replace(FERRY, href=None)]) for n in (1, 2)]
    pointing = listing(3, Headline("A look at storks", href=str(pages[0].url)))
    add(database, [*pages, pointing])
    settle(database)
    moved = [says(page, is_article=False, reason="consent") for page in pages]
    again(database, *moved, pointing)
    older = extracted(2, fetched_at=MONDAY - timedelta(days=1), body=("Older, but all there is.",))
    assert add(database, [older]).counts.loaded == 1
    settle(database)
    assert rows(database, "SELECT url, body FROM articles") == [
        ("https://gazette.example/news/2", "Older, but all there is.")
    ]
    assert rows(database, "SELECT body FROM article_versions") == [("Older, but all there is.",)]
    assert rows(database, "SELECT article_id, linked_by FROM headlines WHERE text LIKE 'A look%'") == [
        (None, None)
    ]


def test_texts_that_no_page_shows_go_and_cut_forms_detach(database: Engine) -> None:
    cut = Headline("Ferry to Dol delayed by …")
    page = listing(1, FERRY)
    add(database, [page, listing(2, cut)])
    settle(database)
    assert rows(database, "SELECT text FROM headlines WHERE merged_into IS NULL") == [(FERRY.text,)]
    again(database, lists(page, STORKS))
    settle(database)
    assert sorted(rows(database, "SELECT text, merged_into FROM headlines")) == [
        (cut.text, None),
        (STORKS.text, None),
    ]
    assert sorted(rows(database, "SELECT text FROM headline_variants")) == [(cut.text,), (STORKS.text,)]
    assert rows(database, "SELECT url FROM link_targets") == [("https://gazette.example/storks",)]


def test_minima_and_maxima_are_counted_again(database: Engine) -> None:
    pages = [
        listing(n, STORKS, FERRY, fetched_at=MONDAY.replace(hour=6) + timedelta(hours=n)) for n in range(3)
    ]
    add(database, [lists(pages[0], FERRY), *pages[1:]])
    settle(database)
    bounds = (
        "SELECT sightings, best_position, first_seen_at, last_seen_at FROM sighting_days d"
        f" JOIN headline_variants v ON v.id = d.variant_id WHERE v.text = '{FERRY.text}'"
    )
    times = [page.fetched_at for page in pages]
    assert rows(database, bounds) == [(3, 1, times[0], times[2])]
    again(database, lists(pages[0], STORKS))
    settle(database)
    assert rows(database, bounds) == [(2, 2, times[1], times[2])]
    again(database, lists(pages[2], STORKS))
    settle(database)
    assert rows(database, bounds) == [(1, 2, times[1], times[1])]


def test_dropped_sightings_leave_their_sums(database: Engine) -> None:
    """Of pages whose partition is gone nothing is taken back; of the others only what is counted."""
    long_ago = datetime.now(UTC) - timedelta(days=100)
    old = listing(1, FERRY, fetched_at=long_ago)
    add(database, [old])
    with database.begin() as connection:
        connection.execute(
            text("SELECT setval('pages_id_seq', :last)"), {"last": SIGHTINGS_PARTITION_PAGES - 1}
        )
    young = listing(2, FERRY, fetched_at=long_ago + timedelta(minutes=1))
    add(database, [young])
    settle(database)
    assert maintain(database, keep_sightings=90).dropped
    total = "SELECT sightings, first_seen_at, last_seen_at FROM headline_totals ORDER BY 2"
    assert again(database, lists(old, STORKS), lists(young, STORKS)).balanced
    settle(database)
    assert rows(database, total) == [
        (1, long_ago, long_ago + timedelta(minutes=1)),  # the bounds cannot be counted again
        (1, young.fetched_at, young.fetched_at),
    ]
    assert rows(database, "SELECT count(*) FROM headline_sightings") == [(1,)]


def test_a_partition_with_pages_to_be_settled_is_not_dropped(database: Engine) -> None:
    page = listing(1, FERRY, fetched_at=datetime(2020, 1, 1, tzinfo=UTC))
    add(database, [page])
    with database.begin() as connection:
        connection.execute(
            text("SELECT setval('pages_id_seq', :last)"), {"last": SIGHTINGS_PARTITION_PAGES - 1}
        )
    add(database, [listing(2, FERRY)])
    settle(database)
    [chosen] = old_partitions(database, datetime(2021, 1, 1, tzinfo=UTC))
    again(database, lists(page, STORKS))
    assert drop_partition(database, chosen) is None
    settle(database)
    assert drop_partition(database, chosen) is not None


# --- company ----------------------------------------------------------------------------------------


def test_loaders_and_settle_side_by_side(database: Engine) -> None:
    """Two that read again (the same pages), one that loads, one that settles: no deadlock, the same rows."""
    choose = random.Random(7)
    pages = [a_reading(choose, page) for page in some_pages(choose, 120)]
    add(database, pages, "2")
    settle(database)
    clean = content(database)
    empty(database)
    known, new = pages[:80], pages[80:]
    add(database, [otherwise(choose, page) for page in known])
    settle(database)

    def retried(pages: Sequence[ExtractedPage], extractor: str, **options: bool) -> None:
        for _ in range(20):
            try:
                add(database, pages, extractor, **options)
                return
            except TransientLoadError:
                continue
        raise AssertionError("never came to an end")

    def work(number: int) -> None:
        mine = random.Random(number).sample(new if number == 2 else known, 40)
        for start in range(0, len(mine), 8):
            retried(mine[start : start + 8], "2", replace=number < 2)

    done = threading.Event()

    def keep_settling() -> None:
        while not done.is_set():
            settle(database)

    with ThreadPoolExecutor(4) as pool:
        settling = pool.submit(keep_settling)
        try:
            list(pool.map(work, range(3)))
        finally:
            done.set()
        settling.result()
    finish(database, pages)
    assert_same(database, clean)


@contextmanager
def once_before(engine: Engine, words: str, act: Callable[[], Any]) -> Iterator[None]:
    """Do something in the middle of a batch: before the first statement in which these words occur."""
    left = [act]

    def listener(_: Any, __: Any, statement: str, *___: Any) -> None:
        if words in statement and left:
            left.pop()()

    event.listen(engine, "before_cursor_execute", listener)
    yield
    event.remove(engine, "before_cursor_execute", listener)
    assert not left, f"no statement with {words}"


@pytest.mark.parametrize("extractor", ["2", "3"])
def test_of_two_that_read_a_page_again_one_tries_again(
    database: Engine, settings: Settings, extractor: str
) -> None:
    """The other, of the same version or not, is done between its looking the page up and its locking it."""
    page = extracted(1, fetched_at=MONDAY, headlines=[FERRY])
    changed = says(lists(page, STORKS), title="Storks leave", canonical_url="https://gazette.example/x")
    add(database, [changed], "2")
    settle(database)
    clean = content(database)
    empty(database)
    add(database, [page])
    settle(database)

    def read_by_the_other() -> None:
        add(database, [changed], extractor, replace=True)

    with (
        open_database(settings) as late,
        once_before(late, "WHERE page_id IS NULL", read_by_the_other),
        pytest.raises(TransientLoadError, match="read the same pages again"),
    ):
        again(late, changed)
    assert again(database, changed) == Counts(read=1, unchanged=1)
    settle(database)
    assert_same(database, clean)


def test_no_sum_is_made_of_rows_that_are_changing(database: Engine, settings: Settings) -> None:
    """Settle comes where a batch has noted what was counted so far, and has not taken it back yet."""
    page = listing(1, FERRY)
    add(database, [lists(page, STORKS)], "2")
    settle(database)
    clean = content(database)
    empty(database)
    add(database, [page])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
    with ThreadPoolExecutor(1) as pool:

        def settle_beside() -> None:
            settling = pool.submit(settle, database)
            while not settling.done() and rows(database, f"{waiting} current_database()") == [(0,)]:
                pass

        with (
            open_database(settings) as other,
            once_before(other, "DELETE FROM headline_sightings", settle_beside),
        ):
            again(other, lists(page, STORKS))
    settle(database)
    assert_same(database, clean)


def test_a_loader_that_waits_for_an_article_that_goes_tries_again(database: Engine) -> None:
    """Settle drops an article that no page names while a loader is about to give it one."""
    page = extracted(1, fetched_at=MONDAY)
    add(database, [page])
    settle(database)
    again(database, says(page, is_article=False, reason="listing"))
    later = extracted(1, fetched_at=MONDAY + timedelta(days=1))
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%articles%'"
    )
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            connection.execute(text("DELETE FROM articles"))
            loading = pool.submit(add, database, [later])
            while rows(database, waiting) == [(0,)]:
                assert not loading.done()
        with pytest.raises(TransientLoadError):
            loading.result()
    assert add(database, [later]).counts.loaded == 1


def test_a_text_that_a_loader_has_in_hand_stays(database: Engine) -> None:
    """The last page that showed it lists something else by now, and a loader is about to commit another."""
    page = listing(1, FERRY)
    add(database, [page])
    settle(database)
    again(database, lists(page, STORKS))
    reached, go_on = threading.Event(), threading.Event()

    def pause(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("UPDATE batches SET read") and not reached.is_set():
            reached.set()
            assert go_on.wait(60)

    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'"
    )
    event.listen(database, "before_cursor_execute", pause)
    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(add, database, [listing(2, FERRY)])
        assert reached.wait(60)
        settling = pool.submit(settle, database)
        while rows(database, waiting) == [(0,)]:
            assert not settling.done()
        go_on.set()
        loading.result()
        settling.result()
    event.remove(database, "before_cursor_execute", pause)
    settle(database)
    assert rows(
        database,
        "SELECT h.text, t.sightings FROM headline_totals t JOIN headlines h ON h.id = headline_id ORDER BY 1",
    ) == [(FERRY.text, 1), (STORKS.text, 1)]
    assert rows(
        database,
        "SELECT count(*) FROM headline_sightings s LEFT JOIN headline_variants v ON v.id = s.variant_id"
        " LEFT JOIN link_targets t ON t.id = s.target_id WHERE v.id IS NULL OR t.id IS NULL",
    ) == [(0,)]


def test_a_lost_connection_leaves_nothing(database: Engine) -> None:
    """The server ends the connection at each statement of a batch in turn; the retry succeeds."""
    page = extracted(1, fetched_at=MONDAY, headlines=[FERRY])
    changed = says(lists(page, STORKS), title="Storks leave", canonical_url="https://gazette.example/x")
    add(database, [page])
    settle(database)
    before = content(database)
    reached, cut_at = 0, 1

    def cut(connection: Any, *_: Any) -> None:
        nonlocal reached
        reached += 1
        if reached == cut_at:
            pid = connection.connection.driver_connection.info.backend_pid
            with psycopg.connect(connection.connection.driver_connection.info.dsn) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    run_id = enter_run(database, kind="backfill", extractor="2")
    while True:
        reached = 0
        event.listen(database, "before_cursor_execute", cut)
        try:
            load_batch(database, Batch(1, replace=True), of(changed), run_id=run_id, extractor="2")
            break
        except TransientLoadError:
            cut_at += 3
        finally:
            event.remove(database, "before_cursor_execute", cut)
        assert content(database) == before
    assert cut_at > 20
    settle(database)
    assert rows(database, "SELECT title, url FROM articles") == [
        ("Storks leave", "https://gazette.example/x")
    ]


def test_what_the_database_refuses_stays_as_it_was(database: Engine) -> None:
    pages = [extracted(n, fetched_at=MONDAY, headlines=[FERRY]) for n in range(4)]
    add(database, pages)
    settle(database)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE articles ADD CONSTRAINT polite CHECK (title NOT LIKE '%rude%')"))
    counts = again(
        database, *(says(page, title=("Rude", "A rude title")[n == 2]) for n, page in enumerate(pages))
    )
    assert counts == Counts(read=4, updated=3, quarantined=1)
    assert to_be_read(database) == {pages[2].key}
    assert rows(database, "SELECT count(*) FROM articles WHERE title = 'Storks return to Dol'") == [(1,)]


# --- which pages, and where their bytes come from ----------------------------------------------------


@pytest.fixture
def archive(settings: Settings) -> Archive:
    return Archive(settings.archive)


@pytest.fixture
def landed(database: Engine, tmp_path: Path) -> Path:
    """Four pages of two outlets and three days in one input, read by version 0."""
    path = tmp_path / "landed.jsonl"
    days = ("2026-03-02T06:00:00Z", "2026-03-03T06:00:00Z", "2026-03-03T23:59:59Z", None)
    lines = [
        {
            "html": f"<html><body><h1>Page {n}</h1><p>Nothing much.</p></body></html>",
            "url": f"https://{('gazette', 'courier')[n % 2]}.example/{n}",
            "fetched_at": day,
            "source": ("Gazette", "Courier")[n % 2],
        }
        for n, day in enumerate(days)
    ]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run_id = enter_run(database, extractor="0")
    for batch in pack(plan([str(path)], Selection(), KnownParts(database)), Selection()):
        assert isinstance(batch, Batch)
        load_batch(database, batch, extract_batch(batch), run_id=run_id, extractor="0")
    return path


def records(engine: Engine, archive: Archive, **wanted: Any) -> list[int]:
    """Numbers of the records that are read again."""
    found = list(reprocess(engine, archive, Selection(**wanted)))
    assert all(batch.replace for batch in found if isinstance(batch, Batch))
    return sorted(page.origin_record for batch in found if isinstance(batch, Batch) for page in batch.pages)


def test_due_pages_are_chosen(database: Engine, archive: Archive, landed: Path) -> None:
    assert records(database, archive) == [0, 1, 2, 3]
    assert records(database, archive, source="Gazette") == [0, 2]
    assert records(database, archive, domains=("courier.example",)) == [1, 3]
    assert records(database, archive, since=date(2026, 3, 3)) == [1, 2]
    assert records(database, archive, until=date(2026, 3, 2)) == [0]
    assert records(database, archive, since=date(2026, 3, 3), source="Gazette") == [2]
    assert len(records(database, archive, limit=3)) == 3


def test_rows_are_walked_a_few_at_a_time(
    database: Engine, archive: Archive, landed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.reprocess.PAGES_AT_ONCE", 1)
    assert records(database, archive) == [0, 1, 2, 3]


def test_what_is_read_again_is_not_due_any_more(database: Engine, archive: Archive, landed: Path) -> None:
    [batch, barrier] = reprocess(database, archive, Selection(limit=3))
    assert isinstance(batch, Batch)
    assert barrier == Barrier()
    run_id = enter_run(database, kind="backfill")
    report = load_batch(database, batch, extract_batch(batch), run_id=run_id, extractor=EXTRACTOR_VERSION)
    assert report.counts == Counts(read=3, unchanged=3)
    assert len(records(database, archive)) == 1


def test_pages_that_are_gone_or_changed_are_unavailable(
    database: Engine, archive: Archive, landed: Path
) -> None:
    lines = landed.read_bytes().splitlines(keepends=True)
    landed.write_bytes(b"".join([*lines[:2], lines[2].replace(b"Nothing", b"Something")]))
    found = list(reprocess(database, archive, Selection()))
    gone = {item.id for item in found if isinstance(item, Unavailable)}
    assert gone == {page_id for (page_id,) in rows(database, "SELECT id FROM pages WHERE origin_record > 1")}
    [batch] = [item for item in found if isinstance(item, Batch)]
    assert [page.origin_record for page in batch.pages] == [0, 1]
    landed.unlink()
    assert records(database, archive) == []


# --- the command ------------------------------------------------------------------------------------

COMMAND = Path(sys.executable).with_name("broadsheet")


def read_by_version_0(engine: Engine, path: Path) -> None:
    """Make it as if an extractor had loaded these pages that finds other things on them."""
    choose = random.Random(3)
    run_id = enter_run(engine, extractor="0")
    planned = pack(plan([str(path)], Selection(), KnownParts(engine)), Selection())
    parts = [batch for batch in planned if isinstance(batch, Batch)]
    assert parts == [], "the ledger knows them"
    for batch in pack(plan([str(path)], Selection(), NothingKnown()), Selection()):
        assert isinstance(batch, Batch)
        result = extract_batch(batch)
        other = replace(result, pages=tuple(otherwise(choose, page) for page in result.pages))
        load_batch(engine, Batch(batch.number, replace=True), other, run_id=run_id, extractor="0")
    settle(engine)


def test_the_command_reads_again_what_another_version_loaded(
    database: Engine, tmp_path: Path, environment: dict[str, str], prefect_server: str
) -> None:
    """From the input, then, once that is gone, from kept pages: the tables are what they were."""

    def broadsheet(*arguments: str | Path) -> Counter[str]:
        done = subprocess.run(
            [COMMAND, *arguments, "--json"],
            env=environment | {"PREFECT_API_URL": prefect_server},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Counter(json.loads(done.stdout)["counts"])

    script = Path(__file__).parent.parent / "scripts" / "make_newsstand.py"
    newsstand = subprocess.run([sys.executable, script], check=True, capture_output=True).stdout
    path = tmp_path / "newsstand.jsonl"
    path.write_bytes(b"".join(newsstand.splitlines(keepends=True)[:120]))
    broadsheet("ingest", path, "--keep-pages", tmp_path / "kept")
    clean = content(database)

    read_by_version_0(database, path)
    assert len(list(differences(clean, content(database)))) > 100
    first = broadsheet("backfill", "--reprocess", "--limit", "50")
    assert 50 <= first["read"] < 120
    path.unlink()
    counts = broadsheet("backfill", "--reprocess")
    assert counts["updated"] > 0 and counts["duplicate"] > 0 and counts["non_article"] > 0, counts
    assert_same(database, clean)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["backfill"], "Name a PATH"),
        (["backfill", "pages", "--reprocess"], "--reprocess takes stored pages"),
        (["backfill", "--reprocess", "--language", "en"], "--reprocess takes stored pages"),
    ],
)
def test_what_to_read_again_is_named_in_one_way(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert complaint in result.output
