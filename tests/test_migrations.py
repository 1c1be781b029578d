"""The migrations against what is declared, on the newest and the oldest server."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from captures import rows
from sqlalchemy import Engine, inspect, text

from schemas.tables import metadata
from tasks.postgres.database import current_revision, downgrade, head_revision, upgrade

VIEWS = {
    "article_list",
    "article_promotion",
    "headline_revisions",
    "headline_timeline",
    "sidebar_list",
    "source_health",
    "stories",
}
DECLARED = {table.name for table in metadata.sorted_tables if not table.info.get("staging")}


@pytest.fixture(params=["database", "postgres15"])
def migrated(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def differences(engine: Engine) -> list[Any]:
    """What a migration to the declared tables would have to do, comments and defaults included."""

    def compared(item: Any, name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
        staging = kind == "table" and item.info.get("staging")
        return not staging and not (
            kind == "table" and reflected and name in {"alembic_version", *partitions}
        )

    partitions = {name for (name,) in rows(engine, "SELECT inhrelid::regclass::text FROM pg_inherits")}
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": compared}
        context = MigrationContext.configure(connection, opts=options)
        found: list[Any] = compare_metadata(context, metadata)
        return found


def test_migrated_is_declared(migrated: Engine) -> None:
    assert differences(migrated) == []


def test_a_difference_is_found(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("COMMENT ON COLUMN articles.title IS 'Other'"))
        connection.execute(text("DROP INDEX pages_url_key_idx"))
    assert len(differences(database)) == 2


def test_every_table_view_and_column_is_explained(migrated: Engine) -> None:
    missing = rows(
        migrated,
        """
        SELECT c.relname, a.attname
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'broadsheet'::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND c.relname <> 'alembic_version' AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT c.relname, NULL
        FROM pg_class c
        WHERE c.relnamespace = 'broadsheet'::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND c.relname <> 'alembic_version' AND NOT c.relispartition
          AND obj_description(c.oid, 'pg_class') IS NULL
        """,
    )
    assert missing == []


def test_down_to_nothing_and_up_again(migrated: Engine) -> None:
    inspector = inspect(migrated)
    assert set(inspector.get_view_names()) == VIEWS
    downgrade(migrated, "broadsheet", "base")
    assert (
        rows(
            migrated,
            "SELECT relname FROM pg_class WHERE relnamespace = 'broadsheet'::regnamespace"
            " AND relkind IN ('r', 'p', 'v', 'S') AND relname <> 'alembic_version'",
        )
        == []
    )
    upgrade(migrated, "broadsheet")
    assert current_revision(migrated) == head_revision()
    assert differences(migrated) == []
    assert set(inspect(migrated).get_table_names()) >= DECLARED


def test_no_extension_and_no_trigger(database: Engine) -> None:
    assert rows(database, "SELECT extname FROM pg_extension") == [("plpgsql",)]
    assert rows(database, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == []
