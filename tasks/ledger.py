"""What the ledger knows: runs and what they did, and which parts of which inputs are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from schemas.records import Counts, Input, KnownPart, RunReport
from schemas.tables import LoadedBatch, LoadedPart, Run

_ALIVE = 0x62726F61
"""First half of the advisory locks that show a run's process to be alive; the second is the run's id."""


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
    """Hold a lock during the block that ends with this process, however it ends."""
    with engine.connect() as connection:
        connection.detach()  # closing it must end the session
        connection.execute(select(func.pg_advisory_lock(_ALIVE, run_id % 2**31)))
        connection.commit()
        yield


def finish_dead_runs(engine: Engine) -> None:
    """Enter the end of runs whose process is gone without a word, with what their batches loaded."""
    with engine.begin() as connection:
        running = connection.execute(select(Run.id).where(Run.state == "running").order_by(Run.id)).scalars()
        dead = [
            run_id
            for run_id in running.all()
            if connection.scalar(select(func.pg_try_advisory_xact_lock(_ALIVE, run_id % 2**31)))
        ]
    for run_id in dead:
        report = RunReport(run_id, "failed", run_counts(engine, run_id), message="Its process is gone.")
        finish_run(engine, run_id, report)


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


def run_counts(engine: Engine, run_id: int) -> Counts:
    """The outcomes of a run's batches as the database has them, added up."""
    columns = [
        func.coalesce(func.sum(getattr(LoadedBatch, field.name)), 0).label(field.name)
        for field in fields(Counts)
    ]
    with engine.connect() as connection:
        row = connection.execute(select(*columns).where(LoadedBatch.run_id == run_id)).one()
    return Counts(**{name: int(value) for name, value in row._mapping.items()})


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
        with self._engine.connect() as connection:
            for fingerprint, *part in connection.execute(statement):
                known.setdefault(fingerprint, []).append(KnownPart(*part))
        return known
