"""Kill `broadsheet ingest` at random moments, run it again, and compare the database with one clean run's.

    python benchmarks/kill_runs.py                             # 50 parents, 50 workers, and all else
    python benchmarks/kill_runs.py --seed 7 --only parent:31   # one of them again

The runs report to a real Prefect server and load into a real PostgreSQL, each into a database of its own,
every second one into a database that has the first half of the pages already. The moment is drawn from the
time in which a run is at work by its ledger: planning, loading, settling, finishing; of every third run that
is killed or stopped from its whole length, start-up included. Databases are compared by every column of every
table, with natural keys in the place of identity keys (`tests/content.py`). Exits 1 at any difference.

Prefect's server is the one at PREFECT_API_URL, PostgreSQL that of BROADSHEET_DATABASE_URL (a role that may
create databases), else both are started here; killing PostgreSQL itself needs the latter.
"""
# ruff: noqa: S311, S603  moments need not be unforeseeable; the processes are our own

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import zstandard
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from varied_pages import make_landing_zone

from schemas.records import Limits, Page, Part, Selection
from schemas.settings import Settings
from tasks.plan import NothingKnown, plan
from tasks.postgres.database import open_database, upgrade
from tasks.postgres.embedded import use_embedded
from tasks.postgres.kept import read_kept_pages
from tasks.read import read_part

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from content import checksum, content, differences

COMMAND = Path(sys.executable).with_name("broadsheet")
RUN_SECONDS = 240
"""When a run that does not end is a fault of its own."""
GONE_SECONDS = 15
"""What a killed run started must be gone by then."""
STOP_SECONDS = 10
"""A run that is asked to end must have ended by then."""
WORKERS = 2
RERUNS = 3
DIFFERENCES_SHOWN = 12

SUMS = """
    SELECT sum(read) AS read, sum(loaded) AS loaded, sum(updated + duplicate) AS updated_or_duplicate,
           sum(unchanged) AS unchanged, sum(non_article) AS non_article, sum(quarantined) AS quarantined,
           sum(ignored) AS ignored, sum(sightings) AS sightings
    FROM batches"""
"""Which of two captures is `updated` and which a `duplicate` is a matter of the order they come in."""
SUMS_OF_TWO = ("loaded", "updated_or_duplicate", "non_article", "sightings")
"""What does not count twice when two runs read the same."""
ORIGINS = ("pages.origin_uri", "pages.origin_record")
"""Of a page that several inputs hold, the first one met: checked by itself."""
ENDED_WELL = {"Completed", "Partial"}
ENDED = ENDED_WELL | {"Cancelled", "Crashed", "Failed"}
"""Names of Prefect's states for a run that is over; the ledger's are the same, in small letters."""
TRIES = ("quarantine.attempts",)
"""Two runs that read the same try it twice."""

FAULTS = {
    "a run is still called running": "SELECT id FROM runs WHERE state = 'running'",
    "a batch is not settled": "SELECT id FROM batches WHERE settled_at IS NULL",
    "a batch does not balance": """
        SELECT id FROM batches
        WHERE read <> loaded + updated + unchanged + duplicate + non_article + quarantined""",
    "a run is not the sum of its batches": """
        SELECT r.id FROM runs r LEFT JOIN batches b ON b.run_id = r.id GROUP BY r.id
        HAVING (r.read, r.loaded, r.updated, r.unchanged, r.duplicate, r.non_article, r.quarantined)
            <> (coalesce(sum(b.read), 0), coalesce(sum(b.loaded), 0), coalesce(sum(b.updated), 0),
                coalesce(sum(b.unchanged), 0), coalesce(sum(b.duplicate), 0),
                coalesce(sum(b.non_article), 0), coalesce(sum(b.quarantined), 0))""",
}
"""Queries that must find nothing once all is loaded."""

_trials = count(1)


@dataclass
class Trial:
    """One run disturbed, and what came of it."""

    scenario: str
    number: int
    stage: str = "not hit"
    """How far the run was by its ledger: starting, planned, loading, settling, finishing, ended."""
    reruns: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    flow_runs: dict[str, str] = field(default_factory=dict)
    """State of each run in the ledger, by its id in Prefect."""

    @property
    def name(self) -> str:
        return f"{self.scenario}:{self.number}"


@dataclass
class Start:
    """What a run finds: a database to copy, the home that goes with it; and how a clean run goes there."""

    database: str
    home: Path
    runs: int = 0
    """Runs that are in the database already."""
    seconds: float = 0.0
    at_work: float = 0.0
    """Seconds from its entry in the ledger to its end there."""
    extracting: float = 0.0
    """Seconds from its entry in the ledger to the last sight of its workers."""


# --- processes --------------------------------------------------------------------------------------------


class Ingest:
    """A running `broadsheet ingest`; all its processes carry a mark in their environment."""

    def __init__(self, landing_zone: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._mark = f"KILL_RUNS_TRIAL={os.getpid()}-{next(_trials)}"
        name, _, value = self._mark.partition("=")
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as this
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [COMMAND, "ingest", "--quiet", "--keep-pages", _kept(environment), *map(str, landing_zone)],
            env={**environment, name: value},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    def wait(self, seconds: float = RUN_SECONDS) -> int:
        """The exit code; a run that takes too long is killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def sleep_until(self, moment: float) -> bool:
        """Wait until so many seconds after the start; False when the run has ended before."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, self.begun + moment - time.monotonic()))
        return self.process.poll() is None

    def said(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace").strip()[-1500:]

    def processes(self) -> dict[int, str]:
        """Command lines of what lives of it, by process id."""
        return {
            process: command for process, mark, command in _all_processes() if self._mark.encode() in mark
        }

    def workers(self) -> list[int]:
        return sorted(process for process, command in self.processes().items() if "tasks.worker" in command)


def _kept(environment: Mapping[str, str]) -> Path:
    """Where runs with this home keep the bytes of all pages."""
    return Path(environment["BROADSHEET_HOME"]) / "kept"


def _all_processes() -> Iterator[tuple[int, list[bytes], str]]:
    """Id, environment and command line of each process that is no zombie."""
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with contextlib.suppress(OSError):
                environment = (place / "environ").read_bytes().split(b"\0")
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command:
                    yield int(place.name), environment, command


# --- servers ----------------------------------------------------------------------------------------------


class Postgres:
    """The server that holds the databases of all trials."""

    def __init__(self, url: str, home: Path | None, users: contextlib.ExitStack) -> None:
        self.url = url
        self._home = home
        self._users = users
        self._numbers = count(1)

    def copy(self, template: str = "template0") -> str:
        """Make a database; return its name.

        Copied by files: in one copied through the log, sequences fall back when the server crashes.
        """
        name = f"broadsheet_kill_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url_of(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str, **values: str) -> None:
        engine = create_engine(
            self.url.replace("postgresql://", "postgresql+psycopg://"),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
        )
        with engine.connect() as connection:
            connection.execute(text(statement), values)

    def cut_connections(self, name: str) -> None:
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name", name=name
        )

    def kill_and_restart(self, pause: float) -> None:
        """End the server as a crash would, and start it again after some seconds."""
        assert self._home is not None  # noqa: S101  for the type checker
        lock = self._home / "postgres" / "data" / "postmaster.pid"
        server = int(lock.read_text().splitlines()[0])
        os.kill(server, signal.SIGKILL)
        time.sleep(pause)
        for attempt in range(20):  # its children may take a moment to notice
            try:
                self._users.enter_context(use_embedded(self._home))
                return
            except Exception:
                if attempt == 19:
                    raise
                time.sleep(0.5)


@contextlib.contextmanager
def postgres(home: Path) -> Iterator[Postgres]:
    with contextlib.ExitStack() as users:
        if url := os.environ.get("BROADSHEET_DATABASE_URL"):
            yield Postgres(url, None, users)
        else:
            yield Postgres(users.enter_context(use_embedded(home)).url, home, users)


@contextlib.contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """API URL of the server that runs report to."""
    if url := os.environ.get("PREFECT_API_URL"):
        yield url
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **_clean_environment(),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    arguments = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments], env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}/api"
            for _ in range(600):
                with contextlib.suppress(OSError), urlopen(f"{url}/health", timeout=5):  # noqa: S310
                    break
                time.sleep(0.2)
            else:
                raise SystemExit("Prefect's server does not start.")
            yield url
        finally:
            server.terminate()
            server.wait(30)


def prefect_states(api: str, flow_runs: Sequence[str]) -> Counter[str]:
    """How many of these flow runs Prefect has in which state."""
    states: Counter[str] = Counter()
    for begin in range(0, len(flow_runs), 100):
        asked = {"flow_runs": {"id": {"any_": list(flow_runs[begin : begin + 100])}}, "limit": 100}
        request = Request(  # noqa: S310
            f"{api}/flow_runs/filter", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            states.update(str(run["state_name"]) for run in json.load(answer))
    return states


def _clean_environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "BROADSHEET_"))
    }


# --- the harness ------------------------------------------------------------------------------------------


class Harness:
    """A landing zone, the servers, what one clean run makes of it, and ways to disturb others."""

    def __init__(self, place: Path, server: Postgres, prefect: str, options: argparse.Namespace) -> None:
        self._place = place
        self._server = server
        self._prefect = prefect
        self._seed = options.seed
        self.landing_zone = make_landing_zone(place / "pages", options.copies)[: options.days]
        self._origins = _pages_at_origins(self.landing_zone)
        empty, half = server.copy(), server.copy()
        for database in (empty, half):
            with self._engine(database, migrate=False) as engine:
                upgrade(engine, "broadsheet")
        self._empty = Start(empty, self._new_home())
        self._half = Start(half, self._new_home(), runs=1)
        Ingest(
            self.landing_zone[: len(self.landing_zone) // 2], self._environment(half, self._half.home)
        ).wait()
        self._run_clean()

    def _run_clean(self) -> None:
        """Run undisturbed from both starts at once; what the empty database holds then is the reference."""
        runs = []
        for start in (self._empty, self._half):
            database, home = self._server.copy(start.database), self._copied(start.home)
            run = Ingest(self.landing_zone, self._environment(database, home))
            runs.append((start, run, database, home))
        with ThreadPoolExecutor(len(runs)) as threads:
            list(threads.map(lambda each: self._time(*each[:3]), runs))
        for _, run, database, home in runs:
            if run is runs[0][1]:
                self._refer_to(database, home, run)
            trial = Trial("clean", 0)
            self._compare(trial, database, home, run)
            if trial.faults or not self.sums["read"]:
                found = "\n".join(trial.faults[:DIFFERENCES_SHOWN])
                raise SystemExit(f"Clean runs disagree, or load nothing: {run.said()}\n{found}")
            self._server.drop(database)

    def _time(self, start: Start, run: Ingest, database: str) -> None:
        """See how long a run takes."""
        entered = self._until_at_work(run, database)
        with self._engine(database) as engine:
            while run.process.poll() is None:
                if _newest_is_running(engine):
                    start.at_work = time.monotonic() - entered
                    if run.workers():
                        start.extracting = start.at_work
                time.sleep(0.05)
        start.seconds = time.monotonic() - run.begun

    def _refer_to(self, database: str, home: Path, run: Ingest) -> None:
        """Compare with this database from now on."""
        with self._engine(database) as engine:
            self.reference = content(engine, ORIGINS)
            self.read_twice = content(engine, (*ORIGINS, *TRIES))
            self.sums = _sums(engine)
        self.code = run.wait()
        self.archive = _archived(home)

    def seconds(self) -> float:
        """How long a clean run takes from an empty database."""
        return self._empty.seconds

    def try_all(self, wanted: Sequence[tuple[str, int]], at_once: int) -> Iterator[Trial]:
        """Yield the trials in order, telling of each as it ends."""
        together = [each for each in wanted if each[0] != "restart"]
        with ThreadPoolExecutor(at_once) as threads:
            yield from threads.map(lambda each: self.try_out(*each), together)
        yield from (
            self.try_out(*each) for each in wanted if each not in together
        )  # they would hit all others

    def try_out(self, scenario: str, number: int) -> Trial:
        """One trial, the same for the same seed, as far as processes can be."""
        chance = random.Random(f"{self._seed}:{scenario}:{number}")
        start = self._half if number % 2 and scenario != "alone" else self._empty
        trial = Trial(scenario, number)
        begun = time.monotonic()
        for _ in range(5):  # a moment may lie behind the end of a run that is faster than the clean one
            database, home = self._server.copy(start.database), self._copied(start.home)
            try:
                SCENARIOS[scenario](self, trial, chance, start, database, home)
            except Exception as error:  # noqa: BLE001  one trial that breaks down leaves the others going
                trial.faults.append(f"{type(error).__name__}: {error}")
            self._server.drop(database)
            self._remove(home)
            if trial.stage != "not hit" or trial.faults:
                break
        trial.seconds = time.monotonic() - begun
        print(_line(trial), flush=True)
        return trial

    # --- ways to disturb a run

    def kill_parent(
        self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path
    ) -> None:
        environment = self._environment(database, home)
        run = Ingest(self.landing_zone, environment)
        if not self._reached(trial, run, chance, database, start):
            return
        run.process.kill()
        killed = time.monotonic()
        run.wait()
        trial.stage = self._stage(database, start)
        again = self._run_until_done(trial, environment)
        self._check_gone(trial, run, killed)
        self._compare(trial, database, home, again)

    def kill_parent_alone(
        self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path
    ) -> None:
        """As `kill_parent`, of a run that started PostgreSQL and Prefect's server itself."""
        environment = {
            **_clean_environment(),
            "BROADSHEET_HOME": str(home),
            "BROADSHEET_WORKERS": str(WORKERS),
        }
        run = Ingest(self.landing_zone, environment)
        # Making the cluster and Prefect's database takes longer than the run itself.
        if not run.sleep_until(chance.random() * (start.seconds + 15)):
            run.wait()
        run.process.kill()
        killed = time.monotonic()
        run.wait()
        trial.stage = "with its servers"
        again = self._run_until_done(trial, environment)
        self._check_gone(trial, run, killed)
        self._check_gone(trial, again, time.monotonic())
        settings = Settings(home=home, database_url=None, schema="broadsheet", workers=1)
        with open_database(settings) as engine:
            self._compare_with(trial, engine, home, again)

    def kill_worker(
        self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path
    ) -> None:
        run = Ingest(self.landing_zone, self._environment(database, home))
        entered = self._until_at_work(run, database)
        if run.sleep_until(entered - run.begun + chance.random() * start.extracting) and run.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(run.workers()), signal.SIGKILL)
                trial.stage = self._stage(database, start)
        else:
            start.extracting = min(start.extracting, time.monotonic() - entered)
        run.wait()
        self._check_gone(trial, run, time.monotonic())
        self._compare(trial, database, home, run)

    def stop(self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path) -> None:
        environment = self._environment(database, home)
        run = Ingest(self.landing_zone, environment)
        if not self._reached(trial, run, chance, database, start):
            return
        run.process.terminate()
        asked = time.monotonic()
        try:
            code = run.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            trial.faults.append(f"it takes more than {STOP_SECONDS} s to end on SIGTERM: {run.said()}")
            code = run.wait(0)
        trial.stage = self._stage(database, start)
        if code not in (self.code, 128 + signal.SIGTERM, -signal.SIGTERM):
            trial.faults.append(f"exit code {code} on SIGTERM: {run.said()}")
        with self._engine(database) as engine, engine.connect() as connection:
            states = set(connection.scalars(text("SELECT state FROM runs")))
        if states - {"completed", "partial", "interrupted"}:
            trial.faults.append(f"SIGTERM leaves runs behind in states {states}: {run.said()}")
        again = self._run_until_done(trial, environment)
        self._check_gone(trial, run, asked)
        self._compare(trial, database, home, again)

    def restart_database(
        self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path
    ) -> None:
        run = Ingest(self.landing_zone, self._environment(database, home))
        if not self._reached_at_work(run, chance, database, start):  # before, it has no database to lose
            return
        trial.stage = self._stage(database, start)
        self._server.kill_and_restart(pause=chance.uniform(0.5, 3))
        run.wait()
        self._compare(trial, database, home, run)

    def cut_connections(
        self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path
    ) -> None:
        run = Ingest(self.landing_zone, self._environment(database, home))
        if not self._reached_at_work(run, chance, database, start):
            return
        trial.stage = self._stage(database, start)
        for _ in range(chance.randint(1, 4)):
            self._server.cut_connections(database)
            time.sleep(chance.uniform(0.05, 0.5))
        run.wait()
        self._compare(trial, database, home, run)

    def run_two(self, trial: Trial, chance: random.Random, start: Start, database: str, home: Path) -> None:
        environment = self._environment(database, home)
        first = Ingest(self.landing_zone, environment)
        first.sleep_until(chance.random() * start.seconds / 2)
        second = Ingest(self.landing_zone, environment)
        trial.stage = self._stage(database, start)
        for run in (first, second):
            if run.wait() != self.code:
                trial.faults.append(f"exit code {run.process.returncode}: {run.said()}")
        self._compare(trial, database, home, second, read_twice=True)

    # --- what came of it

    def _reached(self, trial: Trial, run: Ingest, chance: random.Random, database: str, start: Start) -> bool:
        """Wait for a moment at which the run is at work, or for any; False when it is over before."""
        if trial.number % 3 < 2:
            return self._reached_at_work(run, chance, database, start)
        if run.sleep_until(chance.random() * start.seconds):
            return True
        start.seconds = min(start.seconds, time.monotonic() - run.begun)
        return False

    def _reached_at_work(self, run: Ingest, chance: random.Random, database: str, start: Start) -> bool:
        entered = self._until_at_work(run, database)
        if run.sleep_until(entered - run.begun + chance.random() * start.at_work):
            return True
        start.at_work = min(start.at_work, time.monotonic() - entered)
        return False

    def _until_at_work(self, run: Ingest, database: str) -> float:
        """Wait until the run has entered itself in the ledger, or is over; that moment."""
        with self._engine(database) as engine:
            while run.process.poll() is None and not _newest_is_running(engine):
                time.sleep(0.02)
        return time.monotonic()

    def _run_until_done(self, trial: Trial, environment: Mapping[str, str]) -> Ingest:
        while True:
            trial.reruns += 1
            run = Ingest(self.landing_zone, environment)
            if run.wait() == self.code or trial.reruns == RERUNS:
                return run

    def _compare(
        self, trial: Trial, database: str, home: Path, last: Ingest, *, read_twice: bool = False
    ) -> None:
        with self._engine(database) as engine:
            self._compare_with(trial, engine, home, last, read_twice=read_twice)

    def _compare_with(
        self, trial: Trial, engine: Engine, home: Path, last: Ingest, *, read_twice: bool = False
    ) -> None:
        faults = trial.faults
        if last.process.returncode != self.code:
            faults.append(f"exit code {last.process.returncode} instead of {self.code}: {last.said()}")
        if read_twice:
            faults += differences(self.read_twice, content(engine, (*ORIGINS, *TRIES)))
        else:
            faults += differences(self.reference, content(engine, ORIGINS))
        for name, number in _sums(engine).items():
            if number != self.sums[name] and (not read_twice or name in SUMS_OF_TWO):
                faults.append(f"the batches' {name} add up to {number} instead of {self.sums[name]}")
        with engine.connect() as connection:
            for what, query in FAULTS.items():
                if wrong := connection.scalars(text(query)).all():
                    faults.append(f"{what}: {wrong}")
            for uri, record, key in connection.execute(
                text("SELECT origin_uri, origin_record, key FROM pages")
            ):
                if self._origins.get((uri, record)) != key:
                    faults.append(f"record {record} of {uri} is not the page that is said to come from it")
            runs = connection.execute(
                text("SELECT flow_run_id, state FROM runs WHERE flow_run_id IS NOT NULL")
            )
            trial.flow_runs |= {str(flow_run): state for flow_run, state in runs.tuples()}
            digests = set(connection.scalars(text("SELECT digest FROM pages")))
        kept = {digest for digest, page in read_kept_pages(engine, digests) if page.digest == digest}
        if kept != digests:
            faults.append(f"the bytes of {len(digests - kept)} of {len(digests)} pages are not kept")
        if left := [path.name for path in (home / "kept" / ".spool").iterdir() if path.name != "lock"]:
            faults.append(f"spool files of runs that are over: {left}")
        if trial.scenario != "alone":
            states = prefect_states(self._prefect, list(trial.flow_runs))
            if unended := states.keys() - ENDED:
                faults.append(f"Prefect still calls runs that are over {sorted(unended)}")
            if read_twice:  # nobody disturbed any of them
                called = {*states, *map(str.capitalize, trial.flow_runs.values())}
                if called - ENDED_WELL:
                    faults.append(f"runs that went through are called {sorted(called - ENDED_WELL)}")
        if (archived := _archived(home)) != self.archive:
            faults.append(f"the archive differs in {sorted(archived ^ self.archive)}")

    def _check_gone(self, trial: Trial, run: Ingest, since: float) -> None:
        """What the run started ends with it, if not at once."""
        while left := run.processes():
            if time.monotonic() - since > GONE_SECONDS:
                trial.faults.append(f"left after {GONE_SECONDS} s: {left}")
                return
            time.sleep(0.1)

    def _stage(self, database: str, start: Start) -> str:
        """How far the newest run is, as far as the database tells."""
        with self._engine(database) as engine, engine.connect() as connection:
            runs = connection.execute(text("SELECT id, state FROM runs ORDER BY id")).all()
            if len(runs) == start.runs:
                return "starting"
            if runs[-1].state != "running":
                return "ended"
            batches = "SELECT count(*), count(settled_at) FROM batches WHERE run_id = :run"
            loaded, settled = connection.execute(text(batches), {"run": runs[-1].id}).one()
            pages = connection.scalar(text("SELECT count(*) FROM pages"))
        if settled:
            return "finishing"
        if not loaded:
            return "planned"
        return "settling" if pages == len(self.reference["pages"]) else "loading"

    # --- places

    def _environment(self, database: str, home: Path) -> dict[str, str]:
        return {
            **_clean_environment(),
            "BROADSHEET_HOME": str(home),
            "BROADSHEET_DATABASE_URL": self._server.url_of(database),
            "BROADSHEET_WORKERS": str(WORKERS),
            "PREFECT_API_URL": self._prefect,
            "PREFECT_HOME": str(self._place / "prefect"),
        }

    @contextlib.contextmanager
    def _engine(self, database: str, *, migrate: bool = True) -> Iterator[Engine]:
        settings = Settings(self._place, self._server.url_of(database), "broadsheet", 1)
        with open_database(settings, migrate="embedded" if migrate else "never") as engine:
            yield engine

    def _new_home(self) -> Path:
        home = Path(tempfile.mkdtemp(prefix="home-", dir=self._place))
        home.chmod(0o755)
        return home

    def _copied(self, home: Path) -> Path:
        return Path(shutil.copytree(home, self._new_home(), dirs_exist_ok=True))

    def _remove(self, home: Path) -> None:
        if (home / "postgres").is_symlink():
            shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


Disturb = Callable[[Harness, Trial, random.Random, Start, str, Path], None]

SCENARIOS: dict[str, Disturb] = {
    "parent": Harness.kill_parent,
    "worker": Harness.kill_worker,
    "stop": Harness.stop,
    "restart": Harness.restart_database,
    "cut": Harness.cut_connections,
    "pair": Harness.run_two,
    "alone": Harness.kill_parent_alone,
}


def _pages_at_origins(places: Sequence[Path]) -> dict[tuple[str, int], bytes]:
    """Keys of all pages of the landing zone, by where each stands."""
    parts = plan([str(place) for place in places], Selection(), NothingKnown())
    return {
        (page.origin_uri, page.origin_record): page.key
        for part in parts
        if isinstance(part, Part)
        for page in read_part(part, Selection(), Limits())
        if isinstance(page, Page)
    }


def _sums(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            name: int(number or 0) for name, number in connection.execute(text(SUMS)).one()._mapping.items()
        }


def _newest_is_running(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT state FROM runs ORDER BY id DESC LIMIT 1")) == "running"


def _archived(home: Path) -> set[str]:
    """Digests of the pages kept in a home's archive; what is damaged is listed as its path."""
    kept = set()
    for path in (home / "archive" / "pages").glob("*/*"):
        named = path.parent.name + path.name.removesuffix(".zst")
        found = hashlib.blake2b(zstandard.decompress(path.read_bytes()), digest_size=16).hexdigest()
        kept.add(found if found == named else str(path))
    return kept


# --- the command ------------------------------------------------------------------------------------------


def options_from(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, number, what in (
        ("parents", 50, "kills of the run's own process"),
        ("workers", 50, "kills of one of its worker processes"),
        ("stops", 10, "runs ended by SIGTERM"),
        ("restarts", 5, "kills of PostgreSQL, started again after some seconds"),
        ("cuts", 5, "runs whose connections are cut"),
        ("pairs", 5, "pairs of runs at the same time"),
        ("alone", 3, "kills of runs that started their own PostgreSQL and Prefect server"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=number, metavar="N", help=f"{what} (default {number})"
        )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="for all moments (default 1)")
    parser.add_argument(
        "--only", action="append", metavar="SCENARIO:NUMBER", help="just this one, e.g. parent:31"
    )
    parser.add_argument("--copies", type=int, default=2, metavar="N", help="600 pages each (default 2)")
    parser.add_argument("--days", type=int, default=14, metavar="N", help="the first N of 14 (default 14)")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="trials at a time (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args(arguments)


def wanted(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Scenarios and numbers to try out, in order."""
    if options.only:
        return [(name, int(number)) for name, _, number in (each.partition(":") for each in options.only)]
    return [
        (name, number)
        for name in SCENARIOS
        for number in range(getattr(options, name if name == "alone" else f"{name}s"))
    ]


def main() -> int:
    options = options_from()
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="broadsheet-kill-", dir="/tmp")))
        place.chmod(0o755)  # so that a root user's databases stay inside
        for name in ("prefect", "server"):
            (place / name).mkdir(mode=0o755)
        server = stack.enter_context(postgres(place / "server"))
        prefect = stack.enter_context(prefect_server(place / "prefect"))
        harness = Harness(place, server, prefect, options)
        print(
            f"A clean run: {harness.sums['read']} pages, {len(harness.reference['pages'])} of them once, "
            f"{harness.sums['quarantined']} quarantined, {harness.seconds():.1f} s, "
            f"checksum {checksum(harness.reference)}; seed {options.seed}.",
            flush=True,
        )
        trials = list(harness.try_all(wanted(options), options.at_once))
        flow_runs = [
            flow_run for trial in trials if trial.scenario != "alone" for flow_run in trial.flow_runs
        ]
        states = prefect_states(prefect, flow_runs)
    print("\n" + "\n".join(_table(trials)))
    print(f"States of the runs in Prefect: {dict(states.most_common())}")
    if options.json:
        figures = {
            "seed": options.seed,
            "checksum": checksum(harness.reference),
            "clean_seconds": harness.seconds(),
            "prefect": states,
            "trials": [asdict(trial) for trial in trials],
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    failed = [trial for trial in trials if trial.faults]
    for trial in failed:
        print(f"\n{trial.name} of seed {options.seed} (again: --seed {options.seed} --only {trial.name}):")
        print("\n".join(f"  {fault}" for fault in trial.faults[:DIFFERENCES_SHOWN]))
        if len(trial.faults) > DIFFERENCES_SHOWN:
            print(f"  and {len(trial.faults) - DIFFERENCES_SHOWN} more")
    missed = sum(trial.stage == "not hit" for trial in trials)
    print(
        f"\n{len(trials) - missed} disturbed, {missed} not hit, {len(failed)} with differences."
        if failed or missed
        else "\nEvery database equals the clean run's."
    )
    return 1 if failed or missed else 0


def _line(trial: Trial) -> str:
    found = f"{len(trial.faults)} differences" if trial.faults else "equal"
    return f"{trial.name:<12}{trial.stage:<18}{trial.reruns} reruns  {trial.seconds:6.1f} s  {found}"


def _table(trials: Sequence[Trial]) -> Iterator[str]:
    yield f"{'scenario':<10}{'trials':>7}{'reruns':>8}{'different':>11}{'median s':>10}  stages"
    for scenario in SCENARIOS:
        those: list[Any] = [trial for trial in trials if trial.scenario == scenario]
        if those:
            stages = Counter(trial.stage for trial in those).most_common()
            yield (
                f"{scenario:<10}{len(those):>7}{sum(trial.reruns for trial in those):>8}"
                f"{sum(bool(trial.faults) for trial in those):>11}"
                f"{statistics.median(trial.seconds for trial in those):>10.1f}"
                f"  {', '.join(f'{number} {stage}' for stage, number in stages)}"
            )


if __name__ == "__main__":
    raise SystemExit(main())
