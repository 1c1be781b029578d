"""The ledger: runs, and which parts of which inputs are loaded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from captures import extracted, of, rows
from click.testing import CliRunner
from runs import enter_run
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError

from flows.cli import broadsheet
from schemas.records import Batch, Counts, Input, KnownPart, Part, RunReport, Selection
from schemas.settings import Settings
from tasks.ledger import (
    KnownParts,
    dead_runs,
    finish_dead_runs,
    finish_run,
    run_totals,
    run_under_way,
)
from tasks.load import load_batch
from tasks.postgres.database import open_database


def begin(engine: Engine, **parameters: Any) -> int:
    return enter_run(engine, parameters=parameters, flow_run_id="7c1e")


def under_way(engine: Engine, flow_run_id: str) -> AbstractContextManager[int]:
    return run_under_way(engine, kind="ingest", parameters={}, flow_run_id=flow_run_id, extractor="1")


def test_a_run_from_start_to_end(database: Engine) -> None:
    run_id = begin(database, paths=["landing"], limit=None)
    assert rows(database, "SELECT id, kind, state, parameters, flow_run_id, finished_at FROM runs") == [
        (run_id, "ingest", "running", {"paths": ["landing"], "limit": None}, "7c1e", None)
    ]
    report = RunReport(
        run_id=run_id,
        state="partial",
        counts=Counts(read=3, loaded=1, non_article=1, quarantined=1),
        ignored=2,
        skipped=4,
        quarantined_by_reason={"timeout": 1},
        seconds=1.5,
        message="One page was quarantined.",
    )
    finish_run(database, run_id, report)
    assert rows(
        database,
        "SELECT state, read, loaded, non_article, quarantined, ignored, skipped, quarantined_by_reason,"
        " seconds, message, finished_at >= started_at"
        " FROM runs",
    ) == [("partial", 3, 1, 1, 1, 2, 4, {"timeout": 1}, 1.5, "One page was quarantined.", True)]


def test_a_run_that_does_not_add_up_is_refused(database: Engine) -> None:
    run_id = begin(database)
    with pytest.raises(IntegrityError, match="runs_outcomes_check"):
        finish_run(database, run_id, RunReport(run_id, "completed", Counts(read=2, loaded=1)))


def test_the_batches_of_a_run_are_added_up(database: Engine) -> None:
    run_id, other = begin(database), begin(database)
    assert run_totals(database, run_id).counts == Counts()
    for number in (1, 2):
        result = of(extracted(1), extracted(number + 1))
        load_batch(database, Batch(number), result, run_id=run_id, extractor="1")
    load_batch(database, Batch(1), of(extracted(9)), run_id=other, extractor="1")
    assert run_totals(database, run_id).counts == Counts(read=4, loaded=3, unchanged=1)


def test_parts_are_known_once_their_batch_is_loaded(database: Engine) -> None:
    dump = Input("file:///dump.jsonl", "f1", "jsonl")
    page = Input("file:///page.html", "f2", "html")
    parts = (
        Part(dump, 500, 12, offset=9000, last=True, next_offset=9900),
        Part(dump, 0, 500, last=False, next_offset=9000),
        Part(page, 0, 1),
    )
    known = KnownParts(database)
    assert known.parts([dump, page], "") == {}
    run_id = begin(database)
    load_batch(database, Batch(1, parts), of(), run_id=run_id, extractor="1")
    assert known.parts([dump, Input("file:///other", "f3", "html")], "") == {
        "f1": [KnownPart(0, 500, 9000, last=False), KnownPart(500, 12, 9900, last=True)]
    }
    assert known.parts([], "") == {}


def test_another_selection_is_other_work(database: Engine) -> None:
    dump = Input("file:///dump.jsonl", "f1", "jsonl")
    few = Selection(domains=("gazette.example",))
    load_batch(
        database, Batch(1, (Part(dump, 0, 10),), selection=few), of(), run_id=begin(database), extractor="1"
    )
    assert KnownParts(database).parts([dump], "") == {}
    assert list(KnownParts(database).parts([dump], few.digest)) == ["f1"]


def test_runs_whose_process_is_gone_are_finished(database: Engine, environment: dict[str, str]) -> None:
    dead = begin(database)
    load_batch(database, Batch(1), of(extracted(1)), run_id=dead, extractor="1")
    told = CliRunner(env=environment).invoke(broadsheet, ["status"]).stdout
    assert f"\nRun {dead} failed: Its process is gone.\n1 loaded batch waits to have headlines" in told
    [shown] = json.loads(CliRunner(env=environment).invoke(broadsheet, ["status", "--json"]).stdout)["runs"]
    assert (shown["state"], shown["read"], shown["loaded"], shown["skipped"]) == ("failed", 1, 1, 0)
    assert rows(database, "SELECT state FROM runs") == [("running",)], "to look changes nothing"
    with under_way(database, "aa01") as alive:
        assert dead_runs(database) == {dead}
        assert finish_dead_runs(database) == ["7c1e"]
        assert rows(database, "SELECT id, state, loaded FROM runs ORDER BY id") == [
            (dead, "failed", 1),
            (alive, "running", 0),
        ]
    deadline = time.monotonic() + 20  # the server takes a moment to see that a connection was closed
    while rows(database, "SELECT DISTINCT state FROM runs") != [("failed",)]:
        assert time.monotonic() < deadline
        finish_dead_runs(database)


@contextmanager
def before_each(engine: Engine, word: str, act: Callable[[], None]) -> Iterator[None]:
    """Do something in the middle of what others do: before each statement in which a word occurs."""

    def listener(*arguments: Any) -> None:
        if word in arguments[2]:
            act()

    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", listener)


def test_a_run_is_alive_from_the_moment_it_can_be_seen(database: Engine, settings: Settings) -> None:
    """Others judge before and after each statement of its start."""
    judged: list[str] = []
    with open_database(settings) as its_own:

        def judge(*_: Any) -> None:
            judged.extend(finish_dead_runs(database))

        for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(its_own, moment, judge)
        with under_way(its_own, "aa01") as run_id:
            judge()
            assert judged == []
            assert rows(database, "SELECT id, state FROM runs") == [(run_id, "running")]


def test_a_server_that_ends_idle_sessions_leaves_a_run_its_lock(database: Engine, settings: Settings) -> None:
    with database.begin() as connection:
        here = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {here} SET idle_session_timeout = '50ms'"))
    with open_database(settings) as its_own, under_way(its_own, "aa01"):
        time.sleep(0.2)
        assert dead_runs(database) == set()


def test_a_run_that_ends_while_it_is_judged_keeps_its_end(database: Engine, settings: Settings) -> None:
    ending = under_way(database, "aa01")
    run_id = ending.__enter__()
    done: list[int] = []

    def end() -> None:
        if not done:
            done.append(run_id)
            finish_run(database, run_id, RunReport(run_id, "completed", Counts(read=5, loaded=5)))
            ending.__exit__(None, None, None)

    with open_database(settings) as other, before_each(other, "pg_try_advisory_xact_lock", end):
        assert finish_dead_runs(other) == []
    assert done and rows(database, "SELECT state, read, message FROM runs") == [("completed", 5, None)]


def test_a_run_that_is_judged_dead_shows_itself_alive_afterwards(
    database: Engine, settings: Settings
) -> None:
    """Its lock is held until its end is entered: it cannot come back in between and be overwritten."""
    run_id = begin(database)
    held: list[bool] = []

    def take_lock() -> None:
        tried = rows(database, "SELECT pg_try_advisory_lock(1651666785, :id)".replace(":id", str(run_id)))
        held.append(not tried[0][0])

    with open_database(settings) as other, before_each(other, "UPDATE runs", take_lock):
        assert finish_dead_runs(other) == ["7c1e"]
    assert held == [True]


def test_prefect_is_not_told_of_a_run_that_another_goes_on_with(database: Engine) -> None:
    """As when the connection was lost in the moment the run was entered: it is entered twice."""
    begin(database)
    with under_way(database, "7c1e"):
        assert finish_dead_runs(database) == []
    assert rows(database, "SELECT state FROM runs ORDER BY id") == [("failed",), ("running",)]
