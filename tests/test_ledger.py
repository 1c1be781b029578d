"""The ledger: runs, and which parts of which inputs are loaded."""

from __future__ import annotations

from typing import Any

import pytest
from captures import extracted, of, rows
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from schemas.records import Batch, Counts, Input, KnownPart, Part, RunReport, Selection
from tasks.ledger import (
    KnownParts,
    finish_dead_runs,
    finish_run,
    run_totals,
    shown_alive,
    start_run,
)
from tasks.load import load_batch


def begin(engine: Engine, **parameters: Any) -> int:
    return start_run(engine, kind="ingest", parameters=parameters, flow_run_id="7c1e", extractor="1")


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


def test_runs_whose_process_is_gone_are_finished(database: Engine) -> None:
    dead, alive = begin(database), begin(database)
    load_batch(database, Batch(1), of(extracted(1)), run_id=dead, extractor="1")
    with shown_alive(database, alive):
        finish_dead_runs(database)
        assert rows(database, "SELECT id, state, loaded FROM runs ORDER BY id") == [
            (dead, "failed", 1),
            (alive, "running", 0),
        ]
    finish_dead_runs(database)
    assert rows(database, "SELECT DISTINCT state FROM runs") == [("failed",)]
