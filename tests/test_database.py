"""The engine: what it connects to, what it refuses and in which words, and who migrates what."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from schemas.errors import ConfigError
from schemas.settings import Settings
from tasks.postgres import database as door
from tasks.postgres.database import (
    current_revision,
    display_url,
    downgrade,
    head_revision,
    open_database,
    psql_arguments,
    upgrade,
)
from tasks.postgres.embedded import packaged_binary


def settings_for(url: str | None, home: Path = Path("/nowhere"), schema: str = "broadsheet") -> Settings:
    return Settings(home=home, database_url=url, schema=schema, workers=1)


def refusal(settings: Settings) -> str:
    with pytest.raises(ConfigError) as caught, open_database(settings):
        pass
    return str(caught.value)


# --- connecting --------------------------------------------------------------------------------------


def test_every_connection_sees_the_schema_first_and_speaks_utc(database: Engine) -> None:
    with database.connect() as connection:
        assert connection.scalar(text("SELECT current_schemas(false)")) == ["broadsheet"]
        assert connection.scalar(text("SHOW timezone")) == "UTC"
        assert connection.scalar(text("SHOW application_name")) == "broadsheet"


def test_the_environment_cannot_change_what_is_read(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=public")
    with open_database(settings) as engine, engine.connect() as connection:
        assert connection.scalar(text("SELECT 'ğ'")) == "ğ"
        assert connection.scalar(text("SELECT current_schemas(false)")) == ["broadsheet"]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_scheme_is_a_postgres_url(settings: Settings, scheme: str) -> None:
    assert settings.database_url is not None
    url = scheme + settings.database_url.removeprefix("postgresql+psycopg")
    with open_database(replace(settings, database_url=url)) as engine:
        assert current_revision(engine) == head_revision()


def test_the_users_own_connection_options_stay(settings: Settings) -> None:
    url = f"{settings.database_url}&application_name=mine&options=-c%20work_mem%3D7MB"
    with open_database(replace(settings, database_url=url)) as engine, engine.connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "mine"
        assert connection.scalar(text("SHOW work_mem")) == "7MB"
        assert connection.scalar(text("SELECT current_schemas(false)")) == ["broadsheet"]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://me:secret@host/news",
        "postgresql+psycopg2://me:secret@host/news",
        "postgresql://me:sec%zzret@host/news",
        "postgresql://me:secret@host:port/news",
        "postgresql://me:secret@host/news?colour=secret",
        "postgresql://me:se@secret@host/news",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    said = refusal(settings_for(url))
    assert said.startswith("BROADSHEET_DATABASE_URL ")
    assert "secret" not in said
    assert "\n" not in said


def test_a_server_that_does_not_answer_is_one_sentence() -> None:
    said = refusal(settings_for("postgresql://me:secret@127.0.0.1:1/news"))
    assert said.startswith("Cannot open postgresql://me:***@127.0.0.1:1/news: ")
    assert "refused" in said
    assert "\n" not in said


def test_a_database_that_does_not_exist_is_one_sentence(settings: Settings) -> None:
    assert settings.database_url is not None
    url = settings.database_url.replace("test_", "absent_")
    said = refusal(replace(settings, database_url=url))
    assert 'database "absent_' in said
    assert said.endswith("does not exist.")


def test_a_database_in_another_encoding_is_refused(server: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
        )
        said = refusal(settings_for(server.replace("/postgres?", "/latin?")))
        connection.execute(text("DROP DATABASE latin"))
    engine.dispose()
    assert "is stored as LATIN1" in said


def test_a_server_that_is_too_old_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "OLDEST_SERVER", 99)
    assert refusal(settings).endswith("is too old; 99 is the oldest supported.")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:secret@db.example:5433/news", "postgresql://me:***@db.example:5433/news"),
        (
            "postgresql://me@db.example/news?sslmode=require",
            "postgresql://me@db.example/news?sslmode=require",
        ),
        ("postgresql://db.example/news?user=me&password=secret", "postgresql://me:***@db.example/news"),
        ("postgresql:///news?sslpassword=secret", "postgresql:///news"),
        ("postgresql://me:secret@[::1]:5433/news", "postgresql://me:***@[::1]:5433/news"),
        ("postgresql://a:1,b:2/news", "postgresql:///news?host=a%2Cb&port=1%2C2"),
        ("postgresql:///news?host=/var/run", "postgresql:///news?host=/var/run"),
    ],
)
def test_the_password_is_never_shown(url: str, shown: str) -> None:
    assert display_url(settings_for(url)) == shown


def test_psql_opens_the_same_database(database: Engine) -> None:
    connection, password = psql_arguments(database)
    done = subprocess.run(
        [packaged_binary("psql"), "-X", "-A", "-t", connection, "-c", "SELECT count(*) FROM articles"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, password) == ("0\n", "", "")


# --- migrating ---------------------------------------------------------------------------------------


def test_the_embedded_database_migrates_itself_once(home: Path) -> None:
    with open_database(settings_for(None, home)) as engine:
        assert current_revision(engine) == head_revision()
    script = (
        "import sys; from pathlib import Path; from schemas.settings import Settings\n"
        "from tasks.postgres.database import open_database\n"
        f"with open_database(Settings(Path({str(home)!r}), None, 'broadsheet', 1)): pass\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_processes_that_find_an_empty_database_migrate_it_once(
    new_home: Callable[[], Path],
) -> None:
    home, found, failures = new_home(), [], []

    def use() -> None:
        try:
            with open_database(settings_for(None, home)) as engine:
                found.append(current_revision(engine))
        except Exception as error:  # noqa: BLE001  # shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert found == [head_revision()] * 3


def test_a_server_of_ones_own_is_never_migrated_silently(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url)
    said = refusal(settings)
    assert said.startswith("There are no tables in postgresql://")
    assert said.endswith(" yet; run `broadsheet db upgrade`.")
    with open_database(settings, migrate="never") as engine:
        assert "broadsheet" not in inspect(engine).get_schema_names()
        upgrade(engine, "broadsheet")
    with open_database(settings) as engine:
        assert current_revision(engine) == head_revision()
        downgrade(engine, "broadsheet", "base")
        assert current_revision(engine) is None
        assert inspect(engine).get_table_names(schema="broadsheet") == ["alembic_version"]
        assert inspect(engine).get_view_names(schema="broadsheet") == []


def test_two_schemas_of_one_database_know_nothing_of_each_other(empty_database_url: str) -> None:
    mine, other = (
        settings_for(empty_database_url, schema="mine"),
        settings_for(empty_database_url, schema="other"),
    )
    with open_database(mine, migrate="never") as engine:
        upgrade(engine, "mine")
    assert "There are no tables" in refusal(other)
    with open_database(mine) as engine:
        assert inspect(engine).get_table_names(schema="public") == []


def test_a_database_of_a_newer_version_is_refused(settings: Settings, database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    assert "were made by a newer Broadsheet (revision future)" in refusal(settings)


def test_a_database_of_an_older_version_names_the_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = head_revision()
    monkeypatch.setattr(door, "_revisions", lambda: {newest: None, "next": newest})
    assert refusal(settings).endswith("are of an older Broadsheet; run `broadsheet db upgrade`.")


@pytest.mark.parametrize("which", ["server", "server15"])
def test_no_superuser_is_needed_but_the_right_to_create(which: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(which)
    name = f"role_{os.getpid()}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        try:
            theirs = settings_for(url.replace("//broadsheet@/postgres?", f"//{name}@/{name}?"))
            with open_database(theirs, migrate="never") as opened:
                with pytest.raises(
                    ConfigError, match="lacks a right on schema broadsheet: permission denied"
                ):
                    upgrade(opened, "broadsheet")
                connection.execute(text(f"GRANT CREATE ON DATABASE {name} TO {name}"))
                upgrade(opened, "broadsheet")
            with open_database(theirs) as opened:
                assert current_revision(opened) == head_revision()
                with opened.begin() as own:
                    own.execute(text(f"REVOKE ALL ON alembic_version FROM {name}"))
            assert "lacks a right on schema broadsheet: permission denied" in refusal(theirs)
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            connection.execute(text(f"DROP ROLE {name}"))
    engine.dispose()


def test_the_oldest_supported_server(postgres15: Engine) -> None:
    with postgres15.connect() as connection:
        assert connection.dialect.server_version_info is not None
        assert connection.dialect.server_version_info[0] == 15
        assert connection.scalar(text("SELECT count(*) FROM articles")) == 0


def test_servers_notice_clients_that_are_gone(server: str, home: Path) -> None:
    """Else what they hold would stand in everybody's way for two hours."""
    url = f"{server}&options=-c%20tcp_user_timeout%3D5000"
    own = Settings(home, url, "broadsheet", 1)
    with open_database(own, migrate="never") as engine, engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        options = driver.info.get_parameters()["options"]
    asked = re.findall(r"-c (tcp_\w+)=(\d+)", options)
    assert dict(asked) == {
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "5000",
    }, "what the user says comes last"
