"""Views: what to look at first."""

from __future__ import annotations

from schemas.migrations.views import create_views, drop_views

revision = "0002"
down_revision = "0001"

ARTICLE_LIST = """
CREATE VIEW article_list AS
SELECT a.id AS article_id,
       s.name AS source,
       a.title,
       a.summary,
       array_to_string(a.authors, ', ') AS authors,
       a.published_on,
       a.published_at,
       a.section,
       a.language,
       a.agency,
       a.word_count,
       (SELECT count(*) FROM pages p WHERE p.article_id = a.id) AS captures,
       (SELECT count(*) FROM article_versions v WHERE v.article_id = a.id) AS versions,
       a.fetched_at,
       a.url
FROM articles a
LEFT JOIN sources s ON s.id = a.source_id
"""

SIDEBAR_LIST = """
CREATE VIEW sidebar_list AS
SELECT h.id AS headline_id,
       h.text AS headline,
       count(*) AS sightings,
       count(DISTINCT g.page_id) AS pages,
       count(DISTINCT p.source_id) AS sources,
       array_agg(DISTINCT l.text) FILTER (WHERE l.text IS NOT NULL) AS labels,
       min(p.fetched_at) AS first_seen_at,
       max(p.fetched_at) AS last_seen_at,
       h.article_id,
       a.title AS article_title,
       a.url AS article_url
FROM headlines h
JOIN headline_variants v ON v.headline_id = h.id
JOIN headline_sightings g ON g.variant_id = v.id
JOIN pages p ON p.id = g.page_id
LEFT JOIN sidebar_labels l ON l.id = g.label_id
LEFT JOIN articles a ON a.id = h.article_id
GROUP BY h.id, a.id
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
    SELECT p.source_id, count(*) AS sightings
    FROM headline_sightings g
    JOIN pages p ON p.id = g.page_id
    GROUP BY p.source_id
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

STORIES = """
CREATE VIEW stories AS
SELECT encode(a.story_key, 'hex') AS story,
       (array_agg(a.title ORDER BY a.key))[1] AS title,
       count(*) AS articles,
       array_agg(a.id ORDER BY a.key) AS article_ids,
       array_agg(DISTINCT s.name) FILTER (WHERE s.name IS NOT NULL) AS sources,
       array_agg(DISTINCT p.kind) AS kinds,
       min(a.published_on) AS published_on,
       array_agg(DISTINCT a.url) FILTER (WHERE a.url IS NOT NULL) AS urls
FROM articles a
JOIN pages p ON p.key = a.page_key
LEFT JOIN sources s ON s.id = a.source_id
GROUP BY a.story_key
"""

VIEWS = {
    "article_list": (
        ARTICLE_LIST,
        "Articles with their current text's fields, a row each.",
        {
            "article_id": "The article (articles.id).",
            "source": "Where its current page comes from.",
            "title": "Headline of the article.",
            "summary": "Standfirst.",
            "authors": "Authors as printed, parted by commas.",
            "published_on": "Date of publication as printed.",
            "published_at": "Time of publication, where time and zone are shown.",
            "section": "Section as printed.",
            "language": "ISO 639-1 code.",
            "agency": "News agency credited for the text.",
            "word_count": "Words in the body.",
            "captures": "Pages that are captures of it.",
            "versions": "Distinct texts it has had.",
            "fetched_at": "Fetch time of its current page; NULL when unknown.",
            "url": "Where to read it.",
        },
    ),
    "sidebar_list": (
        SIDEBAR_LIST,
        "Sidebar headlines that were settled, a row each, with where and when they were seen.",
        {
            "headline_id": "The sidebar headline (headlines.id).",
            "headline": "The text that stands for it.",
            "sightings": "How often it was placed on a page.",
            "pages": "On how many pages.",
            "sources": "On pages of how many sources.",
            "labels": "Labels of the lists it stood in.",
            "first_seen_at": "Earliest fetch time of a page that lists it; NULL when unknown.",
            "last_seen_at": "Latest fetch time of a page that lists it; NULL when unknown.",
            "article_id": "The one article it leads to; NULL when unknown or several.",
            "article_title": "Title of that article.",
            "article_url": "URL of that article.",
        },
    ),
    "source_health": (
        SOURCE_HEALTH,
        "What each source delivers and how well it could be read. A NULL source: pages of unknown origin.",
        {
            "source": "Name of the source; NULL when unknown.",
            "pages": "Pages loaded.",
            "article_pages": "Pages that are articles.",
            "non_article_pages": "Pages that are no article.",
            "quarantined": "Pages in quarantine, not resolved.",
            "articles": "Articles.",
            "title_percent": "Articles with a title, in percent.",
            "date_percent": "Articles with a date of publication, in percent.",
            "author_percent": "Articles with an author, in percent.",
            "median_words": "Median length of the bodies, in words.",
            "headlines_a_page": "Sidebar headlines a page.",
            "last_fetched_at": "Latest fetch time stated.",
            "last_loaded_at": "When a page was last loaded.",
        },
    ),
    "stories": (
        STORIES,
        "Articles that share title and first paragraph: forms of one story, a row each.",
        {
            "story": "Digest of folded title and first paragraph, in hex.",
            "title": "Title of one of them.",
            "articles": "How many articles.",
            "article_ids": "The articles (articles.id).",
            "sources": "Where they come from.",
            "kinds": "Whether they were read from html, text or both.",
            "published_on": "Earliest date of publication.",
            "urls": "Where to read them.",
        },
    ),
}


def upgrade() -> None:
    create_views(VIEWS)


def downgrade() -> None:
    drop_views(VIEWS)
