"""What other roles than the owner of the tables may do: load pages, or only read."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, Engine, text

from schemas.errors import ConfigError

Duty = Literal["loader", "reader"]

_DELETES = (
    # What a newer extractor no longer finds on pages:
    "article_versions",
    "articles",
    "headline_sightings",
    # Sums and texts that follow from the pages, made again where they change:
    "headline_links",
    "headline_totals",
    "headline_variants",
    "headlines",
    "link_targets",
    "retracted_claims",
    "retracted_sightings",
    "sighting_days",
)
"""The only tables of which a loader may delete rows."""


def grant(engine: Engine, schema: str, duty: Duty, role: str) -> None:
    """Give a role what loading (`ingest`, `backfill`, `quarantine`) or reading takes, and nothing else.

    Loaders stage pages in temporary tables and read, write and change rows; they make no table, change
    none, and delete only what follows from pages. Readers read tables and views. Tables and views that later
    migrations make are covered, too. Granting again changes nothing.

    Raises:
        ConfigError: there is no such role.
        sqlalchemy.exc.ProgrammingError: the tables are not this role's own.
    """
    with engine.begin() as connection:
        if connection.scalar(text("SELECT to_regrole(quote_ident(:role))"), {"role": role}) is None:
            raise ConfigError(f"There is no role {role} in the database; create it first.")
        for statement in _statements(connection, schema, duty, role):
            connection.execute(text(statement))


def _statements(connection: Connection, schema: str, duty: Duty, role: str) -> list[str]:
    """The grants. Names are quoted by the server: no statement takes them as parameters."""
    names = connection.execute(
        text("SELECT quote_ident(current_database()), quote_ident(:schema), quote_ident(:role)"),
        {"schema": schema, "role": role},
    ).one()
    database, place, grantee = names
    rights = "SELECT" if duty == "reader" else "SELECT, INSERT, UPDATE"
    statements = [
        f"GRANT CONNECT{', TEMPORARY' * (duty == 'loader')} ON DATABASE {database} TO {grantee}",
        f"GRANT USAGE ON SCHEMA {place} TO {grantee}",
        f"GRANT {rights} ON ALL TABLES IN SCHEMA {place} TO {grantee}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {place} GRANT {rights} ON TABLES TO {grantee}",
    ]
    if duty == "loader":
        tables = ", ".join(f"{place}.{table}" for table in _DELETES)
        statements += [
            f"REVOKE INSERT, UPDATE ON {place}.alembic_version FROM {grantee}",
            f"GRANT DELETE ON {tables} TO {grantee}",
            f"GRANT SELECT ON SEQUENCE {place}.pages_id_seq TO {grantee}",  # tells which partition is next
        ]
    return statements
