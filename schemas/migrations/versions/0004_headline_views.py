"""Views of sidebar headlines: when each stood where, how links were reworded, which articles were pushed."""

from __future__ import annotations

from schemas.migrations.views import create_views, drop_views

revision = "0004"
down_revision = "0003"

HEADLINE_TIMELINE = """
CREATE VIEW headline_timeline AS
SELECT d.headline_id,
       h.text AS headline,
       h.generic,
       d.day,
       s.name AS source,
       l.text AS label,
       d.sightings,
       d.best_position,
       d.first_seen_at,
       d.last_seen_at,
       d.page_id,
       p.url AS page_url
FROM (
    SELECT v.headline_id,
           r.day,
           r.source_id,
           r.label_id,
           sum(r.sightings)::bigint AS sightings,
           min(r.best_position) AS best_position,
           min(r.first_seen_at) AS first_seen_at,
           max(r.last_seen_at) AS last_seen_at,
           max(r.last_page_id) AS page_id
    FROM sighting_days r
    JOIN headline_variants v ON v.id = r.variant_id
    GROUP BY v.headline_id, r.day, r.source_id, r.label_id
) d
JOIN headlines h ON h.id = d.headline_id
LEFT JOIN sources s ON s.id = d.source_id
LEFT JOIN sidebar_labels l ON l.id = d.label_id
LEFT JOIN pages p ON p.id = d.page_id
"""

# Link by link, so that asking for one link or for a few costs no more than they do.
HEADLINE_REVISIONS = """
CREATE VIEW headline_revisions AS
SELECT t.id AS target_id,
       t.url AS target,
       r.number,
       r.revisions,
       r.headline_id,
       r.headline,
       r.generic,
       r.sightings,
       r.first_seen_at,
       r.last_seen_at,
       t.article_id
FROM link_targets t
CROSS JOIN LATERAL (
    SELECT h.id AS headline_id,
           h.text AS headline,
           h.generic,
           sum(k.sightings)::bigint AS sightings,
           min(k.first_seen_at) AS first_seen_at,
           max(k.last_seen_at) AS last_seen_at,
           count(*) OVER () AS revisions,
           row_number() OVER (
               ORDER BY min(k.first_seen_at) NULLS FIRST, max(k.last_seen_at), h.key
           ) AS number
    FROM headline_links k
    JOIN headline_variants v ON v.id = k.variant_id
    JOIN headlines h ON h.id = v.headline_id
    WHERE k.target_id = t.id
    GROUP BY h.id
) r
"""

# By the headlines that lead to the article; and where one text leads to many articles, by its link.
ARTICLE_PROMOTION = """
CREATE VIEW article_promotion AS
SELECT a.id AS article_id,
       a.title,
       s.name AS source,
       a.published_on,
       a.published_at,
       a.url,
       coalesce(h.sightings, 0) + coalesce(k.sightings, 0) AS sightings,
       least(h.first_seen_at, k.first_seen_at) AS first_promoted_at,
       greatest(h.last_seen_at, k.last_seen_at) AS last_promoted_at,
       ARRAY(
           SELECT DISTINCT n.name
           FROM headlines own
           JOIN headline_variants v ON v.headline_id = own.id
           JOIN sighting_days r ON r.variant_id = v.id
           JOIN sources n ON n.id = r.source_id
           WHERE own.article_id = a.id
       ) AS sources,
       ARRAY(
           SELECT DISTINCT l.text
           FROM headlines own
           JOIN headline_variants v ON v.headline_id = own.id
           JOIN sighting_days r ON r.variant_id = v.id
           JOIN sidebar_labels l ON l.id = r.label_id
           WHERE own.article_id = a.id
       ) AS labels
FROM articles a
LEFT JOIN sources s ON s.id = a.source_id
CROSS JOIN LATERAL (
    SELECT sum(t.sightings)::bigint AS sightings,
           min(t.first_seen_at) AS first_seen_at,
           max(t.last_seen_at) AS last_seen_at
    FROM headlines own
    JOIN headline_totals t ON t.headline_id = own.id
    WHERE own.article_id = a.id
) h
CROSS JOIN LATERAL (
    SELECT sum(i.sightings)::bigint AS sightings,
           min(i.first_seen_at) AS first_seen_at,
           max(i.last_seen_at) AS last_seen_at
    FROM link_targets t
    JOIN headline_links i ON i.target_id = t.id
    JOIN headline_variants v ON v.id = i.variant_id
    JOIN headlines other ON other.id = v.headline_id
    WHERE t.article_id = a.id AND other.article_id IS DISTINCT FROM a.id
) k
"""

VIEWS = {
    "headline_timeline": (
        HEADLINE_TIMELINE,
        "Sidebar headlines by day, source and list, a row each. Outlives sightings that are dropped.",
        {
            "headline_id": "The sidebar headline (headlines.id).",
            "headline": "The text that stands for it.",
            "generic": "True where the text stands for many things (Live updates).",
            "day": "Day (UTC) of the fetch times of the pages; NULL when unknown.",
            "source": "Where the pages come from; NULL when unknown.",
            "label": "Label of the list; NULL without one.",
            "sightings": "How often it was placed on a page.",
            "best_position": "Smallest place among the sidebar headlines of a page, from 1.",
            "first_seen_at": "Earliest fetch time of these pages; NULL when unknown.",
            "last_seen_at": "Latest fetch time of these pages; NULL when unknown.",
            "page_id": "The last loaded of these pages (pages.id): an example.",
            "page_url": "URL of that page.",
        },
    ),
    "headline_revisions": (
        HEADLINE_REVISIONS,
        "The headlines that each link target has carried, in the order of time: how a link was reworded.",
        {
            "target_id": "The link target (link_targets.id).",
            "target": "Its URL.",
            "number": "From 1 by the time the text was first seen with it; unknown times first, ties by key.",
            "revisions": "How many the link has carried.",
            "headline_id": "The sidebar headline (headlines.id).",
            "headline": "The text that stands for it.",
            "generic": "True where the text stands for many things (Live updates).",
            "sightings": "How often it was placed on a page with this link.",
            "first_seen_at": "Earliest fetch time of a page with it; NULL when unknown.",
            "last_seen_at": "Latest fetch time of a page with it; NULL when unknown.",
            "article_id": "The article that the link leads to; NULL when unknown.",
        },
    ),
    "article_promotion": (
        ARTICLE_PROMOTION,
        "Articles and how sidebar headlines pushed them, a row each; 0 sightings for those that none did.",
        {
            "article_id": "The article (articles.id).",
            "title": "Headline of the article.",
            "source": "Where its current page comes from.",
            "published_on": "Date of publication as printed.",
            "published_at": "Time of publication, where time and zone are shown.",
            "url": "Where to read it.",
            "sightings": "How often a sidebar headline that leads to it was placed on a page.",
            "first_promoted_at": "Earliest fetch time of these pages; NULL when unknown or never.",
            "last_promoted_at": "Latest fetch time of these pages; NULL when unknown or never.",
            "sources": "Where these pages come from; without texts that lead to several articles.",
            "labels": "Labels of the lists; without texts that lead to several articles.",
        },
    ),
}


def upgrade() -> None:
    create_views(VIEWS)


def downgrade() -> None:
    drop_views(VIEWS)
