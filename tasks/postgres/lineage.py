"""Where a row comes from: page → input and record → batch → run → extractor, and what became of the others.

Reads only, by indexes: a digest of the URL, an id, the parts of one batch. Times are aware and in UTC; None
where no page states one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, text

from tasks.postgres.query import records, row_id
from tasks.postgres.rows import url_key

MOST_SHOWN = 100
"""So many captures, texts and headlines are shown of one thing."""

R = TypeVar("R")

Outcome = Literal["text", "newer_text", "same_text", "older_text", "other_text", "non_article"]
"""What a capture came to: it gives its article the text, one that is newer than those of other captures, or
it has the same, an older one, or another one that no fetch time puts in order; or it is no article.
"""


@dataclass(frozen=True, slots=True)
class Capture:
    """A stored page and how it came to be one."""

    id: int
    url: str | None
    kind: str
    fetched_at: datetime | None
    outcome: Outcome
    reason: str | None
    """Why it is no article, where it is none."""
    article_id: int | None
    text_page_id: int | None
    """The page that gives its article the current text: the one with the greatest fetch time."""
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
class Seen:
    """The first or the last time that a sidebar headline was seen, by the fetch times of pages."""

    seen_at: datetime | None
    exact: bool
    """True when the page is the very one; else its sighting was dropped, and the page is one of that day."""
    page: Capture | None


@dataclass(frozen=True, slots=True)
class ArticleLineage:
    """An article and what it was made of."""

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
    """A sidebar headline: its texts, its article, and where it was seen first and last."""

    id: int
    asked: int
    """The id that was asked for: another one where that headline was merged into this."""
    text: str
    generic: bool
    article_id: int | None
    linked_by: str | None
    sightings: int
    variants: list[Variant]
    first: Seen | None
    last: Seen | None


@dataclass(frozen=True, slots=True)
class UrlLineage:
    """All that is known of a URL, in whatever spelling."""

    url: str
    asked: str
    """The URL that was asked for: another spelling where nothing is known of that one."""
    article_ids: list[int]
    captures: list[Capture]
    quarantined: list[Entry]
    headlines: list[Mention]
    """Sidebar headlines that lead there, loaded or not."""


# --- what is asked -----------------------------------------------------------------------------------


def why_article(engine: Engine, number: int) -> ArticleLineage | None:
    """The lineage of an article; None where there is none of that id."""
    with engine.connect() as connection:
        asked = {"id": row_id(number)}
        found = connection.execute(text(_ARTICLE), asked).mappings().one_or_none()
        if found is None:
            return None
        return ArticleLineage(
            **found,
            captures=_captures(connection, "p.article_id = :id", asked),
            quarantined=_entries(connection, _OF_ARTICLE, asked),
            headlines=_shown(connection, _MENTIONS_OF_ARTICLE, asked, Mention),
        )


def why_headline(engine: Engine, number: int) -> HeadlineLineage | None:
    """The lineage of a sidebar headline, or of the one it was merged into; None where there is none."""
    with engine.connect() as connection:
        found = connection.execute(text(_HEADLINE), {"id": row_id(number)}).mappings().one_or_none()
        if found is None:
            return None
        return HeadlineLineage(
            **found,
            asked=number,
            variants=_shown(connection, _VARIANTS, {"id": found["id"]}, Variant),
            first=_seen(connection, found["id"], "d.first_seen_at", "ASC"),
            last=_seen(connection, found["id"], "d.last_seen_at", "DESC"),
        )


def why_page(engine: Engine, number: int) -> Capture | None:
    """The lineage of a stored page; None where there is none of that id."""
    with engine.connect() as connection:
        return next(iter(_captures(connection, "p.id = :id", {"id": row_id(number)})), None)


def why_quarantined(engine: Engine, number: int) -> Entry | None:
    """The lineage of a quarantined page; None where there is none of that id."""
    with engine.connect() as connection:
        return next(iter(_entries(connection, "q.id = :id", {"id": row_id(number)})), None)


def why_url(engine: Engine, url: str) -> UrlLineage | None:
    """All that is known of a URL, else of the first other way to write it of which anything is.

    None where that is nothing. Without the scheme, with http for https, with or without `www.` and the slash
    at the end it may be another page, so these are looked for only where it is not known itself.
    """
    with engine.connect() as connection:
        for spelling in _spellings(url):
            asked = {"key": url_key(spelling)}
            captures = _captures(connection, "p.url_key = :key", asked)
            named = connection.scalars(text("SELECT id FROM articles WHERE key = :key"), asked)
            articles = {*named, *(each.article_id for each in captures if each.article_id is not None)}
            quarantined = _entries(connection, "q.url_key = :key", asked)
            headlines = _shown(connection, _MENTIONS_OF_URL, asked, Mention)
            if captures or articles or quarantined or headlines:
                return UrlLineage(spelling, url, sorted(articles), captures, quarantined, headlines)
    return None


def _spellings(url: str) -> list[str]:
    """A URL, and the other ways in which people write it."""
    written = _WEB.fullmatch(url.strip())
    if written is None:
        return [url]
    host, path, query = written.groups()
    path = path.rstrip("/")
    others = (
        f"{scheme}://{www}{host}{path}{slash}{query}"
        for scheme in ("https", "http")
        for www in ("", "www.")
        for slash in (("", "/") if path else ("/",))
    )
    return list(dict.fromkeys([url, *others]))


_WEB = re.compile(r"(?:(?:https?:)?//)?(?:www\.)?([^/?#\s]++)([^?#\s]*+)(\S*+)", re.IGNORECASE)
"""A web address: host, path, and what follows it."""


def _captures(connection: Connection, condition: str, asked: dict[str, Any]) -> list[Capture]:
    return _shown(connection, _CAPTURES.format(condition=condition), asked, Capture)


def _entries(connection: Connection, condition: str, asked: dict[str, Any]) -> list[Entry]:
    return _shown(connection, _ENTRIES.format(condition=condition), asked, Entry)


def _seen(connection: Connection, headline: int, edge: str, order: str) -> Seen | None:
    """Where a headline was seen first (least `edge`) or last (greatest); None where it never was."""
    parts = {"edge": edge, "order": order}
    day = connection.execute(text(_DAY.format(**parts)), {"id": headline}).one_or_none()
    if day is None:
        return None
    page = connection.scalar(text(_SIGHTING.format(**parts)), day._asdict())
    shown = _captures(connection, "p.id = :id", {"id": day.last_page_id if page is None else page})
    return Seen(day.seen_at, page is not None, shown[0] if shown else None)


def _shown(connection: Connection, statement: str, asked: dict[str, Any], record: type[R]) -> list[R]:
    return records(connection, text(statement).bindparams(**asked, most=MOST_SHOWN), record)


# --- statements --------------------------------------------------------------------------------------


# What is shown is chosen before anything is looked up for it: a front page may have 50,000 captures.
_CAPTURES = """
SELECT p.id, p.url, p.kind, p.fetched_at,
       CASE WHEN p.article_id IS NULL THEN 'non_article'
            WHEN p.key = a.page_key THEN
                CASE WHEN p.fetched_at IS NOT NULL AND EXISTS (
                    SELECT FROM article_versions v
                    WHERE v.article_id = a.id AND v.text_digest <> p.text_digest
                ) THEN 'newer_text' ELSE 'text' END
            WHEN p.text_digest = a.text_digest THEN 'same_text'
            WHEN p.fetched_at < leader.fetched_at THEN 'older_text'
            ELSE 'other_text' END AS outcome,
       p.reason, p.article_id, leader.id AS text_page_id, p.origin_uri, p.origin_record,
       part.first_record AS part_first, part.record_count AS part_count,
       b.id AS batch_id, b.number AS batch_number, b.loaded_at,
       r.id AS run_id, r.kind AS run_kind, r.state AS run_state, r.started_at AS run_started_at,
       r.flow_run_id, p.extractor, encode(p.digest, 'hex') AS digest,
       f.uri AS kept_uri, k.record_offset AS kept_offset
FROM (
    SELECT * FROM pages p
    WHERE {condition}
    ORDER BY p.fetched_at DESC NULLS LAST, p.digest DESC, p.key DESC
    LIMIT :most
) p
JOIN batches b ON b.id = p.batch_id
JOIN runs r ON r.id = b.run_id
LEFT JOIN articles a ON a.id = p.article_id
LEFT JOIN pages leader ON leader.key = a.page_key
LEFT JOIN kept_pages k ON k.digest = p.digest
LEFT JOIN kept_files f ON f.id = k.file_id
LEFT JOIN LATERAL (
    SELECT first_record, record_count FROM parts
    WHERE uri = p.origin_uri AND batch_id = p.batch_id
      AND p.origin_record BETWEEN first_record AND first_record + record_count - 1
    LIMIT 1
) part ON true
ORDER BY p.fetched_at DESC NULLS LAST, p.digest DESC, p.key DESC
"""

_ENTRIES = """
SELECT q.id, q.reason, q.stage, q.detail, q.url, q.fetched_at, q.origin_uri, q.origin_record, q.attempts,
       q.first_seen_at, q.last_seen_at, q.resolved_at, q.resolution, r.id AS run_id, r.kind AS run_kind,
       r.state AS run_state, r.started_at AS run_started_at, r.flow_run_id, b.number AS batch_number,
       p.id AS page_id
FROM (
    SELECT * FROM quarantine q
    WHERE {condition}
    ORDER BY q.last_seen_at DESC, q.id DESC
    LIMIT :most
) q
LEFT JOIN runs r ON r.id = q.run_id
LEFT JOIN batches b ON b.id = q.batch_id
LEFT JOIN pages p ON p.key = q.key
ORDER BY q.last_seen_at DESC, q.id DESC
"""

_OF_ARTICLE = """q.url_key = ANY(ARRAY(
    SELECT key FROM articles WHERE id = :id UNION SELECT url_key FROM pages WHERE article_id = :id
))"""

_ARTICLE = """
SELECT id, title, url, (SELECT count(*) FROM article_versions v WHERE v.article_id = a.id) AS versions
FROM articles a
WHERE id = :id
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

_DAY = """
SELECT d.variant_id, d.day, d.source_id, d.label_id, d.last_page_id, {edge} AS seen_at
FROM headline_variants v JOIN sighting_days d ON d.variant_id = v.id
WHERE v.headline_id = :id
ORDER BY {edge} {order} NULLS LAST, d.last_page_id {order}
LIMIT 1
"""

# OFFSET 0 keeps them apart: sightings by the text, then pages one by one, the likely ones first.
_SIGHTING = """
SELECT p.id
FROM (
    SELECT page_id FROM headline_sightings
    WHERE variant_id = :variant_id AND page_id <= :last_page_id AND label_id IS NOT DISTINCT FROM :label_id
    ORDER BY page_id {order}
    OFFSET 0
) s
CROSS JOIN LATERAL (
    SELECT id FROM pages
    WHERE id = s.page_id
      AND source_id IS NOT DISTINCT FROM :source_id AND fetched_at IS NOT DISTINCT FROM :seen_at
    OFFSET 0
) p
ORDER BY s.page_id {order}
LIMIT 1
"""
