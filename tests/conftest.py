"""Fixtures that need real parts: a home, the embedded PostgreSQL, a fresh database for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from schemas.settings import Settings
from tasks.database import open_database, upgrade
from tasks.embedded import use_embedded

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")

_numbers = itertools.count(1)


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
