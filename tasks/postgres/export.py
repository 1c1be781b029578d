"""Whole tables out as CSV, JSON lines or Parquet: a stream of bytes, whatever their size.

One statement gives one consistent state. Columns keep names and order from version to version; new ones
are added at the end.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from psycopg import Connection
from sqlalchemy import Engine

from schemas.errors import missing_extra

What = Literal["articles", "headlines", "sightings"]
Format = Literal["csv", "jsonl", "parquet"]
Kind = Literal["bigint", "double", "boolean", "text", "texts", "date", "timestamp"]

_CHUNK_BYTES = 256 * 1024
_PARQUET_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ExportedColumn:
    """A column that is written out."""

    name: str
    kind: Kind
    """`texts` is a list: a JSON array in CSV. Dates and times are ISO 8601, times in UTC."""
    meaning: str
    sql: str


def _column(name: str, kind: Kind, meaning: str, sql: str) -> ExportedColumn:
    return ExportedColumn(name, kind, meaning, sql)


COLUMNS: dict[What, tuple[ExportedColumn, ...]] = {
    "articles": (
        _column("id", "bigint", "Identity key.", "a.id"),
        _column("url", "text", "Its canonical URL, else the page's own.", "a.url"),
        _column("source", "text", "Where it comes from.", "s.name"),
        _column("title", "text", "Headline.", "a.title"),
        _column("summary", "text", "Standfirst.", "a.summary"),
        _column("authors", "texts", "As printed, in order.", "a.authors"),
        _column("published_on", "date", "Date as printed.", "a.published_on"),
        _column("published_at", "timestamp", "Where time and zone are shown.", "a.published_at"),
        _column("published_raw", "text", "As printed.", "a.published_raw"),
        _column(
            "published_precision", "text", "year, month, day, minute or second.", "a.published_precision"
        ),
        _column("updated_on", "date", "Date of the last update as printed.", "a.updated_on"),
        _column("updated_at", "timestamp", "Where time and zone are shown.", "a.updated_at"),
        _column("updated_raw", "text", "As printed.", "a.updated_raw"),
        _column("section", "text", "As printed.", "a.section"),
        _column("language", "text", "ISO 639-1 code.", "a.language"),
        _column("agency", "text", "News agency credited.", "a.agency"),
        _column("image_caption", "text", "Of the lead image.", "a.image_caption"),
        _column("image_credit", "text", "Of the lead image.", "a.image_credit"),
        _column("read_minutes", "bigint", "Reading time as printed.", "a.read_minutes"),
        _column("word_count", "bigint", "Words in the body.", "a.word_count"),
        _column("confidence", "double", "0 to 1: how far the body can be trusted.", "a.confidence"),
        _column("fetched_at", "timestamp", "Fetch time of the page that gives the text.", "a.fetched_at"),
        _column("story", "text", "Equal for the forms of one story.", "encode(a.story_key, 'hex')"),
        _column("body", "text", "Paragraphs, parted by a blank line.", "a.body"),
    ),
    "headlines": (
        _column("id", "bigint", "Identity key.", "h.id"),
        _column("text", "text", "The text that stands for it.", "h.text"),
        _column("article_id", "bigint", "The article it leads to, where known.", "h.article_id"),
        _column("sightings", "bigint", "How often pages list it.", "coalesce(t.sightings, 0)"),
        _column("first_seen_at", "timestamp", "First known fetch time.", "t.first_seen_at"),
        _column("last_seen_at", "timestamp", "Last known fetch time.", "t.last_seen_at"),
        _column("variants", "texts", "Its texts exactly as seen.", "coalesce(v.variants, '{}')"),
        _column("generic", "boolean", "True when one text stands for many stories.", "h.generic"),
    ),
    "sightings": (
        _column("headline_id", "bigint", "The sidebar headline.", "v.headline_id"),
        _column("text", "text", "Its text exactly as seen.", "v.text"),
        _column("label", "text", "Label of the list.", "l.text"),
        _column("position", "bigint", "Place among the sidebar headlines of the page, from 1.", "g.position"),
        _column("byline", "text", "Author that the list names.", "b.text"),
        _column("target", "text", "Where it leads.", "t.url"),
        _column("page_id", "bigint", "The page.", "g.page_id"),
        _column("page_url", "text", "URL of the page.", "p.url"),
        _column("source", "text", "Where the page comes from.", "s.name"),
        _column("article_id", "bigint", "The article on the page.", "p.article_id"),
        _column("seen_at", "timestamp", "Fetch time of the page; empty when unknown.", "p.fetched_at"),
    ),
}
"""What each export holds, in order."""

_FROM: dict[What, str] = {
    "articles": "articles a LEFT JOIN sources s ON s.id = a.source_id ORDER BY a.id",
    "headlines": """headlines h
        LEFT JOIN headline_totals t ON t.headline_id = h.id
        LEFT JOIN (
            SELECT headline_id, array_agg(text ORDER BY id) AS variants
            FROM headline_variants
            GROUP BY headline_id
        ) v ON v.headline_id = h.id
        WHERE h.merged_into IS NULL ORDER BY h.id""",
    "sightings": """headline_sightings g
        JOIN pages p ON p.id = g.page_id
        JOIN headline_variants v ON v.id = g.variant_id
        LEFT JOIN sidebar_labels l ON l.id = g.label_id
        LEFT JOIN bylines b ON b.id = g.byline_id
        LEFT JOIN link_targets t ON t.id = g.target_id
        LEFT JOIN sources s ON s.id = p.source_id
        ORDER BY g.page_id, g.position""",
}


def export(engine: Engine, what: What, form: Format) -> Iterator[bytes]:
    """The articles, sidebar headlines or sightings as the bytes of one file, in pieces.

    Raises:
        ConfigError: Parquet was asked for and pyarrow is not installed; at once, before any bytes.
    """
    if form == "parquet":
        _pyarrow()
    return _WRITERS[form](engine, what)


def _select(what: What, as_text: Callable[[ExportedColumn], str] = lambda column: column.sql) -> str:
    columns = ", ".join(f"{as_text(column)} AS {column.name}" for column in COLUMNS[what])
    return f"SELECT {columns} FROM {_FROM[what]}"  # noqa: S608  # our own names


def _csv(engine: Engine, what: What) -> Iterator[bytes]:
    def as_text(column: ExportedColumn) -> str:
        if column.kind == "texts":
            return f"to_json({column.sql})"
        return f"to_json({column.sql}) #>> '{{}}'" if column.kind in ("timestamp", "boolean") else column.sql

    return _copy(engine, f"COPY ({_select(what, as_text)}) TO STDOUT (FORMAT csv, HEADER)")


def _jsonl(engine: Engine, what: What) -> Iterator[bytes]:
    # The text format would double backslashes. As CSV a line stays as it is, when quote and delimiter
    # are characters that JSON never holds bare.
    rows = f"SELECT row_to_json(r) FROM ({_select(what)}) r"  # noqa: S608
    return _copy(engine, f"COPY ({rows}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')")


def _copy(engine: Engine, statement: str) -> Iterator[bytes]:
    with engine.connect() as connection:
        driver = cast("Connection[Any]", connection.connection.driver_connection)
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            chunk = bytearray()
            for row in copy:
                chunk += row
                if len(chunk) >= _CHUNK_BYTES:
                    yield bytes(chunk)
                    chunk.clear()
            yield bytes(chunk)


def _parquet(engine: Engine, what: What) -> Iterator[bytes]:
    pa = _pyarrow()
    kinds = {
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, kinds[column.kind]) for column in COLUMNS[what]])
    sink = _Sink()
    with (
        engine.connect().execution_options(stream_results=True, max_row_buffer=_PARQUET_ROWS) as connection,
        connection.exec_driver_sql(_select(what)) as found,
        pa.parquet.ParquetWriter(sink, schema, compression="zstd") as writer,
    ):
        for rows in found.partitions(_PARQUET_ROWS):
            columns = zip(zip(*rows, strict=True), schema.types, strict=True)
            arrays = [pa.array(values, kind) for values, kind in columns]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            yield sink.take()
    yield sink.take()


def _pyarrow() -> Any:
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise missing_extra("Parquet", "parquet") from None


class _Sink(io.RawIOBase):
    """Takes what a writer writes, and hands it on."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


_WRITERS: dict[Format, Callable[[Engine, What], Iterator[bytes]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
