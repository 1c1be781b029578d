"""Load one batch in one transaction: COPY into staging tables, then few statements over whole sets.

Loaders may run side by side. Each takes its locks in the same order (sources, articles, pages, texts,
quarantine, kept pages, parts; each sorted by key), so they wait for each other and never deadlock;
one that looks for pages that are refused takes them piece by piece, and may have to try again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, fields

from sqlalchemy import Connection, Engine, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from schemas.errors import LoadError, RefusedPage
from schemas.records import Batch, BatchResult, Counts, ExtractedPage, LoadReport, Page, Part, Rejection
from schemas.tables import LoadedBatch, LoadedPart, QuarantineEntry
from tasks.archive import Archive
from tasks.keep import Published
from tasks.postgres.errors import (
    DATABASE_ERRORS,
    DatabaseError,
    complaint,
    is_refusal,
    translated_errors,
)
from tasks.postgres.kept import enter_kept
from tasks.postgres.partitions import make_partitions
from tasks.postgres.replacing import replace_pages
from tasks.postgres.rows import Row, source_name, storable, url_key
from tasks.postgres.staging import empty_staging, load_pages, make_staging
from tasks.recover import batch_pages

DETAIL_CHARACTERS = 2000
"""How much of what happened to a quarantined page is kept."""


def load_batch(
    engine: Engine,
    batch: Batch,
    result: BatchResult,
    *,
    run_id: int,
    extractor: str,
    archive: Archive | None = None,
    kept: Published | None = None,
) -> LoadReport:
    """Load what extraction made of a batch, with its ledger rows: whole or not at all.

    Loading it again changes nothing: in the same run the first report comes back, in another run every
    page is `unchanged`; unless the batch says that they are to be replaced. Pages that the database refuses
    go to quarantine one by one, their bytes into the archive. `kept` is where the bytes of its pages lie, if
    they are kept.

    Raises:
        TransientLoadError: connection lost, deadlock, restart; the same call may be made again.
        LoadError: the database cannot take the batch, or its outcomes do not add up.
    """
    with translated_errors():
        make_partitions(engine)
        with engine.begin() as connection:
            batch_id = _open_batch(connection, batch.number, result, run_id, extractor)
            if batch_id is None:
                return _earlier_report(connection, batch.number, run_id)
            make_staging(connection)
            write = replace_pages if batch.replace else load_pages
            outcomes, sightings, refused = _load_what_fits(
                connection, result.pages, lambda pages: write(connection, pages, batch_id, extractor)
            )
            if refused and archive is not None:
                for page in batch_pages(batch, {entry["key"] for entry in refused}):
                    archive.put(page.content)
            entries = [*map(_rejected, result.rejections), *refused]
            dismissed = _quarantine(connection, entries, batch, result, run_id, batch_id)
            if kept is not None:
                enter_kept(connection, kept)
            _enter_parts(connection, batch, result, dismissed, batch_id)
            report = LoadReport(
                counts=Counts(read=result.read, quarantined=len(entries), **outcomes),
                ignored=result.ignored,
                quarantined_by_reason=dict(Counter(entry["reason"] for entry in entries)),
                sightings=sightings,
            )
            if not report.counts.balanced:
                raise LoadError(f"Outcomes of batch {batch.number} do not add up: {report.counts.as_dict()}.")
            _close_batch(connection, batch_id, report)
            return report


# --- pages that fit, and pages that are refused -----------------------------------------------------


def _load_what_fits(
    connection: Connection,
    pages: Sequence[ExtractedPage],
    write: Callable[[Sequence[ExtractedPage]], tuple[Counter[str], int]],
) -> tuple[Counter[str], int, list[Row]]:
    """Load pages, all together where possible; else find those that are refused and load the others.

    Returns: outcomes, sightings, quarantine entries of the refused pages.
    """

    def refusal(group: Sequence[ExtractedPage], into: _Loaded) -> DatabaseError | None:
        """Load a group together, or nothing of it; return what the database has against it."""
        try:
            with connection.begin_nested():
                outcomes, sightings = write(group)
        except DATABASE_ERRORS as error:
            if not is_refusal(error):
                raise
            return error
        into.pages += group
        into.outcomes += outcomes
        into.sightings += sightings
        return None

    def load_in_pieces(group: Sequence[ExtractedPage], into: _Loaded) -> None:
        """Load a group and halve it where it is refused, each piece on top of those before it."""
        error = refusal(group, into)
        if error is None:
            return
        if len(group) == 1:
            into.refused.append(_refused(group[0], complaint(error)))
            return
        middle = len(group) // 2
        load_in_pieces(group[:middle], into)
        empty_staging(connection)
        load_in_pieces(group[middle:], into)

    together = _Loaded()
    if refusal(pages, together) is None:
        return together.outcomes, together.sightings, []
    trial, found = connection.begin_nested(), _Loaded()
    load_in_pieces(pages, found)
    trial.rollback()
    if refusal(found.pages, together) is None:
        return together.outcomes, together.sightings, found.refused
    pieces = _Loaded()  # what fits one after the other need not fit at once
    load_in_pieces(pages, pieces)
    return pieces.outcomes, pieces.sightings, pieces.refused


@dataclass(slots=True)
class _Loaded:
    """What became of pages so far."""

    pages: list[ExtractedPage] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    sightings: int = 0
    refused: list[Row] = field(default_factory=list)
    """Quarantine entries of the others."""


# --- quarantine -------------------------------------------------------------------------------------


def _rejected(rejection: Rejection) -> Row:
    entry = {
        "reason": rejection.reason,
        "stage": rejection.stage,
        "detail": _bounded(rejection.detail),
        "origin_uri": storable(rejection.origin_uri),
        "origin_record": rejection.origin_record,
        "url": storable(rejection.url) if rejection.url else None,
        "url_key": url_key(rejection.url) if rejection.url else None,
        "kind": rejection.kind,
        "fetched_at": rejection.fetched_at,
        "source": source_name(rejection.source, rejection.url),
        "content_type": storable(rejection.content_type) if rejection.content_type else None,
    }
    key = _origin_key(rejection.origin_uri, rejection.origin_record)
    if rejection.content is None:
        return entry | {"key": key, "digest": None, "byte_count": None}
    page = Page(rejection.content, "html", url=rejection.url, fetched_at=rejection.fetched_at)
    if rejection.kind is not None:  # else the bytes are a record in which no page was found
        key = page.key
    return entry | {"key": key, "digest": page.digest, "byte_count": len(page.content)}


def _refused(page: ExtractedPage, why: str) -> Row:
    return {
        "key": page.key,
        "reason": RefusedPage.reason,
        "stage": RefusedPage.stage,
        "detail": _bounded(why),
        "origin_uri": storable(page.origin_uri),
        "origin_record": page.origin_record,
        "url": storable(page.url) if page.url else None,
        "url_key": url_key(page.url) if page.url else None,
        "kind": page.kind,
        "fetched_at": page.fetched_at,
        "source": source_name(page.source, page.url),
        "content_type": None,
        "digest": page.digest,
        "byte_count": page.byte_count,
    }


def _origin_key(uri: str, record: int) -> bytes:
    """Stands for a place in an input: the identity of an entry that has no bytes."""
    return hashlib.blake2b(f"{record}\n{storable(uri)}".encode(), digest_size=16).digest()


def _bounded(detail: str) -> str:
    return storable(detail)[-DETAIL_CHARACTERS:]


def _quarantine(
    connection: Connection, entries: list[Row], batch: Batch, result: BatchResult, run_id: int, batch_id: int
) -> set[bytes]:
    """Enter the pages that failed, again or for the first time, and resolve those that now loaded.

    Returns: the keys of places that could not be read again, and stay dismissed.
    """
    failed = {entry["key"]: entry for entry in entries}
    tries = Counter(entry["key"] for entry in entries)
    pages = [page for page in result.pages if page.key not in failed]
    loaded = {key for page in pages for key in (page.key, _origin_key(page.origin_uri, page.origin_record))}
    loaded -= failed.keys()
    passed = _places_passed(batch, result) - failed.keys()
    known = connection.execute(
        select(QuarantineEntry.key, QuarantineEntry.digest)
        .where(QuarantineEntry.key == func.any(sorted(loaded | passed | failed.keys())))
        .order_by(QuarantineEntry.key)
        .with_for_update()
    )
    resolved = [key for key, content in known if key in loaded or (key in passed and content is None)]
    if resolved:
        connection.execute(
            update(QuarantineEntry)
            .where(
                QuarantineEntry.key == func.any(resolved),
                QuarantineEntry.resolution.is_distinct_from("loaded"),
            )
            .values(resolved_at=func.now(), resolution="loaded")
        )
    dismissed: set[bytes] = set()
    if failed:
        unread = [key for key, entry in failed.items() if entry["digest"] is None]
        dismissed = _still_dismissed(connection, unread, batch) if unread else dismissed
        place = {"run_id": run_id, "batch_id": batch_id}
        rows = [failed[key] | place | {"attempts": tries[key]} for key in sorted(failed)]
        entry = insert(QuarantineEntry)
        stays = entry.excluded.key == func.any(sorted(dismissed))
        again = {name: entry.excluded[name] for name in rows[0] if name not in ("key", "attempts")}
        connection.execute(
            entry.on_conflict_do_update(
                index_elements=["key"],
                set_=again
                | {
                    "attempts": QuarantineEntry.attempts + entry.excluded.attempts,
                    "last_seen_at": func.now(),
                    "resolved_at": case((stays, QuarantineEntry.resolved_at)),
                    "resolution": case((stays, QuarantineEntry.resolution)),
                },
            ),
            rows,
        )
    return dismissed


def _still_dismissed(connection: Connection, keys: Sequence[bytes], batch: Batch) -> set[bytes]:
    """Of these places, those dismissed in an input of which no other state was entered since."""
    inputs = {part.input.uri: part.input.fingerprint for part in batch.parts}
    changed = (
        select(LoadedPart.uri)
        .join(LoadedBatch, LoadedBatch.id == LoadedPart.batch_id)
        .where(
            LoadedPart.uri == QuarantineEntry.origin_uri,
            LoadedPart.fingerprint != func.all(list(inputs.values())),
            LoadedBatch.loaded_at > QuarantineEntry.resolved_at,
        )
        .exists()
    )
    statement = select(QuarantineEntry.key).where(
        QuarantineEntry.key == func.any(sorted(keys)), QuarantineEntry.resolution == "dismissed", ~changed
    )
    return set(connection.scalars(statement))


def _places_passed(batch: Batch, result: BatchResult) -> set[bytes]:
    """Keys of all places that reading passed without an obstacle: what once ended it there is overcome.

    A directory that could be listed is one, too.
    """
    obstacles: dict[str, int] = {}
    for rejection in result.rejections:
        if rejection.content is None:
            first = min(rejection.origin_record, obstacles.get(rejection.origin_uri, rejection.origin_record))
            obstacles[rejection.origin_uri] = first
    passed: set[bytes] = set()
    directories: set[str] = set()
    for part in _parts_read(batch, result):
        uri, behind = part.input.uri, part.first_record + part.record_count + part.last
        behind = min(behind, obstacles.get(uri, behind))
        passed.update(_origin_key(uri, record) for record in range(part.first_record, behind))
        above = uri.rpartition("/")[0]
        while above.rpartition("/")[0].strip("/") and above not in directories:
            directories.add(above)
            above = above.rpartition("/")[0]
    return passed | {_origin_key(directory, 0) for directory in directories}


# --- the ledger's rows ------------------------------------------------------------------------------


def _open_batch(
    connection: Connection, number: int, result: BatchResult, run_id: int, extractor: str
) -> int | None:
    """The id of a new batch row, None where the run has loaded this batch already."""
    return connection.scalar(
        insert(LoadedBatch)
        .values(run_id=run_id, number=number, extractor=extractor, worker_seconds=result.seconds)
        .on_conflict_do_nothing(index_elements=["run_id", "number"])
        .returning(LoadedBatch.id)
    )


def _earlier_report(connection: Connection, number: int, run_id: int) -> LoadReport:
    row = connection.execute(
        select(LoadedBatch.__table__).where(LoadedBatch.run_id == run_id, LoadedBatch.number == number)
    ).one()
    return LoadReport(
        counts=Counts(**{count.name: getattr(row, count.name) for count in fields(Counts)}),
        ignored=row.ignored,
        quarantined_by_reason=row.quarantined_by_reason,
        sightings=row.sightings,
    )


def _close_batch(connection: Connection, batch_id: int, report: LoadReport) -> None:
    connection.execute(
        update(LoadedBatch)
        .where(LoadedBatch.id == batch_id)
        .values(
            **report.counts.as_dict(),
            ignored=report.ignored,
            quarantined_by_reason=report.quarantined_by_reason,
            sightings=report.sightings,
        )
    )


def _parts_read(batch: Batch, result: BatchResult) -> Sequence[Part]:
    """The parts that were read to their end: all, or those before the one with the page that met the limit.

    That one may have more behind its last page, such as damage that nobody looked for.
    """
    if not batch.parts or batch.accept is None or result.read < batch.accept:
        return batch.parts
    origins = [(page.origin_uri, page.origin_record) for page in result.pages]
    origins += [(rejection.origin_uri, rejection.origin_record) for rejection in result.rejections]
    return batch.parts[: max(_part_indices(batch, origins))]


def _part_indices(batch: Batch, origins: Iterable[tuple[str, int]]) -> Iterator[int]:
    """The index of the part that each (URI, record) comes from."""
    starts: dict[str, list[tuple[int, int]]] = {}
    for index, part in enumerate(batch.parts):
        starts.setdefault(part.input.uri, []).append((part.first_record, index))
    for uri, record in origins:
        yield max(start for start in starts[uri] if start[0] <= record)[1]


def _enter_parts(
    connection: Connection, batch: Batch, result: BatchResult, dismissed: Set[bytes], batch_id: int
) -> None:
    """Enter the parts that were read.

    One that was not read to its end is tried again by every run, unless the place where that ended is
    dismissed: then it counts as read until its input changes.
    """
    parts = _parts_read(batch, result)
    stopped = (
        place
        for rejection in result.rejections
        if batch.parts and rejection.rest
        if _origin_key(*(place := (rejection.origin_uri, rejection.origin_record))) not in dismissed
    )
    unread = frozenset(_part_indices(batch, stopped))
    rows = [
        {
            "fingerprint": part.input.fingerprint,
            "selection": batch.selection.digest,
            "first_record": part.first_record,
            "record_count": part.record_count,
            "next_offset": part.next_offset,
            "last": part.last or part.unreadable is not None,
            "uri": storable(part.input.uri),
            "byte_count": part.byte_count,
            "damage": storable(part.damage) if part.damage else None,
            "batch_id": batch_id,
        }
        for index, part in enumerate(parts)
        if index not in unread
    ]
    if rows:
        rows.sort(key=lambda row: (row["fingerprint"], row["first_record"]))
        entry = insert(LoadedPart)
        read_at_last = {name: entry.excluded[name] for name in rows[0]}
        connection.execute(
            entry.on_conflict_do_update(
                index_elements=["fingerprint", "selection", "first_record"],
                set_=read_at_last,
                where=LoadedPart.record_count == 0,  # of what was dismissed, and is replayed
            ),
            rows,
        )
