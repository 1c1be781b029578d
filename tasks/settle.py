"""Settle: derive headlines from variants, add up their sightings, and link headlines to articles. After any
loads, in any order, the same pages give the same headlines and the same sums.

What a reprocess took back leaves the sums, and what nothing is left of goes: texts, headlines, link targets,
articles. So the same holds where pages say something else than they did at first.

The rules are those of `tasks.dedupe.group_headlines` and `canonical_text`, over sets in the database. Work
is found by the batches that are not settled yet, and only what they touch is looked at again. One advisory
lock lets one settle run at a time; loaders go on meanwhile.
"""
# ruff: noqa: S608  every value in the statements is a constant of this project

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, Engine, text

from schemas.tables import KEY_INDEXED, STEM_INDEXED
from tasks.dedupe import ELLIPSIS
from tasks.postgres.errors import translated_errors
from tasks.postgres.patience import patient

BATCHES_AT_ONCE = 200
"""Batches settled in one transaction: about 100,000 pages."""

GENERIC_PATHS = 3
"""A headline that has led to so many paths on one host is a recurring title: it names no one article.

The same text at several outlets is syndication, two paths at one outlet are a move or a mistake. Queries do
not count: outlets note in them which list was clicked.
"""

LINKS_LOOKED_AT = 100
"""So many links of a headline are looked at first: where a new one leads to the same, the others are not."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('broadsheet settle'))"
_PLAN_FOR_FEW = "SET LOCAL random_page_cost = 1.1"
"""Rows that new ones touch are looked up, not searched for in whole tables: what is new decides the cost."""

_AS_MANY = "OFFSET 0"
"""Behind a subquery that finds one row for each of a temporary table: so many are planned for.

Statistics of `headline_variants` may come from the middle of a load, when none had a headline. A condition on
`headline_id` then seems to leave no row, and one loop over what is new is planned within another.
"""


_HOLD_LOADERS = "LOCK TABLE headline_variants, link_targets IN SHARE ROW EXCLUSIVE MODE"
"""Loaders that write sightings wait until texts are gone: they would name them by their ids."""


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What settling did."""

    batches: int = 0
    variants: int = 0
    """Variants that got their headline."""
    headlines_new: int = 0
    """Headlines that stand alone and of which no form was seen before."""
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
        TransientLoadError: the database stays away; what is settled so far stays, call again.
    """
    report = SettleReport()
    while (settled := _settle_round(engine)).batches:
        report += settled
    return report


@patient
def _settle_round(engine: Engine) -> SettleReport:
    """One transaction. Each has its own patience: what the ones before did is settled."""
    with translated_errors(), engine.begin() as connection:
        connection.execute(text(_LOCK))
        connection.execute(text(_PLAN_FOR_FEW))
        return _settle_some(connection)


def _settle_some(connection: Connection) -> SettleReport:
    """Settle the oldest batches; loaders may add more at any moment."""
    counts: dict[str, int] = {}
    for name, step in _STEPS.items():
        if isinstance(step, _Noted):
            noting = f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {step.query}"
            counts[name] = connection.exec_driver_sql(noting).rowcount
            connection.exec_driver_sql(f"ANALYZE {name}")
            if counts[name] and step.then:
                connection.exec_driver_sql(step.then)
        else:
            counts[name] = connection.exec_driver_sql(step).rowcount
        if not counts["settling_batches"]:
            return SettleReport()
    return SettleReport(
        batches=counts["settling_batches"],
        variants=counts["settling_variants"],
        headlines_new=counts["first_seen"],
        headlines_merged=counts["count merges"],
        headlines_detached=counts["count detachments"],
        headlines_linked=counts["count links"],
    )


@dataclass(frozen=True, slots=True)
class _Noted:
    """A query whose rows a temporary table keeps for the steps behind it."""

    query: str
    then: str | None = None
    """Done at once where it has rows."""


_WHOLE_FIRST = f"right(v.key, 1) = '{ELLIPSIS}', char_length(v.text), v.text COLLATE \"C\""
"""Orders variants by how well they stand for their headline, best first: `canonical_text`."""

_HOST = "substring(t.url FROM '^https?://([^/?#]+)')"
"""Host of a link target; NULL for one as written on a page of unknown URL, of which nothing can be said."""

_PATH = "substring(t.url FROM '^https?://[^/?#]+([^?#]*)')"

_STEPS: dict[str, str | _Noted] = {
    # --- what came in
    "settling_batches": _Noted(f"""
        SELECT id, run_id FROM batches WHERE settled_at IS NULL ORDER BY id LIMIT {BATCHES_AT_ONCE}
        """),
    "settling_pages": _Noted("""
        SELECT id, batch_id, source_id, fetched_at, article_id, url_key, text_digest
        FROM pages WHERE batch_id IN (SELECT id FROM settling_batches)
        """),
    # The one pass over the sightings: all that follows reads what it leaves. What was taken back counts
    # against what came in.
    "placements": _Noted("""
        SELECT 1 AS sign, s.variant_id, s.target_id, s.label_id, p.source_id,
               (p.fetched_at AT TIME ZONE 'UTC')::date AS day,
               count(*) AS sightings,
               min(s.position) AS best_position,
               min(p.fetched_at) AS first_seen_at,
               max(p.fetched_at) AS last_seen_at,
               max(p.id) AS last_page_id,
               min(p.batch_id) AS first_batch_id
        FROM settling_pages p JOIN headline_sightings s ON s.page_id = p.id
        GROUP BY s.variant_id, s.target_id, s.label_id, p.source_id, day
        UNION ALL
        SELECT -1, s.variant_id, s.target_id, s.label_id, p.source_id,
               (p.fetched_at AT TIME ZONE 'UTC')::date AS day,
               count(*), min(s.position), min(p.fetched_at), max(p.fetched_at), max(p.id), NULL
        FROM retracted_sightings s JOIN pages p ON p.id = s.page_id
        WHERE s.counted AND s.batch_id IN (SELECT id FROM settling_batches)
        GROUP BY s.variant_id, s.target_id, s.label_id, p.source_id, day
        """),
    "placed_variants": _Noted("""
        SELECT variant_id, sum(sightings) AS sightings, min(first_seen_at) AS first_seen_at,
               max(last_seen_at) AS last_seen_at, min(first_batch_id) AS first_batch_id
        FROM placements
        WHERE sign > 0
        GROUP BY variant_id
        """),
    "placed_links": _Noted("""
        SELECT target_id, variant_id, sum(sign * sightings) AS sightings,
               sum(sightings) FILTER (WHERE sign > 0) AS added,
               min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
        FROM placements
        WHERE target_id IS NOT NULL
        GROUP BY target_id, variant_id
        """),
    # --- sums of texts and links
    # Where what was taken back reached further than what came in: a minimum or maximum may have gone with it.
    "shrunk_days": _Noted("""
        SELECT variant_id, day, source_id, label_id,
               min(best_position) FILTER (WHERE sign < 0) AS best_position,
               min(first_seen_at) FILTER (WHERE sign < 0) AS first_seen_at,
               max(last_seen_at) FILTER (WHERE sign < 0) AS last_seen_at,
               max(last_page_id) FILTER (WHERE sign < 0) AS last_page_id
        FROM placements
        WHERE variant_id IN (SELECT variant_id FROM placements WHERE sign < 0)
        GROUP BY variant_id, day, source_id, label_id
        HAVING bool_or(sign < 0) AND (
            min(best_position) FILTER (WHERE sign > 0) <= min(best_position)
            AND max(last_page_id) FILTER (WHERE sign > 0) >= max(last_page_id)
            AND (day IS NULL OR min(first_seen_at) FILTER (WHERE sign > 0) <= min(first_seen_at)
                            AND max(last_seen_at) FILTER (WHERE sign > 0) >= max(last_seen_at))
        ) IS NOT TRUE
        """),
    "shrunk_links": _Noted("""
        SELECT target_id, variant_id,
               min(first_seen_at) FILTER (WHERE sign < 0) AS first_seen_at,
               max(last_seen_at) FILTER (WHERE sign < 0) AS last_seen_at
        FROM placements
        WHERE target_id IS NOT NULL AND variant_id IN (SELECT variant_id FROM placements WHERE sign < 0)
        GROUP BY target_id, variant_id
        HAVING min(first_seen_at) FILTER (WHERE sign > 0) > min(first_seen_at) FILTER (WHERE sign < 0)
            OR max(last_seen_at) FILTER (WHERE sign > 0) < max(last_seen_at) FILTER (WHERE sign < 0)
            OR count(first_seen_at) FILTER (WHERE sign > 0) = 0
           AND count(first_seen_at) FILTER (WHERE sign < 0) > 0
        """),
    "add up days": """
        INSERT INTO sighting_days AS d
            (variant_id, day, source_id, label_id,
             sightings, best_position, first_seen_at, last_seen_at, last_page_id)
        SELECT variant_id, day, source_id, label_id, sum(sign * sightings),
               min(best_position), min(first_seen_at), max(last_seen_at), max(last_page_id)
        FROM placements
        GROUP BY variant_id, day, source_id, label_id
        ORDER BY variant_id, day, source_id, label_id
        ON CONFLICT (variant_id, day, source_id, label_id) DO UPDATE SET
            sightings = d.sightings + excluded.sightings,
            best_position = least(d.best_position, excluded.best_position),
            first_seen_at = least(d.first_seen_at, excluded.first_seen_at),
            last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
            last_page_id = greatest(d.last_page_id, excluded.last_page_id)
        """,
    # What was seen no more often than just now is new.
    "new_links": _Noted("""
        WITH summed AS (
            INSERT INTO headline_links AS l (target_id, variant_id, sightings, first_seen_at, last_seen_at)
            SELECT target_id, variant_id, sightings, first_seen_at, last_seen_at
            FROM placed_links
            ORDER BY target_id, variant_id
            ON CONFLICT (target_id, variant_id) DO UPDATE SET
                sightings = l.sightings + excluded.sightings,
                first_seen_at = least(l.first_seen_at, excluded.first_seen_at),
                last_seen_at = greatest(l.last_seen_at, excluded.last_seen_at)
            RETURNING target_id, variant_id, sightings
        )
        SELECT target_id, variant_id
        FROM summed s JOIN placed_links p USING (target_id, variant_id)
        WHERE s.sightings = p.added
        """),
    "doubtful_days": _Noted("""
        SELECT d.variant_id, d.day, d.source_id, d.label_id
        FROM shrunk_days s
        JOIN sighting_days d
          ON d.variant_id = s.variant_id
         AND (d.day, d.source_id, d.label_id) IS NOT DISTINCT FROM (s.day, s.source_id, s.label_id)
        WHERE d.sightings > 0
          AND (d.best_position = s.best_position OR d.last_page_id = s.last_page_id
               OR d.first_seen_at = s.first_seen_at OR d.last_seen_at = s.last_seen_at)
        """),
    "doubtful_links": _Noted("""
        SELECT l.target_id, l.variant_id
        FROM shrunk_links s JOIN headline_links l USING (target_id, variant_id)
        WHERE l.sightings > 0 AND (l.first_seen_at = s.first_seen_at OR l.last_seen_at = s.last_seen_at)
        """),
    # What is in the sums of these texts, as far as it was not dropped for its age.
    "remaining": _Noted("""
        WITH doubtful AS MATERIALIZED (
            SELECT variant_id FROM doubtful_days UNION SELECT variant_id FROM doubtful_links
        )
        SELECT s.variant_id, s.target_id, s.label_id, p.source_id,
               (p.fetched_at AT TIME ZONE 'UTC')::date AS day,
               count(*) AS sightings,
               min(s.position) AS best_position,
               min(p.fetched_at) AS first_seen_at,
               max(p.fetched_at) AS last_seen_at,
               max(p.id) AS last_page_id
        FROM (
            SELECT s.page_id, s.variant_id, s.target_id, s.label_id, s.position
            FROM doubtful
            JOIN headline_sightings s USING (variant_id)
            JOIN pages p ON p.id = s.page_id
            JOIN batches b ON b.id = p.batch_id
            WHERE b.settled_at IS NOT NULL OR b.id IN (SELECT id FROM settling_batches)
            UNION ALL
            SELECT page_id, variant_id, target_id, label_id, position
            FROM doubtful JOIN retracted_sightings USING (variant_id)
            WHERE counted AND batch_id NOT IN (SELECT id FROM settling_batches)
        ) s
        JOIN pages p ON p.id = s.page_id
        GROUP BY s.variant_id, s.target_id, s.label_id, p.source_id, day
        """),
    # Where some were dropped, the bounds stay as they were.
    "recount days": """
        UPDATE sighting_days d
        SET best_position = r.best_position,
            first_seen_at = r.first_seen_at,
            last_seen_at = r.last_seen_at,
            last_page_id = r.last_page_id
        FROM (
            SELECT variant_id, day, source_id, label_id, sum(sightings) AS sightings,
                   min(best_position) AS best_position, min(first_seen_at) AS first_seen_at,
                   max(last_seen_at) AS last_seen_at, max(last_page_id) AS last_page_id
            FROM remaining
            GROUP BY variant_id, day, source_id, label_id
        ) r
        JOIN doubtful_days f
          ON f.variant_id = r.variant_id
         AND (f.day, f.source_id, f.label_id) IS NOT DISTINCT FROM (r.day, r.source_id, r.label_id)
        WHERE d.variant_id = r.variant_id
          AND (d.day, d.source_id, d.label_id) IS NOT DISTINCT FROM (r.day, r.source_id, r.label_id)
          AND d.sightings = r.sightings
        """,
    "recount links": """
        UPDATE headline_links l
        SET first_seen_at = r.first_seen_at, last_seen_at = r.last_seen_at
        FROM (
            SELECT target_id, variant_id, sum(sightings) AS sightings,
                   min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
            FROM remaining JOIN doubtful_links USING (target_id, variant_id)
            GROUP BY target_id, variant_id
        ) r
        WHERE l.target_id = r.target_id AND l.variant_id = r.variant_id AND l.sightings = r.sightings
        """,
    "drop days": """
        DELETE FROM sighting_days
        WHERE sightings = 0 AND variant_id IN (SELECT variant_id FROM placements WHERE sign < 0)
        """,
    "gone_links": _Noted("""
        WITH gone AS (
            DELETE FROM headline_links
            WHERE sightings = 0
              AND (target_id, variant_id) IN (SELECT target_id, variant_id FROM placements WHERE sign < 0)
            RETURNING target_id, variant_id
        )
        SELECT v.headline_id FROM gone JOIN headline_variants v ON v.id = gone.variant_id
        """),
    # --- what nothing is left of
    # Locked before texts are, as loaders do; a loader that waits finds the article gone and tries again.
    "retracted": _Noted(
        """
        SELECT page_id, article_id, title_key FROM retracted_claims
        WHERE batch_id IN (SELECT id FROM settling_batches)
        """,
        then="""
        SELECT id FROM articles a
        WHERE id IN (SELECT article_id FROM retracted)
          AND NOT EXISTS (SELECT FROM pages p WHERE p.article_id = a.id)
        ORDER BY key
        FOR UPDATE
        """,
    ),
    "gone_articles": _Noted("""
        SELECT id FROM articles a
        WHERE id IN (SELECT article_id FROM retracted)
          AND NOT EXISTS (SELECT FROM pages p WHERE p.article_id = a.id)
        """),
    "vanishing": _Noted(
        """
        WITH retracted AS (
            SELECT DISTINCT variant_id, target_id FROM retracted_sightings
            WHERE batch_id IN (SELECT id FROM settling_batches)
        )
        SELECT variant_id, NULL AS target_id FROM retracted
        WHERE NOT EXISTS (SELECT FROM sighting_days d WHERE d.variant_id = retracted.variant_id)
        UNION
        SELECT NULL, target_id FROM retracted
        WHERE target_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM headline_links l WHERE l.target_id = retracted.target_id)
        """,
        then=_HOLD_LOADERS,
    ),
    # Texts that batches have which came in since.
    "awaited": _Noted("""
        SELECT DISTINCT s.variant_id, s.target_id
        FROM batches b
        JOIN pages p ON p.batch_id = b.id
        JOIN headline_sightings s ON s.page_id = p.id
        WHERE EXISTS (SELECT FROM vanishing)
          AND b.settled_at IS NULL AND b.id NOT IN (SELECT id FROM settling_batches)
        """),
    "drop targets": """
        DELETE FROM link_targets
        WHERE id IN (SELECT target_id FROM vanishing)
          AND NOT EXISTS (SELECT FROM awaited WHERE target_id = link_targets.id)
        """,
    "gone_variants": _Noted("""
        SELECT v.id, v.headline_id, v.key_digest
        FROM vanishing g JOIN headline_variants v ON v.id = g.variant_id
        WHERE NOT EXISTS (SELECT FROM awaited WHERE variant_id = v.id)
        """),
    "drop variants": """
        DELETE FROM headline_variants WHERE id IN (SELECT id FROM gone_variants)
        """,
    # --- variants to headlines
    "settling_variants": _Noted(f"""
        SELECT id, key, key_digest, text, first_batch_id
        FROM (
            SELECT v.id, v.key, v.key_digest, v.text, v.headline_id, p.first_batch_id
            FROM placed_variants p JOIN headline_variants v ON v.id = p.variant_id
            {_AS_MANY}
        ) v
        WHERE headline_id IS NULL
        """),
    "gone_headlines": _Noted("""
        SELECT h.id, h.key, h.truncated
        FROM (SELECT DISTINCT key_digest FROM gone_variants) g
        JOIN headlines h USING (key_digest)
        WHERE NOT EXISTS (
            SELECT FROM headline_variants v
            WHERE v.headline_id = coalesce(h.merged_into, h.id) AND v.key_digest = h.key_digest
        ) AND NOT EXISTS (SELECT FROM settling_variants s WHERE s.key_digest = h.key_digest)
        """),
    "new_headlines": _Noted(f"""
        WITH added AS (
            INSERT INTO headlines (key_digest, key, truncated, text)
            SELECT DISTINCT ON (key_digest) key_digest, key, right(key, 1) = '{ELLIPSIS}', text
            FROM settling_variants v
            WHERE NOT EXISTS (SELECT FROM headlines h WHERE h.key_digest = v.key_digest)
            ORDER BY key_digest, {_WHOLE_FIRST}
            RETURNING id, key_digest, key, truncated
        )
        SELECT * FROM added
        """),
    # Truncated keys that may belong elsewhere now: those that are new, and those that start like a whole key
    # that is new or gone.
    "cut_headlines": _Noted(f"""
        SELECT id, key_digest, merged_into, left(key, -1) AS stem
        FROM (
            SELECT id, key_digest, NULL AS merged_into, key FROM new_headlines WHERE truncated
            UNION
            SELECT cut.*
            FROM (
                SELECT left(key, {STEM_INDEXED}) AS start FROM new_headlines WHERE NOT truncated
                UNION
                SELECT left(key, {STEM_INDEXED}) FROM gone_headlines WHERE NOT truncated
            ) whole
            CROSS JOIN LATERAL (
                SELECT id, key_digest, merged_into, key FROM headlines
                WHERE truncated AND left(key, {STEM_INDEXED}) = whole.start
                OFFSET 0
            ) cut
        ) either
        WHERE char_length(key) > {STEM_INDEXED} AND id NOT IN (SELECT id FROM gone_headlines)
        """),
    # One belongs to the whole key that starts with it, if there is exactly one.
    "moves": _Noted(f"""
        SELECT cut.id, cut.key_digest, cut.merged_into AS before,
               CASE WHEN fits.number = 1 THEN fits.id END AS after
        FROM cut_headlines cut
        CROSS JOIN LATERAL (
            SELECT count(*) AS number, min(fit.id) AS id
            FROM (
                SELECT whole.id
                FROM headlines whole
                WHERE NOT whole.truncated
                  AND left(whole.key, {KEY_INDEXED}) >= left(cut.stem, {KEY_INDEXED})
                  AND left(whole.key, {KEY_INDEXED}) < left(cut.stem, {KEY_INDEXED}) || chr(1114111)
                  AND starts_with(whole.key, cut.stem)
                  AND whole.id NOT IN (SELECT id FROM gone_headlines)
                LIMIT 2
            ) fit
        ) fits
        WHERE cut.merged_into IS DISTINCT FROM CASE WHEN fits.number = 1 THEN fits.id END
        """),
    # Headlines that gain or lose texts settled before: nothing that was noted of them holds any longer.
    "changed_headlines": _Noted("""
        WITH old AS (SELECT * FROM moves WHERE id NOT IN (SELECT id FROM new_headlines))
        SELECT id FROM old
        UNION SELECT before FROM old WHERE before IS NOT NULL
        UNION SELECT after FROM old WHERE after IS NOT NULL
        UNION SELECT headline_id FROM gone_variants WHERE headline_id IS NOT NULL
        UNION SELECT h.id FROM gone_variants JOIN headlines h USING (key_digest)
        """),
    "count merges": "SELECT FROM moves WHERE after IS NOT NULL",
    "count detachments": "SELECT FROM moves WHERE after IS NULL",
    "move headlines": """
        UPDATE headlines h SET merged_into = m.after FROM moves m WHERE h.id = m.id
        """,
    "move variants": """
        UPDATE headline_variants v SET headline_id = coalesce(m.after, m.id)
        FROM moves m
        WHERE v.headline_id = coalesce(m.before, m.id) AND v.key_digest = m.key_digest
        """,
    "drop sums of headlines": """
        DELETE FROM headline_totals WHERE headline_id IN (SELECT id FROM gone_headlines)
        """,
    "drop headlines": """
        DELETE FROM headlines WHERE id IN (SELECT id FROM gone_headlines)
        """,
    "give new variants their headline": """
        UPDATE headline_variants v SET headline_id = coalesce(h.merged_into, h.id)
        FROM settling_variants s JOIN headlines h USING (key_digest)
        WHERE v.id = s.id
        """,
    "first_seen": _Noted(f"""
        SELECT n.id, min(s.first_batch_id) AS batch_id
        FROM (
            SELECT v.headline_id, s.first_batch_id
            FROM settling_variants s JOIN headline_variants v USING (id)
            {_AS_MANY}
        ) s
        JOIN new_headlines n ON n.id = s.headline_id
        WHERE n.id NOT IN (SELECT id FROM changed_headlines)
        GROUP BY n.id
        """),
    "touched_headlines": _Noted("""
        SELECT touched.id
        FROM settling_variants JOIN headlines h USING (key_digest)
        CROSS JOIN LATERAL (VALUES (h.id), (h.merged_into)) touched (id)
        WHERE touched.id IS NOT NULL
        UNION
        SELECT id FROM changed_headlines
        """),
    "better_texts": _Noted(f"""
        SELECT id, text
        FROM (
            SELECT DISTINCT ON (h.id) h.id, v.text, h.text AS before
            FROM (SELECT h.* FROM touched_headlines JOIN headlines h USING (id) {_AS_MANY}) h
            JOIN headline_variants v
              ON v.headline_id = coalesce(h.merged_into, h.id)
             AND (h.merged_into IS NULL OR v.key_digest = h.key_digest)
            ORDER BY h.id, {_WHOLE_FIRST}
        ) best
        WHERE text <> before
        """),
    "choose texts": """
        UPDATE headlines h SET text = b.text FROM better_texts b WHERE h.id = b.id
        """,
    # --- sums of headlines
    "recounted_headlines": _Noted(f"""
        SELECT id FROM changed_headlines
        UNION
        SELECT headline_id
        FROM (
            SELECT v.headline_id
            FROM (SELECT DISTINCT variant_id FROM placements WHERE sign < 0) p
            JOIN headline_variants v ON v.id = p.variant_id
            {_AS_MANY}
        ) v
        WHERE headline_id IS NOT NULL
        """),
    "add up headlines": """
        INSERT INTO headline_totals AS t (headline_id, sightings, first_seen_at, last_seen_at)
        SELECT v.headline_id, sum(p.sightings), min(p.first_seen_at), max(p.last_seen_at)
        FROM placed_variants p JOIN headline_variants v ON v.id = p.variant_id
        WHERE v.headline_id NOT IN (SELECT id FROM recounted_headlines)
        GROUP BY v.headline_id
        ORDER BY v.headline_id
        ON CONFLICT (headline_id) DO UPDATE SET
            sightings = t.sightings + excluded.sightings,
            first_seen_at = least(t.first_seen_at, excluded.first_seen_at),
            last_seen_at = greatest(t.last_seen_at, excluded.last_seen_at)
        """,
    "forget sums that no longer hold": """
        DELETE FROM headline_totals WHERE headline_id IN (SELECT id FROM recounted_headlines)
        """,
    "add up those headlines again": """
        INSERT INTO headline_totals (headline_id, sightings, first_seen_at, last_seen_at)
        SELECT v.headline_id, sum(d.sightings), min(d.first_seen_at), max(d.last_seen_at)
        FROM recounted_headlines r
        JOIN headline_variants v ON v.headline_id = r.id
        JOIN sighting_days d ON d.variant_id = v.id
        GROUP BY v.headline_id
        """,
    # --- link targets to articles
    # By the article that the URL names, else by the page captured there that claims most.
    "resolved_targets": _Noted("""
        WITH candidates AS (
            SELECT target_id AS id FROM new_links
            UNION
            SELECT t.id FROM settling_pages p JOIN link_targets t ON t.key = p.url_key
            WHERE p.article_id IS NOT NULL OR p.id IN (SELECT page_id FROM retracted)
            UNION
            SELECT id FROM link_targets WHERE article_id IN (SELECT id FROM gone_articles)
            UNION
            SELECT t.id
            FROM settling_pages p JOIN articles a ON a.id = p.article_id JOIN link_targets t ON t.key = a.key
        ), resolved AS MATERIALIZED (
            SELECT t.id, coalesce(
                (SELECT a.id FROM articles a
                 WHERE a.key = t.key AND a.id NOT IN (SELECT id FROM gone_articles)),
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
        """),
    # --- headlines to articles
    # What a headline that is generic already leads to is not counted again, unless its texts changed.
    "new_ends": _Noted(f"""
        SELECT DISTINCT h.id, {_HOST} AS host, {_PATH} AS path, t.article_id
        FROM (
            SELECT l.target_id, v.headline_id
            FROM new_links l JOIN headline_variants v ON v.id = l.variant_id
            {_AS_MANY}
        ) l
        JOIN link_targets t ON t.id = l.target_id
        JOIN headlines h ON h.id = l.headline_id
        WHERE ({_HOST} IS NOT NULL OR t.article_id IS NOT NULL)
          AND NOT h.generic AND h.id NOT IN (SELECT id FROM touched_headlines)
        """),
    # Where a few older links of these headlines lead: what leads there, too, changes nothing.
    "known_ends": _Noted(f"""
        SELECT DISTINCT l.id, {_HOST} AS host, {_PATH} AS path, t.article_id
        FROM (SELECT DISTINCT id FROM new_ends) n
        CROSS JOIN LATERAL (
            SELECT n.id, l.target_id, l.variant_id
            FROM headline_variants v JOIN headline_links l ON l.variant_id = v.id
            WHERE v.headline_id = n.id
            LIMIT {LINKS_LOOKED_AT}
        ) l
        JOIN link_targets t ON t.id = l.target_id
        LEFT JOIN new_links young USING (target_id, variant_id)
        WHERE young.target_id IS NULL
        """),
    "relinked_headlines": _Noted("""
        SELECT h.id
        FROM (
            SELECT id FROM touched_headlines
            UNION
            SELECT id FROM (SELECT * FROM new_ends EXCEPT SELECT * FROM known_ends) ends
            UNION
            SELECT v.headline_id
            FROM resolved_targets t
            JOIN headline_links l ON l.target_id = t.id
            JOIN headline_variants v ON v.id = l.variant_id
            UNION
            SELECT h.id
            FROM settling_pages p
            JOIN article_versions a USING (article_id, text_digest)
            JOIN headlines h ON h.key_digest = a.title_key
            UNION
            SELECT h.id FROM retracted r JOIN headlines h ON h.key_digest = r.title_key
            UNION
            SELECT id FROM headlines WHERE article_id IN (SELECT id FROM gone_articles)
            UNION
            SELECT headline_id FROM gone_links
        ) found
        JOIN headlines h USING (id)
        WHERE NOT h.generic
           OR h.id IN (SELECT id FROM changed_headlines) OR h.id IN (SELECT headline_id FROM gone_links)
        """),
    "link_ends": _Noted(f"""
        SELECT r.id, {_HOST} AS host, {_PATH} AS path, t.article_id
        FROM relinked_headlines r
        JOIN headline_variants v ON v.headline_id = r.id
        JOIN headline_links l ON l.variant_id = v.id
        JOIN link_targets t ON t.id = l.target_id
        """),
    # Several articles are none: one story of several outlets, or a title that recurs.
    "found_links": _Noted(f"""
        SELECT id, generic, article_id, linked_by
        FROM (
            SELECT h.id, ROW(h.generic, h.article_id, h.linked_by) AS before,
                   many.id IS NOT NULL AS generic,
                   CASE WHEN h.merged_into IS NOT NULL OR many.id IS NOT NULL THEN NULL
                        WHEN by_target.number = 1 THEN by_target.article_id
                        WHEN by_target.number IS NULL AND by_title.number = 1 THEN by_title.article_id
                   END AS article_id,
                   CASE WHEN h.merged_into IS NOT NULL OR many.id IS NOT NULL THEN NULL
                        WHEN by_target.number = 1 THEN 'target'
                        WHEN by_target.number IS NULL AND by_title.number = 1 THEN 'title'
                   END AS linked_by
            FROM relinked_headlines
            JOIN headlines h USING (id)
            LEFT JOIN (
                SELECT DISTINCT id
                FROM (
                    SELECT id FROM link_ends WHERE host IS NOT NULL
                    GROUP BY id, host HAVING count(DISTINCT path) >= {GENERIC_PATHS}
                ) hosts
            ) many USING (id)
            LEFT JOIN (
                SELECT id, count(DISTINCT article_id) AS number, min(article_id) AS article_id
                FROM link_ends
                WHERE article_id IS NOT NULL
                GROUP BY id
            ) by_target USING (id)
            LEFT JOIN (
                SELECT h.id, count(DISTINCT a.article_id) AS number, min(a.article_id) AS article_id
                FROM relinked_headlines
                JOIN headlines h USING (id)
                JOIN article_versions a ON a.title_key = h.key_digest
                GROUP BY h.id
            ) by_title USING (id)
        ) found
        WHERE before IS DISTINCT FROM ROW(generic, article_id, linked_by)
        """),
    "count links": "SELECT FROM found_links WHERE article_id IS NOT NULL",
    "link headlines": """
        UPDATE headlines h
        SET generic = f.generic, article_id = f.article_id, linked_by = f.linked_by
        FROM found_links f
        WHERE h.id = f.id
        """,
    "drop articles": """
        DELETE FROM articles WHERE id IN (SELECT id FROM gone_articles)
        """,
    # --- the ledger
    "forget sightings taken back": """
        DELETE FROM retracted_sightings WHERE batch_id IN (SELECT id FROM settling_batches)
        """,
    "forget claims taken back": """
        DELETE FROM retracted_claims WHERE batch_id IN (SELECT id FROM settling_batches)
        """,
    "close batches": """
        UPDATE batches b
        SET settled_at = now(),
            headlines_new = (SELECT count(*) FROM first_seen f WHERE f.batch_id = b.id)
        FROM settling_batches s
        WHERE b.id = s.id
        """,
    # Here and not when a run ends: one that was killed is credited when another settles its batches.
    "credit runs": """
        UPDATE runs r
        SET sightings = b.sightings,
            headlines_new = b.headlines_new,
            headlines_seen_again = b.sightings - b.headlines_new
        FROM (
            SELECT run_id, sum(headlines_new) AS headlines_new, sum(sightings) AS sightings
            FROM batches
            WHERE run_id IN (SELECT run_id FROM settling_batches)
            GROUP BY run_id
        ) b
        WHERE r.id = b.run_id
        """,
}
"""What settling does, in its order: statements by what they are for, tables by their name."""
