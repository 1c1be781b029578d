"""The quarantine: entries counted, listed, shown, chosen, dismissed; what became of those tried again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Engine, func, select, update

from schemas.errors import ConfigError
from schemas.records import Replayed
from schemas.tables import QuarantineEntry
from tasks.postgres.patience import patient
from tasks.postgres.query import fetch, row_id
from tasks.postgres.rows import storable

IDS_NAMED = 20
"""So many ids are named in a sentence."""

_OPEN = QuarantineEntry.resolved_at.is_(None)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which entries of the quarantine are meant: those that meet all that is given."""

    ids: tuple[int, ...] = ()
    reason: str | None = None
    source: str | None = None
    since: date | None = None
    until: date | None = None
    """Days (UTC) on which they last failed, both inclusive."""
    run_id: int | None = None
    """The run in which they last failed."""

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for a statement."""
        entry, found = QuarantineEntry, list[ColumnElement[bool]]()
        if self.ids:
            found.append(entry.id == func.any([row_id(number) for number in self.ids]))
        if self.reason is not None:
            found.append(entry.reason == storable(self.reason))
        if self.source is not None:
            found.append(entry.source == storable(self.source))
        if self.since is not None:
            found.append(entry.last_seen_at >= datetime.combine(self.since, time(), UTC))
        if self.until is not None and self.until < date.max:
            found.append(entry.last_seen_at < datetime.combine(self.until + timedelta(1), time(), UTC))
        if self.run_id is not None:
            found.append(entry.run_id == row_id(self.run_id))
        return found


_ALL = Chosen()


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """How many pages there are for one reason, and one of them."""

    reason: str
    stage: str
    waiting: int
    resolved: int
    """Loaded after all."""
    dismissed: int
    last_seen_at: datetime
    example: int
    """Id of the last one, of those that wait if any does."""
    example_origin: str
    """The input that holds it."""


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A quarantined page in a list."""

    id: int
    reason: str
    stage: str
    detail: str
    origin_uri: str
    origin_record: int
    url: str | None
    source: str | None
    attempts: int
    last_seen_at: datetime
    run_id: int | None
    """The run in which it last failed."""


@dataclass(frozen=True, slots=True)
class QuarantineDetail:
    """A quarantined page with everything known of it."""

    id: int
    reason: str
    stage: str
    detail: str
    origin_uri: str
    origin_record: int
    url: str | None
    kind: str | None
    fetched_at: datetime | None
    source: str | None
    content_type: str | None
    digest: str | None
    """Of its raw bytes, in hex: what `Archive.get` takes."""
    byte_count: int | None
    attempts: int
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    run_id: int | None


# --- looking at it -----------------------------------------------------------------------------------


def count_quarantine(engine: Engine, chosen: Chosen = _ALL) -> list[QuarantineCount]:
    """Reasons with the number of their pages, those that most pages wait for first."""
    entry = QuarantineEntry
    example = func.coalesce(func.max(entry.id).filter(_OPEN), func.max(entry.id)).label("example")
    counted = (
        select(
            entry.reason,
            entry.stage,
            func.count().filter(_OPEN).label("waiting"),
            func.count().filter(entry.resolution == "loaded").label("resolved"),
            func.count().filter(entry.resolution == "dismissed").label("dismissed"),
            func.max(entry.last_seen_at).label("last_seen_at"),
            example,
        )
        .where(*chosen.conditions)
        .group_by(entry.reason, entry.stage)
        .subquery()
    )
    statement = (
        select(counted, entry.origin_uri.label("example_origin"))
        .join(entry, entry.id == counted.c.example)
        .order_by(counted.c.waiting.desc(), counted.c.reason, counted.c.stage)
    )
    return fetch(engine, statement, QuarantineCount)


def count_waiting(engine: Engine) -> int:
    """How many pages wait."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(QuarantineEntry).where(_OPEN)) or 0


def list_quarantine(engine: Engine, chosen: Chosen = _ALL, *, limit: int = 20) -> list[QuarantineRow]:
    """Pages that wait in quarantine, the last to fail first."""
    statement = (
        select(*(getattr(QuarantineEntry, field.name) for field in fields(QuarantineRow)))
        .where(_OPEN, *chosen.conditions)
        .order_by(QuarantineEntry.last_seen_at.desc(), QuarantineEntry.id.desc())
        .limit(limit)
    )
    return fetch(engine, statement, QuarantineRow)


def find_quarantined(engine: Engine, entry_id: int) -> QuarantineDetail | None:
    """The quarantined page with this id, None where there is none."""
    columns = [
        func.encode(QuarantineEntry.digest, "hex").label("digest")
        if field.name == "digest"
        else getattr(QuarantineEntry, field.name)
        for field in fields(QuarantineDetail)
    ]
    found = fetch(engine, select(*columns).where(QuarantineEntry.id == row_id(entry_id)), QuarantineDetail)
    return found[0] if found else None


# --- what is to be done with them --------------------------------------------------------------------


def waiting_ids(engine: Engine, chosen: Chosen) -> list[int]:
    """The ids of the entries that wait and are meant, in the order of their inputs.

    To name an entry by its id takes in a dismissed one.

    Raises:
        ConfigError: an id that is given names no entry at all.
    """
    entry = QuarantineEntry
    with engine.connect() as connection:
        if chosen.ids:
            named = select(entry.id).where(entry.id == func.any([row_id(number) for number in chosen.ids]))
            unknown = sorted(set(chosen.ids).difference(connection.scalars(named)))
            if unknown:
                pages = "is no quarantined page" if len(unknown) == 1 else "are no quarantined pages"
                raise ConfigError(f"There {pages} {listed(unknown)}.")
        left = entry.resolution.is_distinct_from("loaded") if chosen.ids else _OPEN
        statement = select(entry.id).where(left, *chosen.conditions)
        return list(connection.scalars(statement.order_by(entry.origin_uri, entry.origin_record, entry.id)))


def dismiss(engine: Engine, chosen: Chosen) -> list[int]:
    """Resolve entries that nobody will load; return their ids.

    A page that is read again and fails opens its entry anew; an input does so only once it has changed.

    Raises:
        ConfigError: an id that is given names no entry at all.
    """
    entry = QuarantineEntry
    if ids := waiting_ids(engine, chosen):
        with engine.begin() as connection:
            # In the order in which loaders lock entries, so that neither waits for the other for ever.
            locked = select(entry.id).where(_OPEN, entry.id == func.any(ids)).order_by(entry.key)
            open_still = connection.scalars(locked.with_for_update()).all()
            values = {"resolved_at": func.now(), "resolution": "dismissed"}
            connection.execute(update(entry).where(entry.id == func.any(open_still)).values(values))
            ids = sorted(open_still)
    return ids


@patient
def replayed(engine: Engine, ids: Sequence[int], run_id: int, unavailable: Collection[int]) -> Replayed:
    """What became of entries that a run was to try again; those `unavailable` gave it nothing to try."""
    entry = QuarantineEntry
    statement = select(entry.id, entry.resolution, entry.run_id).where(entry.id == func.any(list(ids)))
    loaded, failed, gone, waiting = list[int](), list[int](), list[int](), list[int]()
    dismissed = list[int]()
    unavailable = frozenset(unavailable)
    with engine.connect() as connection:
        for number, resolution, last_run in connection.execute(statement.order_by(entry.id)):
            if resolution == "loaded":
                loaded.append(number)
            elif last_run == run_id:
                failed.append(number)
                if resolution == "dismissed":
                    dismissed.append(number)
            else:
                (gone if number in unavailable else waiting).append(number)
    return Replayed(tuple(loaded), tuple(failed), tuple(dismissed), tuple(gone), tuple(waiting))


def listed(ids: Sequence[int]) -> str:
    """Ids for a sentence, the first of them where they are many."""
    return ", ".join(map(str, ids[:IDS_NAMED])) + (", …" if len(ids) > IDS_NAMED else "")
