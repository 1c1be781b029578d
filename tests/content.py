"""All that a database holds, by natural keys: what two ways to load the same pages must have in common."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Engine, FromClause, Select, select, text

from schemas.tables import metadata

REFERENCES = {
    "source_id": ("sources", "name"),
    "page_id": ("pages", "key"),
    "article_id": ("articles", "key"),
    "headline_id": ("headlines", "key"),
    "merged_into": ("headlines", "key"),
    "variant_id": ("headline_variants", "text"),
    "target_id": ("link_targets", "url"),
    "label_id": ("sidebar_labels", "text"),
    "byline_id": ("bylines", "text"),
}
"""What stands for a row elsewhere, by the column that refers to it; sightings refer without foreign keys."""

LEFT_OUT = {
    "parts": {"batch_id"},
    "pages": {"batch_id"},
    "sighting_days": {"last_page_id"},  # any of the day's pages will do
    "quarantine": {"run_id", "batch_id", "first_seen_at", "last_seen_at", "resolved_at"},
    "kept_pages": {"file_id", "record_offset"},
    "retracted_sightings": {"batch_id"},
    "retracted_claims": {"batch_id"},
}
"""Columns that tell when and by which run or batch a row came: beside identity keys, all that may differ."""

TABLES_LEFT_OUT = {"runs", "batches", "kept_files"}
"""What runs did and the files they wrote: one load may take any number of them."""

VIEWS = {"headline_revisions": "SELECT target, number, revisions, headline FROM headline_revisions"}

SHORTEST_DIGESTED = 200
"""Characters from which a text is compared by its digest, so that differences can be read."""

Content = dict[str, list[str]]
"""Rows of each table as text, sorted."""


def content(engine: Engine, without: Collection[str] = ()) -> Content:
    """All that is loaded and settled, but for the columns `without`, each as `table.column`.

    A column or table of the future is compared, unless it is left out above.
    """
    queries: dict[str, Select[Any] | Any] = {
        table.name: _by_natural_keys(table, without)
        for table in metadata.sorted_tables
        if table.name not in TABLES_LEFT_OUT and not table.info.get("staging")
    }
    queries |= {name: text(query) for name, query in VIEWS.items()}
    with engine.connect() as connection:
        return {
            name: sorted(
                repr({column: _shown(value) for column, value in row.items()})
                for row in connection.execute(query).mappings()
            )
            for name, query in queries.items()
        }


def checksum(loaded: Mapping[str, list[str]]) -> str:
    """Stands for all that is loaded."""
    lines = (f"{name}\t{row}\n" for name, rows in loaded.items() for row in rows)
    return hashlib.blake2b("".join(lines).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def differences(expected: Content, found: Content) -> Iterator[str]:
    """One line for each row that only one side has: `-` for a lost one, `+` for one too many."""
    for name, rows in expected.items():
        before, after = Counter(rows), Counter(found[name])
        for sign, rest in (("-", before - after), ("+", after - before)):
            yield from (f"{sign} {name} {row}" for row in sorted(rest.elements()))


def _by_natural_keys(table: FromClause, without: Collection[str]) -> Select[Any]:
    """Every row of a table, with natural keys in the place of identity keys."""
    name = str(table.name)  # type: ignore[attr-defined]
    columns: list[ColumnElement[Any]] = []
    joined = table
    for column in table.columns:
        if column.identity or column.name in LEFT_OUT.get(name, ()) or f"{name}.{column.name}" in without:
            continue
        if column.name not in REFERENCES:
            assert not column.foreign_keys, f"{name}.{column.name} refers to nothing known here"
            columns.append(column)
            continue
        target, key = REFERENCES[column.name]
        referred = metadata.tables[target].alias(f"of_{column.name}")
        joined = joined.outerjoin(referred, referred.c.id == column)
        columns.append(referred.c[key].label(column.name))
    return select(*columns).select_from(joined)


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str) and len(value) >= SHORTEST_DIGESTED:
        digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return f"{value[:40]}… ({len(value)} characters, {digest})"
    return value
