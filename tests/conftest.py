"""Fixtures that need real parts: a home, the embedded PostgreSQL, a fresh database for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import hypothesis
import pytest
from runs import enter_run
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from schemas.records import (
    Batch,
    BatchResult,
    ExtractedPage,
    Extraction,
    Headline,
    Page,
    Rejection,
    RunReport,
    Selection,
)
from schemas.settings import Settings
from tasks.batch import extract_batch
from tasks.dedupe import article_key, headline_key, story_key
from tasks.ledger import KnownParts, finish_run
from tasks.load import load_batch
from tasks.plan import pack, plan
from tasks.postgres.database import open_database, upgrade
from tasks.postgres.embedded import use_embedded
from tasks.settle import settle

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")

_numbers = itertools.count(1)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the processes under test would ignore Ctrl-C, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline is wall-clock time: with other tests beside, it says nothing.
hypothesis.settings.register_profile("beside others", deadline=None)
hypothesis.settings.load_profile("beside others")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: what is left for the end is short, so that all cores are done together."""
    slow = {
        item.path
        for item in items
        if item.get_closest_marker("slow") or "prefect_server" in getattr(item, "fixturenames", ())
    }
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def new_home() -> Iterator[Callable[[], Path]]:
    """A function that makes an empty home; every home and what it left elsewhere is removed at the end.

    pytest's own directories are closed to other users, and so of no use to root's embedded server.
    """
    with tempfile.TemporaryDirectory(prefix="broadsheet-test-", dir="/tmp") as parent:
        Path(parent).chmod(0o755)

        def make() -> Path:
            home = Path(parent) / f"home-{next(_numbers)}"
            home.mkdir(mode=0o755)
            return home

        yield make
        for link in Path(parent).glob("*/postgres"):
            if link.is_symlink():
                shutil.rmtree(link.resolve(), ignore_errors=True)


@pytest.fixture
def home(new_home: Callable[[], Path]) -> Path:
    """An empty home of one test: for tests of the embedded server itself."""
    return new_home()


@pytest.fixture(scope="session")
def server(new_home: Callable[[], Path]) -> Iterator[str]:
    """URL of an embedded server that holds the migrated database `template`."""
    with use_embedded(new_home()) as embedded:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here outlives a crash
            _execute(embedded.url, f"ALTER SYSTEM SET {setting} = off")
        _execute(embedded.url, "SELECT pg_reload_conf()")
        _make_template(embedded.url)
        yield embedded.url


@pytest.fixture
def database_url(server: str) -> Iterator[str]:
    """URL of a fresh copy of the migrated template, e.g. for `BROADSHEET_DATABASE_URL`."""
    with _fresh_copy(server) as url:
        yield url


@pytest.fixture
def empty_database_url(server: str) -> Iterator[str]:
    """URL of a fresh database without any table, like a server of one's own before `db upgrade`."""
    with _fresh_copy(server, template="template0") as url:
        yield url


@pytest.fixture
def settings(new_home: Callable[[], Path], database_url: str) -> Settings:
    """Settings with a home of their own and the fresh database."""
    return Settings(home=new_home(), database_url=database_url, schema="broadsheet", workers=2)


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The process environment, with these settings: for tests that start `broadsheet` as a process."""
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "BROADSHEET_"))
        },
        "BROADSHEET_HOME": str(settings.home),
        "BROADSHEET_DATABASE_URL": str(settings.database_url),
        "BROADSHEET_WORKERS": str(settings.workers),
    }


@pytest.fixture
def database(settings: Settings) -> Iterator[Engine]:
    """An engine on a fresh copy of the migrated template."""
    with open_database(settings) as engine:
        yield engine


@pytest.fixture(scope="session")
def server15(new_home: Callable[[], Path]) -> Iterator[str]:
    """URL of a server of the oldest supported version, with a migrated `template` too."""
    if not (POSTGRES_15 / "initdb").exists():
        pytest.skip(f"needs the PostgreSQL 15 programs in {POSTGRES_15}")
    place = new_home()
    run_as = None if os.geteuid() else pwd.getpwnam("postgres")

    def execute(program: str, *arguments: str) -> None:
        subprocess.run(
            [POSTGRES_15 / program, *arguments],
            check=True,
            cwd=place,
            stdout=subprocess.DEVNULL,
            user=run_as.pw_uid if run_as else None,
            group=run_as.pw_gid if run_as else None,
            extra_groups=[] if run_as else None,
        )

    if run_as:
        os.chown(place, run_as.pw_uid, run_as.pw_gid)
    execute("initdb", "-D", "data", "-A", "trust", "-U", "broadsheet", "-E", "UTF8", "--locale=C", "-N")
    options = "-c listen_addresses='' -c unix_socket_directories=.. -c fsync=off"
    execute("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)
    try:
        url = f"postgresql+psycopg://broadsheet@/postgres?host={place}&port=5432"
        _make_template(url)
        yield url
    finally:
        execute("pg_ctl", "stop", "-w", "-D", "data", "-m", "immediate")


@pytest.fixture
def postgres15(server15: str, new_home: Callable[[], Path]) -> Iterator[Engine]:
    """Like `database`, on PostgreSQL 15; skipped where that is not installed."""
    with _fresh_copy(server15) as url:
        fifteen = Settings(home=new_home(), database_url=url, schema="broadsheet", workers=2)
        with open_database(fifteen) as engine:
            yield engine


@pytest.fixture(scope="session")
def prefect_server(new_home: Callable[[], Path]) -> Iterator[str]:
    """API URL of a Prefect server of these tests' own, on a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = new_home()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
    }
    url = f"http://127.0.0.1:{port}/api"
    arguments = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments], env=environment, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 120
        while not _is_healthy(url):
            assert server.poll() is None and time.monotonic() < deadline, (home / "server.log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def newsroom(server: str, new_home: Callable[[], Path]) -> Iterator[Engine]:
    """A database with two articles, a listing, their sidebar headlines and three quarantined pages.

    For tests that only read. The ferry's text is all that a file format can stumble over.
    """
    explore, most_read = "Explore", "Most read"
    ferry = "https://gazette.example/ferry"
    storks = "https://gazette.example/storks"
    story = Extraction(
        is_article=True,
        title="Storks return to Dol",
        summary="The first pair was seen on Sunday.",
        authors=["Ana Kos", "Bo Lind"],
        published_at="2026-03-01T23:30-05:00",
        published_raw="March 1, 2026, 11:30 pm EST",
        published_precision="minute",
        section="Nature",
        language="en",
        body=["Two storks circled the tower.", "More are on their way."],
        word_count=9,
        provenance={"title": "jsonld"},
        confidence=0.9,
        headlines=[
            Headline("Ferry to Arna delayed by storm", explore, "Bo Lind", ferry),
            Headline("Toll on the old bridge doubles", most_read, None, "https://gazette.example/toll"),
        ],
    )
    awkward = Extraction(
        is_article=True,
        title='Ferry to Arna delayed by "storm", again',
        authors=['O\'Hara, "Kit"'],
        published_at="2026-03-02",
        published_precision="day",
        section="World",
        body=['He said:\t"C:\\new",\\. done', "\\.", "Ünïcödé 🛳, {braces} and \\N"],
        word_count=8,
    )
    listing = Extraction(
        is_article=False,
        reason="listing",
        headlines=[Headline("Ferry to Arna delayed by …", None, None, ferry)],
    )
    pages = [
        _extracted(story, storks, datetime(2026, 3, 2, 6, tzinfo=UTC)),
        _extracted(
            replace(story, headlines=[Headline("FERRY to Arna delayed by storm", explore, None, ferry)]),
            storks,
            datetime(2026, 3, 3, 6, tzinfo=UTC),
        ),
        _extracted(awkward, ferry, None),
        _extracted(listing, "https://gazette.example/", datetime(2026, 3, 4, 6, 0, 0, 250_000, tzinfo=UTC)),
    ]
    rejections = [
        Rejection("damaged", "read", "The gzip stream is cut.", "file:///pages/a.warc.gz", 7),
        Rejection(
            "timeout", "extract", "20 s", "file:///pages/b.html", 0, url=f"{storks}?slow", content=b"slow"
        ),
        Rejection("timeout", "extract", "20 s", "file:///pages/c.html", 0, content=b"slower"),
    ]
    result = BatchResult(1, tuple(pages), tuple(rejections), read=len(pages) + len(rejections), ignored=2)
    with _fresh_copy(server) as url:
        settings = Settings(home=new_home(), database_url=url, schema="broadsheet", workers=1)
        with open_database(settings) as database:
            run_id = enter_run(database)
            loaded = load_batch(database, Batch(1), result, run_id=run_id, extractor="1")
            settle(database)
            report = RunReport(run_id, "partial", loaded.counts, loaded.ignored, skipped=1, seconds=1.5)
            finish_run(database, run_id, report)
            yield database


@pytest.fixture(scope="session")
def newsstand(server: str, new_home: Callable[[], Path]) -> Iterator[Engine]:
    """A database with the fortnight of `scripts/make_newsstand.py`. For tests that only read."""
    home = new_home()
    made = [sys.executable, Path(__file__).parent.parent / "scripts" / "make_newsstand.py"]
    with (home / "newsstand.jsonl").open("wb") as pages:
        subprocess.run(made, check=True, stdout=pages)
    with _fresh_copy(server) as url:
        settings = Settings(home=home, database_url=url, schema="broadsheet", workers=1)
        with open_database(settings) as database:
            run_id = enter_run(database)
            everything = plan([str(home / "newsstand.jsonl")], Selection(), KnownParts(database))
            for batch in pack(everything, Selection()):
                assert isinstance(batch, Batch)
                load_batch(database, batch, extract_batch(batch), run_id=run_id, extractor="1")
            settle(database)
            yield database


def _extracted(extraction: Extraction, url: str, fetched_at: datetime | None) -> ExtractedPage:
    page = Page(repr(extraction).encode(), "html", url, fetched_at, origin_uri="file:///pages/news.jsonl")
    return ExtractedPage(
        key=page.key,
        digest=page.digest,
        kind=page.kind,
        url=url,
        fetched_at=fetched_at,
        source="gazette",
        origin_uri=page.origin_uri,
        origin_record=page.origin_record,
        byte_count=len(page.content),
        extraction=extraction,
        article_key=article_key(extraction, url) if extraction.is_article else None,
        story_key=story_key(extraction) if extraction.is_article else None,
        headline_keys=tuple(headline_key(headline.text) for headline in extraction.headlines),
        title_key=headline_key(extraction.title) if extraction.is_article and extraction.title else None,
    )


def _make_template(server: str) -> None:
    _execute(server, "CREATE DATABASE template")
    made = Settings(
        home=Path("/"), database_url=_database(server, "template"), schema="broadsheet", workers=1
    )
    with open_database(made, migrate="never") as engine:
        upgrade(engine, made.schema)


@contextlib.contextmanager
def _fresh_copy(server: str, template: str = "template") -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _database(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _database(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _execute(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
