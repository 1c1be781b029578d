"""The partitions of `headline_sightings`, each for a range of page ids: made before they are needed, and
dropped whole when their pages are old.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from schemas.errors import LoadError
from schemas.tables import SIGHTINGS_PARTITION_PAGES

LOCK_SECONDS = 5.0
"""How long a lock that loaders or readers hold is waited for: they wait behind it, too."""

NEEDED_PAGES = 50_000
"""Pages that the batches under way may bring before anyone looks again."""

_MAY_MAKE = """
    SELECT pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE')
    FROM pg_class WHERE oid = 'headline_sightings'::regclass
    """

_NAME = re.compile(r"headline_sightings_p(\d+)")

_UNSETTLED = """
    SELECT EXISTS (
        SELECT FROM pages p JOIN batches b ON b.id = p.batch_id
        WHERE b.settled_at IS NULL AND p.id >= :first AND p.id < :end
    )
    """


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """The sightings of the pages whose ids divided by the size of a partition give this number."""

    number: int

    @property
    def name(self) -> str:
        return f"headline_sightings_p{self.number}"

    @property
    def first_page(self) -> int:
        """Its smallest page id."""
        return self.number * SIGHTINGS_PARTITION_PAGES

    @property
    def end(self) -> int:
        """The page id behind its greatest."""
        return self.first_page + SIGHTINGS_PARTITION_PAGES


def make_partitions(engine: Engine, *, ahead: int = SIGHTINGS_PARTITION_PAGES // 2) -> list[Partition]:
    """Make the partitions that are missing for the page after the last and `ahead` pages more; return them.

    Attaching waits for nobody and nobody waits for it, unlike creating one in place. A role that may not make
    tables goes on with those that there are.

    Raises:
        LoadError: such a role has none left for the next batch.
    """
    with engine.begin() as connection:
        if not _missing(connection, ahead):
            return []
        if not connection.scalar(text(_MAY_MAKE)):
            if _missing(connection, min(ahead, NEEDED_PAGES)):
                raise LoadError(
                    "There is no partition left for new sightings, and this database role may not make one; "
                    "let the owner of the tables run `broadsheet maintain`."
                )
            return []
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('headline_sightings partition'))"))
        missing = _missing(connection, ahead)  # again: another process may have made them meanwhile
        for partition in missing:
            connection.execute(
                text(f"CREATE TABLE {partition.name} (LIKE headline_sightings INCLUDING COMMENTS)")
            )
            connection.execute(
                text(
                    f"ALTER TABLE headline_sightings ATTACH PARTITION {partition.name} "
                    f"FOR VALUES FROM ({partition.first_page}) TO ({partition.end})"
                )
            )
    return missing


def old_partitions(engine: Engine, before: datetime) -> list[Partition]:
    """The partitions that are full, settled, and whose pages were all fetched before a time.

    Pages of unknown fetch time count by when they were loaded. What this returns stays true: no loader can
    add to these partitions any more.

    Raises:
        sqlalchemy.exc.OperationalError: loaders kept the pages busy for longer than `LOCK_SECONDS`.
    """
    with engine.begin() as connection:
        last = _last_page(connection)
        full = [partition for partition in sorted(partitions(connection)) if partition.end <= last + 1]
        if full:
            _wait_for_loaders(connection)
    with engine.connect() as connection:
        return [partition for partition in full if not _is_young(connection, partition, before)]


def drop_partition(engine: Engine, partition: Partition) -> int | None:
    """Drop a partition; return how many bytes that frees, None where pages of it must be settled first.

    Raises:
        sqlalchemy.exc.OperationalError: someone kept the sightings busy for longer than `LOCK_SECONDS`.
    """
    with engine.begin() as connection:
        _be_brief(connection)
        connection.execute(text("LOCK TABLE headline_sightings IN ACCESS EXCLUSIVE MODE"))
        if connection.scalar(text(_UNSETTLED), {"first": partition.first_page, "end": partition.end}):
            return None  # read again by a newer extractor since it was chosen
        freed: int = connection.execute(
            text("SELECT coalesce(pg_total_relation_size(to_regclass(:name)), 0)"), {"name": partition.name}
        ).scalar_one()
        connection.execute(text(f"DROP TABLE IF EXISTS {partition.name}"))
        return freed


def _wait_for_loaders(connection: Connection) -> None:
    """Wait until every loader that may hold the id of a page, not committed yet, has ended.

    Loaders lock `pages` before they are given ids, so those that come later get greater ids.
    """
    _be_brief(connection)
    connection.execute(text("LOCK TABLE pages IN SHARE MODE"))


def _be_brief(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))


def _is_young(connection: Connection, partition: Partition, before: datetime) -> bool:
    statement = """
        SELECT EXISTS (
            SELECT FROM pages p JOIN batches b ON b.id = p.batch_id
            WHERE p.id >= :first AND p.id < :end
              AND (b.settled_at IS NULL OR coalesce(p.fetched_at, b.loaded_at) >= :before)
        )
        """
    values = {"first": partition.first_page, "end": partition.end, "before": before}
    return bool(connection.scalar(text(statement), values))


def _missing(connection: Connection, ahead: int) -> list[Partition]:
    last = _last_page(connection)
    known = partitions(connection)
    numbers = range((last + 1) // SIGHTINGS_PARTITION_PAGES, (last + ahead) // SIGHTINGS_PARTITION_PAGES + 1)
    return [partition for partition in map(Partition, numbers) if partition not in known]


def _last_page(connection: Connection) -> int:
    """The greatest page id given out."""
    last: int = connection.execute(text("SELECT last_value FROM pages_id_seq")).scalar_one()
    return last


def partitions(connection: Connection) -> set[Partition]:
    """Those that are there now."""
    # Not by to_regclass: it may answer from before the lock was waited for.
    names = connection.execute(
        text(
            "SELECT relname FROM pg_class WHERE relname ^@ 'headline_sightings_p' AND relkind = 'r' "
            "AND relnamespace = to_regnamespace(current_schema())"
        )
    ).scalars()
    return {Partition(int(found[1])) for name in names if (found := _NAME.fullmatch(name))}
