"""What every run does, whichever flow it is: batches in, at most *workers + 2* under way, one report out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from queue import SimpleQueue
from typing import Literal, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from pydantic_core import to_jsonable_python
from sqlalchemy import Engine

from flows.summary import final_state, rows, sentence
from schemas.records import Batch, Counts, Limits, LoadReport, RunReport, Skipped
from schemas.settings import Settings
from tasks.archive import Archive
from tasks.extract import EXTRACTOR_VERSION
from tasks.ledger import finish_dead_runs, finish_run, run_counts, run_headlines, shown_alive, start_run
from tasks.pool import ExtractionPool
from tasks.postgres.database import open_database
from tasks.replay import Unavailable
from tasks.steps import BatchWork, load_batch_step, settle_step

QUARANTINE_COUNTS_FROM = 100
"""Pages a run must have read before the share of its quarantined ones can fail it."""
ARTIFACT_SECONDS = 5.0

Planned = Batch | Skipped | Unavailable
"""What a plan yields: work, what the ledger has already, what cannot be had again."""


class Observer:
    """Someone in this process who follows a run: told the counts so far, left with the report."""

    def __init__(self, watch: Callable[[Counts], None]) -> None:
        self.watch = watch
        self.report: RunReport | None = None


observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


def run(
    plan: Callable[[Engine, Archive], Iterable[Planned]],
    *,
    workers: int | None,
    limit: int | None,
    max_quarantine: float,
) -> State[None]:
    """Extract and load what `plan` yields, settle the headlines, report in the run's row and in Prefect.

    Returns the final state of the flow that calls it. The run's row is finished whatever happens.
    """
    settings = Settings.from_environment()
    workers = workers or settings.workers
    kind = str(flow_run.flow_name)
    with open_database(settings) as engine, ExtractionPool(workers, Limits()) as pool:
        archive = Archive(settings.archive)
        planned = plan(engine, archive)
        finish_dead_runs(engine)
        run_id = start_run(
            engine,
            kind=kind,
            parameters=to_jsonable_python(flow_run.parameters),
            flow_run_id=flow_run.id,
            extractor=EXTRACTOR_VERSION,
        )
        tally = _Tally(run_id)

        def submit(batch: Batch) -> PrefectFuture[LoadReport]:
            work = BatchWork(batch, pool.submit(batch), engine, archive, run_id)
            return load_batch_step.submit(batch.number, work)

        try:
            with shown_alive(engine, run_id):
                for ended in _in_flight(planned, submit, tally, workers, limit):
                    tally.add(ended)
                settle_step(engine)
            headlines = run_headlines(engine, run_id)
            report = tally.close(run_counts(engine, run_id), headlines, max_quarantine)
        except BaseException as error:
            with suppress(Exception):  # the database may be what failed; the first error is the one to show
                finish_run(engine, run_id, tally.broken_off(error))
            raise
        finish_run(engine, run_id, report)
    create_table_artifact(rows(report), key=f"{kind}-summary", description=sentence(report))
    if seen := observer.get():
        seen.report = report
    return final_state(report)


def _in_flight(
    planned: Iterable[Planned],
    submit: Callable[[Batch], PrefectFuture[LoadReport]],
    tally: _Tally,
    workers: int,
    limit: int | None,
) -> Iterator[PrefectFuture[LoadReport]]:
    """Submit batches as room allows and yield each as it ends.

    With a limit they run one after another, so that what is left of it is known.
    """
    ended: SimpleQueue[PrefectFuture[LoadReport]] = SimpleQueue()
    room = workers + 2 if limit is None else 1
    for item in planned:
        if isinstance(item, Skipped):
            tally.skipped += item.parts
            continue
        if isinstance(item, Unavailable):
            tally.unavailable += 1
            continue
        left = None if limit is None else limit - tally.counts.read
        if left is not None and left <= 0:
            break
        tally.submitted += 1
        batch = replace(item, number=tally.submitted, accept=left)
        submit(batch).add_done_callback(ended.put)
        room -= 1
        if not room:
            yield ended.get()
            room += 1
    while tally.ended < tally.submitted:
        yield ended.get()


class _Tally:
    """What a run has done so far."""

    def __init__(self, run_id: int) -> None:
        self.counts = Counts()
        self.skipped = 0
        self.unavailable = 0
        self.submitted = 0
        self.ended = 0
        self._run_id = run_id
        self._ignored = 0
        self._sightings = 0
        self._reasons: Counter[str] = Counter()
        self._failures: list[str] = []
        self._started = time.monotonic()
        self._progress = cast(UUID, create_progress_artifact(0.0, key="run-progress"))
        self._shown = self._started

    def add(self, future: PrefectFuture[LoadReport]) -> None:
        """Count a batch that has ended, and show how far the run is."""
        self.ended += 1
        result = future.result(raise_on_failure=False)
        if isinstance(result, LoadReport):
            self.counts += result.counts
            self._ignored += result.ignored
            self._sightings += result.sightings
            self._reasons.update(result.quarantined_by_reason)
        else:
            self._failures.append(f"{type(result).__name__}: {result}")
        if seen := observer.get():
            seen.watch(self.counts)
        if time.monotonic() - self._shown >= ARTIFACT_SECONDS:
            self._shown = time.monotonic()
            self._show(100 * self.ended / (self.submitted + 1))

    def close(self, stored: Counts, headlines: tuple[int, int], max_quarantine: float) -> RunReport:
        """The report of a run that went through, with what the ledger has of it."""
        self._show(100.0)
        wrong = self._what_is_wrong(stored, max_quarantine)
        state: Literal["completed", "partial", "failed"] = (
            "partial" if self.counts.quarantined else "completed"
        )
        gone = f"{self.unavailable} quarantined entries gave no page to try again" if self.unavailable else ""
        return self._report("failed" if wrong else state, wrong or gone, headlines)

    def broken_off(self, error: BaseException) -> RunReport:
        """The report of a run that an error or a signal ended."""
        return self._report("failed", f"{type(error).__name__}: {error}")

    def _what_is_wrong(self, stored: Counts, max_quarantine: float) -> str:
        if self._failures:
            return f"{len(self._failures)} of {self.submitted} batches failed; the first: {self._failures[0]}"
        if not self.counts.balanced or stored != self.counts:
            return f"the outcomes do not add up: counted {self.counts}, stored {stored}"
        read, quarantined = self.counts.read, self.counts.quarantined
        if read >= QUARANTINE_COUNTS_FROM and quarantined > max_quarantine * read:
            return f"{quarantined} of {read} pages are quarantined, more than {max_quarantine:.0%}"
        return ""

    def _report(
        self,
        state: Literal["completed", "partial", "failed"],
        message: str,
        headlines: tuple[int, int] = (0, 0),
    ) -> RunReport:
        return RunReport(
            run_id=self._run_id,
            state=state,
            counts=self.counts,
            ignored=self._ignored,
            skipped=self.skipped,
            quarantined_by_reason=dict(self._reasons),
            headlines_new=headlines[0],
            headlines_seen_again=headlines[1],
            sightings=self._sightings,
            seconds=time.monotonic() - self._started,
            message=message,
        )

    def _show(self, percent: float) -> None:
        description = f"{self.counts.read:,} pages, {self.ended} of {self.submitted} batches so far"
        update_progress_artifact(self._progress, percent, description)
