"""What the ledger knows: runs and what they did, and which parts of which inputs are loaded.

Everything here waits for a database that is away: see `tasks.postgres.patience`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Update,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from schemas.errors import TransientLoadError
from schemas.records import Counts, Input, KnownPart, LoadReport, RunReport
from schemas.tables import LoadedBatch, LoadedPart, Run
from tasks.postgres.errors import DATABASE_ERRORS
from tasks.postgres.patience import patient

_ALIVE = 0x62726F61
"""First half of the advisory locks that show a run's process to be alive; the second is the run's id."""
GONE = "Its process is gone."
_LOOK_SECONDS = 1.0
"""How often a run looks whether it still holds its lock."""
_LEAVE_SECONDS = 1.0


@contextmanager
def run_under_way(
    engine: Engine, *, kind: str, parameters: Mapping[str, Any], flow_run_id: str | None, extractor: str
) -> Iterator[int]:
    """Enter a run that starts now, and show it to be alive during the block; yields its id.

    `parameters` must be JSON-ready. The run holds a lock that ends with this process, however it ends, from
    the moment at which others can see it. When its connection is lost the lock is taken again, and what
    others thought meanwhile is put right.
    """
    values = {
        "kind": kind,
        "state": "running",
        "parameters": dict(parameters),
        "flow_run_id": flow_run_id,
        "extractor": extractor,
    }
    run_id, connection = _enter_locked(engine, insert(Run).values(values).returning(Run.id))
    left = threading.Event()
    keeper = threading.Thread(target=_keep_lock, args=(engine, run_id, connection, left), daemon=True)
    keeper.start()
    try:
        yield run_id
    finally:
        left.set()
        keeper.join(_LEAVE_SECONDS)  # with a database that does not answer it ends when it can


@patient
def _enter_locked(engine: Engine, entry: ReturningInsert[tuple[int]]) -> tuple[int, Connection]:
    """A run's id, and the connection that holds its lock: taken by the statement that enters the run."""
    entered = entry.cte("entered")
    with _kept_open(engine) as connection:
        row = connection.execute(select(entered.c.id, func.pg_advisory_lock(*_lock(entered.c.id)))).one()
    return int(row[0]), connection


@patient
def _locked(engine: Engine, run_id: int) -> Connection:
    with _kept_open(engine) as connection:
        connection.execute(select(func.pg_advisory_lock(*_lock(literal(run_id, BigInteger)))))
    return connection


@contextmanager
def _kept_open(engine: Engine) -> Iterator[Connection]:
    """A connection outside the pool, closed only when the block fails: closing it ends the session."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    try:
        connection.execute(text("SET idle_session_timeout = 0"))
        yield connection
    except BaseException:
        connection.close()
        raise


def _lock(run_id: ColumnElement[int]) -> tuple[int, ColumnElement[int]]:
    """The two numbers that name the lock of a run."""
    return _ALIVE, cast(run_id % literal(2**31, BigInteger), Integer)


def _keep_lock(engine: Engine, run_id: int, connection: Connection, left: threading.Event) -> None:
    with suppress(TransientLoadError, *DATABASE_ERRORS):  # the run itself will say that its database is gone
        while not left.wait(_LOOK_SECONDS):
            try:
                connection.execute(select(1))
            except DATABASE_ERRORS:
                connection.close()
                connection = _locked(engine, run_id)
                _back_to_life(engine, run_id)
        connection.close()


@patient
def _back_to_life(engine: Engine, run_id: int) -> None:
    """Undo what a run that began while the lock was lost entered of this one."""
    with engine.begin() as connection:
        connection.execute(
            update(Run)
            .where(Run.id == run_id, Run.message == GONE)
            .values(state="running", finished_at=None, message=None)
        )


def dead_runs(engine: Engine) -> set[int]:
    """Ids of the runs that the next run will enter as ended: nobody holds their lock. This only looks."""
    with engine.connect() as connection:
        return set(connection.scalars(text(_DEAD), {"alive": _ALIVE}))


# A lock is named by two numbers of 32 bits, shown without a sign.
_DEAD = """
SELECT id FROM runs
WHERE state = 'running' AND NOT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted
      AND objsubid = 2 AND classid = :alive AND objid = runs.id % 2147483648
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


@patient
def finish_dead_runs(engine: Engine) -> list[str]:
    """Enter the end of runs whose process is gone without a word, with what their batches loaded.

    Returns: the ids of their runs in Prefect, unless a run that is alive has the same.
    """
    running = select(Run.id).where(Run.state == "running").order_by(Run.id)
    dead: list[str | None] = []
    with engine.begin() as connection:
        for run_id in connection.scalars(running).all():
            # Held until all is entered. Whoever lets it go in the moment before has entered its own end.
            if connection.scalar(select(func.pg_try_advisory_xact_lock(*_lock(literal(run_id, BigInteger))))):
                done = _totals(connection, run_id)
                report = RunReport(
                    run_id,
                    "failed",
                    done.counts,
                    ignored=done.ignored,
                    quarantined_by_reason=done.quarantined_by_reason,
                    message=GONE,
                )
                ended = _end(report).where(Run.id == run_id, Run.state == "running")
                dead += connection.scalars(ended.returning(Run.flow_run_id)).all()
        alive = set(connection.scalars(select(Run.flow_run_id).where(Run.state == "running")))
    return [flow_run_id for flow_run_id in dead if flow_run_id and flow_run_id not in alive]


@patient
def finish_run(engine: Engine, run_id: int, report: RunReport) -> None:
    """Enter what a run did, and that it ended now. What it saw of sidebar headlines is entered by settle."""
    with engine.begin() as connection:
        connection.execute(_end(report).where(Run.id == run_id))


def _end(report: RunReport) -> Update:
    return update(Run).values(
        **report.counts.as_dict(),
        state=report.state,
        ignored=report.ignored,
        skipped=report.skipped,
        quarantined_by_reason=report.quarantined_by_reason,
        seconds=report.seconds or None,  # not known of a run whose process is gone
        message=report.message or None,
        finished_at=func.now(),
    )


@patient
def run_totals(engine: Engine, run_id: int) -> LoadReport:
    """What a run's batches did as the database has it, added up."""
    with engine.connect() as connection:
        return _totals(connection, run_id)


def _totals(connection: Connection, run_id: int) -> LoadReport:
    counted = [field.name for field in fields(Counts)]
    columns = [getattr(LoadedBatch, name) for name in (*counted, "ignored", "sightings")]
    sums = [func.coalesce(func.sum(column), 0).label(column.key) for column in columns]
    reasons: Counter[str] = Counter()
    row = connection.execute(select(*sums).where(LoadedBatch.run_id == run_id)).one()
    if row.quarantined:
        of_batches = select(LoadedBatch.quarantined_by_reason).where(
            LoadedBatch.run_id == run_id, LoadedBatch.quarantined > 0
        )
        for of_batch in connection.execute(of_batches).scalars():
            reasons.update(of_batch)
    return LoadReport(
        counts=Counts(*(int(getattr(row, name)) for name in counted)),
        ignored=int(row.ignored),
        quarantined_by_reason=dict(reasons),
        sightings=int(row.sightings),
    )


@patient
def run_headlines(engine: Engine, run_id: int) -> tuple[int, int]:
    """Sidebar headlines first seen in a run, and its sightings of others, as far as it is settled."""
    with engine.connect() as connection:
        row = connection.execute(
            select(Run.headlines_new, Run.headlines_seen_again).where(Run.id == run_id)
        ).one()
    return row.headlines_new, row.headlines_seen_again


class KnownParts:
    """What the planner asks of the ledger: which parts of an input are loaded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def parts(self, inputs: Sequence[Input], selection: str) -> dict[str, list[KnownPart]]:
        """The loaded parts of each input, by its fingerprint and in order; unknown inputs are left out."""
        return _known_parts(self._engine, inputs, selection)


@patient
def _known_parts(engine: Engine, inputs: Sequence[Input], selection: str) -> dict[str, list[KnownPart]]:
    statement = (
        select(
            LoadedPart.fingerprint,
            LoadedPart.first_record,
            LoadedPart.record_count,
            LoadedPart.next_offset,
            LoadedPart.last,
        )
        .where(
            LoadedPart.fingerprint == func.any([entry.fingerprint for entry in inputs]),
            LoadedPart.selection == selection,
        )
        .order_by(LoadedPart.fingerprint, LoadedPart.first_record)
    )
    known: dict[str, list[KnownPart]] = {}
    with engine.connect() as connection:
        for fingerprint, *part in connection.execute(statement):
            known.setdefault(fingerprint, []).append(KnownPart(*part))
    return known
