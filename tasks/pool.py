"""Supervised worker processes: a page that hangs, kills or outgrows its worker costs one page.

Each worker is a plain subprocess at the other end of a socket pair of its own, so that whatever happens
to one never reaches another, and its end shows at once as the end of its stream. The page in hand when
a worker ends is the first one whose outcome has not come. That need not be the page's doing: the worker may
have been killed from outside, by the kernel short of memory or by an operator, or its memory may be full of
what other pages left. So the page is tried once more, and condemned when it costs a second, fresh worker.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import IO

from schemas.errors import BroadsheetError, Interrupted, PageError, PageOutOfMemory, PageTimeout, WorkerDied
from schemas.records import Batch, BatchResult, Ignored, Limits, Rejection
from tasks.batch import Outcome, Place, batch_result, unread, unread_unit
from tasks.limits import hard_seconds, out_of_memory
from tasks.worker import OUT_OF_MEMORY, READY

START_SECONDS = 60.0
GRACE_SECONDS = 5.0
START_ATTEMPTS = 3
COMPLAINT_BYTES = 2000
WITHHELD = ("BROADSHEET_", "PREFECT_", "PG")
"""How variables begin that workers do not get: they need neither database nor Prefect, nor the keys to them.

Those to the stores of inputs they need.
"""
KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of rejected pages that travel with one batch; later ones are known by their origin only."""


class WorkerUnusable(BroadsheetError):
    """Worker processes end before they can take a batch: a broken installation, or no memory at all."""


class ExtractionPool:
    """Worker processes that extract batches.

    A context manager: entering it starts the first worker, leaving it ends the workers, whatever they are at.
    Within, it may be entered again; the first to leave ends it.
    """

    def __init__(self, workers: int, limits: Limits) -> None:
        self._limits = limits
        self._count = workers
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._running: set[_Worker] = set()
        self._under_way = 0
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="extraction")

    def __enter__(self) -> ExtractionPool:
        with self._lock:
            if not self._running:
                self._idle.put(self._start())  # while the run still looks around
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            for worker in self._running:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._running:
            worker.close()

    @property
    def closed(self) -> bool:
        return self._closed

    def submit(self, batch: Batch) -> Future[BatchResult]:
        """Start `extract_batch` as soon as a worker is free; there are never more workers than batches."""
        with self._lock:
            if len(self._running) < min(self._under_way + 1, self._count):
                try:
                    self._idle.put(self._start())
                except OSError:  # no process more to be had just now
                    if not self._running:
                        raise
            self._under_way += 1
        future = self._threads.submit(self._extract, batch)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[BatchResult]) -> None:
        with self._lock:
            self._under_way -= 1

    def extract_batch(self, batch: Batch) -> BatchResult:
        """Extract the batch and wait for it. Thread-safe.

        Raises:
            WorkerUnusable: no worker can be started.
            KeepError: the bytes of a page cannot be kept.
            StoreUnreachable: a store that holds some of its inputs stays away.
        """
        return self.submit(batch).result()

    def _extract(self, batch: Batch) -> BatchResult:
        outcomes: list[Outcome] = []
        seconds = 0.0
        kept = 0
        place = Place()
        suspect: Place | None = None
        worker = self._idle.get()
        try:
            while True:
                worker, complaint = self._ready(worker)
                if complaint is not None:
                    raise WorkerUnusable(f"Worker processes do not start: {complaint}")
                left = batch.accept
                if left is not None:
                    left -= sum(not isinstance(outcome, Ignored) for outcome in outcomes)
                try:
                    for message in worker.run(replace(batch, accept=left), place):
                        if isinstance(message, float):
                            seconds += message
                            return batch_result(batch.number, outcomes, seconds)
                        unit, outcome = message
                        place = Place(unit, place.record + 1 if unit == place.unit else 1)
                        if isinstance(outcome, Rejection) and outcome.content:
                            kept += len(outcome.content)
                            if kept > KEPT_BYTES:
                                outcome = replace(outcome, content=None)
                        outcomes.append(outcome)
                except PageError as error:
                    may_be_innocent = isinstance(error, WorkerDied | PageOutOfMemory)
                    if may_be_innocent and place.verdict is None and place != suspect:
                        suspect = place
                    elif place.verdict is None:
                        place = replace(place, verdict=error)
                    elif not place.unseen:
                        place = replace(place, unseen=True)
                    elif (stuck := unread_unit(batch, place)) is not None:
                        # Not even reading that record is possible: go on with what comes after its unit.
                        reached = place.record if stuck == place.unit else 0
                        outcomes.append(unread(batch, Place(stuck, reached), error))
                        place = Place(stuck + 1)
                worker = self._replace(worker)
        finally:
            self._idle.put(worker)

    def _ready(self, worker: _Worker) -> tuple[_Worker, str | None]:
        """The worker, or another in its place, able to take a batch; what it complains of when none is."""
        for attempt in range(START_ATTEMPTS):
            if attempt:
                worker = self._replace(worker)
            if worker.wait_until_ready():
                return worker, None
            worker.kill()
        return worker, worker.complaint()

    def _start(self) -> _Worker:
        """A worker more, for who holds the lock."""
        if self._closed:
            raise Interrupted("The worker pool is closed.")
        worker = _Worker(self._limits)
        self._running.add(worker)
        return worker

    def _replace(self, worker: _Worker) -> _Worker:
        with self._lock:
            successor = self._start()
            self._running.discard(worker)
        worker.close()
        return successor


class _Worker:
    """One worker process and the parent's end of its connection."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connection, far_end = Pipe()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker
        try:
            with far_end:
                self._process = subprocess.Popen(  # noqa: S603  our own program
                    [sys.executable, "-P", "-X", "faulthandler", "-c", _program(far_end.fileno(), limits)],
                    stdin=subprocess.DEVNULL,
                    stdout=self._errors,
                    stderr=self._errors,
                    pass_fds=[far_end.fileno()],
                    env={name: value for name, value in os.environ.items() if not name.startswith(WITHHELD)},
                )
        except OSError:
            self._connection.close()
            self._errors.close()
            raise
        self._ready = False

    def wait_until_ready(self) -> bool:
        """Wait until the process can take a batch; False when it cannot any more."""
        if not self._ready:
            try:
                self._ready = self._connection.poll(START_SECONDS) and self._connection.recv() == READY
            except (EOFError, OSError):
                return False
        return self._ready and self._process.poll() is None

    def run(self, batch: Batch, place: Place) -> Iterator[tuple[int, Outcome] | float]:
        """Yield (unit, outcome) for each record from `place` on, then the CPU seconds.

        Raises:
            PageTimeout, PageOutOfMemory, WorkerDied: the process ended on the record that has no outcome.
            KeepError, StoreUnreachable: the batch cannot be finished.
        """
        patience = hard_seconds(batch.limits) + GRACE_SECONDS
        try:
            self._connection.send((batch, place))
            while True:
                if not self._connection.poll(patience):
                    self.kill()
                    raise PageTimeout(f"gave no sign of life for {patience:g} seconds")
                message: tuple[int, Outcome] | float | BroadsheetError = self._connection.recv()
                if isinstance(message, BroadsheetError):
                    raise message
                yield message
                if isinstance(message, float):
                    return
        except (EOFError, OSError):
            raise self._cause() from None

    def kill(self) -> None:
        """End the process; its stream ends with it. Safe from any thread."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self._connection.close()
        self._errors.close()

    def complaint(self) -> str:
        """The end of what the process wrote to its standard error."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - COMPLAINT_BYTES))
        return self._errors.read().decode(errors="replace").strip()

    def _cause(self) -> PageError:
        """Why the process ended; its connection is gone, so it is ended or about to."""
        try:
            code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return WorkerDied("closed its connection")
        complaint = self.complaint()
        if code == OUT_OF_MEMORY or (code == -signal.SIGABRT and "MemoryError" in complaint):
            return out_of_memory(self._limits)  # with an interpreter that could not even say so
        if code == -signal.SIGPROF:
            return PageTimeout("took too long where only the end of its process could stop it")
        end = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return WorkerDied(f"{end}\n{complaint}".strip())


def _program(descriptor: int, limits: Limits) -> str:
    """What the process runs: this very package, whatever else is called `tasks` where we are."""
    return (
        "import signal, sys; "
        "[signal.signal(told, signal.SIG_IGN) for told in (signal.SIGINT, signal.SIGTERM)]; "
        f"sys.path.insert(0, {str(Path(__file__).resolve().parent.parent)!r}); "
        f"from tasks.worker import serve; serve({descriptor}, {limits.worker_bytes})"
    )
