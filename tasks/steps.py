"""The Prefect tasks: a batch, settling the headlines, upkeep. Everything else is plain Python.

They have no retries of Prefect's: its pauses cannot be interrupted. `patient` waits for the database.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Cancelled
from sqlalchemy import Engine

from schemas.errors import Interrupted, TransientLoadError
from schemas.records import Batch, BatchResult, LoadReport
from tasks.archive import Archive
from tasks.extract import EXTRACTOR_VERSION
from tasks.keep import Keeper, Published
from tasks.load import load_batch
from tasks.maintain import MaintenanceReport, maintain
from tasks.pool import ExtractionPool
from tasks.postgres.kept import worth_keeping
from tasks.postgres.patience import Patience, patient
from tasks.settle import SettleReport, settle


class BatchWork:
    """A batch on its way into the database. No dataclass: Prefect would look into it for futures."""

    def __init__(
        self,
        batch: Batch,
        pool: ExtractionPool,
        engine: Engine,
        archive: Archive,
        keeper: Keeper | None,
        run_id: int,
    ) -> None:
        self.batch = batch
        self.pool = pool
        self.extraction = pool.submit(batch)
        self.engine = engine
        self.archive = archive
        self.run_id = run_id
        self._keeper = keeper
        self._kept: Published | None = None

    def keep(self, result: BatchResult) -> Published | None:
        """Put what the workers spooled into place, once however often the batch is loaded."""
        if self._keeper is None or self._kept is not None:
            return self._kept
        if records := worth_keeping(self.engine, result):
            self._kept = self._keeper.publish(f"{self.run_id:06}-{self.batch.number:06}", records)
        self._keeper.drop(result)
        return self._kept


@task(
    name="load-batch",
    task_run_name="batch-{number}",
    cache_policy=NO_CACHE,
)
def load_batch_step(number: int, work: BatchWork) -> LoadReport | State[LoadReport]:
    """Wait for the batch's extraction, keep the bytes of what it rejects, or of all its pages, load it.

    When the database goes away it loads again; it does not extract again. Cancelled, not failed, when it is
    given up since the run is over.
    """
    try:
        return _keep_and_load(work)
    except (CancelledError, Interrupted, TransientLoadError):
        if not work.pool.closed:
            raise
        return Cancelled(message="The run is over; this batch is left to the next one.")


def _keep_and_load(work: BatchWork) -> LoadReport:
    result = work.extraction.result()
    if Patience.of(work.engine).ended:
        raise Interrupted("The run ends; this batch is left to the next one.")
    for rejection in result.rejections:
        if rejection.content is not None:
            work.archive.put(rejection.content)
    return replace(_load(work.engine, work, result), misdated=result.misdated)


@patient
def _load(engine: Engine, work: BatchWork, result: BatchResult) -> LoadReport:
    kept = work.keep(result)
    return load_batch(
        engine,
        work.batch,
        result,
        run_id=work.run_id,
        extractor=EXTRACTOR_VERSION,
        archive=work.archive,
        kept=kept,
    )


@task(
    name="settle-headlines",
    task_run_name="settle",
    cache_policy=NO_CACHE,
)
def settle_step(engine: Engine) -> SettleReport:
    """Derive headlines from the variants that came in."""
    return settle(engine)


@task(
    name="maintain",
    cache_policy=NO_CACHE,
)
def maintain_step(engine: Engine, keep_sightings: int | None) -> MaintenanceReport:
    """Make partitions of the sightings ahead, drop those that are too old."""
    return maintain(engine, keep_sightings=keep_sightings)
