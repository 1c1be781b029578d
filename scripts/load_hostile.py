"""Load hostile pages as a run does, without Prefect, and check that every one of them is accounted for.

    python scripts/load_hostile.py                              # all of them, giants too: some minutes
    python scripts/load_hostile.py --sample 200 --without-giants

Makes the landing zone (see make_hostile.py), plans it, extracts it in supervised workers, loads it into
PostgreSQL, settles; then once more, which must skip everything. Prints what became of the pages and what
memory it took; ends with exit code 1 and a line for each promise that does not hold.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from make_hostile import Hostile, hostile_inputs, make, sample
from sqlalchemy import Engine, text

from schemas.records import Batch, BatchResult, Counts, Limits, RunReport, Selection
from schemas.settings import Settings
from tasks.archive import Archive
from tasks.inputs.storage import uri_of
from tasks.ledger import KnownParts, finish_run, run_totals, run_under_way
from tasks.load import load_batch
from tasks.plan import pack, plan
from tasks.pool import ExtractionPool
from tasks.postgres.database import open_database
from tasks.settle import settle

WORKERS = 2
WORKER_BYTES = 400_000_000
PARENT_BYTES = 600_000_000
BATCH_SECONDS = 900
SAMPLE_SECONDS = 0.02

LONGEST = """
    SELECT format('%I.%I', c.table_name, c.column_name) AS name,
           format('SELECT coalesce(max(octet_length(%I::text)), 0) FROM %I.%I',
                  c.column_name, c.table_schema, c.table_name) AS asked
    FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
      AND c.data_type IN ('text', 'ARRAY')
"""


@dataclass
class Figures:
    """What a run over the landing zone did."""

    inputs: int = 0
    seconds: float = 0.0
    planning_seconds: float = 0.0
    slowest_batch_seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    ignored: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    worker_peak_bytes: int = 0
    worker_peaks: list[int] = field(default_factory=list)
    """The greatest of each worker process, the greatest first."""
    parent_peak_bytes: int = 0
    longest_texts: dict[str, int] = field(default_factory=dict)
    """Column → bytes of its longest text."""
    wrong: list[str] = field(default_factory=list)
    """Promises that do not hold."""


def load_hostile(inputs: Sequence[Hostile], zone: Path, engine: Engine, archive: Archive) -> Figures:
    """Load a landing zone that holds these inputs; look whether all promises hold."""
    under_way = run_under_way(engine, kind="ingest", parameters={}, flow_run_id=None, extractor="hostile")
    with under_way as run_id:
        return _load_hostile(inputs, zone, engine, archive, run_id)


def _load_hostile(
    inputs: Sequence[Hostile], zone: Path, engine: Engine, archive: Archive, run_id: int
) -> Figures:
    figures = Figures(inputs=len(inputs))
    begun = time.monotonic()
    counts, records, pages, reasons = Counts(), Counter[str](), Counter[str](), Counter[str]()

    def load(batch: Batch, extraction: Future[BatchResult]) -> None:
        nonlocal counts
        waited = time.monotonic()
        result = extraction.result(BATCH_SECONDS)
        figures.slowest_batch_seconds = max(figures.slowest_batch_seconds, time.monotonic() - waited)
        for part in batch.parts:
            records[part.input.uri] += part.record_count
        pages.update(outcome.origin_uri for outcome in (*result.pages, *result.rejections))
        for rejection in result.rejections:
            if rejection.content is not None:
                archive.put(rejection.content)
        report = load_batch(engine, batch, result, run_id=run_id, extractor="hostile")
        if not report.counts.balanced or (report.counts.read, report.ignored) != (
            result.read,
            result.ignored,
        ):
            figures.wrong.append(f"batch {batch.number} does not add up: {report.counts}")
        counts += report.counts
        figures.ignored += report.ignored
        reasons.update(report.quarantined_by_reason)

    with ExtractionPool(WORKERS, Limits()) as pool, _watched(pool) as peaks:
        under_way: deque[tuple[Batch, Future[BatchResult]]] = deque()
        planned = _batches(zone, engine)
        while True:
            waited = time.monotonic()
            batch = next(planned, None)
            figures.planning_seconds += time.monotonic() - waited
            if batch is not None:
                under_way.append((batch, pool.submit(batch)))
            if len(under_way) == WORKERS + 2 or (batch is None and under_way):
                load(*under_way.popleft())
            elif batch is None:
                break
    settle(engine)
    figures.seconds = time.monotonic() - begun
    figures.outcomes, figures.reasons = counts.as_dict(), dict(reasons)
    finish_run(engine, run_id, RunReport(run_id, "partial", counts, figures.ignored))
    figures.worker_peaks = sorted(peaks.values(), reverse=True)
    figures.worker_peak_bytes = max(peaks.values())
    figures.parent_peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures.longest_texts = _longest(engine)
    _compare(figures, inputs, zone, records, pages)
    stored = run_totals(engine, run_id).counts
    if not counts.balanced or stored != counts:
        figures.wrong.append(f"the run does not add up: counted {counts}, stored {stored}")
    if again := [part.input.uri for batch in _batches(zone, engine) for part in batch.parts]:
        figures.wrong.append(f"a second run would read {len(again)} inputs again: {again[:5]}")
    if figures.worker_peak_bytes > WORKER_BYTES:
        figures.wrong.append(f"a worker took {figures.worker_peak_bytes:,} bytes")
    if figures.parent_peak_bytes > PARENT_BYTES:
        figures.wrong.append(f"the parent took {figures.parent_peak_bytes:,} bytes")
    return figures


def _batches(zone: Path, engine: Engine) -> Iterator[Batch]:
    selection = Selection()
    for item in pack(plan([str(zone)], selection, KnownParts(engine)), selection):
        if isinstance(item, Batch):
            yield item


def _compare(
    figures: Figures, inputs: Sequence[Hostile], zone: Path, records: Counter[str], pages: Counter[str]
) -> None:
    """Every input must have given what it is known to hold, and nothing else may have given anything."""
    known = {uri_of(str(zone / each.name)): each for each in inputs}
    for uri in (records.keys() | pages.keys()) - known.keys():
        figures.wrong.append(f"{uri} is no input")
    for uri, each in known.items():
        if each.records is not None and records[uri] != each.records:
            figures.wrong.append(f"{each.name!r} ({each.family}): {records[uri]} records of {each.records}")
        if each.pages is not None and pages[uri] != each.pages:
            figures.wrong.append(f"{each.name!r} ({each.family}): {pages[uri]} pages of {each.pages}")
        if each.records is None and not records[uri] + pages[uri]:
            figures.wrong.append(f"{each.name!r} ({each.family}) left no trace")


def _longest(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        asked = connection.execute(text(LONGEST)).all()
        found = {row.name: int(connection.execute(text(row.asked)).scalar_one()) for row in asked}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@contextmanager
def _watched(pool: ExtractionPool) -> Iterator[dict[int, int]]:
    """Follow the greatest resident memory of each worker process, in bytes by process id."""
    peaks: dict[int, int] = {0: 0}
    left = threading.Event()

    def watch() -> None:
        while not left.wait(SAMPLE_SECONDS):
            for worker in list(pool._running):
                with suppress(OSError):
                    status = Path(f"/proc/{worker._process.pid}/status").read_text()
                    for line in status.splitlines():
                        if line.startswith("VmHWM:"):
                            peaks[worker._process.pid] = int(line.split()[1]) * 1024

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peaks
    finally:
        left.set()
        watcher.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, help="only so many inputs")
    parser.add_argument("--without-giants", action="store_true", help="leave out what takes seconds each")
    parser.add_argument("--only", help="only families whose name holds this")
    parser.add_argument("--database", help="URL of a migrated database; else an embedded one is made")
    parser.add_argument("--json", type=Path, help="write the figures there")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hostile-", dir="/tmp") as place:
        Path(place).chmod(0o755)
        zone, home = Path(place) / "zone", Path(place) / "home"
        zone.mkdir()
        home.mkdir(mode=0o755)
        with ProcessPoolExecutor(1) as maker:  # apart: what it holds is not the memory of a run
            inputs = maker.submit(_make, wanted, zone).result()
        settings = Settings(home=home, database_url=wanted.database, schema="broadsheet", workers=WORKERS)
        with open_database(settings) as engine:
            figures = load_hostile(inputs, zone, engine, Archive(settings.archive))
        _clean(home)
    told: dict[str, Any] = vars(figures)
    if wanted.json:
        wanted.json.write_text(json.dumps(told, indent=1))
    _print(figures)
    sys.exit(bool(figures.wrong))


def _make(wanted: argparse.Namespace, zone: Path) -> list[Hostile]:
    """Write the inputs that are wanted; return them without their content."""
    inputs = hostile_inputs(wanted.seed, with_giants=not wanted.without_giants)
    if wanted.only:
        inputs = [each for each in inputs if wanted.only in each.family]
    if wanted.sample:
        inputs = sample(inputs, wanted.sample, wanted.seed)
    make(inputs, zone)
    return [replace(each, content=b"") for each in inputs]


def _clean(home: Path) -> None:
    """Remove the cluster that root's embedded server keeps elsewhere."""
    import shutil

    if (home / "postgres").is_symlink():
        shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)


def _print(figures: Figures) -> None:
    print(
        f"{figures.inputs} inputs in {figures.seconds:.1f} s, {figures.planning_seconds:.1f} s of it planning"
    )
    print(
        ", ".join(f"{count} {word}" for word, count in figures.outcomes.items()),
        f"{figures.ignored} ignored",
        sep="; ",
    )
    print("quarantined:", ", ".join(f"{count} {reason}" for reason, count in sorted(figures.reasons.items())))
    peaks = ", ".join(f"{peak / 1e6:.0f}" for peak in figures.worker_peaks[:5])
    print(f"memory: workers {peaks} MB, parent {figures.parent_peak_bytes / 1e6:.0f} MB")
    longest = list(figures.longest_texts.items())[:12]
    print("longest texts:", ", ".join(f"{name} {size:,}" for name, size in longest))
    for line in figures.wrong:
        print("WRONG:", line)


if __name__ == "__main__":
    main()
