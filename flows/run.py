"""What every run does, whichever flow it is: batches in, at most *workers + 2* under way, one report out."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from contextvars import ContextVar, copy_context
from dataclasses import replace
from queue import SimpleQueue
from typing import Literal, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Crashed
from pydantic_core import to_jsonable_python
from sqlalchemy import Engine

from flows.render import counted, markdown
from flows.signals import Terminated, end_soon
from flows.summary import final_state, notes, quarantine_rows, rows, sentence
from schemas.errors import InputError, StoreUnreachable, TransientLoadError
from schemas.records import (
    Batch,
    Counts,
    Limits,
    LoadReport,
    PassedOver,
    Replayed,
    RunReport,
    Skipped,
    Unmatched,
)
from schemas.settings import Settings
from tasks.archive import Archive
from tasks.extract import EXTRACTOR_VERSION
from tasks.keep import Keeper
from tasks.ledger import finish_dead_runs, finish_run, run_headlines, run_totals, run_under_way
from tasks.plan import Note
from tasks.pool import ExtractionPool
from tasks.postgres.database import open_database
from tasks.postgres.patience import Patience, only_busy, patient
from tasks.postgres.quarantine import Chosen, QuarantineCount, count_quarantine, count_waiting, replayed
from tasks.recover import Unavailable
from tasks.replay import Retried
from tasks.reprocess import Barrier
from tasks.steps import BatchWork, load_batch_step, settle_step

QUARANTINE_COUNTS_FROM = 100
"""Pages a run must have read before the share of its quarantined ones can fail it."""
PARTS_SHOWN = 1000
"""Known parts after which a run shows that it goes on."""
ARTIFACT_SECONDS = 5.0
FINISH_SECONDS = 4.0
"""How long what the database is at may take to end when the run is told to end."""
CUT_SECONDS, MARK_SECONDS = 0.5, 1.5

_LOG = logging.getLogger("broadsheet")

Loading = PrefectFuture[LoadReport | State[LoadReport]]
Planned = Batch | Note | Retried | Unavailable | Barrier
"""What a plan yields: work, what there is beside it, what is tried again, what cannot be had again, and where
planning must wait for the work before."""


class Observer:
    """Someone in this process who follows a run: told counts and known parts, left with the report.

    The pool is one whose first worker starts already, if there is one.
    """

    def __init__(self, watch: Callable[[Counts, int], None], pool: ExtractionPool | None = None) -> None:
        self.watch = watch
        self.pool = pool
        self.report: RunReport | None = None


observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


def run(
    plan: Callable[[Engine, Archive], Iterable[Planned]],
    *,
    workers: int | None,
    limit: int | None,
    max_quarantine: float,
    keep_pages: str | None,
) -> State[None]:
    """Extract and load what `plan` yields, settle the headlines, report in the run's row and in Prefect.

    `keep_pages` names where the raw bytes of all pages are kept, if they are.

    Returns the final state of the flow that calls it. The run's row is finished whatever happens.
    """
    settings = Settings.from_environment()
    workers = workers or settings.workers
    kind = str(flow_run.flow_name)
    archive = Archive(settings.archive)
    seen = observer.get()
    with ExitStack() as stack:
        keeper = stack.enter_context(Keeper(keep_pages, settings.spools)) if keep_pages else None
        engine = stack.enter_context(open_database(replace(settings, workers=workers)))
        planned = plan(engine, archive)
        _tell_dead(finish_dead_runs(engine))
        reasons: list[QuarantineCount] = []
        under_way = run_under_way(
            engine,
            kind=kind,
            parameters=to_jsonable_python(flow_run.parameters),
            flow_run_id=flow_run.id,
            extractor=EXTRACTOR_VERSION,
        )
        tally = _Tally(run_id := stack.enter_context(under_way))
        try:
            with (seen and seen.pool) or ExtractionPool(workers, Limits()) as pool:

                def submit(batch: Batch) -> Loading:
                    if keeper:
                        batch = replace(batch, keep=keeper.spool)
                    work = BatchWork(batch, pool, engine, archive, keeper, run_id)
                    return load_batch_step.submit(batch.number, work)

                progress = _Progress()
                for ended in _in_flight(planned, submit, tally, workers, limit):
                    tally.add(ended)
                    progress.show(tally)
            settle_step.submit(engine).result()  # in a thread: a signal ends the waiting for it
            headlines = run_headlines(engine, run_id)
            again = replayed(engine, tally.retried, run_id, tally.gone) if tally.retried else None
            stored = run_totals(engine, run_id).counts
            if stored.quarantined:
                reasons = patient(count_quarantine)(engine, Chosen(run_id=run_id))
            waiting = 0 if stored.read or again else patient(count_waiting)(engine)
            unkept = tally.skipped if keeper else 0
            report = tally.close(stored, headlines, again, reasons, waiting, unkept, max_quarantine)
            finish_run(engine, run_id, report)
        except (KeyboardInterrupt, TerminationSignal) as interruption:
            report = _interrupted(engine, tally, interruption)
        except BaseException as error:
            _end_loading(engine)
            with suppress(Exception):  # the database may be what failed; the first error is the one to show
                finish_run(engine, run_id, tally.broken_off(run_totals(engine, run_id), error))
            raise
    if seen:
        seen.report = report
    if report.state != "interrupted":
        try:
            create_table_artifact(rows(report), key=f"{kind}-summary", description=markdown(sentence(report)))
            if reasons:
                create_table_artifact(quarantine_rows(run_id, reasons), key=f"{kind}-quarantine")
            progress.end()
        except Exception as error:  # noqa: BLE001  the run is done, whether Prefect's server answers or not
            _LOG.warning("Prefect's server took no artifact of the run: %s", error)
    return final_state(report)


def _tell_dead(flow_run_ids: Iterable[str]) -> None:
    """Tell Prefect of runs whose process is gone: it goes on showing them as running."""
    for flow_run_id in flow_run_ids:
        with suppress(Exception), get_client(sync_client=True) as client:  # perhaps another server's run
            known = client.read_flow_run(UUID(flow_run_id))
            if known.state and not known.state.is_final():
                client.set_flow_run_state(known.id, Crashed(message="Its process is gone."), force=True)


def _interrupted(engine: Engine, tally: _Tally, by: KeyboardInterrupt | TerminationSignal) -> RunReport:
    """End what is under way within a few seconds, and enter what the run did.

    A batch that is being loaded is finished if the database is quick enough, and rolled back if it is not.
    """
    name = "Ctrl-C"
    if isinstance(by, TerminationSignal):
        name = "SIGTERM"
        end_soon(by.signal)
    elif isinstance(by, Terminated):
        name = "SIGTERM"
    _end_loading(engine)
    entered: list[RunReport] = []

    def enter() -> None:
        with suppress(Exception):  # without its database the run's row is left to the next run
            report = tally.interrupted(run_totals(engine, tally.run_id), f"Interrupted by {name}.")
            finish_run(engine, tally.run_id, report)
            entered.append(report)

    entering = threading.Thread(target=enter, daemon=True)
    entering.start()
    entering.join(MARK_SECONDS)
    if entering.is_alive():
        Patience.of(engine).cut()
    return entered[0] if entered else tally.interrupted(None, f"Interrupted by {name}.")


def _end_loading(engine: Engine) -> None:
    """Let what the database is at end, within a few seconds, and nothing more begin."""
    patience = Patience.of(engine)
    patience.end()
    if not patience.quiet(FINISH_SECONDS):
        patience.cut()
        patience.quiet(CUT_SECONDS)


def _in_flight(
    planned: Iterable[Planned],
    submit: Callable[[Batch], Loading],
    tally: _Tally,
    workers: int,
    limit: int | None,
) -> Iterator[Loading]:
    """Submit batches as room allows and yield each as it ends.

    With a limit they run one after another, so that what is left of it is known.
    """
    ended: SimpleQueue[Loading] = SimpleQueue()
    room = workers + 2 if limit is None else 1
    for item in _until_unreachable(planned, tally):
        if isinstance(item, Skipped):
            tally.skip(item.parts)
            continue
        if isinstance(item, PassedOver):
            tally.passed_over.update(item.counts)
            continue
        if isinstance(item, Unmatched):
            tally.unmatched += 1
            continue
        if isinstance(item, Unavailable):
            tally.unavailable += 1
            if tally.retried:
                tally.gone[item.id] = item.why
            continue
        if isinstance(item, Retried):
            tally.retried += item.entry_ids
            continue
        if isinstance(item, Barrier):
            while tally.ended < tally.submitted:
                yield ended.get()
                room += 1
            continue
        left = None if limit is None else limit - tally.counts.read
        if left is not None and left <= 0:
            break
        batch = replace(item, number=tally.submitted + 1, accept=left)
        submit(batch).add_done_callback(ended.put)
        tally.submitted += 1
        room -= 1
        if not room:
            yield ended.get()
            room += 1
    while tally.ended < tally.submitted:
        yield ended.get()


def _until_unreachable(planned: Iterable[Planned], tally: _Tally) -> Iterator[Planned]:
    """What is planned, until a store stays away or its listing breaks off: what is under way is the last."""
    try:
        for item in planned:
            yield item
            if tally.unreachable:
                return
    except (StoreUnreachable, InputError) as error:
        tally.unreachable = str(error)


class _Tally:
    """What a run has done so far."""

    def __init__(self, run_id: int) -> None:
        self.counts = Counts()
        self.skipped = 0
        self.passed_over: Counter[str] = Counter()
        self.unmatched = 0
        self.unavailable = 0
        self.retried: list[int] = []
        self.gone: dict[int, str] = {}
        """Those of them that gave nothing to try, and why."""
        self.unreachable = ""
        """What is said of a store that stays away."""
        self.submitted = 0
        self.ended = 0
        self.run_id = run_id
        self._ignored = 0
        self._sightings = 0
        self._misdated = 0
        self._reasons: Counter[str] = Counter()
        self._failures: list[str] = []
        self._started = time.monotonic()

    def add(self, future: Loading) -> None:
        """Count a batch that has ended.

        Raises:
            TransientLoadError: the batch failed since the database stays away, and so would all that follow.
        """
        self.ended += 1
        result = future.result(raise_on_failure=False)
        if isinstance(result, LoadReport):
            self.counts += result.counts
            self._ignored += result.ignored
            self._sightings += result.sightings
            self._misdated += result.misdated
            self._reasons.update(result.quarantined_by_reason)
        elif isinstance(result, TransientLoadError) and not only_busy(result):
            raise result
        elif isinstance(result, StoreUnreachable):
            self.unreachable = str(result)
        else:
            self._failures.append(f"{type(result).__name__}: {result}")
        self._show()

    def skip(self, parts: int) -> None:
        """Count parts that are known, and show now and then that there is work."""
        before, self.skipped = self.skipped, self.skipped + parts
        if before // PARTS_SHOWN < self.skipped // PARTS_SHOWN:
            self._show()

    def _show(self) -> None:
        if seen := observer.get():
            with suppress(OSError):  # nobody may be looking any more
                seen.watch(self.counts, self.skipped)

    def close(
        self,
        stored: Counts,
        headlines: tuple[int, int],
        again: Replayed | None,
        reasons: Sequence[QuarantineCount],
        waiting: int,
        unkept: int,
        max_quarantine: float,
    ) -> RunReport:
        """The report of a run that went through, with what the ledger and the quarantine have of it."""
        wrong = self._what_is_wrong(stored, max_quarantine)
        state: Literal["completed", "partial", "failed"] = (
            "partial" if self.counts.quarantined else "completed"
        )
        said = notes(
            again=again,
            gone=self.gone,
            failed=bool(wrong),
            unavailable=0 if again else self.unavailable,
            unmatched=self.unmatched,
            passed_over=self.passed_over,
            misdated=self._misdated,
            quarantined=self.counts.quarantined,
            entries=sum(row.waiting + row.resolved + row.dismissed for row in reasons),
            waiting=waiting,
            unkept=unkept,
        )
        message = ". ".join(filter(None, (wrong, said)))
        return replace(self._report("failed" if wrong else state, message, headlines), replayed=again)

    def broken_off(self, stored: LoadReport, error: BaseException) -> RunReport:
        """The report of a run that an error ended, with what the ledger has of it."""
        return self._with(stored, self._report("failed", f"{type(error).__name__}: {error}"))

    def interrupted(self, stored: LoadReport | None, message: str) -> RunReport:
        """The report of a run that a signal ended, with what the ledger has of it if that is known."""
        report = self._report("interrupted", message)
        return self._with(stored, report) if stored else report

    def _with(self, stored: LoadReport, report: RunReport) -> RunReport:
        return replace(
            report,
            counts=stored.counts,
            ignored=stored.ignored,
            quarantined_by_reason=stored.quarantined_by_reason,
            sightings=stored.sightings,
        )

    def _what_is_wrong(self, stored: Counts, max_quarantine: float) -> str:
        wrong = []
        if self.unreachable:
            wrong.append(f"{self.unreachable}; what was not read is left to the next run")
        if self._failures:
            failed = f"{len(self._failures)} of {self.submitted} batches failed"
            wrong.append(f"{failed}; the first: {self._failures[0]}")
        elif not self.counts.balanced or stored != self.counts:
            wrong.append(f"the outcomes do not add up: counted {self.counts}, stored {stored}")
        read, quarantined = self.counts.read, self.counts.quarantined
        if read >= QUARANTINE_COUNTS_FROM and quarantined > max_quarantine * read:
            wrong.append(f"{quarantined} of {read} pages are quarantined, more than {max_quarantine:.0%}")
        return ". ".join(wrong)

    def _report(
        self,
        state: Literal["completed", "partial", "failed", "interrupted"],
        message: str,
        headlines: tuple[int, int] = (0, 0),
    ) -> RunReport:
        return RunReport(
            run_id=self.run_id,
            state=state,
            counts=self.counts,
            ignored=self._ignored,
            skipped=self.skipped,
            unavailable=self.unavailable,
            quarantined_by_reason=dict(self._reasons),
            headlines_new=headlines[0],
            headlines_seen_again=headlines[1],
            sightings=self._sightings,
            seconds=time.monotonic() - self._started,
            message=message,
        )


class _Progress:
    """The run's progress bar in Prefect, made and moved aside: its server, away or slow, stops no run."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._move(0.0, "")

    def show(self, tally: _Tally) -> None:
        """Move it, unless that was done just now or is still being done."""
        if time.monotonic() - self._shown < ARTIFACT_SECONDS or self._telling.is_alive():
            return
        steps = tally.submitted + 1
        pages = counted(tally.counts.read, "page", "pages")
        self._move(
            round(100 * tally.ended / steps, 1),
            f"{pages}, {tally.ended} of {steps} steps so far: batches, then the headlines",
        )

    def end(self) -> None:
        """Fill it."""
        self._telling.join()
        self._tell(100.0)

    def _move(self, percent: float, description: str) -> None:
        def tell() -> None:
            with suppress(Exception):  # the next one will tell
                self._tell(percent, description)

        self._shown = time.monotonic()
        self._telling = threading.Thread(target=copy_context().run, args=(tell,), daemon=True)
        self._telling.start()

    def _tell(self, percent: float, description: str | None = None) -> None:
        if self._artifact is None:
            self._artifact = cast(UUID, create_progress_artifact(percent, "run-progress", description))
        else:
            update_progress_artifact(self._artifact, percent, description)
