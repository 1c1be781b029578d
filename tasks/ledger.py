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

from sqlalchemy import Connection, Engine, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from schemas.errors import TransientLoadError
from schemas.records import Counts, Input, KnownPart, LoadReport, RunReport
from schemas.tables import LoadedBatch, LoadedPart, Run
from tasks.postgres.errors import DATABASE_ERRORS
from tasks.postgres.patience import patient

_ALIVE = 0x62726F61
"""First half of the advisory locks that show a run's process to be alive; the second is the run's id."""
_GONE = "Its process is gone."
_LOOK_SECONDS = 1.0
"""How often a run looks whether it still holds its lock."""
_LEAVE_SECONDS = 1.0


@patient
def start_run(
    engine: Engine, *, kind: str, parameters: Mapping[str, Any], flow_run_id: str | None, extractor: str
) -> int:
    """Enter a run that starts now; return its id.

    `parameters` must be JSON-ready.
    """
    with engine.begin() as connection:
        return connection.execute(
            insert(Run)
            .values(
                kind=kind,
                state="running",
                parameters=dict(parameters),
                flow_run_id=flow_run_id,
                extractor=extractor,
            )
            .returning(Run.id)
        ).scalar_one()


@contextmanager
def shown_alive(engine: Engine, run_id: int) -> Iterator[None]:
    """Hold a lock during the block that ends with this process, however it ends.

    When its connection is lost the lock is taken again, and what others thought meanwhile is put right.
    """
    left = threading.Event()
    keeper = threading.Thread(
        target=_keep_lock, args=(engine, run_id, _locked(engine, run_id), left), daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        left.set()
        keeper.join(_LEAVE_SECONDS)  # with a database that does not answer it ends when it can


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
def _locked(engine: Engine, run_id: int) -> Connection:
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()  # closing it must end the session
    try:
        connection.execute(text("SET idle_session_timeout = 0"))
        connection.execute(select(func.pg_advisory_lock(_ALIVE, run_id % 2**31)))
    except BaseException:
        connection.close()
        raise
    return connection


@patient
def _back_to_life(engine: Engine, run_id: int) -> None:
    """Undo what a run that began while the lock was lost entered of this one."""
    with engine.begin() as connection:
        connection.execute(
            update(Run)
            .where(Run.id == run_id, Run.message == _GONE)
            .values(state="running", finished_at=None, message=None)
        )


@patient
def finish_dead_runs(engine: Engine) -> list[str]:
    """Enter the end of runs whose process is gone without a word, with what their batches loaded.

    Returns: the ids of their runs in Prefect.
    """
    with engine.begin() as connection:
        running = connection.execute(
            select(Run.id, Run.flow_run_id).where(Run.state == "running").order_by(Run.id)
        )
        dead = {
            run_id: flow_run_id
            for run_id, flow_run_id in running.all()
            if connection.scalar(select(func.pg_try_advisory_xact_lock(_ALIVE, run_id % 2**31)))
        }
    for run_id in dead:
        done = run_totals(engine, run_id)
        report = RunReport(
            run_id,
            "failed",
            done.counts,
            ignored=done.ignored,
            quarantined_by_reason=done.quarantined_by_reason,
            message=_GONE,
        )
        finish_run(engine, run_id, report)
    return [flow_run_id for flow_run_id in dead.values() if flow_run_id]


@patient
def finish_run(engine: Engine, run_id: int, report: RunReport) -> None:
    """Enter what a run did, and that it ended now. What it saw of sidebar headlines is entered by settle."""
    with engine.begin() as connection:
        connection.execute(
            update(Run)
            .where(Run.id == run_id)
            .values(
                **report.counts.as_dict(),
                state=report.state,
                ignored=report.ignored,
                skipped=report.skipped,
                quarantined_by_reason=report.quarantined_by_reason,
                seconds=report.seconds or None,  # not known of a run whose process is gone
                message=report.message or None,
                finished_at=func.now(),
            )
        )


@patient
def run_totals(engine: Engine, run_id: int) -> LoadReport:
    """What a run's batches did as the database has it, added up."""
    counted = [field.name for field in fields(Counts)]
    columns = [getattr(LoadedBatch, name) for name in (*counted, "ignored", "sightings")]
    sums = [func.coalesce(func.sum(column), 0).label(column.key) for column in columns]
    reasons: Counter[str] = Counter()
    with engine.connect() as connection:
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
