"""Load a million pages of invented sites with their sidebar headlines; time loading, settling and asking.

    python benchmarks/headline_load.py                    # 1,000,000 pages, half an hour or more
    python benchmarks/headline_load.py --pages 50000      # the same sites, fewer of them

Pages are made in processes of their own (`generated_news.py`) and loaded by one loader, as a run does,
with a settle every so many pages. Prints what each tenth of the pages cost, whether the database holds
exactly what was put in, its size, and how long the queries of the command line take.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from generated_news import BEGIN, World
from sqlalchemy import Engine, text

from schemas.records import Batch, BatchResult
from schemas.settings import Settings
from tasks.ledger import run_under_way
from tasks.load import load_batch
from tasks.postgres.database import current_revision, open_database, upgrade
from tasks.postgres.headlines import (
    find_headline,
    list_headlines,
    revisions,
    search_headlines,
    top_headlines,
)
from tasks.settle import settle

ROUNDS = 7
"""How often each query is asked."""
TENTHS = 10


# --- making pages -------------------------------------------------------------------------------------

_world: World


def _build(options: dict[str, Any]) -> None:
    global _world
    _world = World(**options)


def _make(first: int, count: int) -> bytes:
    # Pickled here, so that the parent's loading is not slowed by unpickling in another thread.
    return pickle.dumps(_world.batch(first, count), pickle.HIGHEST_PROTOCOL)


def batches(world: dict[str, Any], size: int, processes: int) -> Iterator[BatchResult]:
    """All pages of a world in batches, in order; a few are made ahead, never more."""
    starts = iter(range(0, world["pages"], size))
    with ProcessPoolExecutor(processes, get_context("spawn"), _build, (world,)) as pool:
        ahead: deque[Future[bytes]] = deque()
        for first in starts:
            ahead.append(pool.submit(_make, first, size))
            if len(ahead) > processes + 2:
                yield _unpickled(ahead.popleft())
        while ahead:
            yield _unpickled(ahead.popleft())


def _unpickled(made: Future[bytes]) -> BatchResult:
    result: BatchResult = pickle.loads(made.result())  # noqa: S301  our own process made it
    return result


# --- what it costs ------------------------------------------------------------------------------------


@dataclass
class Tenth:
    """A tenth of the pages."""

    pages: int = 0
    waited: float = 0.0
    """Seconds until the pages were made."""
    loading: float = 0.0
    """Seconds in `load_batch`."""
    loader_cpu: float = 0.0
    server_cpu: float | None = 0.0
    """CPU seconds of every process of the server, while pages were loaded."""


@dataclass
class Settled:
    """One settle."""

    pages: int
    """That were loaded by then."""
    sightings: int
    """Since the settle before."""
    variants: int
    headlines: int
    seconds: float
    cpu: float | None
    """CPU seconds of this process and of the server's."""


@dataclass
class Figures:
    """Everything measured."""

    machine: str
    world: dict[str, Any]
    tenths: list[Tenth] = field(default_factory=lambda: [Tenth() for _ in range(TENTHS)])
    settles: list[Settled] = field(default_factory=list)
    bare: tuple[float, float | None] = (0.0, None)
    """CPU milliseconds a page of this process and of the server's, for the rows of the last pages by COPY."""
    found: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    queries: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Milliseconds: median and worst."""
    megabytes: float = 0.0
    """Greatest memory of this process."""


class ServerClock:
    """CPU seconds of a Postgres server on this machine, all its processes together."""

    def __init__(self, engine: Engine) -> None:
        with engine.connect() as connection:
            backend = connection.scalar(text("SELECT pg_backend_pid()"))
            local = connection.scalar(text("SELECT inet_server_addr() IS NULL"))
        self.postmaster: int | None = None
        with contextlib.suppress(OSError):
            if local:
                self.postmaster = int(self._stat(backend)[1])

    def seconds(self) -> float | None:
        """None where the server's processes cannot be seen."""
        if self.postmaster is None:
            return None
        # Children that ended are in the last two of the postmaster's four counters.
        ticks = sum(map(int, self._stat(self.postmaster)[11:15]))
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = self._stat(int(entry.name))
                    if int(fields[1]) == self.postmaster:
                        ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _stat(process: int) -> list[str]:
        """The numbers of a process behind its name, as proc(5) has them: state, parent …"""
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()


def elapsed(begun: float | None, ended: float | None) -> float | None:
    return None if begun is None or ended is None else ended - begun


# --- loading and settling -----------------------------------------------------------------------------


class Loader:
    """Loads batches as one run does, and notes what that costs."""

    def __init__(self, engine: Engine, figures: Figures, *, settle_every: int) -> None:
        self.engine, self.figures = engine, figures
        self.clock = ServerClock(engine)
        self.settle_every = settle_every
        self.pages = self.unsettled = self.sightings = self.headlines = 0
        self.run_id = self.new_run()

    def new_run(self) -> int:
        """Enter a run; nobody asks whether it is alive."""
        under_way = run_under_way(
            self.engine, kind="ingest", parameters={}, flow_run_id=None, extractor="benchmark"
        )
        with under_way as run_id:
            return run_id

    def load(self, result: BatchResult, waited: float) -> None:
        tenth = self.figures.tenths[self.pages * TENTHS // self.figures.world["pages"]]
        cpu, server, begun = time.thread_time(), self.clock.seconds(), time.perf_counter()
        batch = Batch(result.number)
        report = load_batch(self.engine, batch, result, run_id=self.run_id, extractor="benchmark")
        tenth.loading += time.perf_counter() - begun
        tenth.loader_cpu += time.thread_time() - cpu
        spent = elapsed(server, self.clock.seconds())
        tenth.server_cpu = None if spent is None or tenth.server_cpu is None else tenth.server_cpu + spent
        tenth.waited += waited
        tenth.pages += result.read
        self.pages += result.read
        self.sightings += report.sightings
        self.unsettled += report.sightings
        if self.pages % self.settle_every < result.read or self.pages == self.figures.world["pages"]:
            self.settle()

    def settle(self) -> None:
        cpu, server, begun = time.thread_time(), self.clock.seconds(), time.perf_counter()
        report = settle(self.engine)
        seconds = time.perf_counter() - begun
        self.headlines += report.headlines_new
        spent = elapsed(server, self.clock.seconds())
        spent = None if spent is None else spent + time.thread_time() - cpu
        settled = Settled(self.pages, self.unsettled, report.variants, report.headlines_new, seconds, spent)
        self.figures.settles.append(settled)
        self.unsettled = 0
        loading = sum(tenth.loading for tenth in self.figures.tenths)
        print(
            f"{self.pages:>11,} pages {self.sightings:>12,} sightings {self.headlines:>9,} headlines   "
            f"loaded in {loading:7.1f} s   settled {settled.variants:,} new texts, "
            f"{settled.sightings:,} sightings in {seconds:5.2f} s   {_megabytes():.0f} MB",
            flush=True,
        )


def _megabytes() -> float:
    """The most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


# --- what the server cannot do without -----------------------------------------------------------------

BARE_BATCHES = 20
# ruff: noqa: S608  queries put together from these constants and the ids of batches
_PAGES = "SELECT id FROM pages WHERE batch_id = {batch}"
_LED = (
    "SELECT a.id, a.text_digest FROM articles a JOIN pages p ON p.key = a.page_key WHERE p.batch_id = {batch}"
)
_ROWS_OF_BATCH = {
    "pages": f"SELECT {{columns}} FROM pages WHERE id IN ({_PAGES})",
    "articles": f"SELECT {{columns}} FROM articles WHERE (id, text_digest) IN ({_LED})",
    "article_versions": f"""
        SELECT {{columns}} FROM article_versions WHERE (article_id, text_digest) IN ({_LED})""",
    "headline_sightings": f"SELECT {{columns}} FROM headline_sightings WHERE page_id IN ({_PAGES})",
}
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""


def load_bare(engine: Engine, figures: Figures) -> None:
    """Time what is least: the finished rows of the last batches by COPY into empty tables with all indexes.

    Nothing is looked up, no text of a headline is added, and nothing is checked but unique keys.
    """
    clock, spent, server, pages = ServerClock(engine), 0.0, 0.0, 0
    with engine.connect() as connection:
        newest = connection.scalars(
            text("SELECT id FROM batches WHERE read > 0 ORDER BY id DESC LIMIT :n"), {"n": BARE_BATCHES}
        )
        batches, rows = sorted(newest), []
        driver: Any = connection.connection.driver_connection
        for table, query in _ROWS_OF_BATCH.items():
            columns = connection.scalar(text(_COLUMNS), {"table": table})
            for batch in batches:
                with driver.cursor() as cursor:
                    wanted = query.format(columns=columns, batch=batch)
                    with cursor.copy(f"COPY ({wanted}) TO STDOUT (FORMAT binary)") as copy:
                        rows.append((batch, f"bare_{table} ({columns})", b"".join(copy)))
            connection.execute(text(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)"))
        pages = connection.scalar(text("SELECT count(*) FROM pages WHERE batch_id = ANY(:b)"), {"b": batches})
        connection.commit()
        for batch in batches:
            cpu, before = time.thread_time(), clock.seconds()
            for _, target, content in (row for row in rows if row[0] == batch):
                with (
                    driver.cursor() as cursor,
                    cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy,
                ):
                    copy.write(content)
            connection.commit()
            spent += time.thread_time() - cpu
            server += elapsed(before, clock.seconds()) or 0.0
        for table in _ROWS_OF_BATCH:
            connection.execute(text(f"DROP TABLE bare_{table}"))
        connection.commit()
    seen = clock.postmaster is not None
    figures.bare = (1000 * spent / pages, 1000 * server / pages if seen else None)


# --- what the database holds --------------------------------------------------------------------------

_FOUND = {
    "pages": "SELECT count(*) FROM pages",
    "articles": "SELECT count(*) FROM articles",
    "headlines": "SELECT count(*) FROM headlines WHERE merged_into IS NULL",
    "sightings": "SELECT count(*) FROM headline_sightings",
    "sightings by headline": "SELECT sum(sightings)::bigint FROM headline_totals",
    "sightings by day": "SELECT sum(sightings)::bigint FROM sighting_days",
    "variants": "SELECT count(*) FROM headline_variants",
    "links": "SELECT count(*) FROM headline_links",
    "links with several texts": """
        SELECT count(*) FROM (SELECT FROM headline_links GROUP BY target_id HAVING count(*) > 1) several""",
    "generic headlines": "SELECT count(*) FROM headlines WHERE generic",
    "headlines with an article": "SELECT count(*) FROM headlines WHERE article_id IS NOT NULL",
    "day rows": "SELECT count(*) FROM sighting_days",
    "deadlocks": "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
}

_BYTES = """
    SELECT CASE WHEN relname LIKE 'headline\\_sightings%' THEN 'headline_sightings' ELSE relname END AS name,
           sum(pg_total_relation_size(oid))::bigint AS size
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
    GROUP BY 1 ORDER BY 2 DESC
"""


def look(engine: Engine, figures: Figures) -> None:
    with engine.connect() as connection:
        figures.found = {name: connection.scalar(text(query)) for name, query in _FOUND.items()}
        figures.bytes = {row.name: row.size for row in connection.execute(text(_BYTES))}


def mistakes(figures: Figures, again: int) -> list[str]:
    """What is not as it must be after the load; empty when all is well."""
    world, found = figures.world, figures.found
    placements = world["pages"] * world["per_page"]
    wanted = {
        "pages": world["pages"],
        "headlines": world["headlines"],
        "sightings": placements,
        "sightings by headline": placements,
        "sightings by day": placements,
        "deadlocks": 0,
    }
    wrong = [
        f"{name}: {found[name]:,}, not {number:,}" for name, number in wanted.items() if found[name] != number
    ]
    return wrong + ([f"loading pages again wrote {again} sightings"] if again else [])


# --- asking -------------------------------------------------------------------------------------------


def ask(engine: Engine, figures: Figures, world: World) -> None:
    """Time the queries of the command line, warm; each opens its own connection from the pool."""
    with engine.connect() as connection:
        ranked = (
            connection.exec_driver_sql(
                "SELECT headline_id FROM headline_totals ORDER BY sightings DESC, headline_id"
            )
            .scalars()
            .all()
        )
        link = connection.exec_driver_sql(
            "SELECT url FROM link_targets WHERE id = (SELECT target_id FROM headline_links"
            " GROUP BY target_id ORDER BY count(*) DESC LIMIT 1)"
        ).scalar_one()
    last = (BEGIN + timedelta(days=world.days)).date()
    rare = world.text(world.headlines // 2).split(" ")[-1]

    def view(query: str) -> Callable[[], object]:
        def run() -> object:
            with engine.connect() as connection:
                return connection.exec_driver_sql(query).all()

        return run

    questions: dict[str, Callable[[], object]] = {
        "top": lambda: top_headlines(engine),
        "top --since the last day": lambda: top_headlines(engine, since=last - timedelta(days=1)),
        "top --since the last week": lambda: top_headlines(engine, since=last - timedelta(days=7)),
        "top --since half of the time": lambda: top_headlines(
            engine, since=last - timedelta(days=round(world.days / 2))
        ),
        "top --since the first day": lambda: top_headlines(engine, since=BEGIN.date()),
        "show the hottest headline": lambda: find_headline(engine, ranked[0]),
        "show the 20th": lambda: find_headline(engine, ranked[19]),
        "show a median headline": lambda: find_headline(engine, ranked[len(ranked) // 2]),
        "show the coldest": lambda: find_headline(engine, ranked[-1]),
        "search a rare word": lambda: search_headlines(engine, rare),
        "search a frequent word": lambda: search_headlines(engine, "council"),
        "search three words": lambda: search_headlines(engine, "council says plan"),
        "revisions of a link": lambda: revisions(engine, link),
        "revisions of the hottest headline": lambda: revisions(engine, str(ranked[0])),
        "revisions, all links": lambda: revisions(engine),
        "list": lambda: list_headlines(engine),
        "SELECT FROM sidebar_list LIMIT 20": view("SELECT * FROM sidebar_list LIMIT 20"),
    }
    for name, question in questions.items():
        taken = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            question()
            taken.append((time.perf_counter() - begun) * 1000)
        figures.queries[name] = (statistics.median(taken[1:]), max(taken[1:]))
        print(f"{name:<36} {figures.queries[name][0]:9.1f} {figures.queries[name][1]:9.1f}", flush=True)


# --- the report ---------------------------------------------------------------------------------------


def print_tenths(figures: Figures) -> None:
    print("\n       pages a second             CPU ms a page             settle")
    print("tenth  loading  with making them  loader  server  settle   s  ms a new text  us a sighting")
    size = figures.world["pages"] / TENTHS
    costs = []
    for number, tenth in enumerate(figures.tenths):
        settles = [s for s in figures.settles if number * size < s.pages <= (number + 1) * size]
        seconds = sum(s.seconds for s in settles)
        spent = [tenth.loader_cpu, tenth.server_cpu or 0.0, sum(s.cpu or 0.0 for s in settles)]
        costs.append([seconds / tenth.pages * 1000 for seconds in spent])
        print(
            f"{number + 1:>5} {tenth.pages / tenth.loading:8.0f} "
            f"{tenth.pages / (tenth.loading + tenth.waited):17.0f} "
            + " ".join(f"{cost:7.3f}" for cost in costs[-1])
            + f" {seconds:5.1f} "
            f"{seconds / max(sum(s.variants for s in settles), 1) * 1000:12.3f} "
            f"{seconds / max(sum(s.sightings for s in settles), 1) * 1e6:14.2f}"
        )
    first, last = figures.tenths[0], figures.tenths[-1]
    rate = (last.pages / last.loading) / (first.pages / first.loading)
    print(f"rate of the last tenth / of the first: {rate:.2f} (at least 0.9 is wanted)")
    if figures.tenths[0].server_cpu is not None:
        print(f"the same by CPU time: {sum(costs[0][:2]) / sum(costs[-1][:2]):.2f}", end="")
        print(f", settling included {sum(costs[0]) / sum(costs[-1]):.2f}")
        mean = [sum(column) / TENTHS for column in zip(*costs, strict=True)]
        print(f"CPU of loading a page: {sum(mean[:2]):.2f} ms (at most 0.8 is wanted)", end="")
        print(f", of settling it {mean[2]:.2f}")
        bare = figures.bare[0] + (figures.bare[1] or 0.0)
        print(
            f"COPY of the same rows, finished, into empty tables with these indexes: {bare:.2f} ms; "
            f"loading the last tenth took {sum(costs[-1][:2]) / bare:.2f} times that"
        )


def print_sizes(figures: Figures) -> None:
    sightings = figures.found["sightings"]
    print("\n" + ", ".join(f"{number:,} {name}" for name, number in figures.found.items()))
    for name, size in figures.bytes.items():
        if size > 1e6:
            print(f"{name:<22} {size / 1e6:9.1f} MB {size / sightings:7.1f} bytes a sighting")


def run(engine: Engine, figures: Figures, options: argparse.Namespace) -> list[str]:
    """Load, check, measure; return what is wrong."""
    world = World(**figures.world)
    loader = Loader(engine, figures, settle_every=options.settle_every)
    made = batches(figures.world, options.batch, options.processes)
    begun = time.perf_counter()
    for result in made:
        loader.load(result, time.perf_counter() - begun)
        begun = time.perf_counter()
    load_bare(engine, figures)
    print_tenths(figures)
    again = loader.new_run()
    size = options.batch
    chosen = sorted({0, world.pages // size // 2 * size, (world.pages - 1) // size * size})
    repeated = sum(
        load_batch(
            engine, Batch(number), world.batch(first, size), run_id=again, extractor="benchmark"
        ).sightings
        for number, first in enumerate(chosen, 1)
    )
    settle(engine)
    look(engine, figures)
    print_sizes(figures)
    print(f"\n{'query':<36} median ms  worst ms")
    ask(engine, figures, world)
    figures.megabytes = _megabytes()
    return mistakes(figures, repeated)


def options_from(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number: dict[str, Any] = {"type": int, "metavar": "N"}
    parser.add_argument(
        "--pages", default=1_000_000, **number, help="captures of pages (default: %(default)s)"
    )
    parser.add_argument("--headlines", **number, help="sidebar headlines (default: one for five pages)")
    parser.add_argument("--per-page", default=20, **number, help="placements a page (default: %(default)s)")
    parser.add_argument("--sources", **number, help="sites (default: one for 25,000 pages, at least 2)")
    parser.add_argument(
        "--days", type=float, default=60, help="that the captures span (default: %(default)s)"
    )
    parser.add_argument("--words", default=500, **number, help="words of an article (default: %(default)s)")
    parser.add_argument("--batch", default=500, **number, help="pages a batch (default: %(default)s)")
    parser.add_argument(
        "--settle-every", default=20_000, **number, help="pages between two settles (default: %(default)s)"
    )
    parser.add_argument("--processes", default=2, **number, help="that make pages (default: %(default)s)")
    parser.add_argument("--seed", default=1, **number, help="another seed, other news (default: %(default)s)")
    parser.add_argument("--database", metavar="URL", help="an empty database, instead of an embedded server")
    parser.add_argument("--keep", action="store_true", help="leave the embedded database where it is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args(arguments)
    options.headlines = options.headlines or options.pages // 5
    options.sources = options.sources or max(2, options.pages // 25_000)
    return options


@contextlib.contextmanager
def fresh_database(url: str | None, keep: bool) -> Iterator[Engine]:
    """A migrated database without pages: in a new home, or at a URL that must be empty."""
    with contextlib.ExitStack() as stack:
        if keep:
            home = Path(tempfile.mkdtemp(prefix="broadsheet-load-"))
            print(f"The database stays in {home}.")
        else:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="broadsheet-load-")))
        home.chmod(0o755)  # so that a root user's database stays inside
        settings = Settings(home=home, database_url=url, schema="broadsheet", workers=1)
        engine = stack.enter_context(open_database(settings, migrate="never"))
        if current_revision(engine) is not None:
            raise SystemExit("The database has tables already; give an empty one.")
        upgrade(engine, settings.schema)
        yield engine


def main() -> int:
    options = options_from()
    names = ("pages", "headlines", "per_page", "sources", "days", "words", "seed")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    figures = Figures(machine, {name: getattr(options, name) for name in names})
    print(f"{machine}: {figures.world}, begun {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", flush=True)
    with fresh_database(options.database, options.keep) as engine:
        wrong = run(engine, figures, options)
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=1) + "\n")
    print("\n" + ("\n".join(wrong) if wrong else "Everything that was put in is there, once."))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
