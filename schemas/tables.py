"""The declared tables, and the staging tables that a load fills by COPY.

Names are unqualified: every connection's search path is the one schema that holds them all. Texts of
pages are found by digests of 16 bytes (BLAKE2b): whatever a page says, its key fits an index, and no
answer depends on a server's locale. There are no triggers and no extensions; PostgreSQL 15 and later.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

BY_CODE_POINT = Text(collation="C")
"""Text whose order is the same everywhere: what prefixes are looked up in."""

OUTCOMES = ("loaded", "updated", "unchanged", "duplicate", "non_article", "quarantined")
"""What becomes of a page; together they are `read`."""

BALANCED = f"read = {' + '.join(OUTCOMES)}"

KEY_INDEXED = 600
"""Characters of a headline key in the index that finds whole keys by how they start: more than headlines
have, and as many as fit an index whatever they are."""

STEM_INDEXED = 15
"""Characters of a truncated headline key in the index that finds it: what the shortest stem that can be
joined to anything has (`tasks.dedupe.MIN_TRUNCATED`)."""

SEARCHED_CHARACTERS = 200_000
"""How much of a body full-text search sees: a tsvector holds at most 1 MB."""

SIGHTINGS_PARTITION_PAGES = 1_000_000
"""Page ids in one partition of `headline_sightings`: about 25 million rows, 2 GB."""


class Base(DeclarativeBase):
    """All tables share one metadata."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it as it is
        str: Text(),
        int: BigInteger(),
        bytes: LargeBinary(),
        float: Double(),
        bool: Boolean(),
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text()),
        dict[str, Any]: JSONB(),
    }


Id = Annotated[int, mapped_column(Identity(), primary_key=True, comment="Identity key.")]
SmallId = Annotated[int, mapped_column(Integer, Identity(), primary_key=True, comment="Identity key.")]


def column(comment: str, *parts: Any, **options: Any) -> MappedColumn[Any]:
    """A column and its comment; everything else as `mapped_column` takes it."""
    return mapped_column(*parts, comment=comment, **options)


def reference(target: str, comment: str, **options: Any) -> MappedColumn[Any]:
    """A foreign key to the `id` of another table."""
    return mapped_column(ForeignKey(f"{target}.id"), comment=comment, **options)


# --- the ledger -------------------------------------------------------------------------------------


class Source(Base):
    """Where pages come from."""

    __tablename__ = "sources"
    __table_args__ = {"comment": "Outlets and feeds that pages come from, by name or registrable domain."}  # noqa: RUF012

    id: Mapped[Id]
    name: Mapped[str] = column(
        "As the user or the input names it, else the registrable domain of the page's URL.",
        unique=True,
    )


class Counted:
    """The outcome counts that batches and runs share."""

    read: Mapped[int] = column("Pages met and wanted: the sum of the six outcomes.", server_default="0")
    loaded: Mapped[int] = column("New pages whose article is new.", server_default="0")
    updated: Mapped[int] = column("New pages that changed their article's current text.", server_default="0")
    unchanged: Mapped[int] = column("Pages that were there already.", server_default="0")
    duplicate: Mapped[int] = column(
        "New pages of an article whose current text they do not change.", server_default="0"
    )
    non_article: Mapped[int] = column("New pages that are no article.", server_default="0")
    quarantined: Mapped[int] = column("Pages that went to quarantine.", server_default="0")
    ignored: Mapped[int] = column(
        "Records beside the sum: no page, or left out by the user's filters.", server_default="0"
    )
    quarantined_by_reason: Mapped[dict[str, Any]] = column(
        "Pages quarantined for each reason.", server_default=text("'{}'")
    )
    sightings: Mapped[int] = column("Sightings of sidebar headlines written.", server_default="0")


class Run(Counted, Base):
    """One run of a flow."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('running', 'completed', 'partial', 'failed', 'interrupted')", name="state"
        ),
        CheckConstraint(BALANCED, name="outcomes"),
        {"comment": "Runs of a flow and what they did."},
    )

    id: Mapped[Id]
    kind: Mapped[str] = column("The flow: ingest, backfill …")
    state: Mapped[str] = column(
        "running, completed, partial (something was quarantined), failed or interrupted (stopped)."
    )
    parameters: Mapped[dict[str, Any]] = column("What the run was asked for.")
    flow_run_id: Mapped[str | None] = column("Id of the run in Prefect.")
    extractor: Mapped[str] = column("Version of the extractor.")
    started_at: Mapped[datetime] = column("When it started.", server_default=text("now()"))
    finished_at: Mapped[datetime | None] = column("When it ended; NULL while it runs, or if it was killed.")
    seconds: Mapped[float | None] = column("How long it took.")
    skipped: Mapped[int] = column("Parts the ledger already had; they were not read.", server_default="0")
    headlines_new: Mapped[int] = column("Sidebar headlines first seen in this run.", server_default="0")
    headlines_seen_again: Mapped[int] = column(
        "Sightings in this run of headlines seen before it, or earlier in it.", server_default="0"
    )
    message: Mapped[str | None] = column("What stopped it, or what to know about it.")


class LoadedBatch(Counted, Base):
    """One batch: one transaction."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("run_id", "number"),
        CheckConstraint(BALANCED, name="outcomes"),
        Index("batches_unsettled_idx", "id", postgresql_where=text("settled_at IS NULL")),
        {"comment": "Batches: each was loaded in one transaction together with this row."},
    )

    id: Mapped[Id]
    run_id: Mapped[int] = reference("runs", "The run that loaded it.")
    number: Mapped[int] = column("Its number within the run.")
    extractor: Mapped[str] = column("Version of the extractor.")
    worker_seconds: Mapped[float] = column("CPU seconds that extraction took.", server_default="0")
    loaded_at: Mapped[datetime] = column("When it was loaded.", server_default=text("now()"))
    settled_at: Mapped[datetime | None] = column("When its headlines were settled; NULL until then.")
    headlines_new: Mapped[int] = column(
        "Sidebar headlines first seen in it; known once it is settled.", server_default="0"
    )


class LoadedPart(Base):
    """A run of records of one input that is loaded."""

    __tablename__ = "parts"
    __table_args__ = (
        Index("parts_uri_idx", "uri", postgresql_using="hash"),
        {"comment": "Parts of inputs that are loaded: a part is loaded whole or not at all."},
    )

    fingerprint: Mapped[str] = column("Digest of the input's URI, size and time.", primary_key=True)
    selection: Mapped[str] = column(
        "Digest of how the user wanted it read; empty for the default.", primary_key=True
    )
    first_record: Mapped[int] = column(
        "Number of its first record, from 0.", primary_key=True, autoincrement=False
    )
    record_count: Mapped[int] = column("How many records it holds, page or not.")
    next_offset: Mapped[int] = column("Byte offset behind it, where the input can seek; else 0.")
    last: Mapped[bool] = column("True where the input ends with it.")
    uri: Mapped[str] = column("The input.")
    byte_count: Mapped[int] = column("About how many bytes it holds.")
    damage: Mapped[str | None] = column("What stopped the reading behind it, if the input is damaged.")
    batch_id: Mapped[int] = reference("batches", "The batch it was loaded with.", index=True)


# --- pages and articles -----------------------------------------------------------------------------


class StoredPage(Base):
    """One capture of a page."""

    __tablename__ = "pages"
    __table_args__ = (
        CheckConstraint("kind IN ('html', 'text')", name="kind"),
        {"comment": "Captures of pages. A later capture of the same bytes is another page."},
    )

    id: Mapped[Id]
    fetched_at: Mapped[datetime | None] = column("Fetch time as the input states it, else NULL.")
    source_id: Mapped[int | None] = reference("sources", "Where it comes from.", index=True)
    article_id: Mapped[int | None] = reference("articles", "Its article; NULL where it is none.", index=True)
    batch_id: Mapped[int] = reference(
        "batches", "The batch it was loaded with, or in which a reprocess changed what it says.", index=True
    )
    origin_record: Mapped[int] = column("Number of its record within the input, from 0.")
    byte_count: Mapped[int] = column("Size of its raw bytes.")
    is_article: Mapped[bool] = column("True when an article was found on it.")
    key: Mapped[bytes] = column("Its identity: digest of URL, raw bytes and stated fetch time.", unique=True)
    digest: Mapped[bytes] = column("Digest of its raw bytes; names them in the archive.")
    url_key: Mapped[bytes | None] = column("Digest of its URL in normal form: finds captures.", index=True)
    text_digest: Mapped[bytes | None] = column("The text found on it: a version of its article.")
    kind: Mapped[str] = column("html, or text for flattened page text.")
    url: Mapped[str | None] = column("Its URL, where the input states one.")
    reason: Mapped[str | None] = column("Why it is no article: listing, not_found, consent …")
    origin_uri: Mapped[str] = column("The input that holds it.")
    extractor: Mapped[str] = column(
        "Version of the extractor that read it; empty where it must be read again: its article's fields are "
        "not its own yet."
    )


class Article(Base):
    """An article with its current text."""

    __tablename__ = "articles"
    __table_args__ = (
        Index("articles_search_idx", "search", postgresql_using="gin"),
        {
            "comment": "Articles with their current text: that of the page with the greatest fetch time "
            "(unknown first), then digest."
        },
    )

    id: Mapped[Id]
    key: Mapped[bytes] = column(
        "Its identity: digest of its URL in normal form, else of folded title and body.", unique=True
    )
    source_id: Mapped[int | None] = reference("sources", "Where its current page comes from.", index=True)
    story_key: Mapped[bytes] = column(
        "Digest of folded title and first paragraph: joins the forms of one story.", index=True
    )
    text_digest: Mapped[bytes] = column("Digest of title, summary and body: its current version.")
    page_key: Mapped[bytes] = column("Key of the page that gives the current text.")
    page_digest: Mapped[bytes] = column("Digest of that page's raw bytes.")
    fetched_at: Mapped[datetime | None] = column("Fetch time of that page; NULL when unknown.")
    url: Mapped[str | None] = column("Where to read it: its canonical URL, else the page's own.")
    canonical_url: Mapped[str | None] = column("The canonical URL that the page declares.")
    title: Mapped[str | None] = column("Headline of the article.")
    summary: Mapped[str | None] = column("Standfirst: the lines below the title.")
    authors: Mapped[list[str]] = column("Authors as printed, in order.")
    published_on: Mapped[date | None] = column("Date of publication as printed.", Date, index=True)
    published_at: Mapped[datetime | None] = column("Time of publication, where time and zone are shown.")
    published_raw: Mapped[str | None] = column("Publication time as printed.")
    published_precision: Mapped[str | None] = column("How exact it is: year, month, day, minute or second.")
    updated_on: Mapped[date | None] = column("Date of the last update as printed.", Date)
    updated_at: Mapped[datetime | None] = column("Time of the last update, where time and zone are shown.")
    updated_raw: Mapped[str | None] = column("Time of the last update as printed.")
    section: Mapped[str | None] = column("Section as printed.")
    language: Mapped[str | None] = column("ISO 639-1 code.")
    agency: Mapped[str | None] = column("News agency credited for the text.")
    image_caption: Mapped[str | None] = column("Caption of the lead image.")
    image_credit: Mapped[str | None] = column("Credit of the lead image.")
    read_minutes: Mapped[int | None] = column("Reading time as printed, in minutes.", Integer)
    word_count: Mapped[int] = column("Words in the body.")
    body: Mapped[str] = column("Paragraphs, parted by a blank line.")
    confidence: Mapped[float] = column("0 to 1: how far the body can be trusted.")
    provenance: Mapped[dict[str, Any]] = column("The signal that gave each field.")
    search: Mapped[Any] = column(
        "For full-text search: title (A), summary (B) and body (D), words as they are.",
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('simple'::regconfig, left(coalesce(title, ''), 2000)), 'A') || "
            "setweight(to_tsvector('simple'::regconfig, left(coalesce(summary, ''), 10000)), 'B') || "
            f"to_tsvector('simple'::regconfig, left(body, {SEARCHED_CHARACTERS}))",
            persisted=True,
        ),
    )


class ArticleVersion(Base):
    """One of the texts that an article has had."""

    __tablename__ = "article_versions"
    __table_args__ = {"comment": "Every distinct text that an article has had, the current one included."}  # noqa: RUF012

    article_id: Mapped[int] = reference("articles", "The article.", primary_key=True)
    text_digest: Mapped[bytes] = column("Digest of title, summary and body.", primary_key=True)
    title_key: Mapped[bytes | None] = column("Digest of the title as a headline key.", index=True)
    title: Mapped[str | None] = column("Headline of the article.")
    summary: Mapped[str | None] = column("Standfirst.")
    body: Mapped[str] = column("Paragraphs, parted by a blank line.")


# --- sidebar headlines ------------------------------------------------------------------------------


class StoredHeadline(Base):
    """A sidebar headline: all variants that say the same."""

    __tablename__ = "headlines"
    __table_args__ = (
        Index(
            "headlines_truncated_idx",
            text(f"left(key, {STEM_INDEXED})"),
            postgresql_where=text("truncated"),
        ),
        Index(
            "headlines_whole_idx",
            text(f"left(key, {KEY_INDEXED})"),
            postgresql_where=text("NOT truncated"),
        ),
        Index("headlines_search_idx", text("to_tsvector('simple'::regconfig, text)"), postgresql_using="gin"),
        {
            "comment": "Sidebar headlines: titles that pages list outside their body. One row a key; "
            "a truncated form that is part of a longer headline points to it."
        },
    )

    id: Mapped[Id]
    merged_into: Mapped[int | None] = reference("headlines", "The headline it is cut off from.", index=True)
    article_id: Mapped[int | None] = reference(
        "articles", "The one article it leads to; NULL when unknown or several.", index=True
    )
    generic: Mapped[bool] = column(
        "True when it has led to three or more paths on one host: one text, many things (Live updates).",
        server_default=text("false"),
    )
    truncated: Mapped[bool] = column("True when every variant with this key is cut off.")
    linked_by: Mapped[str | None] = column("How the article was found: target or title.")
    key_digest: Mapped[bytes] = column("Digest of its key.", unique=True)
    key: Mapped[str] = column("Normal form of its text; equal keys are the same headline.", BY_CODE_POINT)
    text: Mapped[str] = column("The text that stands for it: whole before cut off, then the shortest.")


class HeadlineVariant(Base):
    """A sidebar headline's cleaned text exactly as seen."""

    __tablename__ = "headline_variants"
    __table_args__ = {"comment": "Cleaned texts of sidebar headlines exactly as seen. They never change."}  # noqa: RUF012

    id: Mapped[Id]
    headline_id: Mapped[int | None] = reference("headlines", "Its headline; NULL until settled.", index=True)
    digest: Mapped[bytes] = column("Digest of its text.", unique=True)
    text: Mapped[str] = column("The text.")
    key: Mapped[str] = column("Normal form of the text; ends in … where the text is cut off.", BY_CODE_POINT)
    key_digest: Mapped[bytes] = column("Digest of the key.")


class LinkTarget(Base):
    """Where sidebar headlines lead."""

    __tablename__ = "link_targets"
    __table_args__ = {"comment": "Link targets of sidebar headlines."}  # noqa: RUF012

    id: Mapped[Id]
    article_id: Mapped[int | None] = reference("articles", "The article it leads to, once known.", index=True)
    key: Mapped[bytes] = column("Digest of its URL, as in articles.key and pages.url_key.", unique=True)
    url: Mapped[str] = column("URL in normal form; as written where the page's own URL is unknown.")


class HeadlineLink(Base):
    """A text that a link target has carried."""

    __tablename__ = "headline_links"
    __table_args__ = {"comment": "Which texts each link target has carried: the revisions of a link."}  # noqa: RUF012

    target_id: Mapped[int] = reference("link_targets", "The link target.", primary_key=True)
    variant_id: Mapped[int] = reference("headline_variants", "The text.", primary_key=True, index=True)
    sightings: Mapped[int] = column("Placements of the text with this link.")
    first_seen_at: Mapped[datetime | None] = column("Earliest fetch time of them; NULL when unknown.")
    last_seen_at: Mapped[datetime | None] = column("Latest fetch time of them; NULL when unknown.")


class SidebarLabel(Base):
    """The label of a sidebar list."""

    __tablename__ = "sidebar_labels"
    __table_args__ = {"comment": "Labels of sidebar lists (Explore, Most read …)."}  # noqa: RUF012

    id: Mapped[SmallId]
    digest: Mapped[bytes] = column("Digest of the label.", unique=True)
    text: Mapped[str] = column("The label as shown.")


class Byline(Base):
    """A byline in a sidebar list."""

    __tablename__ = "bylines"
    __table_args__ = {"comment": "Bylines of sidebar headlines."}  # noqa: RUF012

    id: Mapped[SmallId]
    digest: Mapped[bytes] = column("Digest of the byline.", unique=True)
    text: Mapped[str] = column("The byline as shown.")


class Sighting(Base):
    """One placement of a sidebar headline on a page.

    Tens a page: narrow, without foreign keys or a unique key. Rows are written only with their page, in its
    transaction, from ids that were read there.
    """

    __tablename__ = "headline_sightings"
    __table_args__ = (
        {
            "comment": "Placements of sidebar headlines on pages, at the page's fetch time, never at the "
            "article's date.",
            "postgresql_partition_by": "RANGE (page_id)",
        },
    )
    __mapper_args__ = {"primary_key": ["page_id", "position"]}  # noqa: RUF012

    page_id: Mapped[int] = column("The page (pages.id).", index=True)
    variant_id: Mapped[int] = column("The text (headline_variants.id).", index=True)
    target_id: Mapped[int | None] = column("Where it leads (link_targets.id); NULL without a link.")
    label_id: Mapped[int | None] = column("Label of its list (sidebar_labels.id); NULL without one.", Integer)
    byline_id: Mapped[int | None] = column("Its byline (bylines.id); NULL without one.", Integer)
    position: Mapped[int] = column("Its place among the sidebar headlines of the page, from 1.", SmallInteger)


class SightingDay(Base):
    """What the sightings of one text on one day, source and list come to.

    By text, not by headline: texts stay what they are, while headlines merge and detach. Without foreign
    keys, as are sightings: a text goes only when no row names it.
    """

    __tablename__ = "sighting_days"
    __table_args__ = (
        UniqueConstraint("variant_id", "day", "source_id", "label_id", postgresql_nulls_not_distinct=True),
        Index(None, "source_id", "day"),
        {
            "comment": "Sightings by text, day, source and list: what stays when old sightings are dropped. "
            "Written by settle."
        },
    )
    __mapper_args__ = {"primary_key": ["variant_id", "day", "source_id", "label_id"]}  # noqa: RUF012

    variant_id: Mapped[int] = column("The text (headline_variants.id).")
    source_id: Mapped[int | None] = column("Where the pages come from (sources.id); NULL when unknown.")
    last_page_id: Mapped[int] = column("The last of the pages loaded (pages.id): an example.")
    first_seen_at: Mapped[datetime | None] = column("Earliest fetch time; NULL when unknown.")
    last_seen_at: Mapped[datetime | None] = column("Latest fetch time; NULL when unknown.")
    day: Mapped[date | None] = column("Day (UTC) of the pages' fetch time; NULL when unknown.", Date)
    label_id: Mapped[int | None] = column("Label of the list (sidebar_labels.id); NULL without one.", Integer)
    sightings: Mapped[int] = column("How many.", Integer)
    best_position: Mapped[int] = column("The smallest position among them, from 1.", SmallInteger)


class HeadlineTotal(Base):
    """What the sightings of one headline come to."""

    __tablename__ = "headline_totals"
    __table_args__ = {  # noqa: RUF012
        "comment": "All sightings of each sidebar headline: the sums of sighting_days. Written by settle."
    }

    headline_id: Mapped[int] = reference("headlines", "The sidebar headline.", primary_key=True)
    sightings: Mapped[int] = column("Placements on pages.", index=True)
    first_seen_at: Mapped[datetime | None] = column("Earliest fetch time; NULL when unknown.")
    last_seen_at: Mapped[datetime | None] = column("Latest fetch time; NULL when unknown.", index=True)


# --- what a reprocess took back ---------------------------------------------------------------------


class RetractedSighting(Base):
    """A sighting that a reprocess took back or wrote anew. Without foreign keys to what settle may drop."""

    __tablename__ = "retracted_sightings"
    __table_args__ = {  # noqa: RUF012
        "comment": "Sightings that a reprocess took back, until settle has taken them out of the sums."
    }
    __mapper_args__ = {"primary_key": ["batch_id", "page_id", "position"]}  # noqa: RUF012

    batch_id: Mapped[int] = reference("batches", "The batch that took it back.", index=True)
    page_id: Mapped[int] = column("The page (pages.id).")
    variant_id: Mapped[int] = column("The text (headline_variants.id).")
    target_id: Mapped[int | None] = column("Where it led (link_targets.id); NULL without a link.")
    label_id: Mapped[int | None] = column("Label of its list (sidebar_labels.id); NULL without one.", Integer)
    position: Mapped[int] = column("Its place among the sidebar headlines of the page.", SmallInteger)
    counted: Mapped[bool] = column("True where it is in the sums: its page was settled.")


class RetractedClaim(Base):
    """What a page named before a reprocess."""

    __tablename__ = "retracted_claims"
    __table_args__ = {  # noqa: RUF012
        "comment": "Articles and titles that pages named before a reprocess, until settle has looked at what "
        "followed from them."
    }
    __mapper_args__ = {"primary_key": ["batch_id", "page_id"]}  # noqa: RUF012

    batch_id: Mapped[int] = reference("batches", "The batch that changed it.", index=True)
    page_id: Mapped[int] = column("The page (pages.id).")
    article_id: Mapped[int] = column("The article it named (articles.id).")
    title_key: Mapped[bytes | None] = column("Digest of the title it named, as a headline key.")


# --- quarantine -------------------------------------------------------------------------------------


class QuarantineEntry(Base):
    """A page that could not be read, processed or stored, or the rest of a damaged input."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index("quarantine_open_idx", "reason", postgresql_where=text("resolved_at IS NULL")),
        CheckConstraint(
            "resolution IN ('loaded', 'dismissed') AND (resolution IS NULL) = (resolved_at IS NULL)",
            name="resolution",
        ),
        {"comment": "Pages that could not be read, processed or stored; one row each, however often tried."},
    )

    id: Mapped[Id]
    key: Mapped[bytes] = column(
        "Key of the page; digest of its origin where no bytes are known.", unique=True
    )
    reason: Mapped[str] = column("Why, in one word.")
    stage: Mapped[str] = column("Where: read, clean, extract or load.")
    detail: Mapped[str] = column("What happened.")
    origin_uri: Mapped[str] = column("The input that holds it.")
    origin_record: Mapped[int] = column("Number of its record within the input, from 0.")
    url: Mapped[str | None] = column("Its URL, where the input states one.")
    url_key: Mapped[bytes | None] = column("Digest of its URL in normal form: finds it.", index=True)
    kind: Mapped[str | None] = column("html or text, where known.")
    fetched_at: Mapped[datetime | None] = column("Fetch time as the input states it.")
    source: Mapped[str | None] = column("Where it comes from: the name of its source.")
    content_type: Mapped[str | None] = column("Content type as the input states it.")
    digest: Mapped[bytes | None] = column("Digest of its raw bytes: their name in the archive.")
    byte_count: Mapped[int | None] = column("Size of its raw bytes; NULL when none were kept.")
    attempts: Mapped[int] = column("How often it was tried.", server_default="1")
    first_seen_at: Mapped[datetime] = column("When it first failed.", server_default=text("now()"))
    last_seen_at: Mapped[datetime] = column("When it last failed.", server_default=text("now()"))
    run_id: Mapped[int | None] = reference("runs", "The run in which it last failed.", index=True)
    batch_id: Mapped[int | None] = reference("batches", "The batch in which it last failed.", index=True)
    resolved_at: Mapped[datetime | None] = column(
        "When it was loaded after all, or dismissed; NULL while it is open."
    )
    resolution: Mapped[str | None] = column("How: loaded or dismissed; NULL while it is open.")


# --- kept bytes -------------------------------------------------------------------------------------


class KeptFile(Base):
    """A WARC file with the raw bytes of pages."""

    __tablename__ = "kept_files"
    __table_args__ = {  # noqa: RUF012
        "comment": "WARC files that hold the raw bytes of pages, written by runs with --keep-pages."
    }

    id: Mapped[SmallId]
    uri: Mapped[str] = column("Where it is.", unique=True)
    kept_at: Mapped[datetime] = column("When it was entered.", server_default=text("now()"))


class KeptPage(Base):
    """Where the raw bytes of a page are kept."""

    __tablename__ = "kept_pages"
    __table_args__ = {  # noqa: RUF012
        "comment": "Where the raw bytes of pages are kept: one place each, however often they were captured."
    }

    digest: Mapped[bytes] = column("Digest of the raw bytes: pages.digest.", primary_key=True)
    record_offset: Mapped[int] = column("Where its record begins in the file, in stored bytes.")
    file_id: Mapped[int] = reference("kept_files", "The file.", type_=Integer, index=True)


# --- staging ----------------------------------------------------------------------------------------


def _staging(
    name: str, *columns: Column[Any], like: type[Base] | None = None, copies: tuple[str, ...] = ()
) -> Table:
    """A temporary table that lives for one transaction, with some columns typed as another table's."""
    copied = [Column(c, like.__table__.c[c].type) for c in copies] if like is not None else []
    return Table(
        name,
        Base.metadata,
        *columns,
        *copied,
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
        info={"staging": True},
    )


PAGE_COLUMNS = (
    "key",
    "digest",
    "kind",
    "url",
    "url_key",
    "fetched_at",
    "origin_uri",
    "origin_record",
    "byte_count",
    "is_article",
    "reason",
    "text_digest",
)
"""What a page brings with it; the rest of its row is decided by the load."""

TEXT_COLUMNS = ("title", "summary", "body")
"""An article's text: what its versions tell apart."""

ARTICLE_COLUMNS = (
    "story_key",
    "canonical_url",
    "authors",
    "published_on",
    "published_at",
    "published_raw",
    "published_precision",
    "updated_on",
    "updated_at",
    "updated_raw",
    "section",
    "language",
    "agency",
    "image_caption",
    "image_credit",
    "read_minutes",
    "word_count",
    "confidence",
    "provenance",
)
"""What comes with an article's text from its current page."""

staged_pages = _staging(
    "staged_pages",
    Column("ordinal", Integer),
    Column("known", Boolean),
    Column("source", Text),
    Column("article_key", LargeBinary),
    Column("page_id", BigInteger),
    Column("article_id", BigInteger),
    Column("article_is_new", Boolean),
    Column("held_text", LargeBinary),
    Column("held_fetched_at", DateTime(timezone=True)),
    Column("held_digest", LargeBinary),
    Column("held_key", LargeBinary),
    Column("was_article_id", BigInteger),
    Column("was_text_digest", LargeBinary),
    Column("was_batch_id", BigInteger),
    Column("changed", Boolean),
    Column("sightings_changed", Boolean),
    like=StoredPage,
    copies=PAGE_COLUMNS,
)
"""The pages of a batch, and what the load finds out about each: `known` is a page that was there
already, `article_is_new` one whose article this load inserts; `held_…` say which text an article that
was there had, and by which page; `was_…` what a page that is read again said before."""

staged_articles = _staging(
    "staged_articles",
    Column("ordinal", Integer),
    Column("title_key", LargeBinary),
    like=Article,
    copies=(*TEXT_COLUMNS, *ARTICLE_COLUMNS),
)
"""What the pages that are articles say, by the ordinal of the page."""

staged_texts = _staging(
    "staged_texts",
    Column("dictionary", Text),
    Column("ordinal", Integer),
    Column("digest", LargeBinary),
    Column("text", Text),
    Column("key", Text),
    Column("key_digest", LargeBinary),
)
"""Distinct texts of a batch's sidebar headlines, by the table each belongs to."""

staged_sightings = _staging(
    "staged_sightings",
    like=Sighting,
    copies=("page_id", "variant_id", "target_id", "label_id", "byline_id", "position"),
)
"""The placements on pages that are read again, before they are compared with those that are stored."""

STAGING = (staged_pages, staged_articles, staged_texts, staged_sightings)
"""What loads fill: the last one only where pages are read again."""

metadata = Base.metadata
"""Every table, staging tables included."""
