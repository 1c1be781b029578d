"""What other roles than the owner of the tables may do: load pages, or only read."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, Engine, text

from schemas.errors import ConfigError
from schemas.tables import Base

Duty = Literal["loader", "reader"]

INSERTS = tuple(table.name for table in Base.metadata.sorted_tables if not table.info.get("staging"))
"""The tables of which a loader may insert rows: those that hold what is loaded."""

UPDATES = (
    # The ledger:
    "runs",
    "batches",
    "parts",
    "quarantine",
    "kept_pages",
    # What a later capture or a newer extractor says:
    "pages",
    "articles",
    # What settle finds out:
    "headline_links",
    "headline_totals",
    "headline_variants",
    "headlines",
    "link_targets",
    "sighting_days",
)
"""The only tables of which a loader may change rows."""

DELETES = (
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
    none, and delete only what follows from pages. Readers read tables and views. What the role was granted
    before is taken from it. What later migrations make it may read; to load there, grant again.

    Raises:
        ConfigError: there is no such role, or it owns the tables.
        sqlalchemy.exc.ProgrammingError: the tables are not this role's own.
    """
    with engine.begin() as connection:
        if connection.scalar(text("SELECT to_regrole(quote_ident(:role))"), {"role": role}) is None:
            raise ConfigError(f"There is no role {role} in the database; create it first.")
        if connection.scalar(text(_OWNS), {"schema": schema, "role": role}):
            raise ConfigError(f"The role {role} owns the tables; give these rights to another one.")
        for statement in _statements(connection, schema, duty, role):
            connection.execute(text(statement))


_OWNS = """
    SELECT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(:schema))
          AND relowner = to_regrole(quote_ident(:role))
    )
    """


def _statements(connection: Connection, schema: str, duty: Duty, role: str) -> list[str]:
    """What is revoked and granted. Names are quoted by the server: no statement takes them as parameters."""
    names = connection.execute(
        text("SELECT quote_ident(current_database()), quote_ident(:schema), quote_ident(:role)"),
        {"schema": schema, "role": role},
    ).one()
    database, place, grantee = names
    by_default = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {place}"
    statements = [
        f"REVOKE TEMPORARY ON DATABASE {database} FROM {grantee}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {place} FROM {grantee}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {place} FROM {grantee}",
        f"{by_default} REVOKE ALL ON TABLES FROM {grantee}",
        f"GRANT CONNECT ON DATABASE {database} TO {grantee}",
        f"GRANT USAGE ON SCHEMA {place} TO {grantee}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {place} TO {grantee}",
        f"{by_default} GRANT SELECT ON TABLES TO {grantee}",
    ]
    if duty == "loader":
        statements += [
            f"GRANT TEMPORARY ON DATABASE {database} TO {grantee}",
            f"GRANT SELECT ON SEQUENCE {place}.pages_id_seq TO {grantee}",  # tells which partition is next
        ]
        for right, tables in {"INSERT": INSERTS, "UPDATE": UPDATES, "DELETE": DELETES}.items():
            those = ", ".join(f"{place}.{table}" for table in tables)
            statements.append(f"GRANT {right} ON {those} TO {grantee}")
    return statements
