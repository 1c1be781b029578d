"""The Prefect tasks: a batch, settling the headlines, upkeep. Everything else is plain Python."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff
from sqlalchemy import Engine

from schemas.errors import TransientLoadError
from schemas.records import Batch, BatchResult, LoadReport
from tasks.archive import Archive
from tasks.extract import EXTRACTOR_VERSION
from tasks.load import load_batch
from tasks.maintain import MaintenanceReport, maintain
from tasks.settle import SettleReport, settle

RETRIES = 5


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """True for what the same call may overcome: a lost connection, a deadlock, a restart."""
    try:
        state.result()
    except TransientLoadError:
        return True
    except BaseException:  # noqa: BLE001  whatever else it was, it is not transient
        return False
    return False


class BatchWork:
    """A batch on its way into the database. No dataclass: Prefect would look into it for futures."""

    def __init__(
        self, batch: Batch, extraction: Future[BatchResult], engine: Engine, archive: Archive, run_id: int
    ) -> None:
        self.batch = batch
        self.extraction = extraction
        self.engine = engine
        self.archive = archive
        self.run_id = run_id


@task(
    name="load-batch",
    task_run_name="batch-{number}",
    cache_policy=NO_CACHE,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
)
def load_batch_step(number: int, work: BatchWork) -> LoadReport:
    """Wait for the batch's extraction, keep the bytes of what it rejects, load it.

    A retry loads again; it does not extract again.
    """
    result = work.extraction.result()
    for rejection in result.rejections:
        if rejection.content is not None:
            work.archive.put(rejection.content)
    return load_batch(work.engine, work.batch, result, run_id=work.run_id, extractor=EXTRACTOR_VERSION)


@task(
    name="settle-headlines",
    task_run_name="settle",
    cache_policy=NO_CACHE,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
)
def settle_step(engine: Engine) -> SettleReport:
    """Derive headlines from the variants that came in."""
    return settle(engine)


@task(
    name="maintain",
    cache_policy=NO_CACHE,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
)
def maintain_step(engine: Engine, keep_sightings: int | None) -> MaintenanceReport:
    """Make partitions of the sightings ahead, drop those that are too old."""
    return maintain(engine, keep_sightings=keep_sightings)
