"""The engine: what it connects to, what it refuses, and in which words."""

from __future__ import annotations

from sqlalchemy import Engine, text


def test_every_connection_sees_the_schema_first_and_speaks_utc(database: Engine) -> None:
    with database.connect() as connection:
        assert connection.scalar(text("SELECT current_schemas(false)")) == ["broadsheet"]
        assert connection.scalar(text("SHOW timezone")) == "UTC"
        assert connection.scalar(text("SHOW application_name")) == "broadsheet"


def test_postgres15(postgres15: Engine) -> None:
    with postgres15.connect() as connection:
        assert connection.scalar(text("SELECT current_schemas(false)")) == ["broadsheet"]
