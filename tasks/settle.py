"""Settle: derive headlines from variants, and link headlines to articles. After any loads, in any order,
the same pages give the same headlines.

The rules are those of `tasks.dedupe.group_headlines` and `canonical_text`, over sets in the database. Work
is found by what is not settled yet (batches, variants), and only what that touches is looked at again.
One advisory lock lets one settle run at a time; loaders go on meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, Engine, text

from schemas.tables import KEY_INDEXED
from tasks.dedupe import ELLIPSIS, MIN_TRUNCATED
from tasks.postgres.errors import translated_errors

BATCHES_AT_ONCE = 200
"""Batches settled in one transaction: about 100,000 pages."""


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What settling did."""

    batches: int = 0
    variants: int = 0
    """Variants that got their headline."""
    headlines_new: int = 0
    """Headlines that did not exist before and stand alone."""
    headlines_merged: int = 0
    """Truncated headlines that now are part of a longer one."""
    headlines_detached: int = 0
    """Truncated headlines that fit more than one longer headline now, and stand alone again."""
    headlines_linked: int = 0
    """Headlines whose article was found, or found to be another."""

    def __add__(self, other: SettleReport) -> SettleReport:
        return SettleReport(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def settle(engine: Engine) -> SettleReport:
    """Settle everything that is loaded and not settled yet. Settling again changes nothing.

    Raises:
        TransientLoadError: the connection was lost or similar; what is settled so far stays, call again.
    """
    report = SettleReport()
    with translated_errors():
        while True:
            with engine.begin() as connection:
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('broadsheet settle'))"))
                if not _take_work(connection):
                    return report
                report += _settle_work(connection)


def _take_work(connection: Connection) -> bool:
    """Note what this transaction settles; loaders may add more at any moment."""
    found = [_count(connection, statement) for statement in _TAKE_WORK]
    return any(found)


def _settle_work(connection: Connection) -> SettleReport:
    counts = {name: _count(connection, statement) for name, statement in _STEPS.items()}
    return SettleReport(
        batches=counts["close batches"],
        variants=counts["give new variants their headline"],
        headlines_new=counts["add headlines"] - counts["count new headlines that are part of another"],
        headlines_merged=counts["count merges"],
        headlines_detached=counts["count detachments"],
        headlines_linked=counts["link headlines"],
    )


def _count(connection: Connection, statement: str) -> int:
    """Execute a statement; return how many rows it touched."""
    return connection.exec_driver_sql(statement).rowcount


_TAKE_WORK = (
    f"""
    CREATE TEMPORARY TABLE settling_batches ON COMMIT DROP AS
    SELECT id FROM batches WHERE settled_at IS NULL ORDER BY id LIMIT {BATCHES_AT_ONCE}
    """,  # noqa: S608  no values, only constants
    """
    CREATE TEMPORARY TABLE settling_variants ON COMMIT DROP AS
    SELECT id, key, key_digest, text FROM headline_variants WHERE headline_id IS NULL
    """,
)

_WHOLE_FIRST = f"right(v.key, 1) = '{ELLIPSIS}', char_length(v.text), v.text COLLATE \"C\""
"""Orders variants by how well they stand for their headline, best first: `canonical_text`."""

_STEPS = {
    # --- variants to headlines
    "add headlines": f"""
        CREATE TEMPORARY TABLE new_headlines ON COMMIT DROP AS
        WITH added AS (
            INSERT INTO headlines (key_digest, key, truncated, text)
            SELECT DISTINCT ON (key_digest) key_digest, key, right(key, 1) = '{ELLIPSIS}', text
            FROM settling_variants v
            WHERE NOT EXISTS (SELECT FROM headlines h WHERE h.key_digest = v.key_digest)
            ORDER BY key_digest, {_WHOLE_FIRST}
            RETURNING id, key, truncated
        )
        SELECT * FROM added
        """,  # noqa: S608  no values, only constants
    # A truncated key belongs to the one whole key that starts with it, if there is exactly one.
    "find moves": f"""
        CREATE TEMPORARY TABLE moves ON COMMIT DROP AS
        WITH candidates AS (
            SELECT id FROM new_headlines WHERE truncated
            UNION
            SELECT cut.id
            FROM new_headlines whole
            CROSS JOIN generate_series({MIN_TRUNCATED}, {KEY_INDEXED}) AS length
            JOIN headlines cut
              ON cut.truncated
             AND left(cut.key, {KEY_INDEXED}) = left(left(whole.key, length) || '{ELLIPSIS}', {KEY_INDEXED})
             AND starts_with(whole.key, left(cut.key, -1))
            WHERE NOT whole.truncated
              AND length <= char_length(whole.key)
              AND EXISTS (
                SELECT FROM headlines near
                WHERE near.truncated
                  AND left(near.key, {KEY_INDEXED}) >= left(whole.key, {MIN_TRUNCATED})
                  AND left(near.key, {KEY_INDEXED}) < left(whole.key, {MIN_TRUNCATED}) || chr(1114111)
              )
        )
        SELECT cut.id, cut.key_digest, cut.merged_into AS before,
               CASE WHEN fits.number = 1 THEN fits.id END AS after
        FROM candidates
        JOIN headlines cut USING (id)
        CROSS JOIN LATERAL (
            SELECT count(*) AS number, min(fit.id) AS id
            FROM (
                SELECT whole.id
                FROM headlines whole
                WHERE NOT whole.truncated
                  AND left(whole.key, {KEY_INDEXED}) >= left(left(cut.key, -1), {KEY_INDEXED})
                  AND left(whole.key, {KEY_INDEXED}) < left(left(cut.key, -1), {KEY_INDEXED}) || chr(1114111)
                  AND starts_with(whole.key, left(cut.key, -1))
                LIMIT 2
            ) fit
        ) fits
        WHERE char_length(cut.key) > {MIN_TRUNCATED}
          AND cut.merged_into IS DISTINCT FROM CASE WHEN fits.number = 1 THEN fits.id END
        """,  # noqa: S608  no values, only constants
    "move headlines": """
        UPDATE headlines h SET merged_into = m.after FROM moves m WHERE h.id = m.id
        """,
    "move variants": """
        UPDATE headline_variants v SET headline_id = coalesce(m.after, m.id)
        FROM moves m
        WHERE v.headline_id = coalesce(m.before, m.id) AND v.key_digest = m.key_digest
        """,
    "give new variants their headline": """
        UPDATE headline_variants v SET headline_id = coalesce(h.merged_into, h.id)
        FROM settling_variants s JOIN headlines h USING (key_digest)
        WHERE v.id = s.id
        """,
    "count new headlines that are part of another": """
        SELECT FROM new_headlines JOIN moves USING (id) WHERE after IS NOT NULL
        """,
    "count merges": "SELECT FROM moves WHERE after IS NOT NULL",
    "count detachments": "SELECT FROM moves WHERE after IS NULL",
    "find touched headlines": """
        CREATE TEMPORARY TABLE touched_headlines ON COMMIT DROP AS
        SELECT h.id FROM settling_variants JOIN headlines h USING (key_digest)
        UNION
        SELECT h.merged_into FROM settling_variants JOIN headlines h USING (key_digest)
        WHERE h.merged_into IS NOT NULL
        UNION
        SELECT unnest(ARRAY[id, before, after]) FROM moves
        """,
    "choose texts": f"""
        UPDATE headlines h SET text = best.text
        FROM (
            SELECT DISTINCT ON (h.id) h.id, v.text
            FROM touched_headlines
            JOIN headlines h USING (id)
            JOIN headline_variants v
              ON v.headline_id = coalesce(h.merged_into, h.id)
             AND (h.merged_into IS NULL OR v.key_digest = h.key_digest)
            ORDER BY h.id, {_WHOLE_FIRST}
        ) best
        WHERE h.id = best.id AND h.text <> best.text
        """,  # noqa: S608  no values, only constants
    # --- link targets to articles
    "take pages": """
        CREATE TEMPORARY TABLE settling_pages ON COMMIT DROP AS
        SELECT id, article_id, url_key FROM pages WHERE batch_id IN (SELECT id FROM settling_batches)
        """,
    "add links": """
        CREATE TEMPORARY TABLE new_links ON COMMIT DROP AS
        WITH added AS (
            INSERT INTO headline_links (target_id, variant_id, sightings)
            SELECT target_id, variant_id, count(*)
            FROM settling_pages p
            JOIN headline_sightings s ON s.page_id = p.id
            WHERE target_id IS NOT NULL
            GROUP BY target_id, variant_id
            ORDER BY target_id, variant_id
            ON CONFLICT DO NOTHING
            RETURNING target_id, variant_id
        )
        SELECT * FROM added
        """,
    # By the article that the URL names, else by the page captured there that claims most.
    "resolve targets": """
        CREATE TEMPORARY TABLE resolved_targets ON COMMIT DROP AS
        WITH candidates AS (
            SELECT target_id AS id FROM new_links
            UNION
            SELECT t.id FROM settling_pages p JOIN link_targets t ON t.key = p.url_key
            WHERE p.article_id IS NOT NULL
            UNION
            SELECT t.id
            FROM settling_pages p JOIN articles a ON a.id = p.article_id JOIN link_targets t ON t.key = a.key
        ), resolved AS MATERIALIZED (
            SELECT t.id, coalesce(
                (SELECT a.id FROM articles a WHERE a.key = t.key),
                (SELECT p.article_id FROM pages p WHERE p.url_key = t.key AND p.article_id IS NOT NULL
                 ORDER BY p.fetched_at DESC NULLS LAST, p.digest DESC, p.key DESC LIMIT 1)
            ) AS article_id
            FROM candidates JOIN link_targets t USING (id)
        ), changed AS (
            UPDATE link_targets t SET article_id = r.article_id
            FROM resolved r
            WHERE t.id = r.id AND t.article_id IS DISTINCT FROM r.article_id
            RETURNING t.id
        )
        SELECT id FROM changed
        """,
    # --- headlines to articles
    "find headlines to link": """
        CREATE TEMPORARY TABLE unlinked_headlines ON COMMIT DROP AS
        SELECT id FROM touched_headlines WHERE id IS NOT NULL
        UNION
        SELECT v.headline_id FROM new_links l JOIN headline_variants v ON v.id = l.variant_id
        UNION
        SELECT v.headline_id
        FROM resolved_targets t
        JOIN headline_links l ON l.target_id = t.id
        JOIN headline_variants v ON v.id = l.variant_id
        UNION
        SELECT h.id
        FROM settling_pages p
        JOIN article_versions a USING (article_id)
        JOIN headlines h ON h.key_digest = a.title_key
        """,
    # Several articles are none: a title that recurs, or one story of several outlets.
    "link headlines": """
        UPDATE headlines h
        SET article_id = found.article_id, linked_by = found.linked_by
        FROM (
            SELECT h.id,
                   CASE WHEN h.merged_into IS NOT NULL THEN NULL
                        WHEN by_target.number = 1 THEN by_target.article_id
                        WHEN by_target.number IS NULL AND by_title.number = 1 THEN by_title.article_id
                   END AS article_id,
                   CASE WHEN h.merged_into IS NOT NULL THEN NULL
                        WHEN by_target.number = 1 THEN 'target'
                        WHEN by_target.number IS NULL AND by_title.number = 1 THEN 'title'
                   END AS linked_by
            FROM unlinked_headlines
            JOIN headlines h USING (id)
            LEFT JOIN (
                SELECT u.id, count(DISTINCT t.article_id) AS number, min(t.article_id) AS article_id
                FROM unlinked_headlines u
                JOIN headline_variants v ON v.headline_id = u.id
                JOIN headline_links l ON l.variant_id = v.id
                JOIN link_targets t ON t.id = l.target_id
                WHERE t.article_id IS NOT NULL
                GROUP BY u.id
            ) by_target USING (id)
            LEFT JOIN (
                SELECT h.id, count(DISTINCT a.article_id) AS number, min(a.article_id) AS article_id
                FROM unlinked_headlines u
                JOIN headlines h USING (id)
                JOIN article_versions a ON a.title_key = h.key_digest
                GROUP BY h.id
            ) by_title USING (id)
        ) found
        WHERE h.id = found.id
          AND (h.article_id, h.linked_by) IS DISTINCT FROM (found.article_id, found.linked_by)
        """,
    "close batches": """
        UPDATE batches SET settled_at = now() WHERE id IN (SELECT id FROM settling_batches)
        """,
}
"""The statements of a settle in their order, each named for what it does."""
