"""Tables of the first version."""
# ruff: noqa: E501  comments of tables are sentences

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bylines",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="Digest of the byline."),
        sa.Column("text", sa.Text(), nullable=False, comment="The byline as shown."),
        sa.PrimaryKeyConstraint("id", name=op.f("bylines_pkey")),
        sa.UniqueConstraint("digest", name=op.f("bylines_digest_key")),
        comment="Bylines of sidebar headlines.",
    )
    op.create_table(
        "headline_sightings",
        sa.Column("page_id", sa.BigInteger(), nullable=False, comment="The page (pages.id)."),
        sa.Column("variant_id", sa.BigInteger(), nullable=False, comment="The text (headline_variants.id)."),
        sa.Column(
            "target_id",
            sa.BigInteger(),
            nullable=True,
            comment="Where it leads (link_targets.id); NULL without a link.",
        ),
        sa.Column(
            "label_id",
            sa.Integer(),
            nullable=True,
            comment="Label of its list (sidebar_labels.id); NULL without one.",
        ),
        sa.Column(
            "byline_id", sa.Integer(), nullable=True, comment="Its byline (bylines.id); NULL without one."
        ),
        sa.Column(
            "position",
            sa.SmallInteger(),
            nullable=False,
            comment="Its place among the sidebar headlines of the page, from 1.",
        ),
        comment="Placements of sidebar headlines on pages, at the page's fetch time, never at the article's date.",
        postgresql_partition_by="RANGE (page_id)",
    )
    op.create_index(op.f("headline_sightings_page_id_idx"), "headline_sightings", ["page_id"], unique=False)
    op.create_index(
        op.f("headline_sightings_variant_id_idx"), "headline_sightings", ["variant_id"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column("kind", sa.Text(), nullable=False, comment="The flow: ingest, backfill …"),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="running, completed, partial (something was quarantined) or failed.",
        ),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="What the run was asked for.",
        ),
        sa.Column("flow_run_id", sa.Text(), nullable=True, comment="Id of the run in Prefect."),
        sa.Column("extractor", sa.Text(), nullable=False, comment="Version of the extractor."),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it started.",
        ),
        sa.Column(
            "finished_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it ended; NULL while it runs, or if it was killed.",
        ),
        sa.Column("seconds", sa.Double(), nullable=True, comment="How long it took."),
        sa.Column(
            "skipped",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Parts the ledger already had; they were not read.",
        ),
        sa.Column(
            "headlines_new",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Sidebar headlines first seen in this run.",
        ),
        sa.Column(
            "headlines_seen_again",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Sightings in this run of headlines seen before it, or earlier in it.",
        ),
        sa.Column("message", sa.Text(), nullable=True, comment="What stopped it, or what to know about it."),
        sa.Column(
            "read",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pages met and wanted: the sum of the six outcomes.",
        ),
        sa.Column(
            "loaded",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages whose article is new.",
        ),
        sa.Column(
            "updated",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages that changed their article's current text.",
        ),
        sa.Column(
            "unchanged",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pages that were there already.",
        ),
        sa.Column(
            "duplicate",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages of an article whose current text they do not change.",
        ),
        sa.Column(
            "non_article",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages that are no article.",
        ),
        sa.Column(
            "quarantined",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pages that went to quarantine.",
        ),
        sa.Column(
            "ignored",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Records beside the sum: no page, or left out by the user's filters.",
        ),
        sa.Column(
            "quarantined_by_reason",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Pages quarantined for each reason.",
        ),
        sa.Column(
            "sightings",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Sightings of sidebar headlines written.",
        ),
        sa.CheckConstraint(
            "state IN ('running', 'completed', 'partial', 'failed')", name=op.f("runs_state_check")
        ),
        sa.CheckConstraint(
            "read = loaded + updated + unchanged + duplicate + non_article + quarantined",
            name=op.f("runs_outcomes_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("runs_pkey")),
        comment="Runs of a flow and what they did.",
    )
    op.create_table(
        "sidebar_labels",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="Digest of the label."),
        sa.Column("text", sa.Text(), nullable=False, comment="The label as shown."),
        sa.PrimaryKeyConstraint("id", name=op.f("sidebar_labels_pkey")),
        sa.UniqueConstraint("digest", name=op.f("sidebar_labels_digest_key")),
        comment="Labels of sidebar lists (Explore, Most read …).",
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="As the user or the input names it, else the registrable domain of the page's URL.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sources_pkey")),
        sa.UniqueConstraint("name", name=op.f("sources_name_key")),
        comment="Outlets and feeds that pages come from, by name or registrable domain.",
    )
    op.create_table(
        "articles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column(
            "key",
            sa.LargeBinary(),
            nullable=False,
            comment="Its identity: digest of its URL in normal form, else of folded title and body.",
        ),
        sa.Column("source_id", sa.BigInteger(), nullable=True, comment="Where its current page comes from."),
        sa.Column(
            "story_key",
            sa.LargeBinary(),
            nullable=False,
            comment="Digest of folded title and first paragraph: joins the forms of one story.",
        ),
        sa.Column(
            "text_digest",
            sa.LargeBinary(),
            nullable=False,
            comment="Digest of title, summary and body: its current version.",
        ),
        sa.Column(
            "page_key",
            sa.LargeBinary(),
            nullable=False,
            comment="Key of the page that gives the current text.",
        ),
        sa.Column(
            "page_digest", sa.LargeBinary(), nullable=False, comment="Digest of that page's raw bytes."
        ),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Fetch time of that page; NULL when unknown.",
        ),
        sa.Column(
            "url",
            sa.Text(),
            nullable=True,
            comment="Where to read it: its canonical URL, else the page's own.",
        ),
        sa.Column(
            "canonical_url", sa.Text(), nullable=True, comment="The canonical URL that the page declares."
        ),
        sa.Column("title", sa.Text(), nullable=True, comment="Headline of the article."),
        sa.Column("summary", sa.Text(), nullable=True, comment="Standfirst: the lines below the title."),
        sa.Column("authors", sa.ARRAY(sa.Text()), nullable=False, comment="Authors as printed, in order."),
        sa.Column("published_on", sa.Date(), nullable=True, comment="Date of publication as printed."),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Time of publication, where time and zone are shown.",
        ),
        sa.Column("published_raw", sa.Text(), nullable=True, comment="Publication time as printed."),
        sa.Column(
            "published_precision",
            sa.Text(),
            nullable=True,
            comment="How exact it is: year, month, day, minute or second.",
        ),
        sa.Column("updated_on", sa.Date(), nullable=True, comment="Date of the last update as printed."),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Time of the last update, where time and zone are shown.",
        ),
        sa.Column("updated_raw", sa.Text(), nullable=True, comment="Time of the last update as printed."),
        sa.Column("section", sa.Text(), nullable=True, comment="Section as printed."),
        sa.Column("language", sa.Text(), nullable=True, comment="ISO 639-1 code."),
        sa.Column("agency", sa.Text(), nullable=True, comment="News agency credited for the text."),
        sa.Column("image_caption", sa.Text(), nullable=True, comment="Caption of the lead image."),
        sa.Column("image_credit", sa.Text(), nullable=True, comment="Credit of the lead image."),
        sa.Column(
            "read_minutes", sa.Integer(), nullable=True, comment="Reading time as printed, in minutes."
        ),
        sa.Column("word_count", sa.BigInteger(), nullable=False, comment="Words in the body."),
        sa.Column("body", sa.Text(), nullable=False, comment="Paragraphs, parted by a blank line."),
        sa.Column(
            "confidence", sa.Double(), nullable=False, comment="0 to 1: how far the body can be trusted."
        ),
        sa.Column(
            "provenance",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The signal that gave each field.",
        ),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('simple'::regconfig, left(coalesce(title, ''), 2000)), 'A') || setweight(to_tsvector('simple'::regconfig, left(coalesce(summary, ''), 10000)), 'B') || to_tsvector('simple'::regconfig, left(body, 200000))",
                persisted=True,
            ),
            nullable=False,
            comment="For full-text search: title (A), summary (B) and body (D), words as they are.",
        ),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("articles_source_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("articles_pkey")),
        sa.UniqueConstraint("key", name=op.f("articles_key_key")),
        comment="Articles with their current text: that of the page with the greatest fetch time (unknown first), then digest.",
    )
    op.create_index(op.f("articles_published_on_idx"), "articles", ["published_on"], unique=False)
    op.create_index("articles_search_idx", "articles", ["search"], unique=False, postgresql_using="gin")
    op.create_index(op.f("articles_source_id_idx"), "articles", ["source_id"], unique=False)
    op.create_index(op.f("articles_story_key_idx"), "articles", ["story_key"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column("run_id", sa.BigInteger(), nullable=False, comment="The run that loaded it."),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="Its number within the run."),
        sa.Column("extractor", sa.Text(), nullable=False, comment="Version of the extractor."),
        sa.Column(
            "worker_seconds",
            sa.Double(),
            server_default="0",
            nullable=False,
            comment="CPU seconds that extraction took.",
        ),
        sa.Column(
            "loaded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was loaded.",
        ),
        sa.Column(
            "settled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When its headlines were settled; NULL until then.",
        ),
        sa.Column(
            "read",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pages met and wanted: the sum of the six outcomes.",
        ),
        sa.Column(
            "loaded",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages whose article is new.",
        ),
        sa.Column(
            "updated",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages that changed their article's current text.",
        ),
        sa.Column(
            "unchanged",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pages that were there already.",
        ),
        sa.Column(
            "duplicate",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages of an article whose current text they do not change.",
        ),
        sa.Column(
            "non_article",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="New pages that are no article.",
        ),
        sa.Column(
            "quarantined",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pages that went to quarantine.",
        ),
        sa.Column(
            "ignored",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Records beside the sum: no page, or left out by the user's filters.",
        ),
        sa.Column(
            "quarantined_by_reason",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="Pages quarantined for each reason.",
        ),
        sa.Column(
            "sightings",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Sightings of sidebar headlines written.",
        ),
        sa.CheckConstraint(
            "read = loaded + updated + unchanged + duplicate + non_article + quarantined",
            name=op.f("batches_outcomes_check"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("batches_run_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("batches_pkey")),
        sa.UniqueConstraint("run_id", "number", name=op.f("batches_run_id_number_key")),
        comment="Batches: each was loaded in one transaction together with this row.",
    )
    op.create_index(
        "batches_unsettled_idx",
        "batches",
        ["id"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "article_versions",
        sa.Column("article_id", sa.BigInteger(), nullable=False, comment="The article."),
        sa.Column(
            "text_digest", sa.LargeBinary(), nullable=False, comment="Digest of title, summary and body."
        ),
        sa.Column(
            "title_key", sa.LargeBinary(), nullable=True, comment="Digest of the title as a headline key."
        ),
        sa.Column("title", sa.Text(), nullable=True, comment="Headline of the article."),
        sa.Column("summary", sa.Text(), nullable=True, comment="Standfirst."),
        sa.Column("body", sa.Text(), nullable=False, comment="Paragraphs, parted by a blank line."),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("article_versions_article_id_fkey")
        ),
        sa.PrimaryKeyConstraint("article_id", "text_digest", name=op.f("article_versions_pkey")),
        comment="Every distinct text that an article has had, the current one included.",
    )
    op.create_index(op.f("article_versions_title_key_idx"), "article_versions", ["title_key"], unique=False)
    op.create_table(
        "headlines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column("merged_into", sa.BigInteger(), nullable=True, comment="The headline it is cut off from."),
        sa.Column(
            "article_id",
            sa.BigInteger(),
            nullable=True,
            comment="The one article it leads to; NULL when unknown or several.",
        ),
        sa.Column(
            "truncated",
            sa.Boolean(),
            nullable=False,
            comment="True when every variant with this key is cut off.",
        ),
        sa.Column(
            "linked_by", sa.Text(), nullable=True, comment="How the article was found: target or title."
        ),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False, comment="Digest of its key."),
        sa.Column(
            "key",
            sa.Text(collation="C"),
            nullable=False,
            comment="Normal form of its text; equal keys are the same headline.",
        ),
        sa.Column(
            "text",
            sa.Text(),
            nullable=False,
            comment="The text that stands for it: whole before cut off, then the shortest.",
        ),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("headlines_article_id_fkey")),
        sa.ForeignKeyConstraint(["merged_into"], ["headlines.id"], name=op.f("headlines_merged_into_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("headlines_pkey")),
        sa.UniqueConstraint("key_digest", name=op.f("headlines_key_digest_key")),
        comment="Sidebar headlines: titles that pages list outside their body. One row a key; a truncated form that is part of a longer headline points to it.",
    )
    op.create_index(op.f("headlines_article_id_idx"), "headlines", ["article_id"], unique=False)
    op.create_index(op.f("headlines_merged_into_idx"), "headlines", ["merged_into"], unique=False)
    op.create_index(
        "headlines_truncated_idx",
        "headlines",
        [sa.literal_column("left(key, 200)")],
        unique=False,
        postgresql_where=sa.text("truncated"),
    )
    op.create_index(
        "headlines_whole_idx",
        "headlines",
        [sa.literal_column("left(key, 200)")],
        unique=False,
        postgresql_where=sa.text("NOT truncated"),
    )
    op.create_table(
        "link_targets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column(
            "article_id", sa.BigInteger(), nullable=True, comment="The article it leads to, once known."
        ),
        sa.Column(
            "key",
            sa.LargeBinary(),
            nullable=False,
            comment="Digest of its URL, as in articles.key and pages.url_key.",
        ),
        sa.Column(
            "url",
            sa.Text(),
            nullable=False,
            comment="URL in normal form; as written where the page's own URL is unknown.",
        ),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("link_targets_article_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("link_targets_pkey")),
        sa.UniqueConstraint("key", name=op.f("link_targets_key_key")),
        comment="Link targets of sidebar headlines.",
    )
    op.create_index(op.f("link_targets_article_id_idx"), "link_targets", ["article_id"], unique=False)
    op.create_table(
        "pages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Fetch time as the input states it, else NULL.",
        ),
        sa.Column("source_id", sa.BigInteger(), nullable=True, comment="Where it comes from."),
        sa.Column(
            "article_id", sa.BigInteger(), nullable=True, comment="Its article; NULL where it is none."
        ),
        sa.Column("batch_id", sa.BigInteger(), nullable=False, comment="The batch it was loaded with."),
        sa.Column(
            "origin_record",
            sa.BigInteger(),
            nullable=False,
            comment="Number of its record within the input, from 0.",
        ),
        sa.Column("byte_count", sa.BigInteger(), nullable=False, comment="Size of its raw bytes."),
        sa.Column(
            "is_article", sa.Boolean(), nullable=False, comment="True when an article was found on it."
        ),
        sa.Column(
            "key",
            sa.LargeBinary(),
            nullable=False,
            comment="Its identity: digest of URL, raw bytes and stated fetch time.",
        ),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="Digest of its raw bytes; names them in the archive.",
        ),
        sa.Column(
            "url_key",
            sa.LargeBinary(),
            nullable=True,
            comment="Digest of its URL in normal form: finds captures.",
        ),
        sa.Column(
            "text_digest",
            sa.LargeBinary(),
            nullable=True,
            comment="The text found on it: a version of its article.",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="html, or text for flattened page text."),
        sa.Column("url", sa.Text(), nullable=True, comment="Its URL, where the input states one."),
        sa.Column(
            "reason", sa.Text(), nullable=True, comment="Why it is no article: listing, not_found, consent …"
        ),
        sa.Column("origin_uri", sa.Text(), nullable=False, comment="The input that holds it."),
        sa.Column("extractor", sa.Text(), nullable=False, comment="Version of the extractor that read it."),
        sa.CheckConstraint("kind IN ('html', 'text')", name=op.f("pages_kind_check")),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("pages_article_id_fkey")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("pages_batch_id_fkey")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("pages_source_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("pages_pkey")),
        sa.UniqueConstraint("key", name=op.f("pages_key_key")),
        comment="Captures of pages. A later capture of the same bytes is another page.",
    )
    op.create_index(op.f("pages_article_id_idx"), "pages", ["article_id"], unique=False)
    op.create_index(op.f("pages_batch_id_idx"), "pages", ["batch_id"], unique=False)
    op.create_index(op.f("pages_source_id_idx"), "pages", ["source_id"], unique=False)
    op.create_index(op.f("pages_url_key_idx"), "pages", ["url_key"], unique=False)
    op.create_table(
        "parts",
        sa.Column(
            "fingerprint", sa.Text(), nullable=False, comment="Digest of the input's URI, size and time."
        ),
        sa.Column(
            "selection",
            sa.Text(),
            nullable=False,
            comment="Digest of how the user wanted it read; empty for the default.",
        ),
        sa.Column(
            "first_record",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Number of its first record, from 0.",
        ),
        sa.Column(
            "record_count", sa.BigInteger(), nullable=False, comment="How many records it holds, page or not."
        ),
        sa.Column(
            "next_offset",
            sa.BigInteger(),
            nullable=False,
            comment="Byte offset behind it, where the input can seek; else 0.",
        ),
        sa.Column("last", sa.Boolean(), nullable=False, comment="True where the input ends with it."),
        sa.Column("uri", sa.Text(), nullable=False, comment="The input."),
        sa.Column("byte_count", sa.BigInteger(), nullable=False, comment="About how many bytes it holds."),
        sa.Column(
            "damage",
            sa.Text(),
            nullable=True,
            comment="What stopped the reading behind it, if the input is damaged.",
        ),
        sa.Column("batch_id", sa.BigInteger(), nullable=False, comment="The batch it was loaded with."),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("parts_batch_id_fkey")),
        sa.PrimaryKeyConstraint("fingerprint", "selection", "first_record", name=op.f("parts_pkey")),
        comment="Parts of inputs that are loaded: a part is loaded whole or not at all.",
    )
    op.create_index(op.f("parts_batch_id_idx"), "parts", ["batch_id"], unique=False)
    op.create_index("parts_uri_idx", "parts", ["uri"], unique=False, postgresql_using="hash")
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column(
            "key",
            sa.LargeBinary(),
            nullable=False,
            comment="Key of the page; digest of its origin where no bytes are known.",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why, in one word."),
        sa.Column("stage", sa.Text(), nullable=False, comment="Where: read, clean, extract or load."),
        sa.Column("detail", sa.Text(), nullable=False, comment="What happened."),
        sa.Column("origin_uri", sa.Text(), nullable=False, comment="The input that holds it."),
        sa.Column(
            "origin_record",
            sa.BigInteger(),
            nullable=False,
            comment="Number of its record within the input, from 0.",
        ),
        sa.Column("url", sa.Text(), nullable=True, comment="Its URL, where the input states one."),
        sa.Column("kind", sa.Text(), nullable=True, comment="html or text, where known."),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Fetch time as the input states it.",
        ),
        sa.Column("source", sa.Text(), nullable=True, comment="Where it comes from: the name of its source."),
        sa.Column("content_type", sa.Text(), nullable=True, comment="Content type as the input states it."),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=True,
            comment="Digest of its raw bytes: their name in the archive.",
        ),
        sa.Column(
            "byte_count",
            sa.BigInteger(),
            nullable=True,
            comment="Size of its raw bytes; NULL when none were kept.",
        ),
        sa.Column(
            "attempts", sa.BigInteger(), server_default="1", nullable=False, comment="How often it was tried."
        ),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it first failed.",
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it last failed.",
        ),
        sa.Column("run_id", sa.BigInteger(), nullable=True, comment="The run in which it last failed."),
        sa.Column("batch_id", sa.BigInteger(), nullable=True, comment="The batch in which it last failed."),
        sa.Column(
            "resolved_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it was loaded after all; NULL while it is open.",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("quarantine_batch_id_fkey")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("quarantine_run_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantine_pkey")),
        sa.UniqueConstraint("key", name=op.f("quarantine_key_key")),
        comment="Pages that could not be read, processed or stored; one row each, however often tried.",
    )
    op.create_index(op.f("quarantine_batch_id_idx"), "quarantine", ["batch_id"], unique=False)
    op.create_index(
        "quarantine_open_idx",
        "quarantine",
        ["reason"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index(op.f("quarantine_run_id_idx"), "quarantine", ["run_id"], unique=False)
    op.create_table(
        "headline_variants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="Identity key."),
        sa.Column("headline_id", sa.BigInteger(), nullable=True, comment="Its headline; NULL until settled."),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="Digest of its text."),
        sa.Column("text", sa.Text(), nullable=False, comment="The text."),
        sa.Column(
            "key",
            sa.Text(collation="C"),
            nullable=False,
            comment="Normal form of the text; ends in … where the text is cut off.",
        ),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False, comment="Digest of the key."),
        sa.ForeignKeyConstraint(
            ["headline_id"], ["headlines.id"], name=op.f("headline_variants_headline_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("headline_variants_pkey")),
        sa.UniqueConstraint("digest", name=op.f("headline_variants_digest_key")),
        comment="Cleaned texts of sidebar headlines exactly as seen. They never change.",
    )
    op.create_index(
        op.f("headline_variants_headline_id_idx"), "headline_variants", ["headline_id"], unique=False
    )
    op.create_index(
        "headline_variants_unsettled_idx",
        "headline_variants",
        ["id"],
        unique=False,
        postgresql_where=sa.text("headline_id IS NULL"),
    )
    op.create_table(
        "headline_links",
        sa.Column("target_id", sa.BigInteger(), nullable=False, comment="The link target."),
        sa.Column("variant_id", sa.BigInteger(), nullable=False, comment="The text."),
        sa.ForeignKeyConstraint(
            ["target_id"], ["link_targets.id"], name=op.f("headline_links_target_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["headline_variants.id"], name=op.f("headline_links_variant_id_fkey")
        ),
        sa.PrimaryKeyConstraint("target_id", "variant_id", name=op.f("headline_links_pkey")),
        comment="Which texts each link target has carried: the revisions of a link.",
    )
    op.create_index(op.f("headline_links_variant_id_idx"), "headline_links", ["variant_id"], unique=False)

    # Partitions that follow are made by the load.
    op.execute(
        "CREATE TABLE headline_sightings_p0 (LIKE headline_sightings INCLUDING COMMENTS); "
        "ALTER TABLE headline_sightings ATTACH PARTITION headline_sightings_p0 "
        "FOR VALUES FROM (0) TO (1000000)"
    )


def downgrade() -> None:
    op.drop_index(op.f("headline_links_variant_id_idx"), table_name="headline_links")
    op.drop_table("headline_links")
    op.drop_index(
        "headline_variants_unsettled_idx",
        table_name="headline_variants",
        postgresql_where=sa.text("headline_id IS NULL"),
    )
    op.drop_index(op.f("headline_variants_headline_id_idx"), table_name="headline_variants")
    op.drop_table("headline_variants")
    op.drop_index(op.f("quarantine_run_id_idx"), table_name="quarantine")
    op.drop_index(
        "quarantine_open_idx", table_name="quarantine", postgresql_where=sa.text("resolved_at IS NULL")
    )
    op.drop_index(op.f("quarantine_batch_id_idx"), table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index("parts_uri_idx", table_name="parts", postgresql_using="hash")
    op.drop_index(op.f("parts_batch_id_idx"), table_name="parts")
    op.drop_table("parts")
    op.drop_index(op.f("pages_url_key_idx"), table_name="pages")
    op.drop_index(op.f("pages_source_id_idx"), table_name="pages")
    op.drop_index(op.f("pages_batch_id_idx"), table_name="pages")
    op.drop_index(op.f("pages_article_id_idx"), table_name="pages")
    op.drop_table("pages")
    op.drop_index(op.f("link_targets_article_id_idx"), table_name="link_targets")
    op.drop_table("link_targets")
    op.drop_index("headlines_whole_idx", table_name="headlines", postgresql_where=sa.text("NOT truncated"))
    op.drop_index("headlines_truncated_idx", table_name="headlines", postgresql_where=sa.text("truncated"))
    op.drop_index(op.f("headlines_merged_into_idx"), table_name="headlines")
    op.drop_index(op.f("headlines_article_id_idx"), table_name="headlines")
    op.drop_table("headlines")
    op.drop_index(op.f("article_versions_title_key_idx"), table_name="article_versions")
    op.drop_table("article_versions")
    op.drop_index(
        "batches_unsettled_idx", table_name="batches", postgresql_where=sa.text("settled_at IS NULL")
    )
    op.drop_table("batches")
    op.drop_index(op.f("articles_story_key_idx"), table_name="articles")
    op.drop_index(op.f("articles_source_id_idx"), table_name="articles")
    op.drop_index("articles_search_idx", table_name="articles", postgresql_using="gin")
    op.drop_index(op.f("articles_published_on_idx"), table_name="articles")
    op.drop_table("articles")
    op.drop_table("sources")
    op.drop_table("sidebar_labels")
    op.drop_table("runs")
    op.drop_index(op.f("headline_sightings_variant_id_idx"), table_name="headline_sightings")
    op.drop_index(op.f("headline_sightings_page_id_idx"), table_name="headline_sightings")
    op.drop_table("headline_sightings")
    op.drop_table("bylines")
