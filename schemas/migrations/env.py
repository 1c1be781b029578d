"""Runs migrations on the connection that `tasks.postgres.database` hands over, in its transaction.

Alembic loads this file by its path; nothing imports it.
"""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy.sql.schema import SchemaItem

from schemas.tables import metadata


def include(item: SchemaItem, name: str | None, kind: str, reflected: bool, counterpart: Any) -> bool:
    """Leave out of comparisons what lives for one transaction, and partitions."""
    if kind == "table":
        return not (
            item.info.get("staging") or (reflected and (name or "").startswith("headline_sightings_p"))
        )
    return True


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=include,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
