"""Upkeep: room ahead, old sightings dropped, and what they came to kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from captures import extracted, load, rows
from click.testing import CliRunner
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from sqlalchemy import Engine, text

from flows.cli import broadsheet
from flows.maintain import maintain as maintain_flow
from schemas.errors import TransientLoadError
from schemas.records import ExtractedPage, Headline
from schemas.settings import Settings
from schemas.tables import SIGHTINGS_PARTITION_PAGES
from tasks.maintain import AHEAD, MaintenanceReport, maintain
from tasks.postgres.partitions import Partition
from tasks.postgres.patience import Patience
from tasks.settle import SettleReport, settle

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=100)
LIVE = [Headline("Live updates", "Latest", None, f"https://gazette.example/live/{n}") for n in range(3)]
STORKS = Headline("Storks return to Dol", "Explore", None, "https://gazette.example/storks")
KEPT = (
    "SELECT * FROM sighting_days ORDER BY 1, 6, 2, 7",
    "SELECT * FROM headline_totals ORDER BY 1",
    "SELECT * FROM headline_links ORDER BY 1, 2",
    "SELECT * FROM headlines ORDER BY id",
    "SELECT * FROM sidebar_list ORDER BY headline_id",
)


def listing(number: int, *headlines: Headline, fetched_at: datetime | None = LONG_AGO) -> ExtractedPage:
    return extracted(number, title=None, is_article=False, headlines=headlines, fetched_at=fetched_at)


def fill(engine: Engine) -> None:
    """Make the next page the first one of the next partition."""
    with engine.begin() as connection:
        connection.execute(
            text("SELECT setval('pages_id_seq', (last_value / :size + 1) * :size - 1) FROM pages_id_seq"),
            {"size": SIGHTINGS_PARTITION_PAGES},
        )


def partitions(engine: Engine) -> list[str]:
    found = rows(
        engine,
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent ="
        " 'headline_sightings'::regclass ORDER BY 1",
    )
    return [name for (name,) in found]


def kept(engine: Engine) -> list[list[tuple[Any, ...]]]:
    return [rows(engine, query) for query in KEPT]


@pytest.fixture
def two_partitions(database: Engine) -> Engine:
    """Old sightings in the first partition, new ones in the second; all settled."""
    load(database, listing(1, STORKS, *LIVE), listing(2, STORKS))
    fill(database)
    load(database, listing(3, STORKS, fetched_at=NOW))
    settle(database)
    return database


def test_partitions_are_made_ahead(database: Engine) -> None:
    numbers = range(AHEAD // SIGHTINGS_PARTITION_PAGES + 1)
    assert maintain(database).made == tuple(map(Partition, numbers[1:]))
    assert partitions(database) == [f"headline_sightings_p{number}" for number in numbers]
    assert maintain(database) == MaintenanceReport()
    load(database, listing(1, STORKS))
    assert len(partitions(database)) == len(numbers)


def test_nothing_is_dropped_by_default(two_partitions: Engine) -> None:
    assert maintain(two_partitions).dropped == ()
    assert rows(two_partitions, "SELECT count(*) FROM headline_sightings") == [(6,)]


def test_what_old_sightings_came_to_outlives_them(two_partitions: Engine) -> None:
    before = kept(two_partitions)
    report = maintain(two_partitions, keep_sightings=90)
    assert report.dropped == (Partition(0),)
    assert report.bytes_freed > 0
    assert "pages 0 to 999,999" in report.sentence
    assert rows(two_partitions, "SELECT count(*) FROM headline_sightings") == [(1,)]
    assert kept(two_partitions) == before
    again = maintain(two_partitions, keep_sightings=90)
    assert (again.made, again.dropped, again.bytes_freed) == ((), (), 0)


def test_loading_and_settling_go_on_afterwards(two_partitions: Engine) -> None:
    maintain(two_partitions, keep_sightings=90)
    before = kept(two_partitions)
    again = load(two_partitions, listing(1, STORKS, *LIVE), listing(2, STORKS))
    assert (again.counts.unchanged, again.sightings) == (2, 0)
    assert settle(two_partitions) == SettleReport(batches=1)
    assert kept(two_partitions) == before
    load(two_partitions, listing(4, STORKS, Headline("Storks return …"), fetched_at=NOW))
    settle(two_partitions)
    assert rows(
        two_partitions,
        "SELECT h.text, h.generic, t.sightings, t.first_seen_at, t.last_seen_at"
        " FROM headlines h JOIN headline_totals t ON t.headline_id = h.id ORDER BY t.sightings DESC, h.text",
    ) == [
        ("Storks return to Dol", False, 4, LONG_AGO, NOW),
        ("Live updates", True, 3, LONG_AGO, LONG_AGO),
        ("Storks return …", False, 1, NOW, NOW),
    ]


def test_texts_move_with_their_sums(database: Engine) -> None:
    """A headline that detaches takes its dropped sightings with it."""
    cut = Headline("Storks return to D…")
    load(database, listing(1, STORKS, cut, cut))
    fill(database)
    load(database, listing(2, fetched_at=NOW))
    settle(database)
    maintain(database, keep_sightings=90)
    sums = "SELECT headline, sightings FROM sidebar_list ORDER BY 1"
    assert rows(database, sums) == [("Storks return to Dol", 3)]
    load(database, listing(3, Headline("Storks return to Drava"), fetched_at=NOW))
    settle(database)
    assert rows(database, sums) == [
        ("Storks return to Dol", 1),
        ("Storks return to Drava", 1),
        ("Storks return to D…", 2),
    ]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (listing(9, STORKS, fetched_at=NOW), "fetched lately"),
        (listing(9, STORKS, fetched_at=None), "of unknown time, loaded lately"),
    ],
)
def test_one_young_page_keeps_its_partition(database: Engine, last: ExtractedPage, reason: str) -> None:
    load(database, listing(1, STORKS), last)
    fill(database)
    load(database, listing(2))
    settle(database)
    assert maintain(database, keep_sightings=90).dropped == (), reason


def test_pages_of_unknown_time_count_by_when_they_were_loaded(database: Engine) -> None:
    load(database, listing(1, STORKS, fetched_at=None))
    fill(database)
    settle(database)
    with database.begin() as connection:
        connection.execute(text("UPDATE batches SET loaded_at = now() - interval '91 days'"))
    assert maintain(database, keep_sightings=92).dropped == ()
    assert maintain(database, keep_sightings=90).dropped == (Partition(0),)


def test_a_partition_that_is_not_settled_stays(database: Engine) -> None:
    load(database, listing(1, STORKS))
    fill(database)
    assert maintain(database, keep_sightings=1).dropped == ()
    settle(database)
    assert maintain(database, keep_sightings=1).dropped == (Partition(0),)


def test_a_partition_that_is_not_full_stays(database: Engine) -> None:
    load(database, listing(1, STORKS))
    settle(database)
    assert maintain(database, keep_sightings=1).dropped == ()


@contextmanager
def held(engine: Engine, statement: str) -> Iterator[Callable[[], None]]:
    """A transaction of someone else that is under way until the function is called."""
    with engine.connect() as connection:
        connection.execute(text(statement))
        yield connection.rollback


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.postgres.partitions.LOCK_SECONDS", 0.3)


@pytest.mark.usefixtures("hurried")
def test_a_loader_that_holds_ids_is_waited_for(two_partitions: Engine) -> None:
    page = (
        "INSERT INTO pages (id, batch_id, origin_record, byte_count, is_article, key, digest, kind,"
        " origin_uri, extractor) VALUES (999999, 1, 0, 0, false, 'k', 'd', 'html', 'o', '1')"
    )
    with held(two_partitions, page) as end, ThreadPoolExecutor(1) as thread:
        upkeep = thread.submit(maintain, two_partitions, keep_sightings=90)
        with pytest.raises(TimeoutError):
            upkeep.result(timeout=1.5)
        load(two_partitions, listing(7, STORKS, fetched_at=NOW))  # others go on
        end()
        assert upkeep.result(timeout=30).dropped == (Partition(0),)


@pytest.mark.usefixtures("hurried")
def test_a_long_reader_makes_it_give_up_and_harms_nobody(two_partitions: Engine) -> None:
    Patience.of(two_partitions).end()
    with held(two_partitions, "SELECT count(*) FROM headline_sightings"):
        with pytest.raises(TransientLoadError, match="lock timeout"):
            maintain(two_partitions, keep_sightings=90)
        load(two_partitions, listing(7, STORKS, fetched_at=NOW))
    assert maintain(two_partitions, keep_sightings=90).dropped == (Partition(0),)


def test_the_command(two_partitions: Engine, settings: Settings, environment: dict[str, str]) -> None:
    def run(*arguments: str) -> str:
        return (
            CliRunner(env=environment)
            .invoke(broadsheet, ["maintain", *arguments], catch_exceptions=False)
            .output
        )

    load(two_partitions, listing(5, STORKS))
    told = run()
    assert told.startswith(
        "Settled batches that a run left behind: 1.\nMade room for the sightings of pages "
    )
    assert run() == "Nothing to do.\n"
    assert run("--keep-sightings", "90").startswith("Dropped the sightings of pages 0 to 999,999: ")
    assert run("--keep-sightings", "90").startswith("Dropped nothing: no 1,000,000 page ids")


def test_the_flow(
    two_partitions: Engine,
    environment: dict[str, str],
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("BROADSHEET_HOME", "BROADSHEET_DATABASE_URL"):
        monkeypatch.setenv(name, environment[name])
    load(two_partitions, listing(5, STORKS))
    changed = {
        PREFECT_API_URL: prefect_server,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(changed):
        state = maintain_flow(keep_sightings=90, return_state=True)
        refused = maintain_flow(keep_sightings=0, return_state=True)
    assert state.is_completed()
    assert "Dropped the sightings of pages 0 to 999,999" in str(state.message)
    assert rows(two_partitions, "SELECT count(*) FROM batches WHERE settled_at IS NULL") == [(0,)]
    assert refused.is_failed()
