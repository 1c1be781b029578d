"""Upkeep of the sightings: partitions ahead of what is loaded, and old ones dropped where that is wanted.

What the sightings come to by day, headline and link stays when they are dropped. Maintaining again changes
nothing. Dropping needs the sightings to itself for a moment: loaders and readers wait behind each try for as
long as it waits for others, up to `LOCK_SECONDS`, and go on between two tries. Tries go on as for a database
that is away: see `tasks.postgres.patience`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from schemas.tables import SIGHTINGS_PARTITION_PAGES
from tasks.postgres.errors import translated_errors
from tasks.postgres.partitions import Partition, drop_partition, make_partitions, old_partitions
from tasks.postgres.patience import patient

AHEAD = 2 * SIGHTINGS_PARTITION_PAGES
"""Pages for which partitions are made."""


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What maintaining did."""

    made: tuple[Partition, ...] = ()
    dropped: tuple[Partition, ...] = ()
    bytes_freed: int = 0
    before: datetime | None = None
    """What is older was to be dropped; None where all is kept."""

    @property
    def sentence(self) -> str:
        """What was done, for people."""
        told = []
        if self.made:
            told.append(f"Made room for the sightings of {_pages(self.made)}.")
        if self.dropped:
            told.append(f"Dropped the sightings of {_pages(self.dropped)}: {self.bytes_freed / 1e6:,.0f} MB.")
        elif self.before is not None:
            told.append(
                f"Dropped nothing: no {SIGHTINGS_PARTITION_PAGES:,} page ids in a row are used up, settled "
                f"and all fetched before {self.before:%Y-%m-%d}."
            )
        return " ".join(told) or "Nothing to do."


def _pages(partitions: Sequence[Partition]) -> str:
    return "pages " + ", ".join(f"{each.first_page:,} to {each.end - 1:,}" for each in partitions)


def maintain(engine: Engine, *, keep_sightings: int | None = None) -> MaintenanceReport:
    """Make partitions of the sightings ahead, and drop those that are too old.

    Args:
        engine: the database.
        keep_sightings: days to keep; None keeps all. A partition is dropped as a whole, once it is full,
            its batches are settled, and each of its pages was fetched (loaded, where its fetch time is
            unknown) longer ago.

    Raises:
        TransientLoadError: the database stayed away, or loaders or readers in the way; what is done stays
            done, call again.
        LoadError: it refuses.
    """
    dropped: list[Partition] = []
    freed = 0
    before = None
    with translated_errors():
        made = patient(make_partitions)(engine, ahead=AHEAD)
        if keep_sightings is not None:
            before = datetime.now(UTC) - timedelta(days=keep_sightings)
            for partition in patient(old_partitions)(engine, before):
                of_it = patient(drop_partition)(engine, partition)
                if of_it is not None:
                    freed += of_it
                    dropped.append(partition)
    return MaintenanceReport(tuple(made), tuple(dropped), freed, before)
