"""Quarantined pages tried again, as batches: pages brought back, and what could not be read of inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, func, select

from schemas.errors import ConfigError, PageTooLarge, StoreUnreachable
from schemas.records import Batch, Input, KnownPart, Page, Part, Selection
from schemas.tables import QuarantineEntry
from tasks.archive import Archive
from tasks.ledger import KnownParts
from tasks.plan import BATCH_BYTES, BATCH_PAGES, Known, Note, pack, plan
from tasks.postgres.patience import patient
from tasks.postgres.quarantine import Chosen, waiting_ids
from tasks.recover import Away, LostPage, Unavailable, input_name, recover, selections

ENTRIES_AT_ONCE = 5_000
"""Entries that are held at a time, without bytes."""

_ALL = Chosen()
_COLUMNS = tuple(getattr(QuarantineEntry, field.name) for field in fields(LostPage))


@dataclass(frozen=True, slots=True)
class Retried:
    """Entries that are to be tried again: what follows holds them, or says that they cannot be had."""

    entry_ids: tuple[int, ...]


def replay(
    engine: Engine, archive: Archive, selection: Selection, chosen: Chosen = _ALL
) -> Iterator[Batch | Retried | Unavailable]:
    """Yield what waits in quarantine and is meant, as batches; an entry is resolved when its page loads.

    One that gives no page to try is `Unavailable`: bytes or input are gone, or as unreadable as before.

    Records in which no page was found are read as they were, but for what `selection` says otherwise. Where
    an input could not be read on, what the ledger lacks of it is planned again, as it was.

    Raises:
        ConfigError: at once, when an id that is given names no entry.
        StoreUnreachable: at the end, when a store stayed away and entries could not be tried for it.
    """
    return _replay(engine, archive, selection, patient(waiting_ids)(engine, chosen))


def _replay(
    engine: Engine, archive: Archive, selection: Selection, ids: Sequence[int]
) -> Iterator[Batch | Retried | Unavailable]:
    away = Away()
    for start in range(0, len(ids), ENTRIES_AT_ONCE):
        asked = ids[start : start + ENTRIES_AT_ONCE]
        yield Retried(tuple(asked))
        entries = _entries(engine, asked)
        lost = [LostPage(*entry[:-1]) for entry in entries if entry.digest is not None]
        given: set[int] = set()
        yield from in_batches(_found(engine, archive, lost, away, selection, given), selection)
        places: defaultdict[str, dict[int, _Place]] = defaultdict(dict)
        for entry in entries:
            if entry.digest is None:
                alone = entry.reason == PageTooLarge.reason
                places[entry.origin_uri][entry.origin_record] = _Place(entry.id, alone)
        unread: defaultdict[Selection, list[_Rest]] = defaultdict(list)
        for uri, of_one_input in places.items():
            for way in selections(engine, uri):
                unread[way].append(_Rest(KnownParts(engine), way, uri, of_one_input))
        for way, rests in unread.items():
            parts = chain.from_iterable(_planned(rest, away, given) for rest in rests)
            yield from (batch for batch in pack(parts, way) if isinstance(batch, Batch))
        yield from (_unavailable(archive, entry, away) for entry in entries if entry.id not in given)
    if away.missed:
        raise away.missed


def _unavailable(archive: Archive, entry: Row[Any], away: Away) -> Unavailable:
    if missed := away.unavailable(entry.id, entry.origin_uri):
        return missed
    if entry.digest is None:
        there = input_name(entry.origin_uri, linked=False) is not None
        return Unavailable(entry.id, "had nothing left to read" if there else "had no input any more")
    if entry.kind is None and archive.get(entry.digest.hex()) is not None:
        return Unavailable(entry.id, "held no page again and waits")
    return Unavailable(entry.id)


def _found(
    engine: Engine,
    archive: Archive,
    lost: Sequence[LostPage],
    away: Away,
    selection: Selection,
    given: set[int],
) -> Iterator[Page]:
    """The pages that can be had, their entries noted in `given`."""
    for entry, page in recover(engine, archive, lost, away, selection):
        if page is not None:
            given.add(entry.id)
            yield page


@patient
def _entries(engine: Engine, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """The columns of these entries: those of a lost page, and the reason."""
    statement = select(*_COLUMNS, QuarantineEntry.reason).where(QuarantineEntry.id == func.any(list(ids)))
    with engine.connect() as connection:
        return connection.execute(statement.order_by(QuarantineEntry.id)).all()


def in_batches(pages: Iterable[Page], selection: Selection) -> Iterator[Batch]:
    """Gather pages into batches, handed over whole."""
    number, gathered, held = 1, list[Page](), 0
    for page in pages:
        if gathered and (len(gathered) >= BATCH_PAGES or held + len(page.content) > BATCH_BYTES):
            yield Batch(number, pages=tuple(gathered), selection=selection)
            number, gathered, held = number + 1, [], 0
        gathered.append(page)
        held += len(page.content)
    if gathered:
        yield Batch(number, pages=tuple(gathered), selection=selection)


# --- inputs that could not be read on -----------------------------------------------------------------


def _planned(rest: _Rest, away: Away, given: set[int]) -> Iterator[Part | Note]:
    """What the ledger lacks of an input from where reading ended; nothing of one that is gone.

    The entries for which there is something to read are noted in `given`.
    """
    name = input_name(rest.uri, linked=False)  # whatever is there now is read
    if name is None or rest.uri in away:
        return
    try:
        with suppress(ConfigError):
            for item in plan([name], replace(rest.way, path_pattern=None), rest):
                if isinstance(item, Part):
                    given.update(rest.tried_by(item))
                yield item
    except StoreUnreachable as error:
        away.note(rest.uri, error)


class _Place(NamedTuple):
    """A record at which reading an input ended."""

    entry_id: int
    alone: bool
    """This one record was not read; those behind it were."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """A ledger that forgets the rest of each part in which reading ended, from that record on."""

    known: Known
    way: Selection
    """How the input was read."""
    uri: str
    places: Mapping[int, _Place]
    """By the number of the record."""

    def tried_by(self, part: Part) -> Iterator[int]:
        """The entries that a part of what is planned tries again: of a directory, any part in it does."""
        behind = part.first_record + max(1, part.record_count)
        for record, place in self.places.items():
            if part.input.uri != self.uri or part.first_record <= record < behind:
                yield place.entry_id

    def parts(self, inputs: Sequence[Input], selection: str) -> Mapping[str, Sequence[KnownPart]]:
        found = self.known.parts(inputs, self.way.digest)
        opened = {source.fingerprint for source in inputs if source.uri == self.uri}
        return {
            fingerprint: [piece for part in parts for piece in self._left(part)]
            if fingerprint in opened
            else parts
            for fingerprint, parts in found.items()
        }

    def _left(self, part: KnownPart) -> Iterator[KnownPart]:
        first, behind = part.first_record, part.first_record + part.record_count
        for record in sorted(record for record in self.places if first <= record < behind):
            if record > first:
                yield KnownPart(first, record - first, 0, last=False)
            if not self.places[record].alone:
                return
            first = record + 1
        last = part.last and behind not in self.places  # whatever is there now was not there then
        yield KnownPart(first, behind - first, part.next_offset, last)
