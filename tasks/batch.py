"""One batch: read its records, extract its pages, key what was found.

What a worker process runs. Opens no pool; imports neither Prefect nor SQLAlchemy.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

from schemas.errors import (
    DamagedInput,
    ExtractionFailed,
    InputError,
    PageError,
    PageTooLarge,
    StoreUnreachable,
)
from schemas.records import Batch, BatchResult, ExtractedPage, Ignored, Page, Part, Rejection
from tasks.dedupe import article_key, headline_key, story_key
from tasks.extract import extract_page
from tasks.inputs.storage import is_remote, read_ahead
from tasks.keep import Spool
from tasks.limits import within_limits
from tasks.read import read_part

Outcome = ExtractedPage | Rejection | Ignored
"""What becomes of one record."""

TRACEBACK_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a batch to go on."""

    unit: int = 0
    """Index of the part; the pages handed over whole follow the parts, each a unit of its own."""
    record: int = 0
    """Records of that unit that are dealt with."""
    verdict: PageError | None = None
    """What the next record is rejected for unextracted, because it cost a worker its life."""
    unseen: bool = False
    """Whether not even to parse that record: that cost one, too."""


def extract_batch(batch: Batch) -> BatchResult:
    """Extract a whole batch in this process, within its limits for each page.

    A page that cannot be processed is a rejection in the result, never an exception.

    Raises:
        KeepError: the bytes of a page cannot be kept.
        StoreUnreachable: a store that holds some of its inputs stays away.
        MemoryError: a page takes more memory than there is.
    """
    started = time.process_time()
    outcomes = [outcome for _, outcome in extract_records(batch)]
    return batch_result(batch.number, outcomes, time.process_time() - started)


def batch_result(number: int, outcomes: Iterable[Outcome], seconds: float) -> BatchResult:
    """Sort the outcomes of a batch's records into its result."""
    pages: list[ExtractedPage] = []
    rejections: list[Rejection] = []
    ignored = 0
    for outcome in outcomes:
        if isinstance(outcome, ExtractedPage):
            pages.append(outcome)
        elif isinstance(outcome, Rejection):
            rejections.append(outcome)
        else:
            ignored += 1
    return BatchResult(
        number=number,
        pages=tuple(pages),
        rejections=tuple(rejections),
        read=len(pages) + len(rejections),
        ignored=ignored,
        seconds=seconds,
    )


def extract_records(batch: Batch, place: Place = Place()) -> Iterator[tuple[int, Outcome]]:
    """Yield (unit, outcome) for each record from `place` on, in order, one outcome a record.

    `batch.accept` counts from `place`: pages beyond it are ignored.

    Raises:
        KeepError: the bytes of a page cannot be kept.
        StoreUnreachable: a store that holds some of its inputs stays away.
        MemoryError: the next record takes more memory than there is.
    """
    if batch.keep is None:
        for unit, _, outcome in _outcomes(batch, place):
            yield unit, outcome
        return
    with Spool(batch.keep, batch.number) as spool:
        for unit, found, outcome in _outcomes(batch, place):
            yield unit, _keep(spool, found, outcome)


def _outcomes(batch: Batch, place: Place) -> Iterator[tuple[int, Page | Rejection | Ignored, Outcome]]:
    """Yield (unit, what was read, what became of it)."""
    left = batch.accept
    skip, verdict = place.record, place.verdict
    remote = any(is_remote(part.input.place) for part in batch.parts)
    for unit in range(place.unit, len(batch.parts) + len(batch.pages)):
        if left == 0 and unit < len(batch.parts):  # nothing of it is wanted: leave it closed
            yield from repeat((unit, Ignored(), Ignored()), batch.parts[unit].record_count - skip)
            skip = 0
            continue
        if remote:
            read_ahead((part.input.place, part.offset) for part in batch.parts[unit:] if part.payload is None)
        condemned = (skip, verdict) if verdict and place.unseen else None
        for found in _read_unit(batch, unit, condemned):
            if skip:
                skip -= 1
                continue
            outcome: Outcome
            if isinstance(found, Page) and left != 0:
                outcome = _settle(found, verdict, batch)
            elif isinstance(found, Rejection) and left != 0:
                outcome = found
            else:
                outcome = Ignored()
            if left and not isinstance(outcome, Ignored):
                left -= 1
            verdict = None
            yield unit, found, outcome
        skip = 0


def _keep(spool: Spool, found: Page | Rejection | Ignored, outcome: Outcome) -> Outcome:
    """Spool the bytes of a page that has an outcome."""
    if isinstance(outcome, Ignored):
        return outcome
    if isinstance(found, Page):
        page = found
    elif isinstance(found, Rejection) and found.kind is not None and found.content is not None:
        page = Page(
            found.content,
            found.kind,
            url=found.url,
            fetched_at=found.fetched_at,
            source=found.source,
            content_type=found.content_type,
        )
    else:
        return outcome  # no page was found
    if isinstance(outcome, ExtractedPage):
        return replace(outcome, kept=spool.put(page, key=outcome.key, digest=outcome.digest))
    return replace(outcome, kept=spool.put(page, key=page.key, digest=page.digest))


def unread_unit(batch: Batch, place: Place) -> int | None:
    """The unit that holds the record after `place`; None at the batch's end."""
    sizes = [part.record_count for part in batch.parts] + [1] * len(batch.pages)
    unit = place.unit + (place.unit < len(sizes) and place.record >= sizes[place.unit])
    return unit if unit < len(sizes) else None


def unread(batch: Batch, place: Place, error: InputError | PageError) -> Rejection:
    """One rejection for all that `place`'s unit still holds, where reading on is impossible."""
    if place.unit < len(batch.parts):
        part = batch.parts[place.unit]
        return Rejection(
            reason=error.reason,
            stage="read",
            detail=str(error),
            origin_uri=part.input.uri,
            origin_record=part.first_record + place.record,
            source=batch.selection.source,
            rest=not isinstance(error, DamagedInput),
        )
    return reject(batch.pages[place.unit - len(batch.parts)], error)


def reject(page: Page, error: InputError | PageError) -> Rejection:
    """The page as a quarantine entry, with its bytes."""
    return Rejection(
        reason=error.reason,
        stage=error.stage,
        detail=str(error),
        origin_uri=page.origin_uri,
        origin_record=page.origin_record,
        url=page.url,
        kind=page.kind,
        fetched_at=page.fetched_at,
        source=page.source,
        content_type=page.content_type,
        content=page.content,
    )


def _read_unit(
    batch: Batch, unit: int, condemned: tuple[int, PageError] | None
) -> Iterator[Page | Rejection | Ignored]:
    """The records of one unit; what stops the reading unforeseen is one rejection at its end."""
    if unit >= len(batch.parts):
        page = batch.pages[unit - len(batch.parts)]
        size, limit = len(page.content), batch.limits.page_bytes
        large = PageTooLarge(f"{size:,} bytes; the limit for one page is {limit:,}")
        yield page if size <= limit else reject(page, large)
        return
    part: Part = batch.parts[unit]
    done = 0
    try:
        for found in read_part(part, batch.selection, batch.limits, condemned):
            yield found
            done += 1
    except (MemoryError, StoreUnreachable):
        raise
    except Exception as error:  # noqa: BLE001  nothing of an input may get lost, whatever its reader does
        cause = error if isinstance(error, InputError) else InputError(_tail(error))
        yield unread(batch, Place(unit, done), cause)


def _settle(page: Page, verdict: PageError | None, batch: Batch) -> Outcome:
    """Extract one page, or say what it is rejected for, or that its language was not asked for."""
    if verdict:
        return reject(page, verdict)
    try:
        extracted = within_limits(partial(extract_one, page), batch.limits)
    except PageError as error:
        return reject(page, error)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  a bug costs its page, not the batch; the traceback is kept
        return reject(page, ExtractionFailed(_tail(error)))
    languages = batch.selection.languages
    if languages and extracted.extraction.language not in languages:
        return Ignored()
    return extracted


def extract_one(page: Page) -> ExtractedPage:
    """Extract and key one page.

    Raises:
        PageError: the page cannot be processed.
    """
    found = extract_page(
        page.content,
        page.url,
        fetched_at=page.fetched_at,
        content_type=page.content_type or ("text/html" if page.kind == "html" else "text/plain"),
    )
    return ExtractedPage(
        key=page.key,
        digest=page.digest,
        kind=page.kind,
        url=page.url,
        fetched_at=page.fetched_at,
        source=page.source,
        origin_uri=page.origin_uri,
        origin_record=page.origin_record,
        byte_count=len(page.content),
        extraction=found,
        article_key=article_key(found, page.url) if found.is_article else None,
        story_key=story_key(found) if found.is_article else None,
        headline_keys=tuple(headline_key(headline.text) for headline in found.headlines),
        title_key=headline_key(found.title) if found.is_article and found.title else None,
        misdated=page.misdated,
    )


def _tail(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-TRACEBACK_CHARACTERS:]
