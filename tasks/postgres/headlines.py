"""What the command line shows of sidebar headlines, as small typed records. Reads only.

Everything but `hourly` is answered by the rollups that settling writes (`headline_totals`,
`sighting_days`, `headline_links`), so no answer grows with the number of sightings; only `revisions` of no
link in particular grows with the number of links. Times are fetch times of pages, aware and in UTC; None
where no page states one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, Engine, text

from tasks.postgres.query import Record, fetch, records, row_id, search_words
from tasks.postgres.rows import is_url, storable, url_key

FREQUENT = 5000
"""So many matches and more are looked for among the headlines in the order in which they are wanted."""

SEED = 4
"""How many times the headlines asked for are counted to find what a headline needs to be among them."""


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """A sidebar headline in a list."""

    id: int
    text: str
    generic: bool
    """True when one text stands for many stories ("Live updates"): no single article is behind it."""
    sightings: int
    """In the time asked for."""
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    article_id: int | None
    """The article it leads to, where that is loaded."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A headline's text exactly as seen: one of its variants."""

    text: str
    sightings: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What one list of one source did with a headline on one day."""

    day: date | None
    """UTC; None for pages without a fetch time."""
    source: str | None
    label: str | None
    sightings: int
    best_position: int
    """Smallest place among the sidebar headlines of a page, from 1."""
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    page_id: int
    page_url: str | None
    """A page that lists it."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a headline leads."""

    target: str
    sightings: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    article_id: int | None
    article_title: str | None


@dataclass(frozen=True, slots=True)
class HeadlineDetail:
    """A sidebar headline with its wordings, its links and its timeline."""

    id: int
    text: str
    generic: bool
    article_id: int | None
    article_title: str | None
    article_url: str | None
    sightings: int
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    wording_count: int
    wordings: list[Wording]
    """Most seen first."""
    link_count: int
    links: list[Link]
    """Latest first, unknown times last."""
    timeline_count: int
    timeline: list[Promotion]
    """Latest day first, unknown last; of the three lists as many as asked for."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One of the headlines that a link has carried."""

    target: str
    number: int
    """From 1, in the order in which the texts were first seen; unknown times first, equal ones by the
    headline's key.
    """
    revisions: int
    """How many the link has carried."""
    headline_id: int
    text: str
    generic: bool
    sightings: int
    """With this link."""
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    article_id: int | None
    """The article the link leads to, where that is loaded."""


@dataclass(frozen=True, slots=True)
class Hour:
    """Sightings of a headline on pages of one source in one hour."""

    hour: datetime
    source: str | None
    sightings: int


# --- lists -------------------------------------------------------------------------------------------


def list_headlines(engine: Engine, *, limit: int = 20) -> list[HeadlineRow]:
    """Sidebar headlines, the newest in the database first."""
    return fetch(engine, text(_LIST).bindparams(limit=limit), HeadlineRow)


_ROW = "h.id, h.text, h.generic, t.first_seen_at, t.last_seen_at, h.article_id"

_LIST = f"""
SELECT {_ROW}, coalesce(t.sightings, 0) AS sightings
FROM headlines h
LEFT JOIN headline_totals t ON t.headline_id = h.id
WHERE h.merged_into IS NULL
ORDER BY h.id DESC
LIMIT :limit
"""  # noqa: S608  our own names


def search_headlines(engine: Engine, words: str, *, limit: int = 20) -> list[HeadlineRow]:
    """Sidebar headlines by the words of their text, most seen first, in the way of web searches.

    All words must occur; `"quoted words"` must follow each other; `or` between words, `-word` for none. Words
    of a script that is written without spaces (Chinese, Japanese, Thai …) are found inside longer ones, and
    so is all that is searched for beside them; without quotes, `or` and `-`.

    Raises:
        ConfigError: too many of them.
    """
    asked = {"words": search_words(words), "limit": limit}
    with engine.connect() as connection:
        if _UNSPACED.search(words):
            parts = words.replace("\0", " ").split()
            held = text(_MOST_SEEN_HOLDING).bindparams(parts=parts, limit=limit)
            return records(connection, held, HeadlineRow)
        rare = connection.scalars(text(_MATCHES), asked | {"limit": FREQUENT}).all()
        if len(rare) < FREQUENT:
            return records(connection, text(_MOST_SEEN).bindparams(ids=rare, limit=limit), HeadlineRow)
        return records(connection, text(_MOST_SEEN_MATCHES).bindparams(**asked), HeadlineRow)


_MATCH = "to_tsvector('simple', h.text) @@ websearch_to_tsquery('simple', :words)"

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts without spaces between words, of which full-text search knows whole sentences only."""

_MATCHES = f"SELECT h.id FROM headlines h WHERE {_MATCH} LIMIT :limit"  # noqa: S608  our own names


def _most_seen(condition: str) -> str:
    """The headlines that meet a condition, most seen first."""
    return f"""
        SELECT {_ROW}, t.sightings
        FROM headline_totals t
        JOIN headlines h ON h.id = t.headline_id
        WHERE {condition}
        ORDER BY t.sightings DESC, t.headline_id DESC
        LIMIT :limit
        """  # noqa: S608  our own names


_MOST_SEEN = _most_seen("t.headline_id = ANY(:ids)")
_MOST_SEEN_MATCHES = _most_seen(_MATCH)
_MOST_SEEN_HOLDING = _most_seen(
    "NOT EXISTS (SELECT FROM unnest(CAST(:parts AS text[])) part WHERE strpos(h.text, part) = 0)"
)


def top_headlines(engine: Engine, *, since: date | None = None, limit: int = 20) -> list[HeadlineRow]:
    """Sidebar headlines by how often pages list them, on pages fetched since a day (UTC) if one is given."""
    if since is None:
        return fetch(engine, text(_TOP).bindparams(limit=limit), HeadlineRow)
    midnight = datetime.combine(since, time(), UTC)
    asked = text(_TOP_SINCE).bindparams(since=since, midnight=midnight, limit=limit, seed=SEED * limit)
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL jit = off"))  # the planner thinks that all headlines are counted
        return records(connection, asked, HeadlineRow)


_TOP = _most_seen("t.sightings > 0")

_COUNTED = """
(SELECT coalesce(sum(d.sightings), 0)::bigint
 FROM headline_variants v JOIN sighting_days d ON d.variant_id = v.id
 WHERE v.headline_id = t.headline_id AND d.day {days})
"""

# Days since then are counted, or the other days taken from the total, whichever are likely to be fewer.
_SINCE = f"""
CASE WHEN :midnight - t.first_seen_at < t.last_seen_at - :midnight
     THEN t.sightings - {_COUNTED.format(days="< :since")} - {_COUNTED.format(days="IS NULL")}
     ELSE {_COUNTED.format(days=">= :since")}
END AS sightings
"""

# A sum since a day is at most the total. So the headlines with the greatest totals tell what it takes to be
# among the first, and only other headlines whose total would be enough for that need to be counted.
_TOP_SINCE = f"""
WITH seed AS MATERIALIZED (
    SELECT * FROM headline_totals
    WHERE last_seen_at >= :midnight
    ORDER BY sightings DESC, headline_id DESC
    LIMIT :seed
), seeded AS MATERIALIZED (
    SELECT headline_id, {_SINCE} FROM seed t
), least AS MATERIALIZED (
    SELECT * FROM seeded ORDER BY sightings DESC, headline_id DESC OFFSET :limit - 1 LIMIT 1
), others AS MATERIALIZED (
    SELECT headline_id, {_SINCE}
    FROM headline_totals t
    WHERE last_seen_at >= :midnight
      AND sightings >= (SELECT sightings FROM least)
      AND (sightings > (SELECT sightings FROM least) OR headline_id > (SELECT headline_id FROM least))
      AND headline_id NOT IN (SELECT headline_id FROM seed)
), best AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM seeded UNION ALL SELECT * FROM others) counted
    ORDER BY sightings DESC, headline_id DESC
    LIMIT :limit
)
SELECT {_ROW}, best.sightings
FROM best
JOIN headlines h ON h.id = best.headline_id
JOIN headline_totals t ON t.headline_id = h.id
ORDER BY best.sightings DESC, h.id DESC
"""  # noqa: S608  our own names

# --- one headline ------------------------------------------------------------------------------------


def find_headline(engine: Engine, headline_id: int, *, limit: int | None = 20) -> HeadlineDetail | None:
    """The sidebar headline with this id, or the one it was merged into; None where there is none.

    Args:
        limit: the most wordings, links and days that it comes with; all for None.
    """
    with engine.connect() as connection:
        found = connection.execute(text(_HEADLINE), {"id": row_id(headline_id)}).mappings().one_or_none()
        if found is None:
            return None
        asked = {"id": found["id"], "limit": limit}
        wordings, wording_count = _counted(connection, _WORDINGS, asked, Wording)
        links, link_count = _counted(connection, _LINKS, asked, Link)
        timeline, timeline_count = _counted(connection, _TIMELINE, asked, Promotion)
        return HeadlineDetail(
            **found,
            wording_count=wording_count,
            wordings=wordings,
            link_count=link_count,
            links=links,
            timeline_count=timeline_count,
            timeline=timeline,
        )


def _counted(
    connection: Connection, statement: str, asked: dict[str, int | None], record: type[Record]
) -> tuple[list[Record], int]:
    """The first rows of an answer, and how many there are."""
    rows = [dict(row) for row in connection.execute(text(statement), asked).mappings()]
    count = max((row.pop("total") for row in rows), default=0)
    return [record(**row) for row in rows], count


_HEADLINE = """
SELECT h.id, h.text, h.generic, h.article_id, a.title AS article_title, a.url AS article_url,
       coalesce(t.sightings, 0) AS sightings, t.first_seen_at, t.last_seen_at
FROM headlines named
JOIN headlines h ON h.id = coalesce(named.merged_into, named.id)
LEFT JOIN headline_totals t ON t.headline_id = h.id
LEFT JOIN articles a ON a.id = h.article_id
WHERE named.id = :id
"""

_WORDINGS = """
SELECT v.text, coalesce(sum(d.sightings), 0)::bigint AS sightings,
       min(d.first_seen_at) AS first_seen_at, max(d.last_seen_at) AS last_seen_at,
       count(*) OVER () AS total
FROM headline_variants v
LEFT JOIN sighting_days d ON d.variant_id = v.id
WHERE v.headline_id = :id
GROUP BY v.id
ORDER BY 2 DESC, v.id
LIMIT :limit
"""

_LINKS = """
SELECT t.url AS target, l.sightings, l.first_seen_at, l.last_seen_at,
       a.id AS article_id, a.title AS article_title, l.total
FROM (
    SELECT target_id, sum(l.sightings)::bigint AS sightings, min(l.first_seen_at) AS first_seen_at,
           max(l.last_seen_at) AS last_seen_at, count(*) OVER () AS total
    FROM headline_variants v
    JOIN headline_links l ON l.variant_id = v.id
    WHERE v.headline_id = :id
    GROUP BY target_id
    ORDER BY 4 DESC NULLS LAST, 2 DESC, target_id
    LIMIT :limit
) l
JOIN link_targets t ON t.id = l.target_id
LEFT JOIN articles a ON a.id = t.article_id
ORDER BY l.last_seen_at DESC NULLS LAST, l.sightings DESC, t.id
"""

_TIMELINE = """
SELECT d.day, s.name AS source, l.text AS label, d.sightings, d.best_position, d.first_seen_at,
       d.last_seen_at, d.page_id, p.url AS page_url, d.total
FROM (
    SELECT day, source_id, label_id, sum(sightings)::bigint AS sightings,
           min(best_position) AS best_position, min(first_seen_at) AS first_seen_at,
           max(last_seen_at) AS last_seen_at, max(last_page_id) AS page_id, count(*) OVER () AS total
    FROM headline_variants v
    JOIN sighting_days d ON d.variant_id = v.id
    WHERE v.headline_id = :id
    GROUP BY day, source_id, label_id
    ORDER BY day DESC NULLS LAST, 4 DESC, source_id, label_id
    LIMIT :limit
) d
LEFT JOIN sources s ON s.id = d.source_id
LEFT JOIN sidebar_labels l ON l.id = d.label_id
LEFT JOIN pages p ON p.id = d.page_id
ORDER BY d.day DESC NULLS LAST, d.sightings DESC, d.source_id, d.label_id
"""


def hourly(engine: Engine, headline_id: int) -> list[Hour]:
    """Known sightings of a sidebar headline by hour and source, in order of time.

    Reads the sightings themselves: those that retention has dropped are missing.
    """
    return fetch(engine, text(_HOURLY).bindparams(id=row_id(headline_id)), Hour)


_HOURLY = """
SELECT date_trunc('hour', p.fetched_at, 'UTC') AS hour, s.name AS source, count(*) AS sightings
FROM headline_variants v
JOIN headline_sightings g ON g.variant_id = v.id
JOIN pages p ON p.id = g.page_id
LEFT JOIN sources s ON s.id = p.source_id
WHERE v.headline_id = :id AND p.fetched_at IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
"""

# --- the headlines of a link -------------------------------------------------------------------------


def revisions(engine: Engine, name: str | None = None, *, limit: int = 20) -> list[Revision]:
    """The headlines that links have carried, link by link, each in the order of time.

    Args:
        name: a link target; or the id of a sidebar headline, for all links that it stood on, the
            latest first; None for the links that have carried the most, which reads all links.
        limit: the most rows.
    """
    asked: dict[str, int | bytes | str] = {"limit": limit}
    if name is None:
        links = _MOST_REWORDED
    elif name.isdecimal():
        links = _LINKS_OF_HEADLINE
        asked["id"] = row_id(name)
    else:
        links = _LINK_AT if is_url(name) else _LINKS_AS_WRITTEN
        asked["key"] = url_key(name) if is_url(name) else storable(name)
    return fetch(engine, text(_REVISIONS.format(links=links)).bindparams(**asked), Revision)


_MOST_REWORDED = """
SELECT l.target_id, count(DISTINCT v.headline_id) AS rank
FROM (SELECT target_id FROM headline_links GROUP BY target_id HAVING count(*) > 1) several
JOIN headline_links l USING (target_id)
JOIN headline_variants v ON v.id = l.variant_id
GROUP BY l.target_id
HAVING count(DISTINCT v.headline_id) > 1
ORDER BY rank DESC, max(l.last_seen_at) DESC NULLS LAST, l.target_id
LIMIT :limit
"""

_LINKS_OF_HEADLINE = """
SELECT l.target_id, extract(epoch FROM max(l.last_seen_at)) AS rank
FROM headlines named
JOIN headline_variants v ON v.headline_id = coalesce(named.merged_into, named.id)
JOIN headline_links l ON l.variant_id = v.id
WHERE named.id = :id
GROUP BY l.target_id
ORDER BY rank DESC NULLS LAST, l.target_id
LIMIT :limit
"""

_LINK_AT = "SELECT id AS target_id, 0 AS rank FROM link_targets WHERE key = :key"

_LINKS_AS_WRITTEN = "SELECT id AS target_id, 0 AS rank FROM link_targets WHERE url = :key LIMIT :limit"

_REVISIONS = """
WITH links AS MATERIALIZED ({links}), carried AS (
    SELECT l.target_id, v.headline_id, sum(l.sightings)::bigint AS sightings,
           min(l.first_seen_at) AS first_seen_at, max(l.last_seen_at) AS last_seen_at
    FROM links
    JOIN headline_links l USING (target_id)
    JOIN headline_variants v ON v.id = l.variant_id
    GROUP BY l.target_id, v.headline_id
), numbered AS (
    SELECT carried.*, h.text, h.generic, count(*) OVER (PARTITION BY target_id) AS revisions,
           row_number() OVER (
               PARTITION BY target_id ORDER BY first_seen_at NULLS FIRST, last_seen_at, h.key
           ) AS number
    FROM carried
    JOIN headlines h ON h.id = headline_id
)
SELECT t.url AS target, n.number, n.revisions, n.headline_id, n.text, n.generic, n.sightings,
       n.first_seen_at, n.last_seen_at, t.article_id
FROM numbered n
JOIN links USING (target_id)
JOIN link_targets t ON t.id = n.target_id
ORDER BY links.rank DESC NULLS LAST, n.target_id, n.number
LIMIT :limit
"""
