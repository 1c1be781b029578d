"""The set-based half of a load: COPY into staging tables, upserts from there.

Every statement takes its locks sorted by key; see `tasks.load` for the order of the statements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Executable,
    Integer,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.schema import CreateTable

from schemas.errors import TransientLoadError
from schemas.records import ExtractedPage
from schemas.tables import (
    ARTICLE_COLUMNS,
    PAGE_COLUMNS,
    STAGING,
    TEXT_COLUMNS,
    Article,
    ArticleVersion,
    Base,
    Byline,
    HeadlineVariant,
    LinkTarget,
    SidebarLabel,
    Sighting,
    Source,
    StoredPage,
    staged_articles,
    staged_pages,
    staged_texts,
)
from tasks.postgres.rows import Dictionary, Placements, article_row, page_row

page, article = staged_pages.c, staged_articles.c

_PAGE_ROW = ("ordinal", "known", "source", "article_key", *PAGE_COLUMNS)
_ARTICLE_ROW = ("ordinal", "title_key", *TEXT_COLUMNS, *ARTICLE_COLUMNS)
_TEXT_ROW = tuple(staged_texts.c.keys())
SIGHTING_ROW = ("page_id", "variant_id", "target_id", "label_id", "byline_id", "position")


def load_pages(
    connection: Connection, pages: Sequence[ExtractedPage], batch_id: int, extractor: str
) -> tuple[Counter[str], int]:
    """Load pages with their articles and sidebar headlines.

    Returns: how many pages met each outcome, and how many sightings were written.

    Raises:
        TransientLoadError: another loader got in between; roll back and try again.
    """
    if not pages:
        return Counter(), 0
    stage(connection, pages)
    parameters = {"batch_id": batch_id, "extractor": extractor}
    for statement, names in _LOAD_PAGES:
        connection.execute(statement, {name: parameters[name] for name in names})
    outcomes: Counter[str] = Counter()
    placements = Placements()
    for row, outcome in _outcomes(connection.execute(_LOADED).all()):
        outcomes[outcome] += 1
        if row.page_id is not None:
            placements.add(row.page_id, pages[row.ordinal])
    return outcomes, load_placements(connection, placements, Sighting.__tablename__)


# --- staging ----------------------------------------------------------------------------------------


def make_staging(connection: Connection) -> None:
    """Make the staging tables of this transaction."""
    for table in STAGING:
        connection.execute(CreateTable(table))


def empty_staging(connection: Connection) -> None:
    """Empty them for other pages: made anew for each of many pieces, they would fill the table of locks."""
    connection.execute(_EMPTY)


_EMPTY = text("TRUNCATE staged_pages, staged_articles, staged_texts, staged_sightings")


def stage(connection: Connection, pages: Sequence[ExtractedPage]) -> None:
    """Copy pages and what they say into the staging tables, which are empty."""
    seen: set[bytes] = set()
    page_rows, article_rows = [], []
    for ordinal, extracted in enumerate(pages):
        row = page_row(extracted) | {"ordinal": ordinal, "known": extracted.key in seen, "text_digest": None}
        seen.add(extracted.key)
        if row["is_article"]:
            row |= article_row(extracted)
            article_rows.append([row[name] for name in _ARTICLE_ROW])
        page_rows.append([row[name] for name in _PAGE_ROW])
    _copy(connection, staged_pages.name, _PAGE_ROW, page_rows)
    _copy(connection, staged_articles.name, _ARTICLE_ROW, article_rows)


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with _copying(connection, table, columns) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _copying(connection: Connection, table: str, columns: Sequence[str]) -> Iterator[psycopg.Copy]:
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        yield copy


# --- pages and articles -----------------------------------------------------------------------------

_NEW_ARTICLE_PAGE = and_(page.known.is_(False), page.article_key.is_not(None))
_FIRST_BY_RANK = (page.fetched_at.desc().nulls_last(), page.digest.desc(), page.key.desc())
"""Orders pages by their claim to give the current text: greatest fetch time (unknown last), then digest."""


def _rank(
    fetched_at: ColumnElement[Any] | InstrumentedAttribute[Any],
    digest: ColumnElement[Any] | InstrumentedAttribute[Any],
    key: ColumnElement[Any] | InstrumentedAttribute[Any],
) -> ColumnElement[Any]:
    """The same order, for comparing two pages."""
    return tuple_(func.coalesce(fetched_at, text("timestamptz '-infinity'")), digest, key)


def _leaders(condition: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[Any]:
    """Of the pages that meet a condition, the one of each article that claims most, sorted by article."""
    return (
        select(*columns)
        .join_from(staged_pages, staged_articles, article.ordinal == page.ordinal)
        .outerjoin(Source, Source.name == page.source)
        .where(condition)
        .distinct(page.article_key)
        .order_by(page.article_key, *_FIRST_BY_RANK)
    )


# What the page that leads an article gives it, by the article's column.
_FROM_PAGE: dict[str, ColumnElement[Any]] = {
    "source_id": Source.__table__.c.id,
    "page_key": page.key,
    "page_digest": page.digest,
    "fetched_at": page.fetched_at,
    "text_digest": page.text_digest,
    "url": func.coalesce(article.canonical_url, page.url),
    **{name: article[name] for name in ARTICLE_COLUMNS},
}
_FROM_TEXT: dict[str, ColumnElement[Any]] = {name: article[name] for name in TEXT_COLUMNS}


def add_sources() -> Executable:
    """Insert the sources that are new."""
    names = select(page.source).where(page.source.is_not(None), ~exists().where(Source.name == page.source))
    return (
        insert(Source).from_select(["name"], names.distinct().order_by(page.source)).on_conflict_do_nothing()
    )


def _mark_known_pages() -> Executable:
    return update(staged_pages).where(exists().where(StoredPage.key == page.key)).values(known=True)


def add_articles() -> Executable:
    """Insert the articles that are new, each with the text of its leading page."""
    values = {"key": page.article_key, **_FROM_PAGE, **_FROM_TEXT}
    unknown = and_(_NEW_ARTICLE_PAGE, ~exists().where(Article.key == page.article_key))
    leaders = _leaders(unknown, *(value.label(name) for name, value in values.items()))
    added = (
        insert(Article)
        .from_select(list(values), leaders)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(Article.id, Article.key, Article.page_key)
        .cte("added")
    )
    return (
        update(staged_pages)
        .where(_NEW_ARTICLE_PAGE, page.article_key == added.c.key)
        .values(article_id=added.c.id, article_is_new=True)
    )


def _lock_articles() -> Executable:
    """Lock the other articles, so that their current text is decided by one loader at a time."""
    locked = (
        select(
            Article.id,
            Article.key,
            Article.text_digest,
            Article.fetched_at,
            Article.page_digest,
            Article.page_key,
        )
        .where(Article.key.in_(select(page.article_key).where(_NEW_ARTICLE_PAGE, page.article_id.is_(None))))
        .order_by(Article.key)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    return (
        update(staged_pages)
        .where(_NEW_ARTICLE_PAGE, page.article_key == locked.c.key)
        .values(
            article_id=locked.c.id,
            held_text=locked.c.text_digest,
            held_fetched_at=locked.c.fetched_at,
            held_digest=locked.c.page_digest,
            held_key=locked.c.page_key,
        )
    )


def _add_pages() -> Executable:
    values = {
        "source_id": Source.id,
        "article_id": page.article_id,
        "batch_id": bindparam("batch_id"),
        "extractor": bindparam("extractor"),
        **{name: page[name] for name in PAGE_COLUMNS},
    }
    added = (
        insert(StoredPage)
        .from_select(
            list(values),
            select(*values.values())
            .join_from(staged_pages, Source, Source.name == page.source, isouter=True)
            .where(page.known.is_(False))
            .order_by(page.key),
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(StoredPage.id, StoredPage.key)
        .cte("added")
    )
    return (
        update(staged_pages).where(page.known.is_(False), page.key == added.c.key).values(page_id=added.c.id)
    )


def update_articles(*, text_changed: bool) -> Update:
    """Give articles that were there what the page says that claims most, unless it is what they have.

    Where the text stays, its columns are left alone: nothing is indexed again.
    """
    columns = {**_FROM_PAGE, **_FROM_TEXT} if text_changed else _FROM_PAGE
    leaders = _leaders(
        and_(page.page_id.is_not(None), page.article_id.is_not(None), page.article_is_new.is_(None)),
        page.article_id,
        *(value.label(name) for name, value in columns.items()),
    ).subquery("leader")
    same = leaders.c.text_digest == Article.text_digest
    columns_differ = tuple_(*(leaders.c[name] for name in _FROM_PAGE)).is_distinct_from(
        tuple_(*(Article.__table__.c[name] for name in _FROM_PAGE))
    )
    return (
        update(Article)
        .where(
            Article.id == leaders.c.article_id,
            ~same if text_changed else and_(same, columns_differ),
            _rank(leaders.c.fetched_at, leaders.c.page_digest, leaders.c.page_key)
            >= _rank(Article.fetched_at, Article.page_digest, Article.page_key),  # equal: the same page again
        )
        .values({name: leaders.c[name] for name in columns})
    )


def add_versions() -> Executable:
    """Insert the texts that articles did not have yet."""
    values = {
        "article_id": page.article_id,
        "text_digest": page.text_digest,
        "title_key": article.title_key,
        **_FROM_TEXT,
    }
    new = (
        select(*values.values())
        .join_from(staged_pages, staged_articles, article.ordinal == page.ordinal)
        .where(page.page_id.is_not(None), page.article_id.is_not(None))
        .distinct(page.article_id, page.text_digest)
        .order_by(page.article_id, page.text_digest)
    )
    return insert(ArticleVersion).from_select(list(values), new).on_conflict_do_nothing()


_LOAD_PAGES: tuple[tuple[Executable, tuple[str, ...]], ...] = (
    (add_sources(), ()),
    (_mark_known_pages(), ()),
    (add_articles(), ()),
    (_lock_articles(), ()),
    (_mark_known_pages(), ()),  # again: another loader may have brought them while this one waited
    (_add_pages(), ("batch_id", "extractor")),
    (update_articles(text_changed=False), ()),
    (update_articles(text_changed=True), ()),
    (add_versions(), ()),
)
"""The statements that load staged pages, in order, with the parameters each takes."""

_LOADED = select(
    page.ordinal,
    page.page_id,
    page.known,
    page.is_article,
    page.article_id,
    page.fetched_at,
    page.digest,
    page.key,
    page.text_digest,
    page.held_text,
    page.held_fetched_at,
    page.held_digest,
    page.held_key,
).order_by(page.ordinal)

_UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)


def _outcomes(rows: Iterable[Row[Any]]) -> Iterator[tuple[Row[Any], str]]:
    """What became of each page, as if they had been loaded one by one in their order.

    So the outcomes of a run do not depend on where its batches are cut.

    Raises:
        TransientLoadError: another run got in between.
    """
    held: dict[int, tuple[tuple[datetime, bytes, bytes], bytes]] = {}
    for row in rows:
        if row.known or (row.page_id is None and not row.is_article):
            yield row, "unchanged"
        elif row.page_id is None or (row.is_article and row.article_id is None):
            raise TransientLoadError(
                "Another run loaded the same pages at the same moment, as other articles, or dropped one."
            )
        elif not row.is_article:
            yield row, "non_article"
        else:
            if row.held_key:  # empty where no page had it any more
                rank = (row.held_fetched_at or _UNKNOWN_TIME, row.held_digest, row.held_key)
                held.setdefault(row.article_id, (rank, row.held_text))
            claim = ((row.fetched_at or _UNKNOWN_TIME, row.digest, row.key), row.text_digest)
            before = held.get(row.article_id)
            if before is None or claim[0] > before[0]:
                held[row.article_id] = claim
            if before is None:
                yield row, "loaded"
            elif claim[0] > before[0] and claim[1] != before[1]:
                yield row, "updated"
            else:
                yield row, "duplicate"


# --- sidebar headlines ------------------------------------------------------------------------------

staged = staged_texts.c

_DICTIONARIES: dict[Dictionary, tuple[type[Base], str, dict[str, ColumnElement[Any]]]] = {
    "variants": (
        HeadlineVariant,
        "digest",
        {"digest": staged.digest, "text": staged.text, "key": staged.key, "key_digest": staged.key_digest},
    ),
    "targets": (LinkTarget, "key", {"key": staged.digest, "url": staged.text}),
    "labels": (SidebarLabel, "digest", {"digest": staged.digest, "text": staged.text}),
    "bylines": (Byline, "digest", {"digest": staged.digest, "text": staged.text}),
}
"""Table, its identity, and what its columns take from a staged text."""


_MISSING = staged.ordinal == func.any(bindparam("missing", type_=ARRAY(Integer)))


def _find_texts(dictionary: Dictionary) -> Select[Any]:
    """The id of each staged text, NULL of one that is not there."""
    table, identity, _ = _DICTIONARIES[dictionary]
    columns = table.__table__.c
    return (
        select(columns.id)
        .join_from(staged_texts, table, columns[identity] == staged.digest, isouter=True)
        .where(staged.dictionary == dictionary)
        .order_by(staged.ordinal)
    )


def _add_texts(dictionary: Dictionary) -> Executable:
    table, identity, values = _DICTIONARIES[dictionary]
    new = select(*values.values()).where(staged.dictionary == dictionary, _MISSING)
    return (
        insert(table)
        .from_select(list(values), new.distinct(staged.digest).order_by(staged.digest))
        .on_conflict_do_nothing(index_elements=[identity])
    )


_FIND_TEXTS = {dictionary: _find_texts(dictionary) for dictionary in _DICTIONARIES}
_ADD_TEXTS = {dictionary: _add_texts(dictionary) for dictionary in _DICTIONARIES}
_ADDED_TEXTS = {dictionary: found.where(_MISSING) for dictionary, found in _FIND_TEXTS.items()}

_HOLD_TEXTS = text("LOCK TABLE headline_variants, link_targets IN ROW EXCLUSIVE MODE")
"""Texts that no page shows any more are removed under a stronger lock: ids read under this one stay."""


def _text_ids(connection: Connection, dictionary: Dictionary) -> list[int]:
    """The ids of the staged texts of a dictionary by their ordinals; what is not there is added.

    Most are there: they are looked up once, and only the others a second time.
    """
    ids = list(connection.execute(_FIND_TEXTS[dictionary]).scalars().all())
    missing = {"missing": [ordinal for ordinal, known in enumerate(ids) if known is None]}
    if missing["missing"]:
        connection.execute(_ADD_TEXTS[dictionary], missing)
        added = connection.execute(_ADDED_TEXTS[dictionary], missing).scalars().all()
        for ordinal, found in zip(missing["missing"], added, strict=True):
            ids[ordinal] = found
    return ids


def _id(ids: Sequence[int], ordinal: int | None) -> int | str:
    return "\\N" if ordinal is None else ids[ordinal]


def load_placements(connection: Connection, placements: Placements, table: str) -> int:
    """Write the texts that are new, then a sighting for each placement into a table; return how many."""
    if not placements.rows:
        return 0
    _copy(connection, staged_texts.name, _TEXT_ROW, placements.texts)
    connection.execute(_HOLD_TEXTS)
    ids = {dictionary: _text_ids(connection, dictionary) for dictionary in _DICTIONARIES}
    variants, targets, labels, bylines = ids.values()
    known = [
        f"\t{variants[variant]}\t{_id(targets, target)}\t{_id(labels, label)}\t{_id(bylines, byline)}\t"
        for variant, target, label, byline in placements.entries
    ]
    with _copying(connection, table, SIGHTING_ROW) as copy:
        # Nothing but numbers, and tens a page: written as they are.
        copy.write("".join([f"{page_id}{known[entry]}{at}\n" for page_id, entry, at in placements.rows]))
    return len(placements.rows)
