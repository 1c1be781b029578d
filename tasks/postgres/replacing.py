"""Pages that are stored say something else now: what they said goes, and what followed from it is noted.

The article that a page names, its text and its sidebar headlines are rewritten here, in the transaction of
the batch. What many pages come to (sums, headlines, links, articles that no page names any more) is settled
later: `retracted_sightings` and `retracted_claims` tell settle what to take back.

Settle's lock is shared: any number of these run side by side, but none while sums are made of the same rows.
"""

# ruff: noqa: S608  every value in the statements is a constant of this project

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from schemas.errors import LoadError, TransientLoadError
from schemas.records import ExtractedPage
from schemas.tables import SIGHTINGS_PARTITION_PAGES, Article, staged_sightings
from tasks.postgres.partitions import partitions
from tasks.postgres.rows import Placements
from tasks.postgres.staging import (
    SIGHTING_ROW,
    add_articles,
    add_sources,
    add_versions,
    load_placements,
    stage,
    update_articles,
)


def replace_pages(
    connection: Connection, pages: Sequence[ExtractedPage], batch_id: int, extractor: str
) -> tuple[Counter[str], int]:
    """Replace what these stored pages said by what they say now.

    Pages that this version of the extractor has read already are left alone. Where the sightings of a page
    were dropped for their age, their sums stay as they are and no new ones are written.

    Returns: how many pages met each outcome, and how many sightings were written.

    Raises:
        TransientLoadError: another run got in between; roll back and try again.
        LoadError: a page is not stored.
    """
    if not pages:
        return Counter(), 0
    values = {"batch_id": batch_id, "extractor": extractor}

    def execute(*statements: str) -> None:
        for statement in statements:
            connection.execute(text(statement), values)

    stage(connection, pages)
    execute(_SHARE_LOCK, _HOLD_PARTITIONS, _FIND)
    if connection.scalar(text(_MISSING)):
        raise LoadError("A page to be read again is not in the database any more.")
    connection.execute(add_sources())
    connection.execute(add_articles())
    execute(_LOCK_ARTICLES, _CLAIM_ARTICLES, _LOCK_PAGES)
    if connection.scalar(text(_MOVED), values):
        raise TransientLoadError("Another run read the same pages again at the same moment.")
    _stage_sightings(connection, pages)
    execute(_COMPARE_SIGHTINGS, _COMPARE_PAGES, _REWRITE_PAGES)
    connection.execute(add_versions())
    execute(_FORGET_NEXT_LEADERS, _FIND_NEXT_LEADERS, _HAND_OVER, _READ_NEXT_LEADERS_AGAIN)
    updated = {
        key
        for text_changed in (False, True)
        for (key,) in connection.execute(
            update_articles(text_changed=text_changed).returning(Article.page_key)
        )
    }
    execute(_NOTE_CLAIMS, _DROP_VERSIONS, _NOTE_SIGHTINGS, _DROP_SIGHTINGS)
    written = connection.execute(text(_ADD_SIGHTINGS)).rowcount
    outcomes = Counter(_outcome(row, row.key in updated) for row in connection.execute(text(_REPLACED)))
    return outcomes, written


def _stage_sightings(connection: Connection, pages: Sequence[ExtractedPage]) -> None:
    kept = {partition.number for partition in partitions(connection)}
    placements = Placements()
    for ordinal, page_id in connection.execute(text(_PLACES)):
        if page_id // SIGHTINGS_PARTITION_PAGES in kept:
            placements.add(page_id, pages[ordinal])
    load_placements(connection, placements, staged_sightings.name)


def _outcome(row: Row[Any], updated: bool) -> str:
    """What became of a page: how it and its article differ from before."""
    if row.leads and row.article_is_new:
        return "loaded"
    if updated:
        return "updated"
    if not row.changed:
        return "unchanged"
    return "duplicate" if row.is_article else "non_article"


# --- the statements, in their order -----------------------------------------------------------------

_SHARE_LOCK = "SELECT pg_advisory_xact_lock_shared(hashtext('broadsheet settle'))"
_HOLD_PARTITIONS = "LOCK TABLE headline_sightings IN ROW EXCLUSIVE MODE"
"""Whether a page has its sightings must stay as it is found."""

_FIND = """
    UPDATE staged_pages s
    SET known = p.extractor = :extractor,
        page_id = CASE WHEN p.extractor <> :extractor THEN p.id END,
        was_article_id = p.article_id,
        was_text_digest = p.text_digest,
        was_batch_id = p.batch_id
    FROM pages p
    WHERE p.key = s.key
    """
_MISSING = "SELECT EXISTS (SELECT FROM staged_pages WHERE page_id IS NULL AND NOT known)"

# Those that pages name now and those that they named; no loader changes who leads them meanwhile.
_LOCK_ARTICLES = """
    SELECT id FROM articles
    WHERE id IN (
        SELECT a.id FROM staged_pages s JOIN articles a ON a.key = s.article_key
        WHERE NOT s.known AND s.article_is_new IS NULL
        UNION
        SELECT was_article_id FROM staged_pages WHERE NOT known
    )
    ORDER BY key
    FOR NO KEY UPDATE
    """
_CLAIM_ARTICLES = """
    UPDATE staged_pages s
    SET article_id = a.id, held_key = a.page_key
    FROM articles a
    WHERE a.key = s.article_key AND NOT s.known AND s.article_is_new IS NULL
    """
_LOCK_PAGES = """
    SELECT id FROM pages WHERE id IN (SELECT page_id FROM staged_pages) ORDER BY key FOR NO KEY UPDATE
    """
_MOVED = """
    SELECT EXISTS (
        SELECT FROM staged_pages s JOIN pages p ON p.id = s.page_id
        WHERE p.extractor = :extractor
           OR p.batch_id <> s.was_batch_id
           OR p.article_id IS DISTINCT FROM s.was_article_id
           OR p.text_digest IS DISTINCT FROM s.was_text_digest
           OR s.is_article AND s.article_id IS NULL
    )
    """

_PLACES = "SELECT ordinal, page_id FROM staged_pages WHERE page_id IS NOT NULL ORDER BY ordinal"
_SIGHTING = ", ".join(SIGHTING_ROW)
_STORED = f"""
    SELECT {_SIGHTING} FROM headline_sightings
    WHERE page_id = ANY (ARRAY(SELECT page_id FROM staged_pages WHERE page_id IS NOT NULL))
    """
_STAGED = f"SELECT {_SIGHTING} FROM staged_sightings"
_COMPARE_SIGHTINGS = f"""
    UPDATE staged_pages
    SET sightings_changed = coalesce(page_id IN (
        SELECT page_id FROM (({_STORED} EXCEPT {_STAGED}) UNION ALL ({_STAGED} EXCEPT {_STORED})) differing
    ), false)
    """
_COMPARE_PAGES = """
    UPDATE staged_pages s
    SET changed = s.sightings_changed
        OR (s.article_id, s.text_digest, s.is_article, s.reason)
           IS DISTINCT FROM (p.article_id, p.text_digest, p.is_article, p.reason)
    FROM pages p
    WHERE p.id = s.page_id
    """
# What did not change stays with its batch: it is in the sums already.
_REWRITE_PAGES = """
    UPDATE pages p
    SET article_id = s.article_id,
        text_digest = s.text_digest,
        is_article = s.is_article,
        reason = s.reason,
        extractor = :extractor,
        batch_id = CASE WHEN s.changed THEN :batch_id ELSE p.batch_id END
    FROM staged_pages s
    WHERE p.id = s.page_id
    """

# An article whose leading page left goes to the page that claims most of those it still has.
_FORGET_NEXT_LEADERS = "DROP TABLE IF EXISTS pg_temp.next_leaders"
_FIND_NEXT_LEADERS = """
    CREATE TEMPORARY TABLE next_leaders ON COMMIT DROP AS
    SELECT s.was_article_id AS article_id, n.*,
           EXISTS (SELECT FROM staged_pages WHERE page_id = n.id) AS is_staged
    FROM staged_pages s
    JOIN articles a ON a.id = s.was_article_id AND a.page_key = s.key
    LEFT JOIN LATERAL (
        SELECT p.id, p.key, p.digest, p.fetched_at, p.source_id, p.text_digest
        FROM pages p
        WHERE p.article_id = a.id
        ORDER BY p.fetched_at DESC NULLS LAST, p.digest DESC, p.key DESC
        LIMIT 1
    ) n ON true
    WHERE s.page_id IS NOT NULL AND s.article_id IS DISTINCT FROM s.was_article_id
    """
# Of a page that is not read in this batch only the text is stored. One without pages yields to any claim.
_HAND_OVER = """
    UPDATE articles a
    SET page_key = coalesce(n.key, ''),
        page_digest = coalesce(n.digest, ''),
        fetched_at = n.fetched_at,
        source_id = n.source_id,
        text_digest = coalesce(v.text_digest, ''),
        title = CASE WHEN v.article_id IS NULL THEN a.title ELSE v.title END,
        summary = CASE WHEN v.article_id IS NULL THEN a.summary ELSE v.summary END,
        body = coalesce(v.body, a.body)
    FROM next_leaders n
    LEFT JOIN article_versions v
      ON v.article_id = n.article_id AND v.text_digest = n.text_digest AND NOT n.is_staged
    WHERE a.id = n.article_id
    """
_READ_NEXT_LEADERS_AGAIN = """
    UPDATE pages p SET extractor = '' FROM next_leaders n WHERE p.id = n.id AND NOT n.is_staged
    """

_NOTE_CLAIMS = """
    INSERT INTO retracted_claims (batch_id, page_id, article_id, title_key)
    SELECT :batch_id, s.page_id, s.was_article_id, v.title_key
    FROM staged_pages s
    LEFT JOIN article_versions v
      ON v.article_id = s.was_article_id AND v.text_digest = s.was_text_digest
    WHERE s.page_id IS NOT NULL AND s.was_article_id IS NOT NULL
      AND (s.article_id, s.text_digest) IS DISTINCT FROM (s.was_article_id, s.was_text_digest)
    """
_DROP_VERSIONS = """
    DELETE FROM article_versions v
    USING staged_pages s
    WHERE s.page_id IS NOT NULL AND v.article_id = s.was_article_id AND v.text_digest = s.was_text_digest
      AND NOT EXISTS (
          SELECT FROM pages p WHERE p.article_id = v.article_id AND p.text_digest = v.text_digest
      )
    """
_NOTE_SIGHTINGS = """
    INSERT INTO retracted_sightings (batch_id, page_id, variant_id, target_id, label_id, position, counted)
    SELECT :batch_id, g.page_id, g.variant_id, g.target_id, g.label_id, g.position, b.settled_at IS NOT NULL
    FROM staged_pages s
    JOIN batches b ON b.id = s.was_batch_id
    JOIN headline_sightings g ON g.page_id = s.page_id
    WHERE s.changed AND (s.sightings_changed OR b.settled_at IS NOT NULL)
    """
_DROP_SIGHTINGS = """
    DELETE FROM headline_sightings
    WHERE page_id = ANY (ARRAY(SELECT page_id FROM staged_pages WHERE sightings_changed))
    """
_ADD_SIGHTINGS = f"""
    INSERT INTO headline_sightings ({_SIGHTING})
    SELECT {_SIGHTING} FROM staged_sightings
    WHERE page_id IN (SELECT page_id FROM staged_pages WHERE sightings_changed)
    ORDER BY page_id, position
    """

# An article that no page named any more, until one of these does, counts as new.
_REPLACED = """
    SELECT s.key, s.is_article, coalesce(s.changed, false) AS changed,
           coalesce(a.page_key = s.key, false) AS leads,
           coalesce(s.article_is_new OR s.held_key = '', false) AS article_is_new
    FROM staged_pages s
    LEFT JOIN articles a ON a.id = s.article_id
    """
