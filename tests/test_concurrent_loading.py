"""Loaders side by side: they take their locks in order, and load what one alone would have loaded."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier, Event
from operator import attrgetter, itemgetter

import pytest
from captures import empty, extracted, load, of, rows
from content import content
from runs import enter_run
from sqlalchemy import Engine, text

from schemas.records import Batch, Counts, ExtractedPage, Headline, Rejection
from schemas.settings import Settings
from tasks.load import load_batch
from tasks.postgres.database import open_database
from tasks.settle import settle

LOADERS = 4
SLOTS = 20
PATIENCE = 120
"""Seconds after which a process that waits for the others gives up."""
BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)


def news(seed: int) -> list[ExtractedPage]:
    """Captures that have everything in common that pages can have: sources, articles, texts, links.

    What is new to one page is new to its neighbours, too: loaders that go along meet at the same rows.
    """
    choose = random.Random(seed)
    pages = {}
    for number in range(300):
        story = number // 2 + choose.randrange(30)
        listed = [sidebar_headline(number + choose.randrange(90), choose) for _ in range(SLOTS)]
        page = extracted(
            story,
            url=f"https://site-{story % 3}.example/{story}",
            title=wording(story),
            body=(f"Edition {choose.randrange(3)} of the story.", "What else is known of it."),
            fetched_at=choose.choice([None, *(BEGIN + timedelta(hours=7 * n) for n in range(30))]),
            section=f"Section {choose.randrange(3)}",
            is_article=story % 5 > 0,
            headlines=listed,
        )
        pages[page.key] = replace(page, source=f"Source {story % 3}", origin_record=number)
    return list(pages.values())


def wording(number: int) -> str:
    return f"Headline number {number} about the ferry to Dol and its {number % 7} crossings"


def sidebar_headline(number: int, choose: random.Random) -> Headline:
    """One of the forms, lists, bylines and targets of a headline; every tenth is the same text."""
    plain = wording(number) if number % 10 else "Live updates"
    forms = (plain, plain.upper(), f"{plain} | Gazette", plain[: 30 + number % 9] + "…")
    href = choose.choice([f"https://site-{number % 3}.example/{number}", None])
    byline = choose.choice([None, f"Author {number}"])
    return Headline(choose.choice(forms), f"List {number % 4}", byline, href)


def load_in_batches(engine: Engine, pages: list[ExtractedPage], size: int) -> Counts:
    run_id = enter_run(engine)
    counts = Counts()
    for number, start in enumerate(range(0, len(pages), size), 1):
        result = of(*pages[start : start + size])
        counts += load_batch(engine, Batch(number), result, run_id=run_id, extractor="1").counts
    return counts


# --- what the processes run -------------------------------------------------------------------------

_settings: Settings
_begin: Barrier
_loaded: Event


def _enter(settings: Settings, begin: Barrier, loaded: Event) -> None:
    global _settings, _begin, _loaded
    _settings, _begin, _loaded = settings, begin, loaded


def _load(seed: int, loader: int) -> Counts:
    """Load three quarters of the pages, nearly in order: each page meets three loaders at about once."""
    choose = random.Random(f"{seed} {loader}")
    near = [
        (number + choose.uniform(0, 30), page)
        for number, page in enumerate(news(seed))
        if number % LOADERS != loader
    ]
    mine = [page for _, page in sorted(near, key=itemgetter(0))]
    with open_database(_settings) as engine:
        _begin.wait(PATIENCE)
        return load_in_batches(engine, mine, choose.choice([50, 75, 100]))


def _keep_settling() -> int:
    """Settle again and again until the loaders are done; return how many batches that were."""
    settled = 0
    with open_database(_settings) as engine:
        _begin.wait(PATIENCE)
        while not _loaded.is_set():
            settled += settle(engine).batches
            time.sleep(0.2)
    return settled


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_four_loading_processes_and_one_that_settles(seed: int, settings: Settings, database: Engine) -> None:
    pages = news(seed)
    spawn = multiprocessing.get_context("spawn")
    begin, loaded = spawn.Barrier(LOADERS + 1), spawn.Event()
    with ProcessPoolExecutor(LOADERS + 1, spawn, _enter, (settings, begin, loaded)) as processes:
        settling = processes.submit(_keep_settling)
        loading = [processes.submit(_load, seed, loader) for loader in range(LOADERS)]
        with contextlib.ExitStack() as stack:
            stack.callback(loaded.set)
            together = sum((loader.result() for loader in loading), Counts())
        assert settling.result() > 0, (
            "everything was loaded before the first settle: the test shows too little"
        )
    settle(database)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert rows(database, deadlocks) == [(0,)]
    at_once = content(database)

    empty(database)
    alone = load_in_batches(database, pages, 50)
    settle(database)
    in_order = content(database)
    for name, expected in in_order.items():
        assert at_once[name] == expected, name

    assert together.balanced
    assert together.read == (LOADERS - 1) * len(pages)
    assert together.read - together.unchanged == len(pages) == alone.read - alone.unchanged
    assert together.loaded == alone.loaded == len(in_order["articles"])
    assert len(in_order["headline_sightings"]) == SLOTS * len(pages)
    keys = "SELECT count(merged_into), count(article_id), count(*) FILTER (WHERE generic) FROM headlines"
    assert min(rows(database, keys)[0]) > 0, "nothing merged, linked or generic: the test shows too little"


# --- the order in which rows are added and locked -----------------------------------------------------

KEYS = {
    "sources": "name",
    "articles": "key",
    "pages": "key",
    "headline_variants": "digest",
    "link_targets": "key",
    "sidebar_labels": "digest",
    "bylines": "digest",
}


def test_rows_are_added_in_the_order_of_their_keys(database: Engine) -> None:
    """So two loaders with the same new rows wait for each other at the first of them."""
    pages = []
    for number in range(12):
        headline = Headline(
            wording(number), f"List {number}", f"Author {number}", f"https://a.example/{number}"
        )
        pages.append(replace(extracted(number, headlines=[headline]), source=f"Source {number * 7 % 12:02}"))
    load(database, *pages)
    for table, key in KEYS.items():
        added = [name for (name,) in rows(database, f"SELECT {key} FROM {table} ORDER BY id")]
        assert len(added) == 12, table
        assert added == sorted(added), table


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("articles", {}),
        ("articles", {"replace": True}),
        ("pages", {"replace": True}),
        ("quarantine", {}),
    ],
)
def test_rows_are_locked_in_the_order_of_their_keys(
    database: Engine, table: str, options: dict[str, bool]
) -> None:
    """A loader that waits for the first row has none of the others, which lie before it in the table."""
    order = attrgetter("article_key" if table == "articles" else "key")
    stored = sorted((extracted(number) for number in range(8)), key=order, reverse=True)
    rejected = [Rejection("damaged", "read", "cut", f"file:///{number}", 0) for number in range(8)]
    for page in stored:
        load(database, page)
    for rejection in rejected:
        load(database, rejection)
    with database.begin() as connection:
        connection.execute(text("UPDATE pages SET extractor = '0'"))
    pages = stored if options else [extracted(number, fetched_at=BEGIN) for number in range(8)]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            connection.execute(text(f"SELECT FROM {table} ORDER BY key LIMIT 1 FOR UPDATE"))
            loading = pool.submit(load, database, *pages, *rejected, **options)
            while rows(database, waiting) == [(0,)]:
                assert not loading.done()
            assert len(rows(database, f"SELECT key FROM {table} FOR UPDATE SKIP LOCKED")) == 7
        assert loading.result().counts.balanced
