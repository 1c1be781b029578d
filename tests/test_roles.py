"""Roles that may not do everything: a loader makes no tables, a reader writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from captures import rows
from runs import enter_run
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from schemas.errors import ConfigError, LoadError
from schemas.records import Batch, BatchResult, Page, Selection
from schemas.settings import Settings
from schemas.tables import SIGHTINGS_PARTITION_PAGES
from tasks.batch import extract_batch
from tasks.ledger import finish_dead_runs
from tasks.load import load_batch
from tasks.maintain import maintain
from tasks.postgres.database import open_database
from tasks.postgres.roles import DELETES, INSERTS, UPDATES, Duty, grant
from tasks.settle import settle

ROLES: dict[Duty, str] = {"loader": "news loader", "reader": "Analyst"}
PAGE = b"""<html><body><h1>Storks return to Dol</h1><p>%s</p>
<aside><h2>Most read</h2><ul><li><a href="/toll">Toll on the old bridge doubles</a></li></ul>
</aside></body></html>"""
SENTENCE = b"Two storks circled the tower above the market and settled on the old nest. "


@pytest.fixture(params=["database", "postgres15"])
def owned(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database with both roles and what they are granted; the engine is its owner's."""
    engine: Engine = request.getfixturevalue(request.param)
    with engine.begin() as connection:
        for role in ROLES.values():
            connection.execute(text(f'CREATE ROLE "{role}" LOGIN'))
        name = connection.scalar(text("SELECT quote_ident(current_database())"))
        connection.execute(text(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"))
    for duty, role in ROLES.items():
        grant(engine, "broadsheet", duty, role)
        grant(engine, "broadsheet", duty, role)
    yield engine
    with engine.begin() as connection:
        for role in ROLES.values():
            connection.execute(text(f'DROP OWNED BY "{role}"'))
            connection.execute(text(f'DROP ROLE "{role}"'))


@pytest.fixture
def entered(owned: Engine, settings: Settings) -> Iterator[dict[Duty, Engine]]:
    """The same database, opened by each role as Broadsheet opens it."""
    with owned.connect() as connection:
        at = connection.connection.driver_connection.info  # type: ignore[union-attr]
    place = f"@/{at.dbname}?host={quote(at.host)}&port={at.port}"
    with_roles = {
        duty: replace(settings, database_url=f"postgresql://{quote(role)}{place}")
        for duty, role in ROLES.items()
    }
    with open_database(with_roles["loader"]) as loader, open_database(with_roles["reader"]) as reader:
        yield {"loader": loader, "reader": reader}


def load(engine: Engine) -> BatchResult:
    page = Page(PAGE % (SENTENCE * 30), "html", "https://gazette.example/storks")
    batch = Batch(1, pages=(page,), selection=Selection())
    result = extract_batch(batch)
    run_id = enter_run(engine)
    load_batch(engine, batch, result, run_id=run_id, extractor="1")
    settle(engine)
    return result


def test_a_loader_loads_and_settles(owned: Engine, entered: dict[Duty, Engine]) -> None:
    load(entered["loader"])
    assert rows(owned, "SELECT text, sightings FROM headlines JOIN headline_totals ON headline_id = id") == [
        ("Toll on the old bridge doubles", 1)
    ]
    finish_dead_runs(entered["loader"])
    assert rows(owned, "SELECT state FROM runs") == [("failed",)]


def test_a_loader_reads_stored_pages_again(owned: Engine, entered: dict[Duty, Engine]) -> None:
    """What no page says any more goes: article, text, headline, link."""
    loader = entered["loader"]
    page = load(loader).pages[0]
    nothing = replace(page.extraction, is_article=False, reason="listing", headlines=[])
    now = replace(
        page, extraction=nothing, article_key=None, story_key=None, title_key=None, headline_keys=()
    )
    run_id = enter_run(loader, kind="backfill", extractor="2")
    again = Batch(1, replace=True)
    report = load_batch(loader, again, BatchResult(1, (now,), (), read=1), run_id=run_id, extractor="2")
    assert report.counts.non_article == 1
    settle(loader)
    for table in ("articles", "article_versions", "headlines", "headline_variants", "headline_links"):
        assert rows(owned, f"SELECT count(*) FROM {table}") == [(0,)], table


RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def rights(owned: Engine, duty: Duty) -> set[tuple[str, str]]:
    """Every (relation, right) that a role has by PostgreSQL's own account; columns and sequences, too."""
    role = {"role": ROLES[duty], "rights": list(RIGHTS)}
    with owned.connect() as connection:
        found = connection.execute(
            text("""
                SELECT c.relname, p.name FROM pg_class c, unnest(CAST(:rights AS text[])) AS p (name)
                WHERE c.relnamespace = 'broadsheet'::regnamespace
                  AND CASE
                      WHEN c.relkind IN ('r', 'p', 'v') THEN has_table_privilege(:role, c.oid, p.name)
                        OR p.name <> ALL ('{DELETE,TRUNCATE,TRIGGER}')
                           AND has_any_column_privilege(:role, c.oid, p.name)
                      WHEN c.relkind = 'S' AND p.name IN ('SELECT', 'UPDATE')
                      THEN has_sequence_privilege(:role, c.oid, p.name || ',USAGE')
                  END
                """),
            role,
        )
        return {(name, right) for name, right in found}


def test_roles_have_the_rights_that_are_declared(owned: Engine) -> None:
    relations = {
        name
        for (name,) in rows(
            owned,
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace = 'broadsheet'::regnamespace",
        )
    }
    reading = {(name, "SELECT") for name in relations}
    declared = {"INSERT": INSERTS, "UPDATE": UPDATES, "DELETE": DELETES}
    writing = {(table, right) for right, tables in declared.items() for table in tables}
    assert rights(owned, "reader") == reading
    assert rights(owned, "loader") == reading | writing | {("pages_id_seq", "SELECT")}
    assert {table for table, _ in writing} <= relations - {"alembic_version"}


def test_a_loader_that_becomes_a_reader_writes_no_more(owned: Engine, entered: dict[Duty, Engine]) -> None:
    grant(owned, "broadsheet", "reader", ROLES["loader"])
    execute(owned, "CREATE TABLE broadsheet.later (id int)")
    assert rights(owned, "loader") == rights(owned, "reader")
    for statement in NOT_READING:
        assert_refused(entered["loader"], statement)


NOT_LOADING = (
    "CREATE TABLE broadsheet.mine (id int)",
    "CREATE SCHEMA mine",
    "DROP TABLE articles",
    "TRUNCATE quarantine",
    "ALTER TABLE pages ADD COLUMN mine text",
    "DELETE FROM pages",
    "DELETE FROM runs",
    "DELETE FROM quarantine",
    "UPDATE article_versions SET body = 'mine'",
    "UPDATE kept_files SET uri = 'mine'",
    "UPDATE alembic_version SET version_num = 'mine'",
    "SELECT rolpassword FROM pg_authid",
    "COPY pages TO '/tmp/mine'",
    "COPY pages FROM PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
)


def test_a_loader_may_do_nothing_else(entered: dict[Duty, Engine]) -> None:
    for statement in NOT_LOADING:
        assert_refused(entered["loader"], statement)


NOT_READING = (
    "INSERT INTO sources (name) VALUES ('mine')",
    "UPDATE articles SET title = 'mine'",
    "DELETE FROM headlines",
    "CREATE TABLE broadsheet.mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
)


def test_a_reader_writes_nothing(entered: dict[Duty, Engine]) -> None:
    for statement in NOT_READING:
        assert_refused(entered["reader"], statement)


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def assert_refused(engine: Engine, statement: str) -> None:
    with pytest.raises(ProgrammingError) as refused:
        execute(engine, statement)
    assert getattr(refused.value.orig, "sqlstate", None) == "42501", statement


def test_a_reader_reads_everything(owned: Engine, entered: dict[Duty, Engine]) -> None:
    load(owned)
    relations = rows(
        owned,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND NOT relispartition "
        "AND relnamespace = 'broadsheet'::regnamespace",
    )
    assert len(relations) > 20
    for (name,) in relations:
        rows(entered["reader"], f"SELECT * FROM {name} LIMIT 1")


def test_tables_of_later_migrations_are_read(owned: Engine, entered: dict[Duty, Engine]) -> None:
    execute(owned, "CREATE TABLE broadsheet.later (id int)")
    assert [rows(engine, "SELECT id FROM later") for engine in entered.values()] == [[], []]
    assert_refused(entered["loader"], "INSERT INTO later VALUES (1)")


def test_a_loader_needs_partitions_that_the_owner_makes(owned: Engine, entered: dict[Duty, Engine]) -> None:
    last = 3 * SIGHTINGS_PARTITION_PAGES
    execute(owned, f"SELECT setval('pages_id_seq', {last})")
    with pytest.raises(LoadError, match="let the owner of the tables run `broadsheet maintain`"):
        load(entered["loader"])
    assert maintain(owned).made
    load(entered["loader"])
    assert rows(owned, "SELECT page_id > 3000000 FROM headline_sightings") == [(True,)]


def test_unknown_roles_are_refused(database: Engine) -> None:
    with pytest.raises(ConfigError, match='There is no role nobody"s in the database'):
        grant(database, "broadsheet", "loader", 'nobody"s')


def test_the_owner_keeps_its_rights(database: Engine) -> None:
    with pytest.raises(ConfigError, match="owns the tables"):
        grant(database, "broadsheet", "reader", "broadsheet")
