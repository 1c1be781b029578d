"""The door to Postgres: one engine, on the embedded server or on one of the user's own.

Every connection sees the configured schema first and alone, so SQL elsewhere names tables plainly.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from psycopg import Connection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError

from schemas.errors import ConfigError
from schemas.settings import Settings
from tasks.postgres.embedded import use_embedded
from tasks.postgres.patience import Patience

if TYPE_CHECKING:
    from alembic.config import Config

OLDEST_SERVER = 15
"""PostgreSQL major version."""
SILENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""After what silence of a server its connection counts as lost, unless the URL says otherwise: a minute. The
last in ms, the others in s; all but the first are for TCP, and libpq ignores them on a Unix socket."""
_SILENCE_OF_CLIENT = "".join(
    f"-c tcp_{name.removeprefix('tcp_')}={value} "
    for name, value in SILENCE.items()
    if name != "connect_timeout"
)
"""The same for the server: what a client that is gone holds must not stand in the way for hours."""

_MIGRATIONS = Path(__file__).parents[2] / "schemas" / "migrations"
_INSUFFICIENT_PRIVILEGE = "42501"


@contextlib.contextmanager
def open_database(
    settings: Settings, *, migrate: Literal["embedded", "never"] = "embedded"
) -> Iterator[Engine]:
    """An engine on the configured database, for as long as the block lasts.

    The embedded server is started, and stopped again when nobody else uses it. By default its schema is
    brought to the newest revision, while a server of the user's own is only checked: it is never
    migrated silently. `never` does neither, for commands that work on the schema itself.

    Raises:
        ConfigError: the URL is no PostgreSQL URL, the server refuses or is too old, or its schema is
            not at the newest revision; one sentence, never with the password.
    """
    with contextlib.ExitStack() as stack:
        patience = Patience(revive=lambda: None)
        if settings.database_url:
            parameters = SILENCE | _parameters(settings.database_url)
        else:
            server = stack.enter_context(use_embedded(settings.home))
            patience = Patience(server.revive)
            parameters = _parameters(server.url)
        engine = patience.given_to(_engine(parameters, settings))
        stack.callback(engine.dispose)
        _check_server(engine, display_url(settings))
        if migrate == "embedded":
            _check_revision(engine, settings)
        yield engine


def upgrade(engine: Engine, schema: str, revision: str = "head") -> None:
    """Create the schema where missing and apply migrations up to a revision, all or none of them.

    Raises:
        ConfigError: the database role lacks a right that this needs.
    """
    from alembic import command

    with _migrating(engine, schema) as config:
        command.upgrade(config, revision)


def downgrade(engine: Engine, schema: str, revision: str) -> None:
    """Take migrations back down to a revision (`base` removes every table), all or none of them."""
    from alembic import command

    with _migrating(engine, schema) as config:
        command.downgrade(config, revision)


def current_revision(engine: Engine) -> str | None:
    """The revision that the schema is at, None before the first migration."""
    with engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def head_revision() -> str:
    """The newest revision this version of Broadsheet knows."""
    revisions = _revisions()
    (head,) = revisions.keys() - revisions.values()
    return head


def display_url(settings: Settings) -> str:
    """The configured database as people may see it: the password is three stars."""
    if not settings.database_url:
        return f"the embedded PostgreSQL in {settings.home / 'postgres'}"
    parameters = _parameters(settings.database_url)
    user = quote(parameters.pop("user", "")) + (":***" if parameters.pop("password", "") else "")
    place = ""
    if re.fullmatch(r"[\w.:-]+", parameters.get("host", "")) and "," not in parameters.get("port", ""):
        host, port = parameters.pop("host"), parameters.pop("port", "")
        place = (f"[{host}]" if ":" in host else host) + (port and f":{port}")
    name = quote(parameters.pop("dbname", ""))
    rest = "&".join(f"{key}={quote(value)}" for key, value in parameters.items() if "pass" not in key)
    return f"postgresql://{user}{user and '@'}{place}/{name}{rest and '?'}{rest}"


def psql_arguments(engine: Engine) -> tuple[str, str]:
    """What `psql` needs to open the same database: a connection string, and the password for PGPASSWORD."""
    with engine.connect() as connection:
        info = _driver(connection.connection.driver_connection).info
        return info.dsn, info.password


# --- connecting --------------------------------------------------------------------------------------


def _parameters(url: str) -> dict[str, str]:
    """libpq's own reading of a URL: every form that `psql` takes."""
    address = re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", url)
    try:
        if not address.startswith("postgresql://"):
            raise ProgrammingError
        parameters = {
            key: str(value) for key, value in conninfo_to_dict(address).items() if value is not None
        }
        if not re.fullmatch(r"[\d,]*", parameters.get("port", "")):
            raise ProgrammingError
    except ProgrammingError:
        # What libpq says about it may repeat the password.
        raise ConfigError(
            "BROADSHEET_DATABASE_URL is no PostgreSQL URL; use postgresql://user:password@host:port/database."
        ) from None
    if "@" in parameters.get("host", ""):
        raise ConfigError("BROADSHEET_DATABASE_URL has an @ too many; write it as %40 in user and password.")
    return parameters


def _engine(parameters: dict[str, str], settings: Settings) -> Engine:
    rest = {key: value for key, value in parameters.items() if key not in ("user", "password", "dbname")}
    given = f"{_SILENCE_OF_CLIENT}{rest.get('options', '')}".strip()
    rest["options"] = f"{given} -c search_path={settings.schema} -c timezone=UTC"
    return create_engine(
        URL.create(
            "postgresql+psycopg",
            username=parameters.get("user"),
            password=parameters.get("password"),
            database=parameters.get("dbname"),
        ),
        connect_args={"application_name": "broadsheet", "client_encoding": "UTF8", **rest},
        pool_size=8,
        max_overflow=max(16, settings.workers),  # each may have a batch that waits for a lock
        pool_pre_ping=True,
        hide_parameters=True,  # errors are shown and stored, and what pages say may be long and hostile
    )


def _check_server(engine: Engine, shown: str) -> None:
    try:
        with engine.connect() as connection:
            info = _driver(connection.connection.driver_connection).info
            version, encoding = info.server_version // 10_000, info.parameter_status("server_encoding")
    except OperationalError as error:
        why = str(error.orig).strip().splitlines()[0].removeprefix("connection failed: ").rstrip(".")
        raise ConfigError(f"Cannot open {shown}: {why}.") from None
    if version < OLDEST_SERVER:
        raise ConfigError(
            f"PostgreSQL {version} of {shown} is too old; {OLDEST_SERVER} is the oldest supported."
        )
    if encoding != "UTF8":
        raise ConfigError(
            f"Text in {shown} is stored as {encoding}; use a database created with ENCODING 'UTF8'."
        )


def _driver(connection: Any) -> Connection[Any]:
    assert isinstance(connection, Connection)  # noqa: S101  # for the type checker
    return connection


# --- revisions ---------------------------------------------------------------------------------------


@cache
def _revisions() -> dict[str, str | None]:
    """Revision → the one before it, read off the migration files: importing Alembic takes 0.3 s."""
    declared = re.compile(r"^(revision|down_revision)\b[^=\n]*= *(?:[\"'](\w+)[\"']|None)", re.MULTILINE)
    migrations = (
        dict(declared.findall(path.read_text())) for path in sorted((_MIGRATIONS / "versions").glob("*.py"))
    )
    return {found["revision"]: found["down_revision"] or None for found in migrations if "revision" in found}


def _check_revision(engine: Engine, settings: Settings) -> None:
    with _rights_explained(settings.schema):
        current = current_revision(engine)
    if current == head_revision():
        return
    shown = display_url(settings)
    if current is not None and current not in _revisions():
        raise ConfigError(f"The tables in {shown} were made by a newer Broadsheet (revision {current}).")
    if settings.database_url is None:
        upgrade(engine, settings.schema)
    elif current is None:
        raise ConfigError(f"There are no tables in {shown} yet; run `broadsheet db upgrade`.")
    else:
        raise ConfigError(f"The tables in {shown} are of an older Broadsheet; run `broadsheet db upgrade`.")


@contextlib.contextmanager
def _migrating(engine: Engine, schema: str) -> Iterator[Config]:
    """One transaction under one lock: migrations of two processes wait for each other."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with _rights_explained(schema), engine.begin() as connection:
        name = f"{schema} migrations"
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
        if connection.scalar(text("SELECT to_regnamespace(:schema)"), {"schema": schema}) is None:
            connection.execute(text(f'CREATE SCHEMA "{schema}"'))
        config.attributes.update(connection=connection, schema=schema)
        yield config


@contextlib.contextmanager
def _rights_explained(schema: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        why = str(error.orig).splitlines()[0]
        raise ConfigError(f"The database role lacks a right on schema {schema}: {why}.") from error
