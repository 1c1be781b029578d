"""What the command line shows of articles and runs, as small typed records. Reads only.

Times are aware and in UTC; None where a page states none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Executable,
    Select,
    case,
    cast,
    column,
    func,
    select,
    text,
    true,
)

from schemas.errors import ConfigError
from schemas.records import Counts
from schemas.tables import (
    Article,
    ArticleVersion,
    LoadedBatch,
    QuarantineEntry,
    Run,
    Source,
    StoredHeadline,
    StoredPage,
)
from tasks.postgres.rows import url_key

_LARGEST_ID = 2**63 - 1

MOST_SEARCHED, MOST_EXCLUDED = 1000, 20
"""Characters of a search, and minus signs in it: Postgres parses both with a small stack."""

Record = TypeVar("Record")

# --- articles ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """An article in a list."""

    id: int
    published: str | None
    """`2025-05-17`, or `2025-05-17T12:05Z` where the page shows a time and its zone."""
    source: str | None
    section: str | None
    language: str | None
    title: str | None
    authors: list[str]
    url: str | None
    word_count: int


@dataclass(frozen=True, slots=True)
class ArticleMatch:
    """An article that a search found."""

    id: int
    published: str | None
    source: str | None
    section: str | None
    title: str | None
    url: str | None
    rank: float
    snippet: str
    """The part of summary or text that matches best."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A page that an article was found on."""

    id: int
    kind: str
    fetched_at: datetime | None
    url: str | None
    origin_uri: str
    origin_record: int


@dataclass(frozen=True, slots=True)
class ArticleDetail:
    """An article with everything known of it."""

    id: int
    title: str | None
    summary: str | None
    authors: list[str]
    published_on: date | None
    published_at: datetime | None
    published_raw: str | None
    updated_on: date | None
    updated_at: datetime | None
    updated_raw: str | None
    section: str | None
    language: str | None
    agency: str | None
    image_caption: str | None
    image_credit: str | None
    read_minutes: int | None
    word_count: int
    source: str | None
    url: str | None
    canonical_url: str | None
    confidence: float
    provenance: dict[str, str]
    version_count: int
    """Distinct texts that it has had."""
    body: str
    """Paragraphs, parted by a blank line."""
    pages: list[Capture]
    """Latest first, unknown fetch times last."""


def list_articles(
    engine: Engine,
    *,
    source: str | None = None,
    section: str | None = None,
    since: date | None = None,
    until: date | None = None,
    limit: int = 20,
) -> list[ArticleRow]:
    """Articles by printed date, newest first; the range takes in both its ends."""
    statement = (
        select(*_article_columns(ArticleRow))
        .outerjoin(Source, Source.id == Article.source_id)
        .order_by(Article.published_on.desc().nulls_last(), Article.id.desc())
        .limit(limit)
    )
    if source is not None:
        statement = statement.where(Source.name == source)
    if section is not None:
        statement = statement.where(func.lower(Article.section) == func.lower(section))
    if since is not None:
        statement = statement.where(Article.published_on >= since)
    if until is not None:
        statement = statement.where(Article.published_on <= until)
    return fetch(engine, statement, ArticleRow)


def search_articles(engine: Engine, words: str, *, limit: int = 20) -> list[ArticleMatch]:
    """Full-text search, best match first, in the way of web searches.

    All words must occur; `"quoted words"` must follow each other; `or` between words, `-word` for none.

    Raises:
        ConfigError: too many of them.
    """
    query = func.websearch_to_tsquery(text("'simple'"), search_words(words))
    found = (
        select(Article.id.label("article_id"), func.ts_rank_cd(Article.search, query, 1).label("rank"))
        .where(Article.search.op("@@")(query))
        .order_by(column("rank").desc(), Article.id.desc())
        .limit(limit)
        .subquery()
    )
    shown = func.concat_ws(" ", Article.summary, func.left(Article.body, 50_000))
    snippet = func.ts_headline(
        text("'simple'"), shown, query, "StartSel='', StopSel='', MaxWords=30, MinWords=15, MaxFragments=1"
    )
    statement = (
        select(*_article_columns(ArticleMatch), found.c.rank, snippet.label("snippet"))
        .join(found, found.c.article_id == Article.id)
        .outerjoin(Source, Source.id == Article.source_id)
        .order_by(found.c.rank.desc(), Article.id.desc())
    )
    return fetch(engine, statement, ArticleMatch)


def search_words(words: str) -> str:
    """The words of a search as they are.

    Raises:
        ConfigError: there are more than a search takes.
    """
    if len(words) > MOST_SEARCHED or len(re.findall(r"(?<!\w)-", words)) > MOST_EXCLUDED:
        raise ConfigError(
            f"A search takes at most {MOST_SEARCHED:,} characters and {MOST_EXCLUDED} words with a minus."
        )
    return words


def find_article(engine: Engine, name: str) -> ArticleDetail | None:
    """The article with this id, or the one found at this URL; None where there is none."""
    with engine.connect() as connection:
        article_id = row_id(name) if name.isdecimal() else _article_at(connection, name)
        versions = select(func.count()).where(ArticleVersion.article_id == Article.id).scalar_subquery()
        statement = (
            select(*_article_columns(ArticleDetail), versions.label("version_count"))
            .outerjoin(Source, Source.id == Article.source_id)
            .where(Article.id == article_id)
        )
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        captures = (
            select(*(getattr(StoredPage, field.name) for field in fields(Capture)))
            .where(StoredPage.article_id == article_id)
            .order_by(StoredPage.fetched_at.desc().nulls_last(), StoredPage.id.desc())
        )
        return ArticleDetail(**row, pages=records(connection, captures, Capture))


def _article_columns(record: type) -> list[Any]:
    """The columns of an article, or of its source, that a record asks for by name."""
    zoned = func.to_char(func.timezone("UTC", Article.published_at), 'YYYY-MM-DD"T"HH24:MI"Z"')
    special = {
        "source": Source.name.label("source"),
        "published": func.coalesce(zoned, func.to_char(Article.published_on, "YYYY-MM-DD")).label(
            "published"
        ),
    }
    names = [field.name for field in fields(record)]
    return [
        special.get(name, getattr(Article, name, None))
        for name in names
        if name in special or hasattr(Article, name)
    ]


def _article_at(connection: Connection, url: str) -> int | None:
    key = url_key(url)
    named: int | None = connection.scalar(select(Article.id).where(Article.key == key))
    return named or connection.scalar(
        select(StoredPage.article_id)
        .where(StoredPage.url_key == key, StoredPage.article_id.is_not(None))
        .order_by(StoredPage.fetched_at.desc().nulls_last(), StoredPage.id.desc())
        .limit(1)
    )


# --- runs and status ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a run did."""

    id: int
    kind: str
    state: str
    """`running`, `completed`, `partial`, `failed` or `interrupted`."""
    started_at: datetime
    seconds: float | None
    """None while it runs, or if it was killed."""
    read: int
    """This and the rest: of a run whose end is not entered, what its batches have done so far."""
    loaded: int
    updated: int
    unchanged: int
    duplicate: int
    non_article: int
    quarantined: int
    ignored: int
    skipped: int
    message: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """What the database holds."""

    articles: int
    pages: int
    headlines: int
    sightings: int
    sources: int
    quarantined: int
    """Pages that wait in quarantine."""
    unsettled: int
    """Batches that are loaded and whose headlines are not settled yet."""
    bytes: int
    """Tables and indexes on disk."""
    server_version: str
    """Of PostgreSQL."""
    revision: str
    """Of the schema."""
    runs: list[RunRow]
    """The last ones, latest first."""


def find_status(engine: Engine, *, runs: int = 5) -> Status:
    """What the database holds, with the last runs."""
    with engine.connect() as connection:
        counts = connection.execute(
            select(
                select(func.count(Article.id)).scalar_subquery().label("articles"),
                select(func.count(StoredPage.id)).scalar_subquery().label("pages"),
                select(func.count(StoredHeadline.id))
                .where(StoredHeadline.merged_into.is_(None))
                .scalar_subquery()
                .label("headlines"),
                # Each batch knows how many it wrote; counting them anew reads the largest table.
                select(func.coalesce(func.sum(LoadedBatch.sightings), 0))
                .scalar_subquery()
                .label("sightings"),
                select(func.count(Source.id)).scalar_subquery().label("sources"),
                select(func.count(QuarantineEntry.id))
                .where(QuarantineEntry.resolved_at.is_(None))
                .scalar_subquery()
                .label("quarantined"),
                _UNSETTLED.scalar_subquery().label("unsettled"),
                text(_DATABASE_BYTES),
                text("current_setting('server_version') AS server_version"),
                text("(SELECT version_num FROM alembic_version) AS revision"),
            )
        ).mappings()
        found = dict(counts.one())
        found["sightings"] = int(found["sightings"])
        return Status(**found, runs=records(connection, _runs(runs), RunRow))


_UNSETTLED = select(func.count(LoadedBatch.id)).where(LoadedBatch.settled_at.is_(None))
_DATABASE_BYTES = """(
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
) AS bytes"""


def count_unsettled(engine: Engine) -> int:
    """Batches that are loaded and whose headlines are not settled yet."""
    with engine.connect() as connection:
        return connection.scalar(_UNSETTLED) or 0


def _runs(limit: int) -> Select[Any]:
    # A run's own counts are entered at its end: until then those of its batches are added up.
    under_way = Run.state == "running"
    sums = [func.coalesce(func.sum(getattr(LoadedBatch, name)), 0).label(name) for name in _COUNTED]
    so_far = select(*sums).where(under_way, LoadedBatch.run_id == Run.id).lateral()
    columns = (
        case((under_way, cast(so_far.c[name], BigInteger)), else_=getattr(Run, name)).label(name)
        if name in _COUNTED
        else getattr(Run, name)
        for name in (field.name for field in fields(RunRow))
    )
    return select(*columns).join(so_far, true()).order_by(Run.id.desc()).limit(limit)


_COUNTED = (*Counts().as_dict(), "ignored")
"""What batches count, as runs do."""


# --- rows to records ---------------------------------------------------------------------------------


def fetch(engine: Engine, statement: Executable, record: type[Record]) -> list[Record]:
    """The answer as records, in a transaction of its own."""
    with engine.connect() as connection:
        return records(connection, statement, record)


def records(connection: Connection, statement: Executable, record: type[Record]) -> list[Record]:
    """The answer as records: a column for each field."""
    return [record(**row) for row in connection.execute(statement).mappings()]


def row_id(number: int | str) -> int:
    """The number as an id; -1, which no row has, where no id can be so large."""
    return int(number) if 0 <= int(number) <= _LARGEST_ID else -1
