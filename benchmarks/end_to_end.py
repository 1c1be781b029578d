"""Files → Prefect → Postgres: `broadsheet ingest` beside extraction alone and beside a naive pipeline.

    python benchmarks/end_to_end.py                                   # HTML and text, a few minutes
    python benchmarks/end_to_end.py --kind html --megabytes 1000      # one WARC of 1 GB
    python benchmarks/end_to_end.py --kind html --megabytes 1000 --layout one-member
    python benchmarks/end_to_end.py --kind small --layout files --pages 100000
    python benchmarks/end_to_end.py --kind small --pages 200000 --no-alone     # memory over a long run

Makes a landing zone (`landing_zone.py`), starts a Prefect server and a PostgreSQL, and loads the pages: by
extraction alone (the pool of workers that a run uses, its results thrown away), by `broadsheet ingest`, and
the first of them, as files, by `naive_pipeline.py`. Prints pages a second without and with start-up, CPU
time and memory by process, and how far the workers were kept busy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.request import urlopen

from headline_load import ServerClock
from landing_zone import SAVED, Kind, Layout, make
from sqlalchemy import Engine, text

from schemas.records import BatchResult, Limits, Selection, Skipped
from schemas.settings import Settings
from tasks.plan import NothingKnown, pack, plan
from tasks.pool import ExtractionPool
from tasks.postgres.database import open_database
from tasks.postgres.embedded import use_embedded

HERE = Path(__file__).resolve().parent
BROADSHEET = Path(sys.executable).with_name("broadsheet")
TICK = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.25
SAMPLES_A_LOOK = 8
"""Proportional memory takes the kernel long to add up: every so many samples."""


# --- what processes cost --------------------------------------------------------------------------------


@dataclass
class Sample:
    """A run's processes at one moment."""

    at: float
    """Seconds since the epoch."""
    parent_cpu: float
    worker_cpu: float
    worker_waited: float
    """Seconds in which workers could have run and had no core."""
    parent_rss: int
    worker_rss: int
    pss: int | None
    """Bytes of parent and workers, memory they share counted once; not in every sample."""


class Watch:
    """Looks at a command and its workers while it runs."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.samples: list[Sample] = []
        self.launched = time.time()
        self._cpu: dict[int, tuple[bool, float, float]] = {}
        self._process = subprocess.Popen(  # noqa: S603  our own commands
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with self._process:
            watcher = threading.Thread(target=self._sample)
            watcher.start()
            self.output, errors = self._process.communicate()
            watcher.join()
        self.ended = time.time()
        if self._process.returncode:
            sys.exit(f"{command[0]} failed:\n{errors[-3000:]}\n{self.output[-3000:]}")

    def _sample(self) -> None:
        while self._process.returncode is None:
            self.samples.append(self._look(len(self.samples) % SAMPLES_A_LOOK == 0))
            time.sleep(SAMPLE_SECONDS)

    def _look(self, proportional: bool) -> Sample:
        rss = {True: 0, False: 0}
        pss = 0
        for process in _family(self._process.pid):
            with suppress(OSError, ValueError, IndexError):
                place = Path(f"/proc/{process}")
                is_worker = b"tasks.worker" in (place / "cmdline").read_bytes()
                stat = (place / "stat").read_text().rpartition(") ")[2].split()
                waited = int((place / "schedstat").read_text().split()[1]) / 1e9
                self._cpu[process] = is_worker, (int(stat[11]) + int(stat[12])) / TICK, waited
                rss[is_worker] += int(stat[21]) * os.sysconf("SC_PAGE_SIZE")
                if proportional:
                    pss += 1024 * int((place / "smaps_rollup").read_text().partition("\nPss:")[2].split()[0])
        spent = self._cpu.values()
        return Sample(
            time.time(),
            sum(cpu for is_worker, cpu, _ in spent if not is_worker),
            sum(cpu for is_worker, cpu, _ in spent if is_worker),
            sum(waited for is_worker, _, waited in spent if is_worker),
            rss[False],
            rss[True],
            pss if proportional else None,
        )

    def cpu_ms(self, pages: int) -> float:
        """CPU milliseconds a page of the command and its workers."""
        return 1000 * (self.samples[-1].parent_cpu + self.samples[-1].worker_cpu) / pages

    def workers_busy(self, workers: int, begun: float) -> dict[str, float]:
        """Shares of the workers' time, from `begun` until the last of them had nothing left to do."""
        first = min((s for s in self.samples if s.at >= begun), key=lambda s: s.at)
        total = self.samples[-1].worker_cpu
        last = next(s for s in self.samples if s.worker_cpu >= 0.999 * total)
        seconds = (last.at - first.at) * workers
        running = (last.worker_cpu - first.worker_cpu) / seconds
        waiting = (last.worker_waited - first.worker_waited) / seconds
        return {
            "running": running,
            "running or without a core": running + waiting,
            "seconds": last.at - first.at,
        }


def _family(process: int) -> list[int]:
    """A process and its children, without threads."""
    with suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        others = [
            c for t in Path(f"/proc/{process}/task").iterdir() for c in (t / "children").read_text().split()
        ]
        return [process, *{int(child) for child in (*children, *others)}]
    return [process]


def memory_of(process: int) -> float:
    """Resident megabytes of a process and all below it."""
    kilobytes = 0
    for each in _family(process):
        with suppress(OSError, IndexError):
            kilobytes += int(Path(f"/proc/{each}/status").read_text().partition("VmRSS:")[2].split()[0])
    return kilobytes / 1000


# --- extraction alone -----------------------------------------------------------------------------------


def extract_alone(zone: Path, workers: int) -> dict[str, float]:
    """Plan and extract as a run does, without Prefect and without a database."""
    launched = time.perf_counter()
    ended: SimpleQueue[BatchResult] = SimpleQueue()
    read = 0
    cpu = 0.0
    under_way = 0

    def take() -> None:
        nonlocal read, cpu, under_way
        result = ended.get()
        read, cpu, under_way = read + result.read, cpu + result.seconds, under_way - 1

    with ExtractionPool(workers, Limits()) as pool:
        begun = time.perf_counter()
        for batch in pack(plan([str(zone)], Selection(), NothingKnown()), Selection()):
            if isinstance(batch, Skipped):
                continue
            pool.submit(batch).add_done_callback(lambda future: ended.put(future.result()))
            under_way += 1
            if under_way == workers + 2:
                take()
        while under_way:
            take()
        now = time.perf_counter()
    return {"pages": read, "seconds": now - begun, "with start-up": now - launched, "worker_cpu": cpu}


# --- the servers and the runs ---------------------------------------------------------------------------


def clean_environment(compiled: Path) -> dict[str, str]:
    """This process's environment without settings of Prefect and of ours; modules are compiled but once."""
    left_out = ("PREFECT", "BROADSHEET", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"PYTHONPYCACHEPREFIX": str(compiled)}


@contextmanager
def prefect_server(home: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """A Prefect server with a home of its own; its API and its process."""
    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    own = {
        **environment,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, env=own, stdout=log, stderr=log)  # noqa: S603  our own command
    try:
        for _ in range(600):
            with suppress(OSError), urlopen(f"{url}/health", timeout=5):  # noqa: S310  the server just started
                break
            time.sleep(0.2)
        yield url, server.pid
    finally:
        server.terminate()
        server.wait(30)


def postgres_memory(clock: ServerClock) -> float:
    """Proportional megabytes of the server's processes: they share their buffers."""
    total = 0
    for process in _family(clock.postmaster or 0):
        with suppress(OSError, IndexError):
            found = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += int(found.partition("\nPss:")[2].split()[0])
    return total / 1000


@dataclass
class Figures:
    """One landing zone, measured."""

    kind: Kind
    layout: Layout
    pages: int
    megabytes: float
    workers: int
    machine: str
    rates: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of each contestant: pages a second, `steady` without start-up and `whole` with it; CPU milliseconds a
    page, start-up included, servers not."""
    ratios: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU milliseconds a page of the run's processes, start-up left out, and of the servers."""
    startup: dict[str, float] = field(default_factory=dict)
    """Until the run is entered in the database."""
    busy: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    """Greatest megabytes."""
    parent: list[float] = field(default_factory=list)
    """Resident megabytes of the parent when each tenth of the pages was loaded."""
    outcome: dict[str, Any] = field(default_factory=dict)


def measure_ingest(
    figures: Figures, zone: Path, engine: Engine, environment: dict[str, str], server: int
) -> None:
    clock = ServerClock(engine)
    before, prefect = clock.seconds() or 0.0, _cpu_of(server)
    with engine.connect() as connection:
        old = connection.scalar(text("SELECT coalesce(max(id), 0) FROM runs"))
    command = [str(BROADSHEET), "ingest", str(zone), "--workers", str(figures.workers), "--json"]
    watch = Watch(command, environment)
    postgres, prefect = (clock.seconds() or 0.0) - before, _cpu_of(server) - prefect
    with engine.connect() as connection:
        run = connection.execute(
            text(
                "SELECT *, extract(epoch FROM started_at)::float AS begun,"
                " extract(epoch FROM finished_at)::float AS done FROM runs WHERE id > :old"
            ),
            {"old": old},
        ).one()
        loaded = connection.execute(
            text(
                "SELECT extract(epoch FROM loaded_at)::float AS at,"
                " sum(read) OVER (ORDER BY loaded_at) AS pages FROM batches WHERE run_id = :run ORDER BY 1"
            ),
            {"run": run.id},
        ).all()
    last, first = watch.samples[-1], min(watch.samples, key=lambda s: abs(s.at - run.begun))
    figures.rates["broadsheet ingest"] = {
        "steady": run.read / (run.done - run.begun),
        "whole": run.read / (watch.ended - watch.launched),
        "cpu": watch.cpu_ms(run.read),
    }
    spent = {
        "workers": last.worker_cpu - first.worker_cpu,
        "parent": last.parent_cpu - first.parent_cpu,
        "postgres": postgres,
        "prefect server": prefect,
    }
    figures.cpu = {name: 1000 * seconds / run.read for name, seconds in spent.items()}
    figures.startup = {
        "CPU seconds": first.parent_cpu + first.worker_cpu,
        "seconds": run.begun - watch.launched,
    }
    figures.busy = watch.workers_busy(figures.workers, run.begun)
    figures.memory = {
        "parent RSS": max(s.parent_rss for s in watch.samples) / 1e6,
        "workers RSS": max(s.worker_rss for s in watch.samples) / 1e6,
        "parent and workers RSS": max(s.parent_rss + s.worker_rss for s in watch.samples) / 1e6,
        "parent and workers PSS": max(s.pss or 0 for s in watch.samples) / 1e6,
        "prefect server RSS": memory_of(server),
        "postgres PSS": postgres_memory(clock),
    }
    for tenth in range(1, 11):
        moment = next(row.at for row in loaded if row.pages * 10 >= run.read * tenth)
        nearest = min(watch.samples, key=lambda s: abs(s.at - moment))
        figures.parent.append(nearest.parent_rss / 1e6)
    outcomes = ("read", "loaded", "updated", "unchanged", "duplicate", "non_article", "quarantined")
    figures.outcome = {name: getattr(run, name) for name in (*outcomes, "sightings", "state")}


def _cpu_of(process: int) -> float:
    seconds = 0.0
    for each in _family(process):
        stat = Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split()
        seconds += (int(stat[11]) + int(stat[12])) / TICK
    return seconds


def measure(kind: Kind, options: argparse.Namespace, place: Path) -> Figures:
    zone = place / f"{kind}-zone"
    print(f"\nMaking pages ({kind}, {options.layout}) …", file=sys.stderr, flush=True)
    pages = make(zone, kind, options.layout, pages=options.pages, megabytes=options.megabytes)
    size = sum(file.stat().st_size for file in zone.rglob("*") if file.is_file()) / 1e6
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    figures = Figures(kind, options.layout, pages, size, options.workers, machine)
    environment = clean_environment(place / "compiled")
    home = place / f"{kind}-home"
    home.mkdir(mode=0o755)
    settings = Settings(home=home, database_url=None, schema="broadsheet", workers=options.workers)
    with (
        use_embedded(home) as embedded,
        open_database(settings) as engine,
        prefect_server(place / f"{kind}-prefect", environment) as (api, server),
    ):
        environment |= {"HOME": str(place), "BROADSHEET_HOME": str(home), "PREFECT_API_URL": api}
        if options.alone:
            command = [
                sys.executable,
                __file__,
                "--worker-pool",
                str(zone),
                "--workers",
                str(options.workers),
            ]
            watch = Watch(command, environment)
            alone = json.loads(watch.output)
            figures.rates["extraction alone"] = {
                "steady": alone["pages"] / alone["seconds"],
                "whole": alone["pages"] / alone["with start-up"],
                "cpu": watch.cpu_ms(pages),
            }
        measure_ingest(figures, zone, engine, environment, server)
        if options.naive and kind != "text":
            files = place / f"{kind}-files"
            make(files, kind, "files", pages=options.naive)
            command = [sys.executable, str(HERE / "naive_pipeline.py"), str(files), embedded.url]
            watch = Watch(command, environment)
            found = json.loads(watch.output.splitlines()[-1])
            figures.rates["naive pipeline"] = {
                "steady": options.naive / found["seconds"],
                "whole": options.naive / (watch.ended - watch.launched),
                "cpu": watch.cpu_ms(options.naive),
            }
            figures.outcome["naive rows"] = found["rows"]
    shutil.rmtree(zone)
    ours = {name: rate for name, rate in figures.rates["broadsheet ingest"].items() if name != "cpu"}
    for other in ("extraction alone", "naive pipeline"):
        if other in figures.rates:
            for name, rate in ours.items():
                figures.ratios[f"ingest / {other}, {name}"] = rate / figures.rates[other][name]
    return figures


def show(figures: Figures) -> None:
    print(f"{figures.pages:,} pages ({figures.kind}, {figures.layout}), {figures.megabytes:,.0f} MB")
    print(f"{'pages a second':<36}{'steady':>10}{'with start-up':>16}{'CPU ms a page':>16}")
    for name, rates in figures.rates.items():
        print(f"{name:<36}{rates['steady']:>10.1f}{rates['whole']:>16.1f}{rates['cpu']:>16.1f}")
    for title, found, form in (
        ("ratios", figures.ratios, ".2f"),
        ("CPU ms a page", figures.cpu, ".2f"),
        ("start-up", figures.startup, ".1f"),
        ("workers' time while extracting", figures.busy, ".3f"),
        ("greatest memory, MB", figures.memory, ".0f"),
        ("outcome", figures.outcome, ""),
    ):
        print(f"{title}: " + ", ".join(f"{name} {value:{form}}" for name, value in found.items()))
    print(
        "parent's RSS at each tenth of the pages, MB: " + " ".join(f"{mb:.0f}" for mb in figures.parent),
        flush=True,
    )


def options_from(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--kind", action="append", choices=("html", "text", "small"), help="default: html and text")
    add("--layout", choices=("warc", "one-member", "files"), default="warc", help="default: %(default)s")
    add("--pages", type=int, default=3000, metavar="N", help="default: %(default)s")
    add("--megabytes", type=float, metavar="N", help="size of the WARC, instead of a number of pages")
    add(
        "--naive",
        type=int,
        default=500,
        metavar="N",
        help="pages for the naive pipeline (default: %(default)s)",
    )
    add("--no-alone", dest="alone", action="store_false", help="leave extraction alone out")
    add("--workers", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="default: the cores")
    add("--directory", type=Path, metavar="DIR", help="where to make everything (default: the temporary one)")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--worker-pool", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = options_from()
    if options.worker_pool:
        print(json.dumps(extract_alone(options.worker_pool, options.workers)))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; ", end="")
    print("saved pages of publishers" if SAVED else "pages of the examples and tests")
    found = []
    with tempfile.TemporaryDirectory(prefix="broadsheet-bench-", dir=options.directory) as directory:
        place = Path(directory)
        place.chmod(0o755)  # so that a root user's database stays inside
        for kind in options.kind or ("html", "text"):
            found.append(measure(kind, options, place))
            show(found[-1])
    if options.json:
        options.json.write_text(json.dumps([asdict(figures) for figures in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
