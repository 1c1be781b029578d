"""Upkeep of the sightings: partitions ahead of what is loaded, and old ones dropped where that is wanted.

What the sightings come to by day, headline and link stays when they are dropped. Maintaining again changes
nothing. Dropping needs the sightings to itself for a moment: loaders and readers wait behind each try for as
long as it waits for others, up to `LOCK_SECONDS`, and go on between two tries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine

from schemas.errors import TransientLoadError
from schemas.tables import SIGHTINGS_PARTITION_PAGES
from tasks.postgres.errors import translated_errors
from tasks.postgres.partitions import Partition, drop_partition, make_partitions, old_partitions

AHEAD = 2 * SIGHTINGS_PARTITION_PAGES
"""Pages for which partitions are made."""
TRIES = 10
PAUSE_SECONDS = 1.0

T = TypeVar("T")


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


def maintain(
    engine: Engine, *, keep_sightings: int | None = None, pause: float = PAUSE_SECONDS
) -> MaintenanceReport:
    """Make partitions of the sightings ahead, and drop those that are too old.

    Args:
        engine: the database.
        keep_sightings: days to keep; None keeps all. A partition is dropped as a whole, once it is full,
            its batches are settled, and each of its pages was fetched (loaded, where its fetch time is
            unknown) longer ago.
        pause: seconds between two tries, where loaders or readers are in the way.

    Raises:
        TransientLoadError: they were in the way each time; what is done stays done, call again.
    """
    made = make_partitions(engine, ahead=AHEAD)
    dropped: list[Partition] = []
    freed = 0
    before = None
    if keep_sightings is not None:
        before = datetime.now(UTC) - timedelta(days=keep_sightings)
        for partition in _patiently(partial(old_partitions, engine, before), pause):
            of_it = _patiently(partial(drop_partition, engine, partition), pause)
            if of_it is not None:
                freed += of_it
                dropped.append(partition)
    return MaintenanceReport(tuple(made), tuple(dropped), freed, before)


def _patiently(work: Callable[[], T], pause: float) -> T:
    """Try again while others are in the way, and let them go on between two tries."""
    for _ in range(TRIES - 1):
        try:
            with translated_errors():
                return work()
        except TransientLoadError:
            time.sleep(pause)
    with translated_errors():
        return work()
