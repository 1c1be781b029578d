"""Where a row comes from: page → input and record → batch → run → extractor, and what became of the others.

Reads only, by indexes: a digest of the URL, an id, the parts of one input. Times are aware and in UTC; None
where no page states one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from tasks.postgres.query import records, row_id
from tasks.postgres.rows import storable, url_key

MOST_PAGES = 100
"""So many captures, texts and places are shown of one thing."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A stored page and how it came to be one."""

    id: int
    url: str | None
    kind: str
    fetched_at: datetime | None
    gives: str
    """What it gives its article: the current text, the same text, an earlier one; or why it is none."""
    article_id: int | None
    origin_uri: str
    origin_record: int
    part_first: int | None
    part_count: int | None
    """The part of the input it was read with."""
    batch_id: int
    batch_number: int
    loaded_at: datetime
    run_id: int
    run_kind: str
    run_state: str
    run_started_at: datetime
    flow_run_id: str | None
    extractor: str
    digest: str
    """Of its raw bytes, in hex."""
    kept_uri: str | None
    kept_offset: int | None
    """Where its raw bytes are kept, if a run kept them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A quarantined page and the run in which it last failed."""

    id: int
    reason: str
    stage: str
    detail: str
    url: str | None
    fetched_at: datetime | None
    origin_uri: str
    origin_record: int
    attempts: int
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    run_id: int | None
    run_kind: str | None
    run_state: str | None
    run_started_at: datetime | None
    flow_run_id: str | None
    batch_number: int | None
    page_id: int | None
    """The stored page, where it loaded after all."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A sidebar headline that leads to an article or a URL."""

    id: int
    text: str
    linked_by: str | None
    sightings: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Variant:
    """A text of a sidebar headline."""

    text: str
    key: str
    joined: str
    """Why it is this headline's: the same key, or cut off from it."""


@dataclass(frozen=True, slots=True)
class ArticleLineage:
    """An article: the page that gives its current text is the one with the greatest fetch time."""

    id: int
    title: str | None
    url: str | None
    versions: int
    captures: list[Capture]
    """The one that gives the current text first, then by their claim to it."""
    quarantined: list[Entry]
    """Captures of the same URLs that failed."""
    headlines: list[Mention]


@dataclass(frozen=True, slots=True)
class HeadlineLineage:
    """A sidebar headline: its texts, its article, and the first and the last page that listed it."""

    id: int
    asked: int
    """The id that was asked for: another one where that headline was merged into this."""
    text: str
    generic: bool
    article_id: int | None
    linked_by: str | None
    sightings: int
    variants: list[Variant]
    first: Capture | None
    last: Capture | None


@dataclass(frozen=True, slots=True)
class UrlLineage:
    """All that is known of a URL, in whatever spelling."""

    url: str
    article_ids: list[int]
    captures: list[Capture]
    quarantined: list[Entry]
    headlines: list[Mention]
    """Sidebar headlines that lead there, loaded or not."""


# --- what is asked -----------------------------------------------------------------------------------


def why_article(engine: Engine, number: int) -> ArticleLineage | None:
    """The lineage of an article; None where there is none of that id."""
    with engine.connect() as connection:
        asked = {"id": row_id(number), "most": MOST_PAGES}
        found = connection.execute(text(_ARTICLE), asked).mappings().one_or_none()
        if found is None:
            return None
        captures = records(connection, _captures("p.article_id = :id", asked), Capture)
        urls = {capture.url for capture in captures if capture.url}
        return ArticleLineage(
            **found,
            captures=captures,
            quarantined=_entries(connection, "q.url = ANY(:urls)", {"urls": sorted(urls)}),
            headlines=records(connection, text(_MENTIONS_OF_ARTICLE).bindparams(**asked), Mention),
        )


def why_headline(engine: Engine, number: int) -> HeadlineLineage | None:
    """The lineage of a sidebar headline, or of the one it was merged into; None where there is none."""
    with engine.connect() as connection:
        found = connection.execute(text(_HEADLINE), {"id": row_id(number)}).mappings().one_or_none()
        if found is None:
            return None
        asked: dict[str, Any] = {"id": found["id"], "most": MOST_PAGES}
        variants = records(connection, text(_VARIANTS).bindparams(**asked), Variant)
        ends: list[Capture | None] = []
        for order in ("ASC", "DESC"):
            page = connection.scalar(text(_END.format(order=order)), {"id": found["id"]})
            shown = (
                records(connection, _captures("p.id = :id", {"id": page, "most": 1}), Capture) if page else []
            )
            ends.append(shown[0] if shown else None)
        return HeadlineLineage(**found, asked=number, variants=variants, first=ends[0], last=ends[1])


def why_page(engine: Engine, number: int) -> Capture | None:
    """The lineage of a stored page; None where there is none of that id."""
    with engine.connect() as connection:
        found = records(connection, _captures("p.id = :id", {"id": row_id(number), "most": 1}), Capture)
        return found[0] if found else None


def why_quarantined(engine: Engine, number: int) -> Entry | None:
    """The lineage of a quarantined page; None where there is none of that id."""
    with engine.connect() as connection:
        found = _entries(connection, "q.id = :id", {"id": row_id(number)})
        return found[0] if found else None


def why_url(engine: Engine, url: str) -> UrlLineage:
    """All that is known of a URL: captures, articles that it names, failures, headlines that lead there."""
    asked: dict[str, Any] = {"key": url_key(url), "most": MOST_PAGES}
    with engine.connect() as connection:
        captures = records(connection, _captures("p.url_key = :key", asked), Capture)
        named = connection.scalars(text("SELECT id FROM articles WHERE key = :key"), {"key": asked["key"]})
        articles = {*named, *(each.article_id for each in captures if each.article_id is not None)}
        spellings = {storable(url), *(each.url for each in captures if each.url)}
        return UrlLineage(
            url=url,
            article_ids=sorted(articles),
            captures=captures,
            quarantined=_entries(connection, "q.url = ANY(:urls)", {"urls": sorted(spellings)}),
            headlines=records(connection, text(_MENTIONS_OF_URL).bindparams(**asked), Mention),
        )


# --- statements --------------------------------------------------------------------------------------


def _captures(condition: str, asked: dict[str, Any]) -> Any:
    return text(_CAPTURES.format(condition=condition)).bindparams(**asked)


def _entries(connection: Connection, condition: str, asked: dict[str, Any]) -> list[Entry]:
    statement = text(_ENTRIES.format(condition=condition)).bindparams(**asked, most=MOST_PAGES)
    return records(connection, statement, Entry)


_CAPTURES = """
SELECT p.id, p.url, p.kind, p.fetched_at,
       CASE WHEN p.article_id IS NULL THEN 'no article: ' || coalesce(p.reason, 'unknown')
            WHEN p.key = a.page_key THEN 'the current text'
            WHEN p.text_digest = a.text_digest THEN 'the same text'
            ELSE 'another text' END AS gives,
       p.article_id, p.origin_uri, p.origin_record, part.first_record AS part_first,
       part.record_count AS part_count, b.id AS batch_id, b.number AS batch_number, b.loaded_at,
       r.id AS run_id, r.kind AS run_kind, r.state AS run_state, r.started_at AS run_started_at,
       r.flow_run_id, p.extractor, encode(p.digest, 'hex') AS digest,
       f.uri AS kept_uri, k.record_offset AS kept_offset
FROM pages p
JOIN batches b ON b.id = p.batch_id
JOIN runs r ON r.id = b.run_id
LEFT JOIN articles a ON a.id = p.article_id
LEFT JOIN kept_pages k ON k.digest = p.digest
LEFT JOIN kept_files f ON f.id = k.file_id
LEFT JOIN LATERAL (
    SELECT first_record, record_count FROM parts
    WHERE uri = p.origin_uri AND batch_id = p.batch_id
      AND p.origin_record BETWEEN first_record AND first_record + record_count - 1
    LIMIT 1
) part ON true
WHERE {condition}
ORDER BY p.key = a.page_key DESC NULLS LAST, p.fetched_at DESC NULLS LAST, p.digest DESC, p.key DESC
LIMIT :most
"""

_ENTRIES = """
SELECT q.id, q.reason, q.stage, q.detail, q.url, q.fetched_at, q.origin_uri, q.origin_record, q.attempts,
       q.first_seen_at, q.last_seen_at, q.resolved_at, q.resolution, r.id AS run_id, r.kind AS run_kind,
       r.state AS run_state, r.started_at AS run_started_at, r.flow_run_id, b.number AS batch_number,
       p.id AS page_id
FROM quarantine q
LEFT JOIN runs r ON r.id = q.run_id
LEFT JOIN batches b ON b.id = q.batch_id
LEFT JOIN pages p ON p.key = q.key
WHERE {condition}
ORDER BY q.last_seen_at DESC, q.id DESC
LIMIT :most
"""

_ARTICLE = """
SELECT id, title, url, (SELECT count(*) FROM article_versions v WHERE v.article_id = a.id) AS versions
FROM articles a
WHERE id = CAST(:id AS bigint) AND :most > 0
"""

_MENTION = "h.id, h.text, h.linked_by, coalesce(t.sightings, 0) AS sightings, t.first_seen_at, t.last_seen_at"

_MENTIONS_OF_ARTICLE = f"""
SELECT {_MENTION}
FROM headlines h LEFT JOIN headline_totals t ON t.headline_id = h.id
WHERE h.article_id = :id AND h.merged_into IS NULL
ORDER BY 4 DESC, h.id
LIMIT :most
"""  # noqa: S608  our own names

_MENTIONS_OF_URL = f"""
SELECT DISTINCT {_MENTION}
FROM link_targets l
JOIN headline_links k ON k.target_id = l.id
JOIN headline_variants v ON v.id = k.variant_id
JOIN headlines h ON h.id = v.headline_id
LEFT JOIN headline_totals t ON t.headline_id = h.id
WHERE l.key = :key
ORDER BY 4 DESC, h.id
LIMIT :most
"""  # noqa: S608  our own names

_HEADLINE = """
SELECT h.id, h.text, h.generic, h.article_id, h.linked_by, coalesce(t.sightings, 0) AS sightings
FROM headlines named
JOIN headlines h ON h.id = coalesce(named.merged_into, named.id)
LEFT JOIN headline_totals t ON t.headline_id = h.id
WHERE named.id = :id
"""

_VARIANTS = """
SELECT v.text, v.key,
       CASE WHEN v.key_digest = h.key_digest THEN 'the same words' ELSE 'cut off from it' END AS joined
FROM headlines h JOIN headline_variants v ON v.headline_id = h.id
WHERE h.id = :id
ORDER BY v.id
LIMIT :most
"""

_END = """
SELECT d.last_page_id
FROM headline_variants v JOIN sighting_days d ON d.variant_id = v.id
WHERE v.headline_id = :id
ORDER BY d.day {order} NULLS LAST, d.last_seen_at {order} NULLS LAST, d.last_page_id {order}
LIMIT 1
"""
