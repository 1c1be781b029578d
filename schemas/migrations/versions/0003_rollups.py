"""Rollups of sightings, which outlive them: by day, by headline, by link. The views read these."""
# ruff: noqa: E501  comments of tables are sentences

from __future__ import annotations

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from schemas.errors import ConfigError
from schemas.migrations.views import create_views, drop_views

revision = "0003"
down_revision = "0002"

SIDEBAR_LIST = """
CREATE VIEW sidebar_list AS
SELECT h.id AS headline_id,
       h.text AS headline,
       t.sightings,
       (SELECT count(DISTINCT d.source_id)
        FROM headline_variants v JOIN sighting_days d ON d.variant_id = v.id
        WHERE v.headline_id = h.id) AS sources,
       nullif(
           ARRAY(
               SELECT l.text
               FROM sidebar_labels l
               WHERE l.id IN (SELECT d.label_id
                              FROM headline_variants v JOIN sighting_days d ON d.variant_id = v.id
                              WHERE v.headline_id = h.id)
               ORDER BY l.text COLLATE "C"
           ),
           '{}'
       ) AS labels,
       t.first_seen_at,
       t.last_seen_at,
       h.article_id,
       a.title AS article_title,
       a.url AS article_url,
       h.generic
FROM headline_totals t
JOIN headlines h ON h.id = t.headline_id
LEFT JOIN articles a ON a.id = h.article_id
"""

SOURCE_HEALTH = """
CREATE VIEW source_health AS
WITH page_counts AS (
    SELECT p.source_id,
           count(*) AS pages,
           count(*) FILTER (WHERE p.is_article) AS article_pages,
           count(*) FILTER (WHERE NOT p.is_article) AS non_article_pages,
           max(p.fetched_at) AS last_fetched_at,
           max(b.loaded_at) AS last_loaded_at
    FROM pages p
    JOIN batches b ON b.id = p.batch_id
    GROUP BY p.source_id
), article_counts AS (
    SELECT source_id,
           count(*) AS articles,
           round(100.0 * count(title) / count(*)) AS title_percent,
           round(100.0 * count(published_on) / count(*)) AS date_percent,
           round(100.0 * count(*) FILTER (WHERE authors <> '{}') / count(*)) AS author_percent,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY word_count) AS median_words
    FROM articles
    GROUP BY source_id
), sighting_counts AS (
    SELECT source_id, sum(sightings) AS sightings
    FROM sighting_days
    GROUP BY source_id
), quarantine_counts AS (
    SELECT source AS name, count(*) AS quarantined
    FROM quarantine
    WHERE resolved_at IS NULL
    GROUP BY source
), names AS (
    SELECT name FROM sources
    UNION
    SELECT name FROM quarantine_counts  -- a source whose every page failed
    UNION
    SELECT NULL
)
SELECT n.name AS source,
       coalesce(p.pages, 0) AS pages,
       coalesce(p.article_pages, 0) AS article_pages,
       coalesce(p.non_article_pages, 0) AS non_article_pages,
       coalesce(q.quarantined, 0) AS quarantined,
       coalesce(a.articles, 0) AS articles,
       a.title_percent,
       a.date_percent,
       a.author_percent,
       a.median_words,
       round(coalesce(g.sightings, 0)::numeric / p.pages, 1) AS headlines_a_page,
       p.last_fetched_at,
       p.last_loaded_at
FROM names n
LEFT JOIN sources s ON s.name = n.name
LEFT JOIN page_counts p ON p.source_id = s.id OR (n.name IS NULL AND p.source_id IS NULL)
LEFT JOIN article_counts a ON a.source_id = s.id OR (n.name IS NULL AND a.source_id IS NULL)
LEFT JOIN sighting_counts g ON g.source_id = s.id OR (n.name IS NULL AND g.source_id IS NULL)
LEFT JOIN quarantine_counts q ON q.name IS NOT DISTINCT FROM n.name
WHERE n.name IS NOT NULL OR p.pages > 0 OR q.quarantined > 0
"""

BEFORE = import_module("schemas.migrations.versions.0002_views").VIEWS

VIEWS = {
    "sidebar_list": (
        SIDEBAR_LIST,
        "Sidebar headlines that were settled, a row each, with where and when they were seen.",
        {
            **{name: said for name, said in BEFORE["sidebar_list"][2].items() if name != "pages"},
            "generic": "True when the one text has led to many things (Live updates).",
        },
    ),
    "source_health": (
        SOURCE_HEALTH,
        BEFORE["source_health"][1],
        BEFORE["source_health"][2] | {"headlines_a_page": "Sidebar headlines a page, as far as settled."},
    ),
}

FILL = (
    """
    CREATE TEMPORARY TABLE seen ON COMMIT DROP AS
    SELECT s.variant_id, s.target_id, s.label_id, p.source_id,
           (p.fetched_at AT TIME ZONE 'UTC')::date AS day,
           count(*) AS sightings,
           min(s.position) AS best_position,
           min(p.fetched_at) AS first_seen_at,
           max(p.fetched_at) AS last_seen_at,
           max(p.id) AS last_page_id,
           min(p.batch_id) AS first_batch_id
    FROM headline_sightings s
    JOIN pages p ON p.id = s.page_id
    JOIN batches b ON b.id = p.batch_id
    WHERE b.settled_at IS NOT NULL
    GROUP BY s.variant_id, s.target_id, s.label_id, p.source_id, day
    """,
    """
    INSERT INTO sighting_days
        (variant_id, day, source_id, label_id, sightings, best_position, first_seen_at, last_seen_at, last_page_id)
    SELECT variant_id, day, source_id, label_id, sum(sightings), min(best_position),
           min(first_seen_at), max(last_seen_at), max(last_page_id)
    FROM seen
    GROUP BY variant_id, day, source_id, label_id
    """,
    """
    INSERT INTO headline_totals (headline_id, sightings, first_seen_at, last_seen_at)
    SELECT v.headline_id, sum(s.sightings), min(s.first_seen_at), max(s.last_seen_at)
    FROM seen s
    JOIN headline_variants v ON v.id = s.variant_id
    GROUP BY v.headline_id
    """,
    """
    UPDATE headline_links l
    SET sightings = s.sightings, first_seen_at = s.first_seen_at, last_seen_at = s.last_seen_at
    FROM (
        SELECT target_id, variant_id, sum(sightings) AS sightings,
               min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
        FROM seen
        GROUP BY target_id, variant_id
    ) s
    WHERE l.target_id = s.target_id AND l.variant_id = s.variant_id
    """,
    """
    UPDATE headlines
    SET generic = true, article_id = NULL, linked_by = NULL
    WHERE id IN (
        SELECT v.headline_id
        FROM headline_links l
        JOIN headline_variants v ON v.id = l.variant_id
        JOIN link_targets t ON t.id = l.target_id
        WHERE t.url ~ '^https?://'
        GROUP BY v.headline_id, substring(t.url FROM '^https?://([^/?#]+)')
        HAVING count(DISTINCT substring(t.url FROM '^https?://[^/?#]+([^?#]*)')) >= 3
    )
    """,
    """
    UPDATE batches b
    SET headlines_new = f.headlines
    FROM (
        SELECT batch_id, count(*) AS headlines
        FROM (
            SELECT min(s.first_batch_id) AS batch_id
            FROM seen s
            JOIN headline_variants v ON v.id = s.variant_id
            GROUP BY v.headline_id
        ) first
        GROUP BY batch_id
    ) f
    WHERE b.id = f.batch_id
    """,
    """
    UPDATE runs r
    SET sightings = b.sightings,
        headlines_new = b.headlines_new,
        headlines_seen_again = b.sightings - b.headlines_new
    FROM (
        SELECT run_id, sum(headlines_new) AS headlines_new, sum(sightings) AS sightings
        FROM batches
        GROUP BY run_id
    ) b
    WHERE r.id = b.run_id
    """,
)
"""What the sightings that are settled come to."""

DROPPED = """
SELECT (SELECT coalesce(sum(sightings), 0) FROM sighting_days)::bigint - count(*)
FROM headline_sightings s
JOIN pages p ON p.id = s.page_id
JOIN batches b ON b.id = p.batch_id
WHERE b.settled_at IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "sighting_days",
        sa.Column("variant_id", sa.BigInteger(), nullable=False, comment="The text (headline_variants.id)."),
        sa.Column(
            "source_id",
            sa.BigInteger(),
            nullable=True,
            comment="Where the pages come from (sources.id); NULL when unknown.",
        ),
        sa.Column(
            "last_page_id",
            sa.BigInteger(),
            nullable=False,
            comment="The last of the pages loaded (pages.id): an example.",
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Earliest fetch time; NULL when unknown.",
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Latest fetch time; NULL when unknown.",
        ),
        sa.Column(
            "day",
            sa.Date(),
            nullable=True,
            comment="Day (UTC) of the pages' fetch time; NULL when unknown.",
        ),
        sa.Column(
            "label_id",
            sa.Integer(),
            nullable=True,
            comment="Label of the list (sidebar_labels.id); NULL without one.",
        ),
        sa.Column("sightings", sa.Integer(), nullable=False, comment="How many."),
        sa.Column(
            "best_position",
            sa.SmallInteger(),
            nullable=False,
            comment="The smallest position among them, from 1.",
        ),
        sa.UniqueConstraint(
            "variant_id",
            "day",
            "source_id",
            "label_id",
            name=op.f("sighting_days_variant_id_day_source_id_label_id_key"),
            postgresql_nulls_not_distinct=True,
        ),
        comment="Sightings by text, day, source and list: what stays when old sightings are dropped. Written by settle.",
    )
    op.create_index(op.f("sighting_days_source_id_day_idx"), "sighting_days", ["source_id", "day"])
    op.create_table(
        "headline_totals",
        sa.Column("headline_id", sa.BigInteger(), nullable=False, comment="The sidebar headline."),
        sa.Column("sightings", sa.BigInteger(), nullable=False, comment="Placements on pages."),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Earliest fetch time; NULL when unknown.",
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Latest fetch time; NULL when unknown.",
        ),
        sa.ForeignKeyConstraint(
            ["headline_id"], ["headlines.id"], name=op.f("headline_totals_headline_id_fkey")
        ),
        sa.PrimaryKeyConstraint("headline_id", name=op.f("headline_totals_pkey")),
        comment="All sightings of each sidebar headline: the sums of sighting_days. Written by settle.",
    )
    op.create_index(op.f("headline_totals_sightings_idx"), "headline_totals", ["sightings"])
    op.create_index(op.f("headline_totals_last_seen_at_idx"), "headline_totals", ["last_seen_at"])
    # 0 until it is filled below, then without a default: settle always says how many.
    op.add_column(
        "headline_links",
        sa.Column(
            "sightings",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Placements of the text with this link.",
        ),
    )
    op.alter_column("headline_links", "sightings", server_default=None)
    op.add_column(
        "headline_links",
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Earliest fetch time of them; NULL when unknown.",
        ),
    )
    op.add_column(
        "headline_links",
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Latest fetch time of them; NULL when unknown.",
        ),
    )
    op.add_column(
        "headlines",
        sa.Column(
            "generic",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="True when it has led to three or more paths on one host: one text, many things (Live updates).",
        ),
    )
    op.add_column(
        "batches",
        sa.Column(
            "headlines_new",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Sidebar headlines first seen in it; known once it is settled.",
        ),
    )
    op.drop_index("headline_variants_unsettled_idx", table_name="headline_variants")
    _index_keys(truncated=15, whole=600)
    for statement in FILL:
        op.execute(statement)
    op.create_index(
        "headlines_search_idx",
        "headlines",
        [sa.text("to_tsvector('simple'::regconfig, text)")],
        postgresql_using="gin",
    )
    drop_views(VIEWS)
    create_views(VIEWS)


def downgrade() -> None:
    """Back to sightings alone, from which another upgrade adds up the same sums again.

    Raises:
        ConfigError: some sightings were dropped; what they came to is only here.
    """
    dropped = op.get_bind().scalar(sa.text(DROPPED))
    if dropped > 0:
        raise ConfigError(
            f"{dropped:,} sightings were dropped: without the rollups nothing would be left of them."
        )
    drop_views(VIEWS)
    create_views({name: BEFORE[name] for name in VIEWS})
    op.drop_index("headlines_search_idx", table_name="headlines")
    _index_keys(truncated=200, whole=200)
    op.create_index(
        "headline_variants_unsettled_idx",
        "headline_variants",
        ["id"],
        postgresql_where=sa.text("headline_id IS NULL"),
    )
    op.drop_column("batches", "headlines_new")
    op.drop_column("headlines", "generic")
    for name in ("sightings", "first_seen_at", "last_seen_at"):
        op.drop_column("headline_links", name)
    op.drop_table("headline_totals")
    op.drop_table("sighting_days")


def _index_keys(*, truncated: int, whole: int) -> None:
    """Index so many characters of the keys of truncated and of whole headlines."""
    for name, characters, which in (
        ("headlines_truncated_idx", truncated, "truncated"),
        ("headlines_whole_idx", whole, "NOT truncated"),
    ):
        op.drop_index(name, table_name="headlines")
        op.create_index(
            name, "headlines", [sa.text(f"left(key, {characters})")], postgresql_where=sa.text(which)
        )
